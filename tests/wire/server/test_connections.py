"""Connections that are slow, stuck or too many, one limit at a time."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.inprocess import served
from support.registry import wait_until

from ngc_cli.server import connections
from ngc_cli.server.connections import ConnectionLimits, Connections, affordable

SHORT_S = 0.4
HEAD = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
GET = b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n"


class App:
    """Answers at once, or after the whole body, with so many bytes; notes what became of requests."""

    def __init__(self, *, reads: bool = False, answer_bytes: int = 2) -> None:
        self.reads, self.answer_bytes = reads, answer_bytes
        self.events: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.events.append("begun")
        more = self.reads
        while more:
            message = await receive()
            more = message.get("more_body", False)
            self.events.append(message["type"])
        length = str(self.answer_bytes).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        left = self.answer_bytes
        while left:
            some = min(left, 65536)
            left -= some
            await send({"type": "http.response.body", "body": b"a" * some, "more_body": left > 0})


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10)


def exchange(connection: socket.socket) -> None:
    """One request and its whole answer."""
    connection.sendall(GET)
    answer = b""
    while not answer.endswith(b"\r\n\r\naa"):
        some = connection.recv(65536)
        assert some, "the connection ended"
        answer += some
    assert answer.startswith(b"HTTP/1.1 200")


def ended(connection: socket.socket) -> bool:
    """Whether the other side has closed it; waits for that."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionError:
        pass
    return True


@pytest.mark.parametrize("sent", [b"", b"GET /x HT", b"\r\n\r\n", GET[:-2]])
def test_a_head_that_does_not_come_ends_the_connection(sent: bytes) -> None:
    app = App()
    with served(app, ConnectionLimits(head_timeout_s=SHORT_S)) as url, connect(url) as connection:
        connection.sendall(sent)
        assert ended(connection)
    assert app.events == []


def test_a_head_that_trickles_ends_the_connection() -> None:
    with (
        served(App(), ConnectionLimits(head_timeout_s=SHORT_S)) as url,
        connect(url) as connection,
        pytest.raises(ConnectionError),
    ):
        for _ in range(1000):  # each byte would renew a time limit for silence
            connection.sendall(b"G")
            time.sleep(SHORT_S / 10)


def test_the_head_of_a_second_request_has_its_time_as_well() -> None:
    with served(App(), ConnectionLimits(head_timeout_s=SHORT_S)) as url, connect(url) as connection:
        exchange(connection)
        time.sleep(2 * SHORT_S)  # between two requests it is uvicorn's own, longer limit that counts
        exchange(connection)
        connection.sendall(GET[:9])
        assert ended(connection)


def test_for_a_body_that_stalls_the_client_has_gone() -> None:
    app = App(reads=True)
    with served(app, ConnectionLimits(stall_s=SHORT_S)) as url, connect(url) as connection:
        connection.sendall(HEAD + b"x" * 100)
        assert ended(connection)
        wait_until(lambda: app.events[-1] == "http.disconnect")


def test_a_body_that_moves_on_is_let_be() -> None:
    app = App(reads=True)
    with served(app, ConnectionLimits(stall_s=SHORT_S)) as url, connect(url) as connection:
        connection.sendall(HEAD)
        for _ in range(10):
            connection.sendall(b"x" * 100_000)
            time.sleep(SHORT_S / 4)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


def test_the_rest_of_a_refused_body_is_not_waited_for() -> None:
    with served(App(), ConnectionLimits(drain_s=SHORT_S)) as url, connect(url) as connection:
        connection.sendall(HEAD)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        with pytest.raises(ConnectionError):
            for _ in range(1000):
                connection.sendall(b"x")
                time.sleep(SHORT_S / 10)


def test_an_answer_that_nobody_takes_ends() -> None:
    app = App(answer_bytes=100_000_000)
    with served(app, ConnectionLimits(stall_s=SHORT_S)) as url, connect(url) as connection:
        connection.sendall(GET)
        time.sleep(4 * SHORT_S)
        with pytest.raises(ConnectionError):
            while connection.recv(1_000_000):
                pass
            raise ConnectionError  # closed before all of it was there


def test_where_all_are_taken_the_one_without_a_request_goes() -> None:
    app = App(reads=True)
    with served(app, ConnectionLimits(most=3)) as url, ExitStack() as stack:
        busy, used, unused = (stack.enter_context(connect(url)) for _ in range(3))
        busy.sendall(HEAD)
        wait_until(lambda: "begun" in app.events)
        exchange(used)
        late = stack.enter_context(connect(url))
        exchange(late)
        assert ended(unused)
        exchange(used)
        busy.sendall(b"x" * 1_000_000)
        assert busy.recv(65536).startswith(b"HTTP/1.1 200")


def test_where_all_are_at_work_a_new_one_is_refused() -> None:
    app = App(reads=True)
    with served(app, ConnectionLimits(most=2)) as url, ExitStack() as stack:
        busy = [stack.enter_context(connect(url)) for _ in range(2)]
        for connection in busy:
            connection.sendall(HEAD)
        wait_until(lambda: app.events.count("begun") == 2)
        assert ended(stack.enter_context(connect(url)))
        for connection in busy:
            connection.sendall(b"x" * 1_000_000)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")


class _Waiting:
    """A connection that waits for a request."""

    is_idle, has_been_used = True, False

    def __init__(self) -> None:
        self.is_open = True
        self.transport = self

    def abort(self) -> None:
        self.is_open = False


def test_one_client_takes_only_its_own_connections_away() -> None:
    table = Connections(ConnectionLimits(most=10, most_per_client=2))
    mine, others, local = ([_Waiting() for _ in range(3)] for _ in range(3))
    for connection in others[:2]:
        assert table.admit(connection, "198.51.100.2")  # type: ignore[arg-type]
    for connection in mine:
        assert table.admit(connection, "198.51.100.1")  # type: ignore[arg-type]
    for connection in local:
        assert table.admit(connection, "")  # type: ignore[arg-type]
    assert [one.is_open for one in [*mine, *others[:2], *local]] == [False, *[True] * 7]
    mine[1].is_idle = mine[2].is_idle = False
    assert not table.admit(_Waiting(), "198.51.100.1")  # type: ignore[arg-type]
    table.remove(mine[1])  # type: ignore[arg-type]
    assert table.admit(_Waiting(), "198.51.100.1")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("127.0.0.1", ""),
        ("127.8.8.8", ""),
        ("::1", ""),
        ("::ffff:127.0.0.1", ""),
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("", ""),
    ],
)
def test_a_client_is_an_address_and_of_ipv6_a_line(address: str, name: str) -> None:
    assert connections._client_name((address, 1)) == name
    assert connections._client_name(None) == ""


@pytest.mark.parametrize(
    ("soft", "hard", "most", "set_to"),
    [(1024, 4096, 1000, 2256), (256, 1024, 384, 1024), (128, 128, 16, 128), (5000, 5000, 1000, 0)],
)
def test_no_more_connections_than_files_that_may_be_open(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, most: int, set_to: int
) -> None:
    done: list[int] = []
    monkeypatch.setattr(connections.resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(connections.resource, "setrlimit", lambda _, limits: done.append(limits[0]))
    assert affordable(1000) == most
    assert done == ([set_to] if set_to else [])
