"""Models and resources, their versions and files."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ngc_cli.server.clock import utc_now
from ngc_cli.server.metadata.base import Base, sorted_text
from ngc_cli.server.metadata.people import Org, Team, User
from ngc_cli.server.version_order import version_sort_key


class Artifact(Base):
    """A model or a resource, told apart by ``kind``, the word of its paths: ``models`` or ``resources``.

    ``details`` holds the descriptive members of its JSON object as they were accepted. ``is_public`` shows it to
    everyone; ``guest_access`` lets callers without a key download it too. ``path`` is ``org/[team/]name``, which lists
    are sorted by and patterns are compared with.
    """

    __tablename__ = "artifacts"
    __table_args__ = (
        UniqueConstraint("kind", "team_id", "name"),
        Index(
            "uq_artifacts_org_level",
            "kind",
            "org_id",
            "name",
            unique=True,
            sqlite_where=text("team_id IS NULL"),
            postgresql_where=text("team_id IS NULL"),
        ),
        # Holds all that a page of names is chosen by, so that choosing reads no row of the table.
        Index(None, "kind", "path", "name", "org_id", "team_id", "is_public"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    org_id: Mapped[int] = mapped_column(ForeignKey("orgs.id"), index=True)
    team_id: Mapped[int | None] = mapped_column(ForeignKey("teams.id"))
    name: Mapped[str] = mapped_column(String(128))
    path: Mapped[str] = mapped_column(sorted_text(640))
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
    labels: Mapped[list[str]] = mapped_column(JSON)
    is_public: Mapped[bool] = mapped_column(default=False)
    guest_access: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now)
    org: Mapped[Org] = relationship()
    team: Mapped[Team | None] = relationship()
    owner: Mapped[User | None] = relationship()


class ArtifactTerm(Base):
    """Something an artifact can be found by: the digest of a field and a value (``server.search.terms``)."""

    __tablename__ = "artifact_terms"
    term: Mapped[str] = mapped_column(String(32), primary_key=True)
    row_id: Mapped[int] = mapped_column(
        ForeignKey("artifacts.id", ondelete="CASCADE"), primary_key=True, index=True
    )


def _sort_key(context: Any) -> str:
    """The sort key of a version that is being added."""
    return version_sort_key(context.get_current_parameters()["name"])


class Version(Base):
    """One version of an artifact; it counts as the latest by ``latest_at``, which only a complete one has."""

    __tablename__ = "versions"
    __table_args__ = (
        UniqueConstraint("artifact_id", "name"),
        Index(None, "artifact_id", "is_complete", "latest_at", "id"),
        Index(None, "artifact_id", "sort_key"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    artifact_id: Mapped[int] = mapped_column(ForeignKey("artifacts.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(sorted_text(255))
    sort_key: Mapped[str] = mapped_column(sorted_text(1100), default=_sort_key)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    is_complete: Mapped[bool] = mapped_column(default=False)
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
    file_count: Mapped[int] = mapped_column(default=0)
    size_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    latest_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now)
    artifact: Mapped[Artifact] = relationship()
    owner: Mapped[User | None] = relationship()


class File(Base):
    """A file of a version: a relative path and the content it stands for."""

    __tablename__ = "files"
    __table_args__ = (UniqueConstraint("version_id", "path"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id", ondelete="CASCADE"))
    path: Mapped[str] = mapped_column(sorted_text(1023))
    sha256: Mapped[str] = mapped_column(ForeignKey("contents.sha256"), index=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
