"""Image repositories: their manifests, tags and blobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ngc_cli.server.clock import utc_now
from ngc_cli.server.metadata.base import Base, sorted_text
from ngc_cli.server.metadata.people import Org, Team, User

_DIGEST = String(135)  # sha512: and 128 hex digits


class ImageRepository(Base):
    """A repository of images; ``path`` is ``org/[team/]name``, its name in the OCI API.

    A first push makes it, and it shows once it has a manifest or was created by name (``is_published``).
    ``pushed_to_at`` is renewed by every step of a push: until some time after it, the garbage collector leaves
    blobs alone that no manifest refers to yet. Whoever changes what the repository holds writes this row first, so that
    pushes and the garbage collector take turns.
    """

    __tablename__ = "image_repositories"
    id: Mapped[int] = mapped_column(primary_key=True)
    org_id: Mapped[int] = mapped_column(ForeignKey("orgs.id"), index=True)
    team_id: Mapped[int | None] = mapped_column(ForeignKey("teams.id"))
    name: Mapped[str] = mapped_column(String(255))
    path: Mapped[str] = mapped_column(sorted_text(512), unique=True)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
    labels: Mapped[list[str]] = mapped_column(JSON)
    is_public: Mapped[bool] = mapped_column(default=False)
    guest_access: Mapped[bool] = mapped_column(default=False)
    is_published: Mapped[bool] = mapped_column(default=False)
    latest_tag: Mapped[str | None] = mapped_column(String(128))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now)
    pushed_to_at: Mapped[datetime] = mapped_column(default=utc_now)
    org: Mapped[Org] = relationship()
    team: Mapped[Team | None] = relationship()
    owner: Mapped[User | None] = relationship()


class ImageTerm(Base):
    """Something a repository can be found by: the digest of a field and a value (``server.search.terms``)."""

    __tablename__ = "image_terms"
    term: Mapped[str] = mapped_column(String(32), primary_key=True)
    row_id: Mapped[int] = mapped_column(
        ForeignKey("image_repositories.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class ImageBlob(Base):
    """A blob that a repository has: the digest it was pushed under, and the content it stands for."""

    __tablename__ = "image_blobs"
    repository_id: Mapped[int] = mapped_column(
        ForeignKey("image_repositories.id", ondelete="CASCADE"), primary_key=True
    )
    digest: Mapped[str] = mapped_column(_DIGEST, primary_key=True)
    sha256: Mapped[str] = mapped_column(ForeignKey("contents.sha256"), index=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)


class ImageManifest(Base):
    """A manifest or index, byte for byte as it was pushed.

    The garbage collector removes a manifest when nothing refers to it any more: no tag, no index that lists it, no
    subject it refers to. ``is_held`` says that something once did; what was only ever pushed by digest stands on
    its own. ``released_at`` is when its last tag left it; a pull that has just begun has some time to finish.
    ``architecture``, ``os`` and ``variant`` are those of the config, empty for an index.
    """

    __tablename__ = "image_manifests"
    __table_args__ = (
        UniqueConstraint("repository_id", "digest"),
        Index(None, "repository_id", "subject"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    repository_id: Mapped[int] = mapped_column(ForeignKey("image_repositories.id", ondelete="CASCADE"))
    digest: Mapped[str] = mapped_column(_DIGEST)
    media_type: Mapped[str] = mapped_column(String(255))
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    subject: Mapped[str | None] = mapped_column(_DIGEST)
    artifact_type: Mapped[str] = mapped_column(String(255), default="")
    architecture: Mapped[str] = mapped_column(String(64), default="")
    os: Mapped[str] = mapped_column(String(64), default="")
    variant: Mapped[str] = mapped_column(String(64), default="")
    layers_size_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    is_held: Mapped[bool] = mapped_column(default=False)
    released_at: Mapped[datetime | None]
    pushed_at: Mapped[datetime] = mapped_column(default=utc_now)


class ImageReference(Base):
    """A blob or manifest that a manifest needs; ``position`` keeps the order of an index."""

    __tablename__ = "image_references"
    __table_args__ = (Index(None, "repository_id", "digest"),)
    manifest_id: Mapped[int] = mapped_column(
        ForeignKey("image_manifests.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True)
    repository_id: Mapped[int] = mapped_column(ForeignKey("image_repositories.id", ondelete="CASCADE"))
    digest: Mapped[str] = mapped_column(_DIGEST)


def _folded_name(context: Any) -> str:
    """The lower-case name of a tag that is being added."""
    return str(context.get_current_parameters()["name"]).lower()


class ImageTag(Base):
    """A name for a manifest; ``folded_name`` is what tags are sorted by, ``pushed_by_id`` the user who pushed it last."""

    __tablename__ = "image_tags"
    __table_args__ = (
        UniqueConstraint("repository_id", "name"),
        Index(None, "repository_id", "folded_name", "name"),
        Index(None, "repository_id", "pushed_at", "id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    repository_id: Mapped[int] = mapped_column(ForeignKey("image_repositories.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(sorted_text(128))
    folded_name: Mapped[str] = mapped_column(sorted_text(128), default=_folded_name)
    manifest_id: Mapped[int] = mapped_column(ForeignKey("image_manifests.id", ondelete="CASCADE"), index=True)
    pushed_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    pushed_at: Mapped[datetime] = mapped_column(default=utc_now)
    manifest: Mapped[ImageManifest] = relationship()
    pushed_by: Mapped[User | None] = relationship()
