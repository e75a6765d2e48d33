"""The container guides replayed as they are printed, by Docker's own programs, against a registry called nvcr.io.

``ngc-registry serve --alias nvcr.io`` has a certificate for that name; a proxy that dockerd is told of leads the name to this machine, so nothing
leaves it and no file of the system changes.
"""

from __future__ import annotations

import shlex
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.images import add_image
from support.peers import DockerDaemon, Peers, running_dockerd
from support.program import Ngc
from support.registry import RunningRegistry

from ngc_cli.oci.layout import Layout

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("docker")]


class _Connect(socketserver.StreamRequestHandler):
    """An HTTP proxy that leads every name to one port of this machine."""

    port: int

    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        with socket.create_connection(("127.0.0.1", self.port)) as upstream:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=self._copy, args=(upstream, self.connection))
            back.start()
            self._copy(self.connection, upstream)
            back.join()

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return


@contextmanager
def proxy_to(port: int) -> Iterator[str]:
    """The address of a proxy."""
    handler = type("Handler", (_Connect,), {"port": port})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def nvcr(
    start_registry: Callable[..., RunningRegistry], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningRegistry, DockerDaemon]]:
    """A registry by the name of nvcr.io, and a Docker that reaches it so."""
    registry = start_registry("--tls-self-signed", "--alias", "nvcr.io", "--strict-user")
    with proxy_to(int(registry.url.rpartition(":")[2])) as proxy:
        environ = {"HTTPS_PROXY": proxy, "SSL_CERT_FILE": registry.ca_bundle}
        with running_dockerd(tmp_path_factory.mktemp("dockerd"), environ) as daemon:
            yield registry, daemon


def test_chapter_5_of_the_container_guide_and_3_1_of_digits(
    nvcr: tuple[RunningRegistry, DockerDaemon], peers: Peers, tmp_path: Path
) -> None:
    registry, daemon = nvcr
    images = {"hpc": "namd:2.13", "nvidia": "digits:21.04-tensorflow"}
    keys = {}
    for org, name in images.items():
        keys[org] = registry.key(org=registry.org(org), role="REGISTRY_ADMIN")
        layout = Layout.create(tmp_path / org)
        add_image(layout, tag="x", seed=name)
        environ = {"NGC_CLI_API_URL": registry.url, "NGC_CLI_API_KEY": keys[org], "NGC_CLI_ORG": org}
        ngc = Ngc(tmp_path, {**environ, "REQUESTS_CA_BUNDLE": registry.ca_bundle})
        ngc.run(["registry", "image", "push", f"{org}/{name}", "--source", f"oci:{layout.root}"])

    def typed(line: str, **more: object) -> str:
        return daemon.docker(peers, *shlex.split(line)[1:], **more)

    assert "pull access denied" in typed("docker pull nvcr.io/hpc/namd:2.13", code=1)
    refused = typed("docker login nvcr.io -u someone --password-stdin", stdin=keys["hpc"], code=1)
    assert "unauthorized" in refused.lower()
    said = typed("docker login nvcr.io -u '$oauthtoken' --password-stdin", stdin=keys["hpc"])
    assert "Login Succeeded" in said
    typed("docker pull nvcr.io/hpc/namd:2.13")
    assert "nvcr.io/hpc/namd" in typed("docker images")
    typed("docker login nvcr.io -u '$oauthtoken' --password-stdin", stdin=keys["nvidia"])
    typed("docker pull nvcr.io/nvidia/digits:21.04-tensorflow")
    assert "nvcr.io/nvidia/digits" in typed("docker images")
    created = typed("docker create --name digits -p 8888:5000 nvcr.io/nvidia/digits:21.04-tensorflow")
    assert len(created.strip()) == 64
