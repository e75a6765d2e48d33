"""Files are written whole or not at all, with their mode from the start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ngc_cli.files import replacing, write_atomically

posix_only = pytest.mark.skipif(os.name != "posix", reason="modes are a POSIX idea")


def test_writes_bytes_and_text_as_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"\x00raw")
    assert path.read_bytes() == b"\x00raw"
    write_atomically(path, "line\nÜ", sync=True)
    assert path.read_bytes() == "line\nÜ".encode()
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


@posix_only
def test_is_private_before_the_first_byte(tmp_path: Path) -> None:
    with replacing(tmp_path / "key") as file:
        assert os.fstat(file.fileno()).st_mode & 0o777 == 0o600
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


@posix_only
def test_another_mode_is_limited_by_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "open", b"", mode=0o666)
    finally:
        os.umask(before)
    assert (tmp_path / "open").stat().st_mode & 0o777 == 0o640


def test_after_an_error_the_old_content_stands_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as file:
        file.write(b"half")
        assert path.read_text() == "old"
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_a_missing_folder_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "none" / "file", b"")


def test_a_name_of_the_greatest_length_is_written(tmp_path: Path) -> None:
    write_atomically(tmp_path / ("n" * 255), b"x")
    assert (tmp_path / ("n" * 255)).read_bytes() == b"x"


@posix_only
def test_a_link_is_replaced_and_its_target_left_alone(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    write_atomically(link, b"new")
    assert (target.read_text(), link.read_text(), link.is_symlink()) == ("old", "new", False)
