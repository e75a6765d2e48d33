"""Views as ascii, csv and json text."""

from __future__ import annotations

import csv
import io
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngc_cli.cli.formats import OUTPUT_FORMATS, Block, Blocks, Column, Field, Summary, Table, View, table
from ngc_cli.config.variables import FORMATS
from ngc_cli.errors import NgcError, UsageError
from ngc_cli.records import Team

COLUMNS = (
    Column[Team]("id", "Id", lambda team: team.id),
    Column[Team]("name", "Name", lambda team: team.name),
    Column[Team]("description", "Description", lambda team: team.description),
)
TEAMS = [Team("red", 1, 'The red, "quick" team'), Team("blue", 20)]
TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=30)


def render(view: View, format_type: str) -> str:
    return OUTPUT_FORMATS[format_type].render(view)


def test_every_format_that_a_configuration_may_name_is_registered() -> None:
    assert tuple(OUTPUT_FORMATS) == FORMATS


def test_a_table_has_the_official_frame() -> None:
    assert render(table(TEAMS, COLUMNS, ["id", "name"], "id"), "ascii") == (
        "+----+------+\n| Id | Name |\n+----+------+\n| 1  | red  |\n| 20 | blue |\n+----+------+"
    )


def test_an_empty_table_still_shows_its_heading() -> None:
    assert render(table([], COLUMNS, ["id", "name"], "id"), "ascii") == (
        "+----+------+\n| Id | Name |\n+----+------+\n+----+------+"
    )


def test_chosen_columns_follow_the_key_column() -> None:
    shown = table(TEAMS, COLUMNS, ["id"], "id", ["name=Team"])
    assert (shown.headers, shown.rows[0]) == (["Id", "Team"], [1, "red"])


@pytest.mark.parametrize(("chosen", "kind"), [(["nmae"], UsageError), (["name", "name"], UsageError)])
def test_wrong_columns(chosen: list[str], kind: type[NgcError]) -> None:
    with pytest.raises(kind):
        table(TEAMS, COLUMNS, ["id"], "id", chosen)


def test_json_has_the_objects_without_absent_members_or_the_chosen_columns() -> None:
    chosen = table(TEAMS, COLUMNS, ["id"], "id", ["name=Team"])
    assert json.loads(render(chosen, "json")) == [{"id": 1, "Team": "red"}, {"id": 20, "Team": "blue"}]
    shown = render(table(TEAMS, COLUMNS, ["id"], "id"), "json")
    assert json.loads(shown) == [
        {"id": 1, "name": "red", "description": TEAMS[0].description},
        {"id": 20, "name": "blue"},
    ]
    assert shown.index('"description"') < shown.index('"id"') < shown.index('"name"')


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5))
def test_csv_reads_back_and_a_pipe_never_cuts_a_cell(rows: list[tuple[str, str]]) -> None:
    view = Table(["a", "b"], rows, [])
    assert list(csv.reader(io.StringIO(render(view, "csv")))) == [["a", "b"], *map(list, rows)]
    text = render(view, "ascii")
    assert all(cell.strip() in text for row in rows for cell in row)


def test_a_block_indents_and_nests() -> None:
    view = Block(
        "Team Information",
        [
            Field("Id", 363),
            Field("Empty"),
            Field("Labels", None, ["a", "b\nc"]),
            Field("Data", None, [Field("X", 1.0)]),
        ],
        {"id": 363},
    )
    rule = "-" * 50
    assert render(view, "ascii") == (
        f"{rule}\n  Team Information\n    Id: 363\n    Empty:\n    Labels:\n        a\n        b\n        c\n"
        f"    Data:\n        X: 1\n{rule}"
    )
    assert render(view, "csv") == 'field,value\nId,363\nEmpty,\nLabels,a\nLabels,"b\nc"\nData / X,1\n'


@pytest.mark.parametrize(
    "view",
    [
        Table(["a"], [["x"]], [{"a": "x"}]),
        Block("T", [Field("a", "x")], {"a": "x"}),
        Blocks([Block("T", [Field("a", "x")]), Table(["b"], [["y"]], [])], {"a": "x"}),
        Summary("first", [Field("a", "x")], {"a": "x"}),
    ],
    ids=lambda view: type(view).__name__,
)
@pytest.mark.parametrize("format_type", ["ascii", "csv", "json"])
def test_every_view_has_every_form(view: View, format_type: str) -> None:
    text = render(view, format_type)
    assert "x" in text
    assert "\r" not in text
    if format_type == "json":
        json.loads(text)


def test_a_terminal_gets_a_table_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    text = render(Table(["name", "text"], [["n" * 10, "word " * 40]], []), "ascii")
    assert max(map(len, text.splitlines())) <= 60
    assert text.count("word") == 40
