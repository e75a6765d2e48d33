"""Many people at once: a CSV file of people to add, applied row by row.

The first line names the columns: ``email``, and any of ``name``, ``role`` (several separated by ``;``) and ``team``.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ngc_cli.errors import LocalFileError, NetworkError, NgcError, NotAuthenticated, UsageError
from ngc_cli.roles import canonical_roles
from ngc_cli.services.people.members import Addition, Change, require_email

_COLUMNS = ("email", "name", "role", "team")


@dataclass(frozen=True)
class Row:
    """One line of the file: where it stands, what it asks for, or why it cannot be done."""

    line: int
    email: str
    addition: Addition | None = None
    error: str | None = None


@dataclass(frozen=True)
class RowResult:
    """What became of a row: added, updated, invited, unchanged, valid (dry run), failed or not tried."""

    line: int
    email: str
    result: str
    org: str | None = None
    team: str | None = None
    roles: tuple[str, ...] | None = None
    error: str | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing is left to do for this row."""
        return self.result not in ("failed", "not tried")


def read_rows(path: Path, base: Addition, roles: Sequence[str]) -> list[Row]:
    """The rows of a file; ``base`` and ``roles`` (as typed) fill what a row leaves out.

    A row that is wrong by itself carries its error. Raises LocalFileError when the file cannot be read, and
    UsageError when its first line does not name the columns.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LocalFileError(f"'{path}' cannot be read: {error}") from error
    lines = csv.reader(text.splitlines(keepends=True), skipinitialspace=True, strict=True)
    try:
        header = [cell.strip().lower() for cell in next(lines, [])]
        names = ["role" if cell == "roles" else cell for cell in header]
        if "email" not in names or len(set(names)) != len(names) or set(names) - set(_COLUMNS):
            raise UsageError(
                f"the first line of '{path}' does not name the columns",
                hint=f"Begin with a line like '{','.join(_COLUMNS)}'; only the first is required.",
            )
        return [_row(lines.line_num, names, cells, base, roles) for cells in lines if any(cells)]
    except csv.Error as error:
        raise LocalFileError(f"'{path}' is not CSV: {error} (line {lines.line_num})") from error


def check(rows: Sequence[Row], org: str) -> Iterator[RowResult]:
    """What is wrong with the rows, without sending anything."""
    for row in rows:
        if row.addition is None:
            yield RowResult(row.line, row.email, "failed", error=row.error)
        else:
            yield RowResult(row.line, row.email, "valid", org, row.addition.team or None, row.addition.roles)


def apply(rows: Sequence[Row], add: Callable[[Addition], Change]) -> Iterator[RowResult]:
    """Add each row's person; after a failure that would meet every row alike the rest is not tried."""
    stopped = False
    for row in rows:
        if row.addition is None:
            yield RowResult(row.line, row.email, "failed", error=row.error)
        elif stopped:
            yield RowResult(row.line, row.email, "not tried", team=row.addition.team or None)
        else:
            try:
                change = add(row.addition)
            except NgcError as error:
                stopped = isinstance(error, (NetworkError, NotAuthenticated))
                yield RowResult(
                    row.line, row.email, "failed", team=row.addition.team or None, error=error.message
                )
            else:
                yield RowResult(
                    row.line, row.email, change.result, change.org, change.team or None, change.roles
                )


def _row(line: int, names: Sequence[str], cells: Sequence[str], base: Addition, roles: Sequence[str]) -> Row:
    values = dict(zip(names, (cell.strip() for cell in cells), strict=False))
    email = values.get("email", "")
    try:
        if len(cells) > len(names):
            raise UsageError(f"{len(cells)} cells under {len(names)} columns")
        team = (values.get("team") or base.team).lower()
        given = [role for role in values.get("role", "").split(";") if role.strip()]
        return Row(
            line,
            email,
            replace(
                base,
                who=require_email(email),
                name=values.get("name") or base.name,
                team=team,
                roles=canonical_roles(given or roles, in_team=bool(team)),
            ),
        )
    except UsageError as error:
        return Row(line, email, error=error.message)
