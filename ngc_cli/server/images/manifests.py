"""Manifests of image repositories: parsed, checked, stored, found and removed.

Source: distribution-spec v1.1.1, "Pushing manifests", "Deleting manifests" and "Listing referrers".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session, joinedload, undefer

from ngc_cli.oci import manifest as oci
from ngc_cli.oci.descriptor import (
    IMAGE_CONFIG_TYPES,
    INDEX_TYPES,
    MANIFEST_TYPES,
    Descriptor,
    InvalidContent,
    Platform,
    digest_of,
    is_digest,
)
from ngc_cli.server.clock import utc_now
from ngc_cli.server.content.store import ContentStore
from ngc_cli.server.images import tags
from ngc_cli.server.images.names import is_tag
from ngc_cli.server.images.repositories import find_blob
from ngc_cli.server.metadata import (
    ImageBlob,
    ImageManifest,
    ImageReference,
    ImageRepository,
    ImageTag,
    chunked,
)
from ngc_cli.server.problems import Problem

_CONFIG_MAX_BYTES = 4 * 1024 * 1024  # as large as a manifest may be; real configs have some kilobytes


def find_manifest(db: Session, repository: ImageRepository, reference: str) -> ImageManifest | None:
    """The manifest with this tag or digest."""
    if is_digest(reference):
        return db.scalar(
            select(ImageManifest).where(
                ImageManifest.repository_id == repository.id, ImageManifest.digest == reference
            )
        )
    tag = tags.find_tag(db, repository, reference)
    return tag.manifest if tag is not None else None


def parse_manifest(content: bytes, content_type: str) -> oci.Manifest | oci.Index:
    """Parse a manifest or index; raises a Problem for other bytes, and for one too large."""
    if len(content) > oci.MANIFEST_MAX_BYTES:
        raise Problem(413, f"a manifest has at most {oci.MANIFEST_MAX_BYTES} bytes", code="SIZE_INVALID")
    stated = content_type.partition(";")[0].strip()
    if stated and stated not in INDEX_TYPES | MANIFEST_TYPES:
        raise Problem(400, f"'{stated[:255]}' is not a media type of manifests", code="MANIFEST_INVALID")
    try:
        parsed = oci.parse(content, stated)
        json.dumps(dict(parsed.annotations or {}), ensure_ascii=False).encode()  # refuses lone surrogates
    except (InvalidContent, UnicodeEncodeError) as error:
        raise Problem(400, str(error), code="MANIFEST_INVALID") from error
    return parsed


def store_manifest(
    db: Session,
    store: ContentStore,
    repository: ImageRepository,
    reference: str,
    content: bytes,
    parsed: oci.Manifest | oci.Index,
    pusher_id: int | None,
) -> ImageManifest:
    """Store a manifest under a digest or tag in a locked repository.

    Raises a Problem when the reference is neither, the digest is another one, or something it names is missing.
    """
    if is_digest(reference):
        digest = reference
        found = digest_of(content, reference.partition(":")[0])
        if found != reference:
            raise Problem(400, f"the bytes have the digest {found}", code="DIGEST_INVALID")
    elif is_tag(reference):
        digest = digest_of(content)
    else:
        raise Problem(400, f"'{reference[:255]}' is neither a tag nor a digest", code="MANIFEST_INVALID")
    needed = parsed.manifests if isinstance(parsed, oci.Index) else _stored_blobs(parsed)
    _require_content(db, repository, parsed, needed)

    manifest = find_manifest(db, repository, digest)
    if manifest is None:
        manifest = ImageManifest(repository_id=repository.id, digest=digest)
        db.add(manifest)
    manifest.media_type = parsed.media_type
    manifest.content, manifest.size_bytes = content, len(content)
    manifest.subject = parsed.subject.digest if parsed.subject is not None else None
    manifest.artifact_type = parsed.artifact_type
    manifest.pushed_at = utc_now()
    if isinstance(parsed, oci.Manifest):
        platform = _platform(db, store, repository, parsed.config)
        manifest.architecture, manifest.os = (
            _platform_word(platform.architecture),
            _platform_word(platform.os),
        )
        manifest.variant = _platform_word(platform.variant)
        manifest.layers_size_bytes = sum(item.size_bytes for item in parsed.layers)
    db.flush()
    _store_references(db, manifest, [item.digest for item in needed])
    if not is_digest(reference):
        tags.put_tag(db, repository, reference, manifest, pusher_id)
    repository.is_published = True
    repository.updated_at = manifest.pushed_at
    return manifest


def _stored_blobs(manifest: oci.Manifest) -> Sequence[Descriptor]:
    """The blobs the registry must have; layers that may not be redistributed stay where their ``urls`` say."""
    return [
        item
        for item in manifest.blobs
        if "nondistributable" not in item.media_type and ".foreign." not in item.media_type
    ]


def _require_content(
    db: Session,
    repository: ImageRepository,
    parsed: oci.Manifest | oci.Index,
    needed: Sequence[Descriptor],
) -> None:
    """Raise a Problem unless the repository has everything the manifest names, in the stated sizes."""
    table: type[ImageBlob] | type[ImageManifest] = (
        ImageManifest if isinstance(parsed, oci.Index) else ImageBlob
    )
    digests = {item.digest for item in needed}
    sizes: dict[str, int] = {}
    for some in chunked(sorted(digests)):
        rows = db.execute(
            select(table.digest, table.size_bytes).where(
                table.repository_id == repository.id, table.digest.in_(some)
            )
        )
        sizes.update((digest, size_bytes) for digest, size_bytes in rows)
    for item in needed:
        if item.digest not in sizes:
            raise Problem(
                400,
                f"the manifest names {item.digest}, which '{repository.path}' does not have",
                code="MANIFEST_BLOB_UNKNOWN",
                detail={"digest": item.digest},
            )
        if sizes[item.digest] != item.size_bytes:
            raise Problem(
                400,
                f"{item.digest} has {sizes[item.digest]} bytes, not {item.size_bytes}",
                code="MANIFEST_INVALID",
            )


def _platform(db: Session, store: ContentStore, repository: ImageRepository, config: Descriptor) -> Platform:
    """The platform in the config of an image; empty for other artifacts."""
    parsed = read_config(db, store, repository, config)
    return parsed.platform if parsed is not None else Platform("", "")


def _platform_word(text: str) -> str:
    """A platform word in Go's alphabet; other characters are dropped, since a config may hold anything."""
    return re.sub(r"[^A-Za-z0-9._-]", "", text)[:64]


def read_config(
    db: Session, store: ContentStore, repository: ImageRepository, config: Descriptor
) -> oci.ImageConfig | None:
    """The config of an image, or None when the blob is not one."""
    blob = find_blob(db, repository, config.digest)
    if blob is None or config.media_type not in IMAGE_CONFIG_TYPES or blob.size_bytes > _CONFIG_MAX_BYTES:
        return None
    reader = store.open_range(blob.sha256, 0, blob.size_bytes)
    try:
        content = b"".join(iter(lambda: reader.read(_CONFIG_MAX_BYTES), b""))
    finally:
        reader.close()
    try:
        return oci.parse_config(content)
    except InvalidContent:
        return None


def _store_references(db: Session, manifest: ImageManifest, digests: Sequence[str]) -> None:
    """Store what a manifest refers to, and mark manifests that others refer to: see ``ImageManifest``."""
    db.execute(delete(ImageReference).where(ImageReference.manifest_id == manifest.id))
    db.add_all(
        ImageReference(
            manifest_id=manifest.id, position=position, repository_id=manifest.repository_id, digest=digest
        )
        for position, digest in enumerate(dict.fromkeys(digests))
    )
    in_repository = ImageManifest.repository_id == manifest.repository_id
    held = update(ImageManifest).where(in_repository).values(is_held=True)
    if manifest.media_type in INDEX_TYPES:
        for some in chunked(digests):
            db.execute(held.where(ImageManifest.digest.in_(some)))
    db.execute(held.where(ImageManifest.subject == manifest.digest))
    if manifest.subject is not None and has_manifest(db, manifest.repository_id, manifest.subject):
        manifest.is_held = True
    db.flush()


def has_manifest(db: Session, repository_id: int, digest: str) -> bool:
    """Whether the repository has a manifest of this digest."""
    found = select(ImageManifest.id).where(
        ImageManifest.repository_id == repository_id, ImageManifest.digest == digest
    )
    return db.scalar(found) is not None


def remove_manifest(db: Session, repository: ImageRepository, manifest: ImageManifest) -> None:
    """Remove a manifest with all its tags; images of an index stay until the garbage collector runs."""
    lost = list(db.scalars(select(ImageTag.name).where(ImageTag.manifest_id == manifest.id)))
    db.execute(
        update(ImageManifest)
        .where(
            ImageManifest.repository_id == repository.id,
            ImageManifest.digest.in_(
                select(ImageReference.digest).where(ImageReference.manifest_id == manifest.id)
            ),
        )
        .values(released_at=utc_now())
    )
    db.delete(manifest)
    db.flush()
    tags.after_loss(db, repository, lost)


def content_of(db: Session, manifest: ImageManifest) -> bytes:
    """The bytes of a manifest."""
    return db.scalars(select(ImageManifest.content).where(ImageManifest.id == manifest.id)).one()


def referrers(
    db: Session, repository: ImageRepository, subject: str, artifact_type: str, after_id: int
) -> Iterable[ImageManifest]:
    """The manifests that refer to a subject, with their bytes, in the order of their pushes, after one of them."""
    query = (
        select(ImageManifest)
        .where(
            ImageManifest.repository_id == repository.id,
            ImageManifest.subject == subject,
            ImageManifest.id > after_id,
        )
        .order_by(ImageManifest.id)
        .options(undefer(ImageManifest.content))
        .execution_options(yield_per=1)
    )
    if artifact_type:
        query = query.where(ImageManifest.artifact_type == artifact_type)
    return db.scalars(query)


def variants(db: Session, manifests: Sequence[ImageManifest]) -> Mapping[int, list[ImageManifest]]:
    """For the id of each manifest the images that can run: itself, or the children of an index in its order."""
    found: dict[int, list[ImageManifest]] = {
        item.id: [] if item.media_type in INDEX_TYPES else [item] for item in manifests
    }
    indexes = [item.id for item in manifests if item.media_type in INDEX_TYPES]
    for some in chunked(indexes):
        rows = db.execute(
            select(ImageReference.manifest_id, ImageManifest)
            .join(
                ImageManifest,
                (ImageManifest.repository_id == ImageReference.repository_id)
                & (ImageManifest.digest == ImageReference.digest),
            )
            .where(ImageReference.manifest_id.in_(some))
            .order_by(ImageReference.manifest_id, ImageReference.position)
        )
        for index_id, child in rows:
            if child.architecture not in ("", "unknown"):  # a build attestation, or no image at all
                found[index_id].append(child)
    return found


def main_variant(variants: Sequence[ImageManifest]) -> ImageManifest | None:
    """The image that stands for all platforms: that for linux/amd64, else the first."""
    usual = (item for item in variants if (item.os, item.architecture) == ("linux", "amd64"))
    return next(usual, variants[0] if variants else None)


def latest_variants(db: Session, repositories: Sequence[ImageRepository]) -> dict[int, list[ImageManifest]]:
    """The variants of the latest tag of each repository that has one, by the repository's id."""
    latest = list(
        db.scalars(
            select(ImageTag)
            .join(ImageRepository, ImageTag.repository_id == ImageRepository.id)
            .where(
                ImageRepository.id.in_([item.id for item in repositories]),
                ImageTag.name == ImageRepository.latest_tag,
            )
            .options(joinedload(ImageTag.manifest))
        )
    )
    found = variants(db, [tag.manifest for tag in latest])
    return {tag.repository_id: found[tag.manifest_id] for tag in latest}
