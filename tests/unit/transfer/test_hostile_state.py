"""State of transfers that somebody else has put there: it costs a user nothing but the resume."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from ngc_cli.byte_range import ByteRange
from ngc_cli.errors import LocalFileError
from ngc_cli.transfer import private_folder
from ngc_cli.transfer.journal import Content, StateFolder
from ngc_cli.transfer.private_folder import NotOurs, PrivateFolder, open_state, state_base
from ngc_cli.transfer.sink import Sink
from ngc_cli.transfer.tree import Tree

DATA = b"x" * 1000
CONTENT = Content(len(DATA), "ab" * 32)
IDLE = "0123456789ab-7-7-7.idle"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder elsewhere with things that look like ours and things that do not."""
    folder = tmp_path / "victim"
    for name in ("photos", IDLE):
        (folder / name).mkdir(parents=True)
        (folder / name / "1").write_text("mine")
    (folder / "log.jsonl").write_text("mine")
    (folder / "done.jsonl").write_text("mine")
    return folder


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "dest").mkdir()
    return tmp_path / "dest" / ".ngc-transfer" / "key"


def everything(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        path.relative_to(folder).as_posix(): (
            path.lstat().st_mode,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in folder.rglob("*")
    }


def use(path: Path, *, complete: bool) -> list[str]:
    """A run that notes a range; returns what it said."""
    notes: list[str] = []
    run = StateFolder(path, notes.append)
    run.open()
    partial = run.partial("f", CONTENT, resume=True)
    os.close(partial.open())
    partial.add(ByteRange(0, 10))
    run.close(complete=complete)
    return notes


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("level", ["transfers", "transfer"])
def test_a_link_in_place_of_a_state_folder_is_left_alone(
    state: Path, victim: Path, level: str, complete: bool
) -> None:
    planted = state.parent if level == "transfers" else state
    planted.parent.mkdir(exist_ok=True)
    planted.symlink_to(victim)
    if level == "transfers":
        (victim / "key").mkdir()
    before = everything(victim)
    notes = use(state, complete=complete)
    assert everything(victim) == before
    assert planted.is_symlink()
    assert len(notes) == 1
    assert "is a link" in notes[0]
    own = state.parent.with_name(f".ngc-transfer-{os.geteuid()}")
    assert own.exists() is not complete  # clean, and what is kept is kept in a folder of this user


def test_a_resume_works_in_the_folder_of_ones_own_too(state: Path, victim: Path) -> None:
    state.parent.symlink_to(victim)
    run = StateFolder(state)
    run.open()
    partial = run.partial("f", CONTENT, resume=True)
    os.ftruncate(fd := partial.open(), CONTENT.size_bytes)
    os.close(fd)
    partial.add(ByteRange(0, 10))
    run.close(complete=False)
    assert StateFolder(state).resumable_bytes({"f": CONTENT}) == 10


def test_when_both_are_planted_it_is_refused(state: Path, victim: Path) -> None:
    for name in (".ngc-transfer", f".ngc-transfer-{os.geteuid()}"):
        (state.parent.parent / name).symlink_to(victim)
    before = everything(victim)
    with pytest.raises(LocalFileError, match="is a link"):
        StateFolder(state).open()
    assert everything(victim) == before


@pytest.mark.parametrize("name", ["photos", "old", "key.d", IDLE, f"{IDLE}.bak"])
def test_only_folders_of_our_own_pattern_are_taken_over_and_links_never(
    state: Path, victim: Path, name: str
) -> None:
    state.mkdir(parents=True)
    (state / name).symlink_to(victim)
    (state / "notes").mkdir()
    (state / "notes" / "1").write_text("mine")
    os.utime(state / "notes", (1, 1))
    before = everything(victim)
    use(state, complete=True)
    assert everything(victim) == before
    assert (state / name).is_symlink()
    assert (state / "notes" / "1").read_text() == "mine"


def test_of_a_taken_over_folder_only_names_of_ours_are_removed(state: Path, victim: Path) -> None:
    folder = state / IDLE
    folder.mkdir(parents=True)
    (folder / "letter.txt").write_text("mine")
    (folder / "3.tmp").touch()
    (folder / "more").symlink_to(victim)
    before = everything(victim)
    use(state, complete=True)
    assert everything(victim) == before
    (left,) = state.iterdir()
    assert {item.name for item in left.iterdir()} == {"letter.txt", "more"}


def plant(state: Path, part: str = "") -> Path:
    """A folder of a dead owner whose log says that a whole part is there; returns where that belongs."""
    from ngc_cli.transfer.journal import _key

    folder = state / IDLE
    folder.mkdir(parents=True)
    state.parent.chmod(0o700)
    lines = [[_key("f"), CONTENT.size_bytes, CONTENT.sha256], [_key("f"), 0, CONTENT.size_bytes]]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder / f"{_key('f')}.part"


def resumed(state: Path) -> list[ByteRange]:
    run = StateFolder(state)
    run.open()
    partial = run.partial("f", CONTENT, resume=True)
    Sink(partial, "f").close()
    return partial.done


def test_a_planted_part_that_is_as_ours_is_continued(state: Path) -> None:
    plant(state).write_bytes(DATA)
    assert resumed(state) == [ByteRange(0, CONTENT.size_bytes)]


def test_a_part_that_is_a_link_is_not_continued(state: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(DATA)
    plant(state).symlink_to(tmp_path / "secret")
    assert resumed(state) == []
    assert (tmp_path / "secret").read_bytes() == DATA


def test_a_part_with_a_second_name_is_not_continued(state: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(DATA)
    plant(state).hardlink_to(tmp_path / "secret")
    assert resumed(state) == []
    assert (tmp_path / "secret").read_bytes() == DATA


@pytest.mark.parametrize("mode", [0o777, 0o666, 0o755, 0o4644])
def test_a_part_that_others_may_write_to_is_not_continued(state: Path, mode: int) -> None:
    part = plant(state)
    part.write_bytes(DATA)
    part.chmod(mode)
    assert resumed(state) == []


def test_a_part_of_another_user_is_not_continued(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = plant(state)
    part.write_bytes(DATA)
    if os.geteuid() == 0:
        os.chown(part, 65534, 65534)
    else:  # what the kernel would say of such a file
        of_another(monkeypatch, part.stat().st_ino)
    assert resumed(state) == []


def test_a_state_folder_of_another_user_is_left_alone(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(state).write_bytes(DATA)
    if os.geteuid() == 0:
        os.chown(state.parent, 65534, 65534)
    else:
        of_another(monkeypatch, state.parent.stat().st_ino)
    before = everything(state)
    assert len(use(state, complete=True)) == 1
    assert everything(state) == before


def test_a_state_folder_that_others_may_write_to_is_left_alone(state: Path) -> None:
    plant(state).write_bytes(DATA)
    state.parent.chmod(0o777)
    before = everything(state)
    assert len(use(state, complete=True)) == 1
    assert everything(state) == before


def of_another(monkeypatch: pytest.MonkeyPatch, inode: int) -> None:
    real_stat, real_fstat = os.stat, os.fstat

    def changed(status: os.stat_result) -> os.stat_result:
        if status.st_ino != inode:
            return status
        fields = list(status)
        fields[stat.ST_UID] = 65534
        return os.stat_result(fields)

    monkeypatch.setattr(os, "stat", lambda *args, **more: changed(real_stat(*args, **more)))
    monkeypatch.setattr(os, "fstat", lambda fd: changed(real_fstat(fd)))


def test_a_log_that_is_a_pipe_is_not_waited_for(state: Path) -> None:
    (state / IDLE).mkdir(parents=True)
    os.mkfifo(state / IDLE / "log.jsonl")
    done = threading.Thread(target=use, args=(state,), kwargs={"complete": True}, daemon=True)
    done.start()
    done.join(10)
    assert not done.is_alive()


def test_a_log_that_is_a_link_is_neither_read_nor_appended_to(state: Path, tmp_path: Path) -> None:
    part = plant(state)
    part.write_bytes(DATA)
    log = part.with_name("log.jsonl")
    log.replace(tmp_path / "log")
    log.symlink_to(tmp_path / "log")
    before = (tmp_path / "log").read_bytes()
    assert resumed(state) == []
    assert (tmp_path / "log").read_bytes() == before


@pytest.mark.parametrize("name", ["mine", f"{IDLE}.bak", f"x{IDLE}", "0123456789ab-7-7.idle"])
def test_folders_of_other_patterns_stay(state: Path, name: str) -> None:
    (state / name).mkdir(parents=True)
    (state / name / "log.jsonl").write_text("mine")
    os.utime(state / name, (1, 1))
    use(state, complete=True)
    assert (state / name / "log.jsonl").read_text() == "mine"


def test_a_state_folder_of_this_user_that_others_could_read_is_closed_to_them(state: Path) -> None:
    state.mkdir(parents=True)
    state.parent.chmod(0o755)
    use(state, complete=False)
    assert stat.S_IMODE(state.parent.stat().st_mode) == 0o700


def test_new_state_folders_are_for_this_user_only(state: Path) -> None:
    old = os.umask(0)
    try:
        run = StateFolder(state)
        run.open()
        folders = [state.parent, state, run.own_folder.path]
        assert [stat.S_IMODE(item.stat().st_mode) for item in folders] == [0o700] * 3
    finally:
        os.umask(old)
    run.close(complete=True)


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_a_new_part_has_the_mode_that_the_user_wants_of_files(state: Path, umask: int) -> None:
    old = os.umask(umask)
    try:
        run = StateFolder(state)
        run.open()
        os.close(fd := run.partial("f", CONTENT, resume=True).open())
        part = next(run.own_folder.path.glob("*.part"))
        assert (fd >= 0, stat.S_IMODE(part.stat().st_mode)) == (True, 0o666 & ~umask)
    finally:
        os.umask(old)


def test_a_file_system_without_modes_is_not_taken_for_an_attack(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There every folder looks as if all may write to it; also the one that was made this moment."""
    state.mkdir(parents=True)
    real_stat, real_fstat = os.stat, os.fstat

    def loose(status: os.stat_result) -> os.stat_result:
        return os.stat_result([status.st_mode | 0o777, *list(status)[1:]])

    monkeypatch.setattr(os, "stat", lambda *args, **more: loose(real_stat(*args, **more)))
    monkeypatch.setattr(os, "fstat", lambda fd: loose(real_fstat(fd)))
    assert use(state, complete=True) == []
    assert sorted(item.name for item in state.parent.parent.iterdir()) == []


def test_one_that_was_taken_for_dead_removes_nothing_of_its_heir(state: Path) -> None:
    first = StateFolder(state)
    first.open()
    partial = first.partial("f", CONTENT, resume=True)
    os.ftruncate(fd := partial.open(), CONTENT.size_bytes)
    os.close(fd)
    partial.add(ByteRange(0, 10))
    name = first.own_folder.path.name
    (state / name).rename(state / f"{name}.idle")
    heir = StateFolder(state)
    heir.open()
    inherited = heir.partial("f", CONTENT, resume=True)
    assert inherited.done == [ByteRange(0, 10)]
    partial.discard()
    first.close(complete=True)
    assert inherited.part_path.exists()


def test_without_descriptors_of_folders_links_are_seen_as_well(
    state: Path, victim: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private_folder, "HAS_DIR_FD", False)
    state.parent.symlink_to(victim)
    before = everything(victim)
    assert len(use(state, complete=True)) == 1
    assert everything(victim) == before


def test_a_file_of_ours_is_opened_only_when_it_is_plain(tmp_path: Path) -> None:
    folder = PrivateFolder.open(tmp_path / "own")
    (tmp_path / "own" / "folder").mkdir()
    os.mkfifo(tmp_path / "own" / "pipe")
    for name in ("folder", "pipe"):
        with pytest.raises(NotOurs):
            folder.open_file(name, os.O_RDONLY)
    with pytest.raises(FileNotFoundError):
        open_state(tmp_path / "none", create=False)


# where it lies


def test_state_of_an_exact_destination_lies_beside_it(tmp_path: Path) -> None:
    assert state_base(tmp_path / "new") == tmp_path
    (tmp_path / "there").mkdir()
    assert state_base(tmp_path / "there") == tmp_path
    (tmp_path / "link").symlink_to(tmp_path / "there")
    assert state_base(tmp_path / "link") == tmp_path


def test_where_nothing_can_be_written_beside_it_state_lies_within(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    assert state_base(tmp_path / "there") == tmp_path / "there"


def test_a_mount_point_keeps_its_state_within() -> None:
    assert state_base(Path("/proc")) == Path("/proc")


# the destination itself


@pytest.mark.parametrize("follow", [True, False])
def test_a_destination_that_is_a_link_is_followed_only_if_the_user_named_it(
    tmp_path: Path, follow: bool
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "m_v1").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "part").write_bytes(DATA)
    source = private_folder.Place(PrivateFolder.open(tmp_path), "part")
    tree = Tree(tmp_path / "m_v1", follow_root=follow)
    if follow:
        tree.make_root()
        tree.put(source, "f", sync=True)
        assert (tmp_path / "elsewhere" / "f").read_bytes() == DATA
        assert tree.status("f") is not None
        return
    with pytest.raises(LocalFileError, match="not a folder"):
        tree.make_root()
    with pytest.raises(LocalFileError, match="not a folder"):
        tree.put(source, "f", sync=True)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    (tmp_path / "elsewhere" / "f").write_bytes(DATA)
    assert tree.status("f") is None
