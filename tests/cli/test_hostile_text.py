"""Text of others never reaches the terminal as it is: every view, message and question, in every format."""

from __future__ import annotations

import json

import pytest

from ngc_cli.cli.formats import Block, Field, Lines, Summary, Table
from ngc_cli.cli.output import Output, confirm
from ngc_cli.errors import NgcError

HOSTILE = "n\x1b[2J\x9b\u202e\x08\rError: forged\nWarning: forged"
VIEWS = [
    Table(["A", "B"], [[HOSTILE, Lines([HOSTILE, "two"])]], [HOSTILE]),
    Block(HOSTILE, [Field("Name", HOSTILE), Field("Text", None, [HOSTILE])], HOSTILE),
    Summary(HOSTILE, [Field("Name", HOSTILE)], HOSTILE),
]


def harmless(text: str) -> bool:
    return not {*text} & {"\x1b", "\x9b", "\u202e", "\x08", "\r"}


@pytest.mark.parametrize("format_type", ["ascii", "csv", "json"])
@pytest.mark.parametrize("view", VIEWS, ids=["table", "block", "summary"])
def test_results(capsys: pytest.CaptureFixture[str], format_type: str, view: Table | Block | Summary) -> None:
    Output(format_type).show(view, headline=HOSTILE)
    shown = capsys.readouterr()
    assert harmless(shown.out + shown.err)
    assert "n\\x1b[2J" in shown.out or format_type == "json"
    if format_type == "json":
        assert json.loads(shown.out) == view.data


def test_a_name_makes_no_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    Output("ascii").show(Table(["Name"], [["a\n| forged |"]], []))
    assert len(capsys.readouterr().out.splitlines()) == 5


def test_errors_and_messages(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output("ascii")
    output.error(NgcError(HOSTILE, hint=HOSTILE), 1, context=HOSTILE, request=HOSTILE)
    error = capsys.readouterr().err
    assert harmless(error)
    assert [line.partition(":")[0] for line in error.splitlines()] == [
        "Error",
        *["  n\\x1b[2J\\x9b\\u202e\\x08\\rError"] * 3,
    ]
    output.note(HOSTILE)
    output.warn(HOSTILE)
    output.debug(HOSTILE)
    output.text(HOSTILE)
    shown = capsys.readouterr()
    assert harmless(shown.out + shown.err)


def test_questions(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.readline", lambda: "n\n", raising=False)
    confirm(f"Remove {HOSTILE}?", assume_yes=False, interactive=True)
    assert harmless(capsys.readouterr().err)
