"""The commands about people that ``ngc org`` and ``ngc team`` share (contract/cli-surface.md 7 and 8).

Where both differ is which team a command is about: those of ``ngc team`` need one; ``ngc org add-user`` and
``update-user`` work in the team that is named or configured (guide 7.4), the others on the org as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ngc_cli.cli.groups import Verbs
from ngc_cli.cli.options import ColumnOpt, LimitOpt, takes
from ngc_cli.cli.runtime import Runtime
from ngc_cli.errors import PartlyFailed, UsageError

if TYPE_CHECKING:
    from ngc_cli.services.people.members import Addition, Change, Members

GroupName = Literal["org", "team"]
UserArg = Annotated[str, typer.Argument(metavar="EMAIL|ID", help="Who: an e-mail address or a number.")]
TeamNameArg = Annotated[str, typer.Argument(metavar="NAME", help="Name of the team.")]
_RESULT_WORDS = {"added": "Added", "updated": "Updated", "invited": "Invited"}


@dataclass(frozen=True)
class AddOptions:
    """Options of ``add-user``."""

    role: Annotated[
        list[str] | None,
        typer.Option("--role", "-r", help="Role to give, REGISTRY_USER by default; may be repeated."),
    ] = None
    display_name: Annotated[str | None, typer.Option("--name", help="Name of the person.")] = None
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
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --from-csv: check the file, and send nothing.")
    ] = False

    def addition(self, who: str, name: str, team: str, org_roles: list[str]) -> Addition:
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
            org_roles=canonical_roles(org_roles, in_team=False),
            create_team=self.create_team,
            team_description=self.team_description,
            expires_in_min=expiry_minutes(self.invitation_expiry) if self.invitation_expiry else None,
            message=self.message,
        )


@dataclass(frozen=True)
class TeamAddOptions(AddOptions):
    """Options of ``team add-user``."""

    org_role: Annotated[
        list[str] | None, typer.Option("--org-role", help="Role in the org as well; may be repeated.")
    ] = None


def member_verbs(verbs: Verbs, group: GroupName) -> None:
    """Register the commands about people with one of the two groups."""
    for register in (_list_users, _add_user, _update_user, _remove_user, _delete_invitation):
        register(verbs, group)


def _list_users(verbs: Verbs, group: GroupName) -> None:
    @verbs.command("list-users")
    def list_users(
        ctx: typer.Context,
        joined: Annotated[bool, typer.Option("--joined", help="Only members.")] = False,
        invited: Annotated[
            bool, typer.Option("--invited", help="Only people who have not joined yet.")
        ] = False,
        email: Annotated[str, typer.Option("--email", help="Only the person with this address.")] = "",
        column: ColumnOpt = None,
        limit: LimitOpt = None,
    ) -> None:
        """List the users, and the people invited."""
        from ngc_cli.cli import members_views as people

        run = Runtime.of(ctx)
        members = _members(run)
        team = _whole(run, group, "list-users")
        both = joined == invited
        found = members.people(team, joined=joined or both, invited=invited or both, email=email, limit=limit)
        if found.invitations_refused:
            run.output.note("Invitations are left out: this key may not see them.")
        run.tell_cut_short(found.members.complete and found.invited.complete, limit)
        run.output.show(
            people.people_table(
                found, members.org, team, column or (), joined=joined or both, invited=invited or both
            )
        )


def _add_user(verbs: Verbs, group: GroupName) -> None:
    options_record = TeamAddOptions if group == "team" else AddOptions

    @verbs.command("add-user")
    @takes(options=options_record)
    def add_user(
        ctx: typer.Context,
        options: AddOptions,
        who: Annotated[
            str, typer.Argument(metavar="EMAIL|ID", help="Who: an e-mail address, or a member's number.")
        ] = "",
        name: Annotated[str, typer.Argument(metavar="[NAME]", help="Name of the person.")] = "",
    ) -> None:
        """Add a user, or invite one who has no account yet."""
        import dataclasses

        from ngc_cli.cli import members_views as people
        from ngc_cli.roles import DEFAULT_ROLE, canonical_roles

        run = Runtime.of(ctx)
        members = _members(run)
        team = _chosen(run, group)
        org_roles = (options.org_role or []) if isinstance(options, TeamAddOptions) else []
        base = options.addition(who, name, team, org_roles)
        roles = options.role or [DEFAULT_ROLE]
        if options.from_csv is not None:
            if who:
                raise UsageError("--from-csv names the people; leave out EMAIL and NAME")
            _add_from_file(run, members, options.from_csv, base, roles, dry_run=options.dry_run)
            return
        if options.dry_run or not who:
            raise UsageError(
                "nobody to add is named" if not who else "--dry-run goes with --from-csv",
                hint=f"Write ngc {group} add-user EMAIL, or --from-csv FILE.",
            )
        addition = dataclasses.replace(base, roles=canonical_roles(roles, in_team=bool(team)))
        change = members.add(addition)
        run.output.show(people.change_table(change), head=_told(change))


def _add_from_file(
    run: Runtime, members: Members, path: Path, base: Addition, roles: list[str], *, dry_run: bool
) -> None:
    """Add everybody in a file and show what became of each; raises PartlyFailed when not all is done."""
    from ngc_cli.cli import members_views as people
    from ngc_cli.services.people import csv_import as member_files

    rows = member_files.read_rows(path, base, roles)
    results = list(
        member_files.check(rows, members.org) if dry_run else member_files.apply(rows, members.add)
    )
    run.output.show(people.rows_table(results))
    bad = sum(not item.ok for item in results)
    if bad:
        raise PartlyFailed(
            f"{bad} of {len(results)} rows {'are wrong' if dry_run else 'were not done'}",
            hint="Correct them and run it again: what is done already stays as it is.",
        )


def _update_user(verbs: Verbs, group: GroupName) -> None:
    @verbs.command("update-user")
    def update_user(
        ctx: typer.Context,
        who: UserArg,
        positional_role: Annotated[str, typer.Argument(metavar="[ROLE]", hidden=True)] = "",
        role: Annotated[
            list[str] | None,
            typer.Option("--role", "-r", help="The roles to hold instead of all others; may be repeated."),
        ] = None,
        add_role: Annotated[
            list[str] | None, typer.Option("--add-role", help="Role to add; may be repeated.")
        ] = None,
        remove_role: Annotated[
            list[str] | None, typer.Option("--remove-role", help="Role to take away; may be repeated.")
        ] = None,
    ) -> None:
        """Change the roles of a user."""
        from ngc_cli.cli import members_views as people
        from ngc_cli.errors import NgcError
        from ngc_cli.roles import canonical_roles

        run = Runtime.of(ctx)
        members = _members(run)
        team = _chosen(run, group)
        replace = [*(role or ()), *([positional_role] if positional_role else ())]
        if replace and (add_role or remove_role):
            raise UsageError("--role replaces all roles and excludes --add-role and --remove-role")
        if not (replace or add_role or remove_role):
            raise NgcError(
                "no change is named", hint="Give --add-role, --remove-role, or --role for all of them."
            )
        added, removed, kept = (
            canonical_roles(names or (), in_team=bool(team)) for names in (add_role, remove_role, replace)
        )
        both = set(added) & set(removed)
        if both:
            raise UsageError(f"{', '.join(sorted(both))} cannot be both added and removed")
        change = members.update(who, team, add=added, remove=removed, replace=kept or None)
        run.output.show(people.change_table(change), head=_told(change))


def _remove_user(verbs: Verbs, group: GroupName) -> None:
    @verbs.command("remove-user")
    def remove_user(ctx: typer.Context, who: UserArg) -> None:
        """Take a user out."""
        run = Runtime.of(ctx)
        members = _members(run)
        org = members.org
        team = _whole(run, group, "remove-user", refuse=True)
        user = members.member(who, team)
        place = _place(org, team)
        run.confirm(f"Remove user {user.name or user.email} ({user.email}, id {user.id}) from {place}?")
        members.remove(user, team)
        removed = {"kind": "user", "id": user.id, "email": user.email, "org": org, "team": team}
        show_removed(run, f"Removed user {user.email} from {place}.", removed)


def _delete_invitation(verbs: Verbs, group: GroupName) -> None:
    @verbs.command("delete-invitation")
    def delete_invitation(
        ctx: typer.Context,
        who: Annotated[
            str,
            typer.Argument(metavar="EMAIL|ID", help="Whose: an e-mail address or the invitation's number."),
        ],
    ) -> None:
        """Take back an invitation to the org, and with it those to its teams."""
        run = Runtime.of(ctx)
        members = _members(run)
        org = members.org
        invitation = members.invitation(who, _whole(run, group, "delete-invitation"))
        email = invitation.user_email
        run.confirm(f"Delete the invitation of {email} to org {org} and all its teams?")
        members.delete_invitation(invitation)
        removed = {"kind": "invitation", "id": invitation.id, "email": email, "org": org}
        show_removed(run, f"Deleted the invitation of {email} to org {org}.", removed)


def show_removed(run: Runtime, head: str, removed: dict[str, str | int | None]) -> None:
    """Say that something is gone; csv and json name it on stdout."""
    from ngc_cli.cli.formats import Field, Summary

    run.output.head(head)
    if run.format_type != "ascii":
        named = {name: value for name, value in removed.items() if value not in (None, "")}
        fields = [Field(name, value) for name, value in named.items()]
        run.output.show(Summary("", fields, {"removed": [named]}))


def _members(run: Runtime) -> Members:
    from ngc_cli.services.people.members import Members

    return Members(run.people, run.org)


def _chosen(run: Runtime, group: GroupName) -> str:
    """The team to work in: for ``ngc team`` there must be one."""
    return run.team if group == "team" else run.settings.team


def _whole(run: Runtime, group: GroupName, verb: str, *, refuse: bool = False) -> str:
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


def _told(change: Change) -> str:
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
