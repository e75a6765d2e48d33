"""Global options, anywhere on the line."""

from __future__ import annotations

import pytest

from ngc_cli.cli.globals import GlobalFlags, extract_global_options
from ngc_cli.cli.root import command_tree
from ngc_cli.errors import UsageError


def extract(line: list[str]) -> tuple[GlobalFlags, list[str]]:
    return extract_global_options(line, command_tree().params)


@pytest.mark.parametrize(
    "line",
    [
        ["--format_type", "json", "user", "who", "--org=acme"],
        ["user", "--format-type=json", "who", "--org", "acme"],
        ["user", "who", "\u2013\u2013format_type", "json", "\u2014org", "acme"],
    ],
)
def test_position_and_spelling_do_not_matter(line: list[str]) -> None:
    assert extract(line) == (GlobalFlags(format_type="json", org="acme"), ["user", "who"])


def test_switches() -> None:
    flags, rest = extract(["org", "remove-team", "-y", "t", "-q", "--debug"])
    assert (flags.yes, flags.quiet, flags.debug, rest) == (True, True, True, ["org", "remove-team", "t"])


def test_what_follows_two_dashes_is_left_alone() -> None:
    assert extract(["user", "--", "--org", "x"]) == (GlobalFlags(), ["user", "--", "--org", "x"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["--org"], "--org needs a value"),
        (["--team", "a", "x", "--team", "b"], "--team is given twice"),
        (["--format_type", "jsn"], "'jsn' is not an output format"),
    ],
)
def test_mistakes(line: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        extract(line)
