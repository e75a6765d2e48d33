"""The sending side: which files there are, their digests, and parts of them as request bodies.

What is said to the server is the caller's: it passes a ``Start``, which for a file returns an ``Upload`` that takes
parts and completes. See ``services/uploads.py``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from ngc_cli.errors import LocalFileError, NgcError
from ngc_cli.events import Progress
from ngc_cli.transfer.journal import STATE_FOLDER
from ngc_cli.transfer.manager import Cancelled, Limiter, Pool, Task
from ngc_cli.transfer.parts import MIB, Range, part_range

LARGEST_FILE_BYTES = 1 << 40
_UNDER_WAY_BYTES = 16 * MIB


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
                os.write(self._fd, b"\n")  # ends a line that a kill has torn
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


class Upload(Protocol):
    """The upload of one content that a server has agreed to; every method raises NgcError kinds."""

    part_size_bytes: int
    pending: list[int]
    """Numbers, from 1, of the parts that the server has not confirmed."""

    def put(self, number: int, body: Callable[[], Slice]) -> None:
        """Send a part; ``body`` returns it from its beginning, anew for each try."""

    def complete(self) -> None:
        """All parts are there."""


Start = Callable[[LocalFile], Upload]


@dataclass
class UploadReport:
    """What happened: errors by path, and bytes sent that the server took."""

    failed: dict[str, NgcError] = field(default_factory=dict)
    sent_bytes: int = 0


def send(
    files: Sequence[LocalFile],
    start: Start,
    progress: Progress,
    cancel: threading.Event,
    *,
    threads: int,
    rate_bytes_per_s: int = 0,
) -> UploadReport:
    """Send files, and parts of one file, in parallel. A file that fails does not stop the others; raises
    LocalFileError when a file cannot be read or changes, and returns early after a cancel."""
    return _Sending(files, start, progress, cancel, threads, rate_bytes_per_s).run()


class _Sending:
    """Hands out files, largest first, and parts of files that were started; parts come first.

    What is under way and would be lost by a kill stays within 16 MiB, except parts that are larger by themselves.
    """

    def __init__(
        self,
        files: Sequence[LocalFile],
        start: Start,
        progress: Progress,
        cancel: threading.Event,
        threads: int,
        rate_bytes_per_s: int,
    ) -> None:
        self.files = sorted(files, key=lambda file: -file.size_bytes)
        self.start = start
        self.progress = progress
        self.cancel = cancel
        self.limiter = Limiter(rate_bytes_per_s, cancel)
        self.pool = Pool(threads, cancel)
        self.report = UploadReport()
        self.changed = threading.Condition()
        self.ready: deque[tuple[_File, int]] = deque()
        self.starting = 0
        self.under_way_bytes = 0

    def run(self) -> UploadReport:
        """Send everything."""
        self.progress.begin("upload", sum(file.size_bytes for file in self.files), len(self.files))
        try:
            self.pool.run(self._tasks())
        finally:
            self.progress.end()
        return self.report

    def _tasks(self) -> Iterator[Task]:
        waiting = deque(self.files)
        while True:
            with self.changed:
                while not self.pool.stopping:
                    if self.ready and self._has_room(self.ready[0]):
                        file, number = self.ready.popleft()
                        self.under_way_bytes += file.part(number).size_bytes
                        task = partial(self._put, file, number)
                        break
                    if not self.ready and waiting:
                        self.starting += 1
                        task = partial(self._begin, waiting.popleft())
                        break
                    if not (self.ready or self.starting):
                        return
                    self.changed.wait(0.2)
                else:
                    return
            yield task

    def _has_room(self, item: tuple[_File, int]) -> bool:
        size_bytes = item[0].part(item[1]).size_bytes
        return (
            not self.under_way_bytes
            or size_bytes > _UNDER_WAY_BYTES
            or self.under_way_bytes + size_bytes <= _UNDER_WAY_BYTES
        )

    def _begin(self, source: LocalFile, buffer: memoryview) -> None:
        """Agree on the upload of a file; its first part is sent at once when it is the only one."""
        parts: list[int] = []
        file: _File | None = None
        try:
            with self._failing(source):
                file = _File(source, self.start(source))
                parts = list(file.upload.pending)
                there = source.size_bytes - sum(file.part(number).size_bytes for number in parts)
                self.progress.advance(there)
                if not parts:
                    self._complete(file)
        finally:
            with self.changed:
                self.starting -= 1
                if file is not None:
                    self.ready.extendleft((file, number) for number in reversed(parts))
                self.changed.notify_all()

    def _put(self, file: _File, number: int, buffer: memoryview) -> None:
        """Send one part, and complete the file if it was the last one."""
        part = file.part(number)
        try:
            if file.source.path not in self.report.failed:
                with self._failing(file.source):
                    with contextlib.closing(
                        _Bodies(file.source, part, self.limiter, self.progress)
                    ) as bodies:
                        file.upload.put(number, bodies)
                    with self.changed:
                        self.report.sent_bytes += part.size_bytes
                        file.open_parts -= 1
                        is_last = not file.open_parts
                    self.pool.count(part.size_bytes)
                    if is_last:
                        self._complete(file)
        finally:
            with self.changed:
                self.under_way_bytes -= part.size_bytes
                self.changed.notify_all()

    def _complete(self, file: _File) -> None:
        file.upload.complete()
        self.progress.file_done(file.source.path)
        self.pool.count(0, files=1)

    @contextlib.contextmanager
    def _failing(self, source: LocalFile) -> Iterator[None]:
        """Note the failure of a file; a file that cannot be read, and a cancel, end it all."""
        try:
            yield
        except (Cancelled, LocalFileError):
            raise
        except NgcError as error:
            if self.cancel.is_set():
                raise Cancelled("interrupted") from error
            with self.changed:
                self.report.failed[source.path] = error


class _File:
    """A file whose upload has started."""

    def __init__(self, source: LocalFile, upload: Upload) -> None:
        self.source = source
        self.upload = upload
        self.open_parts = len(upload.pending)

    def part(self, number: int) -> Range:
        return part_range(number, self.upload.part_size_bytes, self.source.size_bytes)


class _Bodies:
    """Makes the body of a part for each try; what an earlier try sent is taken back from the progress."""

    def __init__(self, file: LocalFile, part: Range, limiter: Limiter, progress: Progress) -> None:
        self._arguments = (file, part, limiter, progress)
        self._progress = progress
        self._last: Slice | None = None

    def __call__(self) -> Slice:
        if self._last is not None:
            self._progress.advance(-self._last.sent_bytes)
            self.close()
        self._last = Slice(*self._arguments)
        return self._last

    def close(self) -> None:
        """Close the last body."""
        if self._last is not None:
            self._last.close()


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
            self._opened = file.source.open("rb", buffering=0)
        except OSError as error:
            raise LocalFileError(f"'{file.source}' cannot be read: {error.strerror}") from error
        try:
            self._check()
            self._opened.seek(part.start)
        except BaseException:
            self.close()
            raise

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
        status = os.fstat(self._opened.fileno())
        if (status.st_size, status.st_mtime_ns) != (self._file.size_bytes, self._file.mtime_ns):
            raise self._changed()

    def _changed(self) -> LocalFileError:
        return LocalFileError(
            f"'{self._file.source}' changed while it was read",
            hint="Run the command again when it is at rest.",
        )
