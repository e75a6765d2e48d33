"""The OS keyring through a real D-Bus: gnome-keyring, and a Secret Service that never answers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ngc_cli.config.store import load

pytestmark = pytest.mark.interop

NGC = [sys.executable, "-m", "ngc_cli"]
KEY = "canary-0123456789-wxyz"
MUTE = """
import sys
from jeepney import DBusAddress, new_method_call
from jeepney.io.blocking import open_dbus_connection
connection = open_dbus_connection("SESSION")
bus = DBusAddress("/org/freedesktop/DBus", bus_name="org.freedesktop.DBus", interface="org.freedesktop.DBus")
reply = connection.send_and_get_reply(new_method_call(bus, "RequestName", "su", ("org.freedesktop.secrets", 0)))
print(reply.body[0], flush=True)
while True:
    connection.receive()
"""


@pytest.fixture
def path() -> Path:
    return Path(os.environ["HOME"], ".ngc", "config")


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A session bus of the test's own, on which nothing runs yet."""
    config = tmp_path / "bus.conf"
    config.write_text(
        "<busconfig><type>session</type>"
        f"<listen>unix:path={tmp_path}/bus</listen>"
        '<policy context="default"><allow send_destination="*" eavesdrop="true"/>'
        '<allow eavesdrop="true"/><allow own="*"/></policy></busconfig>'
    )
    daemon = subprocess.Popen(
        ["dbus-daemon", f"--config-file={config}", "--nofork", "--print-address"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert daemon.stdout is not None
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", daemon.stdout.readline().strip())
    monkeypatch.delenv("PYTHON_KEYRING_BACKEND")
    yield
    daemon.stdout.close()
    daemon.kill()
    daemon.wait()


@pytest.fixture
def gnome_keyring(bus: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """An unlocked gnome-keyring."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    program = shutil.which("gnome-keyring-daemon")
    assert program, "gnome-keyring is not installed"
    daemon = subprocess.Popen(
        [program, "--foreground", "--unlock", "--components=secrets"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert daemon.stdin is not None
    daemon.stdin.write(b"password of the test\n")
    daemon.stdin.close()
    wait_for_secrets()
    yield
    daemon.kill()
    daemon.wait()


@pytest.fixture
def mute_service(bus: None) -> Iterator[None]:
    """A program that owns the name of the Secret Service and answers no call."""
    service = subprocess.Popen([sys.executable, "-c", MUTE], stdout=subprocess.PIPE, text=True)
    assert service.stdout is not None
    assert service.stdout.readline().strip() == "1"
    yield
    service.stdout.close()
    service.kill()
    service.wait()


def wait_for_secrets() -> None:
    """Wait until the Secret Service is on the bus."""
    words = ["dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.DBus", "/"]
    words += ["org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets"]
    deadline = time.monotonic() + 20
    while b"true" not in subprocess.run(words, capture_output=True, check=True).stdout:
        assert time.monotonic() < deadline, "gnome-keyring does not come up"
        time.sleep(0.05)


def run(*words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*NGC, *words], input=typed, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert KEY not in done.stdout + done.stderr
    return done


def test_gnome_keyring_stores_returns_and_forgets_the_key(gnome_keyring: None, path: Path) -> None:
    done = run("config", "set", "--api-key-stdin", "--org", "X", "--no-verify", typed=KEY)
    assert "The API key is in the OS keyring." in done.stderr
    assert load(path).profiles["default"] == {"org": "X", "storage": "keyring"}
    assert KEY not in path.read_text()
    assert run("config", "get", "apikey").stdout == "****wxyz\n"
    assert in_secret_service(path) == [KEY]
    run("config", "set", "--no-validate", "--format_type", "ascii", "--storage", "file")
    assert load(path).profiles["default"]["apikey"] == KEY
    assert in_secret_service(path) == []
    run("config", "set", "--no-validate", "--format_type", "ascii", "--storage", "keyring")
    assert in_secret_service(path) == [KEY]
    run("config", "clear")
    assert in_secret_service(path) == []


def test_a_mute_service_means_the_file_within_three_seconds(mute_service: None, path: Path) -> None:
    started = time.monotonic()
    done = run("config", "set", "--api-key-stdin", "--org", "X", "--no-verify", typed=KEY)
    assert time.monotonic() - started < 3
    assert "the OS keyring did not answer within 2.5 s" in done.stderr
    assert load(path).profiles["default"] == {"apikey": KEY, "org": "X"}


def in_secret_service(path: Path) -> list[str]:
    """The secrets that the service holds for a config file, asked without our code."""
    import secretstorage

    connection = secretstorage.dbus_init()
    with connection:
        found = secretstorage.search_items(connection, {"service": f"ngc-cli {path}"})
        return [item.get_secret().decode() for item in found]
