"""Text from others, made safe for a terminal: what would move the cursor, recolour, or reorder is shown, not done.

Names, descriptions and messages come from publishers, colleagues and servers. A terminal obeys control characters in
them: it sets titles, clears the screen, or shows a text in another order than it has. Leaf module; ``cli`` applies it
where it writes.
"""

from __future__ import annotations

import re

# C0 and C1 controls and DEL; line and paragraph separators; the marks, embeddings, overrides and isolates of
# bidirectional text (Unicode Annex 9); halves of surrogate pairs, which no encoding can write. A tab is harmless.
_UNSAFE = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_SHORT = {"\n": "\\n", "\r": "\\r"}


def visible(text: str) -> str:
    """One line of text; what a terminal would obey, line ends included, stands there as an escape such as ``\\x1b``."""
    return _UNSAFE.sub(_escaped, text)


def visible_lines(text: str) -> str:
    """The same for text of several lines, which stay lines."""
    return "\n".join(visible(line) for line in text.split("\n"))


def _escaped(match: re.Match[str]) -> str:
    character = match.group()
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
