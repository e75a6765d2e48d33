"""Contents, named by their sha256, and the upload sessions that bring them in."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, Session, mapped_column

from ngc_cli.server.clock import utc_now
from ngc_cli.server.content.store import Assembled, Part
from ngc_cli.server.metadata.base import Base


class Content(Base):
    """Bytes that the content store holds, by hex sha256.

    Whatever uses a content references this row, so that the database itself refuses to drop what is in use;
    ``touched_at`` is renewed whenever the content arrives again, so that the garbage collector leaves it alone.
    """

    __tablename__ = "contents"
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    touched_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)


def store_content(db: Session, assembled: Assembled, sha256: str, size_bytes: int) -> None:
    """Publish a content and register it.

    The bytes get their final name while the row is locked. The garbage collector removes them under the same lock,
    so the two never overlap.
    """
    row = db.get(Content, sha256, with_for_update=True)
    if row is None:
        db.add(Content(sha256=sha256, size_bytes=size_bytes))
    else:
        row.touched_at = utc_now()
    db.flush()
    assembled.publish()


class UploadSession(Base):
    """Bytes on their way into the registry, in parts; ``id`` is a random UUID that only the uploader learns.

    A file of an artifact (``artifact_id``) is announced with its ``sha256`` and ``size_bytes`` and is cut into parts
    of ``part_size_bytes``. ``content_sha256`` is set when it is complete: the session then holds on to the content
    until the file is committed or the session has grown old. A blob of an image repository (``repository_id``) is
    appended to, and its digest and size are known only at its end, which deletes the session.
    """

    __tablename__ = "upload_sessions"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=lambda: str(uuid.uuid4()))
    artifact_id: Mapped[int | None] = mapped_column(
        ForeignKey("artifacts.id", ondelete="CASCADE"), index=True
    )
    repository_id: Mapped[int | None] = mapped_column(
        ForeignKey("image_repositories.id", ondelete="CASCADE"), index=True
    )
    sha256: Mapped[str] = mapped_column(String(64), default="")
    size_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    part_size_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    content_sha256: Mapped[str | None] = mapped_column(ForeignKey("contents.sha256"), index=True)
    touched_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)

    @property
    def part_count(self) -> int:
        """How many parts an announced file has; an empty file has one."""
        return max(1, -(-self.size_bytes // self.part_size_bytes))

    def size_of_part(self, number: int) -> int:
        """How many bytes a part of an announced file must have, counted from 1."""
        return min(self.part_size_bytes, self.size_bytes - (number - 1) * self.part_size_bytes)


class UploadPart(Base):
    """A part that has arrived, counted from 1; ``key`` and ``sha256`` are those of ``content.store.Part``."""

    __tablename__ = "upload_session_parts"
    __table_args__ = (UniqueConstraint("upload_id", "number"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    upload_id: Mapped[str] = mapped_column(ForeignKey("upload_sessions.id", ondelete="CASCADE"))
    number: Mapped[int]
    key: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64), default="")

    @property
    def stored(self) -> Part:
        """The part as the content store knows it."""
        return Part(self.key, self.size_bytes, self.sha256)
