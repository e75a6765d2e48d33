"""Writing files so that readers and crashes never see half of one: a temporary file beside it takes its name at the end.

The temporary file has its final mode from its creation, so that a secret in it is never open to others. All functions
raise OSError; the callers know what to tell the user.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

# of the target in the temporary name: at 4 bytes a character well below the usual limit of 255
_NAME_CHARS = 40


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


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk, so that a rename survives a power cut; does nothing on Windows."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
