"""JSON from outside: values, and one kind of error."""

import pytest

from ngc_cli.json_text import parse_json


def test_values_are_read_from_text_and_bytes() -> None:
    assert parse_json('{"a": [1, "é"]}') == {"a": [1, "é"]}
    assert parse_json('{"a": "é"}'.encode()) == {"a": "é"}


@pytest.mark.parametrize("text", ["", "{", "nul", "[" * 100_000, '{"a":' * 100_000, "1" * 5000, b"\xff"])
def test_everything_else_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        parse_json(text)
