"""Files to send: which there are below a folder, and ranges of them as request bodies."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ngc_cli.byte_range import ByteRange
from ngc_cli.errors import LocalFileError, UsageError
from ngc_cli.events import Progress
from ngc_cli.file_names import STATE_FOLDER
from ngc_cli.transfer.manager import Limiter
from ngc_cli.transfer.selection import DEFAULT_RULES, EVERYTHING, IGNORE_FILE, IgnoreRules, Selection, matches

LARGEST_FILE_BYTES = 1 << 40  # the most that NGC takes
_NAMES_SHOWN = 5  # a line of a terminal


@dataclass(frozen=True)
class LocalFile:
    """Content to send: a relative ``/``-separated name, the file that holds it, and how that file looked when listed.

    The content is ``size_bytes`` from ``offset`` in ``source``; usually that is the whole file.
    ``source_size_bytes`` is the size of the file where it is another.
    """

    path: str
    source: Path
    size_bytes: int
    mtime_ns: int
    offset: int = 0
    source_size_bytes: int | None = None

    @classmethod
    def section(cls, path: str, source: Path, wanted: ByteRange) -> LocalFile:
        """A range of a file, such as a layer in an archive; raises LocalFileError when there is no such file."""
        try:
            status = source.stat()
        except OSError as error:
            raise LocalFileError(f"'{source}' cannot be read: {error.strerror}") from error
        return cls(path, source, wanted.size_bytes, status.st_mtime_ns, wanted.start, status.st_size)

    def is_changed(self, status: os.stat_result) -> bool:
        """Whether the file is not the one that was listed any more."""
        size_bytes = self.size_bytes if self.source_size_bytes is None else self.source_size_bytes
        return (status.st_size, status.st_mtime_ns) != (size_bytes, self.mtime_ns)


def collect(source: Path, note: Callable[[str], None], selection: Selection = EVERYTHING) -> list[LocalFile]:
    """The files below a folder that are to be sent, sorted by name, or the one file that ``source`` is.

    Hidden files count; empty folders do not. A link to a file is sent as what it points to if that is in the folder
    too, a link to a folder is not followed, a link to nothing is skipped; what is left out is noted, a line for each
    reason. Raises LocalFileError for what cannot be read, UsageError when nothing is left to send.
    """
    if not source.exists():
        raise LocalFileError(f"there is no file or folder '{source.absolute()}'", hint="Check --source.")
    if source.is_file():
        return [_local_file(source.name, source)]
    return _Walk(source, selection).run(note)


class _Walk:
    """One pass over a folder, and what it leaves out by reason."""

    def __init__(self, source: Path, selection: Selection) -> None:
        self._source = source
        self._real_source = source.resolve()
        self._selection = selection
        self._defaults = IgnoreRules(DEFAULT_RULES)
        self._has_own_rules = (source / IGNORE_FILE).is_file()
        lines = self._own_lines() if self._has_own_rules else []
        self._rules = IgnoreRules([*DEFAULT_RULES, *lines])
        self._by_default: list[str] = []
        self._by_rules: list[str] = []
        self._outside: list[str] = []

    def run(self, note: Callable[[str], None]) -> list[LocalFile]:
        files: list[LocalFile] = []
        for folder, folders, names in os.walk(self._source, onerror=_cannot_read):
            folders[:] = [name for name in sorted(folders) if self._enters(Path(folder, name), note)]
            for name in sorted(names):
                item = Path(folder, name)
                path = item.relative_to(self._source).as_posix()
                if not self._sends(path):
                    continue
                if item.is_symlink() and not item.exists():
                    note(f"Not sent: '{item}' is a link to nothing.")
                elif item.is_symlink() and self._leads_out(item):
                    self._outside.append(path)
                else:
                    files.append(_local_file(path, item))
        self._tell(note)
        if not files and not self._selection.allow_empty:
            raise UsageError(
                f"there is nothing to send in '{self._source.absolute()}'",
                hint="Check --source and the patterns, or add --allow-empty for a version without files.",
            )
        return sorted(files, key=lambda file: file.path)

    def _enters(self, item: Path, note: Callable[[str], None]) -> bool:
        path = item.relative_to(self._source).as_posix()
        if item.name.startswith(STATE_FOLDER):
            return False
        if not self._selection.include and self._is_left_out(path, is_folder=True):
            return False
        if item.is_symlink():
            note(f"Not sent: '{item}' is a link to a folder.")
        return True

    def _sends(self, path: str) -> bool:
        chosen = self._selection
        if path == IGNORE_FILE or not matches(path, chosen.include, chosen.exclude):
            return False
        return bool(chosen.include) or not self._is_left_out(path, is_folder=False)

    def _is_left_out(self, path: str, *, is_folder: bool) -> bool:
        if not self._rules.ignores(path, is_folder=is_folder):
            return False
        by_default = self._defaults.ignores(path, is_folder=is_folder)
        (self._by_default if by_default else self._by_rules).append(path)
        return True

    def _leads_out(self, item: Path) -> bool:
        return not (self._selection.follow_links or item.resolve().is_relative_to(self._real_source))

    def _own_lines(self) -> list[str]:
        path = self._source / IGNORE_FILE
        try:
            return path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError as error:
            raise LocalFileError(f"'{path}' cannot be read: {error.strerror}") from error

    def _tell(self, note: Callable[[str], None]) -> None:
        if self._by_default:
            note(
                f"Not sent by default: {_listed(self._by_default)}. "
                f"--include PATTERN or a line '!NAME' in {IGNORE_FILE} sends them."
            )
        if self._by_rules:
            note(f"Not sent, by {IGNORE_FILE}: {_listed(self._by_rules)}.")
        if self._outside:
            note(
                f"Not sent: {_listed(self._outside)} lead out of '{self._source}'. "
                "--follow-links sends what they point to."
            )


def _listed(paths: list[str]) -> str:
    """Some names, and how many more there are."""
    shown = ", ".join(f"'{path}'" for path in paths[:_NAMES_SHOWN])
    more = len(paths) - _NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _cannot_read(error: OSError) -> NoReturn:
    raise LocalFileError(f"'{error.filename}' cannot be read: {error.strerror}") from error


def _local_file(path: str, item: Path) -> LocalFile:
    try:
        status = item.stat()
        if not os.access(item, os.R_OK):
            raise PermissionError(13, "Permission denied")
        path.encode("utf-8")
    except UnicodeEncodeError as error:
        raise LocalFileError(
            f"the name {os.fsencode(item)!r} is not UTF-8", hint="Rename the file."
        ) from error
    except OSError as error:
        raise LocalFileError(f"'{item}' cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise LocalFileError(f"'{item}' is not a regular file", hint="Move it out of the folder.")
    if status.st_size > LARGEST_FILE_BYTES:
        raise LocalFileError(f"'{item}' is larger than 1 TB, the most a registry takes")
    return LocalFile(path, item, status.st_size, status.st_mtime_ns)


class FileBody:
    """A range of a content as a request body: knows its length, keeps to the rate, notices changes of the file.

    Raises LocalFileError when the file is not the one that was listed any more.
    """

    def __init__(self, file: LocalFile, part: ByteRange, limiter: Limiter, progress: Progress) -> None:
        self._file = file
        self._part = part
        self._limiter = limiter
        self._progress = progress
        self._position = part.start
        try:
            self._opened = file.source.open("rb", buffering=0)
        except OSError as error:
            raise LocalFileError(f"'{file.source}' cannot be read: {error.strerror}") from error
        try:
            self._check()
            self._opened.seek(file.offset + part.start)
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return self._part.size_bytes

    def __enter__(self) -> FileBody:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def sent_bytes(self) -> int:
        """How much has been read of it."""
        return self._position - self._part.start

    def read(self, size: int = -1) -> bytes:
        """The next bytes; empty at the end. (http.client asks for blocks.)"""
        wanted = self._part.end - self._position
        if size >= 0:
            wanted = min(size, wanted)
        wanted = min(wanted, self._limiter.step_bytes)
        if not wanted:
            self._check()
            return b""
        data = self._opened.read(wanted)
        self._moved(len(data))
        return data

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer; 0 at the end."""
        room = buffer[: min(len(buffer), self._part.end - self._position)]
        if not room:
            self._check()
            return 0
        count = self._opened.readinto(room)
        self._moved(count)
        return count

    def close(self) -> None:
        """Close the file."""
        self._opened.close()

    def _moved(self, byte_count: int) -> None:
        if not byte_count:
            raise self._changed()
        self._position += byte_count
        self._progress.advance(byte_count)
        self._limiter.take(byte_count)

    def _check(self) -> None:
        if self._file.is_changed(os.fstat(self._opened.fileno())):
            raise self._changed()

    def _changed(self) -> LocalFileError:
        return LocalFileError(
            f"'{self._file.source}' changed while it was read",
            hint="Run the command again when it is at rest.",
        )
