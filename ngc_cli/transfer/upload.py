"""The sending side: files, and parts of files, in parallel, at a rate, with retries.

What is said to the server is the caller's: it makes an ``Upload`` for each file, which agrees with the server on the
parts to send and sends them. Parts of models and layers of images go through here.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from ngc_cli.byte_range import ByteRange
from ngc_cli.errors import LocalFileError, NgcError
from ngc_cli.events import Progress
from ngc_cli.transfer.local_files import FileBody, LocalFile
from ngc_cli.transfer.manager import Cancelled, Limiter, Pool, Task, with_retries
from ngc_cli.transfer.parts import MIB

_IN_FLIGHT_BYTES = 16 * MIB  # what a kill may cost: three parts of the usual 5 MiB fill a fast link
# how soon a worker without work sees that the pool stops; what it waits for wakes it at once
_LOOK_AGAIN_S = 0.2

OpenBody = Callable[[ByteRange], FileBody]
"""Makes the request body of a range of the content; a new body takes the place of the one before."""


class Upload(Protocol):
    """The upload of one content; every method may make requests and raises NgcError kinds."""

    def start(self) -> Sequence[ByteRange]:
        """Agree on the upload with the server, or go on with an earlier one; returns the parts that it lacks."""

    def put(self, part: ByteRange, open_body: OpenBody) -> None:
        """Send a part, with one try; it is called again after a failure that another try may mend."""

    def has_progressed(self) -> bool:
        """Whether the server has kept something of a failed ``put``, so that failures are counted anew."""

    def complete(self) -> None:
        """Tell the server that all parts are there."""


@dataclass
class UploadReport:
    """What happened: errors by path, and the bytes of the parts that were sent and that the server took."""

    failed: dict[str, NgcError] = field(default_factory=dict)
    sent_bytes: int = 0


def send(
    files: Sequence[LocalFile],
    upload_of: Callable[[LocalFile], Upload],
    progress: Progress,
    cancel: threading.Event,
    *,
    threads: int,
    rate_bytes_per_s: int = 0,
    retries: int = 0,
    stop_at_failure: bool = False,
) -> UploadReport:
    """Send files, and parts of one file, in parallel; each part is tried again ``retries`` times.

    A file that fails does not stop the others, unless ``stop_at_failure``: then its error is raised. Raises
    LocalFileError when a file cannot be read or changes, and returns early after a cancel.
    """
    sending = _Sending(upload_of, progress, cancel, Limiter(rate_bytes_per_s, cancel), Pool(threads, cancel))
    sending.retries, sending.stop_at_failure = retries, stop_at_failure
    return sending.run(files)


class _Sending:
    """Hands out files, largest first, and parts of files that were started; parts come first.

    What is in flight and would be lost by a kill stays within 16 MiB, except parts that are larger by themselves.
    """

    def __init__(
        self,
        upload_of: Callable[[LocalFile], Upload],
        progress: Progress,
        cancel: threading.Event,
        limiter: Limiter,
        pool: Pool,
    ) -> None:
        self.upload_of = upload_of
        self.progress = progress
        self.cancel = cancel
        self.limiter = limiter
        self.pool = pool
        self.retries = 0
        self.stop_at_failure = False
        self.report = UploadReport()
        self.changed = threading.Condition()
        self.ready: deque[tuple[_File, ByteRange]] = deque()
        self.starting = 0
        self.in_flight_bytes = 0

    def run(self, files: Sequence[LocalFile]) -> UploadReport:
        """Send everything."""
        self.progress.begin("upload", sum(file.size_bytes for file in files), len(files))
        try:
            self.pool.run(self._tasks(sorted(files, key=lambda file: -file.size_bytes)))
        finally:
            self.progress.end()
        return self.report

    def _tasks(self, files: Sequence[LocalFile]) -> Iterator[Task]:
        waiting = deque(files)
        while True:
            with self.changed:
                while not self.pool.stopping:
                    if self.ready and self._has_room(self.ready[0][1]):
                        file, part = self.ready.popleft()
                        self.in_flight_bytes += _counted_bytes(part)
                        task = partial(self._put, file, part)
                        break
                    if not self.ready and waiting:
                        self.starting += 1
                        task = partial(self._start, waiting.popleft())
                        break
                    if not (self.ready or self.starting):
                        return
                    self.changed.wait(_LOOK_AGAIN_S)
                else:
                    return
            yield task

    def _has_room(self, part: ByteRange) -> bool:
        return self.in_flight_bytes + _counted_bytes(part) <= _IN_FLIGHT_BYTES

    def _start(self, source: LocalFile, buffer: memoryview) -> None:
        """Start the upload of a file; its parts are the next ones to be sent."""
        parts: Sequence[ByteRange] = ()
        file = _File(source, self.upload_of(source))
        try:
            with self._failing(source):
                parts = file.upload.start()
                file.open_parts = len(parts)
                self.progress.keep(source.size_bytes - sum(part.size_bytes for part in parts))
                if not parts:
                    self._complete(file)
        finally:
            with self.changed:
                self.starting -= 1
                self.ready.extendleft((file, part) for part in reversed(parts))
                self.changed.notify_all()

    def _put(self, file: _File, part: ByteRange, buffer: memoryview) -> None:
        """Send one part, and complete the file if it was the last one."""
        try:
            if file.source.path not in self.report.failed:
                with self._failing(file.source):
                    self._send(file, part)
                    with self.changed:
                        self.report.sent_bytes += part.size_bytes
                        file.open_parts -= 1
                        is_last = not file.open_parts
                    self.pool.count(part.size_bytes)
                    if is_last:
                        self._complete(file)
        finally:
            with self.changed:
                self.in_flight_bytes -= _counted_bytes(part)
                self.changed.notify_all()

    def _send(self, file: _File, part: ByteRange) -> None:
        with contextlib.closing(_Bodies(file.source, part, self.limiter, self.progress)) as bodies:
            with_retries(
                lambda: file.upload.put(part, bodies.open),
                retries=self.retries,
                cancel=self.cancel,
                progressed=file.upload.has_progressed,
                note=self.progress.note,
            )
            bodies.finish()

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
            if self.stop_at_failure:
                raise
            with self.changed:
                self.report.failed[source.path] = error


@dataclass
class _File:
    """A file whose upload has started."""

    source: LocalFile
    upload: Upload
    open_parts: int = 0


def _counted_bytes(part: ByteRange) -> int:
    """What a part takes of the bytes in flight; one that is larger than the whole room takes nothing of it."""
    return part.size_bytes if part.size_bytes <= _IN_FLIGHT_BYTES else 0


class _Bodies:
    """Makes the bodies of a part for each try, and keeps the progress true when one of them breaks off."""

    def __init__(self, file: LocalFile, part: ByteRange, limiter: Limiter, progress: Progress) -> None:
        self._file = file
        self._part = part
        self._limiter = limiter
        self._progress = progress
        self._counted_to = part.start
        self._current: FileBody | None = None

    def open(self, wanted: ByteRange) -> FileBody:
        """A fresh body of a range of the content."""
        self.close()
        self._count_to(wanted.start)
        self._current = FileBody(self._file, wanted, self._limiter, self._progress)
        return self._current

    def finish(self) -> None:
        """Count the part as a whole: nothing, some or all of it went through a body."""
        self.close()
        self._count_to(self._part.end)

    def close(self) -> None:
        """Close the last body, counting what was read of it."""
        if self._current is not None:
            self._counted_to += self._current.sent_bytes
            self._current.close()
            self._current = None

    def _count_to(self, position: int) -> None:
        if position != self._counted_to:
            self._progress.advance(position - self._counted_to)
            self._counted_to = position
