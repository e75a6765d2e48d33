"""A real Docker daemon against the embedded registry; needs root."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.distribution import DOCKER_MANIFEST, Distribution, image, index
from support.dockerd import Docker
from support.registry import RunningRegistry

pytestmark = pytest.mark.interop


@pytest.fixture
def host(docker: Docker, repository: Distribution) -> str:
    """The registry as Docker names it, after a login that stored a credential."""
    name = repository.base_url.removeprefix("http://")
    said = docker.run("login", "-u", "$oauthtoken", "--password-stdin", name, stdin=str(repository.key))
    assert "Login Succeeded" in said.stdout
    return name


@pytest.mark.parametrize("is_docker", [True, False], ids=["docker", "oci"])
def test_docker_pulls_and_pushes(
    docker: Docker,
    registry: RunningRegistry,
    repository: Distribution,
    other_repository: Distribution,
    host: str,
    is_docker: bool,
) -> None:
    what = image("hello", "world", docker=is_docker)
    repository.push(what, "v1")
    source, target = f"{host}/{repository.repository}:v1", f"{host}/{other_repository.repository}:v2"
    pulled = docker.run("pull", source).stdout
    assert f"Digest: {what.digest}" in pulled
    docker.run("tag", source, target)
    assert "v2: digest: sha256:" in docker.run("push", target).stdout
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
    docker: Docker, repository: Distribution, host: str, tmp_path: Path
) -> None:
    """Layers that are in no registry yet arrive by chunked transfer encoding, without a length."""
    (tmp_path / "payload").write_bytes(os.urandom(20_000_000))
    layer = subprocess.run(
        ["tar", "-C", str(tmp_path), "-cf", "-", "payload"], capture_output=True, check=True
    )
    archive = tmp_path / "layer.tar"
    archive.write_bytes(layer.stdout)
    name = f"{host}/{repository.repository}:built"
    image_id = docker.run("import", str(archive), name).stdout.strip()
    docker.run("push", name)
    docker.run("rmi", name)
    docker.run("pull", name)
    assert json.loads(docker.run("image", "inspect", name).stdout)[0]["Id"] == image_id


def test_docker_chooses_its_platform(docker: Docker, repository: Distribution, host: str) -> None:
    both = index(image("arm", architecture="arm64"), image("amd"))
    repository.push(both, "v1")
    name = f"{host}/{repository.repository}:v1"
    assert f"Digest: {both.digest}" in docker.run("pull", name).stdout
    seen = json.loads(docker.run("image", "inspect", name).stdout)[0]
    assert (seen["Architecture"], seen["Id"]) == ("amd64", both.children[1].blobs[0].digest)


def test_docker_tells_what_is_refused(
    docker: Docker, repository: Distribution, new_repository: Callable[..., Distribution], host: str
) -> None:
    repository.push(image("hello"), "v1")
    name = f"{host}/{repository.repository}"
    docker.run("pull", f"{name}:v1")
    reader = new_repository("REGISTRY_READ")
    docker.run("login", "-u", "$oauthtoken", "--password-stdin", host, stdin=str(reader.key))
    docker.run("tag", f"{name}:v1", f"{name}:v2")
    assert "denied" in docker.run("push", f"{name}:v2", ok=False).stderr
    docker.run("logout", host)
    docker.run("rmi", f"{name}:v1")
    assert "pull access denied" in docker.run("pull", f"{name}:v1", ok=False).stderr
    wrong = docker.run("login", "-u", "$oauthtoken", "--password-stdin", host, stdin="nvapi-wrong", ok=False)
    assert "the API key is not valid" in wrong.stderr
    assert repository.send("GET", "tags/list").json()["tags"] == ["v1"]
