"""Names of files that a server chooses, and the folder they go to."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngc_cli.errors import LocalFileError
from ngc_cli.transfer import private_folder, tree
from ngc_cli.transfer.private_folder import Place, PrivateFolder
from ngc_cli.transfer.tree import DiskError, Tree, check_paths, disk_errors, folds_names

PIECES = st.sampled_from(
    ["a", "..", ".", "", "/", "\\", "C:", "\0", "~", ".ngc-transfer", "\ud800", "é", "A"]
)


@given(st.lists(PIECES, min_size=1, max_size=6).map("".join))
def test_an_accepted_name_stays_below_the_folder(name: str) -> None:
    try:
        check_paths([name])
    except LocalFileError:
        return
    joined = os.path.normpath(f"/dest/{name}")
    assert joined.startswith("/dest/")
    assert not f"{joined}/".startswith("/dest/.ngc-transfer/")
    assert joined == f"/dest/{name}"


@pytest.mark.parametrize(
    "name", ["\ud800", ".ngc-transfer/key/done.jsonl", ".NGC-Transfer", "a" * 256, "ab:c", "tab\there", "..."]
)
def test_names_that_cannot_be_kept_are_refused(name: str) -> None:
    with pytest.raises(LocalFileError):
        check_paths([name])


@pytest.mark.parametrize("name", ["what?#", "a..b", "x" * 255, ".hidden", "~"])
def test_odd_names_are_taken(name: str) -> None:
    check_paths([name])


@pytest.mark.parametrize(
    "paths",
    [("README", "readme"), ("é", unicodedata.normalize("NFD", "é")), ("A/x", "a"), ("STRASSE", "straße")],
)
def test_names_alike_are_refused_only_where_they_collide(paths: tuple[str, str]) -> None:
    check_paths(paths, folds_names=lambda: False)
    with pytest.raises(LocalFileError, match="the same"):
        check_paths(paths, folds_names=lambda: True)


def test_the_file_system_is_not_asked_without_need() -> None:
    check_paths(["a", "b"], folds_names=lambda: pytest.fail("asked"))


def test_this_file_system_is_asked_by_trying(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    assert folds_names(PrivateFolder.open(tmp_path)) == (tmp_path / "X").exists()
    assert [item.name for item in tmp_path.iterdir()] == ["x"]


@pytest.fixture(params=["descriptors", "paths"])
def root(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A destination; on systems with and without descriptors of folders."""
    if request.param == "paths":
        for module in (tree, private_folder):
            monkeypatch.setattr(module, "HAS_DIR_FD", False)
    (tmp_path / "dest").mkdir()
    return tmp_path / "dest"


def part(root: Path) -> Place:
    (root.parent / "part").write_bytes(b"new")
    return Place(PrivateFolder.open(root.parent), "part")


def test_files_get_their_place(root: Path) -> None:
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    for path in ("f", "a/b/c", "a/b/d"):
        source = part(root)
        Tree(root).put(source, path, sync=True)
        source.folder.close()
        assert (root / path).read_bytes() == b"new"
        status = Tree(root).status(path)
        assert status is not None
        assert status.st_size == 3
    assert len(list(Path("/proc/self/fd").iterdir())) <= open_before


def test_a_link_that_appears_later_is_not_followed(root: Path) -> None:
    outside = root.parent / "outside"
    outside.mkdir()
    (root / "a").symlink_to(outside)
    with pytest.raises(LocalFileError, match="not a folder"):
        Tree(root).put(part(root), "a/f", sync=False)
    assert list(outside.iterdir()) == []
    assert Tree(root).status("a/f") is None


@pytest.mark.parametrize("obstacle", ["file", "link", "dangling", "folder"])
def test_obstacles_are_told_before_anything_is_fetched(root: Path, obstacle: str) -> None:
    (root / "a").mkdir()
    if obstacle == "file":
        (root / "a" / "b").touch()
    elif obstacle == "folder":
        (root / "a" / "b" / "c").mkdir(parents=True)
    else:
        (root / "a" / "b").symlink_to(root if obstacle == "link" else "nowhere")
    with pytest.raises(LocalFileError, match="folder"):
        Tree(root).refuse_obstacles(["a/x", "a/b/c"])


def test_a_full_disk_is_told_from_one_bad_file(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="full"), disk_errors(tmp_path):
        raise OSError(28, "No space left on device")
    with pytest.raises(LocalFileError, match="Permission denied") as caught, disk_errors(tmp_path):
        raise PermissionError(13, "Permission denied")
    assert not isinstance(caught.value, DiskError)
