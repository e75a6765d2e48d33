"""A server in front of the registry that forwards everything, but for the requests that rules spoil.

It also remembers every secret that passes: bearer values, tokens given out, signatures of links.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest


@dataclass
class Answer:
    """What the registry answered, to be sent on as it is or spoilt."""

    status: int
    headers: dict[str, str]
    body: bytes
    promised_bytes: int | None = None
    """Content-Length to send instead of the true one."""


Spoil = Callable[[Answer], Answer]


@dataclass
class Rule:
    """Spoils answers to requests of this method whose path matches; ``times`` counts down, None is for ever."""

    method: str
    path: str
    spoil: Spoil
    times: int | None = 1

    def applies(self, method: str, path: str) -> bool:
        if method != self.method or not re.search(self.path, path) or self.times == 0:
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass
class FaultProxy:
    """The proxy: its address, its rules, and the secrets it has seen."""

    target: str
    url: str = ""
    rules: list[Rule] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def spoil(self, method: str, path: str, spoil: Spoil, times: int | None = 1) -> None:
        """Add a rule."""
        self.rules.append(Rule(method, path, spoil, times))

    def learn(self, authorization: str, answer: bytes) -> None:
        with self.lock:
            if authorization:
                self.secrets.add(authorization.partition(" ")[2])
            text = answer[:200_000].decode("latin-1")
            self.secrets.update(re.findall(r'"(?:token|access_token)":\s*"([^"]+)"', text))
            self.secrets.update(re.findall(r"[?&]sig=([^&\"]+)", text))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def forward(self) -> None:
        proxy: FaultProxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = urlsplit(proxy.target)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=60)
        try:
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            reply = connection.getresponse()
            answer = Answer(reply.status, dict(reply.getheaders()), reply.read())
        finally:
            connection.close()
        proxy.learn(self.headers.get("Authorization", ""), answer.body)
        with proxy.lock:
            rules = [rule for rule in proxy.rules if rule.applies(self.command, self.path)]
        for rule in rules:
            answer = rule.spoil(answer)
        self.send(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = forward

    def send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        promised = len(answer.body) if answer.promised_bytes is None else answer.promised_bytes
        self.send_header("Content-Length", str(promised))
        self.end_headers()
        self.wfile.write(answer.body)
        if promised != len(answer.body):
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


def status(code: int, **headers: str) -> Spoil:
    """Answer with this status, in the registry's dialect."""

    def spoil(answer: Answer) -> Answer:
        said = {"requestStatus": {"statusCode": "UNKNOWN", "statusDescription": "spoilt", "requestId": "r-9"}}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Answer(code, {"Content-Type": "application/json", **named}, json.dumps(said).encode())

    return spoil


def flipped(answer: Answer) -> Answer:
    """One byte in the middle changed."""
    body = bytearray(answer.body)
    body[len(body) // 2] ^= 0xFF
    return Answer(answer.status, answer.headers, bytes(body))


def cut(answer: Answer) -> Answer:
    """The second half missing."""
    return Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2], len(answer.body))


def lying_length(answer: Answer) -> Answer:
    """A length that is too small, and less than was promised with the file."""
    short = answer.body[: len(answer.body) - 7]
    headers = {name: value for name, value in answer.headers.items() if name.lower() != "content-range"}
    return Answer(200, headers, short)


def html(answer: Answer) -> Answer:
    """A page to sign in, with status 200."""
    return Answer(200, {"Content-Type": "text/html"}, b"<html><title>Sign in</title></html>")


def renamed(path: str) -> Spoil:
    """Every file listed under this name."""

    def spoil(answer: Answer) -> Answer:
        value = json.loads(answer.body)
        for item in value["modelFiles"]:
            item["path"] = path
        return Answer(answer.status, answer.headers, json.dumps(value).encode())

    return spoil


@pytest.fixture
def make_proxy() -> Iterator[Callable[[str], FaultProxy]]:
    """Starts a proxy in front of a registry."""
    servers: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def make(target: str) -> FaultProxy:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        server.daemon_threads = True
        proxy = FaultProxy(target, f"http://127.0.0.1:{server.server_port}")
        server.proxy = proxy  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        servers.append((server, thread))
        return proxy

    yield make
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()
