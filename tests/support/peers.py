"""Real programs that we did not write: Debian's registry behind a token service, skopeo, podman and dockerd."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.program import BIN, Ngc
from support.registry import RunningRegistry
from support.tokenproxy import KEY, TokenProxy, Upstream, serving

from ngc_cli.oci.daemon import Daemon, DaemonError


@dataclass(frozen=True)
class Place:
    """A registry to copy images through: its address, a key that may push, and an org of it."""

    url: str
    key: str
    org: str
    proxy: TokenProxy | None = None

    @property
    def host(self) -> str:
        """As image names have it."""
        return self.url.partition("://")[2]


@dataclass
class Peers:
    """Runs the peers with a home of their own, in which ``ngc registry image login`` has been done."""

    folder: Path
    podman_root: Path
    environ: dict[str, str] = field(default_factory=dict)

    def variables(self) -> dict[str, str]:
        path = f"{BIN}:{os.environ['PATH']}"
        home = str(self.folder / "home")
        mine = {"PATH": path, "HOME": home, "XDG_RUNTIME_DIR": home, "TMPDIR": str(self.folder)}
        return {**mine, **self.environ}

    def ngc(self, place: Place, **environ: str) -> Ngc:
        """Our client for a registry."""
        values = {
            "NGC_CLI_API_URL": place.url,
            "NGC_CLI_API_KEY": place.key,
            "DOCKER_HOST": "unix:///nonexistent",
        }
        return Ngc(self.folder, {**self.environ, **values, **environ})

    def run(
        self, *words: str, code: int | None = 0, timeout_s: float = 180, stdin: str = "", **environ: str
    ) -> str:
        """Run a program; returns its stdout, and of one that must fail its stderr as well."""
        process = self.start(*words, **environ)
        told, complained = process.communicate(stdin, timeout=timeout_s)
        assert code is None or process.returncode == code, (
            f"{words}: {process.returncode}\n{told}\n{complained}"
        )
        return told + (complained if code else "")

    def start(self, *words: str, **environ: str) -> subprocess.Popen[str]:
        """A program under way."""
        pipe = subprocess.PIPE
        environment = {**self.variables(), **environ}
        return subprocess.Popen(
            words, cwd=self.folder, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )

    def skopeo(self, *words: str, **more: Any) -> str:
        """Skopeo, with plain HTTP allowed."""
        verb, *rest = words
        plain = {
            "copy": ["--src-tls-verify=false", "--dest-tls-verify=false"],
        }
        options = plain.get(verb, ["--tls-verify=false"])
        return self.run("skopeo", "--insecure-policy", verb, *options, *rest, **more)

    def login(self, tool: str, host: str, key: str, **more: Any) -> str:
        """``skopeo login`` or ``podman login`` with an API key."""
        words = ("-u", "$oauthtoken", "--password-stdin", host)
        if tool == "skopeo":
            return self.skopeo("login", *words, stdin=key, **more)
        return self.podman("login", "--tls-verify=false", *words, stdin=key, **more)

    def podman(self, *words: str, **more: Any) -> str:
        """Podman, with storage of its own."""
        return self.run(*self._podman, *words, **more)

    @property
    def _podman(self) -> list[str]:
        root = self.podman_root
        where = ["--root", str(root / "root"), "--runroot", str(root / "run"), "--storage-driver", "vfs"]
        return ["podman", *where, "--cgroup-manager", "cgroupfs", "--events-backend", "none"]

    @contextmanager
    def podman_service(self) -> Iterator[str]:
        """Podman's answer to Docker's socket; its address."""
        address = f"unix://{self.podman_root}/api.sock"
        with (self.folder / "podman.log").open("wb") as log:
            process = subprocess.Popen(
                [*self._podman, "system", "service", "--time=0", address],
                env=self.variables(),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            _wait_for_daemon(process, address, self.folder / "podman.log")
            yield address
            process.terminate()
            process.wait(30)


@pytest.fixture
def peers(tmp_path: Path) -> Iterator[Peers]:
    """The peers, each test with a home of its own. Podman takes no path longer than 50 characters."""
    (tmp_path / "home").mkdir()
    policy = tmp_path / "home" / ".config" / "containers" / "policy.json"
    policy.parent.mkdir(parents=True)
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    with tempfile.TemporaryDirectory(prefix="podman-") as root:
        yield Peers(tmp_path, Path(root))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def debian_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """Debian's docker-registry, without authentication; its address."""
    folder = tmp_path_factory.mktemp("docker-registry")
    port = _free_port()
    (folder / "config.yml").write_text(
        "version: 0.1\nlog: {level: error}\nstorage:\n"
        f"  filesystem: {{rootdirectory: {folder}/data}}\n  delete: {{enabled: true}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        ["docker-registry", "serve", str(folder / "config.yml")], stdout=log, stderr=subprocess.STDOUT
    )
    _wait_for_port(process, port)
    yield "127.0.0.1", port
    process.terminate()
    process.wait(20)
    log.close()


def _wait_for_port(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("docker-registry does not listen")


@pytest.fixture
def theirs(debian_registry: tuple[str, int]) -> Iterator[Place]:
    """Debian's registry behind the token service."""
    with serving(TokenProxy(Upstream(*debian_registry))) as proxy:
        yield Place(proxy.url, KEY, f"org{time.monotonic_ns()}", proxy)


@pytest.fixture
def ours(registry: RunningRegistry) -> Place:
    """Our own registry."""
    org = registry.org()
    return Place(registry.url, registry.key(org=org, role="REGISTRY_ADMIN"), org)


@dataclass(frozen=True)
class DockerDaemon:
    """A running dockerd."""

    address: str

    def docker(self, peers: Peers, *words: str, **more: Any) -> str:
        """Docker's command line."""
        return peers.run("docker", *words, DOCKER_HOST=self.address, **more)


@pytest.fixture(scope="session")
def dockerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerDaemon]:
    """Debian's dockerd."""
    with running_dockerd(tmp_path_factory.mktemp("dockerd")) as daemon:
        yield daemon


@contextmanager
def running_dockerd(folder: Path, environ: Mapping[str, str] | None = None) -> Iterator[DockerDaemon]:
    """Debian's dockerd, started as root with storage of its own.

    See docs/protocol/storage.md#a-test-bench-on-one-machine.
    """
    sock = Path("/tmp") / f"ngc-test-{os.getpid()}-{time.monotonic_ns()}.sock"
    options = {"data-root": folder / "data", "exec-root": folder / "exec", "pidfile": folder / "pid"}
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [
            shutil.which("dockerd") or "dockerd",
            *("--storage-driver", "vfs", "--iptables=false", "--ip6tables=false", "--bridge=none"),
            *(word for name, path in options.items() for word in (f"--{name}", str(path))),
            *("-H", f"unix://{sock}"),
        ],
        env={**os.environ, **(environ or {})},
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    _wait_for_daemon(process, f"unix://{sock}", folder / "log")
    yield DockerDaemon(f"unix://{sock}")
    process.terminate()
    process.wait(60)
    log.close()
    sock.unlink(missing_ok=True)


def _wait_for_daemon(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            Daemon(address, {}).version()
            return
        except DaemonError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)


@pytest.fixture
def logged_in(peers: Peers) -> Callable[[Place], Mapping[str, str]]:
    """Does ``ngc registry image login`` for a registry; returns what the helper needs in the environment."""

    def login(place: Place) -> Mapping[str, str]:
        peers.ngc(place).run("registry image login")
        return {"NGC_CLI_API_URL": place.url, "NGC_CLI_API_KEY": place.key}

    return login
