"""How sections are run: order, time limits, and one broken section among good ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import pytest

from ngc_cli.diagnostics.outcome import Check, Failed, Skipped
from ngc_cli.diagnostics.server import blame_registry, clock
from ngc_cli.diagnostics.survey import FORMS, SECTIONS, Finding, Job, Survey
from ngc_cli.diagnostics.trace import Fault, Trace
from ngc_cli.errors import ConfigError


def jobs(**special: Job) -> dict[str, Job]:
    """A quick job for every section, but for the special ones."""
    return {section.name: special.get(section.name, Job(lambda: 1, 5)) for section in SECTIONS}


def by_name(survey: Survey, limit_s: float = 28) -> dict[str, Finding]:
    return {finding.section.name: finding for finding in survey.run(FORMS, limit_s)}


def test_findings_come_in_order_and_as_soon_as_they_can() -> None:
    gate = threading.Event()
    found = Survey(jobs(memory=Job(lambda: gate.wait(5), 5)), {}).run(["client"])
    assert [next(found).section.name for _ in range(4)] == [
        "general",
        "operating_system",
        "disk_usage",
        "current_directory",
    ]
    gate.set()
    assert next(found).value is True


def test_sections_run_side_by_side() -> None:
    together = threading.Barrier(len(SECTIONS))
    found = by_name(Survey({name: Job(lambda: together.wait(5) >= 0, 5) for name in jobs()}, {}))
    assert {finding.status for finding in found.values()} == {"success"}


def test_what_takes_too_long_is_given_up() -> None:
    never = threading.Event()
    stuck = Job(lambda: never.wait(20), 0.1)
    started = time.monotonic()
    found = by_name(Survey(jobs(memory=stuck, gpu=stuck), {"gpu": lambda findings: 1}))
    never.set()
    assert time.monotonic() - started < 2
    assert found["memory"].status == found["gpu"].status == "failed"
    fault = found["memory"].fault
    assert fault is not None
    assert fault.cause == "timeout"


def test_all_together_have_a_limit() -> None:
    never = threading.Event()
    started = time.monotonic()
    found = by_name(Survey({name: Job(lambda: never.wait(20), 20) for name in jobs()}, {}), limit_s=0.2)
    never.set()
    assert time.monotonic() - started < 3
    assert {finding.status for finding in found.values()} == {"failed"}


@pytest.mark.parametrize(
    ("error", "status", "cause"),
    [
        (Skipped("no need"), "skipped", None),
        (Failed(Fault("dns", "no such name", "ask")), "failed", "dns"),
        (ConfigError("broken"), "failed", "configuration"),
        (RuntimeError("a bug"), "failed", "unexpected"),
    ],
)
def test_a_section_that_raises_is_a_finding(error: Exception, status: str, cause: str | None) -> None:
    def collect() -> None:
        raise error

    found = by_name(Survey(jobs(user=Job(collect, 5)), {}))
    assert found["user"].status == status
    assert (found["user"].fault.cause if found["user"].fault else None) == cause
    assert {finding.status for name, finding in found.items() if name != "user"} == {"success"}


def test_derived_sections_see_the_ones_before() -> None:
    def derive(findings: Mapping[str, Finding]) -> int:
        return len(findings)

    found = by_name(Survey({}, {section.name: derive for section in SECTIONS}))
    assert [finding.value for finding in found.values()] == list(range(1, len(SECTIONS) + 1))


class TestClock:
    def check(self, **differences: float) -> Check:
        return clock([Trace("", host, clock_difference_s=value) for host, value in differences.items()])

    def test_right(self) -> None:
        assert self.check(api=0.2, files=-1.5) == Check("success", "-1.5 s to files")

    def test_nobody_told_the_time(self) -> None:
        assert clock([Trace("", "api")]).status == "skipped"

    def test_ours_is_wrong(self) -> None:
        fault = self.check(api=-3600, files=-3599).fault
        assert fault is not None
        assert fault.detail == "the clock of this machine is 1h 0m 0s ahead of that of api"
        assert "NTP" in fault.next_step

    def test_theirs_is_wrong(self) -> None:
        fault = self.check(api=0.0, files=-3600).fault
        assert fault is not None
        assert "agrees with that of api" in fault.detail
        assert "operator of files" in fault.next_step


@pytest.mark.parametrize(
    ("cause", "api_is_up", "blamed"),
    [("server", True, True), ("refused", True, True), ("server", False, False), ("key", True, False)],
)
def test_the_registry_is_blamed_when_the_api_is_up(cause: str, api_is_up: bool, blamed: bool) -> None:
    registry = Check("failed", fault=Fault(cause, "it broke", "try"))  # type: ignore[arg-type]
    fault = blame_registry(registry, api_is_up).fault
    assert fault is not None
    assert (fault.cause == "registry-down") is blamed
