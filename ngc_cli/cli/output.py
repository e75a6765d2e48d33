"""The one place that writes: results to stdout, everything else to stderr (cli-surface 1.4)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ngc_cli.errors import UsageError

if TYPE_CHECKING:
    from ngc_cli.cli.formats import View


class Output:
    """Writes results in the chosen format, and notes for the person at the terminal."""

    def __init__(self, format_type: str = "ascii", *, quiet: bool = False) -> None:
        self.format_type = format_type
        self.quiet = quiet

    def show(self, view: View, *, head: str = "") -> None:
        """Write a result; ``head`` is the line of success above it, on stderr when stdout is for machines."""
        from ngc_cli.cli.formats import render

        if head:
            self.head(head)
        text = render(view, self.format_type)
        if text:
            sys.stdout.write(text if text.endswith("\n") else text + "\n")
            sys.stdout.flush()

    def head(self, text: str) -> None:
        """A line that says what was done: stdout in ascii, stderr in csv and json."""
        if self.format_type == "ascii":
            sys.stdout.write(text + "\n")
        elif not self.quiet:
            sys.stderr.write(text + "\n")

    def raw(self, text: str) -> None:
        """Write data that has no other form (an export line, a script) to stdout as it is."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Tell the user something in passing; silent with --quiet."""
        if not self.quiet:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    def warn(self, text: str) -> None:
        """Tell the user something that needs attention, also with --quiet."""
        sys.stderr.write(f"Warning: {text}\n")
        sys.stderr.flush()


def is_interactive() -> bool:
    """Whether a person can be asked: stdin and stderr are terminals."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def confirm(question: str, name: str = "", *, assume_yes: bool, interactive: bool) -> bool:
    """Ask a yes/no question on stderr, or with a name that it be typed; raises UsageError when nobody can answer.

    Accepts y, ye, yes, n, no; asks again for anything else, and takes the end of input as no.
    """
    if assume_yes:
        return True
    if not interactive:
        raise UsageError(
            f"{question} needs an answer, and there is no terminal to ask", hint="Add -y to say yes."
        )
    while True:
        sys.stderr.write(f"{question} Type '{name}' to go on: " if name else f"{question} [y/n] ")
        sys.stderr.flush()
        line = sys.stdin.readline()
        answer = line.strip()
        if name:
            return answer == name
        if not line or answer.lower() in ("n", "no"):
            return False
        if answer.lower() in ("y", "ye", "yes"):
            return True
