"""Image repositories and the blobs they have."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ngc_cli.server.auth.roles import Resource
from ngc_cli.server.clock import utc_now
from ngc_cli.server.images.names import RepositoryPath
from ngc_cli.server.metadata import ImageBlob, ImageReference, ImageRepository, Org, Team


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


def lock_or_create(
    db: Session, path: RepositoryPath, org: Org, team: Team | None, owner_id: int | None
) -> ImageRepository:
    """The repository with this path, made when there is none, and locked until the transaction ends."""
    found = find_repository(db, path)
    if found is None:
        return add_repository(db, path, org, team, owner_id)
    lock(db, found)
    return found


def lock(db: Session, repository: ImageRepository) -> None:
    """Lock a repository until the transaction ends, and mark it as being pushed to, which holds the garbage collector off.

    The update takes the row's lock on every database; ``SELECT FOR UPDATE`` does nothing on SQLite.
    """
    db.execute(
        update(ImageRepository).where(ImageRepository.id == repository.id).values(pushed_to_at=utc_now())
    )


def access_resource(repository: ImageRepository) -> Resource:
    """The repository as an object of access decisions."""
    return Resource(repository.owner_id, repository.is_public, repository.guest_access)


def find_blob(db: Session, repository: ImageRepository, digest: str) -> ImageBlob | None:
    """The blob of this digest in a repository."""
    return db.get(ImageBlob, (repository.id, digest))


def link_blob(db: Session, repository: ImageRepository, digest: str, sha256: str, size_bytes: int) -> None:
    """Make a stored content a blob of the repository."""
    db.merge(ImageBlob(repository_id=repository.id, digest=digest, sha256=sha256, size_bytes=size_bytes))
    db.flush()


def is_needed(db: Session, repository: ImageRepository, digest: str) -> bool:
    """Whether a manifest of the repository refers to this digest."""
    named = select(ImageReference).where(
        ImageReference.repository_id == repository.id, ImageReference.digest == digest
    )
    return bool(db.scalar(select(named.exists())))
