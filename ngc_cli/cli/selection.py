"""Which rows of a list are shown, and in which order: ``--filter``, ``--sort`` and ``--limit``.

A list is cut by the server when nothing else is asked; to filter or sort it, all of it is fetched, and cut then.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

import typer

from ngc_cli.cli.completers import columns as column_names
from ngc_cli.cli.options import OUTPUT, ColumnOpt, LimitOpt
from ngc_cli.errors import UsageError
from ngc_cli.similar import did_you_mean

if TYPE_CHECKING:
    from ngc_cli.cli.formats import Column
    from ngc_cli.services.listing import Listing

Record = TypeVar("Record")
_NUMBER = re.compile(r"(\d+)")


@dataclass(frozen=True)
class TableOptions:
    """Options of every list of records."""

    heading: ClassVar = OUTPUT

    column: ColumnOpt = None
    limit: LimitOpt = None
    sort: Annotated[
        str | None,
        typer.Option(
            "--sort",
            metavar="COLUMN",
            autocompletion=column_names,
            help="Sort by this column, with a '-' before it the other way; --limit cuts afterwards.",
        ),
    ] = None
    filter: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            metavar="COLUMN=GLOB",
            autocompletion=column_names,
            help="Only rows whose column matches, in any case, such as name='bert*'; may be repeated.",
        ),
    ] = None

    @property
    def fetch_limit(self) -> int | None:
        """How many to ask the server for: all where only the whole list tells which are wanted."""
        return None if self.sort or self.filter else self.limit

    def select(self, listing: Listing[Record], columns: Sequence[Column[Record]]) -> Listing[Record]:
        """The rows to show, and whether ``--limit`` left some out.

        Raises UsageError for an unknown column and for a filter without a pattern.
        """
        if not (self.sort or self.filter):
            return listing
        by_key = {column.key: column for column in columns}
        found = self._filtered(list(listing.items), by_key)
        if self.sort:
            column = _known(by_key, self.sort.removeprefix("-"))
            present = [row for row in found if column.cell(row) is not None]
            present.sort(key=lambda row: _order(column, row), reverse=self.sort.startswith("-"))
            found = [*present, *(row for row in found if column.cell(row) is None)]
        shown = found[: self.limit]
        note = (
            listing.note if found or not listing.items else f"None of {len(listing.items)} passes --filter."
        )
        return replace(listing, items=shown, complete=len(shown) == len(found), total=len(found), note=note)

    def _filtered(self, rows: list[Record], by_key: Mapping[str, Column[Record]]) -> list[Record]:
        for item in self.filter or ():
            name, equals, pattern = item.partition("=")
            if not equals:
                raise UsageError(
                    f"--filter '{item}' has no pattern", hint="Write COLUMN=GLOB, such as name='bert*'."
                )
            column = _known(by_key, name)
            rows = [row for row in rows if fnmatch.fnmatchcase(_text(column, row), pattern.lower())]
        return rows


def _known(by_key: Mapping[str, Column[Any]], name: str) -> Column[Any]:
    if name not in by_key:
        hint = did_you_mean(name, by_key) or f"Use one of: {', '.join(by_key)}."
        raise UsageError(f"there is no column '{name}'", hint=hint)
    return by_key[name]


def _text(column: Column[Any], row: Any) -> str:
    """The cell as it is shown, in lower case."""
    cell = column.cell(row)
    parts = cell if isinstance(cell, tuple) else (cell,)
    return "\n".join("" if part is None else str(part) for part in parts).lower()


def _order(column: Column[Any], row: Any) -> tuple[Any, ...]:
    """What a row is sorted by: numbers by value, also those inside of a text, so that 9 comes before 10."""
    value = column.order(row) if column.order is not None else column.cell(row)
    if isinstance(value, (int, float)):
        return (0, value)
    parts = _NUMBER.split(str(value or "").lower())
    return (1, *((1, int(part)) if number % 2 else (0, part) for number, part in enumerate(parts)))
