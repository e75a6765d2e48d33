"""Who is not admitted costs next to nothing: no body is read for strangers, nothing waits, no log grows."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import requests
from sqlalchemy import event
from support.artifacts import Wire, problem
from support.inprocess import served
from support.registry import RunningRegistry

from ngc_cli.server import admin
from ngc_cli.server.app import create_app
from ngc_cli.server.config import ServerConfig

MB = 1_000_000


def connect(registry: RunningRegistry) -> socket.socket:
    url = urlsplit(registry.url)
    return socket.create_connection((url.hostname or "", url.port or 0), timeout=10)


def begin_body(connection: socket.socket, path: str, key: str = "", size: int = 31 * MB) -> None:
    """Send the head of a request and the first bytes of its body."""
    credentials = f"Authorization: Bearer {key}\r\n" if key else ""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n{credentials}\r\n"
    connection.sendall(head.encode() + b"{")


@pytest.mark.parametrize("who", ["a guest", "a stranger", "an outsider", "a reader"])
def test_no_body_is_waited_for_before_the_caller_is_admitted(registry: RunningRegistry, who: str) -> None:
    org = registry.org()
    key, status = {
        "a guest": ("", 401),
        "a stranger": ("nvapi-x", 401),
        "an outsider": (registry.key(org=registry.org()), 403),
        "a reader": (registry.key(org=org, role="REGISTRY_READ"), 403),
    }[who]
    with connect(registry) as connection:
        begin_body(connection, f"/v2/org/{org}/models", key)
        assert connection.recv(65536).split()[1] == str(status).encode()


def test_a_form_of_everybody_is_small(registry: RunningRegistry) -> None:
    session = registry.session()
    problem(session.post("/v3/keys/get-caller-info", data={"credentials": "x" * 5000}), 413)
    problem(session.post("/v3/keys/get-caller-info", data="a=1&" * 9 + "credentials=x"), 422)
    with connect(registry) as connection:
        begin_body(connection, "/v3/keys/get-caller-info")
        assert connection.recv(65536).split()[1] == b"413"


def test_metadata_is_no_place_for_megabytes(registry: RunningRegistry) -> None:
    org = registry.org()
    with connect(registry) as connection:
        begin_body(connection, f"/v2/org/{org}/models", registry.key(org=org), 9 * 1024 * 1024)
        assert connection.recv(65536).split()[1] == b"413"


def test_a_full_disk_is_507_for_json_too(tmp_path: Path) -> None:
    app = create_app(ServerConfig(tmp_path))
    database = app.state.registry.database
    with database.writing() as db:
        org = admin.ensure_org(db, "acme")
        admin.grant(db, admin.ensure_user(db, "a@example.com"), org, role="REGISTRY_ADMIN")
        key = admin.create_key(db, "a@example.com")
    database.close()
    pages = (tmp_path / "registry.db").stat().st_size // 4096
    event.listen(
        database.engine,
        "connect",
        lambda connection, _: connection.execute(f"PRAGMA max_page_count={pages}"),
    )
    with served(app) as url:
        for number in range(1000):
            answer = requests.post(
                f"{url}/v2/org/acme/teams",
                json={"name": f"team-{number}", "description": "d" * 250},
                headers={"Authorization": f"Bearer {key}"},
                timeout=30,
            )
            if answer.status_code != 200:
                break
    database.close()
    problem(answer, 507)
    assert "no room" in answer.text


def test_strangers_who_hold_connections_do_not_slow_others(
    start_registry: Callable[..., RunningRegistry],
) -> None:
    registry = start_registry("--max-connections", "200")
    org = registry.org()
    wire = Wire(registry.session(registry.key(org=org)), org)
    wire.create("m")
    log = registry.data_dir / "server.log"
    server = psutil.Process(registry.running.pid)
    before_bytes, logged_bytes = server.memory_info().rss, log.stat().st_size
    took_s = []
    with ExitStack() as stack:
        for number in range(250):
            connection = stack.enter_context(connect(registry))
            if number % 5 == 4:
                begin_body(connection, f"/v2/org/{org}/models")
                connection.setblocking(False)
                with suppress(OSError):
                    connection.send(b" " * 4 * MB)
            else:
                connection.sendall(b"GET /v2/org/acme/mod")
            if number >= 50:
                began_s = time.monotonic()
                assert wire.session.get(wire.at("m")).status_code == 200
                took_s.append(time.monotonic() - began_s)
        grown_bytes = server.memory_info().rss - before_bytes
        figures = {
            "p99_s": sorted(took_s)[int(len(took_s) * 0.99)],
            "memory_mb": grown_bytes / MB,
            "log_mb": (log.stat().st_size - logged_bytes) / MB,
        }
    print(json.dumps(figures))
    assert figures["p99_s"] < 1
    assert figures["memory_mb"] < 100
    assert figures["log_mb"] < 1
    registry.stop()
