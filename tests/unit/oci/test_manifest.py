"""Manifests, indexes and configs: reading with checks and choosing a platform (image-spec v1.1.1)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ngc_cli.errors import NotFound
from ngc_cli.oci import manifest
from ngc_cli.oci.descriptor import (
    DOCKER_CONFIG,
    DOCKER_LAYER_GZIP,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
    Descriptor,
    InvalidContent,
    Platform,
)
from ngc_cli.oci.manifest import Index, Manifest

CONFIG = Descriptor.of(b"config", OCI_CONFIG)
LAYER = Descriptor.of(b"layer", OCI_LAYER_GZIP)


def as_bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


def entry(platform: str, number: int = 0, **more: Any) -> dict[str, Any]:
    value: dict[str, Any] = {"mediaType": OCI_MANIFEST, "digest": f"sha256:{number:064x}", "size": 5, **more}
    if platform:
        value["platform"] = Platform.parse(platform).as_json()
    return value


def index_of(*entries: dict[str, Any]) -> Index:
    item = manifest.parse(as_bytes({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries)}))
    assert isinstance(item, Index)
    return item


@pytest.mark.parametrize(
    ("kind", "config", "layer"),
    [(OCI_MANIFEST, OCI_CONFIG, OCI_LAYER_GZIP), (DOCKER_MANIFEST, DOCKER_CONFIG, DOCKER_LAYER_GZIP)],
)
def test_a_manifest_is_read_and_written_unchanged(kind: str, config: str, layer: str) -> None:
    item = Manifest(kind, Descriptor.of(b"c", config), (Descriptor.of(b"l", layer),), annotations={"a": "b"})
    assert manifest.parse(item.encode(), kind) == item
    assert manifest.parse(item.encode(), f"{kind}; charset=utf-8") == item
    assert manifest.parse(item.encode()) == item


@pytest.mark.parametrize("kind", [OCI_INDEX, DOCKER_LIST])
def test_an_index_is_read_and_written_unchanged(kind: str) -> None:
    item = Index(kind, (Descriptor.parse(entry("linux/arm/v7")),), subject=LAYER, own_artifact_type="a/b")
    assert manifest.parse(item.encode(), kind) == item


def test_without_a_media_type_the_members_tell() -> None:
    bare = as_bytes({"schemaVersion": 2, "config": CONFIG.as_json(), "layers": []})
    assert manifest.parse(bare).media_type == OCI_MANIFEST
    assert manifest.parse(bare, "application/json").media_type == OCI_MANIFEST
    assert manifest.parse(as_bytes({"schemaVersion": 2, "manifests": []})).media_type == OCI_INDEX


def test_the_artifact_type_is_that_of_the_config_when_none_is_stated() -> None:
    assert Manifest(OCI_MANIFEST, CONFIG, ()).artifact_type == OCI_CONFIG
    assert Manifest(OCI_MANIFEST, CONFIG, (), own_artifact_type="a/b").artifact_type == "a/b"


GOOD = {
    "schemaVersion": 2,
    "mediaType": OCI_MANIFEST,
    "config": CONFIG.as_json(),
    "layers": [LAYER.as_json()],
}


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"", ""),
        (b"[]", ""),
        (b"\xff", ""),
        (b"[" * 100_000, ""),
        (b" " * (4 * 1024 * 1024 + 1), ""),
        (as_bytes({**GOOD, "schemaVersion": 3}), ""),
        (as_bytes({**GOOD, "manifests": []}), ""),
        (as_bytes({**GOOD, "mediaType": OCI_INDEX, "manifests": []}), ""),
        (as_bytes({**GOOD, "mediaType": "text/plain"}), ""),
        (as_bytes(GOOD), DOCKER_MANIFEST),
        (as_bytes(GOOD), OCI_INDEX),
        (as_bytes({**GOOD, "layers": {}}), ""),
        (as_bytes({**GOOD, "layers": [{}]}), ""),
        (as_bytes({**GOOD, "layers": [LAYER.as_json()] * 10_001}), ""),
        (as_bytes({**GOOD, "config": None}), ""),
        (as_bytes({**GOOD, "subject": {}}), ""),
    ],
)
def test_content_that_breaks_the_specification_is_refused(content: bytes, content_type: str) -> None:
    assert manifest.parse(as_bytes(GOOD))
    with pytest.raises(InvalidContent):
        manifest.parse(content, content_type)


@pytest.mark.parametrize(
    "value",
    [
        {"schemaVersion": 1, "fsLayers": []},
        {"mediaType": "application/vnd.docker.distribution.manifest.v1+prettyjws"},
    ],
)
def test_schema_1_is_refused_by_name(value: dict[str, Any]) -> None:
    with pytest.raises(InvalidContent, match="schema 1"):
        manifest.parse(as_bytes(value))


def test_the_best_variant_is_chosen_and_the_first_of_equals() -> None:
    found = index_of(
        entry("linux/arm/v5", 1),
        entry("linux/arm/v6", 2),
        entry("linux/arm/v7", 3),
        entry("linux/arm64", 4),
        entry("linux/arm64/v8", 5),
        entry("linux/amd64", 6),
    )

    def chosen(platform: str) -> int:
        return int(found.choose(Platform.parse(platform)).digest[-4:])

    assert [chosen(f"linux/arm/v{level}") for level in (5, 6, 7)] == [1, 2, 3]
    assert chosen("linux/arm") == 3
    assert chosen("linux/arm64") == 4
    assert chosen("linux/arm64/v8") == 4
    assert chosen("amd64") == 6


def test_attestations_and_other_artifacts_are_never_chosen() -> None:
    found = index_of(
        entry("unknown/unknown", 1),
        entry("linux/amd64", 2, annotations={"vnd.docker.reference.type": "attestation-manifest"}),
        entry("linux/amd64", 3, mediaType="application/vnd.example+json"),
        entry("linux/amd64", 4),
    )
    assert found.choose(Platform("linux", "amd64")).digest.endswith("4")
    assert [item.digest[-1] for item in found.images] == ["4"]


def test_an_entry_without_a_platform_is_the_last_resort() -> None:
    found = index_of(entry("", 1), entry("linux/arm64", 2))
    assert found.choose(Platform("linux", "arm64")).digest.endswith("2")
    assert found.choose(Platform("linux", "amd64")).digest.endswith("1")


def test_a_platform_that_is_not_there_is_refused_naming_what_is() -> None:
    found = index_of(entry("linux/arm64"), entry("linux/amd64", 1), entry("unknown/unknown", 2))
    with pytest.raises(NotFound, match="no image for linux/s390x") as caught:
        found.choose(Platform("linux", "s390x"))
    assert caught.value.hint == "Choose with --platform from: linux/amd64, linux/arm64."


def test_a_config_tells_platform_layers_and_history() -> None:
    config = manifest.parse_config(
        as_bytes(
            {
                "created": "2026-11-21T05:14:56Z",
                "architecture": "arm64",
                "os": "linux",
                "variant": "v8",
                "rootfs": {"type": "layers", "diff_ids": [LAYER.digest]},
                "history": [{"created_by": "ADD x /"}, {"created_by": "ENV A=b", "empty_layer": True}, 5],
            }
        )
    )
    assert config.platform == Platform("linux", "arm64", "v8")
    assert config.diff_ids == (LAYER.digest,)
    assert [(item.created_by, item.empty_layer) for item in config.history] == [
        ("ADD x /", False),
        ("ENV A=b", True),
    ]
    with pytest.raises(InvalidContent):
        manifest.parse_config(as_bytes({"rootfs": {"diff_ids": ["x"]}}))


def test_repeated_blobs_are_counted_once() -> None:
    assert manifest.unique([LAYER, CONFIG, LAYER]) == [LAYER, CONFIG]
