"""A file in the making by itself: what it refuses, and that it is named only when it is whole."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ngc_cli.errors import IntegrityError
from ngc_cli.transfer.journal import Content, StateFolder
from ngc_cli.transfer.sink import Sink
from ngc_cli.transfer.tree import Tree

DATA = bytes(range(250)) * 4
BUFFER = memoryview(bytearray(64))


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    made = StateFolder(tmp_path / "state")
    made.open()
    return made


def sink(state: StateFolder, sha256: str = hashlib.sha256(DATA).hexdigest()) -> Sink:
    return Sink(state.partial("f", Content(len(DATA), sha256), resume=True), "f")


def write(made: Sink, *ranges: tuple[int, int]) -> None:
    for start, end in ranges:
        made.write(start, memoryview(DATA)[start:end])


@pytest.mark.parametrize(
    "ranges",
    [[(0, 1000)], [(500, 1000), (0, 500)], [(900, 1000), (0, 10), (10, 900)]],
)
def test_bytes_may_come_in_any_order(
    state: StateFolder, tmp_path: Path, ranges: list[tuple[int, int]]
) -> None:
    made = sink(state)
    write(made, *ranges)
    made.follow(BUFFER)
    made.finish(Tree(tmp_path), "f", BUFFER)
    assert (tmp_path / "f").read_bytes() == DATA
    assert list(made.partial.owned.folder.path.glob("*.part")) == []
    assert made.partial.owned.partials == {}


def test_more_than_the_file_is_to_have_is_refused_before_it_is_written(state: StateFolder) -> None:
    made = sink(state)
    with pytest.raises(IntegrityError, match="more than"):
        made.write(990, memoryview(DATA)[:20])
    assert made.partial.part_path.stat().st_size == len(DATA)
    made.close()


def test_a_file_with_a_gap_gets_no_name(state: StateFolder, tmp_path: Path) -> None:
    made = sink(state, sha256="")
    write(made, (0, 400), (500, 1000))
    with pytest.raises(IntegrityError, match="not complete"):
        made.finish(Tree(tmp_path), "f", BUFFER)
    assert not (tmp_path / "f").exists()
    made.close()


def test_wrong_bytes_get_no_name_and_are_forgotten(state: StateFolder, tmp_path: Path) -> None:
    made = sink(state, sha256="ab" * 32)
    write(made, (0, 1000))
    with pytest.raises(IntegrityError, match="promised abab"):
        made.finish(Tree(tmp_path), "f", BUFFER)
    assert not (tmp_path / "f").exists()
    assert not made.partial.part_path.exists()
    assert [gap.size_bytes for gap in sink(state).missing()] == [len(DATA)]


def test_a_part_that_is_too_long_is_cut(state: StateFolder, tmp_path: Path) -> None:
    made = sink(state)
    write(made, (0, 10))
    made.close()
    with made.partial.part_path.open("ab") as part:
        part.write(b"more")
    state.close(complete=False)
    again = StateFolder(tmp_path / "state")
    again.open()
    resumed = sink(again)
    write(resumed, (10, 1000))
    resumed.finish(Tree(tmp_path), "f", BUFFER)
    assert (tmp_path / "f").read_bytes() == DATA
