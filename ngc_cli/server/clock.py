"""The time of day as the registry stores and shows it: UTC, to the millisecond."""

from __future__ import annotations

from datetime import datetime, timezone


def utc_now() -> datetime:
    """Now, in UTC, cut to milliseconds: what is stored is what is shown."""
    now = datetime.now(timezone.utc)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def iso(moment: datetime) -> str:
    """``2020-04-02T11:22:33.456Z``, always with a fraction (docs/protocol/conventions.md#json-values)."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
