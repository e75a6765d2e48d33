"""The order of version ids, as a text that a database sorts byte for byte. Pure.

By their numbers, and a pre-release before its release: 1.0-rc1, 1.0, 1.2, 1.10 (docs/protocol/artifacts.md#versions).
"""

from __future__ import annotations

import re

_NUMBERS = re.compile(r"([0-9]+)")
# Each lower than what may follow: a pre-release, the end of a release, a piece of text, a number. Ids hold none of them.
_PRE_RELEASE, _END, _TEXT, _NUMBER = "!", "#", "$", "%"
# Ends a piece of text: lower than every character of an id.
_TEXT_END = " "


def version_sort_key(name: str) -> str:
    """A text that sorts like the version id, for an id of up to 255 characters."""
    release, dash, rest = name.partition("-")
    return f"{_encoded(release)}{_PRE_RELEASE}{_encoded(rest)}" if dash else f"{_encoded(release)}{_END}"


def _encoded(text: str) -> str:
    pieces = (
        _number(piece) if piece.isdecimal() else f"{_TEXT}{piece}{_TEXT_END}"
        for piece in _NUMBERS.split(text)
    )
    return "".join(pieces)


def _number(digits: str) -> str:
    """A number with its length before it, so that 10 comes after 9."""
    plain = digits.lstrip("0") or "0"
    return f"{_NUMBER}{len(plain):03d}{plain}"
