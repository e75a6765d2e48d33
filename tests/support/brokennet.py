"""A network that is broken on purpose: names, proxies, certificates, clocks and servers that fail as real ones do.

``net`` resolves names under ``.test`` to this machine and knows no other, so that nothing here can leave it.
``net.ngc(...)`` is a small NGC of four hosts (API, authentication, container registry, files), each of which can
be told how to misbehave.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

MIB = 1024 * 1024
FILE_BYTES = 3 * MIB
_BLOCK_BYTES = 64 * 1024
KEY = "nvapi-good"
ORG = "acme"


@dataclass
class Host:
    """One server: its name, and what is wrong with it. Paths are matched by their beginning."""

    name: str
    clock_offset_s: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict)
    cut_at: int | None = None
    silent: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    certificate: trustme.LeafCert | None = None
    url: str = ""
    bytes_per_s: int = 0
    requests: list[str] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)


@dataclass
class Ngc:
    """A small NGC; ``files`` is where signed links point to."""

    api: Host
    auth: Host
    registry: Host
    files: Host
    ca_bundle: str

    @property
    def environment(self) -> dict[str, str]:
        """Variables that make ``ngc`` use it, with a good key."""
        return {
            "NGC_CLI_API_URL": self.api.url,
            "NGC_CLI_AUTH_URL": self.auth.url,
            "NGC_CLI_REGISTRY_SERVICE_URL": self.registry.url,
            "NGC_CLI_API_KEY": KEY,
            "NGC_CLI_ORG": ORG,
            "REQUESTS_CA_BUNDLE": self.ca_bundle,
        }


@dataclass
class Proxy:
    """A proxy for CONNECT: lets through what is not refused with ``status``; remembers targets and logins."""

    status: int = 200
    url: str = ""
    targets: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)


class BrokenNet:
    """Makes hosts and proxies; ``unknown`` are the names that do not resolve, ``queries`` all that were asked for."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA(organization_name="Good CA")
        self.inspector = trustme.CA(organization_name="Acme Network Inspection")
        self.ca_bundle = str(folder / "good-ca.pem")
        self.ca.cert_pem.write_to_path(self.ca_bundle)
        self.unknown: set[str] = set()
        self.queries: list[str] = []
        self.closers: list[Callable[[], object]] = []

    def ngc(self) -> Ngc:
        """Four good hosts that trust each other."""
        hosts = [self.host(Host(f"{name}.ngc.test")) for name in ("api", "authn", "nvcr", "files")]
        ngc = Ngc(*hosts, self.ca_bundle)
        for host in hosts:
            host.bodies.update(_answers(ngc))
        return ngc

    def host(self, host: Host) -> Host:
        """Start a host with a certificate of its own name, unless it has another."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        server.host = host  # type: ignore[attr-defined]
        server.over = threading.Event()  # type: ignore[attr-defined]
        self._serve(server)
        host.url = f"https://{host.name}:{server.server_port}"
        host.certificate = host.certificate or self.ca.issue_cert(host.name)
        self.closers.insert(0, server.over.set)  # type: ignore[attr-defined]
        return host

    def resign(self, host: Host) -> None:
        """From now on something on the way shows a certificate of its own for this host."""
        host.certificate = self.inspector.issue_cert(host.name)

    def misname(self, host: Host) -> None:
        """From now on the host shows a certificate for another name."""
        host.certificate = self.ca.issue_cert("other.ngc.test")

    def expire(self, host: Host, *, valid_until: datetime) -> None:
        """From now on the host shows a certificate that was good for the year up to then."""
        host.certificate = self.ca.issue_cert(
            host.name, not_before=valid_until - timedelta(days=365), not_after=valid_until
        )

    def proxy(self, status: int = 200) -> Proxy:
        """Start a proxy."""
        proxy = Proxy(status)
        server = ThreadingHTTPServer(("127.0.0.1", 0), _ProxyHandler)
        server.proxy = proxy  # type: ignore[attr-defined]
        self._serve(server)
        proxy.url = f"http://proxy.ngc.test:{server.server_port}"
        return proxy

    def closed_port(self) -> int:
        """A port of this machine where nothing listens, kept free until the end."""
        holder = socket.socket()
        holder.bind(("127.0.0.1", 0))
        self.closers.append(holder.close)
        return int(holder.getsockname()[1])

    def resolve(self, real: Callable[..., Any], name: str, *args: Any, **options: Any) -> Any:
        """Stands in for getaddrinfo."""
        self.queries.append(name)
        if name in self.unknown:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if name.endswith(".test"):
            name = "127.0.0.1"
        assert name in ("127.0.0.1", "localhost", "::1"), f"a test asked for {name}"
        return real(name, *args, **options)

    def close(self) -> None:
        for close in self.closers:
            close()

    def _serve(self, server: ThreadingHTTPServer) -> None:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        self.closers += [server.shutdown, server.server_close, thread.join]


def _answers(ngc: Ngc) -> dict[str, bytes]:
    """What healthy hosts say, by path; longer paths win."""
    user = {
        "id": 70001,
        "name": "John Smith",
        "email": "jsmith@example.com",
        "roles": [
            {"org": {"id": 1, "name": ORG}, "orgRoles": ["REGISTRY_READ", "USER_ADMIN"]},
            {
                "org": {"id": 1, "name": ORG},
                "team": {"id": 2, "name": "vision"},
                "teamRoles": ["REGISTRY_USER"],
            },
        ],
    }
    model = {
        "resourceId": f"{ORG}/net",
        "resourceType": "MODEL",
        "name": "net",
        "orgName": ORG,
        "attributes": [{"key": "latestVersionIdStr", "value": "1"}],
    }
    found = {
        "resultPageTotal": 1,
        "results": [{"groupValue": "MODEL", "totalCount": 1, "resources": [model]}],
    }
    answers: dict[str, Any] = {
        "/health": {"health": {"healthCode": "OK"}},
        "/token": {"token": "t0ken-of-the-registry", "expires_in": 600},
        "/v3/keys/get-caller-info": {"type": "PERSONAL_KEY", "orgName": ORG, "user": user},
        "/v2/": {},
        "/v2/echo/address": {"address": "192.0.2.7"},
        "/v2/search/": found,
        f"/v2/org/{ORG}/models/net/versions/1/files": {
            "modelFiles": [{"path": "weights.bin", "sizeInBytes": FILE_BYTES}],
        },
        f"/v2/org/{ORG}/models/net/1/files": {
            "urls": [f"{ngc.files.url}/blob?Signature=s1gned-canary&Expires=1"],
            "filepath": ["weights.bin"],
        },
    }
    return {path: json.dumps(answer).encode() for path, answer in answers.items()} | {
        "/blob": b"x" * FILE_BYTES
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    @property
    def host(self) -> Host:
        host: Host = self.server.host
        return host

    def setup(self) -> None:
        assert self.host.certificate is not None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.host.certificate.configure_cert(context)
        self.request.settimeout(30)
        with contextlib.suppress(OSError):  # a client that did not like the certificate
            self.request = context.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        super().finish()
        self.request.close()  # the server knows the plain socket only

    def handle(self) -> None:
        if isinstance(self.request, ssl.SSLSocket):
            try:
                super().handle()
            except OSError:
                self.close_connection = True

    def do_GET(self) -> None:
        host = self.host
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        host.requests.append(f"{self.command} {self.path}")
        host.authorizations.append(self.headers.get("Authorization", ""))
        if host.silent:
            self.server.over.wait(60)
            self.close_connection = True
            return
        status = _longest(host.statuses, self.path) or 200
        body = _longest(host.bodies, self.path) or b""
        if (
            status == 200
            and self.path == "/v2/"
            and "Authorization" not in self.headers
            and host.name == "nvcr.ngc.test"
        ):
            status = 401
            host.headers["WWW-Authenticate"] = f'Bearer realm="{host.url}/token",service="registry"'
        self.send_response_only(status)
        self.send_header("Date", formatdate(time.time() + host.clock_offset_s, usegmt=True))
        for name, value in host.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if host.cut_at is not None and len(body) > host.cut_at:
            body = body[: host.cut_at]
            self.close_connection = True
        for start in range(0, len(body), _BLOCK_BYTES):
            self.wfile.write(body[start : start + _BLOCK_BYTES])
            if host.bytes_per_s and self.server.over.wait(_BLOCK_BYTES / host.bytes_per_s):
                return

    do_POST = do_HEAD = do_GET

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


class _ProxyHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def do_CONNECT(self) -> None:
        proxy: Proxy = self.server.proxy
        proxy.targets.append(self.path)
        proxy.logins.append(self.headers.get("Proxy-Authorization", ""))
        self.send_response(proxy.status)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.close_connection = True
        if proxy.status == 200:
            self.wfile.flush()
            with socket.create_connection(
                ("127.0.0.1", urlsplit(f"//{self.path}").port or 443), 10
            ) as target:
                back = threading.Thread(target=_pump, args=(target, self.connection), daemon=True)
                back.start()
                _pump(self.connection, target)
                back.join(10)

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Copy until the source ends."""
    try:
        while block := source.recv(65536):
            target.sendall(block)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def _longest(table: dict[str, Any], path: str) -> Any:
    """The entry of the longest beginning of the path; an entry that ends in ``/`` stands for itself alone when
    it is shorter than every other one."""
    fitting = [beginning for beginning in table if path.startswith(beginning)]
    return table[max(fitting, key=len)] if fitting else None


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BrokenNet]:
    """A network of this test alone; names are resolved by it in this process."""
    made = BrokenNet(tmp_path)
    real = socket.getaddrinfo

    def resolve(name: str, *args: Any, **options: Any) -> Any:
        return made.resolve(real, name, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    yield made
    made.close()
