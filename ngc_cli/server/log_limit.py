"""A log handler that writes only so many lines of a kind: who floods the registry must not fill its disk as well."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import TextIO

# What a person would call at the same moment.
WINDOW_S = 60.0
# Enough to see what is going on; with its traceback a line may have 10 KB, so 20 kinds stay below 5 MB an hour.
LINES_PER_KIND = 5
LINES_IN_ALL = 60
# Of a message: texts that differ only further on, by an address or a number, are of one kind.
_KIND_CHARS = 40

_Kind = tuple[str, str]


class LimitedHandler(logging.StreamHandler[TextIO]):
    """Writes like its base, but in each minute only the first lines of a kind, and later how many were left out.

    A kind is the logger with the beginning of the unformatted message.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stream)
        self._clock = clock
        self._window_ends_s = 0.0
        self._seen: Counter[_Kind] = Counter()
        self._left_out: Counter[_Kind] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or count it; the base has locked this handler."""
        if self._clock() >= self._window_ends_s:
            self._begin_window()
        kind = (record.name, str(record.msg)[:_KIND_CHARS].partition("\n")[0])
        if self._seen[kind] < LINES_PER_KIND and sum(self._seen.values()) < LINES_IN_ALL:
            self._seen[kind] += 1
            super().emit(record)
        else:
            self._left_out[kind if len(self._left_out) < LINES_IN_ALL else ("", "others")] += 1

    def close(self) -> None:
        """Tell what was left out at the end."""
        self.acquire()
        try:
            self._begin_window()
        finally:
            self.release()
        super().close()

    def _begin_window(self) -> None:
        for (logger, text), count in self._left_out.items():
            told = f"left out {count} more lines like '{text}'"
            super().emit(logging.LogRecord(logger or __name__, logging.WARNING, "", 0, told, None, None))
        self._seen.clear()
        self._left_out.clear()
        self._window_ends_s = self._clock() + WINDOW_S
