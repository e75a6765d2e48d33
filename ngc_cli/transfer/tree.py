"""The destination folder: names that cannot leave it, and files put into it without passing through a link."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ngc_cli.errors import LocalFileError
from ngc_cli.file_names import name_fault

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_BROKEN = frozenset({errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE})
# Windows has no directory descriptors; there the folders are checked before every use.
_HAS_DIR_FD = {os.open, os.mkdir, os.rename} <= os.supports_dir_fd
_OPEN_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)


class DiskError(LocalFileError):
    """The disk is full or broken: not the fault of one file, so it ends the transfer."""


@contextmanager
def disk_errors(path: Path | str) -> Iterator[None]:
    """Turn errors of the file system into LocalFileError with the path in it; DiskError when the disk is at fault."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskError(
                f"the disk is full at '{path}'",
                hint="Make room and run the same command again: what is done so far is kept.",
            ) from error
        kind = DiskError if error.errno in _BROKEN else LocalFileError
        raise kind(f"'{path}' cannot be written: {error.strerror}") from error


def check_paths(paths: Iterable[str], *, folds_names: Callable[[], bool] = lambda: True) -> None:
    """Raise LocalFileError for names that are not safe on every system (``ngc_cli.file_names``), and for names that
    would overwrite each other.

    ``folds_names`` is asked whether the file system takes names for equal that differ in case or in the form of
    accents; only when such names are there.
    """
    listed = list(paths)
    for path in listed:
        if fault := name_fault(path):
            raise LocalFileError(
                f"the server names a file {path!r}, which is not safe to write: it {fault}",
                hint="Nothing was written.",
            )
    if clash := _clash(listed):
        raise LocalFileError(f"the server names '{clash}' twice, or both as a file and as a folder")
    clash = _clash([unicodedata.normalize("NFC", path).casefold() for path in listed])
    if clash and folds_names():
        raise LocalFileError(
            f"several names of the server are the same as '{clash}' on this file system",
            hint="Choose some with --file, or a --dest that tells upper from lower case.",
        )


def _clash(paths: list[str]) -> str:
    """A path that is named twice or is the folder of another one; empty when there is none."""
    files: set[str] = set()
    folders: set[str] = set()
    for path in paths:
        if path in files:
            return path
        files.add(path)
        while "/" in path:
            path = path.rpartition("/")[0]
            if path in folders:
                break
            folders.add(path)
    return min(files & folders, default="")


class Tree:
    """A folder that files are put into; their paths have passed ``check_paths``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def refuse_obstacles(self, paths: Iterable[str]) -> None:
        """Raise LocalFileError when a link or a file stands where a folder is needed, or a folder for a file."""
        seen: set[str] = set()
        for path in paths:
            folders = path.split("/")[:-1]
            for count in range(1, len(folders) + 1):
                folder = "/".join(folders[:count])
                if folder not in seen:
                    seen.add(folder)
                    if (mode := self._mode(folder)) and not stat.S_ISDIR(mode):
                        raise _in_the_way(self.root / folder, path)
            if stat.S_ISDIR(self._mode(path)):
                raise LocalFileError(
                    f"'{self.root / path}' is a folder where a file should go", hint="Choose another --dest."
                )

    def status(self, path: str) -> os.stat_result | None:
        """The status of a regular file that is reached without a link; None when there is none."""
        current = str(self.root)
        for part in path.split("/"):
            current = f"{current}/{part}"
            try:
                status = os.lstat(current)
            except OSError:
                return None
            if stat.S_ISLNK(status.st_mode):
                return None
        return status if stat.S_ISREG(status.st_mode) else None

    def put(self, source: Path, path: str, *, sync: bool) -> None:
        """Give a finished file its name, making the folders on the way; with ``sync`` so that a power cut cannot
        undo it."""
        *folders, name = path.split("/")
        with disk_errors(self.root / path):
            if not _HAS_DIR_FD:
                target = self.root / path
                target.parent.mkdir(parents=True, exist_ok=True)
                self.refuse_obstacles([path])
                source.replace(target)
                return
            with contextlib.ExitStack() as opened:
                folder = os.open(self.root, _OPEN_FOLDER)
                opened.callback(os.close, folder)
                for part in folders:
                    folder = self._enter(folder, part, path)
                    opened.callback(os.close, folder)
                os.replace(source, name, dst_dir_fd=folder)
                if sync:
                    os.fsync(folder)

    def _enter(self, folder: int, name: str, path: str) -> int:
        """The descriptor of a folder in a folder, made when it is missing."""
        try:
            return _open_below(folder, name)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, dir_fd=folder)
            return _open_below(folder, name)
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP):
                raise _in_the_way(name, path) from error
            raise

    def _mode(self, path: str) -> int:
        """Kind of what is at a path, 0 when there is nothing."""
        try:
            return os.lstat(self.root / path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return 0
        except OSError as error:
            raise LocalFileError(f"'{self.root / path}' cannot be used: {error.strerror}") from error


def _open_below(folder: int, name: str) -> int:
    return os.open(name, _OPEN_FOLDER | os.O_NOFOLLOW, dir_fd=folder)


def _in_the_way(place: Path | str, path: str) -> LocalFileError:
    return LocalFileError(
        f"'{place}' is not a folder: '{path}' will not be written through it",
        hint="Remove it, or choose another --dest.",
    )


def folds_names(folder: Path) -> bool:
    """Whether this file system takes names for equal that differ in case or in the form of an accent."""
    probe = folder / "Case-\u00e9"
    with disk_errors(folder):
        probe.touch()
        try:
            return (folder / "case-\u00e9").exists() or (folder / "Case-e\u0301").exists()
        finally:
            probe.unlink()


def free_bytes(folder: Path) -> int:
    """Free space of the disk a folder is, or will be, on."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free
