"""The API of Docker and Podman, against a daemon of our own on a local socket."""

from __future__ import annotations

import base64
import io
import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from ngc_cli.errors import LocalFileError, NotFound
from ngc_cli.oci.daemon import Daemon, DaemonError, Login, addresses, answering, required

PODMAN = {"Components": [{"Name": "Podman Engine"}], "Version": "4.3.1", "Os": "linux", "Arch": "arm64"}


@dataclass
class FakeDaemon:
    """Answers by method and path; remembers what it got."""

    path: str
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def answer(
        self, request: str, value: Any = None, *, status: int = 200, lines: list[Any] | None = None
    ) -> None:
        body = "".join(json.dumps(item) + "\n" for item in lines) if lines is not None else json.dumps(value)
        self.answers[request] = (status, body.encode())

    @property
    def daemon(self) -> Daemon:
        return Daemon(f"unix://{self.path}", {})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: FakeDaemon

    def _serve(self) -> None:
        body = b""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        request = f"{self.command} {self.path}"
        self.state.requests.append((request, dict(self.headers), body))
        status, content = self.state.answers.get(request, (404, b'{"message": "no such thing"}'))
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = _serve

    def address_string(self) -> str:
        return "local"

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeDaemon]:
    state = FakeDaemon(str(tmp_path / "d.sock"))
    handler = type("Handler", (_Handler,), {"state": state})
    with socketserver.ThreadingUnixStreamServer(state.path, handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        state.answer("GET /version", {"Version": "20.10.24", "MinAPIVersion": "1.12"})
        yield state
        server.shutdown()
        thread.join()


def test_version_and_runtimes_are_read(fake: FakeDaemon) -> None:
    fake.answer("GET /version", {"Version": "20.10.24+dfsg1", "Os": "linux", "Arch": "amd64"})
    fake.answer("GET /v1.40/info", {"Runtimes": {"runc": {}, "nvidia": {}}, "DefaultRuntime": "runc"})
    version = fake.daemon.version()
    assert (version.name, version.release, version.platform) == ("Docker", (20, 10, 24), "linux/amd64")
    assert fake.daemon.runtimes() == (frozenset({"runc", "nvidia"}), "runc")
    fake.answer("GET /version", {"Version": "29.0.0", "MinAPIVersion": "1.44"})
    fake.answer("GET /v1.44/info", {"Runtimes": {"runc": {}}})
    assert fake.daemon.runtimes() == (frozenset({"runc"}), "")
    fake.answer("GET /version", PODMAN)
    assert fake.daemon.version().name == "Podman"


def test_a_pull_hands_over_the_login_and_tells_events(fake: FakeDaemon) -> None:
    lines: list[Any] = [{"status": "Downloading", "id": "a"}, {"status": "Digest: sha256:1"}]
    fake.answer(
        "POST /v1.40/images/create?fromImage=nvcr.io%2Forg%2Fnet&tag=1&platform=linux%2Farm64", lines=lines
    )
    seen: list[Any] = []
    login = Login("$oauthtoken", "key-1", "nvcr.io")
    fake.daemon.pull("nvcr.io/org/net", "1", login, "linux/arm64", seen.append)
    assert seen == lines
    sent = json.loads(base64.urlsafe_b64decode(fake.requests[1][1]["X-Registry-Auth"]))
    assert sent == {"username": "$oauthtoken", "password": "key-1", "serveraddress": "nvcr.io"}


def test_an_error_among_the_events_or_as_a_status_is_told_in_the_daemons_words(fake: FakeDaemon) -> None:
    request = "POST /v1.40/images/nvcr.io/org/net/push?tag=1"
    fake.answer(
        request, lines=[{"status": "x"}, {"errorDetail": {"message": "denied: no"}, "error": "denied: no"}]
    )
    with pytest.raises(DaemonError, match="denied: no"):
        fake.daemon.push("nvcr.io/org/net", "1", None, lambda event: None)
    assert fake.requests[1][1]["X-Registry-Auth"] == base64.b64encode(b"{}").decode()
    fake.answer(request, {"message": "broken"}, status=500)
    with pytest.raises(DaemonError, match="the daemon says: broken"):
        fake.daemon.push("nvcr.io/org/net", "1", None, lambda event: None)


def test_an_image_is_found_by_name_or_not_at_all(fake: FakeDaemon) -> None:
    assert fake.daemon.image_id("net:1") is None
    fake.answer("GET /v1.40/images/net:1/json", {"Id": "sha256:5"})
    assert fake.daemon.image_id("net:1") == "sha256:5"
    fake.answer("POST /v1.40/images/net:1/tag?repo=nvcr.io%2Forg%2Fnet&tag=1", {}, status=201)
    fake.daemon.tag("net:1", "nvcr.io/org/net", "1")
    with pytest.raises(NotFound, match="no such thing"):
        fake.daemon.tag("net:2", "x", "1")


def test_an_archive_is_streamed_in_and_out(fake: FakeDaemon) -> None:
    content = b"0123456789abcdef" * 200_000
    fake.answer("POST /v1.40/images/load?quiet=1", lines=[{"stream": "Loaded image: x"}])

    def write(sink: Any) -> None:
        for offset in range(0, len(content), 10_240):
            sink.write(content[offset : offset + 10_240])

    fake.daemon.load(write)
    assert fake.requests[-1][2] == content
    fake.answer("POST /v1.40/images/load?quiet=1", lines=[{"error": "no space"}])
    with pytest.raises(DaemonError, match="no space"):
        fake.daemon.load(write)
    fake.answers["GET /v1.40/images/net:1/get"] = (200, content)
    target, counted = io.BytesIO(), list[int]()
    fake.daemon.save("net:1", target, counted.append)
    assert target.getvalue() == content
    assert sum(counted) == len(content)


def test_a_full_disk_while_saving_is_not_the_daemons_fault(fake: FakeDaemon) -> None:
    fake.answers["GET /v1.40/images/net:1/get"] = (200, b"x" * 1000)
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(LocalFileError, match="No space"):
        fake.daemon.save("net:1", full, lambda count: None)


def test_the_first_daemon_that_answers_is_taken(fake: FakeDaemon) -> None:
    fake.answer("GET /version", PODMAN)
    environ = {"XDG_RUNTIME_DIR": "/nonexistent", "DOCKER_HOST": f"unix://{fake.path}"}
    found = answering(environ)
    assert found is not None
    assert found.address == f"unix://{fake.path}"
    assert required(environ).address == found.address
    assert answering({"DOCKER_HOST": "unix:///nonexistent"}) is None
    with pytest.raises(DaemonError, match="no Docker or Podman answers"):
        required({"DOCKER_HOST": "unix:///nonexistent"})
    with pytest.raises(DaemonError, match="cannot use"):
        required({"DOCKER_HOST": "ssh://host"})


def test_places_of_the_user_are_tried_as_well() -> None:
    found = addresses({"HOME": "/home/u", "XDG_RUNTIME_DIR": "/run/user/7"})
    assert found[0] == "unix:///var/run/docker.sock"
    assert "unix:///run/user/7/podman/podman.sock" in found
    assert "unix:///home/u/.docker/run/docker.sock" in found


@pytest.mark.parametrize(
    ("address", "environ", "private"),
    [
        ("unix:///x", {}, True),
        ("tcp://127.0.0.1:2375", {}, True),
        ("tcp://192.0.2.1:2375", {}, False),
        ("tcp://192.0.2.1:2376", {"DOCKER_TLS_VERIFY": "1"}, True),
    ],
)
def test_a_key_is_handed_only_to_a_daemon_nobody_listens_to(
    address: str, environ: dict[str, str], private: bool
) -> None:
    assert Daemon(address, environ).is_private is private


@pytest.mark.parametrize(
    "answer",
    [lambda fake: fake.answers.clear(), lambda fake: fake.answers.update({"GET /version": (200, b"<html>")})],
)
def test_something_else_on_the_socket_is_no_daemon(
    fake: FakeDaemon, answer: Callable[[FakeDaemon], None]
) -> None:
    answer(fake)
    with pytest.raises((DaemonError, NotFound)):
        fake.daemon.version()
