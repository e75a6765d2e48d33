"""Takes bodies into the content store, in bounded memory, and makes contents of them; see also ``delivery``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from ngc_cli.server.clock import utc_now
from ngc_cli.server.content.store import CHUNK_BYTES, DigestMismatch, Part, PartWriter
from ngc_cli.server.endpoint import Registry
from ngc_cli.server.metadata import Upload, forget_parts, store_content
from ngc_cli.server.problems import not_found, unprocessable


async def receive_body(
    chunks: AsyncIterator[bytes], open_writer: Callable[[], PartWriter], *, limit_bytes: int, sha256: str = ""
) -> Part:
    """Write a body to the store in large pieces, the next one arriving while the last is written.

    Raises a 422 Problem for more than ``limit_bytes``, and for a body without the ``sha256`` it must have. What arrived of a body that breaks off is dropped.
    """
    writer: PartWriter | None = None
    writing: asyncio.Future[Part | None] | None = None
    total_bytes = 0

    def write(piece: bytearray, is_last: bool) -> Part | None:
        nonlocal writer
        writer = writer or open_writer()
        writer.write(piece)
        return writer.finish(sha256) if is_last else None

    try:
        async for piece, is_last in _large_pieces(chunks):
            total_bytes += len(piece)
            if total_bytes > limit_bytes:
                raise unprocessable(f"there are more than {limit_bytes} bytes")
            if writing is not None:
                await writing
            writing = asyncio.ensure_future(run_in_threadpool(write, piece, is_last))
        assert writing is not None  # there is always a last piece
        part = await writing
        assert part is not None
        return part
    except BaseException as error:
        if writing is not None:
            await asyncio.wait([writing])
        if writer is not None:
            await run_in_threadpool(writer.abort)
        if isinstance(error, DigestMismatch):
            raise unprocessable(str(error)) from error
        raise


async def _large_pieces(chunks: AsyncIterator[bytes]) -> AsyncIterator[tuple[bytearray, bool]]:
    """The body in pieces of a chunk or more, and with each whether it is the last, which may be short or empty."""
    piece = bytearray()
    async for chunk in chunks:
        if len(piece) >= CHUNK_BYTES:
            yield piece, False
            piece = bytearray()
        piece += chunk
    yield piece, True


def require_upload(db: Session, upload_id: str, *, lock: bool = True) -> Upload:
    """The upload of this id, by default locked until the transaction ends; raises a 404 Problem."""
    upload = db.get(Upload, upload_id, with_for_update=lock)
    if upload is None:
        raise not_found("there is no such upload")
    return upload


def finish_upload(registry: Registry, upload_id: str, parts: Sequence[Part], sha256: str) -> None:
    """Make a content of the parts of an upload and let the upload hold on to it.

    No transaction is open while bytes are hashed. Does nothing when another call has been quicker. Raises
    DigestMismatch, FileNotFoundError when parts are gone, and a 404 Problem when the upload is.
    """
    try:
        assembled = registry.contents.assemble(upload_id, parts, sha256)
    except (DigestMismatch, FileNotFoundError):
        with registry.database.reading() as db:
            if require_upload(db, upload_id, lock=False).content_sha256 is not None:
                return
        raise

    def keep(db: Session) -> None:
        upload = require_upload(db, upload_id)
        store_content(db, assembled, sha256, upload.size_bytes)
        upload.content_sha256, upload.touched_at = sha256, utc_now()
        if (
            upload.part_count > 1
        ):  # a part alone is not noted before it is found good, and then it is done with
            forget_parts(db, upload_id)

    try:
        registry.database.write(keep)
    finally:
        assembled.abort()
    registry.contents.drop_parts(upload_id)
