"""The memory of finished files: what it remembers, what it costs to lose it, and that it does not grow for ever."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ngc_cli.transfer import finished
from ngc_cli.transfer.finished import Finished, FinishedFiles

NAME = "0123456789abcdef.jsonl"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".ngc" / "downloads" / NAME


def remember(path: Path, files: dict[str, Finished], *, complete: bool = True) -> None:
    memory = FinishedFiles(path)
    for name, item in files.items():
        memory.add(name, item)
    memory.close(complete=complete)


def test_what_was_finished_is_known_again(path: Path) -> None:
    remember(path, {"a": Finished(1, 2, "ff"), "b/\u00fc": Finished(3, 4, "")})
    assert FinishedFiles(path).load() == {"a": Finished(1, 2, "ff"), "b/\u00fc": Finished(3, 4, "")}


def test_it_is_for_this_user_only(path: Path) -> None:
    remember(path, {"a": Finished(1, 2, "ff")})
    assert (path.parent.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o600)


def test_the_list_of_finished_files_does_not_grow_for_ever(path: Path) -> None:
    for number in range(20):
        remember(path, {name: Finished(number, number, "ff") for name in "abc"})
    assert FinishedFiles(path).load()["c"] == Finished(19, 19, "ff")
    assert len(path.read_text().splitlines()) <= 6


def test_a_file_that_changed_since_is_not_the_one_that_was_verified(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"1")
    status = (tmp_path / "f").stat()
    assert Finished(1, status.st_mtime_ns, "ff").describes(status)
    assert not Finished(1, status.st_mtime_ns + 1, "ff").describes(status)
    assert not Finished(2, status.st_mtime_ns, "ff").describes(status)


def test_a_torn_line_costs_one_file(path: Path) -> None:
    remember(path, {"a": Finished(1, 2, "ff"), "b": Finished(1, 2, "ff")})
    path.write_text(path.read_text()[:-5])
    assert list(FinishedFiles(path).load()) == ["a"]


@pytest.mark.parametrize("line", ['["a"]', '["a", "b", 1, 2]', "[[[", "{}", '["a", 1, 2, 3]', "[" * 100_000])
def test_what_cannot_be_a_record_is_none(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True, mode=0o700)
    path.write_text(line + "\n")
    assert FinishedFiles(path).load() == {}


@pytest.mark.parametrize("place", [None, Path("/proc/none/downloads") / NAME])
def test_without_a_place_nothing_is_remembered_and_nothing_fails(place: Path | None) -> None:
    memory = FinishedFiles(place)
    memory.add("a", Finished(1, 2, "ff"))
    memory.close(complete=True)
    assert memory.load() == {}


def test_a_planted_memory_is_neither_read_nor_written(path: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    remember(path, {"a": Finished(1, 2, "ff")})
    path.replace(victim)
    path.symlink_to(victim)
    before = victim.read_bytes()
    remember(path, {"b": Finished(1, 2, "ff")})
    assert FinishedFiles(path).load() == {}
    assert victim.read_bytes() == before


def test_old_memories_and_too_many_of_them_go_the_oldest_first(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finished, "_MOST_MEMORIES", 3)
    remember(path, {"a": Finished(1, 2, "ff")})
    for days in (1, 2, 3, 400):
        other = path.with_name(f"{days:016x}.jsonl")
        other.touch()
        os.utime(other, (time.time() - days * 86400, time.time() - days * 86400))
    (path.parent / "mine.txt").touch()
    remember(path, {"a": Finished(1, 2, "ff")})
    assert {item.name for item in path.parent.iterdir()} == {
        NAME,
        "mine.txt",
        f"{1:016x}.jsonl",
        f"{2:016x}.jsonl",
    }
