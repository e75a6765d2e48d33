"""Planning of ranges and parts: everything once, nothing twice."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ngc_cli.byte_range import ByteRange
from ngc_cli.transfer.parts import (
    LARGEST_RANGE_BYTES,
    MOST_PARTS,
    gaps,
    merged,
    part_range,
    part_size,
    split,
)

SIZES = st.one_of(st.integers(0, 200 << 20), st.integers(0, 1 << 40))
POSITIONS = st.integers(0, 1000)
RANGES = st.lists(st.tuples(POSITIONS, POSITIONS).map(lambda pair: ByteRange(*pair)))


def covered(ranges: list[ByteRange]) -> set[int]:
    return {byte for item in ranges for byte in range(item.start, item.end)}


@given(RANGES)
def test_merging_keeps_the_bytes_and_leaves_nothing_to_merge(ranges: list[ByteRange]) -> None:
    result = merged(ranges)
    assert covered(result) == covered(ranges)
    assert all(first.end < second.start for first, second in pairwise(result))


@given(RANGES, POSITIONS)
def test_gaps_are_exactly_what_is_missing(ranges: list[ByteRange], size: int) -> None:
    missing = gaps(ranges, size)
    assert covered(missing) == set(range(size)) - covered(ranges)
    assert all(item.size_bytes > 0 for item in missing)


@given(SIZES, st.integers(1, 64), st.lists(st.integers(0, 1 << 40), max_size=6))
def test_ranges_cover_what_is_missing_in_order_and_once(size: int, workers: int, cuts: list[int]) -> None:
    edges = sorted({cut for cut in cuts if cut < size})
    missing = gaps([ByteRange(start, start + 1) for start in edges], size)
    if size > 1 << 34:
        workers = max(workers, 16)
    ranges = list(split(missing, workers))
    assert merged(ranges) == missing
    assert sum(item.size_bytes for item in ranges) == sum(item.size_bytes for item in missing)
    assert ranges == sorted(ranges) == list(split(missing, workers))
    assert max((item.size_bytes for item in ranges), default=0) <= LARGEST_RANGE_BYTES + (1 << 20)


def test_the_last_ranges_are_small() -> None:
    ranges = list(split([ByteRange(0, 4 << 30)], 16))
    assert ranges[0].size_bytes == 64 << 20
    assert max(item.size_bytes for item in ranges[-16:]) <= 4 << 20
    assert len(ranges) < 200


@given(SIZES)
def test_parts_cover_the_file_and_are_not_too_many(size: int) -> None:
    part = part_size(size)
    count = max(1, -(-size // part))
    assert count <= MOST_PARTS
    if count < 50:
        ranges = [part_range(number, part, size) for number in range(1, count + 1)]
        assert merged(ranges) == gaps([], size)
        assert sum(item.size_bytes for item in ranges) == size


def test_the_one_part_of_an_empty_file_is_empty() -> None:
    assert part_range(1, 5 << 20, 0) == ByteRange(0, 0)
