"""A disk that loses, when the power goes, whatever was not synced: which files of a folder would still be there.

It only watches: everything is written to a real folder. A name counts when its folder was synced since it got it, bytes
count as they were when their file was last synced, and a name that was removed is gone at once, synced or not. A name that was given to other bytes
has those: the ones before were looked at when they had it. ``watch`` is called after each step at which the power could go.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


class LossyDisk:
    """Watches what is synced below ``root``, which is on the disk itself."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._root = root
        self._bytes: dict[int, bytes] = {}
        self._names: dict[int, set[str]] = {}
        self.watch: Callable[[], None] = lambda: None
        really_sync = os.fsync

        def sync(descriptor: int) -> None:
            really_sync(descriptor)
            facts = os.fstat(descriptor)
            if stat.S_ISDIR(facts.st_mode):
                self._names[facts.st_ino] = {entry.name for entry in os.scandir(descriptor)}
            else:
                self._bytes[facts.st_ino] = Path(f"/proc/self/fd/{descriptor}").read_bytes()
            self.watch()

        monkeypatch.setattr(os, "fsync", sync)
        for name in ("rename", "replace", "unlink", "remove", "link"):
            monkeypatch.setattr(os, name, self._watched(getattr(os, name)))

    def _watched(self, really: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **options: Any) -> Any:
            result = really(*arguments, **options)
            self.watch()
            return result

        return step

    def bytes_that_last(self, file: Path) -> bytes:
        """Those of a file whose name outlives a power cut, which names that were not synced sometimes do."""
        return self._bytes.get(file.stat().st_ino, b"")

    def after_power_cut(self, path: Path) -> bytes | None:
        """The bytes of a file, or of the files in a folder in order; None when it would not be there."""
        number = self._root.stat().st_ino
        where = self._root
        for name in path.relative_to(self._root).parts:
            where /= name
            if name not in self._names.get(number, ()) or not where.exists():
                return None
            number = where.stat().st_ino
        if not where.is_dir():
            return self._bytes.get(number, b"")
        inside = [self.after_power_cut(where / name) for name in sorted(self._names.get(number, ()))]
        return b"".join(data for data in inside if data is not None)
