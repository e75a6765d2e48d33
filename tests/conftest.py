"""Fixtures of every test: an environment of its own, and the fixtures of tests/support."""

from __future__ import annotations

import os

import pytest

pytest.register_assert_rewrite("support")

pytest_plugins = [
    "support.brokennet",
    "support.commands",
    "support.distribution",
    "support.dockerd",
    "support.faultproxy",
    "support.faultserver",
    "support.memoryregistry",
    "support.peers",
    "support.program",
    "support.registry",
    "support.sdk",
]


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
