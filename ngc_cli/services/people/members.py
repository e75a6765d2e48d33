"""Members of an org and of its teams, and people invited: list, find, add, change, remove.

Whoever is named by e-mail address or number is found first, so that only what is missing is changed and a
command that runs twice changes nothing the second time. Source of the calls: docs/protocol/people.md; an API
key may not be allowed to see invitations, so looking for them never fails a command about members.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ngc_cli.errors import (
    AlreadyExists,
    Forbidden,
    NgcError,
    NotAuthenticated,
    NotFound,
    ServerError,
    UsageError,
)
from ngc_cli.records import Invitation, User
from ngc_cli.services.listing import Listing
from ngc_cli.services.people.orgs import collect, create_team, find_team, require_team

if TYPE_CHECKING:
    from ngc_cli.api.orgs import OrgApi

Result = TypeVar("Result")

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
# RFC 3696: 64 characters, the sign, and 255.
_EMAIL_MAX = 320
_EXPIRY_HOURS = {"1 hour": 1, "6 hours": 6, "24 hours": 24, "1 week": 168, "1 month": 720}
_REFUSED = (Forbidden, NotAuthenticated)


@dataclass(frozen=True)
class Addition:
    """Somebody to add to an org or a team: the roles to hold there, and how to invite a person not yet known.

    ``who`` is an e-mail address, or the number of a member. ``org_roles`` come on top of a team's roles.
    """

    who: str
    roles: tuple[str, ...]
    name: str = ""
    team: str = ""
    org_roles: tuple[str, ...] = ()
    create_team: bool = False
    team_description: str = ""
    expires_in_min: int | None = None
    message: str = ""


@dataclass(frozen=True)
class Change:
    """What became of one person.

    ``result`` is added, updated, invited or unchanged; ``invitation`` is set for somebody who has no key yet.
    """

    result: str
    org: str
    team: str
    roles: tuple[str, ...]
    user: User
    invitation: Invitation | None = None


@dataclass(frozen=True)
class People:
    """Members and people invited; ``invitations_refused`` says that the key may not see the latter."""

    members: Listing[User]
    invited: Listing[Invitation]
    invitations_refused: bool = False


def expiry_minutes(text: str) -> int:
    """Minutes of ``24 hours``, ``1 week``, ... or of a whole number of hours from 1 to 720; raises UsageError."""
    words = text.strip().lower()
    hours = _EXPIRY_HOURS.get(words) or (int(words) if words.isascii() and words.isdigit() else 0)
    if not 1 <= hours <= 720:
        raise UsageError(
            f"'{text}' is not how long an invitation can be open",
            hint=f"Use one of: {', '.join(_EXPIRY_HOURS)}; or hours from 1 to 720.",
        )
    return hours * 60


def require_email(text: str) -> str:
    """The address itself; raises UsageError for what cannot be one."""
    if len(text) > _EMAIL_MAX or _EMAIL.fullmatch(text) is None:
        raise UsageError(f"'{text}' is not an e-mail address", hint="Write it like name@example.com.")
    return text


def roles_in(user: User, org: str, team: str = "") -> tuple[str, ...]:
    """The roles a user holds in an org itself, or in one team of it; sorted."""
    held: set[str] = set()
    for grant in user.roles or ():
        if grant.org is not None and grant.org.name != org:
            continue
        if not team and grant.team is None:
            held.update(grant.org_roles or ())
        elif team and grant.team is not None and grant.team.name == team:
            held.update(grant.team_roles or ())
    return tuple(sorted(held))


class Members:
    """The people of one org; methods take the team when they are about one."""

    def __init__(self, api: OrgApi, org: str) -> None:
        self.org = org
        self._api = api
        self._teams_seen: set[str] = set()

    def in_team(self, team: str, act: Callable[[str], Result]) -> tuple[Result, str, str]:
        """What ``act`` returns for the team, the team's name, and what to tell the user.

        Where there is no such team it is done for the only one alike, as ``find_team`` takes it. Empty means no team.
        """
        try:
            return act(team), team, ""
        except NotFound as error:
            note = ""
            if team:
                with suppress(NgcError):
                    found, note = find_team(self._api, self.org, team)
            if not note:
                raise error
            return act(found.name), found.name, note

    def people(
        self,
        team: str = "",
        *,
        joined: bool = True,
        invited: bool = True,
        email: str = "",
        limit: int | None = None,
    ) -> People:
        """Members, people invited, or both; each sorted by name regardless of case."""
        members: Listing[User] = Listing([])
        if joined:
            members = collect(self._api.users(self.org, team, email=email, limit=limit), limit)
        left = None if limit is None else limit - len(members.items)
        if not invited or left == 0:
            return People(_matching_members(members, email), Listing([], complete=not invited))
        try:
            pages = self._api.invitations(self.org, team, email=email, limit=left)
            pending = collect(pages, left)
        except _REFUSED:
            if not joined:
                raise
            return People(_matching_members(members, email), Listing([]), invitations_refused=True)
        return People(_matching_members(members, email), _matching_invitations(pending, email))

    def find(self, who: str, team: str = "") -> User | Invitation:
        """The member, or else the person invited, that an address or a number names; raises NotFound."""
        if "@" not in who:
            try:
                return self._by_number(who, team)
            except NotFound as error:
                number = int(who)
                invited = next((item for item in self._pending(team) if item.id == number), None)
                if invited is None:
                    raise self._unknown(who, team) from error
                return invited
        member = self._by_email(who, team)
        if member is not None:
            return member
        found = self._pending(team, who)
        if not found:
            raise self._unknown(who, team)
        return found[0]

    def look_up(self, who: str, team: str) -> User | Invitation:
        """Like ``find`` in the whole org, or in the team alone where the key may look no further."""
        try:
            return self.find(who)
        except Forbidden:
            if not team:
                raise
            return self.find(who, team)

    def member(self, who: str, team: str = "") -> User:
        """The member that an address or a number names; raises NotFound, also for somebody only invited."""
        if "@" not in who:
            try:
                return self._by_number(who, team)
            except NotFound as error:
                raise self._unknown(who, team) from error
        found = self._by_email(who, team)
        if found is None:
            if self._pending(team, who):
                group = "team" if team else "org"
                raise NotFound(
                    f"{who} is invited to {self._place(team)} and has not joined yet",
                    hint=f"'ngc {group} delete-invitation {who}' takes the invitation back.",
                )
            raise self._unknown(who, team)
        return found

    def add(self, addition: Addition) -> Change:
        """Grant the roles that are missing, or invite a person who is no member yet."""
        team = addition.team
        if team:
            self._require_team(addition)
        if "@" not in addition.who:
            member: User | None = self.member(addition.who, team)
        else:
            member = self._by_email(require_email(addition.who), team) or (
                self._by_email(addition.who, "", may_refuse=True) if team else None
            )
        if member is None:
            return self._invite(addition)
        if addition.org_roles and member.id is not None:
            member = self._api.user(self.org, member.id)
        return self._grant(member, team, addition.roles, addition.org_roles)

    def update(
        self,
        who: str,
        team: str = "",
        *,
        add: Collection[str] = (),
        remove: Collection[str] = (),
        replace: Collection[str] | None = None,
    ) -> Change:
        """Add and take away roles, or make ``replace`` the only ones; what is already so stays untouched."""
        found = self.find(who, team) if "@" in who else self.member(who, team)
        if isinstance(found, Invitation):
            return self._update_invited(found, team, add, remove, replace)
        held = set(roles_in(found, self.org, team))
        wanted = set(replace) if replace is not None else (held | set(add)) - set(remove)
        email = _email_of(found)
        if wanted - held:
            self._api.add_roles(self.org, team, email, sorted(wanted - held))
        if held - wanted:
            self._api.remove_roles(self.org, team, email, sorted(held - wanted))
        if wanted == held:
            return Change("unchanged", self.org, team, tuple(sorted(held)), found)
        return Change("updated", self.org, team, tuple(sorted(wanted)), self._fresh(found, team))

    def remove(self, user: User, team: str = "") -> None:
        """Take a member out of the org, or out of one team."""
        self._api.remove_user(self.org, team, _id_of(user))

    def invitation(self, who: str, team: str = "") -> Invitation:
        """The pending invitation that an address or a number of the list names; raises NotFound."""
        if "@" in who:
            found = self._invitations(team, who)
        else:
            number = _number(who)
            found = [item for item in self._invitations(team) if item.id == number]
        if not found:
            group = "team" if team else "org"
            raise NotFound(
                f"there is no invitation '{who}' to {self._place(team)}",
                hint=f"'ngc {group} list-users --invited' shows the invitations.",
            )
        return found[0]

    def delete_invitation(self, invitation: Invitation) -> None:
        """Take back a person's invitation, to the org and to all its teams at once: the wire knows no less."""
        self._api.delete_invitation(self.org, invitation.user_email)

    # parts

    def _place(self, team: str) -> str:
        return f"team '{team}' of org '{self.org}'" if team else f"org '{self.org}'"

    def _unknown(self, who: str, team: str) -> NotFound:
        group = "team" if team else "org"
        return NotFound(
            f"there is no user '{who}' in {self._place(team)}",
            hint=f"'ngc {group} list-users' shows the users.",
        )

    def _by_number(self, who: str, team: str) -> User:
        return self._api.user(self.org, _number(who), team)

    def _by_email(self, email: str, team: str, *, may_refuse: bool = False) -> User | None:
        """The member with this address; with ``may_refuse`` a key that may not look finds nobody."""
        try:
            pages = self._api.users(self.org, team, email=email)
            return next(iter(_matching_members(collect(pages, None), email).items), None)
        except Forbidden:
            if not may_refuse:
                raise
            return None

    def _invitations(self, team: str, email: str = "") -> Sequence[Invitation]:
        found = collect(self._api.invitations(self.org, team, email=email), None)
        return _matching_invitations(found, email).items

    def _pending(self, team: str, email: str = "") -> Sequence[Invitation]:
        """Invitations as far as the key may see them."""
        try:
            return self._invitations(team, email)
        except _REFUSED:
            return []

    def _pending_anywhere(self, email: str, team: str) -> Sequence[Invitation]:
        """A person's invitations to the org and its teams, or those to the team when only these may be seen."""
        return self._pending("", email) or (self._pending(team, email) if team else [])

    def _require_team(self, addition: Addition) -> None:
        """Check that the team exists; with ``--create-team``, create it."""
        team = addition.team
        if team in self._teams_seen:
            return
        try:
            require_team(self._api, self.org, team)
        except NotFound as error:
            if not addition.create_team:
                hint = " ".join(part for part in (error.hint, "--create-team makes a new team.") if part)
                text = f"there is no team '{team}' in org '{self.org}'"
                raise NotFound.like(error, text, hint=hint) from error
            create_team(self._api, self.org, team, addition.team_description)
        self._teams_seen.add(team)

    def _grant(self, member: User, team: str, roles: Sequence[str], org_roles: Sequence[str] = ()) -> Change:
        """Add what a member does not hold yet."""
        email = _email_of(member)
        held = roles_in(member, self.org, team)
        missing = [role for role in roles if role not in held]
        held_in_org = roles_in(member, self.org)
        missing_in_org = [role for role in org_roles if role not in held_in_org]
        if missing:
            self._api.add_roles(self.org, team, email, missing)
        if missing_in_org:
            self._api.add_roles(self.org, "", email, missing_in_org)
        now = tuple(sorted({*held, *roles}))
        if not (missing or missing_in_org):
            return Change("unchanged", self.org, team, now, member)
        result = "updated" if held else "added"
        return Change(result, self.org, team, now, self._fresh(member, team))

    def _fresh(self, member: User, team: str) -> User:
        """The member as the server knows it now; as known before when the last role is gone."""
        try:
            return self._api.user(self.org, _id_of(member), team)
        except NotFound:
            return member

    def _invite(self, addition: Addition) -> Change:
        """Invite a person who is no member, unless that was done before."""
        team, email = addition.team, addition.who
        pending = self._pending_anywhere(email, team)
        here = _invited_to(pending, team)
        missing = [role for role in addition.roles if here is None or role not in (here.user_roles or ())]
        in_org = _invited_to(pending, "")
        missing_in_org = [
            role for role in addition.org_roles if in_org is None or role not in (in_org.user_roles or ())
        ]
        if here is not None and not (missing or missing_in_org):
            return self._invited("unchanged", addition, here)
        try:
            if here is not None and not team:
                self._api.add_roles_to_invited(self.org, email, missing)
            elif team or addition.message or addition.expires_in_min is not None:
                if not self._send_invitation(addition):
                    return self._join(addition)
            else:
                self._api.add_user(self.org, email, addition.name, addition.roles)
        except AlreadyExists as error:
            if "pending" in error.message.lower() or "invitation" in error.message.lower():
                return self._invited("unchanged", addition, here)
            return self._join(addition)
        here = _invited_to(self._pending_anywhere(email, team), team)
        if here is None:
            member = self._by_email(email, team, may_refuse=True)
            if member is not None:
                now = roles_in(member, self.org, team) or addition.roles
                return Change("added", self.org, team, now, member)
        return self._invited("updated" if pending else "invited", addition, here)

    def _send_invitation(self, addition: Addition) -> bool:
        team = addition.team
        return self._api.invite(
            self.org,
            addition.who,
            org_roles=addition.org_roles if team else addition.roles,
            team=team,
            team_roles=addition.roles if team else (),
            name=addition.name,
            message=addition.message,
            expires_in_min=addition.expires_in_min or _EXPIRY_HOURS["24 hours"] * 60,
        )

    def _join(self, addition: Addition) -> Change:
        """Grant roles to somebody whom only the server could recognise as a member."""
        team, email = addition.team, addition.who
        self._api.add_roles(self.org, team, email, addition.roles)
        if addition.org_roles:
            self._api.add_roles(self.org, "", email, addition.org_roles)
        member = self._by_email(email, team, may_refuse=True) or User(email=email, name=addition.name or None)
        return Change("added", self.org, team, addition.roles, member)

    def _invited(self, result: str, addition: Addition, invitation: Invitation | None) -> Change:
        shown = invitation or Invitation(
            user_email=addition.who, user_roles=addition.roles, team_name=addition.team or None
        )
        user = User(email=shown.user_email, name=shown.user_name or addition.name or None)
        roles = tuple(sorted(shown.user_roles or addition.roles))
        return Change(result, self.org, addition.team, roles, user, shown)

    def _update_invited(
        self,
        invitation: Invitation,
        team: str,
        add: Collection[str],
        remove: Collection[str],
        replace: Collection[str] | None,
    ) -> Change:
        """Change the org roles somebody will get on joining; the wire has no such call for a team."""
        email = invitation.user_email
        if team or invitation.team_name:
            raise UsageError(
                f"the roles of an invitation to a team cannot be changed ({email})",
                hint="Take it back with 'ngc team delete-invitation' and add the person again.",
            )
        held = set(invitation.user_roles or ())
        wanted = set(replace) if replace is not None else (held | set(add)) - set(remove)
        if wanted - held:
            self._api.add_roles_to_invited(self.org, email, sorted(wanted - held))
        if held - wanted:
            self._api.remove_roles(self.org, "", email, sorted(held - wanted))
        user = User(email=email, name=invitation.user_name)
        result = "unchanged" if wanted == held else "updated"
        fresh = _invited_to(self._pending("", email), "") or invitation
        return Change(result, self.org, "", tuple(sorted(wanted)), user, fresh)


def _matching_members(found: Listing[User], email: str) -> Listing[User]:
    """Sorted by name; a server that ignores the filter must not make everybody look like the one asked for."""
    kept = (item for item in found.items if not email or (item.email or "").casefold() == email.casefold())
    ordered = sorted(kept, key=lambda user: ((user.name or "").casefold(), user.email or ""))
    return Listing(ordered, found.complete, found.total)


def _matching_invitations(found: Listing[Invitation], email: str) -> Listing[Invitation]:
    kept = (item for item in found.items if not email or item.user_email.casefold() == email.casefold())
    ordered = sorted(kept, key=lambda item: ((item.user_name or "").casefold(), item.id or 0))
    return Listing(ordered, found.complete, found.total)


def _invited_to(pending: Iterable[Invitation], team: str) -> Invitation | None:
    return next((item for item in pending if (item.team_name or "") == team), None)


def _number(who: str) -> int:
    if not (who.isascii() and who.isdigit()):
        raise UsageError(f"'{who}' is neither an e-mail address nor a number")
    return int(who)


def _email_of(user: User) -> str:
    if not user.email:
        raise ServerError(f"the server did not tell the e-mail address of user {user.id}")
    return user.email


def _id_of(user: User) -> int:
    if user.id is None:
        raise ServerError(f"the server did not tell the number of user {user.email}")
    return user.id
