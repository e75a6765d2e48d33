"""State of transfers: what survives a kill, who may take over what, and what is never trusted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ngc_cli.byte_range import ByteRange
from ngc_cli.transfer import owners
from ngc_cli.transfer.journal import Content, StateFolder
from ngc_cli.transfer.parts import merged

CONTENT = Content(1000, "ab" * 32)


def leave(path: Path, ranges: list[ByteRange], content: Content = CONTENT, etag: str = "") -> Path:
    """A partial of a run that ended in order before it was done; returns its folder."""
    state = StateFolder(path)
    state.open()
    partial = state.partial("f", content, resume=True)
    partial.part_path.write_bytes(bytes(content.size_bytes))
    if etag:
        partial.set_etag(etag)
    for item in ranges:
        partial.add(item)
    state.close(complete=False)
    return next(path.glob("*.idle"))


def resumed(path: Path, content: Content = CONTENT, *, resume: bool = True) -> list[ByteRange]:
    state = StateFolder(path)
    state.open()
    return state.partial("f", content, resume=resume).done


def test_what_is_written_down_is_found_again(tmp_path: Path) -> None:
    leave(tmp_path / "s", [ByteRange(0, 10), ByteRange(10, 20), ByteRange(500, 1000)], etag='"e"')
    state = StateFolder(tmp_path / "s")
    assert state.resumable_bytes({"f": CONTENT, "g": CONTENT}) == 520
    state.open()
    partial = state.partial("f", CONTENT, resume=True)
    assert (partial.done, partial.etag) == ([ByteRange(0, 20), ByteRange(500, 1000)], '"e"')
    assert partial.part_path.stat().st_size == 1000


@pytest.mark.parametrize("other", [Content(999, CONTENT.sha256), Content(1000, "cd" * 32), Content(1000)])
def test_other_content_begins_anew(tmp_path: Path, other: Content) -> None:
    leave(tmp_path, [ByteRange(0, 10)])
    assert resumed(tmp_path, other) == []
    assert list(tmp_path.glob("*.idle")) == []


def test_no_resume_forgets_what_is_there(tmp_path: Path) -> None:
    leave(tmp_path, [ByteRange(0, 10)])
    assert resumed(tmp_path, resume=False) == []


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_log_torn_anywhere_never_claims_more_than_was_written(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("state")
    ranges = [ByteRange(0, 10), ByteRange(30, 40), ByteRange(10, 20), ByteRange(990, 1000)]
    folder = leave(path, ranges)
    log = folder / "log.jsonl"
    text = log.read_bytes()
    log.write_bytes(text[: data.draw(st.integers(0, len(text)))])
    state = StateFolder(path)
    state.open()
    partial = state.partial("f", CONTENT, resume=True)
    assert merged([*partial.done, *ranges]) == merged(ranges)
    partial.part_path.write_bytes(bytes(1000))
    partial.add(ByteRange(100, 110))  # the line after a torn one counts
    state.close(complete=False)
    assert ByteRange(100, 110) in resumed(path)


def test_ranges_beyond_the_end_of_the_part_are_not_trusted(tmp_path: Path) -> None:
    folder = leave(tmp_path, [ByteRange(0, 10), ByteRange(500, 1000)])
    with next(folder.glob("*.part")).open("r+b") as part:
        part.truncate(600)
    assert resumed(tmp_path) == [ByteRange(0, 10)]


def test_a_log_without_its_part_is_of_no_use(tmp_path: Path) -> None:
    folder = leave(tmp_path, [ByteRange(0, 10)])
    next(folder.glob("*.part")).unlink()
    assert resumed(tmp_path) == []


def test_without_a_digest_nothing_from_another_boot_is_continued(tmp_path: Path) -> None:
    bare = Content(1000)
    folder = leave(tmp_path, [ByteRange(0, 10)], bare)
    folder.rename(folder.with_name("0123456789ab-7-7-7.idle"))
    assert resumed(tmp_path, bare) == []


def test_a_living_process_keeps_its_own(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from ngc_cli.transfer.journal import *; s = StateFolder(pathlib.Path(sys.argv[1]));"
        "s.open(); p = s.partial('f', Content(1000, 'ab' * 32), resume=True); p.part_path.write_bytes(bytes(1000));"
        "p.add(ByteRange(0, 10)); print('ready', flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdin is not None
    with child:
        assert child.stdout.readline() == b"ready\n"
        assert resumed(tmp_path) == []
        child.kill()
        child.wait()
    started_s = time.monotonic()
    assert resumed(tmp_path) == [ByteRange(0, 10)]
    assert time.monotonic() - started_s < 0.5


def owned_by(path: Path, pid: int, started: str) -> Path:
    """What is left by ``leave``, under the name of an owner on this machine."""
    folder = leave(path, [ByteRange(0, 10)])
    return folder.rename(folder.with_name(f"{folder.name.partition('-')[0]}-{pid}-{started}-7"))


def test_a_process_that_has_got_the_number_of_a_dead_one_is_not_the_owner(tmp_path: Path) -> None:
    """Numbers of processes are used again; one of this process, which lives, and another start."""
    folder = owned_by(tmp_path, os.getpid(), "1")
    assert resumed(tmp_path) == [ByteRange(0, 10)]
    assert not folder.exists()


def test_what_remains_of_a_dead_process_is_not_alive(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = owners._started(child.pid)
    assert started is not None
    owned_by(tmp_path, child.pid, started)
    assert resumed(tmp_path) == []
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and still in the process table
    assert resumed(tmp_path) == [ByteRange(0, 10)]
    child.communicate()


@pytest.mark.parametrize("noted", [(-5, 10), (10, 10), (20, 10), (500, 1500), (0, 2000)])
def test_ranges_that_cannot_be_are_not_trusted(tmp_path: Path, noted: tuple[int, int]) -> None:
    folder = leave(tmp_path, [ByteRange(0, 5)])
    part = next(folder.glob("*.part"))
    part.write_bytes(bytes(3000))  # longer than the file is to become
    with (folder / "log.jsonl").open("a") as log:
        log.write(json.dumps([part.stem, *noted]) + "\n")
    done = resumed(tmp_path)
    assert all(0 <= item.start < item.end <= CONTENT.size_bytes for item in done)
    assert done in ([ByteRange(0, 5)], [])


def test_a_part_of_which_nothing_is_noted_begins_anew(tmp_path: Path) -> None:
    leave(tmp_path, [])
    state = StateFolder(tmp_path)
    state.open()
    partial = state.partial("f", CONTENT, resume=True)
    fd = partial.open()
    assert os.fstat(fd).st_size == 0
    os.close(fd)


def test_the_space_of_parts_that_are_there_counts(tmp_path: Path) -> None:
    folder = leave(tmp_path / "s", [ByteRange(0, 10)])
    (tmp_path / "outside.part").write_bytes(bytes(100_000))
    with (folder / "log.jsonl").open("a") as log:
        log.write(json.dumps(["../../outside", 100_000, "ab" * 32]) + "\n")
    state = StateFolder(tmp_path / "s")
    state.open()
    assert 0 < state.reserved_bytes() < 100_000


def test_two_transfers_of_one_process_do_not_share(tmp_path: Path) -> None:
    first = StateFolder(tmp_path)
    first.open()
    first.partial("f", CONTENT, resume=True).add(ByteRange(0, 10))
    second = StateFolder(tmp_path)
    second.open()
    assert second.partial("f", CONTENT, resume=True).done == []
    assert first.scratch() != second.scratch()


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """The folder of an owner on another machine, that shows life just now."""
    folder = leave(tmp_path, [ByteRange(0, 10)])
    other = folder.with_name("0123456789ab-1-7-0")
    folder.rename(other)
    os.utime(other)
    return other


def test_an_owner_elsewhere_that_falls_silent_is_dead_within_two_seconds(foreign: Path) -> None:
    started_s = time.monotonic()
    assert resumed(foreign.parent) == [ByteRange(0, 10)]
    assert time.monotonic() - started_s < 2


def test_an_owner_elsewhere_that_shows_life_keeps_its_own(foreign: Path) -> None:
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(0.2):
            os.utime(foreign)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        assert resumed(foreign.parent) == []
        assert foreign.exists()
    finally:
        stop.set()
        thread.join()


def test_an_owner_elsewhere_long_silent_is_dead_at_once(foreign: Path) -> None:
    os.utime(foreign, (time.time() - 60, time.time() - 60))
    started_s = time.monotonic()
    assert resumed(foreign.parent) == [ByteRange(0, 10)]
    assert time.monotonic() - started_s < 0.5


def test_without_a_process_table_the_heartbeat_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owners, "_started", lambda pid: None)
    monkeypatch.setattr(owners, "_SILENT_S", 1.0)
    living = StateFolder(tmp_path)
    living.open()
    living.partial("f", CONTENT, resume=True).add(ByteRange(0, 10))
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(0.1):
            living.beat()

    thread = threading.Thread(target=beat)
    thread.start()
    assert resumed(tmp_path) == []
    stop.set()
    thread.join()


def race(take: Callable[[], StateFolder]) -> list[StateFolder]:
    found: list[StateFolder] = []
    threads = [threading.Thread(target=lambda: found.append(take())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_only_one_takes_over(tmp_path: Path) -> None:
    leave(tmp_path, [ByteRange(0, 10)])

    def take() -> StateFolder:
        state = StateFolder(tmp_path)
        state.open()
        return state

    done = [state.partial("f", CONTENT, resume=True).done for state in race(take)]
    assert sorted(done) == [[]] * 7 + [[ByteRange(0, 10)]]


def test_a_complete_transfer_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / ".ngc-transfer" / "key"
    leave(path, [ByteRange(0, 10)])
    (path / "done.jsonl").touch()  # what former releases left
    state = StateFolder(path)
    state.open()
    state.close(complete=True)
    assert list(tmp_path.iterdir()) == []


def test_a_transfer_that_did_nothing_leaves_nothing(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / ".ngc-transfer" / "key")
    state.open()
    state.close(complete=False)
    assert list(tmp_path.iterdir()) == []
