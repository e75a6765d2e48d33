"""The upload machine: sessions that bring contents into the store, part by part.

Files of models and resources and blobs of images share it. What differs stays with their routes: a file is announced
whole and its parts arrive in any order, a blob is appended to. A session goes this way::

    begin -> record_part, as often as needed -> finish
          -> drop                                 when it is cancelled, or by the garbage collector

No transaction is open while bytes arrive or are hashed, and every step locks the session before it changes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from ngc_cli.server.clock import utc_now
from ngc_cli.server.content.store import Assembled, DigestMismatch, Part
from ngc_cli.server.endpoint import Registry
from ngc_cli.server.metadata import UploadPart, UploadSession, store_content
from ngc_cli.server.problems import not_found


def begin(db: Session, upload: UploadSession) -> UploadSession:
    """Open a session; afterwards it has its id."""
    db.add(upload)
    db.flush()
    return upload


def require(db: Session, upload_id: str, *, lock: bool = True) -> UploadSession:
    """The session of this id, by default locked until the transaction ends; raises a 404 Problem."""
    upload = db.get(UploadSession, upload_id, with_for_update=lock)
    if upload is None:
        raise not_found("there is no such upload")
    return upload


def parts_of(db: Session, upload_id: str) -> Sequence[UploadPart]:
    """The parts of a session that have arrived, in order."""
    query = select(UploadPart).where(UploadPart.upload_id == upload_id)
    return db.scalars(query.order_by(UploadPart.number)).all()


def received_bytes(db: Session, upload_id: str) -> int:
    """How many bytes of a session have arrived."""
    total = select(func.sum(UploadPart.size_bytes)).where(UploadPart.upload_id == upload_id)
    return int(db.scalar(total) or 0)


def record_part(db: Session, upload: UploadSession, number: int, part: Part) -> None:
    """Add a part to a locked session, or replace the one of this number."""
    upload.touched_at = utc_now()
    row = db.scalar(
        select(UploadPart).where(UploadPart.upload_id == upload.id, UploadPart.number == number)
    ) or UploadPart(upload_id=upload.id, number=number)
    row.key, row.size_bytes, row.sha256 = part.key, part.size_bytes, part.sha256
    db.add(row)
    db.flush()


def finish(
    registry: Registry,
    upload_id: str,
    parts: Sequence[Part],
    sha256: str,
    publish: Callable[[Session, Assembled], None],
) -> None:
    """Assemble the parts of a session and run ``publish``, in one transaction, with what ``store_content`` needs.

    The parts are dropped when it succeeds, and stay when it fails. Raises DigestMismatch, FileNotFoundError when
    parts are gone, and whatever ``publish`` raises.
    """
    assembled = registry.contents.assemble(upload_id, parts, sha256)
    try:
        registry.database.write(lambda db: publish(db, assembled))
    finally:
        assembled.abort()
    registry.contents.drop_parts(upload_id)


def finish_file(registry: Registry, upload_id: str, parts: Sequence[Part], sha256: str) -> None:
    """Finish the upload of an announced file: its session stays and holds on to the content.

    Does nothing when another request has finished it. Raises DigestMismatch, FileNotFoundError when parts are gone,
    and a 404 Problem when the session is.
    """

    def publish(db: Session, assembled: Assembled) -> None:
        upload = require(db, upload_id)
        store_content(db, assembled, sha256, upload.size_bytes)
        upload.content_sha256, upload.touched_at = sha256, utc_now()
        forget_parts(db, upload_id)

    try:
        finish(registry, upload_id, parts, sha256, publish)
    except (DigestMismatch, FileNotFoundError):
        with registry.database.reading() as db:
            if require(db, upload_id, lock=False).content_sha256 is None:
                raise


def forget_parts(db: Session, upload_id: str) -> None:
    """Delete the rows of a session's parts; the store still has the bytes."""
    db.execute(delete(UploadPart).where(UploadPart.upload_id == upload_id))


def restart(registry: Registry, upload_id: str) -> None:
    """Drop all parts of a session, which stays open for others."""
    registry.database.write(lambda db: forget_parts(db, upload_id))
    registry.contents.drop_parts(upload_id)


def drop(registry: Registry, upload_id: str) -> None:
    """Drop a session with its parts; no error when there is none."""
    registry.database.write(lambda db: db.execute(delete(UploadSession).where(UploadSession.id == upload_id)))
    registry.contents.drop_parts(upload_id)
