"""Receives request bodies into the content store, in bounded memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from starlette.concurrency import run_in_threadpool

from ngc_cli.server.content.store import CHUNK_BYTES, DigestMismatch, Part, PartWriter
from ngc_cli.server.problems import unprocessable


async def receive_body(
    chunks: AsyncIterator[bytes], open_writer: Callable[[], PartWriter], *, limit_bytes: int, sha256: str = ""
) -> Part:
    """Write a body to the store in large pieces, the next one arriving while the last is written.

    Raises a 422 Problem for more than ``limit_bytes``, and for a body that has not the ``sha256`` it must have. When
    the request breaks off, what arrived is dropped.
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
