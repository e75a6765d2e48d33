"""Models and resources, one implementation: the kinds differ only by ``server.kinds``.

Source: contract/models-and-transfers.md sections 1.5, 2 and 4.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, update_wrapper
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ngc_cli.server.access import Action, Thing
from ngc_cli.server.calls import ActionRoute, Call, Endpoint, route
from ngc_cli.server.clock import iso
from ngc_cli.server.kinds import KINDS, Kind, check_members, labels, require_name
from ngc_cli.server.metadata import Artifact, Org, Team
from ngc_cli.server.problems import exists, unprocessable

KindEndpoint = Callable[[Kind, Call], dict[str, Any]]


def find_artifact(db: Session, kind: Kind, org: Org, team: Team | None, name: str) -> Artifact | None:
    """The artifact of this kind and name in an org, or in a team of it."""
    return db.scalar(
        select(Artifact).where(
            Artifact.kind == kind.segment,
            Artifact.org_id == org.id,
            Artifact.team_id.is_(None) if team is None else Artifact.team_id == team.id,
            Artifact.name == name,
        )
    )


def permitted_artifact(kind: Kind, call: Call, name: str) -> Artifact:
    """The artifact of this name that the caller may do the route's action to; raises a Problem."""
    found = find_artifact(call.db, kind, call.the_org, call.team, name)
    call.permit(thing_of(found) if found else None, f"{kind.noun} '{name}'")
    assert found is not None  # permit refuses what does not exist
    return found


def thing_of(artifact: Artifact) -> Thing:
    """What the access table needs to know of an artifact."""
    return Thing(artifact.owner_id, artifact.is_public, artifact.guest_access)


def artifact_object(kind: Kind, artifact: Artifact) -> dict[str, Any]:
    """The JSON object of an artifact (contract 2.1, 2.2)."""
    value = {
        **artifact.details,
        "name": artifact.name,
        "orgName": artifact.org.name,
        "labels": artifact.labels,
        "isPublic": artifact.is_public,
        "isReadOnly": False,
        "canGuestDownload": artifact.guest_access,
        "hasSignedVersion": False,
        "createdDate": iso(artifact.created_at),
        "updatedDate": iso(artifact.updated_at),
    }
    if artifact.team is not None:
        value["teamName"] = artifact.team.name
    return value


def create(kind: Kind, call: Call) -> dict[str, Any]:
    """A new artifact without versions."""
    body = call.body
    name = require_name(body.get("name"))
    details = check_members(kind.members, body)
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
        owner_id=call.caller.user_id,
        details=details,
        labels=labels("labelsV2", body.get("labelsV2") or []),
    )
    call.db.add(artifact)
    call.db.flush()
    return {kind.one: artifact_object(kind, artifact)}


def info(kind: Kind, call: Call) -> dict[str, Any]:
    """One artifact."""
    return {kind.one: artifact_object(kind, permitted_artifact(kind, call, call.path["name"]))}


def _of_kind(endpoint: KindEndpoint, kind: Kind) -> Endpoint:
    bound = partial(endpoint, kind)
    update_wrapper(bound, endpoint)
    return bound


def _kind_routes(kind: Kind) -> list[ActionRoute]:
    """The routes of one kind; the literal words of a path come before its parameters."""
    segment = kind.segment
    made = []
    for place in ("/v2/org/{org}/team/{team}", "/v2/org/{org}"):
        made += [
            route(f"{place}/{segment}", ["POST"], _of_kind(create, kind), action=Action.CREATE),
            route(f"{place}/{segment}/{{name}}", ["GET"], _of_kind(info, kind), action=Action.VIEW),
        ]
    for place in ("{org}/{team}", "{org}"):
        made.append(
            route(f"/v2/{segment}/{place}/{{name}}", ["GET"], _of_kind(info, kind), action=Action.VIEW)
        )
    return made


ROUTES = [item for kind in KINDS.values() for item in _kind_routes(kind)]
