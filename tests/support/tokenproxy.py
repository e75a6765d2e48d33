"""A registry with the token flow of nvcr.io in front of a backend: in memory, or a real one that is proxied.

What nvcr.io does and a plain registry does not: 401 with a challenge, ``/proxy_auth``, 307 to another host for the
content of blobs, which refuses requests that carry ``Authorization``. Faults are injected here, bytes counted here.
Source: docs/protocol/distribution.md#token-endpoint.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import secrets
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

KEY = "canary-7f3a-registry-key"
_BLOCK = 64 * 1024


@dataclass
class Reply:
    """An answer of a backend; ``body`` are blocks."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: Iterator[bytes] | list[bytes] = field(default_factory=list)


class Backend(Protocol):
    """Where requests that were let through go."""

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: Iterator[bytes]) -> Reply:
        """Handle one request; ``path`` has its query."""


@dataclass(frozen=True)
class Seen:
    """One request as it came in: at the registry, or at the blob host."""

    place: str
    method: str
    path: str
    authorization: str
    range: str
    bytes_received: int
    bytes_sent: int
    status: int


Fault = Callable[["Handler", "Reply"], bool]


@dataclass
class TokenProxy:
    """The front, and what it has seen. ``faults`` by ``METHOD path-regex`` are used up, one a request."""

    backend: Backend
    keys: dict[str, str] = field(default_factory=lambda: {KEY: "push"})
    public: bool = False
    redirect: bool = True
    lifetime_s: int = 600
    refused_agent: str = ""
    challenge: Callable[[TokenProxy, str], str] = lambda proxy, scope: (
        f'Bearer realm="{proxy.url}/proxy_auth",scope="{scope}"'
    )
    log: list[Seen] = field(default_factory=list)
    active: int = 0
    faults: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    tokens: dict[str, tuple[float, dict[str, set[str]]]] = field(default_factory=dict)
    lock: threading.Condition = field(default_factory=threading.Condition)
    url: str = ""
    blob_url: str = ""

    def grant(self, authorization: str, scopes: list[str]) -> tuple[int, dict[str, Any]]:
        """The answer of the token endpoint."""
        role = "pull" if self.public else ""
        if authorization:
            user, _, key = base64.b64decode(authorization.partition(" ")[2]).decode().partition(":")
            if user != "$oauthtoken" or key not in self.keys:
                return 401, {"errors": [{"code": "UNAUTHORIZED", "message": "bad key"}]}
            role = self.keys[key]
        elif not self.public:
            return 401, {"errors": [{"code": "UNAUTHORIZED", "message": "no guests"}]}
        may = {"push": {"pull", "push", "delete"}, "pull": {"pull"}}[role]
        granted: dict[str, set[str]] = defaultdict(set)
        for scope in " ".join(scopes).split():
            _, path, actions = scope.split(":")
            granted[path] |= may if actions == "*" else may & set(actions.split(","))
        token = secrets.token_urlsafe(24)
        self.tokens[token] = (time.monotonic() + self.lifetime_s, granted)
        return 200, {"token": token, "expires_in": self.lifetime_s}

    def allows(self, authorization: str, scope: str) -> bool:
        """Whether a bearer token is good for a scope; any good token is for none."""
        until, granted = self.tokens.get(authorization.removeprefix("Bearer "), (0.0, {}))
        if time.monotonic() >= until:
            return False
        return not scope or set(scope.split(":")[2].split(",")) <= granted.get(scope.split(":")[1], set())

    def expire_tokens(self) -> None:
        """Make every token given so far a bad one."""
        self.tokens.clear()

    def fail(self, request: str, *faults: Fault) -> None:
        """Inject faults into requests that match ``METHOD path-regex``."""
        self.faults[request].extend(faults)

    @property
    def seen(self) -> list[Seen]:
        """Every request so far, once those under way have ended."""
        with self.lock:
            assert self.lock.wait_for(lambda: not self.active, 20), "a request never ended"
            return list(self.log)

    def requests(self, pattern: str = "", place: str = "") -> list[Seen]:
        """Requests that match ``METHOD path-regex``."""
        method, _, path = pattern.partition(" ")
        return [
            item
            for item in self.seen
            if method in ("", item.method) and re.search(path, item.path) and place in ("", item.place)
        ]

    def blob_bytes(self) -> int:
        """Bytes of blobs that were sent to clients."""
        return sum(item.bytes_sent for item in self.seen if item.method == "GET" and "/blobs/" in item.path)


class Handler(BaseHTTPRequestHandler):
    """One connection, to the registry or to the blob host."""

    protocol_version = "HTTP/1.1"
    proxy: TokenProxy
    place: str

    def handle_one(self) -> None:
        self.sent = self.received = self.status = 0
        with self.proxy.lock:
            self.proxy.active += 1
        try:
            reply = self._blob() if self.place == "blob host" else self._registry()
            if reply is not None:
                self._reply(reply)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with self.proxy.lock:
                self.proxy.active -= 1
                self.proxy.lock.notify_all()
                self.proxy.log.append(
                    Seen(
                        self.place,
                        self.command,
                        self.path,
                        self.headers.get("Authorization", ""),
                        self.headers.get("Range", ""),
                        self.received,
                        self.sent,
                        self.status,
                    )
                )

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one

    def _registry(self) -> Reply | None:
        parts = urlsplit(self.path)
        authorization = self.headers.get("Authorization", "")
        if self.proxy.refused_agent and self.headers.get("User-Agent", "").startswith(
            self.proxy.refused_agent
        ):
            return _json(403, {"errors": [{"code": "DENIED", "message": "this program may not pass"}]})
        if parts.path == "/proxy_auth":
            if self._fault(Reply(200)):
                return None
            status, value = self.proxy.grant(authorization, parse_qs(parts.query).get("scope", []))
            return _json(status, value)
        scope = self._scope(self.command, parts.path)
        if not self.proxy.allows(authorization, scope):
            self._drain()
            challenge = self.proxy.challenge(self.proxy, scope)
            if authorization:
                challenge += ',error="invalid_token"'
            reply = _json(401, {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]})
            reply.headers["WWW-Authenticate"] = challenge
            return reply
        if self.command == "GET" and "/blobs/sha" in parts.path and self.proxy.redirect:
            if self._fault(Reply(307)):
                return None
            place = f"{self.proxy.blob_url}{parts.path}?sig={secrets.token_hex(8)}"
            return Reply(307, {"Location": place, "Content-Length": "0"})
        return self._backend()

    def _blob(self) -> Reply | None:
        if self.headers.get("Authorization"):
            return _json(400, {"message": "only one way to authorize is allowed"})
        return self._backend()

    def _backend(self) -> Reply | None:
        headers = {name: value for name, value in self.headers.items() if name.lower() != "authorization"}
        accept = self.headers.get_all("Accept")
        if accept:
            headers["Accept"] = ", ".join(accept)
        before = Reply(0)
        if self._fault(before):
            return None
        reply = self.proxy.backend.answer(self.command, self.path, headers, self._body())
        self._drain()
        return reply

    def _fault(self, reply: Reply) -> bool:
        """Let the first fault that matches handle the request; True when it did."""
        with self.proxy.lock:
            for pattern, queue in self.proxy.faults.items():
                method, _, path = pattern.partition(" ")
                if queue and self.command == method and re.search(path, self.path):
                    fault = queue.pop(0)
                    break
            else:
                return False
        return fault(self, reply)

    @staticmethod
    def _scope(method: str, path: str) -> str:
        match = re.fullmatch(r"/v2/(.+)/(?:blobs|manifests|tags|referrers)/.*", path)
        actions = "pull" if method in ("GET", "HEAD") and "/uploads/" not in path else "pull,push"
        return (
            f"repository:{match[1]}:{'delete' if method == 'DELETE' and 'uploads' not in path else actions}"
            if match
            else ""
        )

    def _body(self) -> Iterator[bytes]:
        """The request body, in either coding."""
        if self.headers.get("Transfer-Encoding", "") == "chunked":
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                yield self._count(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            self.headers.replace_header("Transfer-Encoding", "done")
            return
        left = int(self.headers.get("Content-Length") or 0) - self.received
        while left > 0:
            block = self._count(self.rfile.read(min(left, _BLOCK)))
            if not block:
                raise ConnectionResetError
            left -= len(block)
            yield block

    def _count(self, block: bytes) -> bytes:
        self.received += len(block)
        return block

    def _drain(self) -> None:
        for _ in self._body():
            pass

    def _reply(self, reply: Reply) -> None:
        self.head(reply)
        try:
            for block in reply.body if self.command != "HEAD" else ():
                self.write(block)
        finally:
            if isinstance(reply.body, Generator):
                reply.body.close()

    def head(self, reply: Reply) -> None:
        """Send status and headers."""
        self.status = reply.status
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if not {"content-length", "transfer-encoding"} & {name.lower() for name in reply.headers}:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def write(self, block: bytes) -> None:
        """Send a block and count it."""
        self.wfile.write(block)
        self.sent += len(block)

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


def _json(status: int, value: Any) -> Reply:
    body = json.dumps(value).encode()
    return Reply(status, {"Content-Type": "application/json", "Content-Length": str(len(body))}, [body])


# faults


def status(code: int, headers: dict[str, str] | None = None) -> Fault:
    """Answer with this status."""

    def fault(handler: Handler, reply: Reply) -> bool:
        handler._drain()
        handler._reply(Reply(code, headers or {}))
        return True

    return fault


def cut_answer(at: int) -> Fault:
    """Send only the first ``at`` bytes of the answer's body and drop the connection."""

    def fault(handler: Handler, reply: Reply) -> bool:
        full = handler.proxy.backend.answer(handler.command, handler.path, dict(handler.headers), iter(()))
        handler.head(full)
        left = at
        for block in full.body:
            handler.write(block[:left])
            left -= len(block)
            if left <= 0:
                break
        handler.close_connection = True
        return True

    return fault


@dataclass
class Stall:
    """A request that has come to a stop, until it is let go."""

    reached: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def hold(self, handler: Handler) -> bool:
        """Stop here, then drop the connection."""
        self.reached.set()
        self.go_on.wait(60)
        handler.close_connection = True
        return True


def stall_answer(stall: Stall, at: int) -> Fault:
    """Send the first ``at`` bytes of the answer's body, then nothing."""

    def fault(handler: Handler, reply: Reply) -> bool:
        full = handler.proxy.backend.answer(handler.command, handler.path, dict(handler.headers), iter(()))
        handler.head(full)
        handler.write(b"".join(full.body)[:at])
        return stall.hold(handler)

    return fault


def stall_request(stall: Stall) -> Fault:
    """Answer nothing."""
    return lambda handler, reply: stall.hold(handler)


def change_answer(change: Callable[[bytes], bytes]) -> Fault:
    """Send another body of the same length."""

    def fault(handler: Handler, reply: Reply) -> bool:
        full = handler.proxy.backend.answer(handler.command, handler.path, dict(handler.headers), iter(()))
        full.body = [change(b"".join(full.body))]
        handler._reply(full)
        return True

    return fault


def cut_request(at: int) -> Fault:
    """Hand the backend the first ``at`` bytes of the request's body, then drop the connection."""

    def fault(handler: Handler, reply: Reply) -> bool:
        taken: list[bytes] = []
        for block in handler._body():
            taken.append(block[: max(at - sum(map(len, taken)), 0)])
            if sum(map(len, taken)) >= at:
                break
        headers = {**dict(handler.headers), "Content-Length": str(sum(map(len, taken)))}
        headers.pop("Content-Range", None)
        handler.proxy.backend.answer(handler.command, handler.path, headers, iter(taken))
        handler.close_connection = True
        return True

    return fault


class Upstream:
    """A backend that is a real registry, reached over HTTP with the Host of the client."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: Iterator[bytes]) -> Reply:
        """Pass the request on, and the answer back as it comes."""
        connection = http.client.HTTPConnection(*self._address, timeout=60)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                connection.putheader(name, value)
        length = next((value for name, value in headers.items() if name.lower() == "content-length"), None)
        chunked = length is None and any(name.lower() == "transfer-encoding" for name in headers)
        if length is not None:
            connection.putheader("Content-Length", length)
        elif chunked:
            connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        for block in body:
            connection.send(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
        if chunked:
            connection.send(b"0\r\n\r\n")
        answer = connection.getresponse()
        given = {name: value for name, value in answer.getheaders() if name.lower() != "connection"}

        if method == "HEAD" or given.get("Content-Length") == "0":
            connection.close()
            return Reply(answer.status, given)

        def blocks() -> Iterator[bytes]:
            try:
                while block := answer.read(_BLOCK):
                    yield block
            finally:
                connection.close()

        if "Content-Length" not in given:
            content = answer.read()
            connection.close()
            given.pop("Transfer-Encoding", None)
            return Reply(answer.status, {**given, "Content-Length": str(len(content))}, [content])
        return Reply(answer.status, given, blocks())


class _Server(ThreadingHTTPServer):
    """A server whose clients may hang up as they like."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving(proxy: TokenProxy) -> Iterator[TokenProxy]:
    """Run a front: the registry on 127.0.0.1, the blob host on 127.0.0.2."""
    servers = []
    for host, place in (("127.0.0.1", "registry"), ("127.0.0.2", "blob host")):
        server = _Server((host, 0), type("Place", (Handler,), {"proxy": proxy, "place": place}))
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
    proxy.url, proxy.blob_url = (
        f"http://{server.server_address[0]}:{server.server_address[1]}" for server in servers
    )
    try:
        yield proxy
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
