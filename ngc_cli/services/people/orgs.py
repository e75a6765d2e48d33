"""Organizations, teams and the caller: what exists, what may be chosen, and who is asking."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

from ngc_cli.errors import Forbidden, NgcError, NotFound, UsageError
from ngc_cli.records import Org, Team, User
from ngc_cli.services.listing import Listing
from ngc_cli.similar import did_you_mean

if TYPE_CHECKING:
    from ngc_cli.api.orgs import Caller, OrgApi, Page

Record = TypeVar("Record")

_TEAM_NAME = re.compile(r"[a-z][a-z0-9_-]{0,17}[a-z0-9]")
# What the service takes (docs/protocol/people.md).
_DESCRIPTION_MAX = 255


def collect(pages: Iterable[Page[Record]], limit: int | None) -> Listing[Record]:
    """All records of the pages, or the first ``limit`` of them without asking for a page more."""
    items: list[Record] = []
    for page in pages:
        items += page.items
        if limit is not None and len(items) >= limit:
            total = len(items) if page.total is None else page.total
            return Listing(items[:limit], total <= limit, page.total)
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


def require_team(api: OrgApi, org: str, name: str) -> Team:
    """The team of exactly this name; raises MissingTeam with the names that are close."""
    try:
        return api.team(org, name)
    except NotFound as error:
        raise _missing_team(api, org, name, error) from error


def find_team(api: OrgApi, org: str, name: str) -> tuple[Team, str]:
    """One team, and what to tell the user: where none has the name, the only one alike is taken.

    Alike are names that differ in case, and in ``-`` and ``_``, and in nothing else (docs/guide.md, G-20). Raises
    NotFound with the names that are close.
    """
    try:
        return require_team(api, org, name), ""
    except MissingTeam as missing:
        if missing.only_alike is None:
            raise
        note = f"There is no team '{name}' in org '{org}': using '{missing.only_alike}'."
        return api.team(org, missing.only_alike), note


def create_team(api: OrgApi, org: str, name: str, description: str) -> Team:
    """A new team, its name in lower case; raises UsageError for a name that no server takes."""
    return api.create_team(org, creatable_team_name(name), _checked_description(description))


def update_team(api: OrgApi, org: str, name: str, description: str) -> tuple[Team, str]:
    """Change the description of a team that is found as ``find_team`` does."""
    checked = _checked_description(description)
    team, note = find_team(api, org, name)
    api.update_team(org, team.name, checked)
    return api.team(org, team.name), note


def remove_team(api: OrgApi, org: str, name: str) -> None:
    """Remove a team of exactly this name."""
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


class MissingTeam(NotFound):
    """There is no team of this name; ``only_alike`` is the one that may have been meant."""

    only_alike: str | None = None


def _missing_team(api: OrgApi, org: str, name: str, error: NgcError) -> MissingTeam:
    """The error for a team that is not there, with the names it may have been meant for.

    See docs/guide.md, G-20.
    """
    try:
        names = [team.name for page in api.teams(org) for team in page.items]
    except NgcError:
        return MissingTeam.like(error, error.message)
    hint = did_you_mean(name, names, likeness=0.7) or "'ngc team list' shows the teams."
    missing = MissingTeam.like(error, f"there is no team '{name}' in org '{org}'", hint=hint)
    alike = [known for known in names if _folded(known) == _folded(name)]
    missing.only_alike = alike[0] if len(alike) == 1 else None
    return missing


def _folded(name: str) -> str:
    return name.casefold().replace("_", "-")


def _org_of_key(api: OrgApi, caller: Caller) -> Org:
    """The one org of a scoped key; only its name is known to a key that may not read it."""
    try:
        return api.org(caller.org_name)
    except (Forbidden, NotFound):
        return Org(name=caller.org_name)
