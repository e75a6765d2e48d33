"""Which bytes to move next: ranges of a file, gaps of a resume, parts of an upload. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ngc_cli.byte_range import ByteRange

MIB = 1024 * 1024  # bytes of a mebibyte
SMALLEST_RANGE_BYTES = 2 * MIB  # below that the round trip of a request costs more than its bytes
LARGEST_RANGE_BYTES = 64 * MIB  # a connection that is slow or breaks off holds up no more than this
SMALLEST_PART_BYTES = 5 * MIB  # the least that S3 takes for a part that is not the last one
MOST_PARTS = 10_000  # the most that S3 takes of one upload


def merged(ranges: Iterable[ByteRange]) -> list[ByteRange]:
    """The same bytes as sorted ranges that neither touch nor overlap."""
    result: list[ByteRange] = []
    for item in sorted(ranges):
        if item.size_bytes <= 0:
            continue
        if result and item.start <= result[-1].end:
            result[-1] = ByteRange(result[-1].start, max(result[-1].end, item.end))
        else:
            result.append(item)
    return result


def gaps(done: Iterable[ByteRange], size_bytes: int) -> list[ByteRange]:
    """What is missing of a file of this size, given what is done."""
    missing: list[ByteRange] = []
    position = 0
    for item in merged(done):
        if item.start > position:
            missing.append(ByteRange(position, min(item.start, size_bytes)))
        position = max(position, item.end)
    if position < size_bytes:
        missing.append(ByteRange(position, size_bytes))
    return [item for item in missing if item.size_bytes > 0]


def split(missing: Sequence[ByteRange], workers: int) -> Iterator[ByteRange]:
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
            yield ByteRange(start, end)
            left -= end - start
            start = end


def part_size(size_bytes: int) -> int:
    """The part size to ask for: 5 MiB, more where a file would have more than 10,000 parts."""
    least = -(-size_bytes // MOST_PARTS)
    return max(SMALLEST_PART_BYTES, -(-least // MIB) * MIB)


def part_range(number: int, part_size_bytes: int, size_bytes: int) -> ByteRange:
    """The bytes of a part, counted from 1; the one part of an empty file is empty."""
    start = (number - 1) * part_size_bytes
    return ByteRange(start, min(start + part_size_bytes, size_bytes))
