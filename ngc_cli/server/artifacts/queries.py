"""Queries over artifacts, versions and files, and their JSON objects, shared by the routes that show them.

Source: docs/protocol/artifacts.md and docs/protocol/transfers.md.
"""

from __future__ import annotations

import base64
from collections.abc import Collection
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ngc_cli.server.artifacts.schema import Kind
from ngc_cli.server.auth.roles import Decision, Principal, Resource
from ngc_cli.server.clock import iso
from ngc_cli.server.endpoint import Call
from ngc_cli.server.metadata import Artifact, File, Org, Team, Version
from ngc_cli.server.problems import not_found


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


def permitted_artifact(kind: Kind, call: Call, name: str = "") -> Artifact:
    """The artifact the path names (or of this name), if the caller may do the route's action to it."""
    name = name or call.path["name"]
    found = find_artifact(call.db, kind, call.the_org, call.team, name)
    call.authorize(access_resource(found) if found else None, f"{kind.noun} '{name}'")
    assert found is not None  # authorize refuses what does not exist
    return found


def permitted_version(kind: Kind, call: Call) -> Version:
    """The version the path names, if the caller may do the route's action to it.

    What is not complete is there only for members. A version belongs to who made it and to who made its artifact.
    """
    name, version_name = call.path["name"], call.path["version"]
    artifact = find_artifact(call.db, kind, call.the_org, call.team, name)
    version = find_version(call.db, artifact, version_name) if artifact else None
    what = f"version '{version_name}' of {kind.noun} '{name}'"
    if artifact is None or version is None:
        call.authorize(access_resource(artifact) if artifact else None, what)
        raise not_found(f"{what} not found")
    call.authorize(_version_access_resource(artifact, version, call.principal), what)
    if not version.is_complete and call.decision in (Decision.PUBLIC, Decision.UNLOCKED):
        raise not_found(f"{what} not found")
    return version


def access_resource(artifact: Artifact) -> Resource:
    """What the access table needs to know of an artifact."""
    return Resource(artifact.owner_id, artifact.is_public, artifact.guest_access)


def _version_access_resource(artifact: Artifact, version: Version, principal: Principal) -> Resource:
    made_it = version.owner_id is not None and version.owner_id == principal.user_id
    owner_id = version.owner_id if made_it else artifact.owner_id
    return Resource(owner_id, artifact.is_public, artifact.guest_access)


def find_version(db: Session, artifact: Artifact, name: str, *, lock: bool = False) -> Version | None:
    """A version by its id text; ``lock`` keeps others from changing it until the transaction ends."""
    query = select(Version).where(Version.artifact_id == artifact.id, Version.name == name)
    return db.scalar(query.with_for_update() if lock else query)


def latest_versions(db: Session, artifact_ids: Collection[int]) -> dict[int, Version]:
    """The latest complete version of each of these artifacts that has one, by artifact id.

    One look into an index for each, however many versions an artifact has.
    """
    latest = (
        select(Version.id)
        .where(Version.artifact_id == Artifact.id, Version.is_complete.is_(True))
        .order_by(Version.latest_at.desc(), Version.id.desc())
        .limit(1)
        .correlate(Artifact)
        .scalar_subquery()
    )
    ids = db.scalars(select(latest).where(Artifact.id.in_(artifact_ids))).all()
    query = select(Version).where(Version.id.in_([found for found in ids if found is not None]))
    return {version.artifact_id: version for version in db.scalars(query)}


def artifact_object(kind: Kind, artifact: Artifact, latest: Version | None) -> dict[str, Any]:
    """The JSON object of an artifact."""
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
    if latest is not None:
        value["latestVersionIdStr"] = latest.name
        value["latestVersionSizeInBytes"] = latest.size_bytes
    return value


def version_object(version: Version) -> dict[str, Any]:
    """The JSON object of a version."""
    value = {
        **version.details,
        "versionId": version.name,
        "status": "UPLOAD_COMPLETE" if version.is_complete else "UPLOAD_PENDING",
        "storageVersion": "V2",
        "totalFileCount": version.file_count,
        "totalSizeInBytes": version.size_bytes,
        "isSigned": False,
        "createdDate": iso(version.created_at),
        "updatedDate": iso(version.updated_at),
    }
    if version.owner is not None:
        value["createdByUser"] = version.owner.client_id
    return value


def file_object(file: File) -> dict[str, Any]:
    """The JSON object of a file."""
    return {
        "path": file.path,
        "sizeInBytes": file.size_bytes,
        "createdDate": iso(file.created_at),
        "sha256_base64": base64_sha256(file.sha256),
    }


def base64_sha256(sha256: str) -> str:
    """The padded standard base64 of a hex sha256."""
    return base64.b64encode(bytes.fromhex(sha256)).decode()
