"""Skopeo and Podman against the embedded registry: login, push, pull, copies between repositories, deletion.

Everything is compared by digest: a peer that pulls gets the bytes that were pushed, and the other way round.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from support.distribution import Distribution, Image, image, index
from support.peers import Peers
from support.registry import RunningRegistry

pytestmark = pytest.mark.interop

IMAGES = {
    "oci": image("hello", "world"),
    "docker": image("hello", "world", docker=True),
    "oci-multi": index(image("amd"), image("arm", architecture="arm64", variant="v8")),
    "docker-multi": index(
        image("amd", docker=True), image("arm", architecture="arm64", variant="v8", docker=True), docker=True
    ),
}


@pytest.fixture
def host(repository: Distribution) -> str:
    return repository.base_url.removeprefix("http://")


@pytest.mark.parametrize("name", IMAGES)
def test_skopeo_pulls_and_pushes_byte_by_byte(
    peers: Peers,
    repository: Distribution,
    other_repository: Distribution,
    host: str,
    tmp_path: Path,
    name: str,
) -> None:
    what = IMAGES[name]
    repository.push(what, "v1")
    assert "Login Succeeded" in peers.login("skopeo", host, str(repository.key))
    peers.skopeo(
        "copy",
        "--all",
        "--preserve-digests",
        f"docker://{host}/{repository.repository}:v1",
        f"dir:{tmp_path}/copy",
    )
    assert (tmp_path / "copy" / "manifest.json").read_bytes() == what.manifest.data
    for part in (what, *what.children):
        for content in part.blobs:
            assert (tmp_path / "copy" / content.digest.partition(":")[2]).read_bytes() == content.data
    peers.skopeo(
        "copy",
        "--all",
        "--preserve-digests",
        f"dir:{tmp_path}/copy",
        f"docker://{host}/{other_repository.repository}:v2",
    )
    other_repository.assert_holds(what, "v2")


def test_skopeo_copies_between_repositories_without_sending_blobs(
    peers: Peers,
    registry: RunningRegistry,
    repository: Distribution,
    other_repository: Distribution,
    host: str,
    tmp_path: Path,
) -> None:
    what = image("a layer that is mounted", "x" * 100_000)
    repository.push(what, "v1")
    peers.login("skopeo", host, str(repository.key))
    source = f"docker://{host}/{repository.repository}:v1"
    peers.skopeo("copy", source, f"dir:{tmp_path}/copy")  # now it knows where layers are
    with registry.watching() as lines:
        peers.skopeo(
            "copy",
            source,
            f"docker://{host}/{other_repository.repository}:v1",
        )
    other_repository.assert_holds(what, "v1")
    layers = {content.digest for content in what.blobs[1:]}
    fetched = {
        line.path.rpartition("/")[2] for line in lines if line.method == "GET" and "/blobs/" in line.path
    }
    assert not layers & fetched


def test_skopeo_looks_and_deletes(
    peers: Peers, registry: RunningRegistry, repository: Distribution, host: str
) -> None:
    one, two = image("one"), image("two")
    repository.push(one, "v1")
    repository.push(two, "v2")
    peers.login("skopeo", host, str(repository.key))
    name = f"docker://{host}/{repository.repository}"
    listed = json.loads(peers.skopeo("list-tags", name))
    assert listed["Tags"] == ["v1", "v2"]
    seen = json.loads(peers.skopeo("inspect", f"{name}:v1"))
    assert (seen["Digest"], seen["Architecture"]) == (one.digest, "amd64")
    assert seen["Layers"] == [content.digest for content in one.blobs[1:]]
    peers.skopeo("delete", f"{name}:v1")
    assert repository.send("GET", "manifests/v1").status_code == 404
    repository.assert_holds(two, "v2")
    org, short = repository.repository.split("/")
    tags = registry.session(str(repository.key)).get(f"/v2/org/{org}/repos/{short}").json()["tags"]
    assert tags == ["v2"]


def test_a_reader_cannot_push_or_delete(
    peers: Peers,
    repository: Distribution,
    new_repository: Callable[..., Distribution],
    host: str,
    tmp_path: Path,
) -> None:
    repository.push(IMAGES["oci"], "v1")
    peers.login("skopeo", host, str(new_repository("REGISTRY_READ").key))
    name = f"docker://{host}/{repository.repository}"
    peers.skopeo("copy", f"{name}:v1", f"dir:{tmp_path}/copy")
    pushed = peers.skopeo("copy", f"dir:{tmp_path}/copy", f"{name}:v2", code=1)
    assert "denied" in pushed.lower()
    peers.skopeo("delete", f"{name}:v1", code=1)
    assert repository.send("GET", "tags/list").json()["tags"] == ["v1"]


@pytest.mark.parametrize(("tool", "code"), [("skopeo", 1), ("podman", 125)])
def test_a_wrong_key_is_told_so(peers: Peers, host: str, tool: str, code: int) -> None:
    assert "invalid username/password" in peers.login(tool, host, "nvapi-wrong", code=code)


def test_without_login_only_what_is_open_to_guests_is_pulled(
    peers: Peers, registry: RunningRegistry, repository: Distribution, host: str, tmp_path: Path
) -> None:
    repository.push(IMAGES["oci"], "v1")
    name = f"docker://{host}/{repository.repository}:v1"
    refused = peers.skopeo("copy", name, f"dir:{tmp_path}/copy", code=1)
    assert "unauthorized" in refused
    org, short = repository.repository.split("/")
    admin = registry.session(registry.key(org=org, role="REGISTRY_ADMIN"))
    opened = {"isPublic": True, "canGuestPull": True}
    assert admin.patch(f"/v2/org/{org}/repos/{short}", json=opened).status_code == 200
    peers.skopeo("copy", name, f"dir:{tmp_path}/copy")
    assert (tmp_path / "copy" / "manifest.json").read_bytes() == IMAGES["oci"].manifest.data


@pytest.mark.parametrize("name", ["oci", "docker"])
def test_podman_pulls_and_pushes(
    peers: Peers, repository: Distribution, other_repository: Distribution, host: str, name: str
) -> None:
    what = IMAGES[name]
    repository.push(what, "v1")
    peers.login("podman", host, str(repository.key))
    source, target = f"{host}/{repository.repository}:v1", f"{host}/{other_repository.repository}:v2"
    image_id = peers.podman("pull", "-q", "--tls-verify=false", source).strip()
    assert f"sha256:{image_id}" == what.blobs[0].digest  # the id of an image is the digest of its config
    form = "v2s2" if name == "docker" else "oci"
    peers.podman("push", "--tls-verify=false", f"--format={form}", source, target)
    pushed = other_repository.send("GET", "manifests/v2").json()
    assert (pushed["config"]["digest"], pushed["mediaType"]) == (
        what.blobs[0].digest,
        what.manifest.media_type,
    )
    peers.podman("rmi", "-f", source)
    again = peers.podman("pull", "-q", "--tls-verify=false", target).strip()
    assert again == image_id
    peers.podman("logout", host)
    peers.podman("pull", "-q", "--tls-verify=false", source, code=125)


def test_podman_chooses_a_platform_and_pushes_a_list(
    peers: Peers, repository: Distribution, other_repository: Distribution, host: str
) -> None:
    both = IMAGES["oci-multi"]
    repository.push(both, "v1")
    peers.login("podman", host, str(repository.key))
    source, target = f"{host}/{repository.repository}:v1", f"{host}/{other_repository.repository}:v2"
    arm = peers.podman("pull", "-q", "--tls-verify=false", "--platform", "linux/arm64", source).strip()
    assert f"sha256:{arm}" == both.children[1].blobs[0].digest
    peers.podman("manifest", "create", "list")
    peers.podman("manifest", "add", "--all", "--tls-verify=false", "list", f"docker://{source}")
    peers.podman("manifest", "push", "--all", "--tls-verify=false", "list", f"docker://{target}")
    pushed = other_repository.send("GET", "manifests/v2").json()
    assert {entry["digest"] for entry in pushed["manifests"]} == {child.digest for child in both.children}
    for child in both.children:
        other_repository.assert_holds(child)


def test_podman_builds_and_runs_off_the_registry(
    peers: Peers, registry: RunningRegistry, repository: Distribution, host: str, tmp_path: Path
) -> None:
    """A layer of some size made by Podman itself, streamed in and fetched again."""
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "payload").write_bytes(os.urandom(20_000_000))
    (tmp_path / "context" / "Containerfile").write_text("FROM scratch\nCOPY payload /payload\nENV A=b\n")
    peers.login("podman", host, str(repository.key))
    name = f"{host}/{repository.repository}:built"
    peers.podman("build", "-q", "-t", name, f"{tmp_path}/context")
    peers.podman("push", "--tls-verify=false", name)
    org, short = repository.repository.split("/")
    (tag,) = registry.session(str(repository.key)).get(f"/v2/org/{org}/repos/{short}/images").json()["images"]
    assert (tag["tag"], tag["size"] > 19_000_000) == ("built", True)
    view = registry.session(str(repository.key)).get(f"/v2/org/{org}/repos/{short}/images/built").json()
    steps = [json.loads(entry["v1Compatibility"])["container_config"]["Cmd"][0] for entry in view["history"]]
    assert any("ENV A=b" in step for step in steps)
    peers.podman("rmi", "-f", name)
    peers.podman("pull", "-q", "--tls-verify=false", name)


def test_over_tls_with_the_development_ca(
    peers: Peers, start_registry: Callable[..., RunningRegistry], tmp_path: Path
) -> None:
    registry = start_registry("--tls-self-signed")
    org = registry.org()
    repository = Distribution(registry.url, f"{org}/net", registry.key(org=org), verify=registry.ca_bundle)
    repository.push(IMAGES["oci"], "v1")
    certificates = tmp_path / "certs"
    certificates.mkdir()
    (certificates / "ca.crt").write_bytes(Path(registry.ca_bundle).read_bytes())
    host = registry.url.removeprefix("https://")
    login = ("-u", "$oauthtoken", "--password-stdin", host)
    skopeo = ("skopeo", "--insecure-policy")
    peers.run(*skopeo, "login", f"--cert-dir={certificates}", *login, stdin=str(repository.key))
    source, target = f"docker://{host}/{org}/net:v1", f"dir:{tmp_path}/copy"
    peers.run(*skopeo, "copy", f"--src-cert-dir={certificates}", source, target)
    assert (tmp_path / "copy" / "manifest.json").read_bytes() == IMAGES["oci"].manifest.data


def test_blobs_from_another_origin(
    peers: Peers, start_registry: Callable[..., RunningRegistry], tmp_path: Path
) -> None:
    """A token is not carried along a redirect to another host; the registry refuses one that is."""
    registry = start_registry("--files-url", "http://localhost:1")
    registry.options = ("--files-url", registry.url.replace("127.0.0.1", "localhost"))
    registry.restart()
    org = registry.org()
    repository = Distribution(registry.url, f"{org}/net", registry.key(org=org))
    repository.push(IMAGES["oci"], "v1")
    location = repository.send("GET", f"blobs/{IMAGES['oci'].blobs[0].digest}").headers["Location"]
    assert requests.get(location, timeout=30).content == IMAGES["oci"].blobs[0].data
    host = registry.url.removeprefix("http://")
    peers.login("skopeo", host, str(repository.key))
    with registry.watching() as lines:
        peers.skopeo("copy", f"docker://{host}/{org}/net:v1", f"dir:{tmp_path}/copy")
    fetched = [line for line in lines if line.path.startswith("/links/")]
    assert len(fetched) == 3
    assert not any(line.authorization for line in fetched)


def test_keys_and_tokens_of_peers_are_not_kept(
    peers: Peers, registry: RunningRegistry, repository: Distribution, host: str, tmp_path: Path
) -> None:
    repository.push(IMAGES["oci"], "v1")
    peers.login("skopeo", host, str(repository.key))
    peers.skopeo(
        "copy",
        f"docker://{host}/{repository.repository}:v1",
        f"dir:{tmp_path}/copy",
    )
    assert str(repository.key).encode() not in registry.dump()


def test_two_pushes_of_the_same_image_at_the_same_time(
    peers: Peers, repository: Distribution, host: str, tmp_path: Path
) -> None:
    what: Image = image(*(f"{number}" * 50_000 for number in range(6)))
    source = Distribution(repository.base_url, f"{repository.repository}-source", repository.key)
    source.push(what, "v1")
    peers.login("skopeo", host, str(repository.key))
    peers.skopeo(
        "copy",
        f"docker://{host}/{source.repository}:v1",
        f"dir:{tmp_path}/copy",
    )
    copy = ["skopeo", "--insecure-policy", "copy", "--preserve-digests", "--dest-tls-verify=false"]
    running = [
        peers.start(*copy, f"dir:{tmp_path}/copy", f"docker://{host}/{repository.repository}:{tag}")
        for tag in ("a", "b", "a")
    ]
    told = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], told
    for tag in ("a", "b"):
        repository.assert_holds(what, tag)
