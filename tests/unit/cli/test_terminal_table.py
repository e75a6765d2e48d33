"""Tables on terminals: never wider, what is copied never cut, nothing of a shown column lost."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngc_cli.cli.formats import OUTPUT_FORMATS, Column, table
from ngc_cli.cli.output import Output
from ngc_cli.cli.terminal_table import Fitted, display_width, fit, records, wrap
from ngc_cli.records import Team

WORDS = st.text(st.sampled_from("abcdefg 物体検出モデル-_"), max_size=60)
ROWS = st.lists(st.tuples(WORDS, WORDS, WORDS, WORDS), max_size=6)
HEADERS = ("Repository", "Name", "Last Modified", "Framework")


def width_of(fitted: Fitted) -> int:
    columns = (
        zip(fitted.headers, *fitted.rows, strict=True) if fitted.rows else ((h,) for h in fitted.headers)
    )
    widths = [max(display_width(line) for cell in column for line in cell.split("\n")) for column in columns]
    return sum(widths) + 3 * len(widths) + 1


@given(ROWS, st.integers(20, 200), st.booleans())
def test_no_table_is_wider_than_the_terminal_and_the_first_column_is_never_cut(
    rows: list[tuple[str, ...]], width: int, keep_all: bool
) -> None:
    fitted = fit(HEADERS, rows, width, whole=(0,), keep_all=keep_all)
    if fitted is None:
        return
    assert width_of(fitted) <= width
    assert [row[0] for row in fitted.rows] == [row[0] for row in rows]
    shown = [i for i, header in enumerate(HEADERS) if header not in fitted.left_out]
    assert len(shown) == len(fitted.headers)
    assert not (keep_all and fitted.left_out)
    for row, whole in zip(fitted.rows, rows, strict=True):
        for cell, i in zip(row, shown, strict=True):
            assert "".join(cell.split()) == "".join(whole[i].split())


@given(WORDS, st.integers(2, 40))
def test_wrapped_lines_fit_and_keep_every_character(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert all(display_width(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_columns_go_from_the_right_and_records_come_where_too_little_would_be_left() -> None:
    row = ("org/team/" + "n" * 40, "A model of some words", "Nov 24, 2026", "TensorFlow")
    fitted = fit(HEADERS, [row], 80, whole=(0,))
    assert fitted is not None
    assert fitted.left_out == ["Framework"]
    assert fit(HEADERS, [row], 80, whole=(0,), keep_all=True) is None
    assert fit(HEADERS, [row], 55, whole=(0,)) is None
    assert records(HEADERS, [row], 30, whole=(0,)).splitlines() == [
        f"Repository: {row[0]}",
        "Name: A model of some words",
        "Last Modified: Nov 24, 2026",
        "Framework: TensorFlow",
    ]
    assert records(("Name",), [("one two three",)], 12) == "Name:\n  one two\n  three"


def test_a_list_at_80_columns(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """1,234 names of forty characters, each with a description in wide characters."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    columns = (
        Column[Team]("id", "Id", lambda team: team.id),
        Column[Team]("name", "Name", lambda team: team.name, copied=True),
        Column[Team]("description", "Description", lambda team: team.description),
        Column[Team]("more", "More About It", lambda team: "internationalization"),
    )
    teams = [Team(f"{number:040}", number, "物体検出 モデル 🚀 " * 4) for number in range(1234)]
    Output().show(table(teams, columns, ["id", "name", "description", "more"], "id"))
    out, err = capsys.readouterr()
    assert max(map(display_width, out.splitlines())) <= 80
    assert len({display_width(line) for line in out.splitlines()}) == 1
    assert all(team.name in out for team in teams)
    assert err == "Not shown for lack of room: More About It. --format_type csv shows all.\n"


def test_a_pipe_gets_the_whole_table() -> None:
    view = table(
        [Team("n" * 300, 1, "d" * 300)], (Column[Team]("name", "Name", lambda t: t.name),), ["name"], "name"
    )
    assert "n" * 300 in OUTPUT_FORMATS["ascii"].render(view)
