"""Ctrl-C and SIGTERM: in a transfer a clean end that can be resumed, elsewhere an exception."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from ngc_cli.errors import TransferKilled, TransferTerminated


class Terminated(BaseException):
    """SIGTERM arrived outside a transfer."""


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """SIGTERM raises Terminated in this block, so that clean-ups run."""
    previous = signal.signal(signal.SIGTERM, _raise_terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def cancelled_by_signals(on_cancel: Callable[[], None]) -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set; ``on_cancel`` is called too, to end what waits for the network.

    Raises TransferTerminated, or TransferKilled for SIGTERM, when the block has ended. A second Ctrl-C stops at once.
    """
    cancel = threading.Event()
    received: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        received.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        cancel.set()
        on_cancel()

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield cancel
    except Exception:
        if not received:
            raise
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    if received:
        error = TransferKilled if received[0] == signal.SIGTERM else TransferTerminated
        raise error("the transfer was interrupted", hint="Run the same command again to go on from here.")


def _raise_terminated(number: int, frame: FrameType | None) -> None:
    raise Terminated
