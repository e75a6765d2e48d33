"""What signed links lead to: contents to be fetched, parts of uploads to be sent.

Source: docs/protocol/transfers.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from ngc_cli.server import uploads
from ngc_cli.server.auth.roles import Action
from ngc_cli.server.content.receive import receive_body
from ngc_cli.server.content.serve import serve_content
from ngc_cli.server.content.store import Part
from ngc_cli.server.endpoint import Call, StreamCall, route
from ngc_cli.server.problems import not_found, unprocessable


def attachment(path: str) -> dict[str, str]:
    """To be saved, not shown: what others have uploaded must not run in a browser as a page of the registry."""
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(path.rpartition('/')[2], safe='')}"}


def content(call: Call) -> Response:
    """The bytes of a content."""
    sha256 = call.path["sha256"]
    return serve_content(call.registry.contents, call.request, sha256, more_headers=attachment(sha256))


@dataclass(frozen=True)
class _Arriving:
    """A part that is about to arrive; ``sha256`` is that of the file."""

    upload_id: str
    number: int
    size_bytes: int
    is_whole_file: bool
    sha256: str


async def receive_part(call: StreamCall) -> Response:
    """Take one part. The same part again replaces it; one of an upload that is complete is read and dropped.

    A part that is the whole file is checked at once and completes its upload; the call for that finds it done.
    """
    arriving = await call.look_up(partial(_arriving, call.path["upload"], call.path["number"]))
    if arriving is None:
        async for _ in call.chunks():
            pass
        return Response(status_code=200)
    size_bytes, number, whole = arriving.size_bytes, arriving.number, arriving.is_whole_file
    announced = call.request.headers.get("content-length")
    if announced is not None and announced != str(size_bytes):
        raise unprocessable(f"part {number} must have {size_bytes} bytes, not {announced}")
    store = call.registry.contents
    part = await receive_body(
        call.chunks(),
        lambda: store.write_part(arriving.upload_id, number, size_bytes=size_bytes, hashed=whole),
        limit_bytes=size_bytes,
        sha256=arriving.sha256 if whole else "",
    )
    if part.size_bytes != size_bytes:
        raise unprocessable(f"part {number} must have {size_bytes} bytes, not {part.size_bytes}")
    if whole:
        await run_in_threadpool(uploads.finish_file, call.registry, arriving.upload_id, [part], part.sha256)
    else:
        leading = await call.transact(partial(_record_part, arriving, part))
        _in_background(run_in_threadpool(store.hash_ahead, arriving.upload_id, leading))
    return Response(status_code=200)


def _arriving(upload_id: str, number_text: str, db: Session) -> _Arriving | None:
    """The part a path names, or None when its upload is complete; raises a 404 Problem."""
    upload = uploads.require(db, upload_id, lock=False)
    number = int(number_text) if number_text.isascii() and number_text.isdigit() else 0
    if not 1 <= number <= upload.part_count:
        raise not_found("there is no such part")
    if upload.content_sha256 is not None:
        return None
    return _Arriving(upload_id, number, upload.size_of_part(number), upload.part_count == 1, upload.sha256)


def _record_part(arrived: _Arriving, part: Part, db: Session) -> list[Part]:
    """Record a part; returns those that are here from the first on without a gap."""
    uploads.record_part(db, uploads.require(db, arrived.upload_id), arrived.number, part)
    parts = enumerate(uploads.parts_of(db, arrived.upload_id), start=1)
    return [row.stored for position, row in parts if row.number == position]


_background: set[asyncio.Future[Any]] = set()


def _in_background(work: Coroutine[Any, Any, Any]) -> None:
    """Run something nobody waits for; the loop itself would let go of it before it is done."""
    task = asyncio.ensure_future(work)
    _background.add(task)
    task.add_done_callback(_background.discard)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())


ROUTES = [
    route("/links/content/{sha256}", ["GET"], content, action=Action.LINK),
    route("/links/parts/{upload}/{number}", ["PUT"], receive_part, action=Action.LINK),
]
