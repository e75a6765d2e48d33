"""A folder of our own state, held by its descriptor: nothing in it is trusted that somebody else may have put there.

State lies beside what is downloaded, so in a shared folder, or in one that came out of an archive, it may have been
planted: a link instead of a folder, a file with a second name elsewhere, a part that another user can still write to.
So a folder is opened without following a link, it must belong to this user and be closed to others, and everything in
it is reached through its descriptor, which a rename or a new link cannot redirect.

Windows has no descriptors of folders; there the same is checked by path before each use.
Source: open(2), POSIX.1-2017 ``openat``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ngc_cli.errors import LocalFileError
from ngc_cli.file_names import STATE_FOLDER
from ngc_cli.files import make_folders

HAS_DIR_FD = {os.open, os.mkdir, os.rename, os.rmdir, os.stat, os.unlink} <= os.supports_dir_fd
"""Whether this system can name files relative to an open folder."""
OPEN_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
"""Flags to open a folder, links in its path followed."""
NO_FOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
"""Flag to refuse a link; nothing where that is unknown."""
# A pipe that was planted must not make us wait; for regular files it means nothing.
_OPEN_FILE = (
    NO_FOLLOW | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
)
# EMLINK is FreeBSD's word for a link that is not followed.
_NO_FOLDER = frozenset({errno.ELOOP, errno.ENOTDIR, errno.EACCES, errno.EMLINK})
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class NotOurs(LocalFileError):
    """A folder or file where our state belongs, and that somebody else may have put there."""


class PrivateFolder:
    """An open folder of this user, closed to others. Methods take names in it, and raise OSError or NotOurs.

    ``path`` is for messages and for reading in tests; what is done goes through the descriptor.
    """

    def __init__(self, path: Path, fd: int | None, parent_fd: int | None, uid: int) -> None:
        self.path = path
        self.dir_fd = fd
        self._parent_fd = parent_fd
        self._uid = uid

    @classmethod
    def open(cls, path: Path, *, create: bool = True) -> PrivateFolder:
        """The folder, made with mode 0700 if it is missing; links are followed above it, and it must be none.

        Raises FileNotFoundError without ``create``.
        """
        if not HAS_DIR_FD:
            return cls._by_path(path, create)
        parent = os.open(path.parent, OPEN_FOLDER)
        try:
            return cls._below(parent, path, create)
        finally:
            os.close(parent)

    def folder(self, name: str, *, create: bool = False) -> PrivateFolder:
        """A folder in this one, by the same rules."""
        if self.dir_fd is None:
            return self._by_path(self.path / name, create)
        return self._below(self.dir_fd, self.path / name, create)

    @classmethod
    def _below(cls, parent: int, path: Path, create: bool) -> PrivateFolder:
        try:
            fd = _open_folder(parent, path)
        except FileNotFoundError:
            if not create:
                raise
            with contextlib.suppress(FileExistsError):
                os.mkdir(path.name, 0o700, dir_fd=parent)
            fd = _open_folder(parent, path)
        try:
            status = os.fstat(fd)
            if not _is_ours(status, parent):
                raise NotOurs(
                    f"'{path}' belongs to another user, or others may write to it", hint="Remove it."
                )
            with contextlib.suppress(OSError):  # a file system without modes
                os.fchmod(fd, 0o700)
            return cls(path, fd, os.dup(parent), status.st_uid)
        except BaseException:
            os.close(fd)
            raise

    @classmethod
    def _by_path(cls, path: Path, create: bool) -> PrivateFolder:
        if create:
            with contextlib.suppress(FileExistsError):
                path.mkdir(mode=0o700)
        if not stat.S_ISDIR(path.lstat().st_mode):
            raise NotOurs(f"'{path}' is not a folder", hint="Remove it.")
        return cls(path, None, None, path.lstat().st_uid)

    def close(self) -> None:
        """Close it; what is in it stays."""
        for fd in (self.dir_fd, self._parent_fd):
            if fd is not None:
                os.close(fd)
        self.dir_fd = self._parent_fd = None

    def at(self, name: str) -> str | Path:
        """How calls that are given ``dir_fd`` as well name a file in here."""
        return self.path / name if self.dir_fd is None else name

    def names(self) -> list[str]:
        """What is in it, sorted."""
        return sorted(os.listdir(self.path if self.dir_fd is None else self.dir_fd))  # noqa: PTH208 - a descriptor

    def status(self, name: str = "") -> os.stat_result:
        """The status of a file, or of the folder itself; links are not followed."""
        if not name and self.dir_fd is not None:
            return os.fstat(self.dir_fd)
        return os.stat(self.at(name), dir_fd=self.dir_fd, follow_symlinks=False)

    def is_plain(self, status: os.stat_result) -> bool:
        """Whether this is a regular file of this user that has no second name anywhere."""
        return stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_uid == self._uid

    def open_file(self, name: str, flags: int, mode: int = 0o600) -> int:
        """The descriptor of a plain file in it; raises NotOurs for any other."""
        try:
            fd = os.open(self.at(name), flags | _OPEN_FILE, mode, dir_fd=self.dir_fd)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EMLINK):
                raise self._not_plain(name) from error
            raise
        if not self.is_plain(os.fstat(fd)):
            os.close(fd)
            raise self._not_plain(name)
        return fd

    def read_lines(self, name: str) -> Iterator[str]:
        """The lines of a text file; none when it is missing or not plain."""
        try:
            fd = self.open_file(name, os.O_RDONLY)
        except (FileNotFoundError, NotOurs):
            return
        with open(fd, encoding="utf-8", errors="replace") as file:
            yield from file

    def mkdir(self, name: str) -> None:
        """Make a new folder in it; raises FileExistsError."""
        os.mkdir(self.at(name), 0o700, dir_fd=self.dir_fd)

    def rename(self, name: str, new: str) -> None:
        """Give a file or folder in it another name; a file that has it is replaced."""
        os.replace(self.at(name), self.at(new), src_dir_fd=self.dir_fd, dst_dir_fd=self.dir_fd)

    def unlink(self, name: str) -> None:
        """Remove a name, whatever stands there but a folder; nothing happens when it is missing."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.at(name), dir_fd=self.dir_fd)

    def touch(self) -> None:
        """Set its time of change to now."""
        os.utime(self.path if self.dir_fd is None else self.dir_fd)

    def rmdir(self, name: str) -> None:
        """Remove a folder in it unless something is in that."""
        with contextlib.suppress(OSError):
            os.rmdir(self.at(name), dir_fd=self.dir_fd)

    def remove_if_empty(self) -> None:
        """Remove the folder itself unless something is in it."""
        with contextlib.suppress(OSError):
            os.rmdir(self.path if self._parent_fd is None else self.path.name, dir_fd=self._parent_fd)

    def _not_plain(self, name: str) -> NotOurs:
        return NotOurs(f"'{self.path / name}' is a link, or not a plain file of this user", hint="Remove it.")


@dataclass(frozen=True)
class Place:
    """The name of a file of our state: relative to a private folder, perhaps with a folder of ours in between."""

    folder: PrivateFolder
    name: str

    def open(self, flags: int, mode: int = 0o600) -> int:
        """Its descriptor; raises NotOurs when it is not a plain file."""
        return self.folder.open_file(self.name, flags, mode)

    def status(self) -> os.stat_result:
        """Its status; a link is not followed."""
        return self.folder.status(self.name)

    def unlink(self) -> None:
        """Remove it if it is there."""
        self.folder.unlink(self.name)

    def move(self, target: str | Path, dir_fd: int | None = None) -> None:
        """Give it a final name, as ``os.replace`` does; ``target`` is relative to the folder ``dir_fd`` is open on."""
        os.replace(self.folder.at(self.name), target, src_dir_fd=self.folder.dir_fd, dst_dir_fd=dir_fd)


def state_base(folder: Path) -> Path:
    """Where the state of a transfer into ``folder`` itself belongs: beside it, on the same file system.

    Where nothing can be written beside it, or that is another file system (the folder is a mount point), it is the
    folder itself, and the state goes when the transfer is complete.
    """
    folder = folder.resolve()
    beside = folder.parent
    if not folder.exists():
        return beside  # both are made by us
    is_usable = os.access(beside, os.W_OK | os.X_OK) and beside.stat().st_dev == folder.stat().st_dev
    return beside if is_usable else folder


def open_state(
    path: Path, *, create: bool = True, note: Callable[[str], None] = lambda text: None
) -> list[PrivateFolder]:
    """The folder of the state of one transfer, ``<base>/.ngc-transfer/<key>``, after the one it is in.

    Where somebody else may have put one of them there, they are left alone, and this user has his own beside them; that
    is noted. Without the middle part ``path`` itself is opened. Raises OSError, FileNotFoundError without ``create``,
    and NotOurs when his own is not his either.
    """
    top = path.parent if path.parent.name == STATE_FOLDER else path
    if create:
        make_folders(top.parent)
    try:
        return _open_both(top, path, create)
    except NotOurs as error:
        own = top.with_name(f"{top.name}-{os.geteuid() if hasattr(os, 'geteuid') else 'own'}")
        note(f"Not touched: {error.message}. Unfinished files are in '{own.name}' instead.")
        return _open_both(own, own / path.relative_to(top), create)


def _open_both(top: Path, path: Path, create: bool) -> list[PrivateFolder]:
    opened = [PrivateFolder.open(top, create=create)]
    try:
        return opened if path == top else [*opened, opened[0].folder(path.name, create=create)]
    except BaseException:
        opened[0].close()
        raise


def _open_folder(parent: int, path: Path) -> int:
    try:
        return os.open(path.name, OPEN_FOLDER | NO_FOLLOW, dir_fd=parent)
    except OSError as error:
        if error.errno in _NO_FOLDER:
            raise NotOurs(f"'{path}' is a link, or not a folder of this user", hint="Remove it.") from error
        raise


def _is_ours(status: os.stat_result, parent: int) -> bool:
    """Whether a folder belongs to this user and only he may change what is in it.

    Some file systems have no owners or no modes (a stick, a share that maps all users to one); so the measure is what
    a folder gets there that is made now.
    """
    if status.st_uid == os.geteuid() and not status.st_mode & _OTHERS_MAY_WRITE:
        return True
    probe = f"{STATE_FOLDER}-{os.urandom(8).hex()}"
    try:
        os.mkdir(probe, 0o700, dir_fd=parent)
    except OSError:
        return False
    try:
        fresh = os.stat(probe, dir_fd=parent, follow_symlinks=False)
    finally:
        os.rmdir(probe, dir_fd=parent)
    return status.st_uid == fresh.st_uid and not status.st_mode & ~fresh.st_mode & _OTHERS_MAY_WRITE
