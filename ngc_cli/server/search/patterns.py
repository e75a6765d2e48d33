"""Shell patterns as conditions on a column that is sorted byte for byte.

The meaning is that of Python's ``fnmatch.fnmatchcase``: ``*`` and ``?`` match ``/`` too, ``[a-c]`` is a set and ``[!a]``
its opposite, a bracket that is not closed stands for itself.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_

# Greater than every character of a name, in the order of bytes and of code points.
_LAST = "\U0010ffff"
_TOKEN = re.compile(r"\*+|\?|\[(?:!(?P<others>\][^\]]*|[^\]]+)|(?P<set>\][^\]]*|(?!!)[^\]]+))\]|.", re.DOTALL)
_MEMBER = re.compile(r"(.)-(.)|(.)", re.DOTALL)


class _Token(NamedTuple):
    """``*``, ``?``, a literal character, or a set of characters given as ranges."""

    kind: str
    text: str = ""
    ranges: tuple[tuple[str, str], ...] = ()
    is_negated: bool = False


def matching(column: Any, pattern: str, dialect: str) -> ColumnElement[bool] | None:
    """The condition that a text column matches a pattern, on a ``dialect`` of SQLAlchemy; None when everything does."""
    tokens = _tokens(pattern)
    if [token.kind for token in tokens] == ["*"]:
        return None
    prefix = ""
    for token in tokens:
        if token.kind != "literal":
            break
        prefix += token.text
    if len(prefix) == len(tokens):
        return column == prefix  # type: ignore[no-any-return]
    if dialect == "sqlite":
        whole = column.op("GLOB")(_glob(tokens))
    elif any(token.kind == "set" for token in tokens):
        whole = column.op("~")(_regex(tokens))
    else:
        whole = column.like(_like(tokens), escape="\\")
    # The prefix as a range is what an index serves, whatever the planner makes of the pattern.
    return and_(column >= prefix, column < prefix + _LAST, whole) if prefix else whole


def _tokens(pattern: str) -> list[_Token]:
    found = []
    for match in _TOKEN.finditer(pattern):
        text = match.group()
        members = match["others"] or match["set"]
        if members is not None:
            found.append(_Token("set", ranges=_ranges(members), is_negated=match["others"] is not None))
        elif text[0] == "*" or text == "?":
            found.append(_Token(text[0]))
        else:
            found.append(_Token("literal", text))
    return found


def _ranges(members: str) -> tuple[tuple[str, str], ...]:
    """The members of a set; a range whose ends are in the wrong order is empty, as in Python."""
    found = ((item[1], item[2]) if item[1] else (item[3], item[3]) for item in _MEMBER.finditer(members))
    return tuple((low, high) for low, high in found if low <= high)


def _glob(tokens: list[_Token]) -> str:
    """SQLite's GLOB, where ``^`` negates a set and a set of one quotes a character."""
    return "".join(map(_glob_part, tokens))


def _glob_part(token: _Token) -> str:
    if token.kind == "literal":
        return f"[{token.text}]" if token.text in "*?[" else token.text
    if token.kind != "set":
        return token.kind
    if not token.ranges:  # of nothing: its opposite is any character
        return "?" if token.is_negated else "[^\x01-\U0010ffff]"
    ranges = set(token.ranges)
    for low, high in token.ranges:
        if low == "]" < high:  # a bracket means itself only in front, and there it begins no range
            ranges = {*ranges, ("]", "]"), ("^", high)} - {(low, high)}
    members = [low if low == high else f"{low}-{high}" for low, high in sorted(ranges)]
    # where they mean themselves: the bracket in front, the dash at the end, the caret behind anything else
    members.sort(key=lambda item: {"]": 0, "^": 2, "-": 3}.get(item, 1))
    if not token.is_negated and members[0].startswith("^"):
        members = members[1:] + members[:1]
    if members == ["^"] and not token.is_negated:
        return "^"
    return f"[{'^' if token.is_negated else ''}{''.join(members)}]"


def _like(tokens: list[_Token]) -> str:
    words = {"*": "%", "?": "_"}
    return "".join(words.get(token.kind) or re.sub(r"([\\%_])", r"\\\1", token.text) for token in tokens)


def _regex(tokens: list[_Token]) -> str:
    """A regular expression of PostgreSQL: every character that could mean something is quoted."""
    return f"^(?:{''.join(map(_regex_part, tokens))})$"


def _regex_part(token: _Token) -> str:
    if token.kind == "literal":
        return _quoted(token.text)
    if token.kind != "set":
        return {"*": ".*", "?": "."}[token.kind]
    if not token.ranges:
        return "." if token.is_negated else "(?!)"
    members = (
        _quoted(low) if low == high else f"{_quoted(low)}-{_quoted(high)}" for low, high in token.ranges
    )
    return f"[{'^' if token.is_negated else ''}{''.join(members)}]"


def _quoted(character: str) -> str:
    return character if character.isalnum() else f"\\{character}"
