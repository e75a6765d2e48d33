"""Progress as events: lower layers report, the cli decides on a bar, plain lines or silence. Leaf module."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receiver of progress; every method may be called from any thread."""

    def begin(self, phase: str, total_bytes: int, total_files: int) -> None:
        """Start a phase (``hash``, ``download``, ``upload``, ``commit``, ``verify``); sizes of 0 are not known."""

    def advance(self, byte_count: int) -> None:
        """Count bytes; negative when a retry takes back what did not hold."""

    def keep(self, byte_count: int) -> None:
        """Count bytes that were there before: they are done, and say nothing about the speed."""

    def file_done(self, name: str) -> None:
        """Count one finished file."""

    def note(self, text: str) -> None:
        """Tell the user one line at once (a retry, a skipped file, a resume)."""

    def end(self) -> None:
        """Finish the running phase."""


class Silent:
    """The default receiver: ignores everything."""

    def begin(self, phase: str, total_bytes: int, total_files: int) -> None:
        """Ignore."""

    def advance(self, byte_count: int) -> None:
        """Ignore."""

    def keep(self, byte_count: int) -> None:
        """Ignore."""

    def file_done(self, name: str) -> None:
        """Ignore."""

    def note(self, text: str) -> None:
        """Ignore."""

    def end(self) -> None:
        """Ignore."""
