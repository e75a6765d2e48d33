"""Skopeo and Podman against the embedded registry: login, push, pull, copies between repositories, deletion.

Everything is compared by digest: a peer that pulls gets the bytes that were pushed, and the other way round.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from support.distribution import Distribution, Image, image, index
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


class Peer:
    """Command lines of foreign clients, with a home and storage of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "TMPDIR": str(folder),
        }

    def run(self, *command: str, stdin: str = "", ok: bool = True) -> str:
        """What the command prints; with ``ok=False`` it must fail."""
        process = self.start(*command)
        told, complained = process.communicate(stdin, timeout=120)
        assert (process.returncode == 0) is ok, f"{command}: {told}{complained}"
        return told + (complained if not ok else "")

    def start(self, *command: str) -> subprocess.Popen[str]:
        """The command under way."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command,
            env=self._environment,
            cwd=self._folder,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
        )

    def skopeo(self, *words: str, stdin: str = "", ok: bool = True) -> str:
        return self.run("skopeo", "--insecure-policy", *words, stdin=stdin, ok=ok)

    def podman(self, *words: str, stdin: str = "", ok: bool = True) -> str:
        storage = (
            "--root",
            f"{self._folder}/storage",
            "--runroot",
            f"{self._folder}/run",
            "--storage-driver",
            "vfs",
        )
        return self.run("podman", *storage, *words, stdin=stdin, ok=ok)

    def login(self, tool: str, host: str, key: str, ok: bool = True) -> str:
        words = ("login", "--tls-verify=false", "-u", "$oauthtoken", "--password-stdin", host)
        return {"skopeo": self.skopeo, "podman": self.podman}[tool](*words, stdin=key, ok=ok)


@pytest.fixture
def peer() -> Iterator[Peer]:
    with tempfile.TemporaryDirectory(prefix="peer-") as folder:  # Podman wants its paths short
        yield Peer(Path(folder))


@pytest.fixture
def host(repository: Distribution) -> str:
    return repository.base_url.removeprefix("http://")


@pytest.mark.parametrize("name", IMAGES)
def test_skopeo_pulls_and_pushes_byte_by_byte(
    peer: Peer, repository: Distribution, other_repository: Distribution, host: str, tmp_path: Path, name: str
) -> None:
    what = IMAGES[name]
    repository.push(what, "v1")
    assert "Login Succeeded" in peer.login("skopeo", host, str(repository.key))
    peer.skopeo(
        "copy",
        "--all",
        "--preserve-digests",
        "--src-tls-verify=false",
        f"docker://{host}/{repository.repository}:v1",
        f"dir:{tmp_path}/copy",
    )
    assert (tmp_path / "copy" / "manifest.json").read_bytes() == what.manifest.data
    for part in (what, *what.children):
        for content in part.blobs:
            assert (tmp_path / "copy" / content.digest.partition(":")[2]).read_bytes() == content.data
    peer.skopeo(
        "copy",
        "--all",
        "--preserve-digests",
        "--dest-tls-verify=false",
        f"dir:{tmp_path}/copy",
        f"docker://{host}/{other_repository.repository}:v2",
    )
    other_repository.assert_holds(what, "v2")


def test_skopeo_copies_between_repositories_without_sending_blobs(
    peer: Peer,
    registry: RunningRegistry,
    repository: Distribution,
    other_repository: Distribution,
    host: str,
    tmp_path: Path,
) -> None:
    what = image("a layer that is mounted", "x" * 100_000)
    repository.push(what, "v1")
    peer.login("skopeo", host, str(repository.key))
    source = f"docker://{host}/{repository.repository}:v1"
    peer.skopeo(
        "copy", "--src-tls-verify=false", source, f"dir:{tmp_path}/copy"
    )  # now it knows where layers are
    with registry.watching() as lines:
        peer.skopeo(
            "copy",
            "--src-tls-verify=false",
            "--dest-tls-verify=false",
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
    peer: Peer, registry: RunningRegistry, repository: Distribution, host: str
) -> None:
    one, two = image("one"), image("two")
    repository.push(one, "v1")
    repository.push(two, "v2")
    peer.login("skopeo", host, str(repository.key))
    name = f"docker://{host}/{repository.repository}"
    listed = json.loads(peer.skopeo("list-tags", "--tls-verify=false", name))
    assert listed["Tags"] == ["v1", "v2"]
    seen = json.loads(peer.skopeo("inspect", "--tls-verify=false", f"{name}:v1"))
    assert (seen["Digest"], seen["Architecture"]) == (one.digest, "amd64")
    assert seen["Layers"] == [content.digest for content in one.blobs[1:]]
    peer.skopeo("delete", "--tls-verify=false", f"{name}:v1")
    assert repository.send("GET", "manifests/v1").status_code == 404
    repository.assert_holds(two, "v2")
    org, short = repository.repository.split("/")
    tags = registry.session(str(repository.key)).get(f"/v2/org/{org}/repos/{short}").json()["tags"]
    assert tags == ["v2"]


def test_a_reader_cannot_push_or_delete(
    peer: Peer,
    repository: Distribution,
    new_repository: Callable[..., Distribution],
    host: str,
    tmp_path: Path,
) -> None:
    repository.push(IMAGES["oci"], "v1")
    peer.login("skopeo", host, str(new_repository("REGISTRY_READ").key))
    name = f"docker://{host}/{repository.repository}"
    peer.skopeo("copy", "--src-tls-verify=false", f"{name}:v1", f"dir:{tmp_path}/copy")
    pushed = peer.skopeo("copy", "--dest-tls-verify=false", f"dir:{tmp_path}/copy", f"{name}:v2", ok=False)
    assert "denied" in pushed.lower()
    peer.skopeo("delete", "--tls-verify=false", f"{name}:v1", ok=False)
    assert repository.send("GET", "tags/list").json()["tags"] == ["v1"]


@pytest.mark.parametrize("tool", ["skopeo", "podman"])
def test_a_wrong_key_is_told_so(peer: Peer, host: str, tool: str) -> None:
    assert "invalid username/password" in peer.login(tool, host, "nvapi-wrong", ok=False)


def test_without_login_only_what_is_open_to_guests_is_pulled(
    peer: Peer, registry: RunningRegistry, repository: Distribution, host: str, tmp_path: Path
) -> None:
    repository.push(IMAGES["oci"], "v1")
    name = f"docker://{host}/{repository.repository}:v1"
    refused = peer.skopeo("copy", "--src-tls-verify=false", name, f"dir:{tmp_path}/copy", ok=False)
    assert "unauthorized" in refused
    org, short = repository.repository.split("/")
    admin = registry.session(registry.key(org=org, role="REGISTRY_ADMIN"))
    opened = {"isPublic": True, "canGuestPull": True}
    assert admin.patch(f"/v2/org/{org}/repos/{short}", json=opened).status_code == 200
    peer.skopeo("copy", "--src-tls-verify=false", name, f"dir:{tmp_path}/copy")
    assert (tmp_path / "copy" / "manifest.json").read_bytes() == IMAGES["oci"].manifest.data


@pytest.mark.parametrize("name", ["oci", "docker"])
def test_podman_pulls_and_pushes(
    peer: Peer, repository: Distribution, other_repository: Distribution, host: str, name: str
) -> None:
    what = IMAGES[name]
    repository.push(what, "v1")
    peer.login("podman", host, str(repository.key))
    source, target = f"{host}/{repository.repository}:v1", f"{host}/{other_repository.repository}:v2"
    image_id = peer.podman("pull", "-q", "--tls-verify=false", source).strip()
    assert f"sha256:{image_id}" == what.blobs[0].digest  # the id of an image is the digest of its config
    form = "v2s2" if name == "docker" else "oci"
    peer.podman("push", "--tls-verify=false", f"--format={form}", source, target)
    pushed = other_repository.send("GET", "manifests/v2").json()
    assert (pushed["config"]["digest"], pushed["mediaType"]) == (
        what.blobs[0].digest,
        what.manifest.media_type,
    )
    peer.podman("rmi", "-f", source)
    again = peer.podman("pull", "-q", "--tls-verify=false", target).strip()
    assert again == image_id
    peer.podman("logout", host)
    peer.podman("pull", "-q", "--tls-verify=false", source, ok=False)


def test_podman_chooses_a_platform_and_pushes_a_list(
    peer: Peer, repository: Distribution, other_repository: Distribution, host: str
) -> None:
    both = IMAGES["oci-multi"]
    repository.push(both, "v1")
    peer.login("podman", host, str(repository.key))
    source, target = f"{host}/{repository.repository}:v1", f"{host}/{other_repository.repository}:v2"
    arm = peer.podman("pull", "-q", "--tls-verify=false", "--platform", "linux/arm64", source).strip()
    assert f"sha256:{arm}" == both.children[1].blobs[0].digest
    peer.podman("manifest", "create", "list")
    peer.podman("manifest", "add", "--all", "--tls-verify=false", "list", f"docker://{source}")
    peer.podman("manifest", "push", "--all", "--tls-verify=false", "list", f"docker://{target}")
    pushed = other_repository.send("GET", "manifests/v2").json()
    assert {entry["digest"] for entry in pushed["manifests"]} == {child.digest for child in both.children}
    for child in both.children:
        other_repository.assert_holds(child)


def test_podman_builds_and_runs_off_the_registry(
    peer: Peer, registry: RunningRegistry, repository: Distribution, host: str, tmp_path: Path
) -> None:
    """A layer of some size made by Podman itself, streamed in and fetched again."""
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "payload").write_bytes(os.urandom(20_000_000))
    (tmp_path / "context" / "Containerfile").write_text("FROM scratch\nCOPY payload /payload\nENV A=b\n")
    peer.login("podman", host, str(repository.key))
    name = f"{host}/{repository.repository}:built"
    peer.podman("build", "-q", "-t", name, f"{tmp_path}/context")
    peer.podman("push", "--tls-verify=false", name)
    org, short = repository.repository.split("/")
    (tag,) = registry.session(str(repository.key)).get(f"/v2/org/{org}/repos/{short}/images").json()["images"]
    assert (tag["tag"], tag["size"] > 19_000_000) == ("built", True)
    view = registry.session(str(repository.key)).get(f"/v2/org/{org}/repos/{short}/images/built").json()
    steps = [json.loads(entry["v1Compatibility"])["container_config"]["Cmd"][0] for entry in view["history"]]
    assert any("ENV A=b" in step for step in steps)
    peer.podman("rmi", "-f", name)
    peer.podman("pull", "-q", "--tls-verify=false", name)


def test_over_tls_with_the_development_ca(
    peer: Peer, start_registry: Callable[..., RunningRegistry], tmp_path: Path
) -> None:
    registry = start_registry("--tls-self-signed")
    org = registry.org()
    repository = Distribution(registry.url, f"{org}/net", registry.key(org=org), verify=registry.ca_bundle)
    repository.push(IMAGES["oci"], "v1")
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "ca.crt").write_bytes(Path(registry.ca_bundle).read_bytes())
    host = registry.url.removeprefix("https://")
    peer.skopeo(
        "login",
        f"--cert-dir={tmp_path}/certs",
        "-u",
        "$oauthtoken",
        "--password-stdin",
        host,
        stdin=str(repository.key),
    )
    peer.skopeo(
        "copy", f"--src-cert-dir={tmp_path}/certs", f"docker://{host}/{org}/net:v1", f"dir:{tmp_path}/copy"
    )
    assert (tmp_path / "copy" / "manifest.json").read_bytes() == IMAGES["oci"].manifest.data


def test_blobs_from_another_origin(
    peer: Peer, start_registry: Callable[..., RunningRegistry], tmp_path: Path
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
    peer.login("skopeo", host, str(repository.key))
    with registry.watching() as lines:
        peer.skopeo("copy", "--src-tls-verify=false", f"docker://{host}/{org}/net:v1", f"dir:{tmp_path}/copy")
    fetched = [line for line in lines if line.path.startswith("/links/")]
    assert len(fetched) == 3
    assert not any(line.authorization for line in fetched)


def test_keys_and_tokens_of_peers_are_not_kept(
    peer: Peer, registry: RunningRegistry, repository: Distribution, host: str, tmp_path: Path
) -> None:
    repository.push(IMAGES["oci"], "v1")
    peer.login("skopeo", host, str(repository.key))
    peer.skopeo(
        "copy",
        "--src-tls-verify=false",
        f"docker://{host}/{repository.repository}:v1",
        f"dir:{tmp_path}/copy",
    )
    assert str(repository.key).encode() not in registry.dump()


def test_two_pushes_of_the_same_image_at_the_same_time(
    peer: Peer, repository: Distribution, host: str, tmp_path: Path
) -> None:
    what: Image = image(*(f"{number}" * 50_000 for number in range(6)))
    source = Distribution(repository.base_url, f"{repository.repository}-source", repository.key)
    source.push(what, "v1")
    peer.login("skopeo", host, str(repository.key))
    peer.skopeo(
        "copy",
        "--src-tls-verify=false",
        f"docker://{host}/{source.repository}:v1",
        f"dir:{tmp_path}/copy",
    )
    copy = ["skopeo", "--insecure-policy", "copy", "--preserve-digests", "--dest-tls-verify=false"]
    running = [
        peer.start(*copy, f"dir:{tmp_path}/copy", f"docker://{host}/{repository.repository}:{tag}")
        for tag in ("a", "b", "a")
    ]
    told = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], told
    for tag in ("a", "b"):
        repository.assert_holds(what, tag)
