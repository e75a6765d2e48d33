"""No bytes from outside bring a parser to anything but an answer or a refusal in words.

The short run takes damaged inputs of fixed seeds; the long one (marked slow) goes on for five minutes. An input that
failed once stays in ``REGRESSIONS``.
"""

from __future__ import annotations

import base64
import random
import time
from pathlib import Path

import pytest
from fuzz.mutate import mutated
from fuzz.parsers import PARSERS, Parser

from ngc_cli.errors import NgcError
from ngc_cli.server.problems import Problem

_BY_NAME = {parser.name: parser for parser in PARSERS}
_DEEP = b"[" * 100_000
# Each ended in something else than an answer or a refusal once.
REGRESSIONS: tuple[tuple[str, bytes], ...] = (
    ("size", b"1" + b"9" * 400),
    ("Content-Range", b"bytes 10-19/" + b"9" * 5000),
    ("API answer", b'{"results": [{"groupValue": "MODEL", "resources": 7}]}'),
    ("API answer", _DEEP),
    ("journal of a download", _DEEP),
    ("journal of an upload", _DEEP),
    ("docker's config.json", _DEEP),
    ("metrics file", _DEEP),
    ("docker's config.json", b'{"credHelpers": {"x\\ud800": "y"}}'),
    ("API answer", '{"file": {"path": "a", "sizeInBytes": 1, "sha256_base64": "é"}}'.encode()),
    ("Retry-After", b"21474836431 Dec 2027 23:59:59 GMT"),
)


def attempt(parser: Parser, data: bytes, folder: Path) -> None:
    """Run the parser once; anything but its answer or its refusal fails the test with the input."""
    try:
        parser.parse(data, folder)
    except (NgcError, Problem) as refusal:
        str(refusal).encode("utf-8", "backslashreplace")
    except BaseException as error:
        shown = base64.b64encode(data).decode()
        pytest.fail(f"{parser.name}: {type(error).__name__}: {error}; input in base64: {shown[:4000]}")


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_seeds_are_accepted(parser: Parser, tmp_path: Path) -> None:
    """A seed that the parser refuses would leave most of it unreached."""
    assert any(_accepts(parser, seed, tmp_path) for seed in parser.seeds)


def _accepts(parser: Parser, seed: bytes, folder: Path) -> bool:
    try:
        parser.parse(seed, folder)
    except (NgcError, Problem):
        return False
    return True


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_damaged_inputs_are_answered_or_refused(parser: Parser, tmp_path: Path) -> None:
    choose = random.Random(parser.name)
    for _ in range(150):
        attempt(parser, mutated(parser.seeds, choose), tmp_path)


@pytest.mark.parametrize(("name", "data"), REGRESSIONS, ids=[name for name, _ in REGRESSIONS])
def test_inputs_of_earlier_findings(name: str, data: bytes, tmp_path: Path) -> None:
    attempt(_BY_NAME[name], data, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_damaged_inputs_for_minutes(parser: Parser, tmp_path: Path) -> None:
    """Five minutes in all, with another seed each day; a failure shows its input."""
    choose = random.Random(f"{parser.name} {time.strftime('%Y-%m-%d')}")
    until_s = time.monotonic() + 300 / len(PARSERS)
    while time.monotonic() < until_s:
        attempt(parser, mutated(parser.seeds, choose), tmp_path)
