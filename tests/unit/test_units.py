"""Sizes, durations and dates as NGC prints them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngc_cli.errors import UsageError
from ngc_cli.units import format_day, format_duration, format_moment, format_size, parse_size


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (1000, "1000 B"),
        (2048, "2 KB"),
        (2544803840, "2.37 GB"),
        (242137170, "230.92 MB"),
        (1048575, "1 MB"),
        (1 << 50, "1024 TB"),
    ],
)
def test_sizes(size_bytes: int, text: str) -> None:
    assert format_size(size_bytes) == text


@given(st.integers(0, 1 << 60))
def test_a_printed_size_is_close_to_the_real_one(size_bytes: int) -> None:
    assert parse_size(format_size(size_bytes)) == pytest.approx(size_bytes, rel=0.01)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("10M", 10 << 20), ("1.5 GiB", 3 << 29), ("64k", 65536), ("4096", 4096), ("1MB/s", 1 << 20)],
)
def test_rates_that_people_type(text: str, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize("text", ["", "fast", "-1M", "10 X", "1e9"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError):
        parse_size(text)


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [(0.4, "0s"), (38.9, "38s"), (65, "1m 5s"), (3723, "1h 2m 3s"), (3600, "1h 0m 0s")],
)
def test_durations(duration_s: float, text: str) -> None:
    assert format_duration(duration_s) == text


def test_dates() -> None:
    assert format_day("2019-10-18T11:22:33.456Z") == "Oct 18, 2019"
    assert format_moment("2020-04-02T11:22:33Z") == "2020-04-02 11:22:33 UTC"
    assert format_moment("2020-04-02T11:22:33.4567891Z") == "2020-04-02 11:22:33 UTC"
    assert format_day("soon") == "soon"
    assert format_day(None) == ""
