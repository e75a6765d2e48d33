"""Tags of image repositories, and which of them is the latest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, exists, literal, select, tuple_, update
from sqlalchemy.orm import Session

from ngc_cli.server.clock import utc_now
from ngc_cli.server.images.names import is_referrers_tag, tag_order
from ngc_cli.server.metadata import ImageManifest, ImageRepository, ImageTag


def find_tag(db: Session, repository: ImageRepository, name: str) -> ImageTag | None:
    """The tag of this name."""
    return db.scalar(select(ImageTag).where(ImageTag.repository_id == repository.id, ImageTag.name == name))


def tag_names(db: Session, repository: ImageRepository) -> list[str]:
    """All tags in lexical order without regard to case (distribution-spec, Listing Tags)."""
    return list(db.scalars(_in_order(repository)))


def tag_page(db: Session, repository: ImageRepository, after: str, limit: int | None) -> list[str]:
    """Tags in the same order, those that come after one that need not exist, ``limit`` at most."""
    query = _in_order(repository)
    if after:
        query = query.where(
            tuple_(ImageTag.folded_name, ImageTag.name) > tuple_(*map(literal, tag_order(after)))
        )
    return list(db.scalars(query.limit(limit)))


def _in_order(repository: ImageRepository) -> Select[Any]:
    of_repository = ImageTag.repository_id == repository.id
    return select(ImageTag.name).where(of_repository).order_by(ImageTag.folded_name, ImageTag.name)


def put_tag(
    db: Session, repository: ImageRepository, name: str, manifest: ImageManifest, pusher_id: int | None
) -> None:
    """Point a tag at a manifest of the repository, and the repository's latest tag at this one."""
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


def remove_tag(db: Session, repository: ImageRepository, tag: ImageTag) -> None:
    """Remove a tag; its manifest stays until the garbage collector runs, unless something else refers to it."""
    manifest_id = tag.manifest_id
    db.delete(tag)
    db.flush()
    _release(db, manifest_id)
    after_loss(db, repository, [tag.name])


def _release(db: Session, manifest_id: int) -> None:
    """Note the moment at which a manifest lost its last tag."""
    tagged = exists().where(ImageTag.manifest_id == ImageManifest.id)
    db.execute(
        update(ImageManifest).where(ImageManifest.id == manifest_id, ~tagged).values(released_at=utc_now())
    )


def after_loss(db: Session, repository: ImageRepository, lost: Sequence[str]) -> None:
    """Update a repository that lost these tags: the latest is the one of those left that was pushed last."""
    repository.updated_at = utc_now()
    if repository.latest_tag in lost:
        left = db.scalars(
            select(ImageTag.name)
            .where(ImageTag.repository_id == repository.id)
            .order_by(ImageTag.pushed_at.desc(), ImageTag.id.desc())
        )
        repository.latest_tag = next((name for name in left if not is_referrers_tag(name)), None)
