"""Image manifests, indexes and configs: read with checks, write, and choose a platform. Pure.

Source: image-spec v1.1.1 (manifest.md, image-index.md, config.md), docs/protocol/distribution.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ngc_cli.errors import NotFound
from ngc_cli.json_text import parse_json
from ngc_cli.oci.descriptor import (
    DOCKER_SCHEMA1,
    INDEX_TYPES,
    MANIFEST_TYPES,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    InvalidContent,
    Platform,
    is_digest,
    read_annotations,
    read_media_type,
)

# distribution-spec: registries take manifests of 4 MiB at least, and hardly any takes more.
MANIFEST_MAX_BYTES = 4 * 1024 * 1024
# The largest images have some 130 layers; a manifest of 4 MiB could name 20,000.
_CHILDREN_MAX = 10_000


@dataclass(frozen=True)
class Manifest:
    """An image or artifact manifest: one config and the layers, lowest first."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    subject: Descriptor | None = None
    own_artifact_type: str = ""
    annotations: Mapping[str, str] | None = None

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """The config, then the layers."""
        return (self.config, *self.layers)

    @property
    def artifact_type(self) -> str:
        """What a referrers list shows: the stated type, else that of the config (distribution-spec)."""
        return self.own_artifact_type or self.config.media_type

    def encode(self) -> bytes:
        """The manifest as JSON bytes."""
        return _encode(
            self, {"config": self.config.as_json(), "layers": [item.as_json() for item in self.layers]}
        )


@dataclass(frozen=True)
class Index:
    """An image index or manifest list: one image for several platforms."""

    media_type: str
    manifests: tuple[Descriptor, ...]
    subject: Descriptor | None = None
    own_artifact_type: str = ""
    annotations: Mapping[str, str] | None = None

    @property
    def artifact_type(self) -> str:
        """What a referrers list shows."""
        return self.own_artifact_type

    @property
    def images(self) -> tuple[Descriptor, ...]:
        """The entries that can run: build attestations and other artifacts are left out."""
        return tuple(item for item in self.manifests if _is_image(item))

    def choose(self, platform: Platform) -> Descriptor:
        """The entry that fits the platform best, the first of equals; else the first that names no platform.

        Raises NotFound naming the platforms there are.
        """
        ranked = [
            (rank, position)
            for position, item in enumerate(self.images)
            if item.platform is not None and (rank := platform.rank(item.platform)) is not None
        ]
        if ranked:
            return self.images[min(ranked)[1]]
        for item in self.images:
            if item.platform is None:
                return item
        offered = ", ".join(sorted({str(item.platform) for item in self.images})) or "none"
        raise NotFound(f"there is no image for {platform}", hint=f"Choose with --platform from: {offered}.")

    def encode(self) -> bytes:
        """The index as JSON bytes."""
        return _encode(self, {"manifests": [item.as_json() for item in self.manifests]})


@dataclass(frozen=True)
class HistoryEntry:
    """One step of the build; an empty one made no layer."""

    created: str = ""
    created_by: str = ""
    comment: str = ""
    empty_layer: bool = False


@dataclass(frozen=True)
class ImageConfig:
    """What a config says that this program uses; ``diff_ids`` are digests of the uncompressed layers."""

    platform: Platform
    diff_ids: tuple[str, ...]
    created: str = ""
    history: tuple[HistoryEntry, ...] = ()


def parse(content: bytes, content_type: str = "") -> Manifest | Index:
    """Read the bytes of a manifest or index; raises InvalidContent.

    ``content_type`` is what the transport said (parameters are ignored). It must agree with ``mediaType`` inside,
    and the members with both: content that could be read as either kind is refused (CVE-2021-41190).
    """
    value = _object(content, "a manifest", MANIFEST_MAX_BYTES)
    stated = content_type.partition(";")[0].strip()
    kind = _kind(value, stated)
    if value.get("schemaVersion") != 2:
        raise InvalidContent("a manifest has no schemaVersion 2")
    where = "a manifest"
    own_artifact_type = read_media_type(value.get("artifactType"), where, optional=True)
    subject = None if value.get("subject") is None else Descriptor.parse(value["subject"])
    notes = read_annotations(value.get("annotations"), where)
    if kind in INDEX_TYPES:
        if "config" in value or "layers" in value or "fsLayers" in value:
            raise InvalidContent("an index has members of a manifest")
        return Index(
            kind, _descriptors(value.get("manifests"), "manifests"), subject, own_artifact_type, notes
        )
    if "manifests" in value or "fsLayers" in value:
        raise InvalidContent("a manifest has members of an index or of schema 1")
    config = Descriptor.parse(value.get("config"))
    return Manifest(
        kind, config, _descriptors(value.get("layers"), "layers"), subject, own_artifact_type, notes
    )


def parse_config(content: bytes) -> ImageConfig:
    """Read the config of an image; raises InvalidContent when it is none."""
    value = _object(content, "an image config", 2 * MANIFEST_MAX_BYTES)
    rootfs = value.get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if diff_ids is None:
        diff_ids = []
    if not isinstance(diff_ids, list) or not all(is_digest(item) for item in diff_ids):
        raise InvalidContent("an image config has no list of diff_ids")
    names = ("os", "architecture", "variant", "os.version")
    members = [_text(value.get(name)) for name in names]
    history = value.get("history")
    entries = [item for item in history if isinstance(item, dict)] if isinstance(history, list) else []
    return ImageConfig(
        Platform(*members),
        tuple(diff_ids),
        _text(value.get("created")),
        tuple(
            HistoryEntry(
                created=_text(item.get("created")),
                created_by=_text(item.get("created_by")),
                comment=_text(item.get("comment")),
                empty_layer=item.get("empty_layer") is True,
            )
            for item in entries
        ),
    )


def _kind(value: Mapping[str, Any], stated: str) -> str:
    """The media type of a manifest: what the transport and the content say, else what its members mean."""
    inside = read_media_type(value.get("mediaType"), "a manifest", optional=True)
    if stated in DOCKER_SCHEMA1 or inside in DOCKER_SCHEMA1 or value.get("schemaVersion") == 1:
        raise InvalidContent(
            "this is a Docker schema 1 manifest, a format given up in 2019",
            hint="Push the image again with a present-day client.",
        )
    known = INDEX_TYPES | MANIFEST_TYPES
    if stated in known:
        if inside and inside != stated:
            raise InvalidContent(f"content sent as {stated} calls itself {inside}")
        return stated
    if inside in known:
        return inside
    if inside:
        raise InvalidContent(f"'{inside}' is not a kind of manifest")
    return OCI_INDEX if "manifests" in value else OCI_MANIFEST


def _is_image(item: Descriptor) -> bool:
    if not (item.is_index or item.is_manifest) or (item.platform is not None and item.platform.is_unknown):
        return False
    return (item.annotations or {}).get("vnd.docker.reference.type") != "attestation-manifest"


def _descriptors(value: Any, name: str) -> tuple[Descriptor, ...]:
    if not isinstance(value, list):
        raise InvalidContent(f"a manifest has no list of {name}")
    if len(value) > _CHILDREN_MAX:
        raise InvalidContent(f"a manifest has {len(value)} {name}, which no image needs")
    return tuple(Descriptor.parse(item) for item in value)


def _object(content: bytes, what: str, limit_bytes: int) -> dict[str, Any]:
    if len(content) > limit_bytes:
        raise InvalidContent(f"{what} has {len(content)} bytes; at most {limit_bytes} make sense")
    try:
        value = parse_json(content)
    except ValueError as error:
        raise InvalidContent(f"{what} is not JSON") from error
    if not isinstance(value, dict):
        raise InvalidContent(f"{what} is not a JSON object")
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _encode(item: Manifest | Index, members: Mapping[str, Any]) -> bytes:
    value: dict[str, Any] = {"schemaVersion": 2, "mediaType": item.media_type}
    if item.own_artifact_type:
        value["artifactType"] = item.own_artifact_type
    value |= members
    if item.subject is not None:
        value["subject"] = item.subject.as_json()
    if item.annotations:
        value["annotations"] = dict(item.annotations)
    return json.dumps(value, separators=(",", ":")).encode()


def layers_of(items: Iterable[Manifest | Index]) -> list[Descriptor]:
    """The layers of all these manifests, each digest once."""
    return unique(layer for item in items if isinstance(item, Manifest) for layer in item.layers)


def unique(items: Iterable[Descriptor]) -> list[Descriptor]:
    """The descriptors without repeated digests, order kept: images often hold one layer several times."""
    return list({item.digest: item for item in items}.values())
