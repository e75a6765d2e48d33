"""What is done so far, kept so that a killed run can be continued: partial files and finished files.

Everything is appended a line at a time; a torn last line is ignored. Nothing in it is secret: paths, sizes,
digests and ranges. Layout of a state folder::

    done.jsonl            a line per finished file: path, size, time of change, sha256
    <name>.<owner>.part   bytes of a file in the making, at their final offsets
    <name>.<owner>.log    what they are (first line), then the ranges that are there
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ngc_cli.transfer.parts import Range, merged

STATE_FOLDER = ".ngc-transfer"
"""Folder of all states in a destination; never content."""
_LOG = ".log"
_PART = ".part"


@dataclass(frozen=True)
class Content:
    """What makes bytes the same bytes: size, and digest or entity tag where the server tells them."""

    size_bytes: int
    sha256: str = ""
    etag: str = ""

    def same_as(self, other: Content) -> bool:
        """Whether a partial of the other may be continued for this one."""
        return self.size_bytes == other.size_bytes and self.sha256 == other.sha256 and self.etag == other.etag


@dataclass(frozen=True)
class Finished:
    """A file that was complete and verified, as it was on disk then."""

    size_bytes: int
    mtime_ns: int
    sha256: str


def owner_id() -> str:
    """This process: host, pid and when it started; no two processes share it."""
    return f"{_host()}-{os.getpid()}-{_started(os.getpid()) or 0}"


def _host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _started(pid: int) -> str | None:
    """Start time of a process in clock ticks, None when there is none (proc(5), field 22)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def _is_dead(owner: str) -> bool:
    """Whether the owner of a partial is surely gone: it ran on this host and does not run any more."""
    host, _, rest = owner.partition("-")
    pid, _, started = rest.partition("-")
    if host != _host() or not pid.isdigit():
        return False
    if Path("/proc/self/stat").exists():
        return _started(int(pid)) != started
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return False


class StateFolder:
    """The state of one transfer; made when first written to, 0700."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.owner = owner_id()
        self._done_fd = -1

    def create(self) -> None:
        """Make the folder."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def finished(self) -> dict[str, Finished]:
        """Files that earlier runs finished, by path."""
        records = (
            line for line in _lines(self.path / "done.jsonl") if isinstance(line, list) and len(line) == 4
        )
        return {str(path): Finished(size, mtime, digest) for path, size, mtime, digest in records}

    def add_finished(self, path: str, finished: Finished) -> None:
        """Remember a finished file."""
        if self._done_fd < 0:
            self._done_fd = os.open(self.path / "done.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        _append(self._done_fd, [path, finished.size_bytes, finished.mtime_ns, finished.sha256])

    def partial(self, path: str, content: Content, *, resume: bool) -> Partial:
        """The partial of a file: one that a dead process left if its content is the same, else a new one."""
        name = hashlib.sha256(path.encode()).hexdigest()[:24]
        own = self.path / f"{name}.{self.owner}"
        for log in sorted(self.path.glob(f"{name}.*{_LOG}")):
            owner = log.name[len(name) + 1 : -len(_LOG)]
            if owner == self.owner or not _is_dead(owner):
                continue
            found = _read_log(log)
            if not resume or found is None or not content.same_as(found[0]):
                _unlink(log, log.with_suffix(_PART))
            elif self._take_over(log, own):
                return Partial(own, content, found[1])
        return Partial(own, content, [])

    @staticmethod
    def _take_over(log: Path, own: Path) -> bool:
        """Rename a dead owner's partial to ours; False when another process was faster."""
        try:
            log.rename(own.with_name(own.name + _LOG))
            log.with_suffix(_PART).rename(own.with_name(own.name + _PART))
        except FileNotFoundError:
            _unlink(own.with_name(own.name + _LOG))
            return False
        return True

    def close(self) -> None:
        """Close what is open, and remove what dead processes left of files that are finished."""
        if self._done_fd >= 0:
            os.close(self._done_fd)
            self._done_fd = -1

    def sweep(self) -> None:
        """After everything is finished: remove the partials of dead owners."""
        for log in self.path.glob(f"*{_LOG}"):
            if _is_dead(log.name.partition(".")[2][: -len(_LOG)]):
                _unlink(log, log.with_suffix(_PART))


class Partial:
    """A file in the making and the log of its ranges."""

    def __init__(self, stem: Path, content: Content, done: list[Range]) -> None:
        self.part_path = stem.with_name(stem.name + _PART)
        self.log_path = stem.with_name(stem.name + _LOG)
        self.content = content
        self.done = merged(done)
        self._fd = -1

    def add(self, item: Range) -> None:
        """Note a range whose bytes are in the partial file."""
        if self._fd < 0:
            fresh = not self.log_path.exists()
            self._fd = os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            if fresh:
                _append(self._fd, [self.content.size_bytes, self.content.sha256, self.content.etag])
        _append(self._fd, [item.start, item.end])

    def reset(self, content: Content | None = None) -> None:
        """Forget all ranges, for content that turned out to be wrong or to have changed."""
        self.close()
        _unlink(self.log_path)
        self.done = []
        self.content = content or self.content

    def close(self) -> None:
        """Close the log."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def discard(self) -> None:
        """Remove the log, and the partial file if it is still there."""
        self.close()
        _unlink(self.log_path, self.part_path)


def _append(fd: int, value: Any) -> None:
    os.write(fd, (json.dumps(value) + "\n").encode())


def _lines(path: Path) -> Iterator[Any]:
    """The JSON values of a file of lines; what cannot be read is left out."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError):
        return
    for line in text.splitlines():
        with contextlib.suppress(ValueError):
            yield json.loads(line)


def _read_log(path: Path) -> tuple[Content, list[Range]] | None:
    """What a log says, or None when it says nothing usable or its partial file is missing or too short."""
    lines = list(_lines(path))
    try:
        size_bytes, sha256, etag = lines[0]
        done = [Range(int(start), int(end)) for start, end in lines[1:]]
        actual_bytes = path.with_suffix(_PART).stat().st_size
    except (IndexError, TypeError, ValueError, OSError):
        return None
    usable = [item for item in done if 0 <= item.start < item.end <= min(actual_bytes, size_bytes)]
    return Content(int(size_bytes), str(sha256), str(etag)), usable


def _unlink(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
