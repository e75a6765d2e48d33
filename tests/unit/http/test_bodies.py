"""Bodies that servers send to fill the memory or to keep us waiting."""

from __future__ import annotations

import gzip
import io
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator

import pytest
import urllib3

from ngc_cli.api.client import ANSWER_MAX_BYTES, LIST_MAX_BYTES, ApiClient
from ngc_cli.errors import NgcError, ServerError
from ngc_cli.http.auth import NgcCredentials, Scope
from ngc_cli.http.bodies import UnusableBody, read_limited
from ngc_cli.http.session import Http, HttpSettings
from ngc_cli.oci.challenge import Challenge, RegistryLogin

MIB = 1024 * 1024


def answer(body: bytes, coding: str = "") -> urllib3.HTTPResponse:
    return urllib3.HTTPResponse(
        io.BytesIO(body), {"Content-Encoding": coding}, preload_content=False, decode_content=False
    )


@pytest.mark.parametrize("coding", ["", "identity", "gzip", "GZIP", "x-gzip"])
@pytest.mark.parametrize("size", [0, 1, 1000, 3 * MIB])
def test_a_body_within_the_limit_is_read_whole(coding: str, size: int) -> None:
    body = b"{}" * (size // 2) + b"1" * (size % 2)
    sent = gzip.compress(body) if "gzip" in coding.lower() else body
    assert read_limited(answer(sent, coding), max(size, 1)) == body


@pytest.mark.parametrize("coding", ["", "gzip"])
def test_a_byte_beyond_the_limit_is_refused(coding: str) -> None:
    body = b"x" * (MIB + 1)
    sent = gzip.compress(body) if coding else body
    with pytest.raises(UnusableBody, match="more than"):
        read_limited(answer(sent, coding), MIB)
    assert read_limited(answer(sent, coding), MIB, cut=True) == body[:MIB]


def test_a_bomb_costs_no_more_memory_than_the_limit() -> None:
    bomb = gzip.compress(bytes(200 * MIB))
    raw = answer(bomb, "gzip")
    tracemalloc.start()
    with pytest.raises(UnusableBody, match="more than"):
        read_limited(raw, MIB)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * MIB


def test_a_coding_that_was_not_asked_for_is_refused() -> None:
    with pytest.raises(UnusableBody, match="not asked for"):
        read_limited(answer(b"x", "gzip, gzip"), MIB)


def test_damaged_gzip_is_told() -> None:
    with pytest.raises(UnusableBody, match="damaged"):
        read_limited(answer(b"no gzip", "gzip"), MIB)


class Server:
    """Answers every connection with the same bytes; then it goes on with ``dripped``, a byte every 20 ms."""

    def __init__(self, sent: bytes, dripped: bytes = b"") -> None:
        self.sent, self.dripped = sent, dripped
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(65536)
                    connection.sendall(self.sent)
                    for number in range(len(self.dripped)):
                        if self.ended.wait(0.02):
                            return
                        connection.sendall(self.dripped[number : number + 1])
                except OSError:
                    continue

    def close(self) -> None:
        self.ended.set()
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()


@pytest.fixture
def http() -> Iterator[Http]:
    made = Http(HttpSettings(timeout_s=5, retries=0))
    yield made
    made.close()


def api(http: Http, server: Server) -> ApiClient:
    return ApiClient(http, NgcCredentials(http, "nvapi-x", api_url=server.url, auth_url=server.url))


def head(status: int, length: int, coding: str = "") -> bytes:
    more = f"Content-Encoding: {coding}\r\n" if coding else ""
    return (
        f"HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{more}WWW-Authenticate: Basic\r\n\r\n".encode()
    )


@pytest.mark.parametrize(("limit_bytes", "is_list"), [(ANSWER_MAX_BYTES, False), (LIST_MAX_BYTES, True)])
def test_an_answer_of_the_api_has_a_size(http: Http, limit_bytes: int, is_list: bool) -> None:
    for size, fits in ((limit_bytes, True), (limit_bytes + 1, False)):
        text = gzip.compress(b'{"a":"' + b"x" * (size - 8) + b'"}', 1)
        server = Server(head(200, len(text), "gzip") + text)
        client = api(http, server)
        try:
            if fits:
                assert (
                    len((next(client.pages("/x")) if is_list else client.call("GET", "/x"))["a"]) == size - 8
                )
                continue
            with pytest.raises(ServerError, match="more than"):
                _ = next(client.pages("/x")) if is_list else client.call("GET", "/x")
        finally:
            server.close()


def test_an_answer_that_comes_a_byte_at_a_time_is_not_waited_for(
    http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(read_limited.__kwdefaults__, "limit_s", 0.5)
    server = Server(head(200, 100_000), b" " * 100_000)
    started_s = time.monotonic()
    try:
        with pytest.raises(ServerError, match="has not sent the whole"):
            api(http, server).call("GET", "/x")
    finally:
        server.close()
    assert time.monotonic() - started_s < 3


def test_the_reason_of_an_error_is_not_waited_for_either(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ngc_cli.http.status._BODY_LIMIT_S", 0.5)
    server = Server(head(404, 100_000), b" " * 100_000)
    started_s = time.monotonic()
    try:
        with pytest.raises(NgcError):
            api(http, server).call("GET", "/x")
    finally:
        server.close()
    assert time.monotonic() - started_s < 3


@pytest.mark.parametrize("status", [200, 403])
def test_json_without_a_bottom_is_a_named_error_everywhere(http: Http, status: int) -> None:
    text = b"[" * 60_000
    server = Server(head(status, len(text)) + text)
    try:
        with pytest.raises(NgcError):
            api(http, server).call("GET", "/x")
        legacy = NgcCredentials(http, "legacy", api_url=server.url, auth_url=server.url)
        with pytest.raises(NgcError):
            legacy.bearer(Scope("acme"))
        with pytest.raises(NgcError):
            RegistryLogin(http, server.url, "k")._fetch(
                Challenge("bearer", {"realm": f"{server.url}/token"}), ()
            )
    finally:
        server.close()
