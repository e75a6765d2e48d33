"""Questions with answers from a terminal, or from lines that a script pipes in the same order."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

from ngc_cli.errors import ConfigError, NgcError, NotAuthenticated, UsageError
from ngc_cli.terminal_text import visible

Answer = TypeVar("Answer")

# A key is a few hundred characters; a file piped in by mistake must not fill the memory.
_INPUT_LIMIT = 1 << 20


class Questions:
    """Asks on stderr. At a terminal a wrong answer is asked for again; in a pipe it ends the command, because the
    lines behind it are the answers to other questions."""

    def __init__(self, *, interactive: bool) -> None:
        self._terminal = sys.stdin is not None and sys.stdin.isatty()
        self._interactive = interactive

    def ask(
        self,
        what: str,
        option: str,
        check: Callable[[str], Answer],
        *,
        default: str = "",
        shown: str = "",
        hidden: bool = False,
    ) -> Answer:
        """The checked answer; an empty one stands for ``default``, which is ``shown`` in the question.

        Raises UsageError naming the option when there is neither a terminal to ask nor a line to read.
        """
        offer = shown or default
        question = visible(what[:1].upper() + what[1:] + (f" [{offer}]: " if offer else ": "))
        while True:
            line = self._line(question, hidden)
            if line is None:
                raise UsageError(
                    f"no answer for the {what}: there is no terminal to ask, or the input has ended",
                    hint=f"Give it with {option}.",
                )
            try:
                return check(line.strip() or default)
            except (UsageError, ConfigError, NotAuthenticated) as error:
                if not self._terminal:
                    raise
                _complain(error)

    def secret_from_stdin(self) -> str:
        """All of a piped stdin, or a line typed blindly at a terminal; without the white space around it."""
        if self._terminal:
            return (self._line("API key: ", hidden=True) or "").strip()
        return _read(lambda: sys.stdin.read(_INPUT_LIMIT)).strip() if sys.stdin is not None else ""

    def _line(self, question: str, hidden: bool) -> str | None:
        """One line as typed or piped; None when nobody answers."""
        if sys.stdin is None or (self._terminal and not self._interactive):
            return None
        if self._terminal and hidden:
            from getpass import getpass

            try:
                return getpass(question, stream=sys.stderr)
            except EOFError:
                return None
        sys.stderr.write(question if self._terminal else question.rstrip() + "\n")
        sys.stderr.flush()
        return _read(sys.stdin.readline) or None


def _complain(error: NgcError) -> None:
    sys.stderr.write(visible(f"{error.message[:1].upper()}{error.message[1:]}. {error.hint}") + "\n")


def _read(read: Callable[[], str]) -> str:
    try:
        return read()
    except UnicodeDecodeError:
        raise UsageError("the input is not text in UTF-8") from None
