"""Organizations, teams and the caller: what exists, what may be chosen, and who is asking."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from ngc_cli.errors import Forbidden, NgcError, NotFound, UsageError
from ngc_cli.records import Org, Team, User
from ngc_cli.similar import did_you_mean

if TYPE_CHECKING:
    from ngc_cli.api.orgs import Caller, OrgApi, Page

Record = TypeVar("Record")

_TEAM_NAME = re.compile(r"[a-z][a-z0-9_-]{0,17}[a-z0-9]")
# What the service takes (docs/protocol/people.md).
_DESCRIPTION_MAX = 255


@dataclass(frozen=True)
class Listing(Generic[Record]):
    """The records of a list; ``complete`` is False when a limit left some out."""

    items: Sequence[Record]
    complete: bool = True


def collect(pages: Iterable[Page[Record]], limit: int | None) -> Listing[Record]:
    """All records of the pages, or the first ``limit`` of them without asking for a page more."""
    items: list[Record] = []
    for page in pages:
        items += page.items
        if limit is not None and len(items) >= limit:
            total = len(items) if page.total is None else page.total
            return Listing(items[:limit], total <= limit)
    return Listing(items)


def list_orgs(api: OrgApi, limit: int | None = None) -> Listing[Org]:
    """The organizations of the caller; a scoped key has exactly one."""
    try:
        found = collect(api.orgs(limit), limit)
    except Forbidden:
        if not api.has_scoped_key:
            raise
        found = Listing([])
    if found.items or not api.has_scoped_key:
        return found
    return Listing([_org_of_key(api, api.caller())])


def org_choices(api: OrgApi) -> list[Org]:
    """The organizations to choose from in a configuration."""
    return list(list_orgs(api).items)


def team_choices(api: OrgApi, org: str) -> list[Team]:
    """The teams of an org to choose from; where a key may not list them, those it holds a role in."""
    try:
        return list(list_teams(api, org).items)
    except Forbidden:
        caller = api.caller() if api.has_scoped_key else None
        if caller is None or caller.user is None:
            raise
        return [grant.team for grant in caller.user.roles or () if grant.team is not None]


def list_teams(api: OrgApi, org: str, limit: int | None = None) -> Listing[Team]:
    """The teams of an organization."""
    return collect(api.teams(org, limit), limit)


def team_info(api: OrgApi, org: str, name: str) -> Team:
    """One team; raises NotFound with the names that are close."""
    try:
        return api.team(org, name)
    except NotFound as error:
        raise _missing_team(api, org, name, error) from error


def create_team(api: OrgApi, org: str, name: str, description: str) -> Team:
    """A new team, its name in lower case; raises UsageError for a name that no server takes."""
    return api.create_team(org, creatable_team_name(name), _checked_description(description))


def update_team(api: OrgApi, org: str, name: str, description: str) -> Team:
    """Change the description of a team."""
    try:
        api.update_team(org, name, _checked_description(description))
    except NotFound as error:
        raise _missing_team(api, org, name, error) from error
    return api.team(org, name)


def remove_team(api: OrgApi, org: str, name: str) -> None:
    """Remove a team."""
    try:
        api.remove_team(org, name)
    except NotFound as error:
        raise _missing_team(api, org, name, error) from error


def who(api: OrgApi, org: str = "") -> User:
    """The user the key belongs to; raises NotFound for a service key, which belongs to none."""
    if not api.has_scoped_key:
        return api.me(org)
    caller = api.caller()
    if caller.user is None:
        raise NotFound(
            f"this key belongs to no user: it is a {caller.kind or 'service key'} of org '{caller.org_name}'",
            hint="Use a personal key to see a user.",
        )
    return caller.user


def rename_me(api: OrgApi, name: str) -> User:
    """Change the caller's own name."""
    if not 1 <= len(name) <= 64:
        raise UsageError("a name has 1 to 64 characters")
    api.rename_me(name)
    return who(api)


def creatable_team_name(name: str) -> str:
    """The name in lower case; raises UsageError when a team cannot be called that.

    See docs/protocol/people.md#endpoints, T3.
    """
    lower = name.lower()
    if _TEAM_NAME.fullmatch(lower) is None:
        raise UsageError(
            f"a team cannot be called '{name}'",
            hint="Use 2 to 19 of a-z, 0-9, '_' and '-', beginning with a letter and ending in a letter or digit.",
        )
    return lower


def _checked_description(description: str) -> str:
    if len(description) > _DESCRIPTION_MAX:
        raise UsageError(f"a description has at most {_DESCRIPTION_MAX} characters")
    return description


def _missing_team(api: OrgApi, org: str, name: str, error: NgcError) -> NotFound:
    """The error for a team that is not there, with the names it may have been meant for.

    See docs/guide.md, G-20.
    """
    try:
        names = [team.name for page in api.teams(org) for team in page.items]
    except NgcError:
        return NotFound(
            error.message, status=error.status, request_id=error.request_id, request=error.request
        )
    return NotFound(
        f"there is no team '{name}' in org '{org}'",
        hint=did_you_mean(name, names, likeness=0.7) or "'ngc team list' shows the teams.",
        status=error.status,
        request_id=error.request_id,
        request=error.request,
    )


def _org_of_key(api: OrgApi, caller: Caller) -> Org:
    """The one org of a scoped key; only its name is known to a key that may not read it."""
    try:
        return api.org(caller.org_name)
    except (Forbidden, NotFound):
        return Org(name=caller.org_name)
