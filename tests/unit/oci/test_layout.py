"""Image layout directories (image-spec image-layout.md)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.images import add_image, add_index

from ngc_cli.errors import IntegrityError, LocalFileError, NotFound, UsageError
from ngc_cli.oci.descriptor import OCI_INDEX, OCI_MANIFEST, Descriptor, InvalidContent, digest_of
from ngc_cli.oci.layout import Layout, find, reachable, read_content
from ngc_cli.oci.manifest import Index


def test_a_new_layout_has_the_marker_and_an_empty_index(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path / "a" / "b")
    assert json.loads((layout.root / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    assert layout.index().manifests == ()
    assert Layout.open(layout.root).index() == Layout.create(layout.root).index()


def test_a_folder_with_other_content_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(LocalFileError, match="neither empty nor"):
        Layout.create(tmp_path)
    with pytest.raises(LocalFileError, match="is not an OCI image layout"):
        Layout.open(tmp_path)
    assert [item.name for item in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("content", ["", "[]", '{"imageLayoutVersion": "2.0.0"}', "{}"])
def test_an_unknown_layout_version_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "oci-layout").write_text(content)
    with pytest.raises(InvalidContent):
        Layout.open(tmp_path)


def test_content_never_lands_under_a_digest_that_is_not_its_own(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path / "l")
    with pytest.raises(IntegrityError):
        layout.add(b"evil", digest_of(b"good"))
    with pytest.raises(InvalidContent):
        layout.blob_path("sha256:../../x")
    assert list((layout.root / "blobs" / "sha256").iterdir()) == []


def test_everything_an_image_needs_is_found_parts_first(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path / "l")
    images = [add_image(layout, platform=name) for name in ("linux/amd64", "linux/arm64")]
    index = add_index(layout, images)
    parts = [item.digest for item in reachable(layout, index)]
    assert len(parts) == len(set(parts)) == 2 * 4 + 1
    assert parts[-1] == index.digest
    assert parts.index(images[0].digest) == 3
    layout.blob_path(parts[0]).unlink()
    assert read_content(layout, index)
    assert not layout.has(Descriptor("a/b", parts[0], 1))


def test_damaged_and_missing_content_is_noticed_on_reading(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path / "l")
    image = add_image(layout)
    path = layout.blob_path(image.digest)
    good = path.read_bytes()
    path.write_bytes(b"x" + good[1:])
    with pytest.raises(IntegrityError):
        read_content(layout, image)
    path.write_bytes(good + b" ")
    assert not layout.has(image)
    with pytest.raises(IntegrityError, match="not the promised"):
        read_content(layout, image)
    path.unlink()
    with pytest.raises(NotFound):
        read_content(layout, image)


def test_a_small_blob_that_a_power_cut_emptied_does_not_count_as_there(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path / "l")
    image = add_image(layout)
    assert layout.has(image)
    layout.blob_path(image.digest).write_bytes(b"\0" * image.size_bytes)
    assert not layout.has(image)


def test_indexes_nested_without_end_are_refused(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path / "l")
    item = add_image(layout)
    for _ in range(6):
        item = add_index(layout, [item])
    with pytest.raises(InvalidContent, match="nested deeper"):
        reachable(layout, item)


def test_a_name_moves_to_the_image_that_got_it_last(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path / "l")
    first = add_image(layout, seed=1)
    second = add_image(layout, seed=2)
    layout.name(first, "1.0", "nvcr.io/a/b:1.0")
    layout.name(second, "2.0", "nvcr.io/a/b:2.0")
    assert find(layout, "1.0").digest == find(layout, "nvcr.io/a/b:1.0").digest == first.digest
    layout.name(second, "1.0", "nvcr.io/a/b:1.0")
    assert find(layout, "1.0").digest == second.digest
    assert len(layout.index().manifests) == 2
    layout.name(first, "", "")
    layout.name(first, "", "")
    assert len(layout.index().manifests) == 3


def test_the_image_to_push_is_the_named_one_or_the_only_one(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path / "l")
    with pytest.raises(NotFound, match="no image"):
        find(layout)
    image = add_image(layout, tag="1.0")
    assert find(layout).digest == find(layout, "9.9").digest == image.digest
    add_image(layout, seed=2, tag="2.0")
    with pytest.raises(UsageError) as caught:
        find(layout)
    assert caught.value.hint == "Name one of: 1.0, 2.0."
    with pytest.raises(NotFound, match="no image '9.9'"):
        find(layout, "9.9")


def test_an_index_that_is_a_manifest_is_refused(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path / "l")
    image = add_image(layout)
    (layout.root / "index.json").write_bytes(layout.blob_path(image.digest).read_bytes())
    with pytest.raises(InvalidContent):
        layout.index()
    (layout.root / "index.json").write_bytes(Index(OCI_INDEX, (image,)).encode())
    assert layout.index().manifests[0].media_type == OCI_MANIFEST
