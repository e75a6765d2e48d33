"""A file server that can misbehave on demand and counts what it sends: for the transfer engine."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

Fault = Callable[["Handler", bytes, int, int], bool]


@dataclass
class FaultServer:
    """Serves ``files`` by path; ``faults`` of a path are used up one a request, first come first served."""

    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    etags: dict[str, str] = field(default_factory=dict)
    sent_bytes: int = 0
    requests: list[tuple[str, str]] = field(default_factory=list)
    connections: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    def add(self, path: str, content: bytes, *faults: Fault) -> str:
        """Serve this content; returns its hex sha256."""
        self.files[path] = content
        self.faults[path].extend(faults)
        return hashlib.sha256(content).hexdigest()

    def count(self, byte_count: int) -> None:
        with self.lock:
            self.sent_bytes += byte_count


class Handler(BaseHTTPRequestHandler):
    """One connection of the fault server."""

    protocol_version = "HTTP/1.1"
    server: Any

    @property
    def state(self) -> FaultServer:
        state: FaultServer = self.server.state
        return state

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 256 * 1024)
        with self.state.lock:
            self.state.connections += 1

    def do_GET(self) -> None:
        path = self.path.lstrip("/")
        with self.state.lock:
            self.state.requests.append((path, self.headers.get("Range", "")))
            queue = self.state.faults[path]
            fault = queue.pop(0) if queue else None
        content = self.state.files[path]
        start, end = self.range_of(len(content))
        if fault is None or not fault(self, content, start, end):
            self.reply(content, start, end, etag=self.state.etags.get(path, '"e"'))

    def range_of(self, size: int) -> tuple[int, int]:
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        return (int(match[1]), min(int(match[2]) + 1, size)) if match else (0, size)

    def reply(
        self, content: bytes, start: int, end: int, *, etag: str = '"e"', total: int | None = None
    ) -> None:
        """The range as it should be."""
        self.promise(content, start, end, etag=etag, total=total)
        self.body(content[start:end])

    def promise(
        self, content: bytes, start: int, end: int, *, etag: str = '"e"', total: int | None = None
    ) -> None:
        """The head of the answer with a range."""
        content_range = f"bytes {start}-{end - 1}/{total or len(content)}"
        self.head(206, end - start, {"Content-Range": content_range, "ETag": etag})

    def head(self, status: int, length: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()

    def body(self, data: bytes) -> None:
        view = memoryview(data)
        for offset in range(0, len(view), 65536):
            block = view[offset : offset + 65536]
            try:
                self.wfile.write(block)
            except OSError:
                self.close_connection = True
                return
            self.state.count(len(block))

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


def cut(at: int) -> Fault:
    """Promise the whole range, send ``at`` bytes and drop the connection."""

    def fault(handler: Handler, content: bytes, start: int, end: int) -> bool:
        handler.promise(content, start, end)
        handler.body(content[start : min(start + at, end)])
        handler.close_connection = True
        return True

    return fault


def status(code: int, headers: dict[str, str] | None = None) -> Fault:
    """Answer with this status."""

    def fault(handler: Handler, content: bytes, start: int, end: int) -> bool:
        handler.head(code, 0, headers)
        return True

    return fault


def flip(offset: int) -> Fault:
    """Send the range with one byte changed."""

    def fault(handler: Handler, content: bytes, start: int, end: int) -> bool:
        if not start <= offset < end:
            return False
        changed = bytearray(content)
        changed[offset] ^= 0xFF
        handler.reply(bytes(changed), start, end)
        return True

    return fault


def whole(handler: Handler, content: bytes, start: int, end: int) -> bool:
    """Answer a request for a range with 200 and everything."""
    handler.head(200, len(content))
    handler.body(content)
    return True


def whole_cut(at: int) -> Fault:
    """Answer a request for a range with 200 and the first ``at`` bytes, and drop the connection."""

    def fault(handler: Handler, content: bytes, start: int, end: int) -> bool:
        handler.head(200, len(content))
        handler.body(content[:at])
        handler.close_connection = True
        return True

    return fault


def tagged(etag: str, cut_at: int | None = None) -> Fault:
    """Send the range with this entity tag; only ``cut_at`` bytes of it."""

    def fault(handler: Handler, content: bytes, start: int, end: int) -> bool:
        handler.promise(content, start, end, etag=etag)
        handler.body(content[start : end if cut_at is None else min(start + cut_at, end)])
        handler.close_connection = cut_at is not None
        return True

    return fault


def html(handler: Handler, content: bytes, start: int, end: int) -> bool:
    """Answer 200 with an error page."""
    page = b"<html><title>Sign in</title></html>"
    handler.head(200, len(page), {"Content-Type": "text/html"})
    handler.body(page)
    return True


def other_range(handler: Handler, content: bytes, start: int, end: int) -> bool:
    """Answer with other bytes than were asked for."""
    handler.reply(content, max(start - 1, 0) if start else start + 1, end)
    return True


def longer(handler: Handler, content: bytes, start: int, end: int) -> bool:
    """Say that the file is larger than was promised."""
    handler.reply(content, start, end, total=len(content) + 5)
    return True


def stall(handler: Handler, content: bytes, start: int, end: int) -> bool:
    """Send half of the range, then nothing more."""
    handler.promise(content, start, end)
    handler.body(content[start : (start + end) // 2])
    handler.server.stalled.wait(60)
    handler.close_connection = True
    return True


def slowly(rate_bytes_per_s: int) -> Fault:
    """Send the range at this rate."""

    def fault(handler: Handler, content: bytes, start: int, end: int) -> bool:
        handler.promise(content, start, end)
        for offset in range(start, end, 65536):
            began = time.monotonic()
            handler.body(content[offset : min(offset + 65536, end)])
            if handler.close_connection or handler.server.stalled.wait(
                max(0.0, 65536 / rate_bytes_per_s - (time.monotonic() - began))
            ):
                break
        return True

    return fault


@pytest.fixture
def faults() -> Iterator[FaultServer]:
    """A fault server on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.stalled = threading.Event()  # type: ignore[attr-defined]
    server.state = FaultServer(url=f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server.state  # type: ignore[attr-defined]
    server.stalled.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()
    thread.join()
