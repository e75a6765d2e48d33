"""The sending side: which files there are, their digests, and parts of them as request bodies.

The protocol (who is told what, in which order) is the caller's; see ``services/uploads.py``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ngc_cli.errors import LocalFileError
from ngc_cli.events import Progress
from ngc_cli.transfer.journal import STATE_FOLDER
from ngc_cli.transfer.manager import Limiter, Pool, Task
from ngc_cli.transfer.parts import Range

LARGEST_FILE_BYTES = 1 << 40


@dataclass(frozen=True)
class LocalFile:
    """A file to send: relative ``/``-separated name, where it is, and what it looked like when it was listed."""

    path: str
    source: Path
    size_bytes: int
    mtime_ns: int


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


class UploadState:
    """What an upload has done, a line at a time, so that a killed one goes on; no links and nothing secret.

    Without a path nothing is remembered. Lines: a digest of a file as it was, an upload id of a digest, a part
    that the server has taken.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._fd = -1
        self.digests: dict[tuple[str, int, int], str] = {}
        self.uploads: dict[str, tuple[str, int]] = {}
        self.parts: dict[str, set[int]] = {}
        for line in self._lines():
            with contextlib.suppress(KeyError, TypeError, ValueError):
                self._replay(line)

    def _lines(self) -> Iterator[Any]:
        if self._path is None or not self._path.exists():
            return
        for text in self._path.read_text(errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                yield json.loads(text)

    def _replay(self, line: Any) -> None:
        if "mtime_ns" in line:
            self.digests[str(line["source"]), int(line["size"]), int(line["mtime_ns"])] = str(line["sha256"])
        elif "part" in line:
            self.parts.setdefault(str(line["upload"]), set()).add(int(line["part"]))
        else:
            self.uploads[str(line["sha256"])] = (str(line["upload"]), int(line["part_size"]))

    def add_digest(self, file: LocalFile, digest: str) -> None:
        """Remember the digest of a file as it is now."""
        self.digests[str(file.source), file.size_bytes, file.mtime_ns] = digest
        self._add(source=str(file.source), size=file.size_bytes, mtime_ns=file.mtime_ns, sha256=digest)

    def add_upload(self, digest: str, upload_id: str, part_size_bytes: int) -> None:
        """Remember which upload takes this content."""
        self.uploads[digest] = (upload_id, part_size_bytes)
        self._add(sha256=digest, upload=upload_id, part_size=part_size_bytes)

    def add_part(self, upload_id: str, number: int) -> None:
        """Remember that the server has taken a part."""
        self._add(upload=upload_id, part=number)

    def discard(self) -> None:
        """Forget everything: the upload is complete."""
        self.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _add(self, **members: Any) -> None:
        if self._path is None:
            return
        with self._lock:
            if self._fd < 0:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.write(self._fd, (json.dumps(members) + "\n").encode())


def hash_files(
    files: Sequence[LocalFile], state: UploadState, progress: Progress, cancel: threading.Event, threads: int
) -> dict[str, str]:
    """Hex sha256 of every file by path; files hashed by an earlier run and unchanged since are not read again."""
    digests: dict[str, str] = {}
    pending: list[LocalFile] = []
    for file in files:
        known = state.digests.get((str(file.source), file.size_bytes, file.mtime_ns))
        if known is None:
            pending.append(file)
        else:
            digests[file.path] = known
    progress.begin("hash", sum(file.size_bytes for file in pending), len(pending))
    pool = Pool(min(threads, os.cpu_count() or 1), cancel)

    def task(file: LocalFile) -> Task:
        def work(buffer: memoryview) -> None:
            digest = hashlib.sha256()
            with Slice(file, Range(0, file.size_bytes), Limiter(0, cancel), progress) as body:
                while count := body.readinto(buffer):
                    digest.update(buffer[:count])
            digests[file.path] = digest.hexdigest()
            state.add_digest(file, digests[file.path])
            progress.file_done(file.path)

        return work

    pool.run(task(file) for file in pending)
    progress.end()
    return digests


class Slice:
    """A range of a local file as a request body: knows its length, keeps to the rate, notices changes.

    Raises LocalFileError when the file is not the one that was listed any more.
    """

    def __init__(self, file: LocalFile, part: Range, limiter: Limiter, progress: Progress) -> None:
        self._file = file
        self._part = part
        self._limiter = limiter
        self._progress = progress
        self._position = part.start
        try:
            self._fd = os.open(file.source, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise LocalFileError(f"'{file.source}' cannot be read: {error.strerror}") from error
        self._check()

    def __len__(self) -> int:
        return self._part.size_bytes

    def __enter__(self) -> Slice:
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
        data = os.pread(self._fd, wanted, self._position)
        self._moved(len(data))
        return data

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer; 0 at the end."""
        room = buffer[: min(len(buffer), self._part.end - self._position)]
        if not room:
            self._check()
            return 0
        count = os.preadv(self._fd, [room], self._position)
        self._moved(count)
        return count

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _moved(self, byte_count: int) -> None:
        if not byte_count:
            raise self._changed()
        self._position += byte_count
        self._progress.advance(byte_count)
        self._limiter.take(byte_count)

    def _check(self) -> None:
        status = os.fstat(self._fd)
        if (status.st_size, status.st_mtime_ns) != (self._file.size_bytes, self._file.mtime_ns):
            raise self._changed()

    def _changed(self) -> LocalFileError:
        return LocalFileError(
            f"'{self._file.source}' changed while it was read",
            hint="Run the command again when it is at rest.",
        )
