"""Organizations, teams, users, their roles, invitations and API keys."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ngc_cli.server.clock import utc_now
from ngc_cli.server.metadata.base import Base


class Org(Base):
    """An organization; ``name`` is unique and stands in paths."""

    __tablename__ = "orgs"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255), unique=True)
    display_name: Mapped[str] = mapped_column(String(255), default="")
    description: Mapped[str] = mapped_column(default="")
    type: Mapped[str] = mapped_column(String(32), default="ENTERPRISE")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Team(Base):
    """A team of an organization."""

    __tablename__ = "teams"
    __table_args__ = (UniqueConstraint("org_id", "name"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    org_id: Mapped[int] = mapped_column(ForeignKey("orgs.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(255))
    description: Mapped[str] = mapped_column(String(255), default="")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    org: Mapped[Org] = relationship()


class User(Base):
    """A person; ``email`` is stored in lower case, so that addresses compare without regard to case."""

    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(320), unique=True)
    name: Mapped[str] = mapped_column(String(255), default="")
    starfleet_id: Mapped[str] = mapped_column(String(64), unique=True)
    client_id: Mapped[str] = mapped_column(String(64), unique=True)
    is_active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    first_login_at: Mapped[datetime | None]
    last_login_at: Mapped[datetime | None]
    memberships: Mapped[list[Membership]] = relationship(viewonly=True)


class Membership(Base):
    """One role of one user, in an org or (``team_id`` set) in one team of it; the role is a canonical name."""

    __tablename__ = "memberships"
    __table_args__ = (
        UniqueConstraint("user_id", "team_id", "role"),
        Index(
            "uq_memberships_org_level",
            "user_id",
            "org_id",
            "role",
            unique=True,
            sqlite_where=text("team_id IS NULL"),
            postgresql_where=text("team_id IS NULL"),
        ),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    org_id: Mapped[int] = mapped_column(ForeignKey("orgs.id", ondelete="CASCADE"), index=True)
    team_id: Mapped[int | None] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"), index=True)
    role: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    user: Mapped[User] = relationship()
    org: Mapped[Org] = relationship()
    team: Mapped[Team | None] = relationship()


class Invitation(Base):
    """One role offered to an e-mail address (lower case); it becomes a membership when a key is issued."""

    __tablename__ = "invitations"
    __table_args__ = (Index(None, "org_id", "email"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    org_id: Mapped[int] = mapped_column(ForeignKey("orgs.id", ondelete="CASCADE"))
    team_id: Mapped[int | None] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"), index=True)
    email: Mapped[str] = mapped_column(String(320), index=True)
    name: Mapped[str] = mapped_column(String(255), default="")
    role: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now)
    expires_at: Mapped[datetime | None]
    org: Mapped[Org] = relationship()
    team: Mapped[Team | None] = relationship()


class KeyKind(str, Enum):
    """Kinds of API keys: the first two are sent as they are, a legacy key is exchanged for tokens."""

    PERSONAL = "PERSONAL_KEY"
    SERVICE = "SERVICE_KEY"
    LEGACY = "LEGACY_KEY"


class ApiKey(Base):
    """An API key; only its sha256 is stored, which is enough for a random secret of this length.

    ``org_id`` is the org a personal key reports as its own; a service key acts in that org (in ``team_id`` of it,
    when set) with ``role`` and belongs to no user.
    """

    __tablename__ = "api_keys"
    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    last_characters: Mapped[str] = mapped_column(String(4))
    kind: Mapped[KeyKind]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    org_id: Mapped[int | None] = mapped_column(ForeignKey("orgs.id", ondelete="CASCADE"))
    team_id: Mapped[int | None] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    role: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    user: Mapped[User | None] = relationship()
    org: Mapped[Org | None] = relationship()
