"""Fetch a set of files into a folder: choose what is missing, move it in parallel, verify, name it."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ngc_cli.errors import IntegrityError, LocalFileError, NetworkError, NgcError, TransferIncomplete
from ngc_cli.events import Progress
from ngc_cli.transfer.journal import Content, Finished, StateFolder
from ngc_cli.transfer.manager import Cancelled, Limiter, Pool, Task, with_retries
from ngc_cli.transfer.parts import Range, split
from ngc_cli.transfer.sink import Sink, check_paths, disk_errors, hash_file, prepare_parent
from ngc_cli.units import format_size

WHOLE_FILE_BYTES = 16 * 1024 * 1024


class Body(Protocol):
    """Bytes of a remote file as they arrive."""

    start: int
    total_bytes: int | None
    etag: str

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer; 0 at the end. Raises NetworkError when the body breaks off."""

    def close(self) -> None:
        """Give up the connection if bytes are left."""


@dataclass(frozen=True)
class RemoteFile:
    """A file to fetch: relative path, size, hex sha256 or None, and how to open bytes start to end (exclusive).

    ``open`` makes one try and raises NgcError kinds; a body that starts at 0 although more was asked for says that
    the server has no ranges.
    """

    path: str
    size_bytes: int
    sha256: str | None
    open: Callable[[int, int], Body]

    @property
    def content(self) -> Content:
        """What the bytes must be."""
        return Content(self.size_bytes, self.sha256 or "")


@dataclass(frozen=True)
class DownloadOptions:
    """How to download; ``retries`` after the first try of each range, ``threads`` at most."""

    state: Path
    threads: int = 8
    rate_bytes_per_s: int = 0
    retries: int = 5
    resume: bool = True
    check_space: bool = True


@dataclass
class DownloadReport:
    """What happened: paths fetched, paths that were there already, errors by path, bytes received."""

    fetched: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: dict[str, NgcError] = field(default_factory=dict)
    received_bytes: int = 0


@dataclass(frozen=True)
class DownloadPlan:
    """What is there and what is missing, in bytes; free space of the disk."""

    present_bytes: int
    missing_bytes: int
    free_bytes: int


def download(
    files: Sequence[RemoteFile],
    folder: Path,
    options: DownloadOptions,
    progress: Progress,
    cancel: threading.Event,
) -> DownloadReport:
    """Fetch the files into the folder.

    Raises LocalFileError for unsafe names, a full disk or too little space; what fails for one file alone is in
    the report. After a cancel it returns what was done so far; the state for a resume is on disk.
    """
    return _Download(files, folder, options, progress, cancel).run()


class _Download:
    def __init__(
        self,
        files: Sequence[RemoteFile],
        folder: Path,
        options: DownloadOptions,
        progress: Progress,
        cancel: threading.Event,
    ) -> None:
        self.files = files
        self.folder = folder
        self.options = options
        self.progress = progress
        self.cancel = cancel
        self.state = StateFolder(options.state)
        self.pool = Pool(options.threads, cancel)
        self.limiter = Limiter(options.rate_bytes_per_s, cancel)
        self.report = DownloadReport()
        self.lock = threading.Lock()
        self.counted_bytes: dict[str, int] = {}

    def run(self) -> DownloadReport:
        """Choose, check the space, fetch, report."""
        check_paths(file.path for file in self.files)
        missing = self._missing()
        if self.options.check_space:
            self._check_space(missing)
        with disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self.state.create()
        self.progress.begin("download", sum(file.size_bytes for file in missing), len(missing))
        try:
            self.pool.run(self._tasks(missing))
        finally:
            self.state.close()
            self.progress.end()
        report = self.report
        if len(report.fetched) + len(report.skipped) == len(self.files):
            self.state.sweep()
        elif not (report.failed or self.cancel.is_set()):
            raise TransferIncomplete(
                "not every file was fetched, for no known reason", hint="Run the same command again."
            )
        return report

    def _missing(self) -> list[RemoteFile]:
        """Files that are not on disk as they should be; what is, is skipped without a request."""
        present = present_files(
            self.files, self.folder, self.state if self.options.resume else None, self.progress
        )
        self.report.skipped = [file.path for file in self.files if file.path in present]
        return [file for file in self.files if file.path not in present]

    def _check_space(self, missing: Sequence[RemoteFile]) -> None:
        needed = sum(file.size_bytes for file in missing) - _partial_bytes(self.options.state)
        free = free_bytes(self.folder)
        if needed > free:
            raise LocalFileError(
                f"{format_size(needed)} are needed in '{self.folder}' and {format_size(free)} are free",
                hint="Make room, choose another --dest, or add --no-space-check.",
            )

    def _tasks(self, missing: Sequence[RemoteFile]) -> Iterator[Task]:
        """Large files first, in ranges; then small ones, each in one request."""
        ordered = sorted(missing, key=lambda file: file.size_bytes <= WHOLE_FILE_BYTES)
        for file in ordered:
            if file.size_bytes <= WHOLE_FILE_BYTES:
                yield _Small(self, file)
            else:
                yield from _Large(self, file).tasks()

    def receive(self, file: RemoteFile, sink: Sink, wanted: Range, buffer: memoryview) -> None:
        """Fetch a range into the sink, going on after every break; raises what retries could not cure."""
        position = wanted.start
        at_last_try = wanted.start - 1

        def attempt() -> None:
            nonlocal position, at_last_try
            at_last_try = position
            body = file.open(position, wanted.end)
            try:
                self._check_body(file, sink, body, position)
                while position < wanted.end:
                    room = min(self.limiter.step_bytes, len(buffer), wanted.end - position)
                    count = body.readinto(buffer[:room])
                    if count == 0:
                        raise NetworkError(f"the server cut '{file.path}' short at {format_size(position)}")
                    sink.write(position, buffer[:count])
                    position += count
                    self.moved(file, count)
                if body.total_bytes is None and body.start == 0 and body.readinto(buffer[:1]):
                    raise IntegrityError(f"the server sends more than the promised size of '{file.path}'")
            finally:
                body.close()

        with_retries(
            attempt,
            retries=self.options.retries,
            cancel=self.cancel,
            progressed=lambda: position > at_last_try,
            note=self.progress.note,
        )

    @staticmethod
    def _check_body(file: RemoteFile, sink: Sink, body: Body, position: int) -> None:
        """The body must be of the same file, and begin where it was asked to."""
        if body.total_bytes is not None and body.total_bytes != file.size_bytes:
            raise IntegrityError(
                f"'{file.path}' should have {file.size_bytes} bytes, but the server sends {body.total_bytes}"
            )
        if body.start != position:
            raise _NoRanges(f"the server does not send parts of '{file.path}'")
        known = sink.content.etag
        if not sink.content.sha256 and body.etag and known and body.etag != known:
            raise IntegrityError(f"'{file.path}' changed on the server during the download")

    def moved(self, file: RemoteFile, byte_count: int) -> None:
        """Count received bytes and keep to the rate."""
        with self.lock:
            self.report.received_bytes += byte_count
        self.shown(file, byte_count)
        self.pool.count(byte_count)
        self.limiter.take(byte_count)

    def shown(self, file: RemoteFile, byte_count: int) -> None:
        """Count bytes of a file in the progress."""
        with self.lock:
            self.counted_bytes[file.path] = self.counted_bytes.get(file.path, 0) + byte_count
        self.progress.advance(byte_count)

    def take_back(self, file: RemoteFile) -> None:
        """Take back from the progress what was counted of a file that begins again."""
        with self.lock:
            byte_count = self.counted_bytes.pop(file.path, 0)
        self.progress.advance(-byte_count)

    def whole(self, file: RemoteFile, buffer: memoryview) -> None:
        """Fetch one file in one stream, from the start or from where an earlier run stopped."""
        with disk_errors(self.folder / file.path):
            target = prepare_parent(self.folder, file.path)
        sink = Sink(self.state.partial(file.path, file.content, resume=self.options.resume), file.path)
        self.shown(file, file.size_bytes - sum(gap.size_bytes for gap in sink.missing()))
        try:
            for gap in sink.missing():
                self.receive(file, sink, gap, buffer)
            self.name(file, sink, target, buffer)
        finally:
            sink.close()

    def name(self, file: RemoteFile, sink: Sink, target: Path, buffer: memoryview) -> None:
        """Give a finished file its name, and remember it."""
        digest = sink.finish(target, buffer)
        status = target.stat()
        with self.lock:
            self.state.add_finished(file.path, Finished(status.st_size, status.st_mtime_ns, digest))
            self.report.fetched.append(file.path)
        self.progress.file_done(file.path)
        self.pool.count(0, files=1)

    def attempt_file(self, file: RemoteFile, fetch: Callable[[], None], buffer: memoryview) -> None:
        """Run ``fetch``; when the result is wrong, once more from nothing; then the file has failed.

        LocalFileError is the fault of the disk, not of the file, and ends the transfer.
        """
        try:
            try:
                fetch()
            except (IntegrityError, _NoRanges) as error:
                self.progress.note(f"Fetching '{file.path}' again: {error.message}")
                self.state.partial(file.path, file.content, resume=False).discard()
                self.take_back(file)
                self.whole(file, buffer)
        except (Cancelled, LocalFileError):
            raise
        except NgcError as error:
            with self.lock:
                self.report.failed[file.path] = error


class _NoRanges(NgcError):
    """The server answered a request for a range with the whole file."""


class _Small:
    """A file that one request fetches."""

    def __init__(self, run: _Download, file: RemoteFile) -> None:
        self._run = run
        self._file = file

    def __call__(self, buffer: memoryview) -> None:
        self._run.attempt_file(self._file, lambda: self._run.whole(self._file, buffer), buffer)


class _Large:
    """A file that several workers fetch in ranges; the last one gives it its name."""

    def __init__(self, run: _Download, file: RemoteFile) -> None:
        self._run = run
        self._file = file
        self._lock = threading.Lock()
        self._open_ranges = 0
        self._failure: NgcError | None = None

    def tasks(self) -> Iterator[Task]:
        """One task for each missing range; none is made before the one before it was taken."""
        run, file = self._run, self._file
        with disk_errors(run.folder / file.path):
            self._target = prepare_parent(run.folder, file.path)
        self._sink = Sink(run.state.partial(file.path, file.content, resume=run.options.resume), file.path)
        missing = self._sink.missing()
        run.shown(file, file.size_bytes - sum(gap.size_bytes for gap in missing))
        ranges = list(split(missing))
        self._open_ranges = max(len(ranges), 1)
        if not ranges:
            yield lambda buffer: self._range_done(buffer)
        for item in ranges:
            yield lambda buffer, item=item: self._fetch(item, buffer)  # type: ignore[misc]

    def _fetch(self, item: Range, buffer: memoryview) -> None:
        if self._failure is None:
            try:
                self._run.receive(self._file, self._sink, item, buffer)
                self._sink.follow(buffer)
            except (Cancelled, LocalFileError):
                raise  # the sink stays open: other workers may be writing to it
            except NgcError as error:
                self._failure = self._failure or error
        self._range_done(buffer)

    def _range_done(self, buffer: memoryview) -> None:
        """The worker that ends the last range finishes the file, or has it fetched again."""
        with self._lock:
            self._open_ranges -= 1
            if self._open_ranges:
                return
        self._run.attempt_file(self._file, lambda: self._finish(buffer), buffer)

    def _finish(self, buffer: memoryview) -> None:
        try:
            if self._failure is not None:
                raise self._failure
            self._run.name(self._file, self._sink, self._target, buffer)
        finally:
            self._sink.close()


def present_files(
    files: Sequence[RemoteFile], folder: Path, state: StateFolder | None, progress: Progress
) -> set[str]:
    """Paths of files that are on disk as the server has them.

    A file unchanged since it was verified (size and time of change) is taken as it is; one that we know nothing
    about is hashed when the server tells its digest, and else fetched again.
    """
    known = state.finished() if state is not None else {}
    present: set[str] = set()
    unknown: list[RemoteFile] = []
    for file in files:
        status = regular_file(folder, file.path)
        if state is None or status is None or status.st_size != file.size_bytes:
            continue
        done = known.get(file.path)
        if done and (done.size_bytes, done.mtime_ns) == (status.st_size, status.st_mtime_ns):
            if done.sha256 == file.sha256 or not file.sha256:
                present.add(file.path)
        elif file.sha256:
            unknown.append(file)
    if unknown and state is not None:
        present |= _verified(unknown, folder, state, progress)
    return present


def _verified(files: Sequence[RemoteFile], folder: Path, state: StateFolder, progress: Progress) -> set[str]:
    buffer = memoryview(bytearray(1024 * 1024))
    good: set[str] = set()
    progress.begin("verify", sum(file.size_bytes for file in files), len(files))
    with disk_errors(state.path):
        state.create()
    for file in files:
        path = folder / file.path
        with disk_errors(path):
            before = path.stat()
            digest = hash_file(path, buffer)
        if digest == file.sha256:
            state.add_finished(file.path, Finished(before.st_size, before.st_mtime_ns, digest))
            good.add(file.path)
        progress.advance(file.size_bytes)
        progress.file_done(file.path)
    progress.end()
    return good


def verify_folder(
    files: Sequence[RemoteFile], folder: Path, progress: Progress, cancel: threading.Event
) -> DownloadReport:
    """Compare the files on disk with what they should be; nothing is fetched or changed."""
    check_paths(file.path for file in files)
    report = DownloadReport()
    buffer = memoryview(bytearray(1024 * 1024))
    progress.begin("verify", sum(file.size_bytes for file in files), len(files))
    for file in files:
        if cancel.is_set():
            break
        status = regular_file(folder, file.path)
        if status is None:
            report.failed[file.path] = IntegrityError("is missing")
        elif status.st_size != file.size_bytes:
            report.failed[file.path] = IntegrityError(
                f"has {status.st_size} bytes instead of {file.size_bytes}"
            )
        elif file.sha256 and (actual := hash_file(folder / file.path, buffer)) != file.sha256:
            report.failed[file.path] = IntegrityError(f"has sha256 {actual} instead of {file.sha256}")
        else:
            report.skipped.append(file.path)
        progress.advance(file.size_bytes)
        progress.file_done(file.path)
    progress.end()
    return report


def plan_download(files: Sequence[RemoteFile], folder: Path, state: Path, progress: Progress) -> DownloadPlan:
    """How much is there already; checks names, makes no request and writes nothing but state."""
    check_paths(file.path for file in files)
    present = present_files(files, folder, StateFolder(state), progress)
    present_bytes = sum(file.size_bytes for file in files if file.path in present)
    total_bytes = sum(file.size_bytes for file in files)
    return DownloadPlan(present_bytes, total_bytes - present_bytes, free_bytes(folder))


def regular_file(folder: Path, path: str) -> os.stat_result | None:
    """The status of a regular file below the folder, reached without a link; None when there is none."""
    current = folder
    for part in path.split("/"):
        current = current / part
        try:
            status = current.lstat()
        except OSError:
            return None
        if stat.S_ISLNK(status.st_mode):
            return None
    return status if stat.S_ISREG(status.st_mode) else None


def free_bytes(folder: Path) -> int:
    """Free space of the disk a folder is, or will be, on."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def _partial_bytes(state: Path) -> int:
    """Blocks that partial files hold already."""
    return sum(path.stat().st_blocks * 512 for path in state.glob("*.part"))
