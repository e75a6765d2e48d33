"""How our programs answer the TAB key: the protocol with the scripts that shells load. Leaf module.

A script calls ``PROGRAM __complete bash LINE BREAKS``, the line up to the cursor and the characters at which bash
breaks words, or ``PROGRAM __complete SHELL WORD... INCOMPLETE``, without the name of the program. The answer is a
line that says how to treat the values, and the values with their help after a tab:

    values | open | files | folders
    nvidia/bert<TAB>A language model

``open`` values may go on, so no blank follows; ``files`` and ``folders`` leave the rest to the shell.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from typing import Any

COMMAND = "__complete"
"""The first word of a command line that comes from a script."""
FETCH_COMMAND = "__suggest"
"""The first word of the command line of the process that fetches names beside it."""
STARTED_S = time.monotonic()
"""When the TAB was pressed, nearly: this is the first of our modules that a completion imports."""
_PATHS = ("path", "file", "directory")


class Open(str):
    """A value that may go on, such as a model before its version."""

    __slots__ = ()


class OfShell(str):
    """``files`` or ``folders``: stands for those that are here, which the shell itself offers."""

    __slots__ = ()

    def startswith(self, *_: Any) -> bool:
        """Whatever is typed may be the beginning of a file's name."""
        return True


def reply(argv: Sequence[str], candidates: Callable[[list[str], str], Sequence[Any]]) -> str:
    """The answer to what comes after ``__complete``; empty when that fails, for nobody reads an error while typing.

    ``candidates`` gives the completion items of Typer for the words before the cursor and the incomplete one. Only
    values that mean themselves in every shell are offered: names come from servers, and ``$(...)`` would be run.
    """
    try:
        return _reply(argv, candidates)
    except Exception:  # noqa: BLE001 - see above
        return ""


def _reply(argv: Sequence[str], candidates: Callable[[list[str], str], Sequence[Any]]) -> str:
    shell, *rest = argv
    trimmed = 0
    if shell == "bash":
        words, incomplete, quoted = split_line(rest[0])
        if not quoted:
            trimmed = max(incomplete.rfind(character) for character in f"{rest[1]}\0") + 1
    else:
        *words, incomplete = rest
    items = candidates(words, incomplete)
    for item in items:
        if isinstance(item.value, OfShell):
            return f"{item.value}\n"
    offered = [item for item in items if is_plain(item.value)]
    kind = "open" if any(isinstance(item.value, Open) for item in offered) else "values"
    lines = [f"{item.value[trimmed:]}\t{' '.join((item.help or '').split())}" for item in offered]
    return "\n".join([kind, *lines]) + "\n"


def is_plain(value: str) -> bool:
    """Whether a value is one word in every shell, with nothing to be expanded."""
    return shlex.quote(value) == value


def split_line(line: str) -> tuple[list[str], str, bool]:
    """The words of a line after the program, the incomplete one, and whether that has an open quote."""
    lexer = shlex.shlex(line, posix=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    words: list[str] = []
    quoted = False
    try:
        words.extend(lexer)
    except ValueError:  # the end came inside a quote or after a backslash
        words.append(lexer.token)
        quoted = True
    if not quoted and (not line or line[-1].isspace()):
        words.append("")
    return words[1:-1], words[-1] if len(words) > 1 else "", quoted


def candidates(root: Any, words: list[str], incomplete: str, *, program: str, obj: Any = None) -> list[Any]:
    """The completion items that a command tree offers, by Typer's own walk through the words.

    Typer offers no files for its paths, but leaves that to the shell; here it is said.
    """
    from typer._click.shell_completion import CompletionItem, _resolve_context, _resolve_incomplete

    context = _resolve_context(root, {"obj": obj}, program, words)
    asked, typed = _resolve_incomplete(context, list(words), incomplete)
    if words and words[-1] in getattr(asked, "opts", ()):
        # An option without its value ends the parsing, and what stands before it would be lost.
        context = _resolve_context(root, {"obj": obj}, program, words[:-1])
    items = asked.shell_complete(context, typed)
    if not items and getattr(getattr(asked, "type", None), "name", "") in _PATHS:
        return [CompletionItem(OfShell("files"))]
    name, equals, _ = incomplete.partition("=")
    if not (equals and name.startswith("--")):
        return items
    for item in items:
        item.value = f"{name}={item.value}"
    return items
