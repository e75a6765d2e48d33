"""A pool of workers that grows while it pays, a rate limit for all of them, and retries."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from ngc_cli.errors import IntegrityError, NetworkError, NgcError, ServerError

# Each worker owns one, so this bounds the memory: 16 workers hold 16 MiB.
BUFFER_BYTES = 1024 * 1024
# Four wasted 23 MiB at a kill that came early, two stay below 16 MiB.
_FIRST_WORKERS = 2
# Long enough that a rate is more than noise, short enough that a transfer of seconds still grows.
_OBSERVE_S = 0.25
# A further worker stays if the rate grew by 15 percent: less is noise.
_WORTH = 1.15
# What the requests of a small file cost, in bytes: else small files would look slow.
_FILE_WORTH_BYTES = 256 * 1024
# After a Ctrl-C workers have this long to end before they are left behind.
_GIVE_UP_S = 1.0
# A person sees that something goes on.
_LONGEST_WAIT_S = 15.0
# Who is told to wait longer than this had rather know it and come back.
_LONGEST_ASKED_S = 120.0

Task = Callable[[memoryview], None]
Result = TypeVar("Result")


class Cancelled(NgcError):
    """The user stopped the transfer; raised inside workers only."""


class Limiter:
    """A limit on bytes per second for all workers together; 0 means none."""

    def __init__(self, rate_bytes_per_s: int, cancel: threading.Event) -> None:
        self._rate = rate_bytes_per_s
        self._cancel = cancel
        self._lock = threading.Lock()
        self._free_at_s = 0.0

    @property
    def step_bytes(self) -> int:
        """How much to move between two calls of ``take``: a tenth of a second's worth, at most a buffer."""
        return BUFFER_BYTES if not self._rate else min(BUFFER_BYTES, max(self._rate // 10, 4096))

    def take(self, byte_count: int) -> None:
        """Wait until this many bytes may have been moved; raises Cancelled."""
        if self._rate:
            with self._lock:
                now_s = time.monotonic()
                self._free_at_s = max(self._free_at_s, now_s) + byte_count / self._rate
                wait_s = self._free_at_s - now_s
            self._cancel.wait(wait_s)
        if self._cancel.is_set():
            raise Cancelled("interrupted")


class Pool:
    """Runs tasks in threads, each with a buffer of its own; starts few and adds more while the rate grows.

    ``tick`` is called several times a second while it runs, ``on_cancel`` once after a cancel.
    """

    def __init__(
        self,
        threads: int,
        cancel: threading.Event,
        *,
        tick: Callable[[], None] = lambda: None,
        on_cancel: Callable[[], None] = lambda: None,
    ) -> None:
        self._threads = threads
        self._cancel = cancel
        self._tick = tick
        self._on_cancel = on_cancel
        self._stop = threading.Event()
        self._source_lock = threading.Lock()
        self._count_lock = threading.Lock()
        self._moved_bytes = 0
        self._errors: list[BaseException] = []
        self._workers: list[threading.Thread] = []

    def count(self, byte_count: int, files: int = 0) -> None:
        """Report work done: what the pool watches to decide on more workers."""
        with self._count_lock:
            self._moved_bytes += byte_count + files * _FILE_WORTH_BYTES

    @property
    def stopping(self) -> bool:
        """Whether workers should finish at once."""
        return self._cancel.is_set() or self._stop.is_set()

    def run(self, tasks: Iterable[Task]) -> None:
        """Run all tasks, which are taken from the iterable one by one as workers get free.

        An exception of a task, or of the iterable, stops the pool and is raised here. After a cancel the workers
        have a second to end; they are daemons, so one that hangs in a system call does not keep the process.
        """
        source = iter(tasks)
        self._add_workers(min(_FIRST_WORKERS, self._threads), source)
        best_rate = 0.0
        mark_s, mark_bytes = time.monotonic(), self._moved_bytes
        give_up_at_s = 0.0
        while alive := [worker for worker in self._workers if worker.is_alive()]:
            alive[0].join(0.05)
            self._tick()
            now_s = time.monotonic()
            if self.stopping:
                if not give_up_at_s:
                    give_up_at_s = now_s + _GIVE_UP_S
                    self._on_cancel()
                elif now_s > give_up_at_s:
                    break
            elif now_s - mark_s >= _OBSERVE_S and len(self._workers) < self._threads:
                rate = (self._moved_bytes - mark_bytes) / (now_s - mark_s)
                if rate > best_rate * _WORTH:
                    best_rate = rate
                    self._add_workers(min(len(self._workers), self._threads - len(self._workers)), source)
                mark_s, mark_bytes = now_s, self._moved_bytes
        if self._errors and not self._cancel.is_set():
            raise self._errors[0]

    @property
    def has_ended(self) -> bool:
        """Whether no worker is left, as it should be after ``run``."""
        return not any(worker.is_alive() for worker in self._workers)

    def _add_workers(self, count: int, source: Iterator[Task]) -> None:
        for _ in range(count):
            worker = threading.Thread(target=self._work, args=(source,), name="transfer", daemon=True)
            worker.start()
            self._workers.append(worker)

    def _work(self, source: Iterator[Task]) -> None:
        buffer = memoryview(bytearray(BUFFER_BYTES))
        try:
            while not self.stopping:
                with self._source_lock:
                    task = next(source, None)
                if task is None:
                    return
                task(buffer)
        except Cancelled:
            pass
        except BaseException as error:  # noqa: BLE001 - handed to run(), which raises it
            self._errors.append(error)
            self._stop.set()


def with_retries(
    attempt: Callable[[], Result],
    *,
    retries: int,
    cancel: threading.Event,
    progressed: Callable[[], bool] = lambda: False,
    note: Callable[[str], None] = lambda text: None,
) -> Result:
    """Call until it works; network, server and integrity errors are tried again after a growing, jittered wait.

    An attempt that ``progressed`` begins the count anew. The wait is never shorter than a server asked for.
    Raises the last error, or Cancelled.
    """
    failures = 0
    while True:
        try:
            return attempt()
        except (NetworkError, ServerError, IntegrityError) as error:
            if cancel.is_set():
                raise Cancelled("interrupted") from error
            failures = 1 if progressed() else failures + 1
            if failures > retries or error.retry_after_s > _LONGEST_ASKED_S:
                raise
            longest_s = max(min(0.25 * 2**failures, _LONGEST_WAIT_S), error.retry_after_s)
            note(
                f"{error.message}: trying again within {longest_s:g} s (try {failures + 1} of {retries + 1})"
            )
            wait_s = random.uniform(0.5, 1.0) * longest_s  # noqa: S311 - spreads retries, guards nothing
            cancel.wait(max(wait_s, error.retry_after_s))
