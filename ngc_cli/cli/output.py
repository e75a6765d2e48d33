"""The one place that writes: results to stdout, everything else to stderr (docs/cli.md#streams).

No command asks which output format is on. It shows a view, or says what was ``done`` with the facts of it, or gives
people a ``text`` and programs the ``data``; the format decides what becomes of that.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ngc_cli.errors import NgcError, UsageError
from ngc_cli.terminal_text import visible, visible_lines

if TYPE_CHECKING:
    from pathlib import Path

    from ngc_cli.cli.formats import Format, Message, View

# The colours that compilers, git and pip use for these words: ANSI bold red and bold yellow.
_COLOURS = {"error": "\033[1;31m", "warning": "\033[1;33m"}
_RESET = "\033[0m"


class Output:
    """Writes results in the chosen format, and messages for the person at the terminal."""

    def __init__(
        self,
        format_type: str = "ascii",
        *,
        quiet: bool = False,
        colour: bool = False,
        query: str | None = None,
    ) -> None:
        self._format_type = format_type
        self._query = query
        self._collected: list[Any] | None = None
        self._quiet = quiet
        self._colour = colour

    @property
    def _format(self) -> Format:
        from ngc_cli.cli.formats import OUTPUT_FORMATS

        return OUTPUT_FORMATS[self._format_type]

    @property
    def shows_progress(self) -> bool:
        """Whether progress may be drawn on stderr beside this output."""
        return self._format.shows_progress

    @property
    def _for_people(self) -> bool:
        """Whether the result is text for people; a query asks for data, whatever the format."""
        return self._format.for_people and self._query is None

    def show(self, view: View, *, headline: str = "", ids: Sequence[str] | None = None) -> None:
        """Write a result, and above it a line that says what was done.

        ``ids`` are what a list is about, each as the next command takes it: with --quiet people get these alone.
        """
        if headline:
            self.headline(headline)
        if self._collected is not None:
            self._collected.append(view.data)
            return
        if self._query is not None:
            self._show_found(view.data, self._query)
            return
        if ids is not None and self._quiet and self._for_people:
            self.text("".join(f"{item}\n" for item in ids))
            return
        text = self._format.render(view)
        if text:
            self.raw(text if text.endswith("\n") else text + "\n")
        if self._format.for_people:
            self._note_left_out(view)

    def _note_left_out(self, view: View) -> None:
        """Note the columns that a table had no room for."""
        from ngc_cli.cli.formats import left_out

        hidden = ", ".join(left_out(view))
        if hidden:
            self.note(f"Not shown for lack of room: {hidden}. --format_type csv shows all.")

    @contextmanager
    def together(self) -> Iterator[None]:
        """Several results of one command: in json they become one list, which is written at the end."""
        if self._format_type != "json":
            yield
            return
        self._collected = []
        try:
            yield
        finally:
            collected, self._collected = self._collected, None
            if collected:
                self.json(collected)

    def _show_found(self, data: Any, expression: str) -> None:
        """Write what --query finds: lines where that is enough, JSON as JSON."""
        from ngc_cli.cli import query
        from ngc_cli.cli.formats import facts_view

        found = query.search(data, expression)
        lines = query.lines(found)
        if self._format_type == "json":
            self.raw(self._format.render(dataclasses.replace(facts_view({}), data=found)) + "\n")
        elif lines is not None:
            self.raw("".join(visible_lines(line) + "\n" for line in lines))
        else:
            self.raw(self._format.render(query.view(found)).rstrip("\n") + "\n")

    def json(self, data: Any) -> None:
        """Write a result that is JSON in every format, or what --query finds in it."""
        from ngc_cli.cli.formats import OUTPUT_FORMATS, facts_view

        if self._query is not None:
            self._show_found(data, self._query)
        else:
            self.raw(OUTPUT_FORMATS["json"].render(dataclasses.replace(facts_view({}), data=data)) + "\n")

    def file(self, path: Path) -> None:
        """Write the bytes of a file, as they are."""
        import shutil

        sys.stdout.flush()
        with path.open("rb") as source:
            shutil.copyfileobj(source, sys.stdout.buffer)
        sys.stdout.buffer.flush()

    def done(self, text: str, **facts: Any) -> None:
        """Say what was done: the text for people, the facts as the result for programs."""
        from ngc_cli.cli.formats import facts_view

        if text:
            self.headline(text)
        self.data(lambda: facts_view(facts))

    def value(self, text: str, **facts: Any) -> None:
        """Write one value, bare for people and shells, with its facts for programs."""
        from ngc_cli.cli.formats import facts_view

        self.text(text + "\n")
        self.data(lambda: facts_view(facts))

    def text(self, text: str) -> None:
        """Write a result as text for people; programs get the ``data`` of it."""
        if self._for_people:
            self.raw(visible_lines(text))

    def data(self, make_view: Callable[[], View]) -> None:
        """Write the result of what people have been given as text; the view is made only if it is shown."""
        if not self._for_people:
            self.show(make_view())

    def headline(self, text: str) -> None:
        """A line that says what was done: part of the result for people, else a note."""
        if self._for_people:
            self.raw(visible_lines(text) + "\n")
        else:
            self.note(text)

    def raw(self, text: str) -> None:
        """Write text that is the same in every format (lines for a shell) to stdout as it is."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Write a remark in passing to stderr; silent with --quiet."""
        if text and not self._quiet:
            self._message("note", text)

    def warn(self, text: str) -> None:
        """Write something that needs attention to stderr, also with --quiet."""
        self._message("warning", text)

    def debug(self, text: str) -> None:
        """Write a line of the debug log to stderr."""
        self._message("debug", text)

    def error(self, error: NgcError, exit_code: int, *, context: str = "", request: str = "") -> None:
        """Write what went wrong to stderr, as the last thing of a command.

        ``context`` says as whom the command ran, ``request`` which request failed.
        """
        facts = {
            "code": error.code,
            "exit_code": exit_code,
            "hint": error.hint,
            "context": context,
            "request_id": error.request_id,
        }
        details = [text for text in (context, error.hint, request) if text]
        given = {name: value for name, value in facts.items() if value != ""}
        self._message("error", error.message, details, given)

    def help(self, text: str, error: NgcError) -> None:
        """Write the help of an incomplete command line to stderr; programs get the error."""
        if self._format.for_people:
            sys.stderr.write(text + "\n")
        else:
            self.error(error, error.exit_code)

    def _message(
        self, kind: str, text: str, details: list[str] | None = None, facts: Mapping[str, Any] | None = None
    ) -> None:
        from ngc_cli.cli.formats import Message

        message = Message(kind, text, details or (), facts or {})
        sys.stderr.write(self._format.message(message, self._paint) + "\n")
        sys.stderr.flush()

    def _paint(self, message: Message, word: str) -> str:
        return f"{_COLOURS[message.kind]}{word}{_RESET}" if self._colour else word


def wants_colour(environ: Mapping[str, str], *, no_color: bool) -> bool:
    """Whether words on stderr may be coloured: on a terminal, unless --no-color, NO_COLOR or a plain TERM forbid it."""
    plain = no_color or environ.get("NO_COLOR") or environ.get("TERM", "") in ("", "dumb")
    return not plain and sys.stderr is not None and sys.stderr.isatty()


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
    shown = visible_lines(question)
    while True:
        sys.stderr.write(f"{shown} Type '{visible(name)}' to go on: " if name else f"{shown} [y/n] ")
        sys.stderr.flush()
        line = sys.stdin.readline()
        answer = line.strip()
        if name:
            return answer == name
        if not line or answer.lower() in ("n", "no"):
            return False
        if answer.lower() in ("y", "ye", "yes"):
            return True
