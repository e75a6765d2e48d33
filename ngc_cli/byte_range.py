"""A range of bytes, in the one form that transfers, requests and archives use."""

from __future__ import annotations

from typing import NamedTuple


class ByteRange(NamedTuple):
    """Bytes ``start`` to ``end``, exclusive, counted from 0."""

    start: int
    end: int

    @property
    def size_bytes(self) -> int:
        """How many bytes it covers."""
        return self.end - self.start

    def __str__(self) -> str:
        """``start-last``, both inclusive, as ``Range`` and ``Content-Range`` have it (RFC 9110 section 14)."""
        return f"{self.start}-{self.end - 1}"
