"""Pages of lists: which one a request asks for, and what the answer says about all of them. Pure.

Source: docs/protocol/conventions.md#paging. Page numbers count from 0; a page past the end is empty, not an
error, since the official client asks for one too many when the last page is full.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ngc_cli.server.problems import unprocessable

# The largest page that the service grants.
PAGE_SIZE_MAX = 1000
# Larger page numbers overflow the offset of a database.
_NUMBER_MAX = 2**31


@dataclass(frozen=True)
class Window:
    """One page: its number, and how many records a page holds."""

    number: int
    size: int

    @classmethod
    def asked_for(cls, query: Mapping[str, str], default_size: int) -> Window:
        """The page a query asks for; a larger size than allowed is cut. Raises a 422 Problem for no number."""
        size = _whole(query, "page-size", default_size, at_least=1)
        return cls(_whole(query, "page-number", 0, at_least=0), min(size, PAGE_SIZE_MAX))

    @property
    def offset(self) -> int:
        """How many records lie before this page."""
        return self.number * self.size

    def info(self, total: int) -> dict[str, Any]:
        """``paginationInfo``: ``size`` is that of a page, not of what this one holds."""
        return {
            "index": self.number,
            "size": self.size,
            "totalResults": total,
            "totalPages": -(-total // self.size),
        }


def _whole(query: Mapping[str, str], name: str, default: int, *, at_least: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 11 else -1
    if not at_least <= number < _NUMBER_MAX:
        raise unprocessable(f"'{name}' is not a whole number from {at_least}")
    return number
