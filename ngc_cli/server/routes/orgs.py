"""Organizations, teams, their users, roles and invitations.

Source: docs/protocol/people.md#endpoints and docs/protocol/conventions.md#paging; the endpoints are named by
their numbers there. Rulings:

* a role is a membership, so whoever loses the last one in an org is no member of it any more
* somebody whom the registry knows joins at once; anybody else is invited and joins when a key is issued
* only who may manage the users of the org brings in new people; a team's administrator adds members of the org
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError

from ngc_cli.errors import UsageError
from ngc_cli.json_text import parse_json
from ngc_cli.roles import DEFAULT_ROLE, canonical_roles
from ngc_cli.server import admin
from ngc_cli.server.artifacts.schema import text
from ngc_cli.server.auth.roles import ANY_TEAM, Action
from ngc_cli.server.clock import iso, utc_now
from ngc_cli.server.endpoint import Call, route
from ngc_cli.server.metadata import Invitation, Membership, Org, Team, User
from ngc_cli.server.paging import Window
from ngc_cli.server.people.ceiling import require_may_give, take_away
from ngc_cli.server.people.objects import memberships, org_object, team_object, user_object
from ngc_cli.server.problems import conflict, exists, not_found, unprocessable

Offer = tuple[Team | None, str]

# Pages as the service makes them (docs/protocol/people.md).
_ORGS_PER_PAGE = 500
_PEOPLE_PER_PAGE = 100
# A signed 32-bit integer, in every database.
_ID_MAX = 2**31 - 1
# Minutes that an invitation may live, as the service has it (docs/protocol/people.md).
_EXPIRY_MIN = range(5, 48801)
# A day.
_DEFAULT_EXPIRY_MIN = 1440
# A page of text, more than an e-mail needs.
_MESSAGE_MAX = 10000
# Many times the roles there are; a body may not list millions.
_ROLES_MAX = 1000


# organizations


def list_orgs(call: Call) -> dict[str, Any]:
    """O1: the orgs in which the caller holds a role."""
    window = Window.asked_for(call.query, _ORGS_PER_PAGE)
    mine = select(Org).where(Org.id.in_({grant.org_id for grant in call.principal.grants}))
    orgs, total = _page(call, mine.order_by(Org.name), window)
    return {"organizations": [org_object(org) for org in orgs], "paginationInfo": window.info(total)}


def org_info(call: Call) -> dict[str, Any]:
    """O2: one org, under the plural name."""
    return {"organizations": org_object(call.the_org)}


# teams


def list_teams(call: Call) -> dict[str, Any]:
    """T1: the teams the caller may look into; for the org's administrators all of them."""
    window = Window.asked_for(call.query, _ORGS_PER_PAGE)
    query = select(Team).where(Team.org_id == call.the_org.id)
    if not call.may(Action.VIEW_ORG, ANY_TEAM):
        query = query.where(Team.id.in_({grant.team_id for grant in call.principal.grants}))
    teams, total = _page(call, query.order_by(Team.name), window)
    return {"teams": [team_object(team) for team in teams], "paginationInfo": window.info(total)}


def team_info(call: Call) -> dict[str, Any]:
    """T2: one team."""
    return {"team": team_object(call.the_team)}


def create_team(call: Call) -> dict[str, Any]:
    """T3: a new team, its name kept as it is."""
    name = str(text()("name", call.body.get("name")))
    description = str(text()("description", call.body.get("description") or ""))
    if admin.find_team(call.db, call.the_org, name) is not None:
        raise exists(f"team '{name}' already exists in org '{call.the_org.name}'")
    with _admin_errors_unprocessable():
        return {"team": team_object(admin.ensure_team(call.db, call.the_org, name, description))}


def update_team(call: Call) -> dict[str, Any]:
    """T4: a new description."""
    if "description" in call.body:
        call.the_team.description = text()("description", call.body["description"] or "")
    return {"team": team_object(call.the_team)}


def remove_team(call: Call) -> dict[str, Any]:
    """T5: an empty team; what it holds would be left without anybody who may reach it."""
    team = call.the_team
    take_away(call, call.db.scalars(select(Membership).where(Membership.team_id == team.id)).all())
    try:
        call.db.execute(delete(Team).where(Team.id == team.id))
    except IntegrityError as error:
        raise conflict(
            f"team '{team.name}' still has models, resources or images: remove them first"
        ) from error
    return {}


# users


def list_users(call: Call) -> dict[str, Any]:
    """U3, U4: everybody who holds a role in the org, or in the team."""
    window = Window.asked_for(call.query, _PEOPLE_PER_PAGE)
    here = [Membership.org_id == call.the_org.id]
    if call.team is not None:
        here.append(Membership.team_id == call.team.id)
    query = select(User).where(User.id.in_(select(Membership.user_id).where(*here)))
    email = _email_asked_for(call)
    if email is not None:
        query = query.where(User.email == email)
    shown_name = func.lower(func.coalesce(func.nullif(User.name, ""), User.email))
    users, total = _page(call, query.order_by(shown_name, User.id), window)
    return {"users": _user_objects(call, users), "paginationInfo": window.info(total)}


def user_info(call: Call) -> dict[str, Any]:
    """U5, U6: a member of the org by number; through a team, also one who is not in it."""
    return _user_answer(call, _member_by_id(call, call.path["user"]))


def add_user(call: Call) -> dict[str, Any]:
    """U7: a member with org roles, or an invitation for somebody the registry does not know."""
    body = call.body
    email = _email(body.get("email"))
    name = str(text(64)("name", body.get("name") or ""))
    given = body.get("roleTypes") or body.get("roleType") or [DEFAULT_ROLE]
    roles = _canonical(given if isinstance(given, list) else [given], in_team=False)
    offers: list[Offer] = [(None, role) for role in roles]
    user = admin.find_user(call.db, email)
    if user is None:
        _offer(call, email, name, offers, _DEFAULT_EXPIRY_MIN)
        grant = {"org": org_object(call.the_org), "orgRoles": roles}
        return {"user": {"email": email, "name": name or email, "roles": [grant]}}
    user.name = user.name or name
    _grant(call, user, offers)
    return _user_answer(call, user)


def replace_roles(call: Call) -> dict[str, Any]:
    """U8: these roles in the org itself and no others; roles in teams stay."""
    user = _member_by_id(call, call.path["user"])
    roles = _roles_asked_for(call)
    held = _held_here(call, user)
    take_away(call, [membership for membership in held if membership.role not in roles])
    kept = {membership.role for membership in held}
    _grant(call, user, [(None, role) for role in roles if role not in kept])
    return _user_answer(call, user)


def add_roles(call: Call) -> dict[str, Any]:
    """U9, U11: more roles for a member, or for somebody invited."""
    offers: list[Offer] = [(call.team, role) for role in _roles_asked_for(call)]
    person = _member_or_invited(call, call.path["who"])
    if isinstance(person, User):
        _grant(call, person, offers)
    else:
        _offer(call, person, "", offers, None)
    return {}


def remove_roles(call: Call) -> dict[str, Any]:
    """U10, U12: fewer roles for a member, or for somebody invited."""
    roles = _roles_asked_for(call)
    person = _member_or_invited(call, call.path["who"])
    if isinstance(person, User):
        take_away(call, [held for held in _held_here(call, person) if held.role in roles])
    else:
        require_may_give(call, [(call.team.id if call.team else None, role) for role in roles])
        offered = delete(Invitation).where(Invitation.email == person, *_offers_here(call))
        call.db.execute(offered.where(Invitation.role.in_(roles)))
    return {}


def remove_user(call: Call) -> dict[str, Any]:
    """U13, U14: no role any more in the org and all its teams, or in the team."""
    user = _member_by_id(call, call.path["user"])
    held = select(Membership).where(Membership.user_id == user.id, Membership.org_id == call.the_org.id)
    if call.team is not None:
        held = held.where(Membership.team_id == call.team.id)
    gone = call.db.scalars(held).all()
    if not gone:
        raise not_found(f"user {user.id} is not in team '{call.the_team.name}'")
    take_away(call, gone)
    return {}


# invitations


def list_invitations(call: Call) -> dict[str, Any]:
    """I1, I2: one entry for each person and place, the oldest first; ``id`` is ours and stays the same."""
    window = Window.asked_for(call.query, _PEOPLE_PER_PAGE)
    open_here = [Invitation.org_id == call.the_org.id, _still_open()]
    if call.team is not None:
        open_here.append(Invitation.team_id == call.team.id)
    email = _email_asked_for(call)
    if email is not None:
        open_here.append(Invitation.email == email)
    first = func.min(Invitation.id)
    groups = select(first).where(*open_here).group_by(Invitation.email, Invitation.team_id)
    ids, total = _page(call, groups.order_by(first), window)
    entries = {item.id: item for item in call.db.scalars(select(Invitation).where(Invitation.id.in_(ids)))}
    emails = {item.email for item in entries.values()}
    roles: dict[tuple[str, int | None], set[str]] = {}
    for item in call.db.scalars(select(Invitation).where(*open_here, Invitation.email.in_(emails))):
        roles.setdefault((item.email, item.team_id), set()).add(item.role)
    shown = [_invitation_object(entries[id], roles[entries[id].email, entries[id].team_id]) for id in ids]
    return {"invitations": shown, "paginationInfo": window.info(total)}


def invite(call: Call) -> dict[str, Any]:
    """I3: an invitation to the org, to teams of it, or both; roles at once for somebody the registry knows."""
    body = call.body
    email = _email(body.get("email"))
    name = str(text(64)("name", body.get("name") or ""))
    text(_MESSAGE_MAX)("message", body.get("message") or "")
    offers = _offers_in(call, body.get("roles"))
    expires_in_min = body.get("invitationExpirationIn", _DEFAULT_EXPIRY_MIN)
    if not isinstance(expires_in_min, int) or expires_in_min not in _EXPIRY_MIN:
        raise unprocessable("'invitationExpirationIn' is not a number of minutes from 5 to 48800")
    user = admin.find_user(call.db, email)
    if user is None or not _is_member(call, user):
        call.require(Action.MANAGE_USERS, None)
    if user is not None:
        _grant(call, user, offers)
        return {"status": "already_member"}
    _offer(call, email, name, offers, expires_in_min)
    return {"status": "invited"}


def delete_invitation(call: Call) -> dict[str, Any]:
    """I4: the invitation of a person to the org and to all its teams."""
    email = _email(call.body.get("email"))
    of_person = (Invitation.org_id == call.the_org.id, Invitation.email == email)
    offered = call.db.scalars(select(Invitation).where(*of_person)).all()
    require_may_give(call, [(offer.team_id, offer.role) for offer in offered])
    call.db.execute(delete(Invitation).where(*of_person))
    if not offered:
        raise not_found(f"there is no invitation of {email} to org '{call.the_org.name}'")
    return {}


def _offers_in(call: Call, value: Any) -> list[Offer]:
    """The roles of an invitation request, each with its team or None; raises a Problem unless the caller may."""
    if not isinstance(value, list) or not 1 <= len(value) <= _ROLES_MAX:
        raise unprocessable(f"'roles' is not a list of 1 to {_ROLES_MAX} roles")
    offers: list[Offer] = []
    for item in value:
        if not isinstance(item, dict):
            raise unprocessable("an entry of 'roles' is not an object")
        groups = item.get("resourceGroups") or []
        if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
            raise unprocessable("'resourceGroups' is not a list of names of teams")
        for group in groups or [""]:
            team = admin.find_team(call.db, call.the_org, group) if group else None
            action = Action.MANAGE_TEAM_USERS if group else Action.MANAGE_USERS
            call.require(action, team.id if team else ANY_TEAM if group else None)
            if group and team is None:
                raise not_found(f"team '{group}' not found in org '{call.the_org.name}'")
            offers += [(team, role) for role in _canonical([item.get("name")], in_team=team is not None)]
    return offers


def _offer(call: Call, email: str, name: str, offers: Sequence[Offer], expires_in_min: int | None) -> None:
    """Invite, or add to a person's invitation; a new time to expire holds for all of it."""
    require_may_give(call, [(team.id if team else None, role) for team, role in offers])
    mine = (Invitation.org_id == call.the_org.id, Invitation.email == email)
    call.db.execute(delete(Invitation).where(*mine, ~_still_open()))
    known = list(call.db.scalars(select(Invitation).where(*mine)))
    until = known[0].expires_at if known else None
    if expires_in_min is not None:
        until = utc_now() + timedelta(minutes=expires_in_min)
        call.db.execute(update(Invitation).where(*mine).values(expires_at=until))
    name = name or next((item.name for item in known if item.name), "")
    held = {(item.team_id, item.role) for item in known}
    for team, role in offers:
        team_id = team.id if team else None
        if (team_id, role) not in held:
            held.add((team_id, role))
            call.db.add(
                Invitation(
                    org_id=call.the_org.id,
                    team_id=team_id,
                    email=email,
                    name=name,
                    role=role,
                    expires_at=until,
                )
            )


def _invitation_object(invitation: Invitation, roles: Collection[str]) -> dict[str, Any]:
    value = {
        "id": invitation.id,
        "userEmail": invitation.email,
        "userName": invitation.name or invitation.email,
        "userRoles": sorted(roles),
        "orgName": invitation.org.name,
        "teamName": invitation.team.name if invitation.team else "",
        "createdDate": iso(invitation.created_at),
        "updatedDate": iso(invitation.updated_at),
    }
    if invitation.expires_at is not None:
        value["expirationDate"] = iso(invitation.expires_at)
    return value


def _still_open() -> ColumnElement[bool]:
    return or_(Invitation.expires_at.is_(None), Invitation.expires_at > utc_now())


# who


def _member_by_id(call: Call, text_id: str) -> User:
    """The member of the org with this number; raises a 404 Problem."""
    number = int(text_id) if text_id.isascii() and text_id.isdigit() and len(text_id) < 11 else 0
    user = call.db.get(User, number) if number <= _ID_MAX else None
    if user is None or not _is_member(call, user):
        raise not_found(f"user {text_id} not found in org '{call.the_org.name}'")
    return user


def _member_or_invited(call: Call, who: str) -> User | str:
    """The member, or the address of somebody invited, that a path names by number, address or its base64."""
    if who.isascii() and who.isdigit():
        return _member_by_id(call, who)
    email = _email(who if "@" in who else _decoded(who))
    user = admin.find_user(call.db, email)
    if user is not None and _is_member(call, user):
        return user
    invited = select(Invitation.id).where(
        Invitation.org_id == call.the_org.id, Invitation.email == email, _still_open()
    )
    if call.db.scalar(invited.limit(1)) is None:
        raise not_found(f"nobody with the address '{email}' is in org '{call.the_org.name}' or invited to it")
    return email


def _decoded(who: str) -> str:
    """The text of standard base64, as the official client sends the address of somebody invited."""
    try:
        return base64.b64decode(who, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return who


def _is_member(call: Call, user: User) -> bool:
    held = select(Membership.id).where(Membership.user_id == user.id, Membership.org_id == call.the_org.id)
    return call.db.scalar(held.limit(1)) is not None


def _email(value: Any) -> str:
    with _admin_errors_unprocessable():
        return admin.normal_email(str(text(320, at_least=3)("email", value)))


def _email_asked_for(call: Call) -> str | None:
    """The address in the filter ``q``, or None without a filter; raises a 422 Problem for another filter."""
    given = call.query.get("q")
    if given is None:
        return None
    try:
        filters = parse_json(given)["filters"]
        values = [item["value"] for item in filters if item["field"] == "email"]
        if len(values) != len(filters):
            raise unprocessable("'q' can filter by 'email' only")
    except (ValueError, TypeError, KeyError) as error:
        raise unprocessable("'q' is not a filter") from error
    return str(values[0]).strip().lower() if values else None


# roles


def _canonical(names: Sequence[Any], *, in_team: bool) -> list[str]:
    try:
        return list(canonical_roles(map(str, names), in_team=in_team))
    except UsageError as error:
        raise unprocessable(f"{error.message}. {error.hint}") from error


def _roles_asked_for(call: Call) -> list[str]:
    names = call.request.query_params.getlist("roles")
    if not names:
        raise unprocessable("the query names no 'roles'")
    return _canonical(names, in_team=call.team is not None)


def _grant(call: Call, user: User, offers: Sequence[Offer]) -> None:
    require_may_give(call, [(team.id if team else None, role) for team, role in offers])
    for team, role in offers:
        admin.grant(call.db, user, call.the_org, team, role)


def _held_here(call: Call, user: User) -> Sequence[Membership]:
    """Roles of a user exactly where the request is about: in the team, or in the org itself."""
    team = Membership.team_id == call.team.id if call.team else Membership.team_id.is_(None)
    here = (Membership.user_id == user.id, Membership.org_id == call.the_org.id, team)
    return call.db.scalars(select(Membership).where(*here)).all()


def _offers_here(call: Call) -> tuple[ColumnElement[bool], ...]:
    team = Invitation.team_id == call.team.id if call.team else Invitation.team_id.is_(None)
    return Invitation.org_id == call.the_org.id, team


# answers


def _user_objects(call: Call, users: Sequence[User]) -> list[dict[str, Any]]:
    """Users with their roles in the org and its teams; through a team, only with those in it."""
    held: dict[int, list[Membership]] = {user.id: [] for user in users}
    for item in memberships(call.db, list(held), call.org):
        if call.team is None or item.team_id == call.team.id:
            held[item.user_id].append(item)
    return [user_object(user, held[user.id]) for user in users]


def _user_answer(call: Call, user: User) -> dict[str, Any]:
    value = _user_objects(call, [user])[0]
    return {"user": value, "userRoles": value["roles"]}


def _page(call: Call, query: Select[Any], window: Window) -> tuple[list[Any], int]:
    """The first column of the rows of one page, and how many rows there are in all."""
    total = call.db.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0
    rows = call.db.scalars(query.limit(window.size).offset(window.offset))
    return list(rows), total


@contextmanager
def _admin_errors_unprocessable() -> Iterator[None]:
    """What an operator would be told, as a 422 Problem."""
    try:
        yield
    except admin.AdminError as error:
        raise unprocessable(str(error)) from error


_ORG = "/v2/org/{org}"
_TEAMS = f"{_ORG}/teams"
_IN_ORG = "/v3/orgs/{org}"
_IN_TEAM = f"{_IN_ORG}/teams/{{team}}"

ROUTES = [
    route("/v2/orgs", ["GET"], list_orgs, action=Action.SIGNED_IN),
    route("/v2/orgs/{org}", ["GET"], org_info, action=Action.VIEW_ORG),
    route(_TEAMS, ["GET"], list_teams, action=Action.VIEW_ORG),
    route(_TEAMS, ["POST"], create_team, action=Action.MANAGE_TEAMS),
    route(f"{_TEAMS}/{{team}}", ["GET"], team_info, action=Action.VIEW_ORG),
    route(f"{_TEAMS}/{{team}}", ["PATCH"], update_team, action=Action.MANAGE_TEAMS),
    route(f"{_TEAMS}/{{team}}", ["DELETE"], remove_team, action=Action.MANAGE_TEAMS),
    route(f"{_ORG}/users", ["GET"], list_users, action=Action.VIEW_ORG),
    route(f"{_ORG}/users", ["POST"], add_user, action=Action.MANAGE_USERS),
    route(f"{_ORG}/team/{{team}}/users", ["GET"], list_users, action=Action.VIEW_ORG),
    route(f"{_ORG}/users/{{user}}", ["GET"], user_info, action=Action.VIEW_ORG),
    route(f"{_ORG}/users/{{user}}/update-role", ["PATCH"], replace_roles, action=Action.MANAGE_USERS),
    route(f"{_IN_TEAM}/users/{{user}}", ["GET"], user_info, action=Action.VIEW_ORG),
    route(f"{_IN_ORG}/users/{{who:path}}/add-role", ["PATCH"], add_roles, action=Action.MANAGE_USERS),
    route(f"{_IN_ORG}/users/{{who:path}}/remove-role", ["DELETE"], remove_roles, action=Action.MANAGE_USERS),
    route(f"{_IN_TEAM}/users/{{who:path}}/add-role", ["PATCH"], add_roles, action=Action.MANAGE_TEAM_USERS),
    route(
        f"{_IN_TEAM}/users/{{who:path}}/remove-role",
        ["DELETE"],
        remove_roles,
        action=Action.MANAGE_TEAM_USERS,
    ),
    route(f"{_IN_ORG}/users/{{user}}", ["DELETE"], remove_user, action=Action.MANAGE_USERS),
    route(f"{_IN_TEAM}/users/{{user}}", ["DELETE"], remove_user, action=Action.MANAGE_TEAM_USERS),
    route(f"{_IN_ORG}/pending-invitations", ["GET"], list_invitations, action=Action.MANAGE_USERS),
    route(f"{_IN_TEAM}/pending-invitations", ["GET"], list_invitations, action=Action.MANAGE_TEAM_USERS),
    route(f"{_IN_ORG}/invitations", ["POST"], invite, action=Action.INVITE),
    route(f"{_IN_ORG}/invitations", ["DELETE"], delete_invitation, action=Action.MANAGE_USERS),
]
