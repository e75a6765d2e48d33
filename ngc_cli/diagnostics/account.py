"""Facts of the account: the roles in orgs and teams of the user that the API key belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ngc_cli.records import RoleGrant, User


def org_roles(user: User) -> Mapping[str, list[str]]:
    """Org name to the roles in it."""
    return _collect((_org(grant), grant.org_roles) for grant in user.roles or ())


def team_roles(user: User) -> Mapping[str, list[str]]:
    """``org/team`` to the roles in the team."""
    return _collect(
        (f"{_org(grant)}/{grant.team.name}", grant.team_roles) for grant in user.roles or () if grant.team
    )


def _org(grant: RoleGrant) -> str:
    return grant.org.name if grant.org else ""


def _collect(pairs: Iterable[tuple[str, Sequence[str] | None]]) -> Mapping[str, list[str]]:
    """Roles by place, each once, in the order they came; places without roles are left out."""
    found: dict[str, dict[str, None]] = {}
    for place, roles in pairs:
        if roles:
            found.setdefault(place, {}).update(dict.fromkeys(roles))
    return {place: list(roles) for place, roles in found.items()}
