"""The ceiling of roles: nobody gives or takes away a role that reaches further than their own, and an owner stays.

Source: docs/protocol/people.md#roles. Every way to change who holds what goes through these functions, inside the
transaction that changes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import delete, func, select

from ngc_cli.server.auth.roles import OWNER_ROLE, may_give
from ngc_cli.server.endpoint import Call
from ngc_cli.server.metadata import Membership, Org, User
from ngc_cli.server.problems import conflict, forbidden


def require_may_give(call: Call, places_and_roles: Iterable[tuple[int | None, str]]) -> None:
    """Raise a 403 Problem unless the caller may give and take away these roles, each in a team or (None) in the org."""
    for team_id, role in places_and_roles:
        if not may_give(call.principal, role, call.the_org.id, team_id):
            raise forbidden(
                f"your roles do not let you give or take away {role} in org '{call.the_org.name}': "
                "it reaches further than they do"
            )


def take_away(call: Call, held: Sequence[Membership]) -> None:
    """Remove roles in the org of the request; raises a 403 Problem, or a 409 Problem for those of the last owner."""
    require_may_give(call, [(membership.team_id, membership.role) for membership in held])
    org = call.the_org
    if any(membership.role == OWNER_ROLE for membership in held):
        call.db.execute(select(Org.id).where(Org.id == org.id).with_for_update())  # two may leave at once
    call.db.execute(delete(Membership).where(Membership.id.in_([membership.id for membership in held])))
    if any(membership.role == OWNER_ROLE for membership in held):
        owners = select(func.count()).select_from(Membership).join(User)
        if not call.db.scalar(
            owners.where(Membership.org_id == org.id, Membership.role == OWNER_ROLE, User.is_active)
        ):
            raise conflict(f"the last owner of org '{org.name}' stays: make somebody else an owner first")
