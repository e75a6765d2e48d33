"""Fixtures of every test: an environment of its own, and the fixtures of tests/support."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("support")
# Examples are not timed: beside other processes a single one may take long, and that says nothing.
settings.register_profile("ngc", deadline=None)
settings.load_profile("ngc")

NO_SKIP = bool(os.environ.get("NGC_TEST_NO_SKIP"))

pytest_plugins = [
    "support.brokennet",
    "support.commands",
    "support.distribution",
    "support.faultproxy",
    "support.faultserver",
    "support.memoryregistry",
    "support.peers",
    "support.program",
    "support.registry",
    "support.sdk",
]


WORKERS_PER_CORE = 3
"""Most tests wait for a process or a socket: on two cores one process took 553 s, six took 201 s."""


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """How many processes ``-n auto`` means."""
    return WORKERS_PER_CORE * (os.cpu_count() or 1)


@pytest.fixture(autouse=True)
def _own_environment(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings and no keyring of the person who runs the tests, and an empty home."""
    for name in os.environ:
        if name.startswith(("NGC_", "XDG_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "DBUS_SESSION_BUS_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skipped test hides a gap: where NGC_TEST_NO_SKIP is set, as in the gate, it has failed."""
    report = yield
    if report.skipped and NO_SKIP:
        report.outcome = "failed"
    return report
