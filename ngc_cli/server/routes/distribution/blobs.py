"""Blobs: pull, check, delete."""

from __future__ import annotations

from functools import partial

from starlette.responses import RedirectResponse, Response

from ngc_cli.server.auth.scopes import Scope
from ngc_cli.server.clock import utc_now
from ngc_cli.server.content.serve import serve_content
from ngc_cli.server.endpoint import Call
from ngc_cli.server.images import repositories
from ngc_cli.server.metadata import ImageBlob, ImageRepository
from ngc_cli.server.problems import Problem
from ngc_cli.server.routes.distribution.repository import DELETE, PULL, find_repository, repository_route

_MARK_EVERY_S = 1.0  # a push asks for many layers at once: one write a second keeps the repository in use


def get_blob(call: Call) -> Response:
    """end-2: a blob or a range of it, from the origin of signed links where there is one, as nvcr.io does it.

    **A HEAD may write.** A client with push rights that finds a blob here will not upload it, so the blob must still
    be here when the manifest comes: ``_hold_for_push``.
    """
    repository, blob = _find_blob(call)
    if call.request.method == "HEAD":
        _hold_for_push(call, repository)
    elif call.registry.config.files_url:
        link = call.link("GET", f"/links/content/{blob.sha256}")
        return RedirectResponse(link, headers={"Docker-Content-Digest": blob.digest})  # 307
    return serve_content(
        call.registry.contents,
        call.request,
        blob.sha256,
        etag=f'"{blob.digest}"',
        more_headers={"Docker-Content-Digest": blob.digest},
    )


def _hold_for_push(call: Call, repository: ImageRepository) -> None:
    """Keep the garbage collector off a repository whose blobs a pusher asks for; writes, in its own transaction."""
    age_s = (utc_now() - repository.pushed_to_at).total_seconds()
    pushes = Scope("repository", repository.path, ("push",)).is_granted_to(call.principal)
    if age_s > _MARK_EVERY_S and pushes:
        call.registry.database.write(partial(repositories.lock, repository=repository))


def delete_blob(call: Call) -> Response:
    """end-10: remove a blob that no manifest of the repository refers to."""
    repository = find_repository(call, call.db)
    repositories.lock(call.db, repository)
    _, blob = _find_blob(call)
    if repositories.is_needed(call.db, repository, blob.digest):
        raise Problem(405, f"an image of '{repository.path}' needs {blob.digest}", code="UNSUPPORTED")
    call.db.delete(blob)
    return Response(status_code=202)


def _find_blob(call: Call) -> tuple[ImageRepository, ImageBlob]:
    """The blob in the path, with its repository; raises a BLOB_UNKNOWN Problem."""
    repository = find_repository(call, call.db)
    digest = call.path["digest"]
    blob = repositories.find_blob(call.db, repository, digest)
    if blob is None:
        raise Problem(404, f"'{repository.path}' has no blob {digest[:200]}", code="BLOB_UNKNOWN")
    return repository, blob


ROUTES = [
    repository_route("blobs/{digest}", ["GET"], get_blob, *PULL),
    repository_route("blobs/{digest}", ["DELETE"], delete_blob, *DELETE),
]
