"""What is done so far, kept so that a killed run can be continued: files in the making and finished files.

Everything is appended a line at a time; a line that cannot be read (torn by a kill) is left out. Nothing in it is
secret: paths, sizes, digests and ranges. Layout of the state of one transfer::

    done.jsonl         a line for each finished file: path, size, time of change, sha256
    <owner>/           files in the making of one process; <owner>.idle once that process has ended in order
        log.jsonl      what each file is to become, then the ranges of it that are there
        <key>.part     its bytes, at their final offsets

A process takes over the folder of a dead owner with one rename, which only one can win. On the same machine the
process table tells who is dead; of an owner elsewhere (another container, a shared disk) it is the heartbeat: a
living one touches its folder every half second.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ngc_cli.byte_range import ByteRange
from ngc_cli.file_names import STATE_FOLDER
from ngc_cli.transfer.parts import merged

# A living owner touches its state this often.
BEAT_S = 0.5
# Three beats and some: an owner on another machine that is silent for as long is dead.
_SILENT_S = 1.6
# Far beyond any pause of a living process: nobody needs to be watched.
_LONG_SILENT_S = 10.0
_IDLE = ".idle"
_LOG = "log.jsonl"
_DONE = "done.jsonl"
# Entries and bytes that a kill may lose: those files are only hashed again.
_BATCH_FILES = 64
_BATCH_BYTES = 4 * 1024 * 1024

_serial = itertools.count()


@dataclass(frozen=True)
class Content:
    """What makes bytes the same bytes: the size, and the hex sha256 where the server tells it."""

    size_bytes: int
    sha256: str = ""


@dataclass(frozen=True)
class Finished:
    """A file that was complete and verified, as it was on disk then.

    ``boot`` names the run of the machine when nobody waited for the disk: in another one it may be damaged.
    """

    size_bytes: int
    mtime_ns: int
    sha256: str
    boot: str = ""

    def fields(self) -> list[Any]:
        """What is written of it, in the order of the constructor."""
        return [self.size_bytes, self.mtime_ns, self.sha256, self.boot]

    def describes(self, status: os.stat_result) -> bool:
        """Whether the file on disk is surely still the one that was verified."""
        return (self.size_bytes, self.mtime_ns) == (status.st_size, status.st_mtime_ns) and self.boot in (
            "",
            boot(),
        )


@dataclass
class Partial:
    """A file in the making: where its bytes are, which of them, and the entity tag they came with (None: no bytes
    yet)."""

    owned: _Owned
    key: str
    content: Content
    etag: str | None = None
    done: list[ByteRange] = field(default_factory=list)

    @property
    def part_path(self) -> Path:
        """Where its bytes are."""
        return self.owned.part_path(self.key)

    def add(self, item: ByteRange) -> None:
        """Note a range whose bytes are in the part file."""
        self.owned.append([self.key, item.start, item.end])

    def set_etag(self, etag: str) -> None:
        """Note the entity tag that all further bytes must come with."""
        self.etag = etag
        self.owned.append([self.key, etag])

    def discard(self) -> None:
        """Forget it: it has got its name, or is of no use."""
        self.part_path.unlink(missing_ok=True)
        self.owned.forget(self.key)


class StateFolder:
    """The state of one transfer. ``open`` before anything but ``finished`` and ``resumable_bytes``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._owned: list[_Owned] = []
        self._lock = threading.Lock()
        self._lines: list[list[Any]] = []
        self._unwritten_bytes = 0
        self._beat_at_s = 0.0

    def finished(self) -> dict[str, Finished]:
        """Files that earlier runs finished, by path."""
        records = (line for line in _lines(self.path / _DONE) if isinstance(line, list) and len(line) == 5)
        return {str(path): Finished(*rest) for path, *rest in records}

    def resumable_bytes(self, wanted: dict[str, Content]) -> int:
        """How much of these files, by path, is in parts that earlier runs left."""
        best: dict[str, int] = {}
        keys = {_key(path): content for path, content in wanted.items()}
        for folder in self._folders():
            for partial in _Owned(folder).partials.values():
                if keys.get(partial.key) == partial.content:
                    size = sum(item.size_bytes for item in partial.done)
                    best[partial.key] = max(size, best.get(partial.key, 0))
        return sum(best.values())

    def open(self) -> None:
        """Make the folder, 0700, and take over what dead processes left. Raises OSError."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        own = self.path / _owner_id()
        own.mkdir(mode=0o700)
        self._owned = [_Owned(own)]
        for folder in _dead(self._folders(), own):
            taken = self.path / _owner_id()
            with contextlib.suppress(FileNotFoundError):  # another process was faster
                folder.rename(taken)
                self._owned.append(_Owned(taken, is_of_this_boot=folder.name.startswith(f"{_machine()}-")))
        self.beat()

    def scratch(self) -> Path:
        """A new name for a file that is written in one go and needs no log."""
        return self._owned[0].folder / f"{next(_serial)}.tmp"

    def reserved_bytes(self) -> int:
        """Disk space that the taken over parts hold already."""
        parts = (partial.part_path for owned in self._owned for partial in owned.partials.values())
        return sum(getattr(part.stat(), "st_blocks", 0) * 512 for part in parts)  # unknown on Windows

    def beat(self) -> None:
        """Tell other processes that this one lives; call it several times a second."""
        now_s = time.monotonic()
        if now_s - self._beat_at_s >= BEAT_S:
            self._beat_at_s = now_s
            for owned in self._owned:
                with contextlib.suppress(FileNotFoundError):  # taken over by one that took us for dead
                    os.utime(owned.folder)

    def partial(self, path: str, content: Content, *, resume: bool) -> Partial:
        """The file in the making for a path: what an earlier run left if it is to become the same, else a new one.

        Without a digest to check in the end, only bytes from the same run of this machine are trusted.
        """
        key = _key(path)
        found: Partial | None = None
        for owned in self._owned:
            left = owned.partials.get(key)
            if left is None:
                continue
            usable = left.content == content and (content.sha256 or owned.is_of_this_boot)
            if resume and found is None and usable:
                found = left
            else:
                left.discard()
        return found or self._owned[0].begin(key, content)

    def add_finished(self, path: str, finished: Finished) -> None:
        """Remember a finished file; written in batches, since what is lost is only hashed again."""
        with self._lock:
            self._lines.append([path, *finished.fields()])
            self._unwritten_bytes += finished.size_bytes
            if len(self._lines) >= _BATCH_FILES or self._unwritten_bytes >= _BATCH_BYTES:
                self._flush()

    def close(self, *, complete: bool) -> None:
        """End in order: with ``complete`` nothing in the making is kept, else another run may take it over."""
        with self._lock:
            self._flush()
        if complete:
            self._compact()
        for owned in self._owned:
            owned.close(keep=not complete)
        self._owned = []
        with contextlib.suppress(OSError):  # not empty
            self.path.rmdir()
            if self.path.parent.name == STATE_FOLDER:
                self.path.parent.rmdir()

    def _flush(self) -> None:
        if self._lines:
            text = "".join(_line(line) for line in self._lines)
            self._lines, self._unwritten_bytes = [], 0
            _append(self.path / _DONE, text)

    def _compact(self) -> None:
        """Rewrite the list of finished files when it has grown by repeated runs."""
        finished = self.finished()
        path = self.path / _DONE
        if not finished or sum(1 for _ in _lines(path)) < 2 * len(finished):
            return
        fresh = self.scratch()
        _append(
            fresh,
            "".join(_line([name, *item.fields()]) for name, item in finished.items()),
        )
        fresh.replace(path)

    def _folders(self) -> list[Path]:
        """Folders of owners, without our own."""
        own = {owned.folder for owned in self._owned}
        try:
            return sorted(item for item in self.path.iterdir() if item.is_dir() and item not in own)
        except FileNotFoundError:
            return []


class _Owned:
    """The folder of one owner with its log."""

    def __init__(self, folder: Path, *, is_of_this_boot: bool = True) -> None:
        self.folder = folder
        self.is_of_this_boot = is_of_this_boot
        self.partials: dict[str, Partial] = {}
        self._lock = threading.Lock()
        self._fd = -1
        starts: dict[str, dict[int, int]] = {}  # by key and end; adjoining ranges become one
        for line in _lines(folder / _LOG):
            with contextlib.suppress(TypeError, ValueError, KeyError):
                self._replay(line, starts)
        for key, ends in starts.items():
            self._keep_usable(key, [ByteRange(start, end) for end, start in ends.items()])

    def _replay(self, line: Any, starts: dict[str, dict[int, int]]) -> None:
        key, *rest = line
        if not rest:
            self.partials.pop(key, None)
            starts.pop(key, None)
        elif len(rest) == 1:
            self.partials[key].etag = str(rest[0])
        elif isinstance(rest[1], str):
            self.partials[key] = Partial(self, str(key), Content(int(rest[0]), rest[1]))
            starts[key] = {}
        else:
            start, end = int(rest[0]), int(rest[1])
            ends = starts[key]
            ends[end] = min(ends.pop(start, start), ends.get(end, start))

    def _keep_usable(self, key: str, done: list[ByteRange]) -> None:
        """Trust only ranges that the part file can hold."""
        partial = self.partials[key]
        try:
            limit = min(partial.part_path.stat().st_size, partial.content.size_bytes)
        except FileNotFoundError:
            del self.partials[key]
        else:
            partial.done = merged(item for item in done if 0 <= item.start < item.end <= limit)

    def part_path(self, key: str) -> Path:
        return self.folder / f"{key}.part"

    def begin(self, key: str, content: Content) -> Partial:
        partial = self.partials[key] = Partial(self, key, content)
        self.append([key, content.size_bytes, content.sha256])
        return partial

    def forget(self, key: str) -> None:
        if self.partials.pop(key, None):
            self.append([key])

    def append(self, line: list[Any]) -> None:
        with self._lock:
            if self._fd < 0:
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
                self._fd = os.open(self.folder / _LOG, flags, 0o600)
                os.write(self._fd, b"\n")  # ends a line that a kill has torn
            os.write(self._fd, _line(line).encode())

    def close(self, *, keep: bool) -> None:
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
        with contextlib.suppress(FileNotFoundError):
            if keep and self.partials:
                self.folder.rename(self.folder.with_name(f"{self.folder.name}{_IDLE}"))
            else:
                shutil.rmtree(self.folder)


def _key(path: str) -> str:
    """A name for the part file of a path, short enough for every file system."""
    return hashlib.sha256(path.encode()).hexdigest()[:24]


def _owner_id() -> str:
    """A new owner in this process: machine, pid, when it started, serial number."""
    pid = os.getpid()
    return f"{_machine()}-{pid}-{_started(pid) or 0}-{next(_serial)}"


@cache
def boot() -> str:
    """Names this run of the machine, from its start to its end; empty where that cannot be told."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


@cache
def _machine() -> str:
    """What process ids are unique in: host, boot and pid namespace, hashed."""
    facts = [socket.gethostname(), boot()]
    with contextlib.suppress(OSError):
        facts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12]


def _started(pid: int) -> str | None:
    """When a process started, in clock ticks (proc(5)); None when there is none, or only its remains."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def _dead(folders: list[Path], own: Path) -> Iterator[Path]:
    """Folders whose owner is gone. Owners that the process table cannot tell about are watched for a while."""
    watched: dict[Path, int] = {}
    now_ns = own.stat().st_mtime_ns  # by the clock of the file system
    for folder in folders:
        machine, pid, started, *_ = [*folder.name.split("-"), "", "", ""]
        if folder.name.endswith(_IDLE):
            yield folder
        elif machine == _machine() and pid.isdigit() and _started(os.getpid()):
            if _started(int(pid)) != started:
                yield folder
        elif now_ns - (beat_ns := _beat(folder)) > _LONG_SILENT_S * 1e9:
            yield folder
        else:
            watched[folder] = beat_ns
    deadline_s = time.monotonic() + _SILENT_S
    while watched and time.monotonic() < deadline_s:
        time.sleep(0.1)
        watched = {folder: beat_ns for folder, beat_ns in watched.items() if _beat(folder) == beat_ns}
    yield from watched


def _beat(folder: Path) -> int:
    """When the owner of a folder has shown life last; 0 when the folder is gone."""
    try:
        fd = os.open(folder, os.O_RDONLY)  # opening makes a network file system ask its server
    except OSError:
        return folder.stat().st_mtime_ns if folder.exists() else 0
    try:
        return os.fstat(fd).st_mtime_ns
    finally:
        os.close(fd)


def _line(value: list[Any]) -> str:
    return json.dumps(value) + "\n"


def _append(path: Path, text: str) -> None:
    """Append to a file that others may be appending to as well."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _lines(path: Path) -> Iterator[Any]:
    """The JSON values of a file of lines; what cannot be read is left out."""
    try:
        file = path.open(errors="replace")
    except FileNotFoundError:
        return
    with file:
        for line in file:
            with contextlib.suppress(ValueError):
                yield json.loads(line)
