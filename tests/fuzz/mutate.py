"""Inputs that are almost right: valid seeds, damaged a little.

Random bytes stop at the first check of a parser; a valid document with one wrong value gets further. A seed that is JSON
is damaged in its structure as well as in its bytes.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

# Values that code trips over: wrong types, the ends of number ranges, texts that no encoding or terminal likes.
_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    2**31,
    2**63,
    10**400,
    1e308,
    float("nan"),
    float("inf"),
    -0.5,
    "",
    "0",
    "-1",
    "1e9",
    "\0",
    "\ud800",
    "é",
    "\x1b[2J",
    "../..",
    "x" * 5000,
    "9999-99-99T99:99:99Z",
    "sha256:" + "0" * 64,
    [],
    {},
    [None],
    [[]],
    {"": None},
)
_BYTES: tuple[bytes, ...] = (
    b"\0",
    b"\xff",
    b"\n",
    b"\r\n",
    b'"',
    b"\\",
    b"[" * 3000,
    b'{"a":' * 3000,
    b"9" * 5000,
    b"NaN",
    b"\\ud800",
    b"\xed\xa0\x80",
    b",",
    b"=",
    b"%",
    b"/",
    b":",
    b"@",
    b"-",
    b"\xef\xbb\xbf",
    "²".encode(),
    "٣".encode(),
)


def mutated(seeds: Sequence[bytes], choose: random.Random) -> bytes:
    """One seed with a few damages; the same ``choose`` gives the same input."""
    data = choose.choice(seeds)
    for _ in range(choose.randint(1, 3)):
        step: Callable[[bytes, Sequence[bytes], random.Random], bytes] = choose.choice(
            (_structure, _structure, _structure, _insert, _delete, _flip, _splice, _duplicate)
        )
        data = step(data, seeds, choose)
    return data


def _structure(data: bytes, seeds: Sequence[bytes], choose: random.Random) -> bytes:
    try:
        value = json.loads(data)
        return json.dumps(_damaged(value, choose)).encode()
    except (ValueError, RecursionError):
        return _insert(data, seeds, choose)


def _damaged(value: Any, choose: random.Random) -> Any:
    """The value with one of its nodes replaced, left out or named anew."""
    if isinstance(value, dict) and value and choose.random() < 0.85:
        key = choose.choice(list(value))
        rest = {name: item for name, item in value.items() if name != key}
        if choose.random() < 0.1:
            return rest
        return {**rest, key: _damaged(value[key], choose)}
    if isinstance(value, list) and value and choose.random() < 0.85:
        place = choose.randrange(len(value))
        return [*value[:place], _damaged(value[place], choose), *value[place + choose.randint(0, 1) :]]
    return choose.choice(_VALUES)


def _insert(data: bytes, _seeds: Sequence[bytes], choose: random.Random) -> bytes:
    place = choose.randint(0, len(data))
    return data[:place] + choose.choice(_BYTES) + data[place:]


def _delete(data: bytes, _seeds: Sequence[bytes], choose: random.Random) -> bytes:
    start = choose.randint(0, len(data))
    return data[:start] + data[start + choose.randint(1, 40) :]


def _flip(data: bytes, _seeds: Sequence[bytes], choose: random.Random) -> bytes:
    if not data:
        return data
    place = choose.randrange(len(data))
    return data[:place] + bytes([choose.randrange(256)]) + data[place + 1 :]


def _splice(data: bytes, seeds: Sequence[bytes], choose: random.Random) -> bytes:
    other = choose.choice(seeds)
    return data[: choose.randint(0, len(data))] + other[choose.randint(0, len(other)) :]


def _duplicate(data: bytes, _seeds: Sequence[bytes], choose: random.Random) -> bytes:
    start = choose.randint(0, len(data))
    return data + data[start : start + 200]
