"""Runs ``ngc-registry serve`` as a process of its own: start, wait until it is ready, stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

# A registry starts within a second: a person does not see this wait.
_POLL_S = 0.02


class StartError(Exception):
    """The registry did not come up; the text ends with what it said."""


@dataclass(frozen=True)
class Running:
    """A registry that serves: its address, process and, with a development CA, the bundle to trust."""

    url: str
    pid: int
    ca_bundle: str = ""
    child: subprocess.Popen[bytes] | None = field(default=None, repr=False, compare=False)

    @property
    def is_alive(self) -> bool:
        """Whether the process is there."""
        if self.child is not None:
            return self.child.poll() is None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True


def find(data_dir: Path) -> Running | None:
    """The registry that serves this data directory, or None; a stale ``server.json`` counts as none."""
    try:
        facts = json.loads((data_dir / "server.json").read_text(encoding="utf-8"))
        running = Running(facts["url"], int(facts["pid"]), facts.get("ca_bundle", ""))
    except (FileNotFoundError, ValueError, KeyError):
        return None
    return running if running.is_alive else None


def start(data_dir: Path, options: Sequence[str] = (), *, timeout_s: float = 30.0) -> Running:
    """Start a registry in the background, in a session of its own; its output goes to ``server.log``.

    It outlives its caller: neither the caller's keys nor its current folder go along.

    Returns when it takes connections; raises StartError when it ends or takes longer than ``timeout_s``.
    """
    data_dir = data_dir.absolute()
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = data_dir / "server.log"
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
        said_before = output.tell()
        child = subprocess.Popen(
            [sys.executable, "-m", "ngc_cli.server", "serve", "--data-dir", str(data_dir), *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=data_dir,
            env={name: value for name, value in os.environ.items() if not name.startswith("NGC_")},
        )
    deadline = time.monotonic() + timeout_s
    while child.poll() is None and time.monotonic() < deadline:
        running = find(data_dir)
        if running is not None and running.pid == child.pid:
            return replace(running, child=child)
        time.sleep(_POLL_S)
    child.kill()
    child.wait()
    said = log.read_bytes()[said_before:].decode("utf-8", "replace").strip()
    raise StartError(f"the registry did not start: {said or 'it said nothing'}")


def stop(running: Running, *, timeout_s: float = 15.0) -> None:
    """End a registry and wait until it is gone; one that does not listen is killed."""
    with suppress(ProcessLookupError):
        os.kill(running.pid, signal.SIGTERM)
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if not running.is_alive:
                return
            time.sleep(_POLL_S)
        os.kill(running.pid, signal.SIGKILL)
        if running.child is not None:
            running.child.wait()
