"""Files to send: which there are below a folder, and ranges of them as request bodies."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ngc_cli.byte_range import ByteRange
from ngc_cli.errors import LocalFileError
from ngc_cli.events import Progress
from ngc_cli.file_names import STATE_FOLDER
from ngc_cli.transfer.manager import Limiter

LARGEST_FILE_BYTES = 1 << 40  # the most that NGC takes


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


def collect(source: Path, note: Callable[[str], None]) -> list[LocalFile]:
    """The files below a folder, sorted by name, or the one file that ``source`` is.

    Hidden files count; empty folders do not. A link to a file is sent as what it points to, a link to a folder is
    not followed, a link to nothing is skipped with a note. Raises LocalFileError for what cannot be read.
    """
    if not source.exists():
        raise LocalFileError(f"there is no file or folder '{source.absolute()}'", hint="Check --source.")
    if source.is_file():
        return [_local_file(source.name, source)]
    files: list[LocalFile] = []

    def fail(error: OSError) -> None:
        raise LocalFileError(f"'{error.filename}' cannot be read: {error.strerror}") from error

    for folder, folders, names in os.walk(source, onerror=fail):
        folders[:] = [name for name in folders if name != STATE_FOLDER]
        for name in folders:
            if Path(folder, name).is_symlink():
                note(f"Not sent: '{Path(folder, name)}' is a link to a folder.")
        for name in names:
            item = Path(folder, name)
            if item.is_symlink() and not item.exists():
                note(f"Not sent: '{item}' is a link to nothing.")
                continue
            files.append(_local_file(item.relative_to(source).as_posix(), item))
    return sorted(files, key=lambda file: file.path)


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
