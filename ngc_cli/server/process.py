"""Runs ``ngc-registry serve`` as a process of its own: start, wait until it is ready, stop."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ngc_cli.files import exclusively
from ngc_cli.server.instance import Instance

if TYPE_CHECKING:
    import psutil

# A registry starts within a second: a person does not see this wait.
_POLL_S = 0.02


class StartError(Exception):
    """The registry did not come up; the text ends with what it said."""


@dataclass(frozen=True)
class Running:
    """A registry process of this user: what it noted about itself, and if this process made it, its handle."""

    instance: Instance
    child: subprocess.Popen[bytes] | None = field(default=None, repr=False, compare=False)

    @property
    def url(self) -> str:
        """Where it serves."""
        return self.instance.url

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self.instance.pid

    @property
    def ca_bundle(self) -> str:
        """The file to trust, with a development CA; else empty."""
        return self.instance.ca_bundle

    @property
    def is_alive(self) -> bool:
        """Whether the process is there."""
        if self.child is not None:
            return self.child.poll() is None
        return self.instance.process() is not None

    @property
    def answers(self) -> bool:
        """Whether it serves; false for one that hangs, or whose port something else has taken."""
        return self.instance.answers()


def find(data_dir: Path) -> Running | None:
    """The registry process of this data directory, or None; see ``Instance`` for what is believed."""
    noted = Instance.noted_in(data_dir)
    return Running(noted) if noted is not None else None


def start(data_dir: Path, options: Sequence[str] = (), *, timeout_s: float = 30.0) -> Running:
    """Start a registry in the background, in a session of its own; its output goes to ``server.log``.

    It outlives its caller: neither the caller's keys nor its current folder go along. Of several callers at the same
    moment one starts it; the others get that one, which has no ``child`` for them.

    Returns when it takes connections; raises StartError when it ends or takes longer than ``timeout_s``, or when a
    process of this registry is there already and does not answer.
    """
    data_dir = data_dir.absolute()
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = data_dir / "server.log"
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
        try:
            with exclusively(log, timeout_s):
                return _find_answering(data_dir) or _start(data_dir, options, log, output.fileno(), timeout_s)
        except TimeoutError as error:
            raise StartError(
                "another process is starting the registry and does not come to an end"
            ) from error


def _find_answering(data_dir: Path) -> Running | None:
    running = find(data_dir)
    if running is not None and not running.answers:
        raise StartError(
            f"process {running.pid} of the registry is there and does not answer at {running.url}"
        )
    return running


def _start(data_dir: Path, options: Sequence[str], log: Path, output: int, timeout_s: float) -> Running:
    said_before = log.stat().st_size
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
            return Running(running.instance, child)
        time.sleep(_POLL_S)
    child.kill()
    child.wait()
    said = log.read_bytes()[said_before:].decode("utf-8", "replace").strip()
    raise StartError(f"the registry did not start: {said or 'it said nothing'}")


def stop(running: Running, *, timeout_s: float = 15.0) -> None:
    """End a registry and wait until it is gone; one that does not listen is killed. Never touches another process."""
    import psutil

    process = running.instance.process()
    if process is None:
        return
    with suppress(psutil.NoSuchProcess):  # psutil compares the start of the process again before each signal
        process.terminate()
        try:
            _wait(running, process, timeout_s)
        except (psutil.TimeoutExpired, subprocess.TimeoutExpired):
            process.kill()
            _wait(running, process, timeout_s)


def _wait(running: Running, process: psutil.Process, timeout_s: float) -> None:
    """Wait until it is gone; a child is waited for by its own handle, which else would never learn its exit code."""
    (running.child or process).wait(timeout_s)
