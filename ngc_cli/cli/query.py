"""``--query``: a part of the JSON result, by a JMESPath expression, in every output format.

Source: the JMESPath specification (https://jmespath.org/specification.html) and docs/cli.md#results-for-scripts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ngc_cli.errors import UsageError

if TYPE_CHECKING:
    from ngc_cli.cli.formats import View


def check(expression: str) -> None:
    """Raise UsageError for what is no expression, before a command changes anything."""
    import jmespath

    try:
        jmespath.compile(expression)
    except (jmespath.exceptions.JMESPathError, ValueError) as error:
        why = str(error).partition("\n")[0].rstrip(".:")
        raise UsageError(
            f"--query '{expression}' is not JMESPath: {why}",
            hint="Write it in quotes, such as --query '[].name'; https://jmespath.org has a tutorial.",
        ) from error


def search(data: Any, expression: str) -> Any:
    """What the expression finds in a result; raises UsageError when it does not fit."""
    import jmespath

    try:
        return jmespath.search(expression, data)
    except jmespath.exceptions.JMESPathError as error:
        raise UsageError(f"--query does not fit the result: {error}") from error


def lines(found: Any) -> list[str] | None:
    """The lines of a result that needs no table: nothing, one value, or a list of values; None for others."""
    if found is None:
        return []
    values = found if isinstance(found, list) else [found]
    if any(isinstance(value, (dict, list)) for value in values):
        return None
    return [_text(value) for value in values]


def view(found: Any) -> View:
    """An object or a list of objects as a view: fields, or a table with a column for each member."""
    from ngc_cli.cli.formats import Table, facts_view

    if isinstance(found, dict):
        return facts_view(found)
    rows: Sequence[Any] = found
    if all(isinstance(row, dict) for row in rows):
        names = list(dict.fromkeys(name for row in rows for name in row))
        return Table(names, [[_text(row.get(name)) for name in names] for row in rows], found)
    width = max(len(row) if isinstance(row, list) else 1 for row in rows)
    cells = [[_text(cell) for cell in (row if isinstance(row, list) else [row])] for row in rows]
    return Table(
        [str(number) for number in range(width)], [row + [""] * (width - len(row)) for row in cells], found
    )


def _text(value: Any) -> str:
    """A value as a shell wants it: texts without quotes, the rest as JSON."""
    import json

    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
