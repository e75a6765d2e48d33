"""The texts of settings as values; each parser raises ValueError saying what is wrong, to follow the text itself."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from pathlib import Path

_NAME = re.compile(r"[^\s/:\x00-\x1f\x7f]+")
_HOST = re.compile(
    r"(?=.*[.:])[A-Za-z0-9][A-Za-z0-9.-]*(?::\d{1,5})?|localhost"
)  # as Docker tells hosts from paths
# with waits of up to 30 s that is most of an hour for one request: more can only be a slip
_RETRIES_MAX = 100
_WORKERS_MAX = 256  # a registry sees each worker as a connection; more than that looks like an attack
_ATTEMPTS_MAX = 5  # the official client clamps there as well


def one_of(*allowed: str) -> Callable[[str], str]:
    """A parser that takes these words only."""

    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"is not one of: {', '.join(allowed)}")
        return text

    return parse


def parse_name(text: str) -> str:
    """The name of an org or team."""
    if not _NAME.fullmatch(text):
        raise ValueError("is not a name: it is empty or has blanks, '/' or ':'")
    return text


def parse_host(text: str) -> str:
    """The host of a registry, with its port if it has one, as image names have it."""
    if not _HOST.fullmatch(text):
        raise ValueError("is not a host such as nvcr.io")
    return text


def parse_existing_path(text: str) -> str:
    """The path of something that is there."""
    if not text or not Path(text).exists():
        raise ValueError("does not exist")
    return text


def parse_retries(text: str) -> int:
    """How often to try again, 0 to 100."""
    return _number(text, 0, _RETRIES_MAX)


def parse_attempts(text: str) -> int:
    """How often to try in all, brought into 1 to 5."""
    return min(max(_number(text, 0, 1000), 1), _ATTEMPTS_MAX)


def parse_workers(text: str) -> int:
    """How many connections to use at most, 1 to 256."""
    return _number(text, 1, _WORKERS_MAX)


def parse_seconds(text: str) -> float:
    """A time in seconds, above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ValueError("is not a number of seconds above 0")
    return value


def parse_progress_style(text: str) -> str:
    """``DEFAULT``, ``ASCII`` or ``NONE``, in any case."""
    return one_of("DEFAULT", "ASCII", "NONE")(text.upper())


def default_concurrency() -> int:
    """Transfer workers: two per core that this process may use, within 4 and 20, as in the official client.

    Two per core keep a core busy while one of them waits for the network; the bounds keep small machines from
    crawling and large ones from opening connections that one network link cannot fill.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(max(2 * cores, 4), 20)


def _number(text: str, lowest: int, highest: int) -> int:
    if not text.isdecimal() or not lowest <= int(text) <= highest:
        raise ValueError(f"is not a whole number from {lowest} to {highest}")
    return int(text)
