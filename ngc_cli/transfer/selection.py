"""Which files of a folder are sent: patterns of the command line, ``.ngcignore``, and what is left out by default. Pure.

``.ngcignore`` at the top of the folder is read as gitignore(5) reads its files, without backslash escapes other than
``\\#`` and ``\\!``: comments, ``!`` to bring something back, ``/`` at the end for folders, anchored where a ``/`` is in it,
``*``, ``?``, ``[a-z]``, ``**``. What is left out by default are rules before its first line, so it can bring that back.
Source: docs/protocol/transfers.md#what-is-sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

IGNORE_FILE = ".ngcignore"
"""Name of the file of rules at the top of a folder; it is not sent itself."""
# A version is read by many and never changes: a secret in it cannot be taken back. These are names that hold nothing
# but secrets, or all that was ever removed from a repository. Short on purpose: each is a surprise to somebody.
DEFAULT_RULES = (
    *(".git/", ".hg/", ".svn/"),
    *(".env", ".netrc", ".git-credentials", ".pypirc"),
    *(".ssh/", ".gnupg/", ".aws/", ".ngc/"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*.pem", "*.key", "*.p12", "*.pfx"),
)
"""What is left out of every upload unless something brings it back."""


def matches(path: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Whether patterns choose a path: one of ``include``, if there are any, and none of ``exclude``.

    They are shell patterns over the whole relative path, case-sensitive; ``*`` crosses ``/``.
    """
    if include and not any(fnmatchcase(path, pattern) for pattern in include):
        return False
    return not any(fnmatchcase(path, pattern) for pattern in exclude)


@dataclass(frozen=True)
class Selection:
    """What to send of a folder.

    What matches ``include`` is sent even if it is left out otherwise; with ``follow_links`` also files that links
    outside of the folder point to. ``allow_empty`` is for whoever wants a version without files.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    follow_links: bool = False
    allow_empty: bool = False


EVERYTHING = Selection()
"""Every file but those that are left out by default or by ``.ngcignore``."""


class IgnoreRules:
    """Rules in the order of their lines; the last one that matches a path decides."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._rules = [rule for line in lines if (rule := _parse(line)) is not None]

    def ignores(self, path: str, *, is_folder: bool) -> bool:
        """Whether a path, or a folder with all that is in it, is left out."""
        parts = path.split("/")
        for rule in reversed(self._rules):
            if (is_folder or not rule.only_folders) and _fits(rule.pattern, parts):
                return not rule.brings_back
        return False


@dataclass(frozen=True)
class _Rule:
    pattern: tuple[str, ...]
    only_folders: bool
    brings_back: bool


def _parse(line: str) -> _Rule | None:
    text = line.rstrip("\r\n").rstrip(" ")
    if not text or text.startswith("#"):
        return None
    brings_back = text.startswith("!")
    text = text[1:] if brings_back or text.startswith(("\\#", "\\!")) else text
    only_folders = text.endswith("/")
    text = text.rstrip("/")
    parts = [part.replace("[^", "[!") for part in text.split("/") if part]
    if not parts:
        return None
    if "/" not in text:
        parts.insert(0, "**")  # at any depth
    if parts[-1] == "**":
        parts.append("*")  # what is in the folder, not the folder
    return _Rule(tuple(parts), only_folders, brings_back)


def _fits(pattern: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether a pattern covers all parts of a path; ``**`` stands for any number of them."""
    reached = {0}
    for part in pattern:
        if part == "**":
            reached = set(range(min(reached, default=len(parts) + 1), len(parts) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(parts) and fnmatchcase(parts[at], part)}
    return len(parts) in reached
