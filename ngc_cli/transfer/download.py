"""Fetch a set of files into a folder: choose what is missing, move it in parallel, verify, name it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from ngc_cli.byte_range import ByteRange
from ngc_cli.errors import IntegrityError, LocalFileError, NetworkError, NgcError, TransferIncomplete
from ngc_cli.events import Progress
from ngc_cli.transfer.finished import Finished, FinishedFiles
from ngc_cli.transfer.journal import Partial, StateFolder
from ngc_cli.transfer.manager import BUFFER_BYTES, Cancelled, Limiter, Pool, Task, with_retries
from ngc_cli.transfer.parts import MIB, split
from ngc_cli.transfer.remote_files import Body, DownloadOptions, DownloadReport, RemoteFile
from ngc_cli.transfer.sink import Sink, write_small, wrong_digest
from ngc_cli.transfer.tree import DiskError, Tree, check_paths, disk_errors, folds_names, free_bytes
from ngc_cli.transfer.verify import HASHERS, hash_present, known_files
from ngc_cli.units import format_size

WHOLE_FILE_BYTES = 16 * MIB  # in one request up to there: a second one would cost more than it saves
_PROGRESS_BYTES = MIB  # a try that brings less before it breaks counts as a failure: no endless crawling
_SLOW_READ_S = 0.25  # longest time that a read may take, so that a cancel is noticed at once for a person
_SMALLEST_READ_BYTES = 64 * 1024  # what one receive of a socket brings; less would only cost calls
# RFC 9110 section 15.5.17.
_RANGE_NOT_SATISFIABLE = 416


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


class _StartOver(NgcError):
    """What is there of a file cannot be continued: the server has no ranges, or another file."""


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
        self.tree = Tree(folder, follow_root=options.follow_root)
        self.options = options
        self.progress = progress
        self.cancel = cancel
        self.state = StateFolder(options.state, progress.note)
        self.finished = FinishedFiles(options.memory)
        self.pool = Pool(options.threads, cancel, tick=self.state.beat, on_cancel=self._abort)
        self.limiter = Limiter(options.rate_bytes_per_s, cancel)
        self.report = DownloadReport()
        self.lock = threading.Lock()
        self.counted_bytes: dict[str, int] = {}
        self.bodies: set[Body] = set()
        self.sinks: list[Sink] = []

    def run(self) -> DownloadReport:
        """Choose, check the space, fetch, report."""
        paths = [file.path for file in self.files]
        check_paths(paths, folds_names=lambda: False)
        complete = False
        try:
            with disk_errors(self.options.state):
                self.state.open()
            check_paths(paths, folds_names=lambda: folds_names(self.state.own_folder))
            missing = self._missing()
            self.tree.refuse_obstacles(file.path for file in missing)
            if self.options.check_space:
                self._check_space(missing)
            self.tree.make_root()
            self.progress.begin("download", sum(file.size_bytes for file in missing), len(missing))
            try:
                self.pool.run(self._tasks(missing))
            finally:
                self.progress.end()
                if self.pool.has_ended:
                    for sink in self.sinks:
                        sink.close()
                    self.tree.sync()
            complete = len(self.report.fetched) + len(self.report.skipped) == len(self.files)
        finally:
            self.state.close(complete=complete)
            self.finished.close(complete=complete)
        if not (complete or self.report.failed or self.cancel.is_set()):
            raise TransferIncomplete(
                "not every file was fetched, for no known reason", hint="Run the same command again."
            )
        return self.report

    def _abort(self) -> None:
        """After a cancel: end the reads that workers wait in."""
        with self.lock:
            bodies = list(self.bodies)
        for body in bodies:
            body.abort()

    def _missing(self) -> list[RemoteFile]:
        """Files that are not on disk as they should be; what is, is skipped without a request."""
        present: set[str] = set()
        if self.options.resume:
            present, unknown = known_files(self.files, self.tree, self.finished.load())
            verified = self._verified(unknown) if unknown else set()
            present |= verified
        self.report.skipped = [file.path for file in self.files if file.path in present]
        return [file for file in self.files if file.path not in present]

    def _verified(self, files: Sequence[RemoteFile]) -> set[str]:
        """Those of the files on disk, left by somebody else, that have the right digest."""
        good: set[str] = set()

        def keep(file: RemoteFile, status: os.stat_result, digest: str) -> None:
            if digest == file.sha256:
                self.finished.add(file.path, Finished(status.st_size, status.st_mtime_ns, digest))
                good.add(file.path)

        hash_present(files, self.tree, self.progress, Pool(HASHERS, self.cancel, tick=self.state.beat), keep)
        return good

    def _check_space(self, missing: Sequence[RemoteFile]) -> None:
        needed = sum(file.size_bytes for file in missing) - self.state.reserved_bytes()
        free = free_bytes(self.tree.root)
        if needed > free:
            raise DiskError(
                f"{format_size(needed)} are needed in '{self.tree.root}' and {format_size(free)} are free",
                hint="Make room, choose another --dest, or add --no-space-check.",
            )

    def _tasks(self, missing: Sequence[RemoteFile]) -> Iterator[Task]:
        """Large files first, in ranges; then those that one request fetches."""
        for file in sorted(missing, key=lambda file: file.size_bytes <= WHOLE_FILE_BYTES):
            if file.size_bytes <= WHOLE_FILE_BYTES:
                yield _Small(self, file)
                continue
            try:
                large = _Large(self, file)
            except DiskError:
                raise
            except LocalFileError as error:
                self.failed(file, error)
            else:
                yield from large.tasks()

    # one file

    def attempt(self, file: RemoteFile, fetch: Callable[[], None], buffer: memoryview) -> None:
        """Run ``fetch``; when its result is wrong, fetch once more from nothing; then the file has failed."""
        try:
            try:
                fetch()
            except (IntegrityError, _StartOver) as error:
                self.progress.note(f"Fetching '{file.path}' again: {error.message}")
                self.partial(file, resume=False).discard()
                self.take_back(file)
                self.whole(file, buffer, again=True)
        except (Cancelled, DiskError):
            raise
        except _StartOver as error:
            self.failed(file, IntegrityError(error.message, hint=error.hint))
        except NgcError as error:
            self.failed(file, error)

    def at_once(self, file: RemoteFile, buffer: memoryview) -> None:
        """Fetch a file that fits into the buffer: one request, one write, no log."""
        data = buffer[: file.size_bytes]

        def fetch() -> None:
            position = 0
            with self.opened(file, ByteRange(0, file.size_bytes)) as body:
                if body.start != 0:
                    raise IntegrityError(f"the server sends other bytes of '{file.path}' than were asked for")
                while position < len(data):
                    room = data[position : position + self.limiter.step_bytes]
                    position += self.read(file, body, room, position)
                _expect_end(file, body)

        if data:
            with_retries(fetch, retries=self.options.retries, cancel=self.cancel, note=self.progress.note)
        digest = hashlib.sha256(data).hexdigest() if file.sha256 else ""
        if file.sha256 and digest != file.sha256:
            raise wrong_digest(file.path, digest, file.sha256)
        status = write_small(self.state.scratch(), self.tree, file.path, data)
        self.shown(file, len(data))
        self.done(file, Finished(status.st_size, status.st_mtime_ns, digest))

    def whole(self, file: RemoteFile, buffer: memoryview, *, again: bool = False) -> None:
        """Fetch a file in one stream, from the start or from where an earlier run stopped."""
        sink = self.sink(file)
        try:
            for gap in sink.missing():
                self.receive(file, sink, gap, buffer, alone=again)
            self.name(file, sink, buffer)
        finally:
            sink.close()

    def sink(self, file: RemoteFile) -> Sink:
        """The file in the making; what an earlier run left of it is shown as progress."""
        sink = Sink(self.partial(file, resume=self.options.resume), file.path)
        self.shown(file, file.size_bytes - sum(gap.size_bytes for gap in sink.missing()), kept=True)
        return sink

    def partial(self, file: RemoteFile, *, resume: bool) -> Partial:
        """The state of a file in the making, of an earlier run if it may be continued."""
        with disk_errors(self.options.state):
            return self.state.partial(file.path, file.content, resume=resume)

    def receive(
        self, file: RemoteFile, sink: Sink, wanted: ByteRange, buffer: memoryview, *, alone: bool = False
    ) -> None:
        """Fetch a range into the sink, going on after every break; raises what retries could not cure.

        ``alone`` says that this is the only stream of the file: then a server without ranges may begin at 0 again,
        and the digest, where there is one, decides instead of the entity tag.
        """
        position = tried_from = wanted.start

        def fetch() -> None:
            nonlocal position, tried_from
            tried_from = position
            with self.opened(file, ByteRange(position, wanted.end)) as body:
                if body.start > position or (body.start < position and not alone):
                    raise _StartOver(f"the server does not send parts of '{file.path}'")
                self.check_same(file, sink.partial, body, alone=alone)
                at, step = body.start, len(buffer)
                while at < wanted.end:
                    end = position if at < position else wanted.end
                    began_s = time.monotonic()
                    room = buffer[: min(step, self.limiter.step_bytes, end - at)]
                    count = self.read(file, body, room, at)
                    if at == position:
                        sink.write(at, room[:count])
                        self.shown(file, count)
                        position += count
                    at += count
                    step = _next_step(step, time.monotonic() - began_s)
                _expect_end(file, body)

        with_retries(
            fetch,
            retries=self.options.retries,
            cancel=self.cancel,
            progressed=lambda: position - tried_from >= _PROGRESS_BYTES,
            note=self.progress.note,
        )

    @contextlib.contextmanager
    def opened(self, file: RemoteFile, wanted: ByteRange) -> Iterator[Body]:
        """A body of these bytes of the file; the whole has the promised size, as far as the server says."""
        try:
            body = file.open(wanted)
        except NgcError as error:
            if error.status == _RANGE_NOT_SATISFIABLE:
                raise _StartOver(f"the server has less of '{file.path}' than it promised") from error
            raise
        with self.lock:
            self.bodies.add(body)
        try:
            if body.total_bytes not in (None, file.size_bytes):
                raise IntegrityError(
                    f"'{file.path}' should have {file.size_bytes} bytes, but the server sends {body.total_bytes}"
                )
            yield body
        finally:
            with self.lock:
                self.bodies.discard(body)
            body.close()

    def check_same(self, file: RemoteFile, partial: Partial, body: Body, *, alone: bool) -> None:
        """The bytes must come from the same file as those that are there, as far as a strong entity tag tells.

        Without a digest a tag that appears or is lost counts as another one.
        """
        etag = "" if body.etag.startswith("W/") else body.etag
        with self.lock:
            if partial.etag is None:
                with disk_errors(partial.part_path):
                    partial.set_etag(etag)
        if etag == partial.etag or (file.sha256 and (alone or not etag or not partial.etag)):
            return
        raise _StartOver(f"'{file.path}' has changed on the server")

    def read(self, file: RemoteFile, body: Body, room: memoryview, position: int) -> int:
        """The next bytes of a body, counted and within the rate; raises NetworkError when there are none."""
        count = body.readinto(room)
        if count == 0 and not self.cancel.is_set():
            raise NetworkError(f"the server cut '{file.path}' short at {format_size(position)}")
        with self.lock:
            self.report.received_bytes += count
        self.pool.count(count)
        self.limiter.take(count)
        return count

    def name(self, file: RemoteFile, sink: Sink, buffer: memoryview) -> None:
        """Give a complete file its name."""
        digest, status = sink.finish(self.tree, file.path, buffer)
        self.done(file, Finished(status.st_size, status.st_mtime_ns, digest))

    def done(self, file: RemoteFile, finished: Finished) -> None:
        """Remember a file that has its name."""
        self.finished.add(file.path, finished)
        with self.lock:
            self.report.fetched.append(file.path)
        self.progress.file_done(file.path)
        self.pool.count(0, files=1)

    def failed(self, file: RemoteFile, error: NgcError) -> None:
        """Note that a file has failed for good; the others go on."""
        with self.lock:
            self.report.failed[file.path] = error

    def shown(self, file: RemoteFile, byte_count: int, *, kept: bool = False) -> None:
        """Show bytes of a file as progress, or as ``kept`` by an earlier run."""
        with self.lock:
            self.counted_bytes[file.path] = self.counted_bytes.get(file.path, 0) + byte_count
        (self.progress.keep if kept else self.progress.advance)(byte_count)

    def take_back(self, file: RemoteFile) -> None:
        """Take back from the progress what was shown of a file that begins again."""
        with self.lock:
            byte_count = self.counted_bytes.pop(file.path, 0)
        self.progress.advance(-byte_count)


class _Small:
    """A file that one worker fetches."""

    def __init__(self, run: _Download, file: RemoteFile) -> None:
        self._run = run
        self._file = file

    def __call__(self, buffer: memoryview) -> None:
        run, file = self._run, self._file
        fetch = run.at_once if file.size_bytes <= len(buffer) else run.whole
        run.attempt(file, lambda: fetch(file, buffer), buffer)


class _Large:
    """A file that several workers fetch in ranges; the last one gives it its name."""

    def __init__(self, run: _Download, file: RemoteFile) -> None:
        self._run = run
        self._file = file
        self._lock = threading.Lock()
        self._failure: NgcError | None = None
        self._sink = run.sink(file)
        run.sinks.append(self._sink)
        self._ranges = list(split(self._sink.missing(), run.options.threads))
        self._open_ranges = max(len(self._ranges), 1)

    def tasks(self) -> Iterator[Task]:
        """One task for each missing range, or one that finishes the file when none is missing."""
        if not self._ranges:
            yield self._range_done
        for item in self._ranges:
            yield partial(self._fetch, item)

    def _fetch(self, item: ByteRange, buffer: memoryview) -> None:
        if self._failure is None:
            try:
                self._run.receive(self._file, self._sink, item, buffer)
                self._sink.follow(buffer)
            except (Cancelled, DiskError):
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
        self._run.attempt(self._file, partial(self._finish, buffer), buffer)

    def _finish(self, buffer: memoryview) -> None:
        try:
            if self._failure is not None:
                raise self._failure
            self._run.name(self._file, self._sink, buffer)
        finally:
            self._sink.close()


def _expect_end(file: RemoteFile, body: Body) -> None:
    """After the last byte of a file of which the server has not told the size there must be no more."""
    if body.total_bytes is None and body.start == 0 and body.readinto(memoryview(bytearray(1))):
        raise IntegrityError(f"the server sends more than the promised size of '{file.path}'")


def _next_step(step_bytes: int, took_s: float) -> int:
    """How much to read next: less on a slow line, so that a cancel is noticed and little is lost by a kill."""
    if took_s > _SLOW_READ_S:
        return max(step_bytes // 2, _SMALLEST_READ_BYTES)
    return min(step_bytes * 2, BUFFER_BYTES) if took_s < _SLOW_READ_S / 4 else step_bytes
