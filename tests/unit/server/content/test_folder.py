"""The content store in a folder: what every store does, and how the folder looks."""

from __future__ import annotations

import errno
import hashlib
import os
from contextlib import nullcontext
from pathlib import Path

import pytest
from support.contentstore import ContentStoreTests, put

from ngc_cli.server.config import ServerConfig
from ngc_cli.server.content import folder
from ngc_cli.server.content.backends import open_store
from ngc_cli.server.content.folder import RESERVED_BYTES, FolderStore
from ngc_cli.server.content.store import CHUNK_BYTES
from ngc_cli.server.errors import AdminError


class TestFolderStore(ContentStoreTests):
    @pytest.fixture
    def store(self, tmp_path: Path) -> FolderStore:
        return FolderStore(tmp_path, "mine")


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path, "mine")


def left_in_temp(folder: Path) -> list[Path]:
    return list((folder / "temp").iterdir())


def test_a_content_of_one_part_is_a_file_under_its_sha256(store: FolderStore, tmp_path: Path) -> None:
    sha256 = put(store, b"hello")
    assert (tmp_path / "blobs" / "sha256" / sha256[:2] / sha256).read_bytes() == b"hello"
    assert left_in_temp(tmp_path) == []


@pytest.mark.parametrize("pieces", [(b"one",), (b"o", b"ne")])
@pytest.mark.parametrize("again", [(b"one",), (b"o", b"ne")])
def test_a_content_that_comes_again_leaves_nothing_in_temp(
    store: FolderStore, tmp_path: Path, pieces: tuple[bytes, ...], again: tuple[bytes, ...]
) -> None:
    assert put(store, *pieces) == put(store, *again)
    assert left_in_temp(tmp_path) == []


def test_an_aborted_part_leaves_no_file(store: FolderStore, tmp_path: Path) -> None:
    writer = store.write_part("upload", 1, size_bytes=10_000_000)
    writer.write(b"x")
    writer.abort()
    assert left_in_temp(tmp_path) == []


def test_an_announced_part_reserves_little_more_than_has_come(store: FolderStore, tmp_path: Path) -> None:
    writer = store.write_part("u", 1, size_bytes=2**40)
    (file,) = left_in_temp(tmp_path)
    assert file.stat().st_blocks == 0
    for _ in range(3):
        writer.write(b"x" * CHUNK_BYTES)
    assert file.stat().st_blocks * 512 <= 3 * CHUNK_BYTES + RESERVED_BYTES + CHUNK_BYTES
    writer.abort()


def test_a_part_over_several_steps_of_room_is_whole(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "RESERVED_BYTES", 1000)
    reserved: list[tuple[int, int]] = []
    really = os.posix_fallocate

    def reserve(descriptor: int, start: int, length: int) -> None:
        reserved.append((start, length))
        really(descriptor, start, length)

    monkeypatch.setattr(os, "posix_fallocate", reserve)
    data = os.urandom(2 * CHUNK_BYTES + 5000)
    writer = store.write_part("u", 1, size_bytes=len(data))
    pieces = [data[: CHUNK_BYTES + 1], data[CHUNK_BYTES + 1 : CHUNK_BYTES + 900], data[CHUNK_BYTES + 900 :]]
    for piece in pieces:
        writer.write(piece)
    part = writer.finish()
    assert reserved == [(0, CHUNK_BYTES + 1001), (CHUNK_BYTES + 1001, len(data) - CHUNK_BYTES - 1001)]
    assert (tmp_path / "parts" / "u" / part.key).read_bytes() == data


@pytest.mark.parametrize(("number", "fails"), [(errno.ENOSPC, True), (errno.EOPNOTSUPP, False)])
def test_no_room_is_told_and_a_file_system_that_cannot_reserve_is_not(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, fails: bool
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    writer = store.write_part("u", 1, size_bytes=2 * CHUNK_BYTES)
    with pytest.raises(OSError) if fails else nullcontext():
        writer.write(b"x" * 2 * CHUNK_BYTES)
    writer.abort()
    assert left_in_temp(tmp_path) == []


def test_old_leftovers_are_removed(store: FolderStore, tmp_path: Path) -> None:
    writer = store.write_part("upload", 1)
    assert len(left_in_temp(tmp_path)) == 1
    store.drop_leftovers(-1)
    assert left_in_temp(tmp_path) == []
    writer.abort()


def test_the_folder_of_another_registry_is_refused(tmp_path: Path) -> None:
    config = ServerConfig(tmp_path)
    sha256 = put(open_store(config, "mine"), b"x")
    assert open_store(config, "mine").size(sha256) == 1
    with pytest.raises(AdminError, match="another database"):
        open_store(config, "other")
    assert hashlib.sha256(b"x").hexdigest() == sha256
