"""A stand-in for Docker's Engine on a local socket: what it answers about itself, and what it is asked to run."""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

# The Engine API of a Docker release, which its command line asks for first.
API_VERSIONS = {"17.03.2-ce": "1.27", "18.09.1": "1.39", "24.0.7": "1.43"}


@dataclass
class FakeEngine:
    """Its address, and the bodies of the requests to create a container."""

    address: str
    created: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def engine(path: str, version: str, *, podman: bool = False, **info: Any) -> Iterator[FakeEngine]:
    """An engine of this version on a socket; ``info`` is what it tells about its runtimes."""
    fake = FakeEngine(f"unix://{path}")
    handler = type("Handler", (_Handler,), {"fake": fake, "version": version, "podman": podman, "info": info})
    with socketserver.ThreadingUnixStreamServer(path, handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: FakeEngine
    version: str
    podman: bool
    info: dict[str, Any]

    def do_GET(self) -> None:
        api = API_VERSIONS.get(self.version, "1.40")
        components = [{"Name": "Podman Engine"}] if self.podman else []
        if self.path.endswith("/version"):
            self._answer({"Version": self.version, "ApiVersion": api, "Components": components})
        elif self.path.endswith("/info"):
            self._answer({"ServerVersion": self.version, **self.info})
        else:
            self._answer({"message": "no such thing"}, status=404)

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Api-Version", API_VERSIONS.get(self.version, "1.40"))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # Docker's command line hangs up when it has its answer
            super().handle()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "/containers/create" in self.path:
            self.fake.created.append(json.loads(body))
        self._answer({"Id": "c" * 64, "Warnings": []}, status=201)

    def _answer(self, value: Any, *, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "local"

    def log_message(self, *args: object) -> None:
        """Keep quiet."""
