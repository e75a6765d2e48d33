"""A content store in a folder of a file system that has hard links::

    blobs/sha256/<ab>/<hex>    a content: a file, or a folder of numbered files when it came in several parts
    parts/<upload>/<key>       a part that has arrived; its key is never used again for other bytes
    temp/<random>              whatever is not ready
    registry-id                whose contents these are

Nothing is ever copied, nothing writes to a file that has its final name, whoever still holds it open, and a
content appears under its sha256 only when it is whole, verified and synced.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import threading
import time
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ngc_cli.files import sync_folder, write_atomically
from ngc_cli.server.content.store import (
    CHUNK_BYTES,
    Assembled,
    DigestMismatch,
    Part,
    PartWriter,
    Reader,
    is_disk_full,
)
from ngc_cli.server.errors import AdminError

if TYPE_CHECKING:
    from hashlib import _Hash

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SAFE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Room that an upload may hold beyond what it has sent: steps of this size write as fast as one of a whole part.
RESERVED_BYTES = 64 * 1024 * 1024
# uploads at a time whose hash runs ahead; each holds some hundred bytes and a list of paths
_DIGESTS_IN_MEMORY = 64


class FolderStore:
    """A ContentStore in a folder of a file system that has hard links."""

    def __init__(self, root: Path, registry_id: str = "") -> None:
        self._blobs = root / "blobs" / "sha256"
        self._parts = root / "parts"
        self._temp = root / "temp"
        for folder in (self._blobs, self._parts, self._temp):
            folder.mkdir(parents=True, exist_ok=True)
        for folder in (root, self._blobs.parent):
            sync_folder(folder)
        self._lasting: set[Path] = set()
        _require_owner(root, registry_id)
        self._digests = _RunningDigests()

    def size(self, sha256: str) -> int | None:
        """Size in bytes, or None."""
        try:
            return sum(file.stat().st_size for file in _files(self._blob(sha256)))
        except FileNotFoundError:
            return None

    def open_range(self, sha256: str, start: int, length: int) -> Reader:
        """A reader over the file or files of this content."""
        return _FilesReader(_files(self._blob(sha256)), start, length)

    def delete(self, sha256: str) -> None:
        """Unlink the file or files of this content; who has them open can read on."""
        blob = self._blob(sha256)
        if blob.is_dir():
            doomed = self._temp_name()  # a folder is removed file by file: not under its own name
            with suppress(FileNotFoundError):
                blob.rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)
        else:
            blob.unlink(missing_ok=True)

    def all_contents(self) -> Iterator[str]:
        """The names of everything in ``blobs``."""
        for folder in sorted(self._blobs.iterdir()):
            yield from sorted(entry.name for entry in folder.iterdir())

    def write_part(
        self, upload_id: str, number: int, *, size_bytes: int = 0, hashed: bool = False
    ) -> PartWriter:
        """A writer to a temporary file, renamed to a fresh key at the end."""
        key = f"{number}-{secrets.token_hex(8)}"
        return _PartFile(self._temp_name(), self._upload(upload_id) / key, size_bytes, hashed)

    def hash_ahead(self, upload_id: str, parts: Sequence[Part]) -> None:
        """Hash in this process what ``assemble`` will need, unless another thread is at it."""
        self._digests.advance(upload_id, self._paths(upload_id, parts), wait=False)

    def digest(self, upload_id: str, parts: Sequence[Part], algorithm: str) -> str:
        """Read all files of the parts."""
        found = hashlib.new(algorithm)
        for path in self._paths(upload_id, parts):
            with path.open("rb", buffering=0) as file:
                while chunk := file.read(CHUNK_BYTES):
                    found.update(chunk)
        return found.hexdigest()

    def assemble(self, upload_id: str, parts: Sequence[Part], sha256: str) -> Assembled:
        """Hash what is not hashed yet, sync, and link the parts to where they can be renamed from."""
        paths = self._paths(upload_id, parts)
        if len(parts) == 1 and parts[0].sha256:
            found = parts[0].sha256
        else:
            found = self._digests.advance(upload_id, paths, wait=True)
        if found != sha256:
            self._digests.forget(upload_id)
            raise DigestMismatch(f"the bytes have sha256 {found}, not {sha256}")
        temp, blob = self._temp_name(), self._blob(sha256)
        self._make_to_last(blob.parent)
        made = _AssembledEntry(temp, blob)
        try:
            if len(paths) == 1:
                temp.hardlink_to(paths[0])
            else:
                temp.mkdir()
                for number, path in enumerate(paths, start=1):
                    (temp / f"{number:05}").hardlink_to(path)
                sync_folder(temp)
            for path in paths:
                _sync(path)
        except BaseException:
            made.abort()
            raise
        return made

    def drop_parts(self, upload_id: str) -> None:
        """Remove the folder of the upload."""
        self._digests.forget(upload_id)
        shutil.rmtree(self._upload(upload_id), ignore_errors=True)

    def uploads(self) -> Iterator[str]:
        """The names of the folders in ``parts``."""
        yield from sorted(folder.name for folder in self._parts.iterdir())

    def drop_leftovers(self, age_s: float) -> None:
        """Remove old entries of ``temp``."""
        for entry in self._temp.iterdir():
            with suppress(FileNotFoundError):
                if time.time() - entry.stat().st_mtime > age_s:
                    _remove(entry)

    def _blob(self, sha256: str) -> Path:
        if _SHA256.fullmatch(sha256) is None:
            raise ValueError("not a hex sha256")
        return self._blobs / sha256[:2] / sha256

    def _upload(self, upload_id: str) -> Path:
        if _SAFE_NAME.fullmatch(upload_id) is None:
            raise ValueError("not an upload id")
        return self._parts / upload_id

    def _paths(self, upload_id: str, parts: Sequence[Part]) -> list[Path]:
        folder = self._upload(upload_id)
        return [folder / part.key for part in parts]

    def _make_to_last(self, folder: Path) -> None:
        """Make one of the folders in ``blobs``; synced by each process, as another may just have made it."""
        if folder not in self._lasting:
            folder.mkdir(exist_ok=True)
            sync_folder(folder.parent)
            self._lasting.add(folder)

    def _temp_name(self) -> Path:
        return self._temp / secrets.token_hex(16)


class _FilesReader:
    """Reads a range over several files."""

    def __init__(self, files: Sequence[Path], start: int, length: int) -> None:
        self._left_bytes = length
        if len(files) == 1:
            self._rest: Iterator[Path] = iter(())
            self._open(files[0], start)
            return
        begins = [0, *accumulate(file.stat().st_size for file in files)]
        first = min(bisect_right(begins, start) - 1, len(files) - 1)
        self._rest = iter(files[first + 1 :])
        self._open(files[first], start - begins[first])

    def _open(self, file: Path, start: int = 0) -> None:
        self._file: IO[bytes] = file.open("rb", buffering=0)
        if start:
            self._file.seek(start)

    def read(self, limit_bytes: int) -> bytes:
        while self._left_bytes:
            chunk = self._file.read(min(limit_bytes, self._left_bytes))
            if chunk:
                self._left_bytes -= len(chunk)
                return chunk
            following = next(self._rest, None)
            if following is None:
                break
            self._file.close()
            self._open(following)
        return b""

    def close(self) -> None:
        self._file.close()


class _PartFile:
    """Writes a part; it is synced when its bytes are vouched for: when it is assembled, or when its digest is told."""

    def __init__(self, temp: Path, final: Path, size_bytes: int, hashed: bool) -> None:
        self._temp, self._final = temp, final
        self._file = temp.open("xb", buffering=0)
        self._sha256 = hashlib.sha256() if hashed else None
        self._size_bytes = 0
        # twice as fast as letting the file grow
        self._expected_bytes = size_bytes if hasattr(os, "posix_fallocate") else 0
        self._reserved_bytes = 0

    def _reserve(self, needed_bytes: int) -> None:
        """Room for these bytes and the next step, as far as more is expected; raises OSError when the disk is full."""
        if self._reserved_bytes < needed_bytes <= self._expected_bytes and needed_bytes > CHUNK_BYTES:
            step_bytes = min(self._expected_bytes, needed_bytes + RESERVED_BYTES) - self._reserved_bytes
            try:
                os.posix_fallocate(self._file.fileno(), self._reserved_bytes, step_bytes)
            except OSError as error:
                if is_disk_full(error):
                    raise
                self._expected_bytes = 0  # a file system that cannot
            self._reserved_bytes += step_bytes

    def write(self, chunk: bytes | bytearray) -> None:
        self._reserve(self._size_bytes + len(chunk))
        view = memoryview(chunk)
        while view:
            view = view[self._file.write(view) :]
        if self._sha256 is not None:
            self._sha256.update(chunk)
        self._size_bytes += len(chunk)

    def finish(self, sha256: str = "") -> Part:
        found = self._sha256.hexdigest() if self._sha256 is not None else ""
        if sha256 and found != sha256:
            raise DigestMismatch(f"the bytes have sha256 {found}, not {sha256}")
        self._file.truncate(self._size_bytes)
        if found:
            os.fsync(self._file.fileno())
        self._file.close()
        self._final.parent.mkdir(exist_ok=True)
        self._temp.rename(self._final)
        return Part(self._final.name, self._size_bytes, found)

    def abort(self) -> None:
        self._file.close()
        self._temp.unlink(missing_ok=True)


class _AssembledEntry:
    """A file or folder in ``temp`` that is to be renamed into ``blobs``."""

    def __init__(self, temp: Path, final: Path) -> None:
        self._temp, self._final = temp, final

    def publish(self) -> None:
        try:
            self._temp.rename(self._final)
        except OSError:
            if not self._final.exists():
                raise
            self.abort()  # a folder cannot replace what is there, and need not
        sync_folder(self._final.parent)

    def abort(self) -> None:
        _remove(self._temp)


@dataclass
class _RunningDigest:
    """How far the files of one upload are hashed; the lock is held while hashing."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    sha256: _Hash = field(default_factory=hashlib.sha256)
    hashed: list[Path] = field(default_factory=list)

    def advance(self, paths: Sequence[Path]) -> str:
        """Hash the paths that follow those hashed before, all of them when those were others."""
        if self.hashed != list(paths[: len(self.hashed)]):
            self.sha256, self.hashed = hashlib.sha256(), []
        for path in paths[len(self.hashed) :]:
            ahead = self.sha256.copy()
            with path.open("rb", buffering=0) as file:
                while chunk := file.read(CHUNK_BYTES):
                    ahead.update(chunk)
            self.sha256 = ahead
            self.hashed.append(path)
        return self.sha256.hexdigest()


class _RunningDigests:
    """Digests of uploads under way, so that the end of a large one need not wait for all its bytes to be hashed.

    Lives in one process and may forget at any time: it saves work, nothing depends on it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: OrderedDict[str, _RunningDigest] = OrderedDict()

    def advance(self, upload_id: str, paths: Sequence[Path], *, wait: bool) -> str:
        """The sha256 of these files; empty when another thread is hashing them and ``wait`` is false."""
        with self._lock:
            running = self._running.setdefault(upload_id, _RunningDigest())
            self._running.move_to_end(upload_id)
            if len(self._running) > _DIGESTS_IN_MEMORY:
                self._running.popitem(last=False)
        if not running.lock.acquire(blocking=wait):
            return ""
        try:
            return running.advance(paths)
        finally:
            running.lock.release()

    def forget(self, upload_id: str) -> None:
        """Start over next time."""
        with self._lock:
            self._running.pop(upload_id, None)


def _files(blob: Path) -> list[Path]:
    """The files of a content in order; one file that may not exist, unless it is a folder."""
    return sorted(blob.iterdir()) if blob.is_dir() else [blob]


def _remove(entry: Path) -> None:
    """Remove a file or folder, which may be gone already."""
    if entry.is_dir():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        entry.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Make a file's bytes last."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _require_owner(root: Path, registry_id: str) -> None:
    """Mark the folder as that of a registry, or raise AdminError for one that another has marked.

    To a registry whose database knows none of its contents, all of them would be garbage to be collected.
    """
    mark = root / "registry-id"
    if not mark.exists():
        write_atomically(mark, registry_id, mode=0o644)
    if mark.read_text(encoding="ascii") != registry_id:
        raise AdminError(f"'{root}' holds the contents of a registry with another database")
