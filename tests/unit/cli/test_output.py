"""What goes to stdout and stderr, in every format."""

from __future__ import annotations

import json
import sys

import pytest

from ngc_cli.cli.output import Output, wants_colour
from ngc_cli.errors import NotFound, UsageError


def test_what_was_done_is_a_line_for_people_and_facts_for_programs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Output("ascii").done("Removed it.", removed=["a/b"])
    assert tuple(capsys.readouterr()) == ("Removed it.\n", "")
    Output("json").done("Removed it.", removed=["a/b"])
    out, err = capsys.readouterr()
    assert (json.loads(out), json.loads(err)) == ({"removed": ["a/b"]}, {"note": "Removed it."})
    Output("csv").done("Removed it.", removed=["a/b"])
    assert tuple(capsys.readouterr()) == ("field,value\nremoved,a/b\n", "Removed it.\n")
    Output("json", quiet=True).done("Removed it.", removed=["a/b"])
    assert capsys.readouterr().err == ""


def test_a_value_is_bare_for_people_and_never_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    Output("ascii").value("secret", key="secret")
    assert tuple(capsys.readouterr()) == ("secret\n", "")
    Output("json").value("secret", key="secret")
    out, err = capsys.readouterr()
    assert (json.loads(out), err) == ({"key": "secret"}, "")


def test_with_json_every_line_of_stderr_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output("json")
    output.note("one\nnote")
    output.warn("mind\nthis")
    output.debug("GET /v2")
    output.help("Usage: ngc ...", UsageError("a command is missing"))
    error = NotFound("no such model", hint="List them.", request_id="r-1")
    output.error(error, 12, context="Used org 'a'.", request="Request: GET /v2")
    out, err = capsys.readouterr()
    assert out == ""
    assert [json.loads(line) for line in err.splitlines()] == [
        {"note": "one\nnote"},
        {"warning": "mind\nthis"},
        {"debug": "GET /v2"},
        {"error": "a command is missing", "code": "usage", "exit_code": 2},
        {
            "error": "no such model",
            "code": "not_found",
            "exit_code": 12,
            "hint": "List them.",
            "context": "Used org 'a'.",
            "request_id": "r-1",
        },
    ]


def test_people_read_the_error_and_below_it_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    Output("ascii").error(NotFound("no such model", hint="List them."), 12, context="Used org 'a'.")
    assert capsys.readouterr().err == "Error: no such model\n  Used org 'a'.\n  List them.\n"


def test_quiet_silences_notes_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output("ascii", quiet=True)
    output.note("by the way")
    output.warn("mind this")
    output.headline("Done.")
    assert tuple(capsys.readouterr()) == ("Done.\n", "Warning: mind this\n")


def test_only_the_first_word_is_coloured_and_never_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    Output("ascii", colour=True).warn("mind this")
    Output("ascii", colour=True).error(NotFound("gone", hint="Look."), 12)
    Output("ascii", colour=True).note("plain")
    assert capsys.readouterr().err == (
        "\033[1;33mWarning:\033[0m mind this\n\033[1;31mError:\033[0m gone\n  Look.\nplain\n"
    )
    Output("json", colour=True).warn("mind this")
    assert "\033" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("environ", "no_color", "tty", "wanted"),
    [
        ({"TERM": "xterm"}, False, True, True),
        ({"TERM": "xterm"}, True, True, False),
        ({"TERM": "xterm"}, False, False, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False, True, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, False, True, True),
        ({"TERM": "dumb"}, False, True, False),
        ({}, False, True, False),
    ],
)
def test_colour_needs_a_terminal_that_allows_it(
    environ: dict[str, str], no_color: bool, tty: bool, wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: tty, raising=False)
    assert wants_colour(environ, no_color=no_color) is wanted
