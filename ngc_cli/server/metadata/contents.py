"""Contents, named by their sha256, and the uploads that bring them in."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, String, UniqueConstraint, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from ngc_cli.server.clock import utc_now
from ngc_cli.server.content.store import Assembled
from ngc_cli.server.metadata.base import Base


class Content(Base):
    """Bytes that the content store holds, by hex sha256.

    Whatever uses a content references this row, so that the database itself refuses to drop what is in use;
    ``touched_at`` is renewed whenever the content arrives again, so that the collector leaves it alone.
    """

    __tablename__ = "contents"
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    touched_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)


def store_content(db: Session, assembled: Assembled, sha256: str, size_bytes: int) -> None:
    """Publish a content and register it.

    The bytes get their final name while the row is locked, and so does the collector remove them: of the two,
    one comes after the other.
    """
    row = db.get(Content, sha256, with_for_update=True)
    if row is None:
        db.add(Content(sha256=sha256, size_bytes=size_bytes))
    else:
        row.touched_at = utc_now()
    db.flush()
    assembled.publish()


class Upload(Base):
    """A file on its way into an artifact, in parts; ``id`` is random and is what the caller gets to see.

    ``content_sha256`` is set when the upload is complete and holds on to the content until the file is committed
    or the upload has grown old.
    """

    __tablename__ = "uploads"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    artifact_id: Mapped[int] = mapped_column(ForeignKey("artifacts.id", ondelete="CASCADE"), index=True)
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    part_size_bytes: Mapped[int] = mapped_column(BigInteger)
    content_sha256: Mapped[str | None] = mapped_column(ForeignKey("contents.sha256"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    touched_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)

    @property
    def part_count(self) -> int:
        """How many parts there are; an empty file has one."""
        return max(1, -(-self.size_bytes // self.part_size_bytes))

    def size_of_part(self, number: int) -> int:
        """How many bytes a part must have, counted from 1."""
        return min(self.part_size_bytes, self.size_bytes - (number - 1) * self.part_size_bytes)


class UploadPart(Base):
    """A part that has arrived whole, counted from 1; ``key`` and ``sha256`` are those of ``content.Part``."""

    __tablename__ = "upload_parts"
    __table_args__ = (UniqueConstraint("upload_id", "number"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    upload_id: Mapped[str] = mapped_column(ForeignKey("uploads.id", ondelete="CASCADE"))
    number: Mapped[int]
    key: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64), default="")


def parts_of(db: Session, upload_id: str) -> list[UploadPart]:
    """The parts of an upload that have arrived, in order."""
    query = select(UploadPart).where(UploadPart.upload_id == upload_id)
    return list(db.scalars(query.order_by(UploadPart.number)))


def forget_parts(db: Session, upload_id: str) -> None:
    """Drop the rows of all parts of an upload."""
    db.execute(delete(UploadPart).where(UploadPart.upload_id == upload_id))
