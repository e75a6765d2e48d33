"""Uploads of blobs, whole or in chunks that are appended ("Pushing blobs" of the distribution specification)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy.orm import Session
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from ngc_cli.server import uploads
from ngc_cli.server.auth.scopes import Scope, may_access
from ngc_cli.server.content.receive import receive_body
from ngc_cli.server.content.store import Assembled, ContentStore, DigestMismatch, Part
from ngc_cli.server.endpoint import BaseCall, Call, StreamCall
from ngc_cli.server.images import repositories
from ngc_cli.server.images.names import RepositoryPath
from ngc_cli.server.metadata import ImageRepository, UploadSession, store_content
from ngc_cli.server.problems import Problem
from ngc_cli.server.routes.distribution.repository import PUSH, repository_route, require_digest

_RANGE = re.compile(r"(\d{1,18})-(\d{1,18})")
_BLOB_MAX_BYTES = 2**40  # 1 TiB, as for files: far above any layer, and a bound on what one request may fill


@dataclass(frozen=True)
class _Progress:
    """An upload between two requests: the repository, the session and how many bytes it has."""

    path: RepositoryPath
    upload_id: str
    received_bytes: int

    def headers(self) -> dict[str, str]:
        return {
            "Location": f"/v2/{self.path}/blobs/uploads/{self.upload_id}",
            "Range": f"0-{max(0, self.received_bytes - 1)}",
            "Docker-Upload-UUID": self.upload_id,
        }

    def response(self, status: int) -> Response:
        return Response(status_code=status, headers=self.headers())

    def out_of_order(self) -> Problem:
        return Problem(
            416,
            f"the upload has {self.received_bytes} bytes: the next chunk must begin there",
            code="BLOB_UPLOAD_INVALID",
            headers=self.headers(),
        )


async def start_upload(call: StreamCall) -> Response:
    """end-4 and end-11: begin an upload; with ``digest`` take the blob at once, with ``mount`` from elsewhere."""
    path = RepositoryPath.parse(call.path["repository"])
    mount, source, digest = (call.query.get(name, "") for name in ("mount", "from", "digest"))
    if mount and source:
        mounted = await call.transact(partial(_mount, call, path, mount, source))
        if mounted:
            return _created(path, mount)
    if digest:
        require_digest(digest)

    def begin(db: Session) -> str:
        repository = _push_target(call, db)
        return uploads.begin(db, UploadSession(repository_id=repository.id)).id

    upload_id = await call.transact(begin)
    if not digest:
        return _Progress(path, upload_id, 0).response(202)
    try:
        await _receive(call, upload_id)
        return await _finish(call, upload_id, digest)
    except BaseException:  # nobody else knows the address of this upload
        await run_in_threadpool(uploads.drop, call.registry, upload_id)
        raise


async def continue_upload(call: StreamCall) -> Response:
    """end-5: append a chunk."""
    upload_id = call.path["upload_id"]
    response = (await _receive(call, upload_id)).response(202)
    parts = await call.look_up(partial(_stored_parts, upload_id=upload_id))
    if len(parts) > 1:
        response.background = BackgroundTask(call.registry.contents.hash_ahead, upload_id, parts)
    return response


async def end_upload(call: StreamCall) -> Response:
    """end-6: append what the request still brings, verify the digest and make it a blob of the repository."""
    upload_id = call.path["upload_id"]
    await call.look_up(partial(_progress, call, upload_id))
    digest = require_digest(call.query.get("digest", ""))
    await _receive(call, upload_id)
    return await _finish(call, upload_id, digest)


def upload_status(call: Call) -> Response:
    """end-13: how many bytes of an upload have arrived."""
    return _progress(call, call.path["upload_id"], call.db).response(204)


async def cancel_upload(call: StreamCall) -> Response:
    """Drop an upload and its parts."""
    progress = await call.look_up(partial(_progress, call, call.path["upload_id"]))
    await run_in_threadpool(uploads.drop, call.registry, progress.upload_id)
    return Response(status_code=204)


def _mount(call: StreamCall, path: RepositoryPath, digest: str, source: str, db: Session) -> bool:
    """Link a blob of another repository the principal may pull from; on False the client uploads it instead."""
    scope = Scope("repository", source, ("pull",))
    if not (scope.is_granted_to(call.principal) and may_access(db, call.principal, source, "pull")):
        return False
    repository = repositories.find_repository(db, source)
    blob = repositories.find_blob(db, repository, digest) if repository is not None else None
    if blob is None:
        return False
    repositories.link_blob(db, _push_target(call, db), digest, blob.sha256, blob.size_bytes)
    return True


class _Body:
    """The body of a request; it ends, and is not whole, where the connection breaks."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.is_whole = True

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes as they arrive."""
        try:
            async for chunk in self._request.stream():
                yield chunk
        except ClientDisconnect:
            self.is_whole = False


async def _receive(call: StreamCall, upload_id: str) -> _Progress:
    """Append the body to an upload; what arrived before a connection broke is kept.

    Raises a 416 Problem when ``Content-Range`` does not begin where the upload ends, so also when two requests
    append at the same time.
    """
    progress = await call.transact(partial(_begin_chunk, call, upload_id))
    announced_bytes = _announced_bytes(call.request, progress)
    if announced_bytes == 0 or not _has_body(call.request):
        return progress
    body = _Body(call.request)
    part = await receive_body(
        body.chunks(),
        lambda: call.registry.contents.write_part(
            upload_id, 1, size_bytes=announced_bytes or 0, hashed=progress.received_bytes == 0
        ),
        limit_bytes=_BLOB_MAX_BYTES,
    )
    if body.is_whole and announced_bytes not in (None, part.size_bytes):
        raise Problem(400, f"{part.size_bytes} bytes arrived, not {announced_bytes}", code="SIZE_INVALID")
    if part.size_bytes:
        progress = await call.transact(partial(_end_chunk, call, part, progress))
    if not body.is_whole:
        raise ClientDisconnect
    return progress


def _has_body(request: Request) -> bool:
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"


def _announced_bytes(request: Request, progress: _Progress) -> int | None:
    """How many bytes the headers announce, or None when they do not."""
    text = request.headers.get("content-range")
    if text is not None:
        match = _RANGE.fullmatch(text)
        start, end = (int(match[1]), int(match[2])) if match is not None else (-1, -1)
        if start != progress.received_bytes or end < start:
            raise progress.out_of_order()
        return end - start + 1
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else None


def _begin_chunk(call: StreamCall, upload_id: str, db: Session) -> _Progress:
    """Mark the repository as being pushed to; returns where the chunk must begin."""
    _push_target(call, db)
    return _progress(call, upload_id, db)


def _end_chunk(call: StreamCall, part: Part, before: _Progress, db: Session) -> _Progress:
    """Record a chunk that has arrived, unless another was appended meanwhile."""
    _push_target(call, db)
    upload, progress = _session(call, before.upload_id, db)
    if progress != before:
        raise progress.out_of_order()
    uploads.record_part(db, upload, len(uploads.parts_of(db, upload.id)) + 1, part)
    return _Progress(before.path, before.upload_id, before.received_bytes + part.size_bytes)


async def _finish(call: StreamCall, upload_id: str, digest: str) -> Response:
    """Make the parts a blob; raises a DIGEST_INVALID Problem, after which the upload is as it was."""
    parts = await call.look_up(partial(_stored_parts, upload_id=upload_id))

    def finish() -> None:
        store = call.registry.contents
        ready = parts or [store.write_part(upload_id, 1, hashed=True).finish()]  # the empty blob
        sha256, size_bytes = (
            _verified_sha256(store, upload_id, ready, digest),
            sum(p.size_bytes for p in ready),
        )

        def publish(db: Session, assembled: Assembled) -> None:
            repository = _push_target(call, db)
            upload, progress = _session(call, upload_id, db)
            if progress.received_bytes != size_bytes:  # something was appended meanwhile
                raise progress.out_of_order()
            store_content(db, assembled, sha256, size_bytes)
            repositories.link_blob(db, repository, digest, sha256, size_bytes)
            db.delete(upload)

        uploads.finish(call.registry, upload_id, ready, sha256, publish)

    try:
        await run_in_threadpool(finish)
    except DigestMismatch as error:
        raise Problem(400, str(error), code="DIGEST_INVALID", detail={"digest": digest}) from error
    return _created(RepositoryPath.parse(call.path["repository"]), digest)


def _verified_sha256(store: ContentStore, upload_id: str, parts: Sequence[Part], digest: str) -> str:
    """The sha256 the parts must have; those of a digest of another algorithm are read here and verified."""
    algorithm, _, expected = digest.partition(":")
    if algorithm == "sha256":
        return expected  # the store verifies it
    found = store.digest(upload_id, parts, algorithm)
    if found != expected:
        raise DigestMismatch(f"the bytes have {algorithm} {found}, not {expected}")
    return store.digest(upload_id, parts, "sha256")


def _stored_parts(db: Session, upload_id: str) -> list[Part]:
    return [part.stored for part in uploads.parts_of(db, upload_id)]


def _progress(call: BaseCall, upload_id: str, db: Session) -> _Progress:
    """How far an upload into the repository in the path has come; raises a BLOB_UPLOAD_UNKNOWN Problem."""
    return _session(call, upload_id, db, lock=False)[1]


def _session(
    call: BaseCall, upload_id: str, db: Session, *, lock: bool = True
) -> tuple[UploadSession, _Progress]:
    """An upload into the repository in the path, by default locked, and how far it has come; raises a Problem."""
    path = RepositoryPath.parse(call.path["repository"])
    repository = repositories.find_repository(db, path)
    found = db.get(UploadSession, upload_id, with_for_update=lock)
    if repository is None or found is None or found.repository_id != repository.id:
        raise Problem(404, "there is no such upload", code="BLOB_UPLOAD_UNKNOWN")
    return found, _Progress(path, found.id, uploads.received_bytes(db, found.id))


def _push_target(call: StreamCall, db: Session) -> ImageRepository:
    """The repository in the path, created by its first push, locked and marked as being pushed to."""
    path = RepositoryPath.parse(call.path["repository"])
    return repositories.lock_or_create(db, path, call.the_org, call.team, call.principal.user_id)


def _created(path: RepositoryPath, digest: str) -> Response:
    headers = {"Location": f"/v2/{path}/blobs/{digest}", "Docker-Content-Digest": digest}
    return Response(status_code=201, headers=headers)


ROUTES = [
    repository_route("blobs/uploads/", ["POST"], start_upload, *PUSH),
    repository_route("blobs/uploads", ["POST"], start_upload, *PUSH),
    repository_route("blobs/uploads/{upload_id}", ["GET"], upload_status, *PUSH),
    repository_route("blobs/uploads/{upload_id}", ["PATCH"], continue_upload, *PUSH),
    repository_route("blobs/uploads/{upload_id}", ["PUT"], end_upload, *PUSH),
    repository_route("blobs/uploads/{upload_id}", ["DELETE"], cancel_upload, *PUSH),
]
