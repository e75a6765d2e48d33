"""Files in the making, kept so that a killed run can be continued.

Everything is appended a line at a time; a line that cannot be read (torn by a kill) is left out. Nothing in it is
secret: hashes of paths, sizes, digests and ranges. Layout of the state of one transfer, see ``private_folder`` for what
is trusted of it::

    <owner>/           files in the making of one process; <owner>.idle once that process has ended in order
        log.jsonl      what each file is to become, then the ranges of it that are there
        <key>.part     its bytes, at their final offsets
        <number>.tmp   a small file, written in one go

A process takes over the folder of a dead owner (``owners``) with one rename, which only one can win. Names of any other
pattern are neither read nor removed. When nothing is in the making, nothing is left.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import json
import os
import re
import stat
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ngc_cli.byte_range import ByteRange
from ngc_cli.json_text import parse_json
from ngc_cli.transfer import owners
from ngc_cli.transfer.parts import merged
from ngc_cli.transfer.private_folder import NotOurs, Place, PrivateFolder, open_state

_LOG = "log.jsonl"
_FILE_NAME = re.compile(r"log\.jsonl|[0-9a-f]{24}\.part|[0-9]+\.tmp")
# What releases before this one remembered here of finished files.
_FORMER_MEMORY = "done.jsonl"
# Another process may remove the empty folder between two steps of ours; three of them in a row would be odd.
_TRIES = 20

_serial = itertools.count()


@dataclass(frozen=True)
class Content:
    """What makes bytes the same bytes: the size, and the hex sha256 where the server tells it."""

    size_bytes: int
    sha256: str = ""


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
    def place(self) -> Place:
        """Where its bytes are."""
        return self.owned.place(f"{self.key}.part")

    @property
    def part_path(self) -> Path:
        """Where its bytes are, for messages."""
        return self.owned.folder.path / f"{self.key}.part"

    def open(self) -> int:
        """The descriptor of its file, to read and write; a new one where it holds nothing yet."""
        if self.done:
            return self.place.open(os.O_RDWR)
        self.place.unlink()
        return self.place.open(os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)  # the umask decides

    def add(self, item: ByteRange) -> None:
        """Note a range whose bytes are in the part file."""
        self.owned.append([self.key, item.start, item.end])

    def set_etag(self, etag: str) -> None:
        """Note the entity tag that all further bytes must come with."""
        self.etag = etag
        self.owned.append([self.key, etag])

    def discard(self) -> None:
        """Forget it: it has got its name, or is of no use."""
        self.place.unlink()
        self.owned.forget(self.key)


class StateFolder:
    """The files in the making of one transfer. ``open`` before anything but ``resumable_bytes``."""

    def __init__(self, path: Path, note: Callable[[str], None] = lambda text: None) -> None:
        self.path = path
        self._note = note
        self._opened: list[PrivateFolder] = []
        self._owned: list[_Owned] = []
        self._beat_at_s = 0.0

    def resumable_bytes(self, wanted: dict[str, Content]) -> int:
        """How much of these files, by path, is in parts that earlier runs left."""
        best: dict[str, int] = {}
        keys = {_key(path): content for path, content in wanted.items()}
        try:
            opened = open_state(self.path, create=False)
        except (OSError, NotOurs):
            return 0
        with contextlib.ExitStack() as stack:
            for folder in opened:
                stack.callback(folder.close)
            for name in self._owners(opened[-1]):
                with contextlib.suppress(OSError, NotOurs):
                    owned = _Owned(opened[-1], name)
                    stack.callback(owned.folder.close)
                    for partial in owned.partials.values():
                        if keys.get(partial.key) == partial.content:
                            size = sum(item.size_bytes for item in partial.done)
                            best[partial.key] = max(size, best.get(partial.key, 0))
        return sum(best.values())

    def open(self) -> None:
        """Make the folder, 0700, and take over what dead processes left. Raises OSError, NotOurs."""
        own = self._new_owned()
        self._owned = [own]
        usual_mode = own.usual_mode()
        others = [name for name in self._owners(self._folder) if name != own.name]
        for name in owners.dead(self._folder, others, own.folder):
            self._take_over(name, usual_mode)
        self.beat()

    def scratch(self) -> Place:
        """A new name for a file that is written in one go and needs no log."""
        return self._owned[0].scratch()

    @property
    def own_folder(self) -> PrivateFolder:
        """The folder of this process alone."""
        return self._owned[0].folder

    def reserved_bytes(self) -> int:
        """Disk space that the taken over parts hold already."""
        statuses = (item.place.status() for owned in self._owned for item in owned.partials.values())
        return sum(getattr(status, "st_blocks", 0) * 512 for status in statuses)  # unknown on Windows

    def beat(self) -> None:
        """Tell other processes that this one lives; call it several times a second."""
        now_s = time.monotonic()
        if now_s - self._beat_at_s >= owners.BEAT_S:
            self._beat_at_s = now_s
            for owned in self._owned:
                with contextlib.suppress(FileNotFoundError):  # taken over by one that took us for dead
                    owned.folder.touch()

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

    def close(self, *, complete: bool) -> None:
        """End in order: with ``complete`` nothing in the making is kept, else another run may take it over."""
        for owned in self._owned:
            owned.close(keep=not complete)
        self._owned = []
        if self._opened and complete:
            self._folder.unlink(_FORMER_MEMORY)
        for folder in reversed(self._opened):
            folder.remove_if_empty()
        self._close_folders()

    @property
    def _folder(self) -> PrivateFolder:
        return self._opened[-1]

    @staticmethod
    def _owners(folder: PrivateFolder) -> list[str]:
        return [name for name in folder.names() if owners.is_owner(name)]

    def _new_owned(self) -> _Owned:
        """A new folder for this process; another one may just now remove the empty folder that it goes into."""
        for _ in range(_TRIES):
            with contextlib.suppress(FileNotFoundError):
                self._opened = open_state(self.path, note=self._note)
                name = owners.new_owner()
                self._folder.mkdir(name)
                return _Owned(self._folder, name)
            self._close_folders()
        raise FileNotFoundError(errno.ENOENT, "somebody removes the folder all the time", str(self.path))

    def _take_over(self, name: str, usual_mode: int) -> None:
        """Make the folder of a dead owner ours; what is not a folder of this user stays where it is."""
        taken = owners.new_owner()
        with contextlib.suppress(FileNotFoundError, NotOurs):  # another process was faster, or it was planted
            self._folder.folder(name).close()
            self._folder.rename(name, taken)
            owned = _Owned(self._folder, taken, usual_mode)
            owned.is_of_this_boot = owners.is_of_this_boot(name)
            self._owned.append(owned)

    def _close_folders(self) -> None:
        for folder in self._opened:
            folder.close()
        self._opened = []


class _Owned:
    """The folder of one owner with its log.

    Its files are named by way of the folder above, which nobody else can write to: so they are gone for us in the
    moment another process takes the folder over. ``usual_mode`` is what parts have to have, None for any.
    """

    def __init__(self, state: PrivateFolder, name: str, usual_mode: int | None = None) -> None:
        self.name = name
        self.folder = state.folder(name)
        self.is_of_this_boot = True
        self.partials: dict[str, Partial] = {}
        self._state = state
        self._lock = threading.Lock()
        self._fd = -1
        starts: dict[str, dict[int, int]] = {}  # by key and end; adjoining ranges become one
        for line in self.folder.read_lines(_LOG):
            with contextlib.suppress(TypeError, ValueError, KeyError):
                self._replay(parse_json(line), starts)
        for key, ends in starts.items():
            self._keep_usable(key, [ByteRange(start, end) for end, start in ends.items()], usual_mode)

    def _replay(self, line: Any, starts: dict[str, dict[int, int]]) -> None:
        key, *rest = line
        if not _FILE_NAME.fullmatch(f"{key}.part"):
            return
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

    def _keep_usable(self, key: str, done: list[ByteRange], usual_mode: int | None) -> None:
        """Trust only a part that is ours alone and has the mode of a file made now, and ranges that it can hold.

        It will be the final file: nobody else may have a way to write to it.
        """
        partial = self.partials[key]
        try:
            status = partial.place.status()
        except FileNotFoundError:
            del self.partials[key]
            return
        if not self.folder.is_plain(status) or usual_mode not in (None, stat.S_IMODE(status.st_mode)):
            del self.partials[key]
            return
        limit = min(status.st_size, partial.content.size_bytes)
        partial.done = merged(item for item in done if 0 <= item.start < item.end <= limit)

    def usual_mode(self) -> int:
        """The mode that the umask, or the list of rights of the folder, gives a new file here."""
        place = self.scratch()
        fd = place.open(os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            return stat.S_IMODE(os.fstat(fd).st_mode)
        finally:
            os.close(fd)
            place.unlink()

    def place(self, name: str) -> Place:
        return Place(self._state, f"{self.name}/{name}")

    def scratch(self) -> Place:
        return self.place(f"{next(_serial)}.tmp")

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
                self._fd = self.place(_LOG).open(os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                os.write(self._fd, b"\n")  # ends a line that a kill has torn
            os.write(self._fd, (json.dumps(line) + "\n").encode())

    def close(self, *, keep: bool) -> None:
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
        with contextlib.suppress(FileNotFoundError):  # taken over by one that took us for dead
            if keep and self.partials:
                self._state.rename(self.name, f"{self.name}{owners.IDLE}")
            else:
                for name in self.folder.names():
                    if _FILE_NAME.fullmatch(name):
                        self.place(name).unlink()
                self._state.rmdir(self.name)
        self.folder.close()


def _key(path: str) -> str:
    """A name for the part file of a path, short enough for every file system."""
    return hashlib.sha256(path.encode()).hexdigest()[:24]
