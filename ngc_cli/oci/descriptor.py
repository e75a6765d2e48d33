"""Digests, media types, platforms and descriptors: the vocabulary of OCI content. Pure.

Source: image-spec v1.1.1 (descriptor.md, media-types.md, image-index.md),
docs/protocol/distribution.md#media-types.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ngc_cli.errors import IntegrityError, UsageError

if TYPE_CHECKING:
    from hashlib import _Hash

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_SCHEMA1 = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    }
)
INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFEST_TYPES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
IMAGE_CONFIG_TYPES = frozenset({OCI_CONFIG, DOCKER_CONFIG})
ACCEPT = ", ".join([OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST, *sorted(DOCKER_SCHEMA1)])

_DIGEST = re.compile(r"(sha256):[0-9a-f]{64}|(sha512):[0-9a-f]{128}")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")
# image-spec descriptor.md: size is an int64.
_SIZE_MAX = 2**63 - 1

_ARCHITECTURES = {
    "x86_64": "amd64",
    "x86-64": "amd64",
    "aarch64": "arm64",
    "armv8l": "arm64",
    "armhf": "arm",
    "armel": "arm",
    "i386": "386",
    "i686": "386",
}
_LOWEST_AND_DEFAULT_VARIANT = {"amd64": (1, 1), "arm64": (8, 8), "arm": (5, 7)}


class InvalidContent(IntegrityError):
    """A descriptor, manifest or index that breaks its specification."""


def is_digest(text: object) -> bool:
    """Whether this is a digest of an algorithm we can check: ``sha256:<64 hex>`` or ``sha512:<128 hex>``."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def new_hash(digest: str) -> _Hash:
    """A fresh hash object of the digest's algorithm; raises InvalidContent for what is no digest."""
    match = _DIGEST.fullmatch(digest)
    if match is None:
        raise InvalidContent(f"'{digest[:100]}' is not a digest")
    return hashlib.new(match[1] or match[2])


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    """``algorithm:hex`` of the content."""
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def check_content(content: bytes, digest: str, size_bytes: int | None = None) -> None:
    """Raise IntegrityError unless the content has this size, checked first, and this digest."""
    if size_bytes is not None and len(content) != size_bytes:
        raise IntegrityError(f"{digest} has {len(content)} bytes, not the promised {size_bytes}")
    hashed = new_hash(digest)
    hashed.update(content)
    if hashed.hexdigest() != digest.partition(":")[2]:
        raise IntegrityError(f"the bytes of {digest} have the digest {hashed.name}:{hashed.hexdigest()}")


@dataclass(frozen=True)
class Platform:
    """What an image runs on, in Go's names: ``linux``, ``amd64``, and for some architectures a variant."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read ``os/architecture[/variant]``, or an architecture alone, which means Linux.

        Names of machines (``x86_64``, ``aarch64``) are taken too. Raises UsageError for anything else.
        """
        parts = text.strip().lower().split("/")
        if not 1 <= len(parts) <= 3 or not all(re.fullmatch(r"[a-z0-9][a-z0-9_-]*", part) for part in parts):
            raise UsageError(
                f"'{text}' is not a platform", hint="Write os/architecture, such as linux/arm64."
            )
        os, architecture, variant = (["linux", *parts] if len(parts) == 1 else parts) + [""] * (
            3 - max(2, len(parts))
        )
        named = re.fullmatch(r"armv([5-7])l?", architecture)
        if named is not None:
            architecture, variant = "arm", variant or f"v{named[1]}"
        return cls(os, _ARCHITECTURES.get(architecture, architecture), variant)

    def rank(self, offered: Platform) -> int | None:
        """How well an image of the offered platform fits this one: 0 is best, None is not at all.

        A machine runs images of its own variant and of lower ones (arm/v7 runs arm/v6); an absent variant is the
        usual one of the architecture.
        """
        same = (self.os, self.architecture) == (offered.os, offered.architecture)
        if not same or (self.os_version and self.os_version != offered.os_version):
            return None
        mine, theirs = (_level(item) for item in (self, offered))
        if mine is None or theirs is None:
            return 0 if self.variant in ("", offered.variant) else None
        lowest = _LOWEST_AND_DEFAULT_VARIANT[self.architecture][0]
        return mine - theirs if lowest <= theirs <= mine else None

    @property
    def is_unknown(self) -> bool:
        """Whether it marks something that does not run, such as a build attestation."""
        return self.os in ("", "unknown") or self.architecture in ("", "unknown")

    def as_json(self) -> dict[str, str]:
        """The platform object of a descriptor."""
        pairs = {
            "architecture": self.architecture,
            "os": self.os,
            "os.version": self.os_version,
            "variant": self.variant,
        }
        return {name: value for name, value in pairs.items() if value or name in ("architecture", "os")}

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


def _level(platform: Platform) -> int | None:
    """The number of a variant (``v7`` is 7), the usual one when absent; None where variants have no order."""
    known = _LOWEST_AND_DEFAULT_VARIANT.get(platform.architecture)
    if known is None:
        return None
    match = re.fullmatch(r"v?(\d{1,2})(?:\.\d+)?", platform.variant)
    return int(match[1]) if match else known[1] if not platform.variant else None


@dataclass(frozen=True)
class Descriptor:
    """A reference to content: what it is, its digest and its size."""

    media_type: str
    digest: str
    size_bytes: int
    platform: Platform | None = None
    artifact_type: str = ""
    annotations: Mapping[str, str] | None = None
    data: bytes | None = None

    @classmethod
    def of(cls, content: bytes, media_type: str) -> Descriptor:
        """The descriptor of this content."""
        return cls(media_type, digest_of(content), len(content))

    @classmethod
    def parse(cls, value: Any) -> Descriptor:
        """Check and read a descriptor object; raises InvalidContent.

        ``urls`` are checked for shape and dropped. Embedded ``data`` must have the stated size and digest.
        """
        if not isinstance(value, dict):
            raise InvalidContent("a descriptor is not an object")
        digest, size = value.get("digest"), value.get("size")
        if not is_digest(digest):
            raise InvalidContent(f"a descriptor has no usable digest, but {str(digest)[:100]!r}")
        if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= _SIZE_MAX:
            raise InvalidContent(f"the descriptor of {digest} has no usable size")
        urls = value.get("urls")
        if urls is not None and not (isinstance(urls, list) and all(isinstance(item, str) for item in urls)):
            raise InvalidContent(f"the urls of {digest} are not a list of texts")
        return cls(
            media_type=read_media_type(value.get("mediaType"), f"the descriptor of {digest}"),
            digest=str(digest),
            size_bytes=size,
            platform=_platform(value.get("platform"), str(digest)),
            artifact_type=read_media_type(
                value.get("artifactType"), f"the descriptor of {digest}", optional=True
            ),
            annotations=read_annotations(value.get("annotations"), f"the descriptor of {digest}"),
            data=_embedded(value.get("data"), str(digest), size),
        )

    @property
    def is_index(self) -> bool:
        """Whether it names an index or manifest list."""
        return self.media_type in INDEX_TYPES

    @property
    def is_manifest(self) -> bool:
        """Whether it names an image manifest."""
        return self.media_type in MANIFEST_TYPES

    def as_json(self) -> dict[str, Any]:
        """The descriptor object."""
        value: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size_bytes}
        if self.platform is not None:
            value["platform"] = self.platform.as_json()
        if self.artifact_type:
            value["artifactType"] = self.artifact_type
        if self.annotations:
            value["annotations"] = dict(self.annotations)
        if self.data is not None:
            value["data"] = base64.b64encode(self.data).decode()
        return value


def read_media_type(value: Any, where: str, *, optional: bool = False) -> str:
    """A media type (RFC 6838, 4.2); empty when absent and optional. Raises InvalidContent."""
    if value in (None, "") and optional:
        return ""
    if not isinstance(value, str) or _MEDIA_TYPE.fullmatch(value) is None:
        raise InvalidContent(f"{where} has no usable media type, but {str(value)[:100]!r}")
    return value


def read_annotations(value: Any, where: str) -> dict[str, str] | None:
    """A map of texts to texts, or None when absent. Raises InvalidContent."""
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise InvalidContent(f"the annotations of {where} are not texts")
    return dict(value)


def _platform(value: Any, digest: str) -> Platform | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InvalidContent(f"the platform of {digest} is not an object")
    members = [value.get(name) or "" for name in ("os", "architecture", "variant", "os.version")]
    if not all(isinstance(item, str) for item in members):
        raise InvalidContent(f"the platform of {digest} does not consist of texts")
    return Platform(*members)


def _embedded(value: Any, digest: str, size_bytes: int) -> bytes | None:
    """The content that a descriptor carries itself, checked like any other."""
    if value is None:
        return None
    try:
        content = base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise InvalidContent(f"the data of {digest} are not base64") from error
    check_content(content, digest, size_bytes)
    return content
