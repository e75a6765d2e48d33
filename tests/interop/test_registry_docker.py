"""A real Docker daemon against the embedded registry; needs root."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.distribution import DOCKER_MANIFEST, Distribution, image, index
from support.peers import DockerDaemon, Peers
from support.registry import RunningRegistry

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("docker")]


@pytest.fixture
def host(dockerd: DockerDaemon, peers: Peers, repository: Distribution) -> str:
    """The registry as Docker names it, after a login that stored a credential."""
    name = repository.base_url.removeprefix("http://")
    said = dockerd.docker(
        peers, "login", "-u", "$oauthtoken", "--password-stdin", name, stdin=str(repository.key)
    )
    assert "Login Succeeded" in said
    return name


@pytest.mark.parametrize("is_docker", [True, False], ids=["docker", "oci"])
def test_docker_pulls_and_pushes(
    dockerd: DockerDaemon,
    peers: Peers,
    registry: RunningRegistry,
    repository: Distribution,
    other_repository: Distribution,
    host: str,
    is_docker: bool,
) -> None:
    what = image("hello", "world", docker=is_docker)
    repository.push(what, "v1")
    source, target = f"{host}/{repository.repository}:v1", f"{host}/{other_repository.repository}:v2"
    pulled = dockerd.docker(peers, "pull", source)
    assert f"Digest: {what.digest}" in pulled
    dockerd.docker(peers, "tag", source, target)
    assert "v2: digest: sha256:" in dockerd.docker(peers, "push", target)
    pushed = other_repository.send("GET", "manifests/v2")
    assert pushed.headers["Content-Type"] == DOCKER_MANIFEST
    # The same image; its layers may have been compressed anew, so that only the config tells.
    assert pushed.json()["config"]["digest"] == what.blobs[0].digest
    org, name = other_repository.repository.split("/")
    tag = registry.session(str(repository.key)).get(f"/v2/org/{org}/repos/{name}/tags/v2").json()
    assert (tag["digest"], tag["architectureVariants"][0]["architecture"]) == (
        pushed.headers["Docker-Content-Digest"],
        "amd64",
    )


def test_docker_streams_what_it_has_built(
    dockerd: DockerDaemon, peers: Peers, repository: Distribution, host: str, tmp_path: Path
) -> None:
    """Layers that are in no registry yet arrive by chunked transfer encoding, without a length."""
    (tmp_path / "payload").write_bytes(os.urandom(20_000_000))
    layer = subprocess.run(
        ["tar", "-C", str(tmp_path), "-cf", "-", "payload"], capture_output=True, check=True
    )
    archive = tmp_path / "layer.tar"
    archive.write_bytes(layer.stdout)
    name = f"{host}/{repository.repository}:built"
    image_id = dockerd.docker(peers, "import", str(archive), name).strip()
    dockerd.docker(peers, "push", name)
    dockerd.docker(peers, "rmi", name)
    dockerd.docker(peers, "pull", name)
    assert json.loads(dockerd.docker(peers, "image", "inspect", name))[0]["Id"] == image_id


def test_docker_chooses_its_platform(
    dockerd: DockerDaemon, peers: Peers, repository: Distribution, host: str
) -> None:
    both = index(image("arm", architecture="arm64"), image("amd"))
    repository.push(both, "v1")
    name = f"{host}/{repository.repository}:v1"
    assert f"Digest: {both.digest}" in dockerd.docker(peers, "pull", name)
    seen = json.loads(dockerd.docker(peers, "image", "inspect", name))[0]
    assert (seen["Architecture"], seen["Id"]) == ("amd64", both.children[1].blobs[0].digest)


def test_docker_tells_what_is_refused(
    dockerd: DockerDaemon,
    peers: Peers,
    repository: Distribution,
    new_repository: Callable[..., Distribution],
    host: str,
) -> None:
    repository.push(image("hello"), "v1")
    name = f"{host}/{repository.repository}"
    dockerd.docker(peers, "pull", f"{name}:v1")
    reader = new_repository("REGISTRY_READ")
    dockerd.docker(peers, "login", "-u", "$oauthtoken", "--password-stdin", host, stdin=str(reader.key))
    dockerd.docker(peers, "tag", f"{name}:v1", f"{name}:v2")
    assert "denied" in dockerd.docker(peers, "push", f"{name}:v2", code=1)
    dockerd.docker(peers, "logout", host)
    dockerd.docker(peers, "rmi", f"{name}:v1")
    assert "pull access denied" in dockerd.docker(peers, "pull", f"{name}:v1", code=1)
    wrong = dockerd.docker(
        peers, "login", "-u", "$oauthtoken", "--password-stdin", host, stdin="nvapi-wrong", code=1
    )
    assert "the API key is not valid" in wrong
    assert repository.send("GET", "tags/list").json()["tags"] == ["v1"]
