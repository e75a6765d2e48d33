"""The memory of finished files, so that a second run over a complete folder needs neither a request nor a hash.

It lies in the user's own ``~/.ngc/downloads``, one file for each destination and version: what is in the destination
itself could be planted there. Losing it only costs hashing, so whatever fails here is left out without a word.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ngc_cli.errors import NgcError
from ngc_cli.json_text import parse_json
from ngc_cli.transfer.private_folder import PrivateFolder

# Entries and bytes that a kill may lose: those files are only hashed again.
_BATCH_FILES = 64
_BATCH_BYTES = 4 * 1024 * 1024
# Memories that are kept: more destinations than anybody comes back to, and some 100 MB at the very worst.
_MOST_MEMORIES = 500
# Who comes back after half a year has the files hashed again.
_LONGEST_KEPT_S = 180 * 24 * 3600.0
_NAME = re.compile(r"[0-9a-f]{16}\.jsonl(?:\.new)?")


@dataclass(frozen=True)
class Finished:
    """A file that was complete and verified, as it was on disk then; the hex sha256 is empty when none was told."""

    size_bytes: int
    mtime_ns: int
    sha256: str

    def fields(self) -> list[Any]:
        """What is written of it, in the order of the constructor."""
        return [self.size_bytes, self.mtime_ns, self.sha256]

    def describes(self, status: os.stat_result) -> bool:
        """Whether the file on disk is surely still the one that was verified."""
        return (self.size_bytes, self.mtime_ns) == (status.st_size, status.st_mtime_ns)


class FinishedFiles:
    """The finished files of one destination; ``path`` is ``<folder>/<16 hex digits>.jsonl``, None remembers nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._lines: list[str] = []
        self._unwritten_bytes = 0

    def load(self) -> dict[str, Finished]:
        """Files that earlier runs finished, by path below the destination."""
        with self._opened(create=False) as folder:
            return dict(_records(folder.read_lines(self._name))) if folder else {}
        return {}

    def add(self, path: str, finished: Finished) -> None:
        """Remember a finished file; written in batches, since what is lost is only hashed again."""
        with self._lock:
            self._lines.append(_line(path, finished))
            self._unwritten_bytes += finished.size_bytes
            if len(self._lines) >= _BATCH_FILES or self._unwritten_bytes >= _BATCH_BYTES:
                self._flush()

    def close(self, *, complete: bool) -> None:
        """Write what is left; when the transfer is ``complete``, tidy up."""
        with self._lock:
            self._flush()
        if complete:
            self._compact()

    def _flush(self) -> None:
        lines, self._lines, self._unwritten_bytes = self._lines, [], 0
        if lines:
            with self._opened(create=True) as folder:
                if folder:
                    _append(folder, self._name, lines)

    def _compact(self) -> None:
        """Rewrite the list when repeated runs have made it grow, and forget old memories."""
        with self._opened(create=False) as folder:
            if folder is None:
                return
            written = sum(1 for _ in folder.read_lines(self._name))
            finished = dict(_records(folder.read_lines(self._name)))
            if finished and written >= 2 * len(finished):
                fresh = f"{self._name}.new"
                folder.unlink(fresh)
                _append(folder, fresh, (_line(*item) for item in finished.items()))
                folder.rename(fresh, self._name)
            _prune(folder)

    @property
    def _name(self) -> str:
        return self._path.name if self._path else ""

    @contextlib.contextmanager
    def _opened(self, *, create: bool) -> Iterator[PrivateFolder | None]:
        """The folder of memories, None where there is none to use; errors of the disk end the block quietly."""
        folder: PrivateFolder | None = None
        if self._path is not None:
            with contextlib.suppress(OSError, NgcError):
                if create:
                    self._path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                folder = PrivateFolder.open(self._path.parent, create=create)
        try:
            with contextlib.suppress(OSError, NgcError):
                yield folder
        finally:
            if folder is not None:
                folder.close()


def _records(lines: Iterable[str]) -> Iterator[tuple[str, Finished]]:
    """What can be read of a memory; lines that a kill has torn are left out."""
    for line in lines:
        with contextlib.suppress(ValueError):
            value = parse_json(line)
            if isinstance(value, list) and list(map(type, value)) == [str, int, int, str]:
                yield value[0], Finished(*value[1:])


def _line(path: str, finished: Finished) -> str:
    return json.dumps([path, *finished.fields()]) + "\n"


def _append(folder: PrivateFolder, name: str, lines: Iterable[str]) -> None:
    """Append to a file that others may be appending to as well."""
    fd = folder.open_file(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(fd, "".join(lines).encode())
    finally:
        os.close(fd)


def _prune(folder: PrivateFolder) -> None:
    """Forget memories that are old or too many, the oldest first."""
    times = {name: folder.status(name).st_mtime for name in folder.names() if _NAME.fullmatch(name)}
    oldest_first = sorted(times, key=lambda name: times[name])
    for name in oldest_first[: max(len(times) - _MOST_MEMORIES, 0)]:
        folder.unlink(name)
        del times[name]
    for name, changed_s in times.items():
        if time.time() - changed_s > _LONGEST_KEPT_S:
            folder.unlink(name)
