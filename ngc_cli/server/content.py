"""Bytes of the registry: contents addressed by sha256, and the parts they arrive in.

``ContentStore`` is all the server knows; ``FolderStore`` keeps contents as files ``blobs/sha256/<ab>/<hex>`` and
parts as ``parts/<upload>/<number>``. A file appears under its final name only when complete: temporary name,
fsync, rename. Nothing ever writes to a file that has its final name, whoever still holds it open.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

CHUNK_BYTES = 1024 * 1024
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_SHA256 = re.compile(r"[0-9a-f]{64}")
_UPLOAD_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class DigestMismatch(Exception):
    """The bytes that arrived do not have the sha256 (or size) they were announced with."""


@dataclass(frozen=True)
class Stored:
    """What a writer has stored: hex sha256 and size."""

    sha256: str
    size_bytes: int


class Reader(Protocol):
    """A range of a content, read from front to back."""

    def read(self, limit_bytes: int) -> bytes:
        """The next bytes; empty at the end of the range."""

    def close(self) -> None:
        """Let go of it."""


class Writer(Protocol):
    """A place for bytes that are not stored yet; ``finish`` stores them, ``abort`` drops them."""

    def write(self, chunk: bytes) -> None:
        """Append a chunk."""

    def finish(self) -> Stored:
        """Store what was written; afterwards it is there for good."""

    def abort(self) -> None:
        """Drop what was written; does nothing after ``finish``."""


class ContentStore(Protocol):
    """Where contents live. All methods may be called from several threads and processes at the same time."""

    def size(self, sha256: str) -> int | None:
        """Size in bytes of a content, or None when it is not there."""

    def open_range(self, sha256: str, start: int, length: int) -> Reader:
        """Read ``length`` bytes from ``start``; raises FileNotFoundError."""

    def delete(self, sha256: str) -> None:
        """Remove a content; no error when there is none."""

    def write_part(self, upload_id: str, number: int) -> Writer:
        """A writer for one part of an upload; a part that arrives again replaces the earlier one."""

    def assemble(self, upload_id: str, numbers: Sequence[int], sha256: str) -> Assembled:
        """Put the parts together in this order; raises DigestMismatch unless they have this sha256.

        Nothing is stored under its sha256 before ``Assembled.publish``.
        """

    def drop_parts(self, upload_id: str) -> None:
        """Remove all parts of an upload; no error when there are none."""

    def all_contents(self) -> Iterator[str]:
        """The sha256 of every content in the store."""


class Assembled(Protocol):
    """A verified content that waits to be stored under its sha256."""

    size_bytes: int

    def publish(self) -> None:
        """Store it; when the store has this content already, only its time is renewed."""

    def abort(self) -> None:
        """Drop it; does nothing after ``publish``."""


class FolderStore:
    """A ContentStore in a folder of a file system."""

    def __init__(self, root: Path) -> None:
        self._blobs = root / "blobs" / "sha256"
        self._parts = root / "parts"
        self._temp = root / "temp"
        for folder in (self._blobs, self._parts, self._temp):
            folder.mkdir(parents=True, exist_ok=True)

    def size(self, sha256: str) -> int | None:
        """Size in bytes, or None."""
        try:
            return self._blob(sha256).stat().st_size
        except FileNotFoundError:
            return None

    def open_range(self, sha256: str, start: int, length: int) -> Reader:
        """A reader on the file of this content."""
        return _FileRange(self._blob(sha256), start, length)

    def delete(self, sha256: str) -> None:
        """Unlink the file of this content; who reads it now can read on."""
        self._blob(sha256).unlink(missing_ok=True)

    def write_part(self, upload_id: str, number: int) -> Writer:
        """A writer to a temporary file, renamed to the part's name at the end."""
        folder = self._upload(upload_id)
        return _PartWriter(self._temp_name(), folder / str(number))

    def assemble(self, upload_id: str, numbers: Sequence[int], sha256: str) -> Assembled:
        """Copy the parts behind each other, hashing; one part alone is taken as it is."""
        parts = [self._upload(upload_id) / str(number) for number in numbers]
        temp = self._temp_name()
        found = hashlib.sha256()
        size_bytes = 0
        try:
            with temp.open("xb") as target:
                for part in parts:
                    with part.open("rb") as source:
                        while chunk := source.read(CHUNK_BYTES):
                            found.update(chunk)
                            target.write(chunk)
                            size_bytes += len(chunk)
                target.flush()
                os.fsync(target.fileno())
            if found.hexdigest() != sha256:
                raise DigestMismatch(f"the bytes have sha256 {found.hexdigest()}, not {sha256}")
        except BaseException:
            temp.unlink(missing_ok=True)
            raise
        return _AssembledFile(temp, self._blob(sha256), size_bytes)

    def drop_parts(self, upload_id: str) -> None:
        """Remove the folder of the upload."""
        shutil.rmtree(self._upload(upload_id), ignore_errors=True)

    def all_contents(self) -> Iterator[str]:
        """The names of all files in ``blobs``."""
        for folder in sorted(self._blobs.iterdir()):
            yield from sorted(file.name for file in folder.iterdir())

    def _blob(self, sha256: str) -> Path:
        if _SHA256.fullmatch(sha256) is None:
            raise ValueError("not a hex sha256")
        return self._blobs / sha256[:2] / sha256

    def _upload(self, upload_id: str) -> Path:
        if _UPLOAD_ID.fullmatch(upload_id) is None:
            raise ValueError("not an upload id")
        return self._parts / upload_id

    def _temp_name(self) -> Path:
        return self._temp / secrets.token_hex(16)


class _FileRange:
    def __init__(self, path: Path, start: int, length: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._file.seek(start)
        self._left_bytes = length

    def read(self, limit_bytes: int) -> bytes:
        chunk = self._file.read(min(limit_bytes, self._left_bytes))
        self._left_bytes -= len(chunk)
        return chunk

    def close(self) -> None:
        self._file.close()


class _PartWriter:
    """Writes a part; it is not synced, since the whole is verified and synced when it is assembled."""

    def __init__(self, temp: Path, final: Path) -> None:
        self._temp, self._final = temp, final
        self._file = temp.open("xb", buffering=0)
        self._sha256 = hashlib.sha256()
        self._size_bytes = 0

    def write(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        while view:
            view = view[self._file.write(view) :]
        self._sha256.update(chunk)
        self._size_bytes += len(chunk)

    def finish(self) -> Stored:
        self._file.close()
        self._final.parent.mkdir(exist_ok=True)
        self._temp.replace(self._final)
        return Stored(self._sha256.hexdigest(), self._size_bytes)

    def abort(self) -> None:
        self._file.close()
        self._temp.unlink(missing_ok=True)


class _AssembledFile:
    def __init__(self, temp: Path, final: Path, size_bytes: int) -> None:
        self._temp, self._final = temp, final
        self.size_bytes = size_bytes

    def publish(self) -> None:
        self._final.parent.mkdir(exist_ok=True)
        self._temp.replace(self._final)
        _sync_folder(self._final.parent)

    def abort(self) -> None:
        self._temp.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a rename in this folder last; some file systems cannot sync folders, and need not."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


def is_disk_full(error: OSError) -> bool:
    """Whether an error says that there is no room left."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)
