"""The destination folder: names that cannot leave it, and files put into it without passing through a link."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import threading
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ngc_cli.errors import LocalFileError
from ngc_cli.file_names import name_fault
from ngc_cli.files import make_folders, sync_names
from ngc_cli.transfer.private_folder import HAS_DIR_FD, NO_FOLLOW, OPEN_FOLDER, Place, PrivateFolder

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_BROKEN = frozenset({errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE})


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
    """A folder that files are put into; their paths have passed ``check_paths``.

    ``follow_root`` says that ``root`` may be a link, because the user named just that path; folders above it are his
    in any case.
    """

    def __init__(self, root: Path, *, follow_root: bool = True) -> None:
        self.root = root
        self._root_flags = OPEN_FOLDER if follow_root else OPEN_FOLDER | NO_FOLLOW
        self._follow_root = follow_root
        self._lock = threading.Lock()
        self._unsynced: set[tuple[str, ...]] = set()

    def make_root(self) -> None:
        """Make the folder itself, and those above it; raises LocalFileError when it is a link that is not followed."""
        with disk_errors(self.root):
            make_folders(self.root)
        self.refuse_linked_root()

    def refuse_linked_root(self) -> None:
        """Raise LocalFileError when the root is a link and was not named by the user."""
        if not self._follow_root and self.root.is_symlink():
            raise _in_the_way(self.root, self.root.name)

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
        if not self._follow_root and self.root.is_symlink():
            return None
        for part in path.split("/"):
            current = f"{current}/{part}"
            try:
                status = os.lstat(current)
            except OSError:
                return None
            if stat.S_ISLNK(status.st_mode):
                return None
        return status if stat.S_ISREG(status.st_mode) else None

    def put(self, source: Place, path: str, *, sync: bool) -> None:
        """Give a finished file its name, making the folders on the way; with ``sync`` so that a power cut cannot
        undo it."""
        *folders, name = path.split("/")
        with disk_errors(self.root / path):
            if not HAS_DIR_FD:
                target = self.root / path
                target.parent.mkdir(parents=True, exist_ok=True)
                self.refuse_linked_root()
                self.refuse_obstacles([path])
                source.move(target)
                return
            with contextlib.ExitStack() as opened:
                folder = self._enter_root(path)
                opened.callback(os.close, folder)
                for count, part in enumerate(folders):
                    folder = self._enter(folder, part, path, folders[:count])
                    opened.callback(os.close, folder)
                source.move(name, folder)
                self._changed(folders)
        if sync:
            self.sync()

    def sync(self) -> None:
        """Put all new names on the disk, those of new folders too: a power cut cannot undo them any more."""
        with self._lock:
            changed, self._unsynced = self._unsynced, set()
        with disk_errors(self.root):
            for folders in changed:
                with contextlib.ExitStack() as opened:
                    folder = self._enter_root("")
                    opened.callback(os.close, folder)
                    for part in folders:
                        folder = _open_below(folder, part)
                        opened.callback(os.close, folder)
                    sync_names(folder)

    def _changed(self, folders: Sequence[str]) -> None:
        with self._lock:
            self._unsynced.add(tuple(folders))

    def _enter_root(self, path: str) -> int:
        try:
            return os.open(self.root, self._root_flags)
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP):
                raise _in_the_way(self.root, path or self.root.name) from error
            raise

    def _enter(self, folder: int, name: str, path: str, above: Sequence[str]) -> int:
        """The descriptor of a folder in a folder, made when it is missing."""
        try:
            return _open_below(folder, name)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, dir_fd=folder)
            self._changed(above)  # whoever has made it just now: its name may not be on the disk yet
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
    return os.open(name, OPEN_FOLDER | NO_FOLLOW, dir_fd=folder)


def _in_the_way(place: Path | str, path: str) -> LocalFileError:
    return LocalFileError(
        f"'{place}' is not a folder: '{path}' will not be written through it",
        hint="Remove it, or choose another --dest.",
    )


def folds_names(folder: PrivateFolder) -> bool:
    """Whether this file system takes names for equal that differ in case or in the form of an accent."""
    probe = "Case-\u00e9"
    with disk_errors(folder.path):
        os.close(folder.open_file(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        try:
            for name in ("case-\u00e9", "Case-e\u0301"):
                with contextlib.suppress(FileNotFoundError):
                    folder.status(name)
                    return True
            return False
        finally:
            folder.unlink(probe)


def free_bytes(folder: Path) -> int:
    """Free space of the disk a folder is, or will be, on."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free
