"""Near misses: what somebody may have meant who typed a name that does not exist. Leaf module."""

from __future__ import annotations

from collections.abc import Iterable

# difflib's own default: one wrong letter in three is still taken for the same word.
LIKENESS = 0.6


def did_you_mean(
    word: str, names: Iterable[str], *, at_most: int = 1, likeness: float = LIKENESS, prefix: str = ""
) -> str:
    """``Did you mean 'x' or 'y'?`` with the names most like the word, in any case; empty when none is like it.

    ``likeness`` is between 0 (anything) and 1 (the same letters); ``prefix`` is shown before each name, so that it
    can be typed as it stands.
    """
    import difflib

    by_lower = {name.lower(): name for name in names}
    near = difflib.get_close_matches(word.lower(), by_lower, at_most, likeness)
    return f"Did you mean {' or '.join(repr(prefix + by_lower[name]) for name in near)}?" if near else ""
