"""How orgs, teams, users and invitations look (docs/cli.md): pure functions from records to views."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ngc_cli.cli.formats import Block, Column, Field, Lines, Table, table
from ngc_cli.records import Invitation, Org, RoleGrant, Team, User, as_json
from ngc_cli.services.people.csv_import import RowResult
from ngc_cli.services.people.members import Change, People, roles_in
from ngc_cli.units import format_moment

_SIGN_IN = {"NVIDIA": "Individual", "ENTERPRISE": "SSO"}

ORG_COLUMNS: tuple[Column[Org], ...] = (
    Column("id", "Id", lambda org: org.id),
    Column("name", "Name", lambda org: org.name, copied=True),
    Column("displayName", "Display Name", lambda org: org.display_name),
    Column("description", "Description", lambda org: org.description),
    Column("type", "Type", lambda org: org.type),
    Column("ncaAccountNumber", "Cloud Account Number", lambda org: org.nca_account_number),
    Column("billingAccountId", "Cloud Account ID", lambda org: org.billing_account_id),
)
TEAM_COLUMNS: tuple[Column[Team], ...] = (
    Column("id", "Id", lambda team: team.id),
    Column("name", "Name", lambda team: team.name, copied=True),
    Column("description", "Description", lambda team: team.description),
)


@dataclass(frozen=True)
class _Person:
    """A row of ``list-users``: a member, or somebody invited (``kind`` is the invitation's type)."""

    id: int | None
    name: str | None
    email: str | None
    roles: Sequence[str]
    created: str | None
    first_login: str | None = None
    last_login: str | None = None
    sign_in: str | None = None
    kind: str | None = None
    team: str | None = None


PERSON_COLUMNS: tuple[Column[_Person], ...] = (
    Column("id", "Id", lambda item: item.id),
    Column("name", "Name", lambda item: item.name),
    Column("email", "Email", lambda item: item.email, copied=True),
    Column("roles", "Roles", lambda item: ", ".join(item.roles)),
    Column("created", "Created Date", lambda item: format_moment(item.created)),
    Column("firstLoginDate", "First Login Date", lambda item: format_moment(item.first_login)),
    Column("lastLoginDate", "Last Activity", lambda item: format_moment(item.last_login)),
    Column("idpType", "Sign In Method", lambda item: item.sign_in),
    Column("type", "Invitation Type", lambda item: item.kind),
    Column("teamName", "Team Name", lambda item: item.team),
)
_PERSON_DEFAULT = ("id", "name", "email", "roles", "created")
_JOINED = ("firstLoginDate", "lastLoginDate", "idpType")
_INVITED = ("type", "teamName")


def org_table(orgs: Iterable[Org], chosen: Sequence[str]) -> Table:
    """Orgs as a list."""
    return table(orgs, ORG_COLUMNS, ("id", "name", "displayName", "description", "type"), "id", chosen)


def org_block(org: Org) -> Block:
    """One org; its numbers of an account in the cloud only when it has them."""
    fields = [
        Field(column.header, column.cell(org))
        for column in ORG_COLUMNS
        if column.cell(org) is not None or column.key not in ("ncaAccountNumber", "billingAccountId")
    ]
    return Block("Org Information", fields, as_json(org))


def team_table(teams: Iterable[Team], chosen: Sequence[str]) -> Table:
    """Teams as a list."""
    return table(teams, TEAM_COLUMNS, ("id", "name", "description"), "id", chosen)


def team_block(team: Team) -> Block:
    """One team, as the guide prints it (7.2)."""
    fields = [*(Field(column.header, column.cell(team)) for column in TEAM_COLUMNS)]
    return Block("Team Information", [*fields, Field("Deleted", team.is_deleted)], as_json(team))


def people_table(
    people: People, org: str, team: str, chosen: Sequence[str], *, joined: bool, invited: bool
) -> Table:
    """Members and people invited in one list; json has the server's objects, members first."""
    rows = [_member_row(user, org, team) for user in people.members.items]
    rows += [_invited_row(item) for item in people.invited.items]
    default = [*_PERSON_DEFAULT, *(_JOINED if joined else ()), *(_INVITED if invited else ())]
    view = table(rows, PERSON_COLUMNS, default, "id", chosen)
    if chosen:
        return view
    return dataclasses.replace(view, data=as_json([*people.members.items, *people.invited.items]))


def user_table(user: User) -> Table:
    """One user with the roles in every org and team; csv has a row for each of these instead of one with lines."""
    data = {"user": as_json(user)}
    plain = [user.id, user.name, user.email]
    created = format_moment(user.created_date)
    flat_rows = [
        [*plain, _org_name(grant), grant.team.name if grant.team else "", ",".join(_held(grant)), created]
        for grant in user.roles or (RoleGrant(),)
    ]
    flat = Table(["User Id", "Name", "Email", "Org", "Team", "Roles", "Created Date"], flat_rows, data)
    headers = ["User Id", "Name", "Email", "Org [Roles]", "Teams [Roles]", "Created Date"]
    return Table(headers, [[*plain, *_roles_cells(user), created]], data, flat)


def name_table(user: User) -> Table:
    """One user by name only, after a change of it."""
    return Table(["User Id", "Name", "Email"], [[user.id, user.name, user.email]], {"user": as_json(user)})


def change_table(change: Change) -> Table:
    """What became of one person: the member, or the invitation, with the roles held there."""
    roles = _bracketed(change.team or change.org, change.roles)
    user, invitation = change.user, change.invitation
    data: dict[str, Any] = {
        "result": change.result,
        "org": change.org,
        "team": change.team or None,
        "roles": list(change.roles),
        "user": as_json(user),
    }
    data = {name: value for name, value in data.items() if value is not None}
    if invitation is not None:
        shown = {"id": invitation.id, "expires": invitation.expiration_date}
        data["invitation"] = {name: value for name, value in shown.items() if value is not None}
        headers = ["Invitation Id", "Name", "Email", "Org", "Date Invited", "Expires"]
        row = [
            invitation.id,
            user.name,
            user.email,
            change.org,
            format_moment(invitation.created_date),
            format_moment(invitation.expiration_date),
        ]
    else:
        data["invitation"] = None
        headers = ["User Id", "Name", "Email", "Org"]
        row = [user.id, user.name, user.email, change.org]
    if change.team:
        return Table([*headers[:4], "Teams [Roles]", *headers[4:]], [[*row[:4], roles, *row[4:]]], data)
    return Table([*headers[:3], "Org [Roles]", *headers[4:]], [[*row[:3], roles, *row[4:]]], data)


def invitation_table(invitation: Invitation) -> Table:
    """Somebody invited, where a user was looked for."""
    team = invitation.team_name or ""
    roles = _bracketed(team or invitation.org_name or "", invitation.user_roles or ())
    headers = ["Invitation Id", "Name", "Email", "Teams [Roles]" if team else "Org [Roles]", "Date Invited"]
    row = [
        invitation.id,
        invitation.user_name,
        invitation.user_email,
        roles,
        format_moment(invitation.created_date),
    ]
    return Table(headers, [row], {"invitation": as_json(invitation)})


def rows_table(results: Sequence[RowResult]) -> Table:
    """What became of each row of a file."""
    headers = ["Line", "Email", "Team", "Roles", "Result", "Error"]
    rows = [
        [item.line, item.email, item.team, ", ".join(item.roles or ()), item.result, item.error]
        for item in results
    ]
    return Table(headers, rows, as_json(list(results)))


def _member_row(user: User, org: str, team: str) -> _Person:
    return _Person(
        user.id,
        user.name,
        user.email,
        roles_in(user, org, team),
        user.created_date,
        first_login=user.first_login_date,
        last_login=user.last_login_date,
        sign_in=_SIGN_IN.get(user.idp_type or "", user.idp_type),
    )


def _invited_row(item: Invitation) -> _Person:
    return _Person(
        item.id,
        item.user_name,
        item.user_email,
        sorted(item.user_roles or ()),
        item.created_date,
        kind="TEAM" if item.team_name else "ORGANIZATION",
        team=item.team_name or None,
    )


def _roles_cells(user: User) -> tuple[Lines, Lines]:
    """``org [ROLE,ROLE]`` and ``team [ROLE]``, one org or team on each line."""
    grants = user.roles or ()
    orgs = [_bracketed(_org_name(grant), _held(grant)) for grant in grants if grant.team is None]
    teams = [_bracketed(grant.team.name, _held(grant)) for grant in grants if grant.team is not None]
    return Lines(orgs), Lines(teams)


def _org_name(grant: RoleGrant) -> str:
    return grant.org.name if grant.org else ""


def _held(grant: RoleGrant) -> list[str]:
    return sorted((grant.team_roles if grant.team else grant.org_roles) or ())


def _bracketed(name: str, roles: Iterable[str]) -> str:
    return f"{name} [{','.join(sorted(roles))}]"
