"""Request bodies: read only for callers who were admitted, within limits, and parsed as JSON.

The order of every request is: credentials and rights first, then the body (``endpoint``). What a caller who was
admitted may have under way at a time is counted here, in this process.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.requests import Request

from ngc_cli.server.problems import Problem, unprocessable

# Four times the 16 transfers that a client starts at once: several commands of one person fit.
_BODIES_PER_CALLER = 64
# Two commits of the largest kind, or dozens of ordinary calls.
_HELD_BYTES_PER_CALLER = 64 * 1024 * 1024
# Metadata is some levels deep; json.loads itself would follow about a thousand, and what reads it back fewer.
_JSON_DEPTH = 64

Caller = int | str


class BodiesUnderWay:
    """How many bodies each caller sends at this moment, and how many bytes of them are held in memory.

    Only used from the event loop, so without a lock. A caller is the id of a key, or the address of a guest.
    """

    def __init__(self, most: int = _BODIES_PER_CALLER, most_held_bytes: int = _HELD_BYTES_PER_CALLER) -> None:
        self._most, self._most_held_bytes = most, most_held_bytes
        self._count: Counter[Caller] = Counter()
        self._held_bytes: Counter[Caller] = Counter()

    @contextmanager
    def one(self, caller: Caller) -> Iterator[None]:
        """Count a body while the block runs; raises a 429 Problem when the caller has enough of them under way."""
        if self._count[caller] >= self._most:
            raise _too_many(f"you are sending {self._most} bodies already")
        self._count[caller] += 1
        try:
            yield
        finally:
            _subtract(self._count, caller, 1)

    @contextmanager
    def held(self, caller: Caller) -> Iterator[HeldBody]:
        """A body to be read into memory, where it counts until the block ends."""
        body = HeldBody(self, caller)
        try:
            yield body
        finally:
            _subtract(self._held_bytes, caller, len(body.data))

    def hold(self, caller: Caller, size_bytes: int) -> None:
        """Note that so many bytes more are held; raises a 429 Problem."""
        if self._held_bytes[caller] + size_bytes > self._most_held_bytes:
            raise _too_many("your other requests hold too much memory")
        self._held_bytes[caller] += size_bytes


class HeldBody:
    """A body in memory; ``data`` grows while it is read."""

    def __init__(self, under_way: BodiesUnderWay, caller: Caller) -> None:
        self._under_way, self._caller = under_way, caller
        self.data = bytearray()

    async def read(self, request: Request, limit_bytes: int) -> bytes:
        """Read all of it; raises a 413 Problem for a larger one, and a 429 Problem."""
        announced = request.headers.get("content-length", "")
        if announced.isascii() and announced.isdigit() and int(announced[:20]) > limit_bytes:
            raise _too_large(limit_bytes)
        async for chunk in request.stream():
            if len(self.data) + len(chunk) > limit_bytes:
                raise _too_large(limit_bytes)
            self._under_way.hold(self._caller, len(chunk))
            self.data += chunk
        return bytes(self.data)


def has_body(request: Request) -> bool:
    """Whether a request brings a body that its endpoint may want; that of a GET means nothing (RFC 9110 9.3.1)."""
    if request.method in ("GET", "HEAD"):
        return False
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a body; an empty body is an empty object. Raises a 422 Problem otherwise.

    NUL and lone surrogates are refused, since no database takes them, and so is what is nested too deep.
    """
    if not body.strip():
        return {}
    try:
        value = json.loads(body, parse_constant=_no_constant)
        _require_shallow(value, _JSON_DEPTH)
        json.dumps(value, ensure_ascii=False).encode()  # refuses lone surrogates
    except (ValueError, RecursionError) as error:
        raise unprocessable("the body is not JSON in UTF-8") from error
    if not isinstance(value, dict):
        raise unprocessable("the body is not a JSON object")
    if b"\\u0000" in body and _holds_nul(value):
        raise unprocessable("the body holds a NUL character")
    return value


def _require_shallow(value: Any, levels: int) -> None:
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return
    if levels == 0:
        raise unprocessable(f"the body is nested more than {_JSON_DEPTH} levels deep")
    for part in value:
        _require_shallow(part, levels - 1)


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(map(_holds_nul, value))


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _subtract(counter: Counter[Caller], caller: Caller, amount: int) -> None:
    """Take an amount off, and forget callers that have nothing left."""
    counter[caller] -= amount
    if counter[caller] <= 0:
        del counter[caller]


def _too_large(limit_bytes: int) -> Problem:
    return Problem(413, f"the body is larger than {limit_bytes} bytes")


def _too_many(why: str) -> Problem:
    return Problem(429, f"{why}: try again when some of them are done", headers={"Retry-After": "1"})
