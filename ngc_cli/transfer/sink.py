"""A file in the making: written at offsets from any thread, hashed in file order, named only when verified."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

from ngc_cli.byte_range import ByteRange
from ngc_cli.errors import IntegrityError
from ngc_cli.transfer.journal import Content, Partial
from ngc_cli.transfer.parts import gaps
from ngc_cli.transfer.private_folder import Place
from ngc_cli.transfer.tree import Tree, disk_errors


class Sink:
    """A large file in the making.

    The digest follows the bytes: what arrives in order is hashed from memory, the rest is read back, from the page
    cache, once the gap before it is closed. Nothing is hashed when the server tells no digest.
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
            self._fd = partial.open()
            try:
                _reserve(self._fd, self.content.size_bytes)
            except OSError:
                self.close()
                raise
        for item in partial.done:
            self._note(item)

    @property
    def content(self) -> Content:
        """What the file is to become."""
        return self.partial.content

    def missing(self) -> list[ByteRange]:
        """Ranges that were not there when it was opened."""
        return gaps(self.partial.done, self.content.size_bytes)

    def write(self, offset: int, data: memoryview) -> None:
        """Write bytes at their place, remember them, and hash them when they are next in order."""
        if offset + len(data) > self.content.size_bytes:
            raise IntegrityError(
                f"the server sends more than the {self.content.size_bytes} bytes of '{self.shown}'"
            )
        with disk_errors(self.partial.part_path):
            self._write_at(offset, data)
            self.partial.add(ByteRange(offset, offset + len(data)))
        if self.content.sha256 and self._hash_lock.acquire(blocking=False):
            try:
                if self._hashed_bytes == offset:
                    self._hash.update(data)
                    self._hashed_bytes += len(data)
            finally:
                self._hash_lock.release()
        self._note(ByteRange(offset, offset + len(data)))

    def follow(self, buffer: memoryview) -> None:
        """Hash what lies contiguously behind the bytes hashed so far, unless another thread is at it."""
        if self.content.sha256 and self._hash_lock.acquire(blocking=False):
            try:
                with self._lock:
                    front = self._front_bytes
                self._hash_to(front, buffer)
            finally:
                self._hash_lock.release()

    def finish(self, tree: Tree, path: str, buffer: memoryview) -> tuple[str, os.stat_result]:
        """Verify, sync, and give it its name; returns the hex sha256 (empty when none was told) and its status.

        Raises IntegrityError, the file then being forgotten.
        """
        size_bytes, expected = self.content.size_bytes, self.content.sha256
        if self._front_bytes != size_bytes:
            raise IntegrityError(f"'{self.shown}' is not complete")
        with self._hash_lock:
            if expected:
                self._hash_to(size_bytes, buffer)
        actual = self._hash.hexdigest() if expected else ""
        if actual != expected:
            self.close()
            self.partial.discard()
            raise wrong_digest(self.shown, actual, expected)
        with disk_errors(self.partial.part_path):
            os.fsync(self._fd)
            status = os.fstat(self._fd)
        self.close()
        tree.put(self.partial.place, path, sync=True)
        self.partial.discard()
        return actual, status

    def close(self) -> None:
        """Close the file; what is in it stays for a resume."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write_at(self, offset: int, data: memoryview) -> None:
        done = 0
        while done < len(data):
            if hasattr(os, "pwrite"):
                done += os.pwrite(self._fd, data[done:], offset + done)
            else:  # Windows
                with self._lock:
                    os.lseek(self._fd, offset + done, os.SEEK_SET)
                    done += os.write(self._fd, data[done:])

    def _hash_to(self, end: int, buffer: memoryview) -> None:
        if self._hashed_bytes >= end:
            return
        with (
            disk_errors(self.partial.part_path),
            open(self.partial.place.open(os.O_RDONLY), "rb", buffering=0) as file,
        ):
            file.seek(self._hashed_bytes)
            while self._hashed_bytes < end:
                count = file.readinto(buffer[: min(len(buffer), end - self._hashed_bytes)])
                if not count:
                    raise IntegrityError(f"'{self.shown}' became shorter while it was written")
                self._hash.update(buffer[:count])
                self._hashed_bytes += count

    def _note(self, item: ByteRange) -> None:
        """Remember a written range, and move the front that everything before is written."""
        with self._lock:
            self._written[item.start] = max(item.end, self._written.get(item.start, 0))
            while self._front_bytes in self._written:
                self._front_bytes = self._written.pop(self._front_bytes)


def write_small(part: Place, tree: Tree, path: str, data: memoryview) -> os.stat_result:
    """Put a whole, verified small file into its place, by way of ``part``. Its bytes are on the disk when it has its
    name; the name itself is when ``tree`` is synced."""
    with disk_errors(tree.root / path):
        fd = part.open(os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            done = 0
            while done < len(data):
                done += os.write(fd, data[done:])
            os.fsync(fd)
            status = os.fstat(fd)
        finally:
            os.close(fd)
    tree.put(part, path, sync=False)
    return status


def wrong_digest(path: str, actual: str, expected: str) -> IntegrityError:
    """The error for bytes that are not what the server promised."""
    return IntegrityError(
        f"'{path}' has sha256 {actual}, but the server promised {expected}",
        hint="Run the command again; if it repeats, the copy on the server is damaged.",
    )


def hash_file(path: Path, buffer: memoryview, advance: Callable[[int], None]) -> str:
    """Hex sha256 of a file, read through the buffer; ``advance`` is told of every block."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
            advance(count)
    return digest.hexdigest()


def _reserve(fd: int, size_bytes: int) -> None:
    """Make the file this long, its blocks reserved where the file system can: allocating them while writing costs
    more than half of the time of a new file. Raises OSError when the disk is too small.

    By fallocate(2) itself: what the C library calls posix_fallocate writes to every block where that is missing.
    """
    if os.fstat(fd).st_size >= size_bytes:
        os.ftruncate(fd, size_bytes)
        return
    with contextlib.suppress(AttributeError, TypeError):  # not Linux
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        allocate = getattr(libc, "fallocate64", None) or libc.fallocate
        allocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
        if allocate(fd, 0, 0, size_bytes) == 0:
            return
        if (number := ctypes.get_errno()) in (errno.ENOSPC, errno.EDQUOT):
            raise OSError(number, os.strerror(number))
    os.ftruncate(fd, size_bytes)
