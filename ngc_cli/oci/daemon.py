"""Docker or Podman on this machine, when one answers: its socket API, over http.client.

Source: docs/protocol/storage.md; Docker Engine API 1.40.
"""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode, urlsplit

from ngc_cli.errors import LocalFileError, NgcError, NotFound
from ngc_cli.http.redact import redact_text
from ngc_cli.json_text import parse_json
from ngc_cli.urls import is_loopback

# The daemon is on this machine: it answers at once or not at all.
_CONNECT_TIMEOUT_S = 3.0
# Between two lines of progress, while the daemon unpacks a large layer.
_ANSWER_TIMEOUT_S = 60.0
_WORK_TIMEOUT_S = 1800.0  # a daemon says nothing while it unpacks a layer of many GB
# A line of progress is a few hundred bytes.
_LINE_MAX_BYTES = 1024 * 1024
# What passes to and from the daemon at once.
_BLOCK_BYTES = 1024 * 1024
# Docker 19.03: the first with --gpus, and what Podman speaks.
_API = (1, 40)


class DaemonError(NgcError):
    """The daemon could not do what it was asked."""

    code = "daemon"


@dataclass(frozen=True)
class DaemonVersion:
    """Which daemon answers; ``release`` is the leading numbers of ``version``, such as (19, 3), ``platform`` empty
    when it does not say."""

    name: str
    version: str
    release: tuple[int, ...]
    platform: str


@dataclass(frozen=True)
class Login:
    """What the daemon shall say to the registry; handed to it with the one request."""

    username: str
    password: str
    server: str

    def header(self) -> str:
        """The value of ``X-Registry-Auth``."""
        value = {"username": self.username, "password": self.password, "serveraddress": self.server}
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


OnEvent = Callable[[Mapping[str, Any]], None]


class Daemon:
    """The API of one daemon, a connection for each call."""

    def __init__(self, address: str, environ: Mapping[str, str]) -> None:
        self.address = address
        self._environ = environ

    @property
    def is_private(self) -> bool:
        """Whether what is sent to it stays on this machine or is encrypted: a key may be handed over."""
        parts = urlsplit(self.address)
        return parts.scheme == "unix" or _uses_tls(self._environ) or is_loopback(parts.hostname or "")

    @cached_property
    def _facts(self) -> dict[str, Any]:
        with self._connected(_ANSWER_TIMEOUT_S) as connection:
            connection.request("GET", "/version")
            return self._object(self._answer(connection))

    @property
    def _api(self) -> str:
        """The version of the API to speak: the one this was written for, or the oldest that is still spoken."""
        oldest = str(self._facts.get("MinAPIVersion") or "")
        major, _, minor = oldest.partition(".")
        if major.isdecimal() and minor.isdecimal():
            return "/v{}.{}".format(*max(_API, (int(major), int(minor))))
        return "/v{}.{}".format(*_API)

    def version(self) -> DaemonVersion:
        """Name, version and platform; raises DaemonError when it does not answer."""
        value = self._facts
        components = value.get("Components") or [{}]
        name = (
            "Podman"
            if any("podman" in str(item.get("Name", "")).lower() for item in components)
            else "Docker"
        )
        version = str(value.get("Version", ""))
        numbers = version.partition("-")[0].partition("+")[0].split(".")
        release = tuple(int(item) for item in numbers if item.isdecimal())
        platform = "/".join(str(value.get(member) or "") for member in ("Os", "Arch")).strip("/")
        return DaemonVersion(name, version, release, platform)

    def runtimes(self) -> tuple[frozenset[str], str]:
        """Names of the installed container runtimes, and the default one."""
        value = self._json("GET", "/info")
        return frozenset(value.get("Runtimes") or ()), str(value.get("DefaultRuntime") or "")

    def image_id(self, name: str) -> str | None:
        """The id of an image by any of its names, None when the daemon has none."""
        try:
            return str(self._json("GET", f"/images/{quote(name, safe='/:@')}/json").get("Id", ""))
        except NotFound:
            return None

    def tag(self, name: str, repository: str, tag: str) -> None:
        """Give an image a further name."""
        query = urlencode({"repo": repository, "tag": tag})
        with self._request("POST", f"/images/{quote(name, safe='/:@')}/tag?{query}"):
            pass

    def pull(self, repository: str, tag: str, login: Login | None, platform: str, on_event: OnEvent) -> None:
        """Let the daemon pull by itself, sharing the layers it has; ``tag`` may be a digest."""
        query = {"fromImage": repository, "tag": tag} | ({"platform": platform} if platform else {})
        self._work(f"/images/create?{urlencode(query)}", login, on_event)

    def push(self, repository: str, tag: str, login: Login | None, on_event: OnEvent) -> None:
        """Let the daemon push by itself."""
        self._work(f"/images/{quote(repository, safe='/:')}/push?{urlencode({'tag': tag})}", login, on_event)

    def load(self, write: Callable[[Any], None]) -> None:
        """Hand the daemon an archive; ``write`` gets a file to write it to."""
        api = self._api
        with self._connected(_WORK_TIMEOUT_S) as connection:
            connection.putrequest("POST", f"{api}/images/load?quiet=1")
            connection.putheader("Content-Type", "application/x-tar")
            connection.putheader("Transfer-Encoding", "chunked")
            connection.endheaders()
            sink = _Chunks(connection)
            # A daemon that refuses the rest says why in its answer.
            with suppress(BrokenPipeError, ConnectionResetError):
                write(sink)
                sink.finish()
            for event in _events(self._answer(connection)):
                _raise_error(event)

    def save(self, name: str, target: BinaryIO, on_bytes: Callable[[int], None]) -> None:
        """Write an image as docker-archive to a file."""
        with self._request(
            "GET", f"/images/{quote(name, safe='/:@')}/get", timeout_s=_WORK_TIMEOUT_S
        ) as answer:
            while block := answer.read(_BLOCK_BYTES):
                try:
                    target.write(block)
                except OSError as error:
                    raise LocalFileError(f"'{target.name}': {error.strerror}") from error
                on_bytes(len(block))

    def _work(self, path: str, login: Login | None, on_event: OnEvent) -> None:
        """A call whose answer is a stream of events; raises DaemonError with the error among them."""
        headers = {"X-Registry-Auth": login.header() if login else base64.urlsafe_b64encode(b"{}").decode()}
        with self._request("POST", path, headers, timeout_s=_WORK_TIMEOUT_S) as answer:
            for event in _events(answer):
                _raise_error(event)
                on_event(event)

    def _json(self, method: str, path: str) -> dict[str, Any]:
        with self._request(method, path) as answer:
            return self._object(answer)

    def _object(self, answer: http.client.HTTPResponse) -> dict[str, Any]:
        try:
            value = parse_json(answer.read(_LINE_MAX_BYTES * 16))
        except ValueError as error:
            raise DaemonError(f"the daemon at {self.address} does not speak Docker's language") from error
        return value if isinstance(value, dict) else {}

    @contextmanager
    def _request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        timeout_s: float = _ANSWER_TIMEOUT_S,
    ) -> Iterator[http.client.HTTPResponse]:
        api = self._api
        with self._connected(timeout_s) as connection:
            connection.request(method, f"{api}{path}", headers=dict(headers or {}))
            yield self._answer(connection)

    def _answer(self, connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
        """The answer; raises NotFound or DaemonError with the daemon's message for a status of failure."""
        answer = connection.getresponse()
        if answer.status < 400:
            return answer
        text = answer.read(_LINE_MAX_BYTES)
        try:
            message = str(parse_json(text)["message"])
        except (ValueError, KeyError, TypeError):
            message = text.decode("utf-8", "replace").strip() or f"HTTP {answer.status}"
        kind = NotFound if answer.status == 404 else DaemonError
        raise kind(f"the daemon says: {redact_text(message)}")

    @contextmanager
    def _connected(self, timeout_s: float) -> Iterator[http.client.HTTPConnection]:
        """An open connection, which waits this long for each answer; raises DaemonError when it breaks."""
        connection = self._connection()
        try:
            connection.connect()
            connection.sock.settimeout(timeout_s)
            yield connection
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.address)
        host = parts.hostname or ""
        if parts.scheme == "unix":
            return _UnixConnection(parts.path, timeout=_CONNECT_TIMEOUT_S)
        if _uses_tls(self._environ):
            context = _tls(self._environ)
            return http.client.HTTPSConnection(
                host, parts.port or 2376, timeout=_CONNECT_TIMEOUT_S, context=context
            )
        return http.client.HTTPConnection(host, parts.port or 2375, timeout=_CONNECT_TIMEOUT_S)

    def _unreachable(self, error: Exception) -> DaemonError:
        if isinstance(error, PermissionError):
            return DaemonError(
                f"this user may not use the daemon at {self.address}",
                hint="Join the group 'docker', or use a rootless Docker or Podman.",
            )
        return DaemonError(
            f"no daemon answers at {self.address}: {error}", hint="Is Docker or Podman running?"
        )


def addresses(environ: Mapping[str, str]) -> list[str]:
    """Where a daemon may listen: what the environment says and nothing else, or the usual sockets, Docker's first.

    Raises DaemonError for an address of a kind that cannot be used.
    """
    for name in ("DOCKER_HOST", "CONTAINER_HOST"):
        given = environ.get(name, "")
        if given:
            if urlsplit(given).scheme not in ("unix", "tcp", "http"):
                raise DaemonError(
                    f"{name}={given} is an address this program cannot use", hint="Use unix:// or tcp://."
                )
            return [given]
    home, runtime = environ.get("HOME", ""), environ.get("XDG_RUNTIME_DIR", "")
    paths = [
        "/var/run/docker.sock",
        *([f"{runtime}/docker.sock"] if runtime else []),
        *([f"{home}/.docker/run/docker.sock"] if home else []),
        *([f"{runtime}/podman/podman.sock"] if runtime else []),
        "/run/podman/podman.sock",
    ]
    return [f"unix://{path}" for path in paths]


def answering(environ: Mapping[str, str]) -> Daemon | None:
    """The first daemon that answers, or None."""
    return _first(environ, [])


def required(environ: Mapping[str, str]) -> Daemon:
    """The first daemon that answers; raises DaemonError saying what keeps it from answering."""
    reasons: list[NgcError] = []
    daemon = _first(environ, reasons)
    if daemon is not None:
        return daemon
    denied = [item for item in reasons if isinstance(item.__cause__, PermissionError)]
    if denied:
        raise denied[0]
    raise DaemonError(
        "no Docker or Podman answers on this machine",
        hint="Start one, or choose a form without a daemon, such as oci:FOLDER.",
    )


def _first(environ: Mapping[str, str], reasons: list[NgcError]) -> Daemon | None:
    for address in addresses(environ):
        daemon = Daemon(address, environ)
        try:
            daemon.version()
        except (DaemonError, NotFound) as error:
            reasons.append(error)
        else:
            return daemon
    return None


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a local socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        if not hasattr(socket, "AF_UNIX"):
            raise OSError("this system has no local sockets")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self._path)
        except OSError:
            self.sock.close()
            raise


class _Chunks:
    """A file to write to whose content goes out in the chunked coding."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection
        self._held = bytearray()

    def write(self, data: bytes) -> int:
        """Send the data once there is enough for a chunk."""
        self._held += data
        if len(self._held) >= _BLOCK_BYTES:
            self._flush()
        return len(data)

    def finish(self) -> None:
        """Send what is left, and the end mark."""
        self._flush()
        self._connection.send(b"0\r\n\r\n")

    def _flush(self) -> None:
        if self._held:
            self._connection.send(b"%x\r\n%b\r\n" % (len(self._held), bytes(self._held)))
            self._held.clear()


def _events(answer: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    """The JSON objects of a stream, one a line; anything else in it is passed over."""
    while line := answer.readline(_LINE_MAX_BYTES):
        try:
            event = parse_json(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event


def _raise_error(event: Mapping[str, Any]) -> None:
    detail = event.get("errorDetail")
    message = event.get("error") or (detail.get("message") if isinstance(detail, dict) else "")
    if message:
        raise DaemonError(f"the daemon says: {redact_text(str(message))}")


def _uses_tls(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("DOCKER_TLS_VERIFY") or environ.get("DOCKER_TLS"))


def _tls(environ: Mapping[str, str]) -> ssl.SSLContext:
    """The certificates of ``DOCKER_CERT_PATH``; the server is always verified."""
    folder = Path(environ.get("DOCKER_CERT_PATH") or Path(environ.get("HOME", ""), ".docker"))
    try:
        context = ssl.create_default_context(cafile=folder / "ca.pem")
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    except OSError as error:
        raise DaemonError(f"the certificates in '{folder}' cannot be used: {error}") from error
    return context
