"""Manifests: pull, push, delete, and what refers to them."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

from starlette.responses import JSONResponse, Response

from ngc_cli.oci import manifest as oci
from ngc_cli.oci.descriptor import OCI_INDEX, is_digest
from ngc_cli.server.content.serve import matches
from ngc_cli.server.endpoint import Call
from ngc_cli.server.images import manifests, repositories, tags
from ngc_cli.server.images.names import RepositoryPath
from ngc_cli.server.metadata import ImageManifest, ImageRepository
from ngc_cli.server.problems import Problem
from ngc_cli.server.routes.distribution.repository import (
    DELETE,
    PULL,
    PUSH,
    find_repository,
    repository_route,
    require_digest,
)
from ngc_cli.server.search.terms import index_repository

# What our own links say: an id as the database holds it, never one too large for it.
_AFTER = re.compile(r"[0-9]{1,18}")
# Clients read an index of at most that size; 1 KiB frames it.
_REFERRERS_MAX_BYTES = oci.MANIFEST_MAX_BYTES - 1024


def get_manifest(call: Call) -> Response:
    """end-3: the bytes as they were pushed, whatever the client says it accepts."""
    repository = find_repository(call, call.db)
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
    content = manifests.content_of(call.db, manifest) if call.request.method == "GET" else b""
    return Response(content, headers=headers)


def put_manifest(call: Call) -> Response:
    """end-7: store a manifest; the first one makes the repository show."""
    parsed = manifests.parse_manifest(call.raw_body, call.request.headers.get("content-type", ""))
    path = RepositoryPath.parse(call.path["repository"])
    repository = repositories.lock_or_create(call.db, path, call.the_org, call.team, call.principal.user_id)
    reference = call.path["reference"]
    manifest = manifests.store_manifest(
        call.db, call.registry.contents, repository, reference, call.raw_body, parsed, call.principal.user_id
    )
    index_repository(call.db, repository)
    headers = {
        "Location": f"/v2/{path}/manifests/{manifest.digest}",
        "Docker-Content-Digest": manifest.digest,
    }
    if manifest.subject is not None:
        headers["OCI-Subject"] = manifest.subject
    return Response(status_code=201, headers=headers)


def delete_manifest(call: Call) -> Response:
    """end-9: by tag, remove the tag; by digest, the manifest and every tag on it."""
    repository = find_repository(call, call.db)
    repositories.lock(call.db, repository)
    reference = call.path["reference"]
    if is_digest(reference):
        manifests.remove_manifest(call.db, repository, _manifest(call, repository))
    else:
        tag = tags.find_tag(call.db, repository, reference)
        if tag is None:
            raise _no_manifest(repository, reference)
        tags.remove_tag(call.db, repository, tag)
    index_repository(call.db, repository)
    return Response(status_code=202)


def list_referrers(call: Call) -> Response:
    """end-12: an index of what refers to a digest; never 404, so that clients do not look for a tag instead.

    An answer stays below the size of a manifest; the rest follows its link.
    """
    subject = require_digest(call.path["digest"])
    wanted = call.query.get("artifactType", "")
    after = _AFTER.fullmatch(call.query.get("after", ""))
    repository = repositories.find_repository(call.db, call.path["repository"])
    if repository is not None or not call.is_authorized:
        find_repository(call, call.db)
    entries: list[dict[str, Any]] = []
    headers = {"OCI-Filters-Applied": "artifactType"} if wanted else {}
    size_bytes, last_id = 0, int(after[0]) if after else 0
    found = (
        manifests.referrers(call.db, repository, subject, wanted, last_id) if repository is not None else ()
    )
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


def _manifest(call: Call, repository: ImageRepository) -> ImageManifest:
    reference = call.path["reference"]
    found = manifests.find_manifest(call.db, repository, reference)
    if found is None:
        raise _no_manifest(repository, reference)
    return found


def _no_manifest(repository: ImageRepository, reference: str) -> Problem:
    return Problem(404, f"'{repository.path}' has no '{reference[:200]}'", code="MANIFEST_UNKNOWN")


ROUTES = [
    repository_route("referrers/{digest}", ["GET"], list_referrers, *PULL),
    repository_route("manifests/{reference}", ["GET"], get_manifest, *PULL),
    repository_route("manifests/{reference}", ["PUT"], put_manifest, *PUSH),
    repository_route("manifests/{reference}", ["DELETE"], delete_manifest, *DELETE),
]
