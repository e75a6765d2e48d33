"""Sizes, rates, durations and dates: parse what people type, print what NGC prints. Leaf module, pure.

Source of the forms: docs/cli.md#values.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone

from ngc_cli.errors import UsageError

_UNITS = ("B", "KB", "MB", "GB", "TB")
# 15 digits hold every size of a file and never overflow a float.
_SIZE = re.compile(r"(?P<number>[0-9]{1,15}(?:\.[0-9]{1,15})?)\s*(?P<unit>[KMGT]?)i?B?(?:/s)?", re.IGNORECASE)


def format_size(size_bytes: float) -> str:
    """``2 KB``, ``230.92 MB``: powers of 1024, at most two decimals, no trailing zeros."""
    size = float(size_bytes)
    for unit in _UNITS:
        if round(size, 2) < 1024 or unit == _UNITS[-1]:
            return f"{size:.2f}".rstrip("0").rstrip(".") + f" {unit}"
        size /= 1024
    raise AssertionError("unreachable: the last unit always returns")


def parse_size(text: str) -> int:
    """Bytes of ``10M``, ``1.5 GiB``, ``64k`` or ``4096``; all units are powers of 1024.

    Raises UsageError for anything else.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"'{text}' is not a size", hint="Write a number and a unit, for example 500K, 10M or 1.5G."
        )
    exponent = " KMGT".index(match["unit"].upper() or " ")
    return int(float(match["number"]) * 1024**exponent)


def format_duration(duration_s: float) -> str:
    """``38s``, ``1m 5s``, ``1h 2m 3s``, ``0s``."""
    seconds = int(duration_s)
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    parts = [f"{hours}h"] if hours else []
    if hours or minutes:
        parts.append(f"{minutes}m")
    return " ".join([*parts, f"{seconds}s"])


def parse_time(text: str) -> datetime | None:
    """The UTC instant of an ISO 8601 text from the server, or None when it is no such text."""
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        match = re.fullmatch(r"(.*T\d\d:\d\d:\d\d)\.\d+(Z|[+-]\d\d:?\d\d)?", text)  # 3.10 wants 3 or 6 digits
        return parse_time(match[1] + (match[2] or "")) if match else None
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)


def format_day(text: str | None) -> str:
    """``Oct 18, 2019`` from the server's ISO text; a text in another form is shown as it is."""
    moment = parse_time(text or "")
    return moment.strftime("%b %d, %Y") if moment else text or ""


def format_moment(text: str | None) -> str:
    """``2020-04-02 11:22:33 UTC`` from the server's ISO text; another form is shown as it is."""
    moment = parse_time(text or "")
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC") if moment else text or ""
