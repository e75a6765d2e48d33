"""Pull and push as use cases, against a registry in memory that can do what a real one rarely does."""

from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.images import add_image, add_platforms, noise, tar_of
from support.memoryregistry import MemoryRegistry
from support.tokenproxy import KEY, TokenProxy, status

from ngc_cli.api.client import ApiClient
from ngc_cli.errors import Forbidden, IntegrityError, LocalFileError, NgcError, NotFound
from ngc_cli.events import Silent
from ngc_cli.http.auth import NgcCredentials
from ngc_cli.http.session import Http, HttpSettings
from ngc_cli.oci.archive import Archive
from ngc_cli.oci.descriptor import OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST, Descriptor, digest_of
from ngc_cli.oci.layout import Layout, find, reachable
from ngc_cli.oci.manifest import Manifest
from ngc_cli.refs import ImageRef
from ngc_cli.services.images import pull as image_pull
from ngc_cli.services.images import push as image_push
from ngc_cli.services.images.connection import ImageClients, ImageOutcome, connect
from ngc_cli.services.images.places import Place
from ngc_cli.services.images.pull import PullRequest
from ngc_cli.services.images.push import PushRequest
from ngc_cli.services.transfers import TransferLimits, state_key

NET = ImageRef.parse("org/net:1")


@dataclass
class Noted(Silent):
    """Progress that remembers."""

    notes: list[str] = field(default_factory=list)
    phases: list[list[int]] = field(default_factory=list)

    def begin(self, phase: str, total_bytes: int, total_files: int) -> None:
        self.phases.append([total_bytes, 0])

    def advance(self, byte_count: int) -> None:
        self.phases[-1][1] += byte_count

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def clients(front: TokenProxy) -> Iterator[ImageClients]:
    http = Http(HttpSettings(timeout_s=10, retries=1, backoff_s=0.01))
    api = ApiClient(http, NgcCredentials(http, KEY, api_url=front.url, auth_url=front.url))
    yield connect(
        api,
        registry_url=front.url,
        auth_url=front.url,
        key=KEY,
        environ={"DOCKER_HOST": "unix:///nonexistent"},
        on_warning=print,
    )
    http.close()


@pytest.fixture
def source(tmp_path: Path) -> Layout:
    return Layout.create(tmp_path / "source")


def push(clients: ImageClients, layout: Layout, progress: Any = None, **more: Any) -> ImageOutcome:
    request = PushRequest(
        more.pop("ref", NET), Place("oci", layout.root), limits=TransferLimits(4, 0, 2), **more
    )
    return image_push.push(clients, request, progress or Silent(), threading.Event())


def pull(clients: ImageClients, output: str, progress: Any = None, **more: Any) -> ImageOutcome:
    request = PullRequest(
        more.pop("ref", NET), output=Place.parse(output), limits=TransferLimits(4, 0, 2), **more
    )
    return image_pull.pull(clients, request, progress or Silent(), more.pop("cancel", threading.Event()))


def with_sha512(layout: Layout) -> Descriptor:
    """An image whose layer has a digest that the transfer engine does not know; the layer's descriptor."""
    plain = tar_of({"a": noise(1, 3000)})
    packed = gzip.compress(plain, mtime=0)
    layer = Descriptor(OCI_LAYER_GZIP, digest_of(packed, "sha512"), len(packed))
    layout.add(packed, layer.digest)
    config = (
        b'{"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": ["%s"]}}'
        % digest_of(plain).encode()
    )
    layout.add(config, digest_of(config))
    content = Manifest(OCI_MANIFEST, Descriptor.of(config, OCI_CONFIG), (layer,)).encode()
    root = Descriptor.of(content, OCI_MANIFEST)
    layout.add(content, root.digest)
    layout.name(root, "1", "")
    return layer


def test_blobs_of_another_digest_algorithm_are_verified_before_they_land(
    clients: ImageClients, source: Layout, memory: MemoryRegistry, tmp_path: Path
) -> None:
    layer = with_sha512(source)
    push(clients, source)
    good = memory.blobs["org/net", layer.digest]
    memory.blobs["org/net", layer.digest] = b"\0" * len(good)
    with pytest.raises(IntegrityError, match="is not sha512:"):
        pull(clients, f"oci:{tmp_path}/out")
    assert list((tmp_path / "out/blobs/sha512").iterdir()) == []
    memory.blobs["org/net", layer.digest] = good
    pull(clients, f"oci:{tmp_path}/out")
    out = Layout.open(tmp_path / "out")
    assert all(out.locate(item).holds(item) for item in reachable(out, find(out)))
    assert sorted(path.name for path in out.root.iterdir()) == ["blobs", "index.json", "oci-layout"]


def lose_a_layer(clients: ImageClients, layout: Layout, memory: MemoryRegistry) -> tuple[str, bytes, int]:
    """Push an image, of which the registry then loses a layer: its digest and content, and what is fetched when it
    has it again: that layer, and the config as always."""
    parts = reachable(layout, add_image(layout, layer_sizes=[5000, 6000], tag="1"))
    push(clients, layout)
    lost = max(parts, key=lambda item: item.size_bytes)
    config_bytes = next(item.size_bytes for item in parts if item.media_type == OCI_CONFIG)
    return lost.digest, memory.blobs.pop(("org/net", lost.digest)), lost.size_bytes + config_bytes


def test_a_layer_that_is_not_there_fails_the_pull_and_what_came_is_kept(
    clients: ImageClients, source: Layout, memory: MemoryRegistry, front: TokenProxy, tmp_path: Path
) -> None:
    lost, content, wanted_bytes = lose_a_layer(clients, source, memory)
    with pytest.raises(NotFound):
        pull(clients, f"oci:{tmp_path}/out")
    assert Layout.open(tmp_path / "out").index().manifests == ()
    memory.blobs["org/net", lost] = content
    before = front.blob_bytes()
    pull(clients, f"oci:{tmp_path}/out")
    assert front.blob_bytes() - before == wanted_bytes


def test_progress_ends_at_its_total_whatever_happens_on_the_way(
    clients: ImageClients, source: Layout, front: TokenProxy, tmp_path: Path
) -> None:
    add_platforms(source, ["linux/amd64", "linux/arm64"], tag="1")
    front.fail("PUT /uploads/", status(503), status(500))
    front.fail("GET /blobs/.*sig", status(502))
    progress = Noted()
    push(clients, source, progress)
    pull(clients, f"oci-archive:{tmp_path}/out.tar", progress)
    pull(clients, f"oci:{tmp_path}/out", progress, all_platforms=True)
    assert len(progress.phases) == 4
    assert all(total == done > 0 for total, done in progress.phases)


def test_a_license_that_is_not_accepted_is_told_with_the_page(
    clients: ImageClients, source: Layout, front: TokenProxy, tmp_path: Path
) -> None:
    add_image(source, tag="1")
    push(clients, source)
    front.fail("GET /manifests/", status(412))
    with pytest.raises(Forbidden, match="is not accepted yet") as caught:
        pull(clients, f"oci:{tmp_path}/out")
    assert (
        caught.value.hint == "Accept it at https://catalog.ngc.nvidia.com/orgs/org/containers/net?version=1"
    )


def test_a_cancelled_pull_leaves_nothing_that_looks_complete(
    clients: ImageClients, source: Layout, tmp_path: Path
) -> None:
    add_image(source, layer_sizes=[9000, 9000], tag="1")
    push(clients, source)
    cancel = threading.Event()
    cancel.set()
    request = PullRequest(NET, output=Place.parse(f"oci-archive:{tmp_path}/out.tar"))
    with pytest.raises(NgcError, match="interrupted"):
        image_pull.pull(clients, request, Silent(), cancel)
    assert not (tmp_path / "out.tar").exists()
    pull(clients, f"oci-archive:{tmp_path}/out.tar")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.tar", "source"]


def test_an_archive_goes_on_from_what_an_earlier_pull_fetched(
    clients: ImageClients, source: Layout, front: TokenProxy, memory: MemoryRegistry, tmp_path: Path
) -> None:
    lost, content, wanted_bytes = lose_a_layer(clients, source, memory)
    with pytest.raises(NotFound):
        pull(clients, f"docker-archive:{tmp_path}/out.tar")
    memory.blobs["org/net", lost] = content
    before = front.blob_bytes()
    outcome = pull(clients, f"docker-archive:{tmp_path}/out.tar")
    assert outcome.bytes_moved == front.blob_bytes() - before == wanted_bytes


def test_a_layout_that_lacks_a_part_is_not_pushed(
    clients: ImageClients, source: Layout, front: TokenProxy
) -> None:
    image = add_image(source, tag="1")
    source.blob_path(reachable(source, image)[1].digest).unlink()
    with pytest.raises(NotFound, match="lacks sha256:"):
        push(clients, source)
    assert not front.requests("PUT /manifests/")


def test_a_damaged_layer_is_told_and_the_image_not_named(
    clients: ImageClients, source: Layout, front: TokenProxy
) -> None:
    image = add_image(source, tag="1")
    layer = reachable(source, image)[1]
    source.blob_path(layer.digest).write_bytes(b"\0" * layer.size_bytes)
    with pytest.raises(LocalFileError, match="is damaged"):
        push(clients, source)
    assert not front.requests("PUT /manifests/")


def test_the_default_platform_is_this_machines_and_others_are_noted(
    clients: ImageClients, source: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_image(source, platform="linux/amd64", tag="1")
    push(clients, source)
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    progress = Noted()
    assert pull(clients, f"oci:{tmp_path}/out", progress).platform == "linux/amd64"
    assert progress.notes == [
        f"{clients.registry.host}/org/net:1 is for linux/amd64, and this machine is linux/arm64."
    ]


def test_the_state_of_uploads_is_for_its_owner_only(
    clients: ImageClients, source: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, front: TokenProxy
) -> None:
    monkeypatch.setattr("ngc_cli.services.images.push.CHUNK_BYTES", 1000)
    monkeypatch.setattr("ngc_cli.oci.copy.CHUNK_BYTES", 1000)
    add_image(source, layer_sizes=[5000], tag="1")
    state = tmp_path / "state"
    front.fail("PATCH state=2000", *[status(500)] * 9)
    with pytest.raises(NgcError):
        push(clients, source, state_folder=state)
    (file,) = state.iterdir()
    assert state.stat().st_mode & 0o777 == 0o700
    assert KEY not in file.read_text()
    front.faults.clear()
    before = sum(item.bytes_received for item in front.requests("PATCH "))
    push(clients, source, state_folder=state)
    sent = sum(item.bytes_received for item in front.requests("PATCH ")) - before
    assert sent < 4500
    assert list(state.iterdir()) == []


@pytest.mark.parametrize("size_bytes", [5000, 1_500_000])
def test_a_damaged_blob_in_a_layout_is_fetched_again(
    clients: ImageClients, source: Layout, tmp_path: Path, size_bytes: int
) -> None:
    image = add_image(source, layer_sizes=[size_bytes], tag="1")
    push(clients, source)
    pull(clients, f"oci:{tmp_path}/out", state_folder=tmp_path / "home")
    out = Layout.open(tmp_path / "out")
    layer = max(reachable(out, image), key=lambda item: item.size_bytes)
    out.blob_path(layer.digest).write_bytes(b"\0" * layer.size_bytes)
    request = PullRequest(NET, output=Place.parse(f"oci:{tmp_path}/out"), state_folder=tmp_path / "home")
    assert image_pull.plan(clients, request, Silent()).missing_bytes == layer.size_bytes
    pull(clients, f"oci:{tmp_path}/out", state_folder=tmp_path / "home")
    assert all(out.locate(item).holds(item) for item in reachable(out, image))


def test_verified_blobs_are_remembered_and_not_read_again(
    clients: ImageClients, source: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_image(source, layer_sizes=[5000], tag="1")
    push(clients, source)
    pull(clients, f"oci:{tmp_path}/out", state_folder=tmp_path / "home")
    monkeypatch.setattr("ngc_cli.transfer.verify.hash_file", None)
    pull(clients, f"oci:{tmp_path}/out", state_folder=tmp_path / "home")


def victim_of(tmp_path: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in (tmp_path / "victim").rglob("*") if path.is_file()}


def test_state_planted_in_a_layout_or_beside_it_costs_nobody_a_file(
    clients: ImageClients, source: Layout, tmp_path: Path
) -> None:
    """What came with a clone or an archive: the names are known in advance, so links can be planted."""
    image = add_image(source, layer_sizes=[5000], tag="1")
    push(clients, source)
    (tmp_path / "victim" / "photos").mkdir(parents=True)
    (tmp_path / "victim" / "photos" / "1").write_text("mine")
    os.utime(tmp_path / "victim" / "photos", (1, 1))
    before = victim_of(tmp_path)
    Layout.create(tmp_path / "clone" / "out")
    key = state_key(clients.registry.url, image.digest)
    for base in (tmp_path / "clone", tmp_path / "clone" / "out"):
        (base / ".ngc-transfer").mkdir()
        (base / ".ngc-transfer" / key).symlink_to(tmp_path / "victim")
    pull(clients, f"oci:{tmp_path}/clone/out")
    assert victim_of(tmp_path) == before


def test_a_planted_link_is_not_written_through_by_a_pull_to_an_archive(
    clients: ImageClients, source: Layout, tmp_path: Path
) -> None:
    image = add_image(source, layer_sizes=[5000], tag="1")
    push(clients, source)
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "f").write_text("mine")
    before = victim_of(tmp_path)
    stage = tmp_path / ".ngc-transfer" / state_key(f"{tmp_path}/out.tar", image.digest)
    stage.mkdir(parents=True)
    (stage / "archive.tar").symlink_to(tmp_path / "victim" / "f")
    pull(clients, f"oci-archive:{tmp_path}/out.tar")
    assert victim_of(tmp_path) == before
    assert Archive(tmp_path / "out.tar").is_layout
    assert not (tmp_path / ".ngc-transfer").exists()


@pytest.mark.parametrize("name", ["blobs", "blobs/sha256"])
def test_a_layout_with_a_link_in_place_of_its_blobs_is_not_written_to(
    clients: ImageClients, source: Layout, tmp_path: Path, name: str
) -> None:
    add_image(source, layer_sizes=[5000], tag="1")
    push(clients, source)
    (tmp_path / "victim" / "sha256").mkdir(parents=True)
    out = Layout.create(tmp_path / "out").root
    (out / "blobs" / "sha256").rmdir()
    if name == "blobs":
        (out / "blobs").rmdir()
    (out / name).symlink_to(tmp_path / "victim")
    with pytest.raises(LocalFileError, match="is a link"):
        pull(clients, f"oci:{out}")
    assert victim_of(tmp_path) == {}
