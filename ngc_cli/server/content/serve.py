"""Sends contents: ranges, entity tags and conditions of RFC 9110, in bounded memory.

The entity tag is the sha256 of the whole content.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ngc_cli.server.content.store import CHUNK_BYTES, ContentStore, Reader
from ngc_cli.server.problems import Problem, not_found

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True)
class Slice:
    """Bytes of a content: the first, how many, and whether they were asked for as a range."""

    start: int
    length: int
    is_range: bool


def slice_for(headers: Mapping[str, str], size_bytes: int, etag: str) -> Slice:
    """The bytes a request asks for; raises a 416 Problem when the content has none of them.

    What is no single, well-formed range is ignored, as RFC 9110 14.2 has it; the official client asks for
    ``bytes=0--1`` of an empty file.
    """
    whole = Slice(0, size_bytes, is_range=False)
    match = _RANGE.fullmatch(headers.get("range", "").replace(" ", ""))
    if match is None or headers.get("if-range", etag) != etag:
        return whole
    first, last = match[1], match[2]
    if (first and last and int(first) > int(last)) or not (first or last):
        return whole
    if first:
        start = int(first)
        end = min(int(last) + 1, size_bytes) if last else size_bytes
    else:
        start, end = max(0, size_bytes - int(last)), size_bytes
    if start >= end:
        raise Problem(
            416, "the file ends before that range", headers={"Content-Range": f"bytes */{size_bytes}"}
        )
    return Slice(start, end - start, is_range=True)


def serve_content(
    store: ContentStore,
    request: Request,
    sha256: str,
    *,
    etag: str = "",
    more_headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer to a GET or HEAD for a content; reads it only when one chunk holds all that is wanted.

    Raises a 404 Problem for a content that is not there, 412 and 416 Problems by the request's conditions.
    """
    headers = request.headers
    etag = etag or f'"{sha256}"'
    if not matches(headers.get("if-match", "*"), etag):
        raise Problem(412, "the file is not the one the condition names")
    if "if-none-match" in headers and matches(headers["if-none-match"], etag):
        return Response(status_code=304, headers={"ETag": etag})
    size_bytes = store.size(sha256)
    if size_bytes is None:
        raise not_found("there is no such content")
    wanted = slice_for(headers, size_bytes, etag)
    answer_headers = {
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Content-Type": "application/octet-stream",
        "Content-Length": str(wanted.length),
        "X-Content-Type-Options": "nosniff",
        **(more_headers or {}),
    }
    status = 200
    if wanted.is_range:
        status = 206
        last = wanted.start + wanted.length - 1
        answer_headers["Content-Range"] = f"bytes {wanted.start}-{last}/{size_bytes}"
    if request.method == "HEAD":
        return Response(None, status, answer_headers)
    reader = store.open_range(sha256, wanted.start, wanted.length)
    if wanted.length > CHUNK_BYTES:
        return StreamingResponse(_chunks(reader), status, answer_headers)
    try:
        chunks = []
        while chunk := reader.read(CHUNK_BYTES):
            chunks.append(chunk)
    finally:
        reader.close()
    return Response(b"".join(chunks), status, answer_headers)


async def _chunks(reader: Reader) -> AsyncIterator[bytes]:
    try:
        while chunk := await run_in_threadpool(reader.read, CHUNK_BYTES):
            yield chunk
    finally:
        reader.close()


def matches(condition: str, etag: str) -> bool:
    """Whether the value of If-Match or If-None-Match names this entity tag."""
    return condition.strip() == "*" or etag in (item.strip() for item in condition.split(","))
