"""How collectors and checks tell that there is nothing to find, or that something is broken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ngc_cli.diagnostics.trace import Cause, Fault, Trace
from ngc_cli.errors import (
    ConfigError,
    Forbidden,
    NetworkError,
    NgcError,
    NotAuthenticated,
    ServerError,
    UsageError,
)

Status = Literal["success", "failed", "skipped"]

_CAUSES: tuple[tuple[type[NgcError], Cause], ...] = (
    (NotAuthenticated, "key"),
    (Forbidden, "forbidden"),
    (ServerError, "server"),
    (NetworkError, "network"),
    (ConfigError, "configuration"),
    (UsageError, "configuration"),
)


@dataclass(frozen=True)
class Check:
    """The result of one check: ``fault`` says why it failed, ``note`` what there is to say else; ``trace`` tells
    of the way to the host."""

    status: Status
    note: str = ""
    fault: Fault | None = None
    trace: Trace | None = None


class Skipped(Exception):
    """There is nothing to do; the text says why."""


class Failed(Exception):
    """Something is broken, and it is known what."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.detail)
        self.fault = fault


def fault_of_error(error: NgcError) -> Fault:
    """The error of a call, with its cause in a word."""
    for kind, cause in _CAUSES:
        if isinstance(error, kind):
            return Fault(cause, error.message, error.hint)
    return Fault("unexpected", error.message, error.hint)
