"""Writing files so that readers and crashes never see half of one: a temporary file beside it takes its name at the end.

The temporary file has its final mode from its creation, so that a secret in it is never open to others. All functions
raise OSError; the callers know what to tell the user.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

# of the target in the temporary name: at 4 bytes a character well below the usual limit of 255
_NAME_CHARS = 40
# shorter than a person notices
_LOCK_POLL_S = 0.02


@contextmanager
def replacing(path: Path, *, mode: int = 0o600, sync: bool = False) -> Iterator[BinaryIO]:
    """A new binary file, open for reading and writing, that replaces ``path`` when the block ends without an error.

    After an error the old file is as it was and nothing is left beside it. ``mode`` is limited by the umask, as for
    every new file. With ``sync``, content and name are on the disk before this returns. A symbolic link is replaced,
    not followed: resolve ``path`` first where the link should stay.
    """
    temporary = path.with_name(f".{path.name[:_NAME_CHARS]}.{os.urandom(4).hex()}.tmp")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(temporary, flags, mode)
    try:
        with open(descriptor, "w+b") as file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if sync:
        sync_folder(path.parent)


def write_atomically(path: Path, data: bytes | str, *, mode: int = 0o600, sync: bool = False) -> None:
    """Replace ``path`` by a file of this content, text in UTF-8; see ``replacing`` for ``mode`` and ``sync``."""
    with replacing(path, mode=mode, sync=sync) as file:
        file.write(data.encode() if isinstance(data, str) else data)


@contextmanager
def exclusively(path: Path, timeout_s: float) -> Iterator[None]:
    """Hold the lock of a file or folder that exists, while the block runs; raises TimeoutError, and OSError.

    The kernel holds it and ends it with the process. Where there are no such locks (Windows, some network file systems)
    nobody is kept out.
    """
    if sys.platform == "win32":
        yield
        return
    lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    deadline_s = time.monotonic() + timeout_s
    try:
        while not _take(lock):
            if time.monotonic() >= deadline_s:
                raise TimeoutError(f"another process holds the lock of '{path}'")
            time.sleep(_LOCK_POLL_S)
        yield
    finally:
        os.close(lock)


def _take(lock: int) -> bool:
    """Whether the lock could be had now; also where there are none."""
    import fcntl

    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def make_folders(path: Path, *, mode: int = 0o777) -> None:
    """Make a folder, and those above it, unless they are there; a power cut cannot undo them. ``mode`` is of the last."""
    missing = [folder for folder in (path, *path.parents) if not os.path.lexists(folder)]
    path.mkdir(mode=mode, parents=True, exist_ok=True)
    for folder in missing:
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk, so that a rename survives a power cut; does nothing on Windows."""
    if os.name != "posix":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # one may make names in a folder that one may not read
        return
    try:
        sync_names(descriptor)
    finally:
        os.close(descriptor)


def sync_names(descriptor: int) -> None:
    """The same for an open folder. Some file systems cannot do it, and then nobody can."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
