"""What artifacts and image repositories share: lists by pattern, labels, and the words for what was not found."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from ngc_cli.errors import NotFound

Item = TypeVar("Item")


def full_pattern(pattern: str, org: str, team: str) -> str:
    """A pattern of paths; one of names alone means names in this org, or team of it."""
    if not pattern or "/" in pattern or not org:
        return pattern
    return "/".join(part for part in (org, team, pattern) if part)


def matching(
    found: Iterable[Item], path_of: Callable[[Item], str], pattern: str, limit: int | None
) -> list[Item]:
    """The search hits whose path matches (all when the pattern is empty), sorted by path unless limited.

    A server's search may be more generous than the pattern.
    """
    hits = (item for item in found if not pattern or fnmatch.fnmatchcase(path_of(item), pattern))
    return sorted(hits, key=path_of) if limit is None else list(islice(hits, limit))


@dataclass(frozen=True)
class LabelEdit:
    """Labels to add to and to remove from those that something has."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    def applied_to(self, present: Sequence[str] | None) -> tuple[str, ...]:
        """The labels after the change, the present ones first, each once."""
        kept = [label for label in present or () if label not in self.remove]
        return (*kept, *(label for label in self.add if label not in kept))


def not_found(
    error: NotFound, noun: str, name: object, *, org: str, team: str, path: str, parts: str = ""
) -> NotFound:
    """The NotFound of a target in words, with the next command to type.

    ``noun`` is the command group too. ``parts`` is what was looked for below the path (versions, tags); without it
    the path itself was.
    """
    if parts:
        hint = f"'ngc registry {noun} list {path}:*' lists the {parts}."
    else:
        hint = f"'ngc registry {noun} list {org}/{team + '/' if team else ''}*' lists what there is."
    return NotFound.like(error, f"{noun} {name} was not found", hint=hint)
