"""The OCI Distribution API, version 1.1: pull, push, content discovery, content management, referrers.

It shares ``/v2/`` with the NGC API: what follows decides. A repository begins with the name of its org, and no
org is called like a word of the NGC API (``images.API_WORDS``).

Sources: distribution-spec v1.1.1, contract/images.md sections 4 and 5; section numbers below are those of the
table of endpoints in the specification ("end-3").
"""

from __future__ import annotations

import json
import re
import uuid
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from ngc_cli.oci import manifest as oci
from ngc_cli.oci.descriptor import OCI_INDEX, is_digest
from ngc_cli.server import images
from ngc_cli.server.auth import scopes
from ngc_cli.server.auth.keys import find_key, key_in_basic, principal_of
from ngc_cli.server.auth.roles import GUEST, Action, Decision, decide
from ngc_cli.server.auth.scopes import API_VERSION, Scope, TokenAuthenticator, token_principal
from ngc_cli.server.clock import iso, utc_now
from ngc_cli.server.content.receive import receive_body
from ngc_cli.server.content.serve import matches, serve_content
from ngc_cli.server.content.store import DigestMismatch, Part
from ngc_cli.server.endpoint import ActionRoute, Authenticator, BaseCall, Call, StreamCall, route
from ngc_cli.server.images import RepositoryPath
from ngc_cli.server.metadata import (
    BlobUpload,
    BlobUploadPart,
    ImageManifest,
    ImageRepository,
    store_content,
)
from ngc_cli.server.problems import ErrorFormat, Problem

_RANGE = re.compile(r"(\d{1,18})-(\d{1,18})")
_REFERRERS_MAX_BYTES = oci.MANIFEST_MAX_BYTES - 1024
_LARGEST_BLOB_BYTES = 2**40
_MARK_EVERY_S = 1.0


class _Repository(Convertor[str]):
    """The part of a path that may name a repository: anything that does not begin like the NGC API."""

    regex = rf"(?!(?:{'|'.join(sorted(images.API_WORDS))})(?:/|$)).+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("repository", _Repository())


def is_oci_path(path: str) -> bool:
    """Whether a path belongs to the OCI API, also where that has nothing at it."""
    return (
        path == "/proxy_auth" or re.match(rf"/v2(?:/(?:_catalog|{_Repository.regex})?)?$", path) is not None
    )


# tokens


def proxy_auth(call: Call) -> Response:
    """A token for the scopes asked for, as far as the key's roles go; without a key, as far as guests may go.

    Unknown scopes and parameters are passed over. There is no refresh token, and so no POST.
    """
    header = call.request.headers.get("authorization")
    key = None
    if header is not None:
        try:
            key = find_key(call.db, key_in_basic(header))
        except Problem as problem:
            problem.headers["WWW-Authenticate"] = 'Basic realm="ngc"'
            raise
    principal = principal_of(key) if key is not None else GUEST
    texts = " ".join(call.request.query_params.getlist("scope")).split()
    asked = [scope for scope in map(Scope.parse, texts) if scope is not None]
    ttl_s = min(scopes.TOKEN_TTL_S, call.registry.config.token_ttl_s)
    issued_at = utc_now()
    token = scopes.issue(call.registry.signer, key, scopes.granted(call.db, principal, asked), ttl_s)
    return JSONResponse(
        {"token": token, "access_token": token, "expires_in": ttl_s, "issued_at": iso(issued_at)},
        headers={"Cache-Control": "no-store"},
    )


def base(call: Call) -> Response:
    """end-1: whether this is a registry, and whether the token is good."""
    token_principal(call.registry, call.db, call.request, None)
    return JSONResponse({}, headers=API_VERSION)


def catalog(call: Call) -> Response:
    """The repositories in the orgs and teams that the caller administers."""
    scope = Scope("registry", "catalog", ("*",))
    principal = token_principal(call.registry, call.db, call.request, scope)
    if principal.is_guest or not scope.is_granted_to(principal):
        raise scopes.challenge(call.request, scope, "authentication required", "insufficient_scope")
    rows = call.db.execute(
        select(ImageRepository.path, ImageRepository.org_id, ImageRepository.team_id).where(
            ImageRepository.is_published,
            ImageRepository.org_id.in_({item.org_id for item in principal.grants}),
        )
    )
    paths = sorted(
        path
        for path, org_id, team_id in rows
        if decide(principal, Action.PUBLISH, org_id, team_id) is Decision.YES
    )
    page, link = _page(call, paths, paths, "/v2/_catalog")
    return JSONResponse({"repositories": page}, headers=link)


# content discovery


def list_tags(call: Call) -> Response:
    """end-8: the tags in order, by pages when ``n`` is given."""
    repository = _repository(call)
    names = images.tag_names(call.db, repository)
    last = call.query.get("last")
    keys = [images.tag_order(name) for name in names]
    page, link = _page(
        call, names, keys, f"/v2/{repository.path}/tags/list", images.tag_order(last) if last else None
    )
    return JSONResponse({"name": repository.path, "tags": page}, headers=link)


def _page(
    call: Call, items: Sequence[str], keys: Sequence[Any], url: str, last: Any = None
) -> tuple[Sequence[str], dict[str, str]]:
    """The items that ``n`` and ``last`` ask for, and the header that links to the next page if there is one.

    ``keys`` are what the items are sorted by, ``last`` the key to begin after; by default the text itself.
    """
    text = call.query.get("n")
    if text is not None and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Problem(400, "'n' is not a number of results", code="UNSUPPORTED")
    start = bisect_right(keys, last or call.query.get("last")) if call.query.get("last") else 0
    end = len(items) if text is None else min(len(items), start + int(text))
    page = items[start:end]
    if end == len(items) or not page:
        return page, {}
    return page, {"Link": f'<{url}?n={text}&last={quote(page[-1], safe="")}>; rel="next"'}


def list_referrers(call: Call) -> Response:
    """end-12: an index of what refers to a digest; never 404, so that clients do not look for a tag instead.

    An answer stays below the size of a manifest; the rest follows its link.
    """
    subject = call.path["digest"]
    if not is_digest(subject):
        raise Problem(400, f"'{subject[:200]}' is not a digest", code="DIGEST_INVALID")
    wanted = call.query.get("artifactType", "")
    after = call.query.get("after", "")
    repository = images.find_repository(call.db, call.path["repository"])
    if repository is not None or not call.is_authorized:
        call.authorize(
            images.access_resource(repository) if repository is not None else None, call.path["repository"]
        )
    entries: list[dict[str, Any]] = []
    headers = {"OCI-Filters-Applied": "artifactType"} if wanted else {}
    size_bytes, last_id = 0, int(after) if after.isascii() and after.isdigit() else 0
    found = images.referrers(call.db, repository, subject, wanted, last_id) if repository is not None else ()
    for manifest in found:
        entry = _referrer(manifest)
        size_bytes += len(json.dumps(entry, ensure_ascii=False).encode())
        if entries and size_bytes > _REFERRERS_MAX_BYTES:
            url = f"/v2/{call.path['repository']}/referrers/{subject}?after={last_id}"
            url += f"&artifactType={quote(wanted, safe='')}" if wanted else ""
            headers["Link"] = f'<{url}>; rel="next"'
            break
        entries.append(entry)
        last_id = manifest.id
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    return JSONResponse(index, headers=headers, media_type=OCI_INDEX)


def _referrer(manifest: ImageManifest) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": manifest.size_bytes,
    }
    if manifest.artifact_type:
        entry["artifactType"] = manifest.artifact_type
    annotations = oci.parse(manifest.content, manifest.media_type).annotations
    return {**entry, "annotations": dict(annotations)} if annotations else entry


# manifests


def get_manifest(call: Call) -> Response:
    """end-3: the bytes as they were pushed, whatever the client says it accepts."""
    repository = _repository(call)
    manifest = _manifest(call, repository)
    headers = {
        "Content-Type": manifest.media_type,
        "Content-Length": str(manifest.size_bytes),
        "Docker-Content-Digest": manifest.digest,
        "ETag": f'"{manifest.digest}"',
    }
    condition = call.request.headers.get("if-none-match")
    if condition is not None and matches(condition, headers["ETag"]):
        del headers["Content-Length"]
        return Response(status_code=304, headers=headers)
    content = images.content_of(call.db, manifest) if call.request.method == "GET" else b""
    return Response(content, headers=headers)


def put_manifest(call: Call) -> Response:
    """end-7: store a manifest; the first one makes the repository show."""
    parsed = images.read_manifest(call.raw_body, call.request.headers.get("content-type", ""))
    path = RepositoryPath.parse(call.path["repository"])
    repository = images.repository_to_push_to(call.db, path, call.the_org, call.team, call.principal.user_id)
    reference = call.path["reference"]
    manifest = images.put_manifest(
        call.db, call.registry.contents, repository, reference, call.raw_body, parsed, call.principal.user_id
    )
    headers = {
        "Location": f"/v2/{path}/manifests/{manifest.digest}",
        "Docker-Content-Digest": manifest.digest,
    }
    if manifest.subject is not None:
        headers["OCI-Subject"] = manifest.subject
    return Response(status_code=201, headers=headers)


def delete_manifest(call: Call) -> Response:
    """end-9: by tag, remove the tag; by digest, the manifest and every tag on it."""
    repository = _repository(call)
    images.lock(call.db, repository)
    reference = call.path["reference"]
    if is_digest(reference):
        images.remove_manifest(call.db, repository, _manifest(call, repository))
    else:
        tag = images.find_tag(call.db, repository, reference)
        if tag is None:
            raise _no_manifest(repository, reference)
        images.remove_tag(call.db, repository, tag)
    return Response(status_code=202)


# blobs


def get_blob(call: Call) -> Response:
    """end-2: a blob or a range of it, from the origin of signed links where there is one, as nvcr.io does it.

    Who may push and asks whether it is here will not push it: it must still be here when the manifest comes.
    """
    repository = _repository(call)
    digest = call.path["digest"]
    blob = images.find_blob(call.db, repository, digest)
    if blob is None:
        raise _no_blob(repository, digest)
    age_s = (utc_now() - repository.pushed_to_at).total_seconds()
    if call.request.method == "HEAD" and age_s > _MARK_EVERY_S and _token_covers(call, "push"):
        call.registry.database.write(partial(images.lock, repository=repository))
    if call.request.method == "GET" and call.registry.config.files_url:
        link = call.registry.link(call.request, "GET", f"/links/content/{blob.sha256}")
        return RedirectResponse(link, headers={"Docker-Content-Digest": digest})  # 307
    return serve_content(
        call.registry.contents,
        call.request,
        blob.sha256,
        etag=f'"{digest}"',
        more_headers={"Docker-Content-Digest": digest},
    )


def delete_blob(call: Call) -> Response:
    """end-10: let go of a blob that no manifest of the repository needs."""
    repository = _repository(call)
    images.lock(call.db, repository)
    digest = call.path["digest"]
    blob = images.find_blob(call.db, repository, digest)
    if blob is None:
        raise _no_blob(repository, digest)
    if images.is_needed(call.db, repository, digest):
        raise Problem(405, f"an image of '{repository.path}' needs {digest}", code="UNSUPPORTED")
    call.db.delete(blob)
    return Response(status_code=202)


# uploads


@dataclass(frozen=True)
class _Progress:
    """An upload between two requests."""

    upload_id: str
    size_bytes: int


async def start_upload(call: StreamCall) -> Response:
    """end-4 and end-11: begin an upload; with ``digest`` take the blob at once, with ``mount`` from elsewhere."""
    path = RepositoryPath.parse(call.path["repository"])
    wanted, source, digest = (call.query.get(name, "") for name in ("mount", "from", "digest"))
    if wanted and source:
        mounted = await call.transact(partial(_mount, call, path, wanted, source))
        if mounted:
            return _created(path, wanted)
    if digest:
        _require_digest(digest)

    def begin(db: Session) -> str:
        repository = _push_target(call, db, path)
        upload = BlobUpload(id=str(uuid.uuid4()), repository_id=repository.id)
        db.add(upload)
        return upload.id

    upload_id = await call.transact(begin)
    if not digest:
        return _accepted(path, _Progress(upload_id, 0), 202)
    try:
        await _receive(call, path, upload_id)
        return await _finish(call, path, upload_id, digest)
    except BaseException:
        await _drop(call, upload_id)  # nobody else knows the address of this upload
        raise


async def continue_upload(call: StreamCall) -> Response:
    """end-5: append a chunk."""
    path = RepositoryPath.parse(call.path["repository"])
    upload_id = call.path["upload_id"]
    progress = await _receive(call, path, upload_id)
    response = _accepted(path, progress, 202)
    parts = await call.look_up(partial(_parts, upload_id=upload_id))
    if len(parts) > 1:
        response.background = BackgroundTask(call.registry.contents.hash_ahead, upload_id, parts)
    return response


async def end_upload(call: StreamCall) -> Response:
    """end-6: append what the request still brings, verify the digest and make it a blob of the repository."""
    path = RepositoryPath.parse(call.path["repository"])
    digest = call.query.get("digest", "")
    upload_id = call.path["upload_id"]
    await call.look_up(partial(_upload, call, upload_id))
    _require_digest(digest)
    await _receive(call, path, upload_id)
    return await _finish(call, path, upload_id, digest)


def upload_status(call: Call) -> Response:
    """end-13: how far an upload has come."""
    upload = _upload(call, call.path["upload_id"], call.db)
    path = RepositoryPath.parse(call.path["repository"])
    return _accepted(path, _Progress(upload.id, upload.size_bytes), 204)


async def cancel_upload(call: StreamCall) -> Response:
    """Forget an upload and what it brought."""
    upload = await call.look_up(partial(_upload, call, call.path["upload_id"]))
    await _drop(call, upload.id)
    return Response(status_code=204)


def _mount(call: StreamCall, path: RepositoryPath, digest: str, source: str, db: Session) -> bool:
    """Link a blob of another repository the caller may pull from; false leads to an upload, as for no such blob."""
    scope = Scope("repository", source, ("pull",))
    if not (scope.is_granted_to(call.principal) and scopes.may_access(db, call.principal, source, "pull")):
        return False
    repository = images.find_repository(db, source)
    blob = images.find_blob(db, repository, digest) if repository is not None else None
    if blob is None:
        return False
    images.link_blob(db, _push_target(call, db, path), digest, blob.sha256, blob.size_bytes)
    return True


class _Body:
    """The body of a request that ends where the connection breaks."""

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


async def _receive(call: StreamCall, path: RepositoryPath, upload_id: str) -> _Progress:
    """Append the body to an upload; what arrived before a connection broke is kept.

    Raises a 416 Problem when ``Content-Range`` does not begin where the upload ends, so also when two requests
    append at the same time.
    """
    number, progress = await call.transact(partial(_begin_part, call, path, upload_id))
    announced_bytes = _announced_bytes(call.request, path, progress)
    if announced_bytes == 0 or not _has_body(call.request):
        return progress
    body = _Body(call.request)
    part = await receive_body(
        body.chunks(),
        lambda: call.registry.contents.write_part(
            upload_id, number, size_bytes=announced_bytes or 0, hashed=number == 1
        ),
        limit_bytes=_LARGEST_BLOB_BYTES,
    )
    if body.is_whole and announced_bytes not in (None, part.size_bytes):
        raise Problem(400, f"{part.size_bytes} bytes arrived, not {announced_bytes}", code="SIZE_INVALID")
    if part.size_bytes:
        progress = await call.transact(partial(_end_part, call, path, number, part, progress))
    if not body.is_whole:
        raise ClientDisconnect
    return progress


def _has_body(request: Request) -> bool:
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"


def _announced_bytes(request: Request, path: RepositoryPath, progress: _Progress) -> int | None:
    """How many bytes the headers announce, or None when they say nothing."""
    text = request.headers.get("content-range")
    if text is not None:
        match = _RANGE.fullmatch(text)
        start, end = (int(match[1]), int(match[2])) if match is not None else (-1, -1)
        if start != progress.size_bytes or end < start:
            raise _out_of_order(path, progress)
        return end - start + 1
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else None


def _begin_part(call: StreamCall, path: RepositoryPath, upload_id: str, db: Session) -> tuple[int, _Progress]:
    _push_target(call, db, path)
    upload = _upload(call, upload_id, db)
    number = upload.next_part
    upload.next_part, upload.touched_at = number + 1, utc_now()
    return number, _Progress(upload.id, upload.size_bytes)


def _end_part(
    call: StreamCall, path: RepositoryPath, number: int, part: Part, before: _Progress, db: Session
) -> _Progress:
    _push_target(call, db, path)
    upload = _upload(call, before.upload_id, db)
    if upload.size_bytes != before.size_bytes:
        raise _out_of_order(path, _Progress(upload.id, upload.size_bytes))
    db.add(
        BlobUploadPart(
            upload_id=upload.id, number=number, key=part.key, size_bytes=part.size_bytes, sha256=part.sha256
        )
    )
    upload.size_bytes += part.size_bytes
    upload.touched_at = utc_now()
    return _Progress(upload.id, upload.size_bytes)


async def _finish(call: StreamCall, path: RepositoryPath, upload_id: str, digest: str) -> Response:
    """Make the parts a blob; raises a DIGEST_INVALID Problem, after which the upload is as it was."""
    store = call.registry.contents
    parts = await call.look_up(partial(_parts, upload_id=upload_id))
    algorithm, _, hexadecimal = digest.partition(":")

    def assemble() -> tuple[Sequence[Part], str, Any]:
        ready = parts or [store.write_part(upload_id, 0, hashed=True).finish()]  # the empty blob
        sha256 = hexadecimal
        if algorithm != "sha256":
            found = store.digest(upload_id, ready, algorithm)
            if found != hexadecimal:
                raise DigestMismatch(f"the bytes have {algorithm} {found}, not {hexadecimal}")
            sha256 = store.digest(upload_id, ready, "sha256")
        return ready, sha256, store.assemble(upload_id, ready, sha256)

    try:
        ready, sha256, assembled = await run_in_threadpool(assemble)
    except DigestMismatch as error:
        raise Problem(400, str(error), code="DIGEST_INVALID", detail={"digest": digest}) from error
    size_bytes = sum(part.size_bytes for part in ready)

    def publish(db: Session) -> None:
        repository = _push_target(call, db, path)
        upload = _upload(call, upload_id, db)
        if upload.size_bytes != size_bytes:  # something was appended meanwhile
            raise _out_of_order(path, _Progress(upload_id, upload.size_bytes))
        store_content(db, assembled, sha256, size_bytes)
        images.link_blob(db, repository, digest, sha256, size_bytes)
        db.delete(upload)

    try:
        await call.transact(publish)
    finally:
        await run_in_threadpool(assembled.abort)
    await run_in_threadpool(store.drop_parts, upload_id)
    return _created(path, digest)


async def _drop(call: StreamCall, upload_id: str) -> None:
    def forget(db: Session) -> None:
        upload = db.get(BlobUpload, upload_id)
        if upload is not None:
            db.delete(upload)

    await call.transact(forget)
    await run_in_threadpool(call.registry.contents.drop_parts, upload_id)


def _parts(db: Session, upload_id: str) -> list[Part]:
    rows = db.scalars(
        select(BlobUploadPart).where(BlobUploadPart.upload_id == upload_id).order_by(BlobUploadPart.number)
    )
    return [Part(row.key, row.size_bytes, row.sha256) for row in rows]


def _upload(call: BaseCall, upload_id: str, db: Session) -> BlobUpload:
    """The upload of this id into the repository in the path; raises a BLOB_UPLOAD_UNKNOWN Problem."""
    repository = images.find_repository(db, call.path["repository"])
    found = images.find_upload(db, repository, upload_id) if repository is not None else None
    if found is None:
        raise Problem(404, "there is no such upload", code="BLOB_UPLOAD_UNKNOWN")
    return found


def _push_target(call: StreamCall, db: Session, path: RepositoryPath) -> ImageRepository:
    return images.repository_to_push_to(db, path, call.the_org, call.team, call.principal.user_id)


# answers


def _accepted(path: RepositoryPath, progress: _Progress, status: int) -> Response:
    return Response(status_code=status, headers=_upload_headers(path, progress))


def _created(path: RepositoryPath, digest: str) -> Response:
    headers = {"Location": f"/v2/{path}/blobs/{digest}", "Docker-Content-Digest": digest}
    return Response(status_code=201, headers=headers)


def _upload_headers(path: RepositoryPath, progress: _Progress) -> dict[str, str]:
    return {
        "Location": f"/v2/{path}/blobs/uploads/{progress.upload_id}",
        "Range": f"0-{max(0, progress.size_bytes - 1)}",
        "Docker-Upload-UUID": progress.upload_id,
    }


def _out_of_order(path: RepositoryPath, progress: _Progress) -> Problem:
    return Problem(
        416,
        f"the upload has {progress.size_bytes} bytes: the next chunk must begin there",
        code="BLOB_UPLOAD_INVALID",
        headers=_upload_headers(path, progress),
    )


def _require_digest(digest: str) -> None:
    if not is_digest(digest):
        raise Problem(400, f"'{digest[:200]}' is not a digest", code="DIGEST_INVALID")


def _no_manifest(repository: ImageRepository, reference: str) -> Problem:
    return Problem(404, f"'{repository.path}' has no '{reference[:200]}'", code="MANIFEST_UNKNOWN")


def _no_blob(repository: ImageRepository, digest: str) -> Problem:
    return Problem(404, f"'{repository.path}' has no blob {digest[:200]}", code="BLOB_UNKNOWN")


# what every request needs


def _repository(call: BaseCall, db: Session | None = None) -> ImageRepository:
    """The repository in the path, which the caller may do this to; raises a Problem."""
    session = call.db if isinstance(call, Call) else db
    assert session is not None
    path = call.path["repository"]
    found = images.find_repository(session, path)
    call.authorize(images.access_resource(found) if found is not None else None, f"repository '{path}'")
    assert found is not None  # authorize refuses what does not exist
    return found


def _manifest(call: Call, repository: ImageRepository) -> ImageManifest:
    reference = call.path["reference"]
    found = images.find_manifest(call.db, repository, reference)
    if found is None:
        raise _no_manifest(repository, reference)
    return found


def _token_covers(call: BaseCall, action: str) -> bool:
    return Scope("repository", call.path["repository"], (action,)).is_granted_to(call.principal)


def _oci(
    path: str, methods: Sequence[str], endpoint: Any, action: Action, *scope_actions: str
) -> ActionRoute:
    """A route under ``/v2/<repository>/``; its token must cover these actions."""
    return route(
        f"/v2/{{repository:repository}}/{path}",
        methods,
        endpoint,
        action=action,
        authenticator=TokenAuthenticator(*scope_actions),
    )


_OPEN = Authenticator(ErrorFormat.OCI)


def _open(path: str, endpoint: Any) -> ActionRoute:
    """A route outside of repositories."""
    return route(path, ["GET"], endpoint, action=Action.ANYONE, authenticator=_OPEN)


_PULL = (Action.DOWNLOAD, "pull")
_PUSH = (Action.PUSH, "pull", "push")
_DELETE = (Action.DELETE_IMAGE, "delete")

ROUTES = [
    _open("/proxy_auth", proxy_auth),
    _open("/v2/", base),
    _open("/v2", base),
    _open("/v2/_catalog", catalog),
    _oci("tags/list", ["GET"], list_tags, *_PULL),
    _oci("referrers/{digest}", ["GET"], list_referrers, *_PULL),
    _oci("manifests/{reference}", ["GET"], get_manifest, *_PULL),
    _oci("manifests/{reference}", ["PUT"], put_manifest, *_PUSH),
    _oci("manifests/{reference}", ["DELETE"], delete_manifest, *_DELETE),
    _oci("blobs/uploads/", ["POST"], start_upload, *_PUSH),
    _oci("blobs/uploads", ["POST"], start_upload, *_PUSH),
    _oci("blobs/uploads/{upload_id}", ["GET"], upload_status, *_PUSH),
    _oci("blobs/uploads/{upload_id}", ["PATCH"], continue_upload, *_PUSH),
    _oci("blobs/uploads/{upload_id}", ["PUT"], end_upload, *_PUSH),
    _oci("blobs/uploads/{upload_id}", ["DELETE"], cancel_upload, *_PUSH),
    _oci("blobs/{digest}", ["GET"], get_blob, *_PULL),
    _oci("blobs/{digest}", ["DELETE"], delete_blob, *_DELETE),
]
