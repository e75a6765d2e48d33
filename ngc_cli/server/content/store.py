"""The interface of a content store.

Contents are addressed by their sha256 and arrive in parts. A further backend is a class that passes the tests of
``tests/support/contentstore.py``, with an entry in ``content/backends.py``.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

CHUNK_BYTES = 1024 * 1024  # what is read or written at once: larger was no faster, and each request holds two


class DigestMismatch(Exception):
    """The bytes that arrived do not have the sha256 they were announced with."""


@dataclass(frozen=True)
class Part:
    """A part in the store: the name the store gave it, its size, and its own sha256 when it was asked for."""

    key: str
    size_bytes: int
    sha256: str = ""


class Reader(Protocol):
    """A range of a content, read from front to back."""

    def read(self, limit_bytes: int) -> bytes:
        """The next bytes; empty at the end of the range."""

    def close(self) -> None:
        """Let go of it."""


class PartWriter(Protocol):
    """A part that is arriving; ``finish`` keeps it, ``abort`` drops it."""

    def write(self, chunk: bytes | bytearray) -> None:
        """Append a chunk."""

    def finish(self, sha256: str = "") -> Part:
        """Keep what was written; raises DigestMismatch when a hashed part does not have the sha256 it must have."""

    def abort(self) -> None:
        """Drop what was written; does nothing after ``finish``."""


class Assembled(Protocol):
    """A verified content that waits to be stored under its sha256."""

    def publish(self) -> None:
        """Store it; nothing changes when the store has this content already."""

    def abort(self) -> None:
        """Drop it; does nothing after ``publish``."""


class ContentStore(Protocol):
    """Where contents live. All methods may be called from several threads and processes at the same time.

    Nothing that has its final name is ever changed, and a content is visible under its sha256 only when it is whole,
    verified and durable.
    """

    def size(self, sha256: str) -> int | None:
        """Size in bytes of a content, or None when it is not there."""

    def open_range(self, sha256: str, start: int, length: int) -> Reader:
        """Read ``length`` bytes from ``start``; raises FileNotFoundError."""

    def delete(self, sha256: str) -> None:
        """Remove a content; no error when there is none."""

    def all_contents(self) -> Iterator[str]:
        """The sha256 of every content in the store."""

    def write_part(
        self, upload_id: str, number: int, *, size_bytes: int = 0, hashed: bool = False
    ) -> PartWriter:
        """A writer for a part of an upload. ``size_bytes`` is how many will come, if known; ``hashed`` asks for
        the part's own sha256, which makes an upload of one part quick to assemble.
        """

    def hash_ahead(self, upload_id: str, parts: Sequence[Part]) -> None:
        """A hint that these are the first parts of an upload: the store may begin to hash them."""

    def digest(self, upload_id: str, parts: Sequence[Part], algorithm: str) -> str:
        """The hex digest of the parts in this order, by another algorithm than the store's own, or by that."""

    def assemble(self, upload_id: str, parts: Sequence[Part], sha256: str) -> Assembled:
        """Make a content of the parts in this order; raises DigestMismatch unless they have this sha256.

        The content is not visible before ``Assembled.publish``.
        """

    def drop_parts(self, upload_id: str) -> None:
        """Remove all parts of an upload; no error when there are none."""

    def uploads(self) -> Iterator[str]:
        """The id of every upload that has parts in the store."""

    def drop_leftovers(self, age_s: float) -> None:
        """Remove what processes that died have left half-done, untouched for this long."""


def is_disk_full(error: OSError) -> bool:
    """Whether an error says that there is no room left."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)
