"""What artifacts and image repositories share: lists by pattern, and labels."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from ngc_cli.errors import Forbidden, NotFound

Item = TypeVar("Item")


@dataclass(frozen=True)
class Listing(Generic[Item]):
    """The items of a list; ``complete`` is False when a limit left some out, of ``total`` where that is known.

    ``note`` is what the user should know about it.
    """

    items: Sequence[Item]
    complete: bool = True
    total: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Instead:
    """A pattern to list in place of a name that is none, and what to tell the user about it."""

    pattern: str
    note: str


def full_pattern(pattern: str, org: str, team: str) -> str:
    """A pattern of paths; one of names alone means names in this org, or team of it."""
    if not pattern or "/" in pattern or not org:
        return pattern
    return "/".join(part for part in (org, team, pattern) if part)


def matching(
    found: Iterable[Item], path_of: Callable[[Item], str], pattern: str, limit: int | None
) -> Listing[Item]:
    """The search hits whose path matches (all when the pattern is empty), sorted by path, and of these the first.

    A server's search may be more generous than the pattern, and sorts as it likes: the whole is read even for a
    limit, so that the first are those that the whole list would begin with. A refusal by the org that is searched
    is raised (Forbidden, NotFound), unless a pattern was met by what is public: then that is shown, with a note.
    """
    hits: list[Item] = []
    note = ""
    try:
        hits += (item for item in found if not pattern or fnmatch.fnmatchcase(path_of(item), pattern))
    except (Forbidden, NotFound) as error:
        if not hits or not pattern:
            raise
        note = f"Only what is public is shown: {error.message}."
    hits.sort(key=path_of)
    return Listing(hits[:limit], limit is None or len(hits) <= limit, len(hits), note)


def first(found: Iterator[Item], limit: int | None) -> Listing[Item]:
    """The first items of a list that is sorted already; no more are read than tell whether there are more."""
    items = list(islice(found, None if limit is None else limit + 1))
    return Listing(items[:limit], limit is None or len(items) <= limit)


@dataclass(frozen=True)
class LabelEdit:
    """Labels to add to and to remove from those that something has."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    def applied_to(self, present: Sequence[str] | None) -> tuple[str, ...]:
        """The labels after the change, the present ones first, each once."""
        kept = [label for label in present or () if label not in self.remove]
        return (*kept, *(label for label in self.add if label not in kept))
