"""Images through registries and tools that we did not write, both ways, compared by digest."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from support.images import add_image, add_platforms
from support.peers import Peers, Place
from support.program import Ngc
from support.tokenproxy import status

from ngc_cli.config.secrets import Secret
from ngc_cli.oci import manifest
from ngc_cli.oci.archive import Archive
from ngc_cli.oci.descriptor import Descriptor
from ngc_cli.oci.layout import Layout, find, reachable, read_content
from ngc_cli.oci.manifest import Manifest
from ngc_cli.services.configuration import change_profile

pytestmark = pytest.mark.interop

KINDS = ["oci", "oci-platforms", "docker", "docker-platforms"]
Login = Callable[[Place], Mapping[str, str]]


@pytest.fixture(params=["ours", "theirs"])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(request.param)
    return found


def made(folder: Path, kind: str) -> tuple[Layout, Descriptor]:
    """An image of this kind in a new layout."""
    layout = Layout.create(folder)
    docker = kind.startswith("docker")
    if kind.endswith("platforms"):
        return layout, add_platforms(
            layout, ["linux/amd64", "linux/arm64/v8", "linux/arm/v7"], docker=docker, tag="1"
        )
    return layout, add_image(layout, docker=docker, tag="1")


def same_content(first: Layout, second: Layout, root: Descriptor) -> None:
    for item in reachable(first, root):
        assert second.locate(item).read() == first.locate(item).read()


@pytest.mark.parametrize("kind", KINDS)
def test_ours_to_a_registry_and_back_is_byte_identical(peers: Peers, place: Place, kind: str) -> None:
    layout, root = made(peers.folder / "source", kind)
    ngc = peers.ngc(place)
    pushed = ngc.json(f"registry image push {place.org}/net:1 --source oci:source")
    pulled = ngc.json(f"registry image pull {place.org}/net:1 --output oci:out --all-platforms")
    assert pushed["digest"] == pulled["digest"] == root.digest
    assert pulled["media_type"] == root.media_type
    same_content(layout, Layout.open(peers.folder / "out"), root)
    assert ngc.json(f"registry image push {place.org}/net:1 --source oci:source")["bytes_uploaded"] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_skopeo_takes_ours_from_one_registry_to_another_and_we_fetch_it(
    peers: Peers, ours: Place, theirs: Place, kind: str
) -> None:
    layout, root = made(peers.folder / "source", kind)
    for number, (first, second) in enumerate([(ours, theirs), (theirs, ours)]):
        peers.ngc(first).run(f"registry image push {first.org}/a{number}:1 --source oci:source")
        _log_in_to_both(peers, first, second)
        peers.skopeo(
            "copy",
            "--all",
            f"docker://{first.host}/{first.org}/a{number}:1",
            f"docker://{second.host}/{second.org}/b{number}:1",
        )
        data = peers.ngc(second).json(
            f"registry image pull {second.org}/b{number}:1 --output oci:out{number} --all-platforms"
        )
        assert data["digest"] == root.digest
        same_content(layout, Layout.open(peers.folder / f"out{number}"), root)


def _log_in_to_both(peers: Peers, *places: Place) -> None:
    """A profile of ngc for each registry, and the helper for all of them."""
    config = peers.folder / "home" / ".ngc" / "config"
    for number, place in enumerate(places):
        profile = f"p{number}"
        change_profile(config, profile, {"api_url": place.url}, api_key=Secret(place.key), storage="file")
        Ngc(peers.folder, {"NGC_CLI_PROFILE": profile}).run("registry image login")


@pytest.mark.parametrize("kind", ["oci", "docker"])
def test_podman_pulls_ours_and_pushes_what_we_fetch(
    peers: Peers, place: Place, kind: str, logged_in: Login
) -> None:
    layout, root = made(peers.folder / "source", kind)
    peers.ngc(place).run(f"registry image push {place.org}/net:1 --source oci:source")
    environ = logged_in(place)
    name = f"{place.host}/{place.org}/net"
    peers.podman("pull", "--tls-verify=false", f"{name}:1", **environ)
    config = _config_digest(layout, root)
    assert (
        peers.podman("image", "inspect", "--format", "{{.Id}}", f"{name}:1").strip()
        == config.partition(":")[2]
    )
    peers.podman("push", "--tls-verify=false", f"{name}:1", f"{name}:2", **environ)
    peers.ngc(place).run(f"registry image pull {place.org}/net:2 --output oci:out")
    out = Layout.open(peers.folder / "out")
    back = find(out)
    assert all(out.locate(item).holds(item) for item in reachable(out, back))
    assert _config_digest(out, back) == config


def _config_digest(layout: Layout, root: Descriptor) -> str:
    item = manifest.parse(read_content(layout, root))
    assert isinstance(item, Manifest)
    return item.config.digest


def test_skopeo_pushes_a_layout_of_umoci_and_we_fetch_it(
    peers: Peers, place: Place, logged_in: Login
) -> None:
    peers.run("umoci", "init", "--layout", "made")
    peers.run("umoci", "new", "--image", "made:1")
    peers.run("umoci", "unpack", "--image", "made:1", "bundle")
    (peers.folder / "bundle" / "rootfs" / "file").write_text("content")
    peers.run("umoci", "repack", "--image", "made:1", "bundle")
    environ = logged_in(place)
    peers.skopeo("copy", "oci:made:1", f"docker://{place.host}/{place.org}/net:1", **environ)
    data = peers.ngc(place).json(f"registry image pull {place.org}/net:1 --output oci:out")
    made_ = Layout.open(peers.folder / "made")
    assert data["digest"] == find(made_, "1").digest
    same_content(made_, Layout.open(peers.folder / "out"), find(made_, "1"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_pulled_layout_passes_skopeo_and_umoci(peers: Peers, ours: Place, kind: str) -> None:
    made(peers.folder / "source", kind)
    ngc = peers.ngc(ours)
    ngc.run(f"registry image push {ours.org}/net:1 --source oci:source")
    ngc.run(f"registry image pull {ours.org}/net:1 --output oci:out --platform linux/amd64")
    data = json.loads(peers.skopeo("inspect", "oci:out"))
    assert (data["Architecture"], len(data["Layers"])) == ("amd64", 2)
    peers.skopeo("copy", "oci:out", "dir:checked")
    if kind.startswith("oci"):
        assert json.loads(peers.skopeo("inspect", "oci:out:1"))["Digest"] == data["Digest"]
        assert json.loads(peers.run("umoci", "stat", "--image", "out:1", "--json"))["history"]
        peers.run("umoci", "unpack", "--image", "out:1", "bundle")
        assert sorted(path.name for path in (peers.folder / "bundle/rootfs/data").iterdir()) == ["0", "1"]
        peers.run("umoci", "gc", "--layout", "out")
        layout = Layout.open(peers.folder / "out")
        assert len(reachable(layout, find(layout, "1"))) == 4


@pytest.mark.parametrize("kind", ["oci", "docker"])
@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_a_pulled_archive_is_loaded_by_podman_and_read_by_skopeo(
    peers: Peers, ours: Place, kind: str, form: str
) -> None:
    layout, root = made(peers.folder / "source", kind)
    ngc = peers.ngc(ours)
    ngc.run(f"registry image push {ours.org}/net:1 --source oci:source")
    data = ngc.json(f"registry image pull {ours.org}/net:1 --output {form}:net.tar")
    peers.podman("load", "-i", "net.tar")
    shown = peers.podman("image", "inspect", "--format", "{{.Id}}", f"{ours.host}/{ours.org}/net:1")
    assert shown.strip() == _config_digest(layout, root).partition(":")[2]
    assert len(json.loads(peers.skopeo("inspect", "docker-archive:net.tar"))["Layers"]) == 2
    if kind == "oci":
        assert json.loads(peers.skopeo("inspect", "oci-archive:net.tar"))["Digest"] == data["digest"]


def test_what_podman_saves_is_pushed(peers: Peers, place: Place) -> None:
    made(peers.folder / "source", "oci")
    ngc = peers.ngc(place)
    peers.skopeo("copy", "oci:source:1", "docker-archive:in.tar:example.test/net:1")
    peers.podman("load", "-i", "in.tar")
    out = {}
    for form in ("docker-archive", "oci-archive"):
        peers.podman("save", "--format", form, "-o", f"{form}.tar", "example.test/net:1")
        ngc.run(f"registry image push {place.org}/{form}:1 --source {form}:{form}.tar")
        ngc.run(f"registry image pull {place.org}/{form}:1 --output oci:{form}")
        out[form] = Layout.open(peers.folder / form)
    saved = json.loads(Archive(peers.folder / "docker-archive.tar").small("manifest.json"))[0]["Config"]
    found = out["docker-archive"]
    assert _config_digest(found, find(found)).partition(":")[2] == saved.removesuffix(".json")
    saved = json.loads(peers.skopeo("inspect", "oci-archive:oci-archive.tar"))["Digest"]
    assert find(out["oci-archive"]).digest == saved


def test_podman_logs_in_with_the_key_on_its_stdin(peers: Peers, place: Place) -> None:
    auth = peers.folder / "auth.json"
    ngc = peers.ngc(place, REGISTRY_AUTH_FILE=str(auth))
    ngc.run("registry image login --stdin-to podman")
    assert place.host in json.loads(auth.read_text())["auths"]


def test_a_guest_uses_the_helper_without_harm(peers: Peers, theirs: Place, logged_in: Login) -> None:
    """Without a key the helper's answer makes skopeo go on anonymously, not give up."""
    made(peers.folder / "source", "oci")
    peers.ngc(theirs).run(f"registry image push {theirs.org}/net:1 --source oci:source")
    logged_in(theirs)
    assert theirs.proxy is not None
    theirs.proxy.public = True
    name = f"docker://{theirs.host}/{theirs.org}/net:1"
    assert json.loads(peers.skopeo("inspect", name))["Architecture"] == "amd64"
    theirs.proxy.public = False
    peers.skopeo("inspect", name, code=1)


def test_a_push_survives_errors_of_debians_registry(peers: Peers, theirs: Place) -> None:
    layout = Layout.create(peers.folder / "source")
    root = add_image(layout, layer_sizes=[5_000_000], tag="1")
    assert theirs.proxy is not None
    theirs.proxy.fail("PUT /uploads/", status(502), status(500))
    data = peers.ngc(theirs).json(f"registry image push {theirs.org}/net:1 --source oci:source")
    assert data["digest"] == root.digest
