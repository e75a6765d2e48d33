"""Version ids in order."""

import random

from hypothesis import given
from hypothesis import strategies as st

from ngc_cli.server.version_order import version_sort_key

IN_ORDER = [
    "0.9",
    "1",
    "1.0-",
    "1.0-alpha",
    "1.0-rc1",
    "1.0-rc2",
    "1.0-rc10",
    "1.0",
    "1.2",
    "1.10",
    "2",
    "10",
    "v1",
    "v2",
    "v10",
]


def test_ids_sort_by_their_numbers_and_pre_releases_come_first() -> None:
    shuffled = random.Random(1).sample(IN_ORDER, len(IN_ORDER))
    assert sorted(shuffled, key=version_sort_key) == IN_ORDER


@given(st.integers(0, 10**30), st.integers(0, 10**30))
def test_numbers_sort_as_numbers(one: int, other: int) -> None:
    assert (version_sort_key(f"v{one}") < version_sort_key(f"v{other}")) == (one < other)
