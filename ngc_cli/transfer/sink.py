"""Where bytes go: names that cannot leave their folder, and a file in the making that gets its name when verified."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ngc_cli.errors import IntegrityError, LocalFileError
from ngc_cli.transfer.journal import Content, Partial
from ngc_cli.transfer.manager import BUFFER_BYTES
from ngc_cli.transfer.parts import Range, gaps

_SYNC_FROM_BYTES = 1024 * 1024
_UNSAFE = re.compile(r"[\x00\\]|^[A-Za-z]:|^/|(?:^|/)\.\.?(?:/|$)|//|/$|^$")
_NAME_MAX_BYTES = 255


def check_paths(paths: Iterable[str]) -> None:
    """Raise LocalFileError for a name that could leave the folder, under the rules of POSIX and of Windows, and
    for names that would overwrite each other."""
    files: set[str] = set()
    folders: set[str] = set()
    for path in paths:
        if _UNSAFE.search(path):
            raise LocalFileError(
                f"the server names a file {path!r}, which is not safe to write", hint="Nothing was written."
            )
        if any(len(os.fsencode(part)) > _NAME_MAX_BYTES for part in path.split("/")):
            raise LocalFileError(f"the name '{path}' is too long for this file system")
        if path in files:
            raise LocalFileError(f"the server names the file '{path}' twice")
        files.add(path)
        parts = path.split("/")
        folders.update("/".join(parts[:count]) for count in range(1, len(parts)))
    for clash in files & folders:
        raise LocalFileError(f"the server names '{clash}' both as a file and as a folder")


def prepare_parent(folder: Path, path: str) -> Path:
    """The final path of a file; its parent folders are made, and none of them may be a link out of the folder."""
    current = folder
    *parents, name = path.split("/")
    for part in parents:
        current = current / part
        try:
            current.mkdir()
        except FileExistsError:
            if not stat.S_ISDIR(current.lstat().st_mode):
                raise LocalFileError(
                    f"'{current}' is not a folder: '{path}' will not be written through it",
                    hint="Remove it, or choose another --dest.",
                ) from None
    target = current / name
    if target.is_dir() and not target.is_symlink():
        raise LocalFileError(f"'{target}' is a folder where a file should go", hint="Choose another --dest.")
    return target


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn errors of the file system into LocalFileError with the path in it."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise LocalFileError(
                f"the disk is full at '{path}'",
                hint="Make room and run the same command again: what is done so far is kept.",
            ) from error
        raise LocalFileError(f"'{path}' cannot be written: {error.strerror}") from error


class Sink:
    """A file in the making: written at offsets from any thread, hashed in file order beside that.

    ``finish`` verifies it and gives it its name. The digest follows the bytes: what arrives in order is hashed from
    memory, the rest is read back, from the page cache, once the gap before it is closed.
    """

    def __init__(self, partial: Partial, shown: str) -> None:
        self.partial = partial
        self.shown = shown
        self._lock = threading.Lock()
        self._hash_lock = threading.Lock()
        self._hash = hashlib.sha256()
        self._hashed_bytes = 0
        self._front_bytes = 0
        self._written: dict[int, int] = {}
        with disk_errors(partial.part_path):
            self._fd = os.open(
                partial.part_path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666
            )
            self._preallocate()
        for item in partial.done:
            self._note(item)

    @property
    def content(self) -> Content:
        """What the file is to become."""
        return self.partial.content

    def missing(self) -> list[Range]:
        """Ranges that are not there yet."""
        return gaps(self.partial.done, self.content.size_bytes)

    def write(self, offset: int, data: memoryview) -> None:
        """Write bytes at their place, remember them, and hash them when they are next in order."""
        if offset + len(data) > self.content.size_bytes:
            raise IntegrityError(
                f"the server sends more than the {self.content.size_bytes} bytes of '{self.shown}'"
            )
        with disk_errors(self.partial.part_path):
            done = 0
            while done < len(data):
                done += os.pwrite(self._fd, data[done:], offset + done)
            with self._lock:
                self.partial.add(Range(offset, offset + len(data)))
        if self._hash_lock.acquire(blocking=False):
            try:
                if self._hashed_bytes == offset:
                    self._hash.update(data)
                    self._hashed_bytes += len(data)
            finally:
                self._hash_lock.release()
        self._note(Range(offset, offset + len(data)))

    def follow(self, buffer: memoryview) -> None:
        """Hash what lies contiguously behind the bytes hashed so far, unless another thread is at it."""
        if not self._hash_lock.acquire(blocking=False):
            return
        try:
            with self._lock:
                front = self._front_bytes
            self._hash_to(front, buffer)
        finally:
            self._hash_lock.release()

    def finish(self, target: Path, buffer: memoryview) -> str:
        """Verify, sync and rename; returns the hex sha256. Raises IntegrityError, the partial then being empty."""
        with self._hash_lock:
            if self._front_bytes != self.content.size_bytes:
                raise IntegrityError(f"'{self.shown}' is not complete")
            self._hash_to(self.content.size_bytes, buffer)
        actual = self._hash.hexdigest()
        expected = self.content.sha256
        if expected and actual != expected:
            self.close()
            self.partial.discard()
            raise IntegrityError(
                f"'{self.shown}' has sha256 {actual}, but the server promised {expected}",
                hint="Run the command again; if it repeats, the copy on the server is damaged.",
            )
        with disk_errors(target):
            if self.content.size_bytes >= _SYNC_FROM_BYTES:
                os.fsync(self._fd)
            self.close()
            self.partial.part_path.replace(target)
            if self.content.size_bytes >= _SYNC_FROM_BYTES:
                _sync_folder(target.parent)
            self.partial.discard()
        return actual

    def close(self) -> None:
        """Close the file; what is in it stays for a resume."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self.partial.close()

    def _hash_to(self, end: int, buffer: memoryview) -> None:
        while self._hashed_bytes < end:
            block = buffer[: min(len(buffer), end - self._hashed_bytes)]
            count = os.preadv(self._fd, [block], self._hashed_bytes)
            if count == 0:
                raise IntegrityError(f"'{self.shown}' became shorter while it was written")
            self._hash.update(block[:count])
            self._hashed_bytes += count

    def _note(self, item: Range) -> None:
        """Remember a written range, and move the front that everything before is written."""
        with self._lock:
            self._written[item.start] = max(item.end, self._written.get(item.start, 0))
            while self._front_bytes in self._written:
                self._front_bytes = self._written.pop(self._front_bytes)

    def _preallocate(self) -> None:
        """Reserve the blocks: allocation while writing costs more than half of the time on a new file."""
        size = self.content.size_bytes
        if os.fstat(self._fd).st_size == size or not size:
            return
        try:
            if hasattr(os, "posix_fallocate"):  # not on macOS
                os.posix_fallocate(self._fd, 0, size)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            os.ftruncate(self._fd, size)


def hash_file(path: Path, buffer: memoryview) -> str:
    """Hex sha256 of a file, read through the buffer."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer[:BUFFER_BYTES]):
            digest.update(buffer[:count])
    return digest.hexdigest()


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
