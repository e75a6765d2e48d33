"""A real Docker daemon against the embedded registry; needs root."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.distribution import DOCKER_MANIFEST, Distribution, image, index
from support.registry import RunningRegistry, wait_until

pytestmark = pytest.mark.interop

Docker = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def docker() -> Iterator[Docker]:
    """Runs the Docker command line against a daemon of the test's own."""
    folder = Path(tempfile.mkdtemp(prefix="dockerd-"))
    address = f"unix://{folder}/socket"
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "DOCKER_HOST": address}
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(
            [
                *("dockerd", "--storage-driver", "vfs", "--iptables=false", "--ip6tables=false"),
                *("--bridge=none", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"),
                *("--pidfile", f"{folder}/pid", "-H", address),
            ],
            stdout=log,
            stderr=log,
            env=environment,
        )

    def run(*words: str, stdin: str = "", ok: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["docker", *words],
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode == 0) is ok, f"{words}: {done.stdout}{done.stderr}"
        return done

    try:
        wait_until(lambda: _answers(environment) or daemon.poll() is not None, timeout_s=60)
        assert daemon.poll() is None, (folder / "log").read_text()
        yield run
    finally:
        daemon.terminate()
        daemon.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def _answers(environment: dict[str, str]) -> bool:
    asked = subprocess.run(
        ["docker", "version"], env=environment, capture_output=True, check=False, timeout=30
    )
    return asked.returncode == 0


@pytest.fixture
def host(docker: Docker, repository: Distribution) -> str:
    """The registry as Docker names it, after a login that stored a credential."""
    name = repository.base_url.removeprefix("http://")
    said = docker("login", "-u", "$oauthtoken", "--password-stdin", name, stdin=str(repository.key))
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
    pulled = docker("pull", source).stdout
    assert f"Digest: {what.digest}" in pulled
    docker("tag", source, target)
    assert "v2: digest: sha256:" in docker("push", target).stdout
    pushed = other_repository.send("GET", "manifests/v2")
    assert pushed.headers["Content-Type"] == DOCKER_MANIFEST
    assert pushed.json()["config"]["digest"] == what.blobs[0].digest  # the same image
    if is_docker:  # else it compresses the layers anew
        assert [entry["digest"] for entry in pushed.json()["layers"]] == [c.digest for c in what.blobs[1:]]
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
    image_id = docker("import", str(archive), name).stdout.strip()
    docker("push", name)
    docker("rmi", name)
    docker("pull", name)
    assert json.loads(docker("image", "inspect", name).stdout)[0]["Id"] == image_id


def test_docker_chooses_its_platform(docker: Docker, repository: Distribution, host: str) -> None:
    both = index(image("arm", architecture="arm64"), image("amd"))
    repository.push(both, "v1")
    name = f"{host}/{repository.repository}:v1"
    assert f"Digest: {both.digest}" in docker("pull", name).stdout
    seen = json.loads(docker("image", "inspect", name).stdout)[0]
    assert (seen["Architecture"], seen["Id"]) == ("amd64", both.children[1].blobs[0].digest)


def test_docker_tells_what_is_refused(
    docker: Docker, repository: Distribution, new_repository: Callable[..., Distribution], host: str
) -> None:
    repository.push(image("hello"), "v1")
    name = f"{host}/{repository.repository}"
    docker("pull", f"{name}:v1")
    reader = new_repository("REGISTRY_READ")
    docker("login", "-u", "$oauthtoken", "--password-stdin", host, stdin=str(reader.key))
    docker("tag", f"{name}:v1", f"{name}:v2")
    assert "denied" in docker("push", f"{name}:v2", ok=False).stderr
    docker("logout", host)
    docker("rmi", f"{name}:v1")
    assert "pull access denied" in docker("pull", f"{name}:v1", ok=False).stderr
    wrong = docker("login", "-u", "$oauthtoken", "--password-stdin", host, stdin="nvapi-wrong", ok=False)
    assert "the API key is not valid" in wrong.stderr
    assert repository.send("GET", "tags/list").json()["tags"] == ["v1"]
