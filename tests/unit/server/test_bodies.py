"""How many bodies a caller may have under way, and what of a log is written."""

from __future__ import annotations

import io
import logging
from contextlib import ExitStack

import pytest

from ngc_cli.server.bodies import BodiesUnderWay, parse_object
from ngc_cli.server.log_limit import LINES_PER_KIND, WINDOW_S, LimitedHandler
from ngc_cli.server.problems import Problem


def test_each_caller_has_so_many_bodies_and_no_more() -> None:
    bodies = BodiesUnderWay(most=2)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(bodies.one(1))
        with pytest.raises(Problem) as caught:
            stack.enter_context(bodies.one(1))
        assert (caught.value.status, caught.value.headers) == (429, {"Retry-After": "1"})
        with bodies.one(2), bodies.one("192.0.2.1"):
            pass
    with bodies.one(1):
        pass
    assert not bodies._count


def test_each_caller_has_so_many_bytes_held() -> None:
    bodies = BodiesUnderWay(most_held_bytes=10)
    with bodies.held(1) as body:
        bodies.hold(1, 6)
        body.data += b"123456"
        with bodies.held(1), pytest.raises(Problem) as caught:
            bodies.hold(1, 5)
        assert caught.value.status == 429
        with bodies.held(2):
            bodies.hold(2, 10)
    with bodies.held(1):
        bodies.hold(1, 10)


def test_json_may_be_64_levels_deep() -> None:
    def nested(levels: int) -> bytes:
        return b'{"a":' * levels + b"1" + b"}" * levels

    assert parse_object(nested(64))
    with pytest.raises(Problem, match="64 levels"):
        parse_object(nested(65))


def test_a_log_tells_of_a_flood_in_a_few_lines() -> None:
    now_s, out = 0.0, io.StringIO()
    handler = LimitedHandler(out, clock=lambda: now_s)
    logger = logging.Logger("web")
    logger.addHandler(handler)
    for number in range(1000):
        logger.warning("request %s is bad", number)
    logger.warning("something else")
    assert out.getvalue().splitlines() == [
        *(f"request {number} is bad" for number in range(LINES_PER_KIND)),
        "something else",
    ]
    now_s = WINDOW_S
    logger.warning("request %s is bad", "again")
    assert out.getvalue().splitlines()[-2:] == [
        f"left out {1000 - LINES_PER_KIND} more lines like 'request %s is bad'",
        "request again is bad",
    ]
    for _ in range(LINES_PER_KIND):
        logger.warning("request %s is bad", "x")
    handler.close()
    assert out.getvalue().splitlines()[-1] == "left out 1 more lines like 'request %s is bad'"


def test_a_flood_of_lines_that_differ_is_limited_as_well() -> None:
    out = io.StringIO()
    handler = LimitedHandler(out, clock=lambda: 0.0)
    logger = logging.Logger("web")
    logger.addHandler(handler)
    for number in range(100_000):
        logger.warning(f"{number} went wrong")
    handler.close()
    assert len(out.getvalue()) < 10_000
