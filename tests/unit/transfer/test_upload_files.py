"""What of a folder is sent, and what is remembered of it."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest

from ngc_cli.byte_range import ByteRange
from ngc_cli.errors import LocalFileError
from ngc_cli.events import Silent
from ngc_cli.services.artifacts.upload_state import UploadState
from ngc_cli.transfer.hashing import hash_files
from ngc_cli.transfer.local_files import FileBody, LocalFile, collect
from ngc_cli.transfer.manager import Limiter
from ngc_cli.transfer.selection import Selection


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    for name in ("a", ".hidden/b", "sub/deep/\u00fc b", "empty"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(b"" if name == "empty" else name.encode())
    (source / "no files here").mkdir()
    return source


def names(files: list[LocalFile]) -> list[str]:
    return [file.path for file in files]


def test_hidden_nested_and_empty_files_are_sent_empty_folders_are_not(folder: Path) -> None:
    assert names(collect(folder, pytest.fail)) == [".hidden/b", "a", "empty", "sub/deep/\u00fc b"]


def test_one_file_goes_under_its_own_name(folder: Path) -> None:
    assert names(collect(folder / ".hidden" / "b", pytest.fail)) == ["b"]


def test_links(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "f").write_bytes(b"12345")
    (folder / "to-file").symlink_to(tmp_path / "elsewhere" / "f")
    (folder / "to-folder").symlink_to(tmp_path / "elsewhere")
    (folder / "to-nothing").symlink_to(tmp_path / "nothing")
    (folder / "sub" / "inside").symlink_to(folder / "a")
    notes: list[str] = []
    files = {file.path: file for file in collect(folder, notes.append)}
    assert files["sub/inside"].size_bytes == 1
    assert not {"to-folder", "to-folder/f", "to-nothing", "to-file"} & set(files)
    assert len(notes) == 3
    assert "'to-file' lead out" in notes[-1]
    notes.clear()
    files = {file.path: file for file in collect(folder, notes.append, Selection(follow_links=True))}
    assert files["to-file"].size_bytes == 5
    assert not {"to-folder", "to-folder/f", "to-nothing"} & set(files)
    assert len(notes) == 2


def test_our_own_state_is_not_content(folder: Path) -> None:
    (folder / ".ngc-transfer").mkdir()
    (folder / ".ngc-transfer" / "x.part").touch()
    assert names(collect(folder, pytest.fail)) == [".hidden/b", "a", "empty", "sub/deep/\u00fc b"]


def test_what_cannot_be_sent_is_told_before_anything_is(folder: Path) -> None:
    with pytest.raises(LocalFileError, match="no file or folder"):
        collect(folder / "missing", pytest.fail)
    os.mkfifo(folder / "pipe")
    with pytest.raises(LocalFileError, match="not a regular file"):
        collect(folder, pytest.fail)


def test_a_name_that_is_not_utf8_is_told(folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).touch()
    with pytest.raises(LocalFileError, match="not UTF-8"):
        collect(folder, pytest.fail)


def hash_with(state: UploadState, files: list[LocalFile]) -> dict[str, str]:
    return hash_files(files, Silent(), threading.Event(), 4, known=state.digest_of, remember=state.add_digest)


def test_files_are_hashed_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = collect(folder, pytest.fail)
    path = tmp_path / "state" / "x.jsonl"
    first = hash_with(UploadState(path), files)
    assert first["a"] == hashlib.sha256(b"a").hexdigest()
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(path.read_bytes() + b'{"source": "torn')
    monkeypatch.setattr("ngc_cli.transfer.hashing.FileBody", None)
    assert hash_with(UploadState(path), files) == first


def test_the_state_of_an_upload_survives_and_goes(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    state = UploadState(path)
    state.add_upload("d1", "u1", 100)
    state.add_part("u1", 2)
    again = UploadState(path)
    assert (again.uploads, again.parts) == ({"d1": ("u1", 100)}, {"u1": {2}})
    again.discard()
    assert not path.exists()


@pytest.mark.parametrize("change", [b"longer than before", b"b"])
def test_a_file_that_changes_while_it_is_read_is_an_error(folder: Path, change: bytes) -> None:
    file = next(file for file in collect(folder, pytest.fail) if file.path == "a")
    body = FileBody(file, ByteRange(0, 1), Limiter(0, threading.Event()), Silent())
    (folder / "a").write_bytes(change)
    os.utime(folder / "a", ns=(1, 1))
    with body, pytest.raises(LocalFileError, match="changed"):
        while body.read(10):
            pass


def test_a_slice_is_a_body_of_known_length(folder: Path) -> None:
    (folder / "a").write_bytes(bytes(range(200)))
    file = next(file for file in collect(folder, pytest.fail) if file.path == "a")
    with FileBody(file, ByteRange(10, 110), Limiter(0, threading.Event()), Silent()) as body:
        assert len(body) == 100
        assert b"".join(iter(lambda: body.read(33), b"")) == bytes(range(10, 110))
        assert body.sent_bytes == 100
