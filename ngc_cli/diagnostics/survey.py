"""The sections of a diagnosis: which form has which, in the guide's order, and how they are run.

Independent sections run side by side, each in a thread that is given up when its time is over; sections that
follow from others are worked out when their turn comes. All together never take longer than ``LIMIT_S``.
Source of forms and order: docs/cli.md#diag.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from ngc_cli.diagnostics.outcome import Check, Failed, Skipped, Status, fault_of_error
from ngc_cli.diagnostics.trace import Fault
from ngc_cli.errors import NgcError

Form = Literal["install", "client", "server", "user"]
FORMS: tuple[Form, ...] = ("install", "client", "server", "user")
# Half a minute is what people wait for before they press Ctrl-C; two seconds are kept for the output.
LIMIT_S = 28.0


@dataclass(frozen=True)
class Section:
    """One block of the output; ``group`` is the member of the JSON form that holds it."""

    name: str
    group: str
    forms: tuple[Form, ...]


@dataclass(frozen=True)
class Finding:
    """What came of a section: a value when its status is ``success``, else why there is none."""

    section: Section
    status: Status
    value: Any = None
    fault: Fault | None = None
    note: str = ""
    elapsed_ms: int = 0


SECTIONS: tuple[Section, ...] = (
    Section("general", "general", FORMS),
    Section("installation", "install", ("install",)),
    Section("operating_system", "client", ("client",)),
    Section("disk_usage", "client", ("client",)),
    Section("current_directory", "client", ("client",)),
    Section("memory", "client", ("client",)),
    Section("permissions", "client", ("client",)),
    Section("environment", "client", ("client",)),
    Section("python", "install", ("install", "client")),
    Section("container_tools", "client", ("client",)),
    Section("gpu", "client", ("client",)),
    Section("keyring", "client", ("client",)),
    Section("api_gateway", "server", ("server",)),
    Section("authentication", "server", ("server",)),
    Section("container_registry", "server", ("server",)),
    Section("container_registry_meta", "server", ("server",)),
    Section("model_registry", "server", ("server",)),
    Section("data_storage", "server", ("server",)),
    Section("clock", "server", ("server",)),
    Section("external_ip", "server", ("server",)),
    Section("configuration", "user", ("user",)),
    Section("user", "user", ("user",)),
    Section("org_roles", "user", ("user",)),
    Section("team_roles", "user", ("user",)),
)

Collect = Callable[[], Any]
Derive = Callable[[Mapping[str, Finding]], Any]


@dataclass(frozen=True)
class Job:
    """How to get the value of a section, and how long that may take."""

    collect: Collect
    limit_s: float


@dataclass(frozen=True)
class Survey:
    """The collectors by section: ``jobs`` need nothing from each other, ``derived`` follow from earlier findings.

    A section that is in both is collected first and then seen in the light of the ones before it.
    """

    jobs: Mapping[str, Job]
    derived: Mapping[str, Derive]

    def run(self, forms: Sequence[Form], limit_s: float = LIMIT_S) -> Iterator[Finding]:
        """The findings of these forms, in order, each as soon as it and those before it are there."""
        chosen = [section for section in SECTIONS if set(section.forms) & set(forms)]
        started_s = time.monotonic()
        running = {
            section.name: _Running(self.jobs[section.name].collect)
            for section in chosen
            if section.name in self.jobs
        }
        findings: dict[str, Finding] = {}
        for section in chosen:
            name = section.name
            finding = Finding(section, "success")
            if name in running:
                job_limit_s = min(self.jobs[name].limit_s, limit_s)
                finding = running[name].finding(section, started_s, job_limit_s)
            if name in self.derived and (name not in running or finding.value is not None):
                derive = partial(self.derived[name], {**findings, name: finding})
                finding = replace(_judged(section, derive), elapsed_ms=finding.elapsed_ms)
            findings[name] = finding
            yield finding


_NOWHERE = Section("", "", ())


class _Running:
    """A collector at work in a thread of its own, which does not keep the process from ending."""

    def __init__(self, collect: Collect) -> None:
        self._results: queue.SimpleQueue[Finding] = queue.SimpleQueue()
        self._collect = collect
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        started_s = time.monotonic()
        finding = _judged(_NOWHERE, self._collect)
        self._results.put(replace(finding, elapsed_ms=round((time.monotonic() - started_s) * 1000)))

    def finding(self, section: Section, started_s: float, limit_s: float) -> Finding:
        """The finding when it is there, or that it did not come in time."""
        left_s = started_s + limit_s - time.monotonic()
        try:
            return replace(self._results.get(timeout=max(left_s, 0.001)), section=section)
        except queue.Empty:
            fault = Fault("timeout", f"no result within {limit_s:g} s", "Try again, or with --timeout 10.")
            return Finding(section, "failed", fault=fault, elapsed_ms=round(limit_s * 1000))


def _judged(section: Section, collect: Collect) -> Finding:
    """Run a collector; whatever it raises becomes a finding."""
    try:
        value = collect()
    except Skipped as reason:
        return Finding(section, "skipped", note=str(reason))
    except Failed as failure:
        return Finding(section, "failed", fault=failure.fault)
    except NgcError as error:
        return Finding(section, "failed", fault=fault_of_error(error))
    except Exception as error:  # noqa: BLE001 - one broken section must not take the others with it
        detail = f"{type(error).__name__}: {error}"
        return Finding(
            section, "failed", fault=Fault("unexpected", detail, "Report this with the whole output.")
        )
    if isinstance(value, Check):
        return Finding(section, value.status, value, value.fault, value.note)
    return Finding(section, "success", value)
