"""The commands about people that ``ngc org`` and ``ngc team`` share (docs/cli.md).

``org.py`` and ``team.py`` declare the commands; each calls the function of its name here with the name of its group.
They differ in the team that a command works in: those of ``ngc team`` need one; ``ngc org add-user`` and
``update-user`` work in the team that is named or configured (guide 7.4), the others on the org as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

import typer

from ngc_cli.cli.completers import live, words
from ngc_cli.cli.listing_notes import note_if_cut_short, note_if_empty
from ngc_cli.cli.options import ColumnOpt, DryRunOpt, LimitOpt
from ngc_cli.cli.runtime import Runtime
from ngc_cli.errors import NgcError, PartlyFailed, UsageError
from ngc_cli.roles import ROLES

if TYPE_CHECKING:
    from ngc_cli.services.people.members import Addition, Change, Members

Result = TypeVar("Result")
GroupName = Literal["org", "team"]
UserArg = Annotated[
    str,
    typer.Argument(
        metavar="EMAIL|ID", autocompletion=live("users"), help="Who: an e-mail address or a number."
    ),
]
NewUserArg = Annotated[
    str, typer.Argument(metavar="EMAIL|ID", help="Who: an e-mail address, or a member's number.")
]
UserNameArg = Annotated[str, typer.Argument(metavar="[NAME]", help="Name of the person.")]
RoleArg = Annotated[str, typer.Argument(metavar="[ROLE]", hidden=True)]
InvitationArg = Annotated[
    str,
    typer.Argument(
        metavar="EMAIL|ID",
        autocompletion=live("invitations"),
        help="Whose: an e-mail address or the invitation's number.",
    ),
]
TeamNameArg = Annotated[
    str, typer.Argument(metavar="TEAM", autocompletion=live("teams"), help="Name of the team.")
]
_RESULT_WORDS = {"added": "Added", "updated": "Updated", "invited": "Invited"}


def role_option(*names: str, help: str) -> Any:
    """An option that takes a role, and may be repeated."""
    return typer.Option(
        *names, metavar="ROLE", autocompletion=words(*ROLES), help=f"{help}; may be repeated."
    )


@dataclass(frozen=True)
class AddOptions:
    """Options of ``add-user``."""

    role: Annotated[
        list[str] | None,
        role_option(
            "--role", "-r", help=f"Role to give, REGISTRY_USER by default; one of {', '.join(ROLES)}"
        ),
    ] = None
    display_name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Name of the person.")
    ] = None
    create_team: Annotated[bool, typer.Option("--create-team", help="Create the team if it is missing.")] = (
        False
    )
    team_description: Annotated[
        str, typer.Option("--team-description", help="Description of a team that is created.")
    ] = ""
    invitation_expiry: Annotated[
        str | None,
        typer.Option(
            "--invitation-expiry",
            metavar="TIME",
            help="How long an invitation is open: '1 hour', '6 hours', '24 hours', '1 week', '1 month' or hours.",
        ),
    ] = None
    message: Annotated[str, typer.Option("--message", help="What to write to a person who is invited.")] = ""
    from_csv: Annotated[
        Path | None,
        typer.Option(
            "--from-csv", metavar="FILE", help="Add everybody in a file with columns email,name,role,team."
        ),
    ] = None
    dry_run: DryRunOpt = False

    def org_roles(self) -> list[str]:
        """Roles in the org beside those in the team."""
        return []

    def addition(self, who: str, name: str, team: str) -> Addition:
        """The person to add, without roles yet; raises UsageError."""
        from ngc_cli.roles import canonical_roles
        from ngc_cli.services.people.members import Addition, expiry_minutes

        if name and self.display_name and name != self.display_name:
            raise UsageError(f"two names are given: '{name}' and '{self.display_name}'")
        return Addition(
            who=who,
            roles=(),
            name=name or self.display_name or "",
            team=team,
            org_roles=canonical_roles(self.org_roles(), in_team=False),
            create_team=self.create_team,
            team_description=self.team_description,
            expires_in_min=expiry_minutes(self.invitation_expiry) if self.invitation_expiry else None,
            message=self.message,
        )


@dataclass(frozen=True)
class TeamAddOptions(AddOptions):
    """Options of ``team add-user``."""

    org_role: Annotated[
        list[str] | None,
        role_option("--org-role", help=f"Role in the org as well; one of {', '.join(ROLES)}"),
    ] = None

    def org_roles(self) -> list[str]:
        """The roles of --org-role."""
        return self.org_role or []


@dataclass(frozen=True)
class ListUsersOptions:
    """Options of ``list-users``."""

    heading: ClassVar = "Filters"

    joined: Annotated[bool, typer.Option("--joined", help="Only members.")] = False
    invited: Annotated[bool, typer.Option("--invited", help="Only people who have not joined yet.")] = False
    email: Annotated[
        str,
        typer.Option(
            "--email",
            metavar="EMAIL",
            autocompletion=live("users"),
            help="Only the person with this address.",
        ),
    ] = ""
    column: ColumnOpt = None
    limit: LimitOpt = None


@dataclass(frozen=True)
class RoleOptions:
    """Options of ``update-user``."""

    role: Annotated[
        list[str] | None,
        role_option(
            "--role", "-r", help=f"The roles to hold instead of all others; any of {', '.join(ROLES)}"
        ),
    ] = None
    add_role: Annotated[
        list[str] | None, role_option("--add-role", help="Role to add to those held; words as for --role")
    ] = None
    remove_role: Annotated[
        list[str] | None, role_option("--remove-role", help="Role to take away; words as for --role")
    ] = None
    dry_run: DryRunOpt = False

    def changes(self, positional_role: str, *, in_team: bool) -> dict[str, Any]:
        """Canonical roles to ``add``, to ``remove``, and to ``replace`` all others by, or None.

        Raises UsageError for options that exclude each other, NgcError when there is nothing to change.
        """
        from ngc_cli.roles import canonical_roles

        replace = [*(self.role or ()), *([positional_role] if positional_role else ())]
        if replace and (self.add_role or self.remove_role):
            raise UsageError("--role replaces all roles and excludes --add-role and --remove-role")
        if not (replace or self.add_role or self.remove_role):
            raise NgcError(
                "no change is named", hint="Give --add-role, --remove-role, or --role for all of them."
            )
        named = {"add": self.add_role, "remove": self.remove_role, "replace": replace}
        changes = {
            name: tuple(canonical_roles(roles or (), in_team=in_team)) for name, roles in named.items()
        }
        both = set(changes["add"]) & set(changes["remove"])
        if both:
            raise UsageError(f"{', '.join(sorted(both))} cannot be both added and removed")
        return {**changes, "replace": changes["replace"] or None}


def list_users(ctx: typer.Context, group: GroupName, options: ListUsersOptions) -> None:
    """List the users, and the people invited."""
    from ngc_cli.cli import members_views as views

    run = Runtime.of(ctx)
    members = _members(run)
    team = _own_team(run, group, "list-users")
    both = options.joined == options.invited
    shown = {"joined": options.joined or both, "invited": options.invited or both}
    found, team = _in_team(
        run,
        members,
        team,
        lambda name: members.people(name, **shown, email=options.email, limit=options.limit),
    )
    if found.invitations_refused:
        run.output.note("Invitations are left out: this key may not see them.")
    note_if_cut_short(run, found.members, found.invited)
    whom = f"with the address {options.email} " if options.email else ""
    note_if_empty(run, f"Nobody {whom}is in {_place(members.org, team)}.", found.members, found.invited)
    view = views.people_table(found, members.org, team, options.column or (), **shown)
    emails = [user.email for user in found.members.items], [item.user_email for item in found.invited.items]
    run.output.show(view, ids=[email for part in emails for email in part if email])


def add_user(ctx: typer.Context, group: GroupName, who: str, name: str, options: AddOptions) -> None:
    """Add a user, invite one who has no account yet, or do so for everybody in a file."""
    from ngc_cli.cli import members_views as views
    from ngc_cli.roles import DEFAULT_ROLE, canonical_roles

    run = Runtime.of(ctx)
    run.only_plan(options.dry_run and options.from_csv is None)
    members = _members(run)
    team = _chosen_team(run, group)
    addition = options.addition(who, name, team)
    roles = options.role or [DEFAULT_ROLE]
    if options.from_csv is not None:
        if who:
            raise UsageError("--from-csv names the people; leave out EMAIL and NAME")
        _add_from_file(run, members, options.from_csv, addition, roles, dry_run=options.dry_run)
        return
    if not who:
        raise UsageError(
            "nobody to add is named", hint=f"Write ngc {group} add-user EMAIL, or --from-csv FILE."
        )
    addition = replace(addition, roles=canonical_roles(roles, in_team=bool(team)))
    change, _ = _in_team(run, members, team, lambda name: members.add(replace(addition, team=name)))
    run.output.show(views.change_table(change), headline=_headline(change))


def _add_from_file(
    run: Runtime, members: Members, path: Path, base: Addition, roles: list[str], *, dry_run: bool
) -> None:
    """Add everybody in a file and show what became of each; raises PartlyFailed when not all is done."""
    from ngc_cli.cli import members_views as views
    from ngc_cli.services.people import csv_import as member_files

    rows = member_files.read_rows(path, base, roles)
    results = list(
        member_files.check(rows, members.org) if dry_run else member_files.apply(rows, members.add)
    )
    run.output.show(views.rows_table(results))
    bad = sum(not item.ok for item in results)
    if bad:
        raise PartlyFailed(
            f"{bad} of {len(results)} rows {'are wrong' if dry_run else 'were not done'}",
            hint="Correct them and run it again: what is done already stays as it is.",
        )


def update_user(
    ctx: typer.Context, group: GroupName, who: str, positional_role: str, options: RoleOptions
) -> None:
    """Change the roles of a user."""
    from ngc_cli.cli import members_views as views

    run = Runtime.of(ctx)
    run.only_plan(options.dry_run)
    members = _members(run)
    team = _chosen_team(run, group)
    changes = options.changes(positional_role, in_team=bool(team))
    change, _ = _in_team(run, members, team, lambda name: members.update(who, name, **changes))
    run.output.show(views.change_table(change), headline=_headline(change))


def remove_user(ctx: typer.Context, group: GroupName, who: str, *, dry_run: bool) -> None:
    """Take a user out."""
    run = Runtime.of(ctx)
    run.only_plan(dry_run)
    members = _members(run)
    org = members.org
    team = _own_team(run, group, "remove-user", refuse=True)
    user, team = _in_team(run, members, team, lambda name: members.member(who, name))
    place = _place(org, team)
    run.confirm(f"Remove user {user.name or user.email} ({user.email}, id {user.id}) from {place}?")
    members.remove(user, team)
    removed = {"kind": "user", "id": user.id, "email": user.email, "org": org, "team": team}
    run.output.done(f"Removed user {user.email} from {place}.", removed=[_given(removed)])


def delete_invitation(ctx: typer.Context, group: GroupName, who: str, *, dry_run: bool) -> None:
    """Take back an invitation to the org, and with it those to its teams."""
    run = Runtime.of(ctx)
    run.only_plan(dry_run)
    members = _members(run)
    org = members.org
    team = _own_team(run, group, "delete-invitation")
    invitation, _ = _in_team(run, members, team, lambda name: members.invitation(who, name))
    email = invitation.user_email
    run.confirm(f"Delete the invitation of {email} to org {org} and all its teams?")
    members.delete_invitation(invitation)
    removed = {"kind": "invitation", "id": invitation.id, "email": email, "org": org}
    run.output.done(f"Deleted the invitation of {email} to org {org}.", removed=[_given(removed)])


def _given(facts: Mapping[str, str | int | None]) -> dict[str, str | int]:
    return {name: value for name, value in facts.items() if value not in (None, "")}


def _members(run: Runtime) -> Members:
    from ngc_cli.services.people.members import Members

    return Members(run.people, run.org)


def _chosen_team(run: Runtime, group: GroupName) -> str:
    """The team to work in, empty for none: for ``ngc team`` there must be one."""
    return run.team if group == "team" else run.settings.team


def _in_team(run: Runtime, members: Members, team: str, act: Callable[[str], Result]) -> tuple[Result, str]:
    """What ``act`` returns for the team, or for the only one alike, with a note; and the team's name."""
    result, name, note = members.in_team(team, act)
    run.output.note(note)
    return result, name


def _own_team(run: Runtime, group: GroupName, verb: str, *, refuse: bool = False) -> str:
    """The team of a command that for ``ngc org`` is about the whole org; --team there is a misunderstanding."""
    if group == "team":
        return run.team
    named = run.flags.team
    if named and named != "no-team":
        if refuse:
            raise UsageError(
                f"'ngc org {verb}' is about the whole org, not team '{named}'",
                hint=f"Use 'ngc team {verb}', or leave out --team.",
            )
        run.output.warn(f"--team {named} is ignored: 'ngc team {verb}' is the command for a team")
    return ""


def _place(org: str, team: str) -> str:
    return f"team {team} of org {org}" if team else f"org {org}"


def _headline(change: Change) -> str:
    """The line of success above the table."""
    person = change.user.email or change.user.name
    place = _place(change.org, change.team)
    roles = f"[{','.join(change.roles)}]"
    if change.result == "unchanged":
        state = "is invited to" if change.invitation is not None else "is in"
        return f"Nothing to change: {person} {state} {place} as {roles}."
    if change.result == "updated":
        return f"Updated {person} in {place}: {roles}."
    return f"{_RESULT_WORDS[change.result]} {person} to {place} as {roles}."
