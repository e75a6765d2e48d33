"""Planning of ranges and parts: every byte once, nothing twice, and the same plan every time."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from ngc_cli.transfer.parts import (
    LARGEST_RANGE_BYTES,
    MIB,
    MOST_PARTS,
    SMALLEST_RANGE_BYTES,
    Range,
    gaps,
    merged,
    part_range,
    part_size,
    split,
)

SIZE = st.integers(0, 64 * 1024 * MIB)
WORKERS = st.integers(1, 64)
SMALL_SIZE = st.integers(0, 400)
RANGES = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 400)).map(lambda pair: Range(min(pair), max(pair)))
)


def covered(ranges: list[Range]) -> set[int]:
    return {byte for item in ranges for byte in range(item.start, item.end)}


@given(RANGES)
def test_merging_keeps_every_byte_and_separates_ranges(ranges: list[Range]) -> None:
    result = merged(ranges)
    assert covered(result) == covered(ranges)
    assert all(first.end < second.start for first, second in itertools.pairwise(result))


@given(RANGES, SMALL_SIZE)
def test_gaps_are_exactly_what_is_missing(done: list[Range], size: int) -> None:
    assert covered(gaps(done, size)) == set(range(size)) - covered(done)


@given(SIZE, WORKERS)
def test_ranges_of_a_file_cover_it_exactly(size: int, workers: int) -> None:
    position = 0
    for item in split(gaps([], size), workers):
        assert item.start == position
        assert 0 < item.size_bytes <= LARGEST_RANGE_BYTES + SMALLEST_RANGE_BYTES
        position = item.end
    assert position == size


@given(st.lists(st.integers(0, 200 * MIB), max_size=8), st.integers(0, 300 * MIB), WORKERS)
def test_ranges_of_a_resume_cover_the_gaps_exactly(cuts: list[int], size: int, workers: int) -> None:
    points = sorted(cuts)
    done = [Range(start, end) for start, end in zip(points[::2], points[1::2], strict=False)]
    missing = gaps(done, size)
    ranges = list(split(missing, workers))
    assert merged(ranges) == missing
    assert sum(item.size_bytes for item in ranges) == sum(item.size_bytes for item in missing)
    assert ranges == list(split(missing, workers))


@given(st.integers(64 * MIB, 4096 * MIB), WORKERS)
def test_no_worker_is_left_with_a_long_last_range(size: int, workers: int) -> None:
    assert list(split(gaps([], size), workers))[-1].size_bytes <= 2 * SMALLEST_RANGE_BYTES


@given(st.integers(0, 1 << 44))
def test_parts_are_few_and_cover_the_file(size: int) -> None:
    part = part_size(size)
    count = max(1, -(-size // part))
    assert count <= MOST_PARTS
    assert part_range(1, part, size).start == 0
    assert part_range(count, part, size).end == size
    if count > 1:
        assert part_range(2, part, size).start == part_range(1, part, size).end
