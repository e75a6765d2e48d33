"""Progress on stderr: a tqdm bar on a terminal, plain lines a few times a minute elsewhere, or only its notes.

Workers only add to counters; one thread draws, so a reader that stops draining stderr never slows a transfer.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ngc_cli.cli.output import Output
from ngc_cli.events import Progress, Silent
from ngc_cli.units import format_duration, format_size

_BAR_INTERVAL_S = 0.1  # ten times a second looks steady, and costs a thread less than 1 % of a core
_LINE_INTERVAL_S = 15.0  # four lines a minute show in a log that work goes on, and do not fill it
_PHASE_WORDS = {
    "compress": "Compressing",
    "download": "Downloading",
    "hash": "Hashing",
    "upload": "Uploading",
    "verify": "Verifying",
    "write": "Writing",
}


@contextmanager
def progress(output: Output, *, silent: bool, ascii_bar: bool = False) -> Iterator[Progress]:
    """The progress of a command: a redrawn bar, plain lines, or, if silent, nothing but its notes.

    Notes go through ``output``. A format that is for programs on both streams has no progress.
    """
    if silent or not output.shows_progress:
        yield _NotesOnly(output)
        return
    meter = _Bar(output, ascii_bar) if sys.stderr.isatty() else _Lines(output)
    try:
        yield meter
    finally:
        meter.close()


class _NotesOnly(Silent):
    """No progress; the notes are written."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def note(self, text: str) -> None:
        """Write one note."""
        self._output.note(text)


class _Meter:
    """Counters that any thread may change, and the thread that draws them."""

    interval_s: float

    def __init__(self, output: Output) -> None:
        self._output = output
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._notes: list[str] = []
        self.phase = ""
        self.total_bytes = self.total_files = self.done_bytes = self.done_files = 0
        self.started_s = time.monotonic()

    def begin(self, phase: str, total_bytes: int, total_files: int) -> None:
        """Start a phase and the thread that draws it."""
        self.end()
        self.phase, self.total_bytes, self.total_files = phase, total_bytes, total_files
        self.done_bytes = self.done_files = 0
        self.started_s = time.monotonic()
        self.opened()
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
        self._thread.start()

    def advance(self, byte_count: int) -> None:
        """Count bytes, or take them back."""
        with self._lock:
            self.done_bytes += byte_count

    def file_done(self, name: str) -> None:
        """Count a file."""
        with self._lock:
            self.done_files += 1

    def note(self, text: str) -> None:
        """Hand a line to the drawing thread, or write it at once when none runs."""
        with self._lock:
            self._notes.append(text)
        if self._thread is None:
            self._flush_notes()

    def end(self) -> None:
        """Stop drawing; waits at most half a second for a reader that does not drain."""
        if self._thread is not None:
            self._stop.set()
            self._thread.join(0.5)
            self._thread = None
            self.closed()
        self._flush_notes()

    def close(self) -> None:
        """The command is over."""
        self.end()

    def _run(self) -> None:
        while not self._stop.wait(self.interval_s):
            self._flush_notes()
            self.draw()

    def _flush_notes(self) -> None:
        with self._lock:
            notes, self._notes = self._notes, []
        for text in notes:
            self.write_note(text)

    def write_note(self, text: str) -> None:
        """Write one note."""
        self._output.note(text)

    def opened(self) -> None:
        """A phase begins."""

    def draw(self) -> None:
        """Show the counters."""

    def closed(self) -> None:
        """A phase has ended."""


class _Lines(_Meter):
    """A plain line every 15 seconds, without carriage returns or escapes."""

    interval_s = _LINE_INTERVAL_S

    def draw(self) -> None:
        elapsed_s = max(time.monotonic() - self.started_s, 0.001)
        rate = format_size(self.done_bytes / elapsed_s)
        self.write_note(
            f"{_PHASE_WORDS.get(self.phase, self.phase)}: {format_size(self.done_bytes)} of {format_size(self.total_bytes)}, "
            f"{self.done_files} of {self.total_files} files, {rate}/s, {format_duration(elapsed_s)}"
        )


class _Bar(_Meter):
    """A tqdm bar, redrawn at most ten times a second."""

    interval_s = _BAR_INTERVAL_S

    def __init__(self, output: Output, ascii_bar: bool) -> None:
        super().__init__(output)
        self._ascii_bar = ascii_bar
        self._bar: Any = None

    def opened(self) -> None:
        from tqdm import tqdm

        self._bar = tqdm(
            total=self.total_bytes,
            desc=_PHASE_WORDS.get(self.phase, self.phase),
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            ascii=self._ascii_bar or None,
            file=sys.stderr,
            dynamic_ncols=True,
            mininterval=0,
            leave=False,
        )

    def draw(self) -> None:
        self._bar.set_postfix_str(f"{self.done_files}/{self.total_files} files", refresh=False)
        self._bar.n = min(max(self.done_bytes, 0), self.total_bytes)
        self._bar.refresh()

    def write_note(self, text: str) -> None:
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            super().write_note(text)

    def closed(self) -> None:
        self._bar.close()
        self._bar = None
