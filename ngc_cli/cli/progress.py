"""Progress on stderr: a bar on a terminal, plain lines a few times a minute elsewhere, json, or only its notes.

Workers only add to counters; one thread draws, so a reader that stops draining stderr never slows a transfer.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ngc_cli.cli.output import Output
from ngc_cli.events import Progress, Silent
from ngc_cli.terminal_text import visible
from ngc_cli.units import format_duration, format_size

STYLES = ("auto", "plain", "json", "none")
_BAR_INTERVAL_S = 0.1  # ten times a second looks steady, and costs a thread less than 1 % of a core
_LINE_INTERVAL_S = 15.0  # four lines a minute show in a log that work goes on, and do not fill it
_JSON_INTERVAL_S = 1.0  # a program that draws its own bar wants a line a second
# Under the first width the bar itself goes, under the second everything but the percentage.
_BAR_FROM_COLUMNS = 70
_NUMBERS_FROM_COLUMNS = 40
# Beside the numbers a name needs some twenty letters to be known again.
_NAME_FROM_COLUMNS = 120
_NAME_COLUMNS = 30
# For the cursor and the ^C of an interrupt: both must stay in the line that is erased.
_ROOM_COLUMNS = 3
_CLEAR_LINE = "\r\x1b[2K"
_PHASE_WORDS = {
    "commit": "Committing",
    "compress": "Compressing",
    "download": "Downloading",
    "hash": "Hashing",
    "upload": "Uploading",
    "verify": "Verifying",
    "write": "Writing",
}


@contextmanager
def progress(
    output: Output, *, silent: bool, ascii_bar: bool = False, style: str = "auto"
) -> Iterator[Progress]:
    """The progress of a command: a redrawn bar, plain lines, json, or, if silent, nothing but its notes.

    ``style`` is one of ``STYLES``. Notes go through ``output``. A format that is for programs on both streams has no
    progress unless it is asked for as json.
    """
    if style == "none" or (style != "json" and (silent or not output.shows_progress)):
        yield _NotesOnly(output)
        return
    meter: _Meter
    if style == "json":
        meter = _Json(output)
    elif style == "auto" and draws_bars(os.environ):
        meter = _Bar(output, ascii_bar)
    else:
        meter = _Lines(output)
    try:
        yield meter
    finally:
        meter.close()


def draws_bars(environ: Mapping[str, str]) -> bool:
    """Whether stderr is a terminal that can redraw a line: not a dumb one, nor that of a build, nor one of no size."""
    if environ.get("TERM", "") in ("", "dumb") or environ.get("CI", "") not in ("", "0", "false"):
        return False
    try:
        return sys.stderr.isatty() and os.get_terminal_size(sys.stderr.fileno()).columns > 0
    except (OSError, ValueError):
        return False


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
        self._noted: set[str] = set()
        self.phase = self.last_name = ""
        self.total_bytes = self.total_files = self.done_bytes = self.done_files = self.kept_bytes = 0
        self.started_s = time.monotonic()

    def begin(self, phase: str, total_bytes: int, total_files: int) -> None:
        """Start a phase and the thread that draws it."""
        self.end()
        self.phase, self.total_bytes, self.total_files = phase, total_bytes, total_files
        self.done_bytes = self.done_files = self.kept_bytes = 0
        self.last_name = ""
        self.started_s = time.monotonic()
        self.opened()
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
        self._thread.start()

    def advance(self, byte_count: int) -> None:
        """Count bytes, or take them back."""
        with self._lock:
            self.done_bytes += byte_count

    def keep(self, byte_count: int) -> None:
        """Count bytes that were there before."""
        with self._lock:
            self.done_bytes += byte_count
            self.kept_bytes += byte_count

    def file_done(self, name: str) -> None:
        """Count a file."""
        with self._lock:
            self.done_files += 1
            self.last_name = name

    def note(self, text: str) -> None:
        """Hand a line to the drawing thread, or write it at once when none runs.

        A line that was written in this phase is not written again: all workers lose a connection at the same time.
        """
        with self._lock:
            if self._thread is not None and text in self._noted:
                return
            self._noted.add(text)
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
        self._noted.clear()

    def close(self) -> None:
        """The command is over."""
        self.end()

    @property
    def word(self) -> str:
        """What is being done."""
        return _PHASE_WORDS.get(self.phase, self.phase)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the phase began."""
        return max(time.monotonic() - self.started_s, 0.001)

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
    """A plain line when a phase begins and every 15 seconds, without carriage returns or escapes."""

    interval_s = _LINE_INTERVAL_S

    def opened(self) -> None:
        files = f" {self.total_files} files, {format_size(self.total_bytes)}" if self.total_files else " ..."
        self.write_note(f"{self.word}{files}")

    def draw(self) -> None:
        kept = f", {format_size(self.kept_bytes)} were there before" if self.kept_bytes else ""
        rate = format_size(max(self.done_bytes - self.kept_bytes, 0) / self.elapsed_s)
        name = f", last {self.last_name}" if self.last_name else ""
        self.write_note(
            f"{self.word}: {format_size(self.done_bytes)} of {format_size(self.total_bytes)}{kept}, "
            f"{self.done_files} of {self.total_files} files, {rate}/s, {format_duration(self.elapsed_s)}{name}"
        )


class _Json(_Meter):
    """A JSON object a line: when a phase begins and ends, and every second between."""

    interval_s = _JSON_INTERVAL_S

    def opened(self) -> None:
        self.draw()

    def draw(self) -> None:
        self._write("running")

    def closed(self) -> None:
        self._write("ended")

    def _write(self, state: str) -> None:
        facts: dict[str, Any] = {
            "phase": self.phase,
            "state": state,
            "bytes_done": self.done_bytes,
            "bytes_kept": self.kept_bytes,
            "bytes_total": self.total_bytes,
            "files_done": self.done_files,
            "files_total": self.total_files,
            "last_file": self.last_name,
            "elapsed_s": round(self.elapsed_s, 3),
        }
        sys.stderr.write(json.dumps({"progress": facts}, sort_keys=True) + "\n")
        sys.stderr.flush()

    def write_note(self, text: str) -> None:
        sys.stderr.write(json.dumps({"note": text}) + "\n")
        sys.stderr.flush()


class _Bar(_Meter):
    """A line that is redrawn ten times a second and goes away at the end."""

    interval_s = _BAR_INTERVAL_S

    def __init__(self, output: Output, ascii_bar: bool) -> None:
        super().__init__(output)
        self._ascii_bar = ascii_bar
        self._shown_columns = 0

    def draw(self) -> None:
        columns = shutil.get_terminal_size().columns
        text = self.text(columns - _ROOM_COLUMNS)
        self._write(self._clear(columns) + text)
        self._shown_columns = len(text)

    def text(self, columns: int) -> str:
        """What the line says, in at most so many columns."""
        if not self.total_bytes:
            return f"{self.word} ... {format_duration(self.elapsed_s)}"[:columns]
        done = min(max(self.done_bytes, 0), self.total_bytes)
        percentage = f"{100 * done // self.total_bytes}%"
        if columns < _NUMBERS_FROM_COLUMNS:
            return f"{self.word} {percentage}" if len(self.word) + 5 <= columns else percentage
        numbers = f" {format_size(done)} of {format_size(self.total_bytes)} {self._details(done, columns)}"
        if columns < _BAR_FROM_COLUMNS:
            return f"{self.word} {percentage}{numbers}"[:columns]
        from tqdm import tqdm

        line: str = tqdm.format_meter(
            done,
            self.total_bytes,
            self.elapsed_s,
            ncols=columns,
            prefix=self.word,
            ascii=self._ascii_bar,
            bar_format="{l_bar}{bar}|" + numbers.replace("{", "{{").replace("}", "}}"),
        )
        return line[:columns]

    def _details(self, done: int, columns: int) -> str:
        """Files, time left, speed, and what else there is room for."""
        rate = max(done - self.kept_bytes, 0) / self.elapsed_s
        parts = [f"{self.done_files}/{self.total_files} files"]
        if columns >= _BAR_FROM_COLUMNS:
            parts.append(f"{format_size(rate)}/s")
            if rate > 0:
                parts.append(f"{format_duration((self.total_bytes - done) / rate)} left")
        if self.kept_bytes and columns >= _NAME_FROM_COLUMNS:
            parts.append(f"{format_size(self.kept_bytes)} there before")
        if self.last_name and columns >= _NAME_FROM_COLUMNS:
            parts.append(visible(self.last_name)[:_NAME_COLUMNS])
        return f"[{', '.join(parts)}]"

    def _clear(self, columns: int) -> str:
        """Erase what was drawn; after the window has become narrower that may be on several lines."""
        lines_above = max(self._shown_columns - 1, 0) // max(columns, 1)
        up = f"\x1b[{lines_above}A" if lines_above else ""
        return f"{up}{_CLEAR_LINE}" + ("\x1b[J" if lines_above else "")

    def write_note(self, text: str) -> None:
        if self._shown_columns:
            self._write(self._clear(shutil.get_terminal_size().columns))
            self._shown_columns = 0
        super().write_note(text)

    def closed(self) -> None:
        if self._shown_columns:
            self._write(self._clear(shutil.get_terminal_size().columns))
            self._shown_columns = 0

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
