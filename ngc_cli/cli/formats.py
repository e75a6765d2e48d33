"""Results and messages as ascii, csv or json text: pure functions of views (docs/cli.md#output-forms).

A view is a Table, a Block, a Summary, or Blocks under each other; ``data`` is always the JSON value of the same
result. ``OUTPUT_FORMATS`` at the end is the register of formats; a new one is an entry there and its name in
``ngc_cli.config.variables.FORMATS``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ngc_cli.errors import UsageError
from ngc_cli.similar import did_you_mean
from ngc_cli.terminal_text import visible, visible_lines

if TYPE_CHECKING:
    from ngc_cli.cli.terminal_table import Fitted

RULE = "-" * 50
Record = TypeVar("Record")


class Lines(tuple[str, ...]):
    """A cell of several lines."""


Cell = str | int | float | Lines | None


@dataclass(frozen=True)
class Column(Generic[Record]):
    """One column of a list: the key of ``--column``, the heading, and how to read the cell.

    ``copied`` are those that people copy to the next command: no terminal is too narrow for them.
    ``order`` reads what to sort by where that is not what is shown, such as the time behind a day.
    """

    key: str
    header: str
    cell: Callable[[Record], Cell]
    order: Callable[[Record], Any] | None = None
    copied: bool = False


@dataclass(frozen=True)
class Table:
    """Rows under headings; ``data`` is the list of objects that json shows instead.

    ``flat`` is the table that csv shows instead of one whose cells have several lines. On a narrow terminal the
    columns ``whole`` are never cut, and with ``keep_all`` none is left out.
    """

    headers: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    data: Any
    flat: Table | None = None
    whole: Sequence[int] = (0,)
    keep_all: bool = True


@dataclass(frozen=True)
class Field:
    """``Label: value``, or a label with lines or fields nested below it."""

    label: str
    value: Cell = None
    nested: Sequence[Field | str] = ()


@dataclass(frozen=True)
class Block:
    """A titled list of fields between rules."""

    title: str
    fields: Sequence[Field]
    data: Any = None


@dataclass(frozen=True)
class Blocks:
    """Several views under each other, with one JSON value for all."""

    parts: Sequence[Table | Block]
    data: Any


@dataclass(frozen=True)
class Summary:
    """The block that ends a transfer: an optional first line above the rule, then unindented labels."""

    first_line: str
    fields: Sequence[Field]
    data: Any = field(default=None)


View = Table | Block | Blocks | Summary


def table(
    records: Iterable[Record],
    columns: Sequence[Column[Record]],
    default: Sequence[str],
    key: str,
    chosen: Sequence[str] = (),
    *,
    wide: bool = False,
) -> Table:
    """A table of records with the default columns, or those of ``--column key[=header]`` after the key column.

    Columns that somebody has asked for, by ``--column`` or ``--wide``, are all shown on every terminal.
    Raises UsageError for an unknown column and for one named twice.
    """
    from ngc_cli.records import as_json

    shown = _choose(columns, default, key, chosen)
    items = list(records)
    rows = [[column.cell(item) for column, _ in shown] for item in items]
    headers = [header for _, header in shown]
    data = as_json(items)
    if chosen:
        names = [_json_name(column, header) for column, header in shown]
        data = [dict(zip(names, as_json(row), strict=True)) for row in rows]
    whole = [i for i, (column, _) in enumerate(shown) if column.copied or column.key == key]
    return Table(headers, rows, data, whole=whole, keep_all=wide or bool(chosen))


def _json_name(column: Column[Any], header: str) -> str:
    """What json calls a chosen column: its key, unless a heading was given on the line."""
    return column.key if header == column.header else header


def _choose(
    columns: Sequence[Column[Record]], default: Sequence[str], key: str, chosen: Sequence[str]
) -> list[tuple[Column[Record], str]]:
    by_key = {column.key: column for column in columns}
    if not chosen:
        return [(by_key[name], by_key[name].header) for name in default]
    picked: dict[str, str] = {}
    for item in chosen:
        name, _, header = item.partition("=")
        if name not in by_key:
            hint = did_you_mean(name, by_key) or f"Use one of: {', '.join(by_key)}."
            raise UsageError(f"there is no column '{name}'", hint=hint)
        if name in picked:
            raise UsageError(f"column '{name}' is given twice", hint="Give it once.")
        picked[name] = header or by_key[name].header
    if key not in picked:
        picked = {key: by_key[key].header, **picked}
    return [(by_key[name], header) for name, header in picked.items()]


@dataclass(frozen=True)
class Message:
    """A line on stderr: its kind (``note``, ``warning``, ``error`` or ``debug``) and text.

    ``details`` are further lines for people, ``facts`` further members for programs.
    """

    kind: str
    text: str
    details: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Format:
    """An output format: how a result and a message look in it.

    ``for_people`` formats get lines that say what was done on stdout, as part of the result; the others get the
    facts of it there. ``message`` takes a function that colours a word.
    """

    render: Callable[[View], str]
    message: Callable[[Message, Callable[[Message, str], str]], str]
    for_people: bool = False
    shows_progress: bool = True


def facts_view(facts: Mapping[str, Any]) -> Summary:
    """What was done, as programs read it: json shows the facts, csv a row for each."""
    return Summary("", [row for name, value in facts.items() for row in _fact_rows(name, value)], dict(facts))


def _fact_rows(name: str, value: Any) -> list[Field]:
    if isinstance(value, Mapping):
        return [row for key, member in value.items() for row in _fact_rows(key, member)]
    if isinstance(value, (list, tuple)):
        return [row for item in value for row in _fact_rows(name, item)]
    return [Field(name, value)]


def _json(view: View) -> str:
    return json.dumps(view.data, indent=4, sort_keys=True)


def _ascii(view: View) -> str:
    if isinstance(view, Table):
        return _ascii_table(view)
    if isinstance(view, Block):
        lines = [RULE, f"  {visible(view.title)}", *_field_lines(view.fields, 4), RULE]
    elif isinstance(view, Summary):
        lines = [RULE, *_field_lines(view.fields, 0), RULE]
        if view.first_line:
            lines.insert(0, visible(view.first_line))
    else:
        lines = [_ascii(part) for part in view.parts]
    return "\n".join(lines)


def _field_lines(fields: Sequence[Field | str], indent: int) -> list[str]:
    lines: list[str] = []
    for item in fields:
        if isinstance(item, str):
            lines += [" " * indent + visible(line) for line in item.splitlines() or [""]]
            continue
        value = _text(item.value)
        lines.append(f"{' ' * indent}{item.label}:{' ' + value if value else ''}")
        lines += _field_lines(item.nested, indent + 4)
    return lines


def _ascii_table(view: Table) -> str:
    from ngc_cli.cli.terminal_table import records

    rows = [[_text(cell) for cell in row] for row in view.rows]
    width = terminal_width()
    if width is None:
        return _frame(view.headers, rows)
    fitted = _fitted(view, width)
    if fitted is None:
        return records(view.headers, rows, width, whole=view.whole)
    return _frame(fitted.headers, fitted.rows)


def _frame(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in the frame of the guide: one blank of padding, a rule under the heading and none between rows."""
    import tabulate

    tabulate.MIN_PADDING = 0  # else every heading gets two blanks more than its frame needs
    lines = tabulate.tabulate(rows, headers=list(headers), tablefmt="outline", disable_numparse=True)
    if not rows:
        return lines.replace("=", "-")
    return "\n".join(
        "+" + line[1:].replace("=", "-") if line.startswith("+=") else line for line in lines.split("\n")
    )


def left_out(view: View) -> Sequence[str]:
    """The headings of columns that a table has no room for on this terminal."""
    width = terminal_width()
    fitted = _fitted(view, width) if isinstance(view, Table) and width is not None else None
    return fitted.left_out if fitted is not None else ()


def terminal_width() -> int | None:
    """The columns of the terminal that results go to; None when they go elsewhere."""
    import shutil
    import sys

    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _fitted(view: Table, width: int) -> Fitted | None:
    from ngc_cli.cli.terminal_table import fit

    rows = [[_text(cell) for cell in row] for row in view.rows]
    return fit(view.headers, rows, width, whole=view.whole, keep_all=view.keep_all)


def _csv(view: View) -> str:
    import csv
    import io

    target = io.StringIO()
    writer = csv.writer(target)
    if isinstance(view, Table):
        shown = view.flat or view
        writer.writerow(shown.headers)
        writer.writerows([_text(cell) for cell in row] for row in shown.rows)
    else:
        writer.writerow(("field", "value"))
        writer.writerows(_csv_rows(view))
    return target.getvalue().replace("\r\n", "\n")


def _csv_rows(view: View) -> list[tuple[str, str]]:
    if isinstance(view, Blocks):
        return [row for part in view.parts if not isinstance(part, Table) for row in _csv_rows(part)]
    assert not isinstance(view, Table)
    return _flat(view.fields)


def _flat(fields: Sequence[Field | str], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for item in fields:
        if isinstance(item, str):
            rows.append((prefix.rstrip(" /"), visible_lines(item)))
        elif item.nested:
            rows += _flat(item.nested, f"{prefix}{item.label} / ")
        else:
            rows.append((prefix + item.label, _text(item.value)))
    return rows


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell)
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "\n".join(visible(line) for line in cell) if isinstance(cell, Lines) else visible(str(cell))


_MESSAGE_WORDS = {"error": "Error:", "warning": "Warning:"}


def _message_for_people(message: Message, paint: Callable[[Message, str], str]) -> str:
    word = _MESSAGE_WORDS.get(message.kind, "")
    text = visible(message.text) if message.kind == "error" else visible_lines(message.text)
    first_line = f"{paint(message, word)} {text}" if word else text
    return "\n".join([first_line, *(f"  {visible(line)}" for line in message.details)])


def _message_as_json(message: Message, paint: Callable[[Message, str], str]) -> str:
    return json.dumps({message.kind: message.text, **message.facts}, sort_keys=True)


OUTPUT_FORMATS: Mapping[str, Format] = {
    "ascii": Format(_ascii, _message_for_people, for_people=True),
    "csv": Format(_csv, _message_for_people),
    "json": Format(_json, _message_as_json, shows_progress=False),
}
