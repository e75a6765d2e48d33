"""Which bytes to move next: ranges of a file, gaps of a resume, parts of an upload. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

MIB = 1024 * 1024
SMALLEST_RANGE_BYTES = 2 * MIB
LARGEST_RANGE_BYTES = 64 * MIB
SMALLEST_PART_BYTES = 5 * MIB
MOST_PARTS = 10_000


class Range(NamedTuple):
    """Bytes ``start`` to ``end``, exclusive."""

    start: int
    end: int

    @property
    def size_bytes(self) -> int:
        """How many bytes it covers."""
        return self.end - self.start


def merged(ranges: Iterable[Range]) -> list[Range]:
    """The same bytes as sorted ranges that neither touch nor overlap."""
    result: list[Range] = []
    for item in sorted(ranges):
        if item.size_bytes <= 0:
            continue
        if result and item.start <= result[-1].end:
            result[-1] = Range(result[-1].start, max(result[-1].end, item.end))
        else:
            result.append(item)
    return result


def gaps(done: Iterable[Range], size_bytes: int) -> list[Range]:
    """What is missing of a file of this size, given what is done."""
    missing: list[Range] = []
    position = 0
    for item in merged(done):
        if item.start > position:
            missing.append(Range(position, min(item.start, size_bytes)))
        position = max(position, item.end)
    if position < size_bytes:
        missing.append(Range(position, size_bytes))
    return [item for item in missing if item.size_bytes > 0]


def split(missing: Sequence[Range], workers: int) -> Iterator[Range]:
    """Ranges to fetch, in file order: each a worker's share of half of what is left, 2 to 64 MiB.

    So there are few requests, and the last ranges are small: no connection works long after the others have
    finished.
    """
    left = sum(item.size_bytes for item in missing)
    for item in missing:
        start = item.start
        while start < item.end:
            share = left // (2 * workers) // MIB * MIB
            end = min(start + min(max(share, SMALLEST_RANGE_BYTES), LARGEST_RANGE_BYTES), item.end)
            if item.end - end < SMALLEST_RANGE_BYTES // 2:
                end = item.end
            yield Range(start, end)
            left -= end - start
            start = end


def part_size(size_bytes: int) -> int:
    """The part size to ask for: 5 MiB, more where a file would have more than 10,000 parts."""
    least = -(-size_bytes // MOST_PARTS)
    return max(SMALLEST_PART_BYTES, -(-least // MIB) * MIB)


def part_range(number: int, part_size_bytes: int, size_bytes: int) -> Range:
    """The bytes of a part, counted from 1; the one part of an empty file is empty."""
    start = (number - 1) * part_size_bytes
    return Range(start, min(start + part_size_bytes, size_bytes))
