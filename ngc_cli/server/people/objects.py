"""JSON objects of orgs, teams and users (docs/protocol/people.md#objects), made from rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from ngc_cli.server.clock import iso
from ngc_cli.server.metadata import Membership, Org, Team, User


def org_object(org: Org) -> dict[str, Any]:
    """An organization."""
    return {
        "id": org.id,
        "name": org.name,
        "displayName": org.display_name or org.name,
        "description": org.description,
        "type": org.type,
    }


def team_object(team: Team) -> dict[str, Any]:
    """A team."""
    return {"id": team.id, "name": team.name, "description": team.description, "isDeleted": False}


def memberships(db: Session, user_ids: Sequence[int], org: Org | None = None) -> list[Membership]:
    """The roles of these users in a stable order, org level first; only those in ``org`` when it is given."""
    query = (
        select(Membership)
        .where(Membership.user_id.in_(user_ids))
        .options(joinedload(Membership.org), joinedload(Membership.team))
        .order_by(Membership.user_id, Membership.org_id, Membership.team_id.is_not(None), Membership.team_id)
        .order_by(Membership.role)
    )
    if org is not None:
        query = query.where(Membership.org_id == org.id)
    return list(db.scalars(query))


def role_entries(held: Sequence[Membership]) -> list[dict[str, Any]]:
    """The ``roles`` of a user: one entry for each org and one for each team."""
    entries: dict[tuple[int, int | None], dict[str, Any]] = {}
    for membership in held:
        place = (membership.org_id, membership.team_id)
        if place not in entries:
            entries[place] = {"org": org_object(membership.org)}
            if membership.team is not None:
                entries[place]["team"] = team_object(membership.team)
        member = "orgRoles" if membership.team_id is None else "teamRoles"
        entries[place].setdefault(member, []).append(membership.role)
    return list(entries.values())


def user_object(user: User, held: Sequence[Membership]) -> dict[str, Any]:
    """A user with these roles; moments that have not come yet are left out."""
    value = {
        "id": user.id,
        "clientId": user.client_id,
        "starfleetId": user.starfleet_id,
        "name": user.name or user.email,
        "email": user.email,
        "createdDate": iso(user.created_at),
        "isActive": user.is_active,
        "idpType": "NVIDIA",
        "roles": role_entries(held),
    }
    if user.first_login_at is not None:
        value["firstLoginDate"] = iso(user.first_login_at)
    if user.last_login_at is not None:
        value["lastLoginDate"] = iso(user.last_login_at)
    return value
