"""Reclaims what nothing uses any more, also while the registry is serving: ``ngc-registry gc``.

Contents are shared by models, resources and images. They go when no row uses them any longer, which a removed
model or tag brings about step by step: manifests that nothing leads to, blobs that no manifest names, contents
that nothing holds. Each step runs in short transactions that lock what they weigh, so that it takes turns with
pushes and uploads; and nothing goes within the grace time in which somebody may still be at work with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ngc_cli.server.clock import utc_now
from ngc_cli.server.config import ABANDONED_S, GRACE_S
from ngc_cli.server.content.store import ContentStore
from ngc_cli.server.endpoint import Registry
from ngc_cli.server.metadata import (
    Content,
    File,
    ImageBlob,
    ImageManifest,
    ImageReference,
    ImageRepository,
    ImageTag,
    UploadSession,
    Version,
    chunked,
)


@dataclass
class Reclaimed:
    """What a run has removed."""

    uploads: int = 0
    manifests: int = 0
    contents: int = 0
    size_bytes: int = 0


def collect(registry: Registry, *, grace_s: float = GRACE_S, abandoned_s: float = ABANDONED_S) -> Reclaimed:
    """Remove what has been of no use for ``grace_s``, and uploads nobody has touched for ``abandoned_s``."""
    now = utc_now()
    before, abandoned = now - timedelta(seconds=grace_s), now - timedelta(seconds=abandoned_s)
    done = Reclaimed()
    done.uploads = registry.database.write(partial(_drop_uploads, before, abandoned))
    _drop_parts(registry)
    registry.contents.drop_leftovers(abandoned_s)
    with registry.database.reading() as db:
        repository_ids = list(db.scalars(select(ImageRepository.id)))
    for repository_id in repository_ids:
        done.manifests += registry.database.write(partial(_clean_repository, repository_id, before))
    for sha256 in _unused_contents(registry, before):
        size_bytes = _drop_content(registry, sha256, before)
        if size_bytes is not None:
            done.contents += 1
            done.size_bytes += size_bytes
    _adopt_strays(registry)
    return done


# uploads


def _drop_uploads(before: datetime, abandoned: datetime, db: Session) -> int:
    """Forget abandoned uploads; those that are complete need to be kept only until they are committed.

    A version is committed when all its files are here, which may be days after the first of them is.
    """
    committed = exists().where(
        File.sha256 == UploadSession.content_sha256,
        File.version_id == Version.id,
        Version.artifact_id == UploadSession.artifact_id,
    )
    db.execute(delete(UploadSession).where(committed, UploadSession.touched_at < before))
    old = delete(UploadSession).where(UploadSession.touched_at < abandoned)
    return len(db.execute(old.returning(UploadSession.id)).all())


def _drop_parts(registry: Registry) -> None:
    """Remove the parts of uploads that are no more; an upload has its row before it has parts."""
    for some in chunked(list(registry.contents.uploads())):
        with registry.database.reading() as db:
            known = set(db.scalars(select(UploadSession.id).where(UploadSession.id.in_(some))))
        for upload_id in some:
            if upload_id not in known:
                registry.contents.drop_parts(upload_id)


# images


def _clean_repository(repository_id: int, before: datetime, db: Session) -> int:
    """Remove manifests that nothing leads to, then blobs that no manifest names; returns how many manifests.

    Blobs stay while a push is under way: one of its uploads is open, or it took a step within the grace time.
    """
    repository = db.get(ImageRepository, repository_id, with_for_update=True)
    if repository is None:
        return 0
    lost = _lost_manifests(db, repository_id, before)
    for some in chunked(lost):
        db.execute(delete(ImageManifest).where(ImageManifest.id.in_(some)))
    being_uploaded = db.scalar(select(exists().where(UploadSession.repository_id == repository_id)))
    if not being_uploaded and repository.pushed_to_at < before:
        named = exists().where(
            ImageReference.repository_id == repository_id, ImageReference.digest == ImageBlob.digest
        )
        db.execute(delete(ImageBlob).where(ImageBlob.repository_id == repository_id, ~named))
        if not repository.is_published:  # its first push never came to a manifest
            db.delete(repository)
    return len(lost)


def _lost_manifests(db: Session, repository_id: int, before: datetime) -> Sequence[int]:
    """Ids of the manifests that no tag, no index and no subject leads to: see ``ImageManifest``."""
    table = ImageManifest
    rows = db.execute(
        select(table.id, table.digest, table.subject, table.is_held, table.released_at).where(
            table.repository_id == repository_id
        )
    ).all()
    by_digest = {row.digest: row.id for row in rows}
    leads_to: defaultdict[int, set[int]] = defaultdict(set)
    for row in rows:
        if row.subject in by_digest:
            leads_to[by_digest[row.subject]].add(row.id)
    references = select(ImageReference.manifest_id, ImageReference.digest).where(
        ImageReference.repository_id == repository_id
    )
    for manifest_id, digest in db.execute(references):
        if digest in by_digest:
            leads_to[manifest_id].add(by_digest[digest])
    tagged = set(db.scalars(select(ImageTag.manifest_id).where(ImageTag.repository_id == repository_id)))
    reached: set[int] = set()
    waiting = [
        row.id
        for row in rows
        if row.id in tagged or not row.is_held or (row.released_at is not None and row.released_at >= before)
    ]
    while waiting:
        manifest_id = waiting.pop()
        if manifest_id not in reached:
            reached.add(manifest_id)
            waiting += leads_to[manifest_id]
    return [row.id for row in rows if row.id not in reached]


# contents


def _unused(before: datetime) -> ColumnElement[bool]:
    used = or_(
        exists().where(File.sha256 == Content.sha256),
        exists().where(UploadSession.content_sha256 == Content.sha256),
        exists().where(ImageBlob.sha256 == Content.sha256),
    )
    return and_(Content.touched_at < before, ~used)


def _unused_contents(registry: Registry, before: datetime) -> Sequence[str]:
    with registry.database.reading() as db:
        return list(db.scalars(select(Content.sha256).where(_unused(before))))


def _drop_content(registry: Registry, sha256: str, before: datetime) -> int | None:
    """Remove a content if it is still of no use; returns its size in bytes, or None when it is.

    The bytes go when the row is gone for good: after a power cut there may be bytes without a row, which a later run
    finds, but never a row without bytes. While they go, a row of ours holds back whoever stores the same content again.
    """
    try:
        with registry.database.writing() as db:
            row = db.scalar(
                select(Content).where(Content.sha256 == sha256, _unused(before)).with_for_update()
            )
            if row is None:
                return None
            db.delete(row)
        with registry.database.writing() as db:
            ours = Content(sha256=sha256, size_bytes=row.size_bytes)
            db.add(ours)
            db.flush()
            registry.contents.delete(sha256)
            db.delete(ours)
    except IntegrityError:  # something has begun to use it just now, or has stored it again
        return None
    return row.size_bytes


def _adopt_strays(registry: Registry) -> None:
    """Note contents that a process stored without living to note it; the next run weighs them like any other."""
    for some in _portions(registry.contents):
        with registry.database.reading() as db:
            known = set(db.scalars(select(Content.sha256).where(Content.sha256.in_(some))))
        for sha256 in some:
            size_bytes = registry.contents.size(sha256) if sha256 not in known else None
            if size_bytes is not None:
                registry.database.write(partial(_adopt, sha256, size_bytes))


def _adopt(sha256: str, size_bytes: int, db: Session) -> None:
    if db.get(Content, sha256) is None:
        db.add(Content(sha256=sha256, size_bytes=size_bytes))


def _portions(store: ContentStore) -> Iterator[Sequence[str]]:
    some: list[str] = []
    for sha256 in store.all_contents():
        some.append(sha256)
        if len(some) == 500:
            yield some
            some = []
    yield some
