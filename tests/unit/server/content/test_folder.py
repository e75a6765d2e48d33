"""The content store in a folder: what every store does, and how the folder looks."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from support.contentstore import ContentStoreTests, put

from ngc_cli.server.config import ServerConfig
from ngc_cli.server.content.backends import open_store
from ngc_cli.server.content.folder import FolderStore
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
