"""A disk that a power cut can be tried on: it remembers what was synced, and can be asked what would be left.

Strictly, nothing survives but what was synced: the content of a file at its last fsync, the names in a folder at its
last fsync. In practice names often survive earlier than contents, so a file must also be whole the moment it gets its
final name.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


class Disk:
    """Watches what is synced below ``root``, which is whole at the beginning."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.contents: dict[int, bytes] = {}
        self.names: dict[int, dict[str, int]] = {}
        self.torn: list[str] = []
        self.checks: list[dict[str, bytes]] = []
        for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
            self.note_folder(folder.stat().st_ino, folder)
        for path in root.rglob("*"):
            if path.is_file():
                self.contents[path.stat().st_ino] = path.read_bytes()
        self._fsync, self._replace = os.fsync, os.replace
        self._held = [
            os.open(path, os.O_RDONLY) for path in root.rglob("*")
        ]  # so that no inode is used twice
        patch.setattr(os, "fsync", self.fsync)
        patch.setattr(os, "replace", self.replace)

    def close(self) -> None:
        """Let go of the files."""
        for fd in self._held:
            os.close(fd)

    def fsync(self, fd: int) -> None:
        """What is on the disk from now on."""
        self._fsync(fd)
        self._held.append(os.dup(fd))
        status = os.fstat(fd)
        place = Path(f"/proc/self/fd/{fd}").readlink()
        if stat.S_ISDIR(status.st_mode):
            self.note_folder(status.st_ino, place)
        else:
            self.contents[status.st_ino] = place.read_bytes()
        self.checks.append(self.left())

    def replace(self, source: Any, target: Any, **folders: Any) -> None:
        """A name that survives at once must be that of a whole file."""
        status = os.stat(source, dir_fd=folders.get("src_dir_fd"), follow_symlinks=False)
        fd = os.open(source, os.O_RDONLY, dir_fd=folders.get("src_dir_fd"))
        try:
            if stat.S_ISREG(status.st_mode) and self.contents.get(status.st_ino) != os.pread(
                fd, status.st_size + 1, 0
            ):
                self.torn.append(str(target))
        finally:
            os.close(fd)
        self._replace(source, target, **folders)

    def note_folder(self, inode: int, place: Path) -> None:
        self.names[inode] = {item.name: item.lstat().st_ino for item in place.iterdir()}

    def left(self) -> dict[str, bytes]:
        """The files that a power cut would leave, by path below the root."""
        return dict(self._below(self.root.stat().st_ino, ""))

    def _below(self, inode: int, path: str) -> Iterator[tuple[str, bytes]]:
        for name, child in self.names[inode].items():
            if child in self.names:
                yield from self._below(child, f"{path}{name}/")
            else:
                yield f"{path}{name}", self.contents.get(child, b"")
