"""Connections that are slow or too many: the limits that uvicorn's own HTTP protocol does not have.

uvicorn limits the time between two requests and nothing else: a caller without a key could hold all connections by
sending half a request on each. Here every wait for the other side ends, and where all connections are taken, the one
that has waited longest for a request makes room for the new one. Times are counted, never guessed from a timer that
fires late: while the server itself has stopped reading, the client is not the one that is slow.

A subclass of uvicorn's h11 protocol and not middleware, since an application learns of a request only when its head
is complete. h11 limits the head of a request, its first line included, to 16 KiB.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from ngc_cli.server.config import MAX_CONNECTIONS, MAX_CONNECTIONS_PER_CLIENT

try:
    import resource
except ImportError:  # Windows, which has no such limit
    resource = None  # type: ignore[assignment]

# A head is one packet or a few; seconds of loss and a slow TLS client fit.
HEAD_TIMEOUT_S = 10.0
# A body, or an answer, moves on in each such time; a lost line comes back within it or the client tries again.
STALL_S = 30.0
# How much of a body must arrive in that time: 136 bytes a second, which is less than any modem.
STALL_BYTES = 4096
# For the rest of a body that was refused: a client that sends first and reads then still gets to the answer.
DRAIN_S = 5.0
# Files of the process that are no connections: the database opens up to 150, threads some more.
_RESERVED_FILES = 256
# However few files a process may open, it must serve somebody.
_FEWEST_CONNECTIONS = 16


@dataclass(frozen=True)
class ConnectionLimits:
    """How many connections there may be, in all and from one client, and how long each may keep us waiting."""

    most: int = MAX_CONNECTIONS
    most_per_client: int = MAX_CONNECTIONS_PER_CLIENT
    head_timeout_s: float = HEAD_TIMEOUT_S
    stall_s: float = STALL_S
    drain_s: float = DRAIN_S


class Connections:
    """The open connections of this process."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._open: dict[GuardedProtocol, str] = {}
        self._per_client: Counter[str] = Counter()

    def admit(self, connection: GuardedProtocol, client: str) -> bool:
        """Take a new connection, at the cost of one that only waits where there are too many; False for no room.

        A client is an address. Loopback is none: behind a proxy on this machine, or in its tests, everybody is there.
        """
        if client and self._per_client[client] >= self.limits.most_per_client:
            if not self._make_room(one for one, its_client in self._open.items() if its_client == client):
                return False
        elif len(self._open) >= self.limits.most and not self._make_room(self._open):
            return False
        self._open[connection] = client
        self._per_client[client] += 1
        return True

    def remove(self, connection: GuardedProtocol) -> None:
        """Forget a connection; no error when it is not known."""
        client = self._open.pop(connection, None)
        if client is not None:
            self._per_client[client] -= 1
            if not self._per_client[client]:
                del self._per_client[client]

    def _make_room(self, candidates: Iterable[GuardedProtocol]) -> bool:
        """End the oldest connection that has never sent a whole request, else the oldest between two requests."""
        idle = [one for one in candidates if one.is_idle]
        if not idle:
            return False
        chosen = next((one for one in idle if not one.has_been_used), idle[0])
        self.remove(chosen)
        chosen.transport.abort()
        return True


class GuardedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 over h11, with a time limit for everything that the other side has to do.

    ``guard`` is set by ``guarded``, since uvicorn makes the protocols itself.
    """

    guard: Connections

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.has_been_used = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._body_timer: asyncio.TimerHandle | None = None
        self._answer_timer: asyncio.TimerHandle | None = None
        self._arrived_bytes = 0

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request, or for the rest of the head of one."""
        return self.conn.their_state is h11.IDLE

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A new connection has a limited time to send its first request."""
        super().connection_made(transport)
        if self.guard.admit(self, _client_name(self.client)):
            self._head_timer = self._after(self.guard.limits.head_timeout_s)
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self.guard.remove(self)
        for timer in (self._head_timer, self._body_timer, self._answer_timer):
            _cancel(timer)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of a head, or of a body."""
        self._arrived_bytes += len(data)
        super().data_received(data)
        if self.is_idle:
            self._head_timer = self._head_timer or self._after(self.guard.limits.head_timeout_s)
            return
        self.has_been_used = True
        _cancel(self._head_timer)
        self._head_timer = None
        if self._awaits_body and self._body_timer is None:
            self._watch_body()

    def on_response_complete(self) -> None:
        """After an answer the rest of the request's body is of no use; what still comes of it is dropped."""
        _cancel(self._body_timer)
        self._body_timer = None
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY:
            self._body_timer = self._after(self.guard.limits.drain_s)

    def pause_writing(self) -> None:
        """The other side does not take the answer as fast as it comes; it must take some of it in time."""
        super().pause_writing()
        self._answer_timer = self._answer_timer or self._after(self.guard.limits.stall_s)

    def resume_writing(self) -> None:
        """It has taken some."""
        _cancel(self._answer_timer)
        self._answer_timer = None
        super().resume_writing()

    @property
    def _awaits_body(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete and self.cycle.more_body

    def _watch_body(self) -> None:
        self._arrived_bytes = 0
        self._body_timer = self.loop.call_later(self.guard.limits.stall_s, self._end_stalled_body)

    def _end_stalled_body(self) -> None:
        self._body_timer = None
        if not self._awaits_body:
            return
        if self._arrived_bytes < STALL_BYTES and not self.flow.read_paused:
            self.transport.abort()  # for the application the client has gone
        else:
            self._watch_body()

    def _after(self, delay_s: float) -> asyncio.TimerHandle:
        return self.loop.call_later(delay_s, self.transport.abort)


def guarded(limits: ConnectionLimits) -> type[GuardedProtocol]:
    """A protocol class, as uvicorn wants one, whose connections share these limits."""
    return type("GuardedProtocol", (GuardedProtocol,), {"guard": Connections(limits)})


def affordable(most: int) -> int:
    """How many of so many connections this process can open; each may need a second file, that of a content.

    Raises the soft limit of the process first: beyond it, accepting fails again and again.
    """
    if resource is None:
        return most
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * most + _RESERVED_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return most
    return max(_FEWEST_CONNECTIONS, min(most, (soft - _RESERVED_FILES) // 2))


def _client_name(address: tuple[str, int] | None) -> str:
    """The address that connections are counted by, of IPv6 the network of one line; empty for loopback."""
    try:
        ip = ipaddress.ip_address(address[0] if address else "")
    except ValueError:
        return ""
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return _client_name((str(ip.ipv4_mapped), 0))
        return "" if ip.is_loopback else str(ipaddress.ip_network((ip, 64), strict=False))
    return "" if ip.is_loopback else str(ip)


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
