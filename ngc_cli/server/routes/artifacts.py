"""Models and resources and their versions, one implementation: the kinds differ only by ``server.kinds``.

Source: docs/protocol/conventions.md and docs/protocol/artifacts.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial, update_wrapper
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import joinedload

from ngc_cli.server.artifacts.queries import (
    artifact_object,
    find_artifact,
    find_version,
    latest_versions,
    permitted_artifact,
    permitted_version,
    version_object,
)
from ngc_cli.server.artifacts.schema import (
    KINDS,
    Kind,
    check_members,
    flag,
    merge_details,
    require_name,
    require_version,
    texts,
)
from ngc_cli.server.auth.roles import Action, Decision
from ngc_cli.server.clock import utc_now
from ngc_cli.server.endpoint import ActionRoute, Call, Endpoint, route
from ngc_cli.server.metadata import Artifact, File, Version
from ngc_cli.server.paging import PAGE_SIZE_MAX, Window
from ngc_cli.server.problems import conflict, exists, unprocessable
from ngc_cli.server.search.terms import index_artifact

# Orders that a client may ask for; any other word means that of the version numbers.
_VERSION_ORDERS: Mapping[str, tuple[Any, ...]] = {
    "ALPHABETIC": (Version.name,),
    "CREATED_DATE": (Version.created_at, Version.id),
    "UPDATED_DATE": (Version.updated_at, Version.id),
}
KindEndpoint = Callable[[Kind, Call], Any]


def create(kind: Kind, call: Call) -> dict[str, Any]:
    """A new artifact without versions."""
    body = call.body
    name = require_name(body.get("name"))
    details = merge_details({}, check_members(kind.members, body))
    missing = [member for member in kind.required if not details.get(member)]
    if missing:
        raise unprocessable(f"a {kind.noun} needs {', '.join(missing)}")
    if find_artifact(call.db, kind, call.the_org, call.team, name) is not None:
        raise exists(f"{kind.noun} '{name}' already exists")
    artifact = Artifact(
        kind=kind.segment,
        org=call.the_org,
        team=call.team,
        name=name,
        path="/".join(filter(None, (call.the_org.name, call.team.name if call.team else "", name))),
        owner_id=call.principal.user_id,
        details=details,
        labels=texts("labelsV2", body.get("labelsV2") or []),
    )
    call.db.add(artifact)
    index_artifact(call.db, kind.search_type, artifact)
    return {kind.one: artifact_object(kind, artifact, None)}


def info(kind: Kind, call: Call) -> dict[str, Any]:
    """One artifact."""
    artifact = permitted_artifact(kind, call)
    latest = latest_versions(call.db, [artifact.id]).get(artifact.id)
    return {kind.one: artifact_object(kind, artifact, latest)}


def update(kind: Kind, call: Call) -> dict[str, Any]:
    """Change the members that are sent; labels are replaced as a whole, a dataset member by member.

    ``publicDatasetUsed: {}`` comes with every update of the official client and changes nothing. ``isPublic`` and
    ``canGuestDownload`` are our extension, for administrators.
    """
    artifact = permitted_artifact(kind, call)
    body = call.body
    artifact.details = merge_details(artifact.details, check_members(kind.members, body))
    if body.get("labelsV2") is not None:
        artifact.labels = texts("labelsV2", body["labelsV2"])
    opened = check_members({"isPublic": flag, "canGuestDownload": flag}, body)
    if opened:
        call.require(Action.PUBLISH, call.team.id if call.team else None)
        artifact.is_public = opened.get("isPublic", artifact.is_public)
        artifact.guest_access = opened.get("canGuestDownload", artifact.guest_access)
    artifact.updated_at = utc_now()
    index_artifact(call.db, kind.search_type, artifact)
    latest = latest_versions(call.db, [artifact.id]).get(artifact.id)
    return {kind.one: artifact_object(kind, artifact, latest)}


def remove(kind: Kind, call: Call) -> dict[str, Any]:
    """Remove an artifact with all its versions; the collector reclaims the bytes that nothing else uses."""
    artifact = permitted_artifact(kind, call)
    call.db.execute(delete(Artifact).where(Artifact.id == artifact.id))
    return {}


def create_version(kind: Kind, call: Call) -> dict[str, Any]:
    """A new version that waits for its files."""
    artifact = permitted_artifact(kind, call)
    body = call.body
    name = require_version(body.get("versionId"))
    found = find_version(call.db, artifact, name)
    if found is not None:
        raise exists(f"version '{name}' of {kind.noun} '{artifact.name}' already exists")
    version = Version(
        artifact=artifact,
        name=name,
        owner_id=call.principal.user_id,
        details=check_members(kind.version_members, body),
    )
    call.db.add(version)
    call.db.flush()
    return _version_answer(kind, call, version)


def list_versions(kind: Kind, call: Call) -> dict[str, Any]:
    """The versions in the order asked for; those that are not complete only for members."""
    artifact = permitted_artifact(kind, call)
    query = select(Version).where(Version.artifact_id == artifact.id)
    if call.decision is not Decision.YES:
        query = query.where(Version.is_complete)
    field, _, direction = call.query.get("sort-order", "SEMVER_DESC").rpartition("_")
    keys = _VERSION_ORDERS.get(field, (Version.sort_key, Version.name))
    window = Window.asked_for(call.query, PAGE_SIZE_MAX)
    page = call.db.scalars(
        query.order_by(*(key.desc() if direction == "DESC" else key for key in keys))
        .options(joinedload(Version.owner))
        .offset(window.offset)
        .limit(window.size)
    )
    total = call.db.scalar(select(func.count()).select_from(query.subquery())) or 0
    latest = latest_versions(call.db, [artifact.id]).get(artifact.id)
    return {
        kind.one: artifact_object(kind, artifact, latest),
        kind.versions: [version_object(version) for version in page],
        "paginationInfo": window.info(total),
    }


def version_info(kind: Kind, call: Call) -> dict[str, Any]:
    """One version."""
    return _version_answer(kind, call, permitted_version(kind, call))


def update_version(kind: Kind, call: Call) -> dict[str, Any]:
    """Change what is said about a version, make it complete, or with ``?set-latest=true`` the latest."""
    version = call.db.scalars(
        select(Version).where(Version.id == permitted_version(kind, call).id).with_for_update()
    ).one()
    body = call.body
    version.details = {**version.details, **check_members(kind.version_members, body)}
    now = utc_now()
    status = body.get("status")
    if status not in (None, "UPLOAD_PENDING", "UPLOAD_COMPLETE"):
        raise unprocessable("'status' must be UPLOAD_PENDING or UPLOAD_COMPLETE")
    if status == "UPLOAD_PENDING" and version.is_complete:
        raise conflict(f"version '{version.name}' is complete and stays so")
    if status == "UPLOAD_COMPLETE" and not version.is_complete:
        _require_consistent_paths(call, version)
        version.is_complete, version.latest_at = True, now
    if call.query.get("set-latest", "").lower() == "true":
        if not version.is_complete:
            raise conflict(f"version '{version.name}' is not complete and cannot be the latest")
        version.latest_at = now
    version.updated_at = now
    index_artifact(call.db, kind.search_type, version.artifact)
    return _version_answer(kind, call, version)


def _require_consistent_paths(call: Call, version: Version) -> None:
    """Refuse a version in which one path is both a file and a folder: nobody could download it."""
    paths = call.db.scalars(select(File.path).where(File.version_id == version.id))
    before: tuple[str, ...] = ()
    for parts in sorted(tuple(path.split("/")) for path in paths):
        if before and parts[: len(before)] == before:
            raise conflict(f"'{'/'.join(before)}' is a file and a folder in version '{version.name}'")
        before = parts


def remove_version(kind: Kind, call: Call) -> dict[str, Any]:
    """Remove a version and its files."""
    version = permitted_version(kind, call)
    artifact = version.artifact
    call.db.execute(delete(Version).where(Version.id == version.id))
    index_artifact(call.db, kind.search_type, artifact)
    return {}


def _version_answer(kind: Kind, call: Call, version: Version) -> dict[str, Any]:
    artifact = version.artifact
    latest = latest_versions(call.db, [artifact.id]).get(artifact.id)
    return {kind.one: artifact_object(kind, artifact, latest), kind.version: version_object(version)}


def of_kind(endpoint: KindEndpoint, kind: Kind) -> Endpoint:
    """The endpoint with its kind filled in."""
    bound = partial(endpoint, kind)
    update_wrapper(bound, endpoint)
    return bound


MEMBER_PLACES = ("/v2/org/{org}/team/{team}/", "/v2/org/{org}/")


def guest_places(segment: str) -> tuple[str, str]:
    """Where guests find artifacts: the team form and the org form (docs/protocol/conventions.md#paths)."""
    return f"/v2/{segment}/{{org}}/{{team}}/", f"/v2/{segment}/{{org}}/"


def _kind_routes(kind: Kind) -> list[ActionRoute]:
    """The routes of one kind; longer paths first, since a name can be any word."""
    members = [f"{place}{kind.segment}/" for place in MEMBER_PLACES]
    guests = list(guest_places(kind.segment))
    table: list[tuple[list[str], str, str, KindEndpoint, Action]] = [
        (members + guests, "{name}/versions/{version}", "GET", version_info, Action.VIEW),
        (members + guests, "{name}/versions/{version}", "PATCH", update_version, Action.UPDATE),
        (members, "{name}/versions/{version}", "DELETE", remove_version, Action.DELETE),
        (members + guests, "{name}/versions", "GET", list_versions, Action.VIEW),
        (members, "{name}/versions", "POST", create_version, Action.CREATE),
        (members + guests, "{name}", "GET", info, Action.VIEW),
        (members + guests, "{name}", "PATCH", update, Action.UPDATE),
        (members, "{name}", "DELETE", remove, Action.DELETE),
    ]
    return [
        route(place + path, [method], of_kind(endpoint, kind), action=action)
        for places, path, method, endpoint, action in table
        for place in places
    ] + [route(place.rstrip("/"), ["POST"], of_kind(create, kind), action=Action.CREATE) for place in members]


ROUTES = [item for kind in KINDS.values() for item in _kind_routes(kind)]
