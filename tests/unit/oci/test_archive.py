"""Image archives, written and read (docs/protocol/storage.md#formats-on-disk)."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from support.images import add_image, add_platforms, noise, tar_of

from ngc_cli.errors import IntegrityError, LocalFileError, NotFound, UsageError
from ngc_cli.oci import archive as archives
from ngc_cli.oci import manifest
from ngc_cli.oci.archive import Archive
from ngc_cli.oci.descriptor import DOCKER_LAYER_GZIP, DOCKER_MANIFEST, InvalidContent, digest_of
from ngc_cli.oci.layout import Layout, find, reachable, read_content
from ngc_cli.oci.manifest import Manifest


def written(tmp_path: Path, layout: Layout, image: Any, **more: Any) -> Path:
    path = tmp_path / "image.tar"
    with path.open("wb") as file:
        archives.write_archive(layout, image, file, names=["nvcr.io/org/net:1"], tag="1", **more)
    return path


def test_the_hybrid_is_a_layout_and_a_docker_archive_at_once(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path / "l")
    image = add_image(layout)
    counted: list[int] = []
    archive = Archive(written(tmp_path, layout, image, on_bytes=counted.append))
    assert archive.is_layout
    assert archive.is_docker
    assert find(archive, "1").digest == find(archive, "nvcr.io/org/net:1").digest == image.digest
    parts = reachable(archive, image)
    assert {item.digest for item in parts} == {item.digest for item in reachable(layout, image)}
    assert sum(counted) == sum(item.size_bytes for item in parts)
    for item in parts:
        assert archive.locate(item).read() == layout.locate(item).read()
    (docker,) = archives.docker_images(archive)
    assert docker.names == ("nvcr.io/org/net:1",)
    assert digest_of(docker.config.read()) == parts[0].digest


def test_the_same_image_gives_the_same_bytes(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path / "l")
    image = add_image(layout)
    first = written(tmp_path, layout, image).read_bytes()
    assert written(tmp_path, layout, image).read_bytes() == first


def test_several_platforms_fit_an_oci_archive_and_docker_gets_no_list(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path / "l")
    index = add_platforms(layout, ["linux/amd64", "linux/arm64"])
    archive = Archive(written(tmp_path, layout, index))
    assert archive.is_layout
    assert not archive.is_docker
    assert find(archive).digest == index.digest
    assert len(reachable(archive, index)) == 9


def docker_save(path: Path, layers: list[bytes], names: list[str], **config: Any) -> bytes:
    """What ``docker save`` of 20.10 writes; returns the config."""
    content = json.dumps(
        {
            "os": "linux",
            "architecture": "amd64",
            "rootfs": {"diff_ids": [digest_of(item) for item in layers]},
            **config,
        }
    ).encode()
    with tarfile.open(path, "w") as tar:

        def add(name: str, data: bytes) -> None:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))

        for number, layer in enumerate(layers):
            add(f"{number}/layer.tar", layer)
        link = tarfile.TarInfo("again/layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "../0/layer.tar"
        tar.addfile(link)
        add("config.json", content)
        listed = ["again/layer.tar", *(f"{number}/layer.tar" for number in range(1, len(layers)))]
        add(
            "manifest.json",
            json.dumps([{"Config": "config.json", "RepoTags": names, "Layers": listed}]).encode(),
        )
    return content


def test_what_docker_saves_becomes_a_schema_2_image_with_the_same_id(tmp_path: Path) -> None:
    layers = [tar_of({"a": noise(1, 5000)}), tar_of({"b": b"text" * 1000})]
    config = docker_save(tmp_path / "s.tar", layers, ["net:1"])
    archive = Archive(tmp_path / "s.tar")
    assert not archive.is_layout
    image = archives.find_docker_image(archives.docker_images(archive), ["net:1"])
    layout = Layout.create(tmp_path / "l")
    root = archives.import_docker_image(image, layout, threads=2)
    assert root.media_type == DOCKER_MANIFEST
    item = manifest.parse(read_content(layout, root))
    assert isinstance(item, Manifest)
    assert item.config.digest == digest_of(config)
    assert [layer.media_type for layer in item.layers] == [DOCKER_LAYER_GZIP] * 2
    assert [gzip.decompress(layout.locate(layer).read()) for layer in item.layers] == layers
    again = archives.import_docker_image(image, Layout.create(tmp_path / "m"), threads=1)
    assert again == root
    assert len(list((layout.root / "blobs" / "sha256").iterdir())) == 4


def test_layers_that_are_compressed_already_are_kept_as_they_are(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path / "l")
    image = add_image(layout, docker=True)
    archive = Archive(written(tmp_path, layout, image))
    other = Layout.create(tmp_path / "m")
    root = archives.import_docker_image(archives.docker_images(archive)[0], other, threads=1)
    before = manifest.parse(read_content(layout, image))
    after = manifest.parse(read_content(other, root))
    assert isinstance(before, Manifest)
    assert isinstance(after, Manifest)
    assert [item.digest for item in after.blobs] == [item.digest for item in before.blobs]


@pytest.mark.parametrize(
    "layer",
    [b"other layer", gzip.compress(b"other"), gzip.compress(b"cut" * 999)[:-9], b"\x28\xb5\x2f\xfd..."],
    ids=["plain", "gzip", "gzip cut short", "zstd"],
)
def test_a_layer_that_its_config_does_not_name_is_refused(tmp_path: Path, layer: bytes) -> None:
    docker_save(tmp_path / "s.tar", [layer], [], rootfs={"diff_ids": [digest_of(b"the layer")]})
    (image,) = archives.docker_images(Archive(tmp_path / "s.tar"))
    layout = Layout.create(tmp_path / "l")
    with pytest.raises(IntegrityError):
        archives.import_docker_image(image, layout, threads=1)
    assert list((layout.root / "blobs" / "sha256").iterdir()) == []


def test_the_image_to_push_is_found_by_its_name(tmp_path: Path) -> None:
    docker_save(tmp_path / "s.tar", [b"l"], ["net:1"])
    (image,) = archives.docker_images(Archive(tmp_path / "s.tar"))
    assert archives.find_docker_image([image], ["other:1"]) is image
    with pytest.raises(UsageError, match="several"):
        archives.find_docker_image([image, image], ["other:1"])
    assert archives.find_docker_image([image, image], ["other:1", "net:1"]) is image
    with pytest.raises(NotFound):
        archives.find_docker_image([], ["net:1"])


def test_a_compressed_archive_is_unpacked_first(tmp_path: Path) -> None:
    docker_save(tmp_path / "s.tar", [b"l"], ["net:1"])
    packed = tmp_path / "s.tar.gz"
    packed.write_bytes(gzip.compress((tmp_path / "s.tar").read_bytes()))
    plain = archives.gunzipped(packed, tmp_path)
    assert plain.read_bytes() == (tmp_path / "s.tar").read_bytes()
    assert archives.gunzipped(plain, tmp_path) == plain
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(InvalidContent, match="damaged"):
        archives.gunzipped(packed, tmp_path)
    packed.write_bytes(b"\x28\xb5\x2f\xfd" + b"x" * 99)
    with pytest.raises(LocalFileError, match="compressed in a way"):
        archives.gunzipped(packed, tmp_path)


@pytest.mark.parametrize("listing", [b"", b"{}", b"[1]", b'[{"Config": "missing", "Layers": []}]'])
def test_a_broken_list_of_images_is_refused(tmp_path: Path, listing: bytes) -> None:
    path = tmp_path / "s.tar"
    path.write_bytes(tar_of({"manifest.json": listing}))
    with pytest.raises((InvalidContent, NotFound)):
        archives.docker_images(Archive(path))


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"no tar" * 1000)
    with pytest.raises(InvalidContent, match="not a tar"):
        Archive(tmp_path / "x")
    with pytest.raises(LocalFileError):
        Archive(tmp_path / "missing")


def test_a_blob_of_another_size_than_promised_is_refused(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path / "l")
    image = add_image(layout)
    with tarfile.open(written(tmp_path, layout, image)) as tar:
        files = {item.name: tar.extractfile(item).read() for item in tar}  # type: ignore[union-attr]
    name = "blobs/" + image.digest.replace(":", "/")
    (tmp_path / "bad.tar").write_bytes(tar_of({**files, name: files[name] + b" "}))
    with pytest.raises(InvalidContent, match="bytes in"):
        Archive(tmp_path / "bad.tar").locate(image)
