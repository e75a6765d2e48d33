"""The embedded registry as a real process, with hands to set it up and eyes on what it was asked.

``registry`` is one shared by all tests (plain HTTP): use an org of your own, ``registry.org()``. ``start_registry``
starts further ones, for tests that restart, kill or configure theirs.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from ngc_cli.server import admin, process
from ngc_cli.server.app import open_registry
from ngc_cli.server.config import ServerConfig
from ngc_cli.server.metadata import KeyKind

_numbers = itertools.count(1)


@dataclass(frozen=True)
class LogLine:
    """One request as the registry saw it; bytes are those of bodies."""

    method: str
    path: str
    status: int
    bytes_sent: int
    bytes_received: int
    seconds: float
    host: str
    authorization: bool
    complete: bool


@dataclass
class RunningRegistry:
    """A registry process and its data."""

    data_dir: Path
    options: tuple[str, ...]
    access_log: Path
    running: process.Running = field(init=False)

    def __post_init__(self) -> None:
        self.data = open_registry(ServerConfig(self.data_dir))
        self.start()

    # the process

    def start(self) -> None:
        """Start it, on the port it had before when it is a restart."""
        options = ["--port", "0", "--access-log", str(self.access_log), *self.options]
        if hasattr(self, "running"):
            options[1] = self.url.rpartition(":")[2]
        self.running = process.start(self.data_dir, options)

    def stop(self) -> None:
        """End it as an operator would."""
        process.stop(self.running)

    def kill(self) -> None:
        """End it as a power cut would."""
        os.kill(self.running.pid, signal.SIGKILL)
        assert self.running.child is not None
        self.running.child.wait()

    def restart(self) -> None:
        """Stop and start again, with the same address and data."""
        self.stop()
        self.start()

    @property
    def url(self) -> str:
        return self.running.url

    @property
    def ca_bundle(self) -> str:
        return self.running.ca_bundle

    # people

    def org(self, name: str = "") -> str:
        """An org of this name, or a new one."""
        name = name or f"org-{next(_numbers)}"
        with self.data.database.writing() as db:
            admin.ensure_org(db, name)
        return name

    def team(self, org: str, name: str = "") -> str:
        """A team of this name in the org, or a new one."""
        name = name or f"team-{next(_numbers)}"
        with self.data.database.writing() as db:
            admin.ensure_team(db, admin.find_org(db, org), name)
        return name

    def user(self, email: str = "", *, org: str = "", team: str = "", role: str = "REGISTRY_USER") -> str:
        """A user with this role in the org, or in the team; returns the address."""
        email = email or f"user-{next(_numbers)}@example.com"
        with self.data.database.writing() as db:
            user = admin.ensure_user(db, email)
            if org:
                place = admin.find_org(db, org)
                admin.grant(db, user, place, admin.find_team(db, place, team) if team else None, role)
        return email

    def key(
        self,
        email: str = "",
        *,
        org: str = "",
        team: str = "",
        role: str = "REGISTRY_USER",
        kind: KeyKind = KeyKind.PERSONAL,
    ) -> str:
        """A new API key of a user with this role; without an address, of a new user."""
        if kind is not KeyKind.SERVICE:
            email = self.user(email, org=org, team=team, role=role)
        with self.data.database.writing() as db:
            place = admin.find_org(db, org) if org else None
            if kind is KeyKind.SERVICE:
                assert place is not None
                return admin.create_service_key(
                    db, place, admin.find_team(db, place, team) if team else None, role
                )
            return admin.create_key(db, email, org=place, kind=kind)

    def revoke(self, key: str) -> None:
        """Revoke a key."""
        with self.data.database.writing() as db:
            admin.revoke_key(db, key)

    # requests

    def session(self, key: str = "") -> requests.Session:
        """A session that sends this bearer value, trusts the registry's CA and ignores the environment."""
        session = _RelativeSession(self.url)
        session.trust_env = False
        session.verify = self.ca_bundle or True
        if key:
            session.headers["Authorization"] = f"Bearer {key}"
        return session

    def log(self) -> list[LogLine]:
        """Every request so far, oldest first."""
        text = self.access_log.read_text(encoding="utf-8") if self.access_log.exists() else ""
        return [LogLine(**json.loads(line)) for line in text.splitlines()]

    @contextmanager
    def watching(self) -> Iterator[list[LogLine]]:
        """A list that after the block holds the requests answered during the block."""
        seen = self._settled()
        lines: list[LogLine] = []
        yield lines
        lines.extend(self.log()[seen : self._settled() - 1])

    def _settled(self) -> int:
        """How many lines the log has, after one more request: a client need not wait for the end of an answer."""
        self.session().get("/health")
        return len(self.log())

    def dump(self) -> bytes:
        """Everything in its database, its logs and the names of its files, to look for what must not be there."""
        with sqlite3.connect(self.data_dir / "registry.db") as connection:
            text = "\n".join(connection.iterdump())
        connection.close()
        names = "\n".join(str(path) for path in sorted(self.data_dir.rglob("*")))
        logs = [
            path.read_bytes() for path in (self.access_log, self.data_dir / "server.log") if path.exists()
        ]
        return b"\n".join([text.encode(), names.encode(), *logs])

    def close(self) -> None:
        """End the process and let go of the data."""
        if self.running.is_alive:
            self.stop()
        self.data.database.close()


class _RelativeSession(requests.Session):
    """A session that takes paths of the registry as well as URLs."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self._base = base

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **options: Any) -> requests.Response:
        options.setdefault("timeout", 60)
        text = str(url)
        return super().request(method, self._base + text if text.startswith("/") else text, *args, **options)


@pytest.fixture(scope="session")
def start_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., RunningRegistry]]:
    """Starts registries with further options of ``ngc-registry serve``; they end with the test run."""
    started: list[RunningRegistry] = []

    def start(*options: str) -> RunningRegistry:
        folder = tmp_path_factory.mktemp("registry")
        started.append(RunningRegistry(folder / "data", options, folder / "access.jsonl"))
        return started[-1]

    yield start
    for registry in started:
        registry.close()


@pytest.fixture(scope="session")
def registry(start_registry: Callable[..., RunningRegistry]) -> RunningRegistry:
    """The registry that tests share."""
    return start_registry()


def wait_until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Poll until a condition holds; fails the test when it never does."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.01)
