"""Endpoints of organizations, teams, users, roles and invitations.

Source: docs/protocol/people.md#endpoints and docs/protocol/conventions.md#paging, whose numbers (O1, U3, ...)
the methods name.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from ngc_cli.api.client import ApiClient, path_of
from ngc_cli.api.wire import decode, decode_list
from ngc_cli.errors import NotFound
from ngc_cli.http.auth import Scope
from ngc_cli.records import Invitation, Org, Team, User

Record = TypeVar("Record")

# More than a person is in: one request shows all.
_ORGS_PER_PAGE = 500
# The largest page that the service grants for people and teams.
_PEOPLE_PER_PAGE = 100


@dataclass(frozen=True)
class Page(Generic[Record]):
    """Some records of a list, and how many the whole list has when the server tells."""

    items: Sequence[Record]
    total: int | None


@dataclass(frozen=True)
class Caller:
    """Who a scoped key belongs to: ``kind`` is PERSONAL_KEY, SERVICE_KEY, ...; only a personal key has a user."""

    kind: str
    org_name: str
    user: User | None


class OrgApi:
    """The endpoints of people: who they are, where they belong and what they may do there.

    Lists come as pages that are fetched when asked for; ``limit`` is how many records the caller will use, so
    that a small list is one small request.
    """

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._actor: str | None = None

    @property
    def has_scoped_key(self) -> bool:
        """Whether the key is one whose owner ``caller`` tells."""
        return self._client.credentials.key.startswith("nvapi-")

    # organizations

    def orgs(self, limit: int | None = None) -> Iterator[Page[Org]]:
        """O1: the organizations the caller belongs to."""
        return self._pages("/v2/orgs", "organizations", Org, _ORGS_PER_PAGE, limit, Scope())

    def org(self, org: str) -> Org:
        """O2: one organization; raises NotFound."""
        answer = self._client.call("GET", path_of("v2", "orgs", org), scope=Scope(org))
        return decode(Org, _present(answer, "organizations", f"org '{org}'"))

    # teams

    def teams(self, org: str, limit: int | None = None) -> Iterator[Page[Team]]:
        """T1: the teams of an organization."""
        return self._pages(
            path_of("v2", "org", org, "teams"), "teams", Team, _ORGS_PER_PAGE, limit, Scope(org)
        )

    def team(self, org: str, team: str) -> Team:
        """T2: one team; raises NotFound."""
        answer = self._client.call("GET", path_of("v2", "org", org, "teams", team), scope=Scope(org, team))
        return decode(Team, _present(answer, "team", f"team '{team}'"))

    def create_team(self, org: str, name: str, description: str) -> Team:
        """T3: a new team; raises AlreadyExists."""
        body = {"name": name, "description": description}
        answer = self._client.call("POST", path_of("v2", "org", org, "teams"), body=body, scope=Scope(org))
        return decode(Team, _present(answer, "team", f"team '{name}'"))

    def update_team(self, org: str, team: str, description: str) -> None:
        """T4: change the description."""
        path = path_of("v2", "org", org, "teams", team)
        self._client.call(
            "PATCH", path, body={"description": description}, scope=Scope(org, team), retry=True
        )

    def remove_team(self, org: str, team: str) -> None:
        """T5: remove a team."""
        self._client.call("DELETE", path_of("v2", "org", org, "teams", team), scope=Scope(org, team))

    # the caller

    def me(self, org: str = "") -> User:
        """U1: the user the key belongs to, with the roles of one org or of all."""
        answer = self._client.call(
            "GET", "/v2/users/me", params={"org-name": org} if org else None, scope=Scope(org)
        )
        return decode(User, _present(answer, "user", "your user"))

    def rename_me(self, name: str) -> None:
        """U2: change the caller's own name."""
        self._client.call("PATCH", "/v2/users/me", body={"name": name}, retry=True)

    def caller(self) -> Caller:
        """What the server tells about a scoped key; raises NotAuthenticated."""
        answer = self._client.introspect()
        user = answer.get("user")
        return Caller(
            kind=str(answer.get("type") or ""),
            org_name=str(answer.get("orgName") or ""),
            user=decode(User, user) if user is not None else None,
        )

    # users

    def users(
        self, org: str, team: str = "", *, email: str = "", limit: int | None = None
    ) -> Iterator[Page[User]]:
        """U3, U4: the members of an org or team; with ``email`` only the one who has that address."""
        where = ("org", org, "team", team) if team else ("org", org)
        path = path_of("v2", *where, "users")
        return self._pages(path, "users", User, _PEOPLE_PER_PAGE, limit, Scope(org, team), email)

    def user(self, org: str, user_id: int, team: str = "") -> User:
        """U5, U6: one member by number, who with ``team`` may still be outside that team; raises NotFound."""
        where = ("v3", "orgs", org, "teams", team) if team else ("v2", "org", org)
        answer = self._client.call("GET", path_of(*where, "users", str(user_id)), scope=Scope(org, team))
        return decode(User, _present(answer, "user", f"user {user_id}"))

    def add_user(self, org: str, email: str, name: str, roles: Sequence[str]) -> None:
        """U7: make somebody a member with org roles, or invite a person unknown to the server."""
        body = {"email": email, "roleTypes": list(roles), **({"name": name} if name else {})}
        self._client.call("POST", path_of("v2", "org", org, "users"), body=body, scope=Scope(org))

    def add_roles(self, org: str, team: str, email: str, roles: Sequence[str]) -> None:
        """U9, U11: grant roles to a member."""
        self._change_roles("PATCH", org, team, email, "add-role", roles)

    def add_roles_to_invited(self, org: str, email: str, roles: Sequence[str]) -> None:
        """U9 for somebody who has not accepted yet: the address goes as base64."""
        self._change_roles("PATCH", org, "", base64.b64encode(email.encode()).decode(), "add-role", roles)

    def remove_roles(self, org: str, team: str, email: str, roles: Sequence[str]) -> None:
        """U10, U12: take roles away from a member, or org roles from somebody invited."""
        self._change_roles("DELETE", org, team, email, "remove-role", roles)

    def remove_user(self, org: str, team: str, user_id: int) -> None:
        """U13, U14: take somebody out of an org, or of one team."""
        path = path_of(*_v3(org, team), "users", str(user_id))
        self._client.call("DELETE", path, headers=self._actor_header(), scope=Scope(org, team))

    # invitations

    def invitations(
        self, org: str, team: str = "", *, email: str = "", limit: int | None = None
    ) -> Iterator[Page[Invitation]]:
        """I1, I2: who is invited. Where the server gives no ids, a whole list is numbered from 1 in its order."""
        path = path_of(*_v3(org, team), "pending-invitations")
        position = 0
        for page in self._pages(
            path, "invitations", Invitation, _PEOPLE_PER_PAGE, limit, Scope(org, team), email
        ):
            items = page.items
            if not email:
                items = [replace(item, id=item.id or n) for n, item in enumerate(items, position + 1)]
            yield Page(items, page.total)
            position += len(items)

    def invite(
        self,
        org: str,
        email: str,
        *,
        org_roles: Sequence[str] = (),
        team: str = "",
        team_roles: Sequence[str] = (),
        name: str = "",
        message: str = "",
        expires_in_min: int = 1440,
    ) -> bool:
        """I3: invite somebody to an org, to one team of it, or both; False when the person is a member already."""
        roles: list[dict[str, Any]] = [{"name": role} for role in org_roles]
        roles += [{"name": role, "resourceGroups": [team]} for role in team_roles]
        body = {
            "email": email,
            "message": message or f"You are invited to the organization {org}.",
            "invitationExpirationIn": expires_in_min,
            "roles": roles,
            **({"name": name} if name else {}),
        }
        path = path_of("v3", "orgs", org, "invitations")
        answer = self._client.call("POST", path, body=body, scope=Scope(org, team))
        return answer.get("status") != "already_member"

    def delete_invitation(self, org: str, email: str) -> None:
        """I4: take back the invitation of a person to the org and to all its teams."""
        path = path_of("v3", "orgs", org, "invitations")
        self._client.call("DELETE", path, body={"email": email}, scope=Scope(org))

    # parts

    def _change_roles(
        self, method: str, org: str, team: str, who: str, verb: str, roles: Sequence[str]
    ) -> None:
        self._client.call(
            method,
            path_of(*_v3(org, team), "users", who, verb),
            params={"roles": list(roles)},
            headers=self._actor_header(),
            scope=Scope(org, team),
            retry=True,
        )

    def _actor_header(self) -> Mapping[str, str]:
        """The id of the caller, which changes to users carry beside the credentials.

        See docs/protocol/people.md#endpoints.
        """
        if self._actor is None:
            user = self.caller().user if self.has_scoped_key else self.me()
            self._actor = (user.starfleet_id if user else None) or ""
        return {"NV-actor-ID": self._actor} if self._actor else {}

    def _pages(
        self,
        path: str,
        member: str,
        cls: type[Record],
        page_size: int,
        limit: int | None,
        scope: Scope,
        email: str = "",
    ) -> Iterator[Page[Record]]:
        """Pages of records; ``email`` becomes the filter of docs/protocol/conventions.md#filters."""
        wanted = {"filters": [{"field": "email", "value": email}]}
        params = {"q": json.dumps(wanted, separators=(",", ":"))} if email else None
        size = min(page_size, limit or page_size)
        for answer in self._client.pages(path, params=params, scope=scope, page_size=size):
            info = answer.get("paginationInfo")
            total = info.get("totalResults") if isinstance(info, dict) else None
            yield Page(decode_list(cls, answer.get(member)), total if isinstance(total, int) else None)


def _v3(org: str, team: str) -> tuple[str, ...]:
    return ("v3", "orgs", org, "teams", team) if team else ("v3", "orgs", org)


def _present(answer: Mapping[str, Any], member: str, what: str) -> Any:
    """The member of an answer; raises NotFound when the server left it out.

    See docs/protocol/people.md#endpoints on a missing user.
    """
    value = answer.get(member)
    if value is None:
        raise NotFound(f"the server knows no {what}")
    return value
