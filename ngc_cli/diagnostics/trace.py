"""What a probe finds: the way of one request, and why it failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ngc_cli.diagnostics.certificate import Certificate
from ngc_cli.units import format_duration

Cause = Literal[
    "dns",
    "proxy",
    "refused",
    "unreachable",
    "timeout",
    "cut",
    "tls-untrusted",
    "tls-expired",
    "tls-name",
    "tls",
    "clock",
    "key",
    "forbidden",
    "registry-down",
    "server",
    "unexpected",
    "configuration",
    "network",
]

CLOCK_TOLERANCE_S = 300.0
"""Tokens and signed links are usually taken this much before or after their time."""
CLOCK_NEXT_STEP = (
    "Set the clock of this machine, best by NTP: 'timedatectl' shows and 'timedatectl set-ntp true' mends it."
)


@dataclass(frozen=True)
class Fault:
    """Why something failed, in a word for machines and a sentence for people, and what to do next."""

    cause: Cause
    detail: str
    next_step: str


@dataclass(frozen=True)
class BodyRead:
    """How much of a body came, in which time, and whether it ended because the time given for it was up."""

    bytes_read: int
    bytes_wanted: int
    duration_s: float
    out_of_time: bool = False

    @property
    def rate_bytes_per_s(self) -> float:
        """Average speed."""
        return self.bytes_read / self.duration_s if self.duration_s else 0.0


@dataclass(frozen=True)
class Trace:
    """What one GET met on its way; ``fault`` is None when an answer came, whatever its status.

    ``clock_difference_s`` is the server's time minus ours. ``unreachable`` are the addresses of the name that did
    not take the connection before one did.
    """

    url: str
    host: str
    proxy: str = ""
    addresses: tuple[str, ...] = ()
    unreachable: tuple[str, ...] = ()
    tls_version: str = ""
    certificate: Certificate | None = None
    trusted: str = ""
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    read: BodyRead | None = None
    clock_difference_s: float | None = None
    connect_ms: int | None = None
    answer_ms: int | None = None
    fault: Fault | None = None


def clock_text(difference_s: float, host: str) -> str:
    """How far the clock of this machine is off, seen from a server."""
    word = "behind" if difference_s > 0 else "ahead of"
    return f"the clock of this machine is {format_duration(round(abs(difference_s)))} {word} that of {host}"
