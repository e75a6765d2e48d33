"""What the two faces of image repositories share: the OCI API and the NGC API change the same rows through this.

Each function runs inside its caller's transaction. Sources: distribution-spec v1.1.1, contract/images.md sections
2 and 5.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session, undefer

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
from ngc_cli.server.artifacts import chunked
from ngc_cli.server.auth.roles import Resource
from ngc_cli.server.clock import utc_now
from ngc_cli.server.content.store import ContentStore
from ngc_cli.server.metadata import (
    BlobUpload,
    ImageBlob,
    ImageManifest,
    ImageReference,
    ImageRepository,
    ImageTag,
    Org,
    Team,
)
from ngc_cli.server.problems import Problem

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(_COMPONENT)
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT}){{1,2}}")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_REFERRERS_TAG = re.compile(r"sha(?:256|512)-[0-9a-f]{64}")
_PATH_MAX = 255
_CONFIG_MAX_BYTES = 4 * 1024 * 1024
_NOT_IN_TEAMS = frozenset({"images", "tags"})
API_WORDS = frozenset(
    {
        "artifact-registry", "catalog", "collections", "csps", "deploy", "echo", "files", "helm-charts", "models",
        "org", "orgs", "ping", "products", "recipes", "repos", "resources", "search", "sms", "users",
    }
)  # fmt: skip
"""What follows ``/v2/`` in the NGC API: no org has such a name, and so no repository begins with one."""


@dataclass(frozen=True)
class RepositoryPath:
    """``org/[team/]name``; ``team`` is empty for a repository of the org itself."""

    org: str
    team: str
    name: str

    @classmethod
    def parse(cls, text: str) -> RepositoryPath:
        """Read the name of a repository in the OCI API; raises a NAME_INVALID Problem."""
        if len(text) > _PATH_MAX or _PATH.fullmatch(text) is None:
            raise Problem(
                400, f"'{text[:_PATH_MAX]}' is not a repository: org/[team/]name", code="NAME_INVALID"
            )
        org, *team, name = text.split("/")
        found = cls(org, "".join(team), name)
        if not found.is_creatable:
            raise Problem(400, f"a team's repository cannot be named '{name}'", code="NAME_INVALID")
        return found

    @property
    def is_creatable(self) -> bool:
        """Whether a repository may have this name.

        ``/v2/repos/<org>/<name>/images`` is the tag list of a repository of the org, so that a team has none of
        this name.
        """
        fits = len(str(self)) <= _PATH_MAX and _NAME.fullmatch(self.name) is not None
        return fits and not (self.team and self.name in _NOT_IN_TEAMS)

    def __str__(self) -> str:
        return "/".join(part for part in (self.org, self.team, self.name) if part)


def is_tag(text: str) -> bool:
    """Whether this can be a tag."""
    return _TAG.fullmatch(text) is not None


# repositories


def find_repository(db: Session, path: RepositoryPath | str) -> ImageRepository | None:
    """The repository with this path, also one whose first push is still under way."""
    return db.scalar(select(ImageRepository).where(ImageRepository.path == str(path)))


def add_repository(
    db: Session, path: RepositoryPath, org: Org, team: Team | None, owner_id: int | None
) -> ImageRepository:
    """A new repository without images, which does not show yet."""
    repository = ImageRepository(
        org=org, team=team, name=path.name, path=str(path), owner_id=owner_id, details={}, labels=[]
    )
    db.add(repository)
    db.flush()
    return repository


def repository_to_push_to(
    db: Session, path: RepositoryPath, org: Org, team: Team | None, owner_id: int | None
) -> ImageRepository:
    """The repository with this path, made when there is none, and locked until the transaction ends."""
    found = find_repository(db, path)
    if found is None:
        return add_repository(db, path, org, team, owner_id)
    lock(db, found)
    return found


def lock(db: Session, repository: ImageRepository) -> None:
    """Take turns with others who change this repository, and with the collector; counts as a step of a push."""
    db.execute(
        update(ImageRepository).where(ImageRepository.id == repository.id).values(pushed_to_at=utc_now())
    )


def access_resource(repository: ImageRepository) -> Resource:
    """What the access table needs to know of a repository."""
    return Resource(repository.owner_id, repository.is_public, repository.guest_access)


# blobs


def find_blob(db: Session, repository: ImageRepository, digest: str) -> ImageBlob | None:
    """The blob of this digest in a repository."""
    return db.get(ImageBlob, (repository.id, digest))


def link_blob(db: Session, repository: ImageRepository, digest: str, sha256: str, size_bytes: int) -> None:
    """Note that the repository has a blob; the content and its row must be there."""
    db.merge(ImageBlob(repository_id=repository.id, digest=digest, sha256=sha256, size_bytes=size_bytes))
    db.flush()


def is_needed(db: Session, repository: ImageRepository, digest: str) -> bool:
    """Whether a manifest of the repository names this digest."""
    named = select(ImageReference).where(
        ImageReference.repository_id == repository.id, ImageReference.digest == digest
    )
    return bool(db.scalar(select(named.exists())))


# manifests


def find_manifest(db: Session, repository: ImageRepository, reference: str) -> ImageManifest | None:
    """The manifest with this tag or digest."""
    if is_digest(reference):
        return db.scalar(
            select(ImageManifest).where(
                ImageManifest.repository_id == repository.id, ImageManifest.digest == reference
            )
        )
    tag = find_tag(db, repository, reference)
    return tag.manifest if tag is not None else None


def read_manifest(content: bytes, content_type: str) -> oci.Manifest | oci.Index:
    """The bytes as a manifest or index; raises a Problem for what is none, or one too large."""
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


def put_manifest(
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
        manifest.architecture, manifest.os = _word(platform.architecture), _word(platform.os)
        manifest.variant = _word(platform.variant)
        manifest.layers_size_bytes = sum(item.size_bytes for item in parsed.layers)
    db.flush()
    _note_references(db, manifest, [item.digest for item in needed])
    if not is_digest(reference):
        _put_tag(db, repository, reference, manifest, pusher_id)
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
    """What the config of an image says it runs on; nothing for artifacts and for a config that is none."""
    parsed = read_config(db, store, repository, config)
    return parsed.platform if parsed is not None else Platform("", "")


def _word(text: str) -> str:
    """A name of Go's platforms, or what is left of a text that is none: the config is the pusher's own."""
    return re.sub(r"[^A-Za-z0-9._-]", "", text)[:64]


def read_config(
    db: Session, store: ContentStore, repository: ImageRepository, config: Descriptor
) -> oci.ImageConfig | None:
    """The config of an image, or None for what is not the config of an image."""
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


def _note_references(db: Session, manifest: ImageManifest, digests: Sequence[str]) -> None:
    """Note what a manifest needs, and what is held by another: see ``ImageManifest``."""
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
    if manifest.subject is not None and is_there(db, manifest.repository_id, manifest.subject):
        manifest.is_held = True
    db.flush()


def is_there(db: Session, repository_id: int, digest: str) -> bool:
    """Whether the repository has a manifest of this digest."""
    found = select(ImageManifest.id).where(
        ImageManifest.repository_id == repository_id, ImageManifest.digest == digest
    )
    return db.scalar(found) is not None


def remove_manifest(db: Session, repository: ImageRepository, manifest: ImageManifest) -> None:
    """Remove a manifest with all its tags; images of an index stay until the collector comes."""
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
    _after_loss(db, repository, lost)


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


# tags


def find_tag(db: Session, repository: ImageRepository, name: str) -> ImageTag | None:
    """The tag of this name."""
    return db.scalar(select(ImageTag).where(ImageTag.repository_id == repository.id, ImageTag.name == name))


def tag_names(db: Session, repository: ImageRepository) -> list[str]:
    """All tags in lexical order without regard to case (distribution-spec, Listing Tags).

    Sorted here and not by the database, whose order hangs on its collation.
    """
    names = db.scalars(select(ImageTag.name).where(ImageTag.repository_id == repository.id))
    return sorted(names, key=tag_order)


def tag_order(name: str) -> tuple[str, str]:
    """Sort key of tags."""
    return name.lower(), name


def remove_tag(db: Session, repository: ImageRepository, tag: ImageTag) -> None:
    """Remove a tag; its manifest stays until the collector comes, unless something else leads to it."""
    manifest_id = tag.manifest_id
    db.delete(tag)
    db.flush()
    _release(db, manifest_id)
    _after_loss(db, repository, [tag.name])


def _put_tag(
    db: Session, repository: ImageRepository, name: str, manifest: ImageManifest, pusher_id: int | None
) -> None:
    tag = find_tag(db, repository, name)
    left = tag.manifest_id if tag is not None else None
    if tag is None:
        tag = ImageTag(repository_id=repository.id, name=name)
        db.add(tag)
    tag.manifest_id, tag.pushed_by_id, tag.pushed_at = manifest.id, pusher_id, manifest.pushed_at
    manifest.is_held, manifest.released_at = True, None
    if not is_referrers_tag(name):
        repository.latest_tag = name
    db.flush()
    if left is not None and left != manifest.id:
        _release(db, left)


def is_referrers_tag(name: str) -> bool:
    """Whether a tag has the form in which clients of older registries list referrers: not a version of the image."""
    return _REFERRERS_TAG.match(name) is not None


def _release(db: Session, manifest_id: int) -> None:
    """Note the moment at which the last tag left a manifest."""
    tagged = exists().where(ImageTag.manifest_id == ImageManifest.id)
    db.execute(
        update(ImageManifest).where(ImageManifest.id == manifest_id, ~tagged).values(released_at=utc_now())
    )


def _after_loss(db: Session, repository: ImageRepository, lost: Sequence[str]) -> None:
    """The repository after it lost these tags: the latest is the one pushed last of those that are left."""
    repository.updated_at = utc_now()
    if repository.latest_tag in lost:
        left = db.scalars(
            select(ImageTag.name)
            .where(ImageTag.repository_id == repository.id)
            .order_by(ImageTag.pushed_at.desc(), ImageTag.id.desc())
        )
        repository.latest_tag = next((name for name in left if not is_referrers_tag(name)), None)


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


# uploads


def find_upload(db: Session, repository: ImageRepository, upload_id: str) -> BlobUpload | None:
    """The upload of this id into the repository."""
    found = db.get(BlobUpload, upload_id)
    return found if found is not None and found.repository_id == repository.id else None
