"""A real Docker daemon takes a pull and gives a push."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest
from support.images import add_image, add_platforms
from support.peers import DockerDaemon, Peers, Place

from ngc_cli.oci import manifest
from ngc_cli.oci.layout import Layout, find, read_content
from ngc_cli.oci.manifest import Manifest

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("docker")]


@pytest.fixture(params=["ours", "theirs"])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(request.param)
    return found


def config_digest(layout: Layout) -> str:
    item = manifest.parse(read_content(layout, find(layout)))
    assert isinstance(item, Manifest)
    return item.config.digest


def image_id(dockerd: DockerDaemon, peers: Peers, name: str) -> str:
    return dockerd.docker(peers, "image", "inspect", "--format", "{{.Id}}", name).strip()


@pytest.mark.parametrize("options", ["", "--limit-rate 50M"], ids=["pulled by the daemon", "loaded into it"])
@pytest.mark.parametrize("docker", [False, True], ids=["oci", "docker"])
def test_the_daemon_takes_a_pull(
    peers: Peers, place: Place, dockerd: DockerDaemon, options: str, docker: bool
) -> None:
    layout = Layout.create(peers.folder / "source")
    add_image(layout, docker=docker, seed=(place.host, options, docker), tag="1")
    ngc = peers.ngc(place, DOCKER_HOST=dockerd.address)
    ngc.run(f"registry image push {place.org}/net:1 --source oci:source")
    data = ngc.json(f"registry image pull {place.org}/net:1 {options}")
    assert data["output"] == "docker-daemon:"
    assert data["bytes_downloaded"] > 0
    name = f"{place.host}/{place.org}/net:1"
    assert data["run_command"] == f"docker run --gpus all -it --rm {name}"
    assert image_id(dockerd, peers, name) == config_digest(layout)
    assert list((peers.folder / "home").rglob("*.part")) == []


def test_the_daemon_shares_layers_when_it_pulls(peers: Peers, theirs: Place, dockerd: DockerDaemon) -> None:
    layout = Layout.create(peers.folder / "source")
    add_platforms(layout, ["linux/amd64", "linux/arm64"], tag="1")
    ngc = peers.ngc(theirs, DOCKER_HOST=dockerd.address)
    ngc.run(f"registry image push {theirs.org}/net:1 --source oci:source")
    ngc.run(f"registry image pull {theirs.org}/net:1")
    assert theirs.proxy is not None
    before = theirs.proxy.blob_bytes()
    ngc.run(f"registry image push {theirs.org}/net:2 --source oci:source")
    assert ngc.json(f"registry image pull {theirs.org}/net:2")["bytes_downloaded"] == 0
    assert theirs.proxy.blob_bytes() - before < 1000


@pytest.mark.parametrize("options", ["", "--limit-rate 50M"], ids=["pushed by the daemon", "saved from it"])
def test_the_daemon_gives_a_push(peers: Peers, place: Place, dockerd: DockerDaemon, options: str) -> None:
    layout = Layout.create(peers.folder / "source")
    add_image(layout, seed=("push", place.host, options), tag="1")
    peers.skopeo("copy", "oci:source:1", f"docker-archive:in.tar:{place.org}/net:1")
    dockerd.docker(peers, "load", "-i", "in.tar")
    ngc = peers.ngc(place, DOCKER_HOST=dockerd.address)
    done = ngc.run(f"registry image push {place.org}/net:1 {options}", code=2)
    assert f"The image is here as '{place.org}/net:1'." in done.stderr
    data = ngc.json(f"registry image push {place.org}/net:1 -y {options}")
    assert data["source"] == "docker-daemon:"
    pulled = ngc.json(f"registry image pull {place.org}/net:1 --output oci:out")
    assert pulled["digest"] == data["digest"]
    assert config_digest(Layout.open(peers.folder / "out")) == config_digest(layout)


def test_what_docker_saves_is_pushed_and_an_archive_loaded(
    peers: Peers, place: Place, dockerd: DockerDaemon
) -> None:
    layout = Layout.create(peers.folder / "source")
    add_image(layout, seed=("archive", place.host), tag="1")
    ngc = peers.ngc(place)
    ngc.run(f"registry image push {place.org}/net:1 --source oci:source")
    ngc.run(f"registry image pull {place.org}/net:1 --output docker-archive:net.tar")
    dockerd.docker(peers, "load", "-i", "net.tar")
    name = f"{place.host}/{place.org}/net:1"
    assert image_id(dockerd, peers, name) == config_digest(layout)
    dockerd.docker(peers, "save", "-o", "saved.tar", name)
    ngc.run(f"registry image push {place.org}/saved:1 --source docker-archive:saved.tar")
    ngc.run(f"registry image pull {place.org}/saved:1 --output oci:out")
    assert config_digest(Layout.open(peers.folder / "out")) == config_digest(layout)


def test_docker_pulls_and_pushes_with_the_key_of_the_helper(
    peers: Peers, place: Place, dockerd: DockerDaemon, logged_in: Callable[[Place], Mapping[str, str]]
) -> None:
    layout = Layout.create(peers.folder / "source")
    add_image(layout, seed=("helper", place.host), tag="1")
    peers.ngc(place).run(f"registry image push {place.org}/net:1 --source oci:source")
    name = f"{place.host}/{place.org}/net"
    dockerd.docker(peers, "pull", f"{name}:1", code=1)
    environ = logged_in(place)
    dockerd.docker(peers, "pull", f"{name}:1", **environ)
    dockerd.docker(peers, "tag", f"{name}:1", f"{name}:2")
    dockerd.docker(peers, "push", f"{name}:2", **environ)
    config = json.loads((peers.folder / "home/.docker/config.json").read_text())
    assert config == {"credHelpers": {place.host: "ngc"}}
    peers.ngc(place).run(f"registry image pull {place.org}/net:2 --output oci:out")
    assert config_digest(Layout.open(peers.folder / "out")) == config_digest(layout)


def test_docker_is_logged_in_with_the_key_on_its_stdin(
    peers: Peers, place: Place, dockerd: DockerDaemon
) -> None:
    ngc = peers.ngc(place, DOCKER_HOST=dockerd.address, DOCKER_CONFIG=str(peers.folder / "docker"))
    ngc.run("registry image login --stdin-to docker")
    config = json.loads((peers.folder / "docker/config.json").read_text())
    assert place.host in config["auths"]


def test_a_daemon_that_the_registry_does_not_let_in_gets_the_image_loaded(
    peers: Peers, theirs: Place, dockerd: DockerDaemon
) -> None:
    """As behind a proxy that only we go through, or with a certificate that only we trust."""
    assert theirs.proxy is not None
    theirs.proxy.refused_agent = "docker/"
    layout = Layout.create(peers.folder / "source")
    add_image(layout, seed="refused", tag="1")
    ngc = peers.ngc(theirs, DOCKER_HOST=dockerd.address)
    ngc.run(f"registry image push {theirs.org}/net:1 --source oci:source")
    done = ngc.run(f"registry image pull {theirs.org}/net:1")
    assert "so the image is loaded into it" in done.stderr
    name = f"{theirs.host}/{theirs.org}/net"
    assert image_id(dockerd, peers, f"{name}:1") == config_digest(layout)
    dockerd.docker(peers, "tag", f"{name}:1", f"{name}:2")
    done = ngc.run(f"registry image push {theirs.org}/net:2")
    assert "so ngc does" in done.stderr
    ngc.run(f"registry image pull {theirs.org}/net:2 --output oci:out")
    assert config_digest(Layout.open(peers.folder / "out")) == config_digest(layout)


def test_podman_s_socket_is_a_daemon_as_well(peers: Peers, ours: Place) -> None:
    """It reaches no registry without TLS, so images are loaded into it and saved from it."""
    layout = Layout.create(peers.folder / "source")
    add_image(layout, tag="1")
    with peers.podman_service() as address:
        ngc = peers.ngc(ours, DOCKER_HOST=address)
        ngc.run(f"registry image push {ours.org}/net:1 --source oci:source")
        data = ngc.json(f"registry image pull {ours.org}/net:1")
        assert data["output"] == "docker-daemon:"
        assert data["run_command"].startswith("podman run ")
        name = f"{ours.host}/{ours.org}/net:1"
        shown = peers.podman("image", "inspect", "--format", "{{.Id}}", name).strip()
        assert f"sha256:{shown}" == config_digest(layout)
        assert ngc.json(f"registry image push {ours.org}/net:1")["source"] == "docker-daemon:"
    ngc.run(f"registry image pull {ours.org}/net:1 --output oci:out")
    assert config_digest(Layout.open(peers.folder / "out")) == config_digest(layout)
