"""``ngc org``: organizations, their users and teams (docs/cli.md#org)."""

from __future__ import annotations

from typing import Annotated

import typer

from ngc_cli.cli import members
from ngc_cli.cli.completers import live
from ngc_cli.cli.groups import Command, Group
from ngc_cli.cli.help import columns, examples
from ngc_cli.cli.listing_notes import note_if_cut_short, note_if_empty
from ngc_cli.cli.members import (
    AddOptions,
    InvitationArg,
    ListUsersOptions,
    NewUserArg,
    RoleArg,
    RoleOptions,
    TeamNameArg,
    UserArg,
    UserNameArg,
)
from ngc_cli.cli.options import DryRunOpt, options_from
from ngc_cli.cli.runtime import Runtime
from ngc_cli.cli.selection import TableOptions


class _OrgGroup(Group):
    not_supported = ("user-group", "subscription")


app = typer.Typer(cls=_OrgGroup, help="Organizations, their users and teams.")

DescriptionArg = Annotated[str, typer.Argument(metavar="DESCRIPTION", help="What the team is for.")]


@app.command("list", cls=Command)
@columns(orgs="ngc_cli.cli.members_views:ORG_COLUMNS")
@examples(
    ("ngc org list", "The orgs you belong to."),
)
@options_from(options=TableOptions)
def list_(ctx: typer.Context, options: TableOptions) -> None:
    """List the orgs you belong to."""
    from ngc_cli.cli import members_views as views
    from ngc_cli.services.people import orgs

    run = Runtime.of(ctx)
    found = options.select(orgs.list_orgs(run.people, options.fetch_limit), views.ORG_COLUMNS)
    note_if_cut_short(run, found)
    note_if_empty(run, "This key belongs to no org.", found)
    view = views.org_table(found.items, options.column or ())
    run.output.show(view, ids=[org.name for org in found.items])


@app.command("info", cls=Command)
@examples(
    ("ngc org info nvidia", "One of them."),
)
def info(
    ctx: typer.Context,
    org: Annotated[str, typer.Argument(metavar="ORG", autocompletion=live("orgs"), help="Name of the org.")],
) -> None:
    """Show one org."""
    from ngc_cli.cli import members_views as views

    run = Runtime.of(ctx)
    run.output.show(views.org_block(run.people.org(org)))


@app.command("list-users", cls=Command)
@columns(people="ngc_cli.cli.members_views:PERSON_COLUMNS")
@examples(
    ("ngc org list-users", "Members, and people who are invited."),
    ("ngc org list-users --joined --column email --column roles", "Members only, with two columns."),
)
@options_from(options=ListUsersOptions)
def list_users(ctx: typer.Context, options: ListUsersOptions) -> None:
    """List the users, and the people invited."""
    members.list_users(ctx, "org", options)


@app.command("add-user", cls=Command)
@examples(
    (
        "ngc org add-user --role REGISTRY_READ new@example.com 'New Person'",
        "Invite somebody, who may only read.",
    ),
    (
        "ngc org add-user --from-csv people.csv --dry-run",
        "Check a file with columns email, name, role and team.",
    ),
)
@options_from(options=AddOptions)
def add_user(ctx: typer.Context, options: AddOptions, who: NewUserArg = "", name: UserNameArg = "") -> None:
    """Add a user, or invite one who has no account yet."""
    members.add_user(ctx, "org", who, name, options)


@app.command("update-user", cls=Command)
@examples(
    ("ngc org update-user --add-role REGISTRY_ADMIN kim@example.com", "One more role."),
    ("ngc org update-user --role REGISTRY_READ kim@example.com", "This role and no other."),
)
@options_from(options=RoleOptions)
def update_user(
    ctx: typer.Context, who: UserArg, options: RoleOptions, positional_role: RoleArg = ""
) -> None:
    """Change the roles of a user."""
    members.update_user(ctx, "org", who, positional_role, options)


@app.command("remove-user", cls=Command)
@examples(
    ("ngc org remove-user --yes kim@example.com", "Without being asked."),
)
def remove_user(ctx: typer.Context, who: UserArg, dry_run: DryRunOpt = False) -> None:
    """Take a user out."""
    members.remove_user(ctx, "org", who, dry_run=dry_run)


@app.command("delete-invitation", cls=Command)
@examples(
    ("ngc org delete-invitation --yes guest@example.com", "Without being asked."),
)
def delete_invitation(ctx: typer.Context, who: InvitationArg, dry_run: DryRunOpt = False) -> None:
    """Take back an invitation to the org, and with it those to its teams."""
    members.delete_invitation(ctx, "org", who, dry_run=dry_run)


@app.command("add-team", cls=Command)
@examples(
    ("ngc org add-team crew 'Who tests'", "A team, and what it is for."),
)
def add_team(
    ctx: typer.Context, name: TeamNameArg, description: DescriptionArg, dry_run: DryRunOpt = False
) -> None:
    """Create a team."""
    from ngc_cli.cli import members_views as views
    from ngc_cli.services.people import orgs

    run = Runtime.of(ctx)
    run.only_plan(dry_run)
    team = orgs.create_team(run.people, run.org, name, description)
    if team.name != name:
        run.output.note(f"Names of teams are in lower case: '{name}' became '{team.name}'.")
    run.output.show(views.team_block(team), headline="Team created.")


@app.command("update-team", cls=Command)
@examples(
    ("ngc org update-team myteam 'Who trains'", "Another description."),
)
def update_team(
    ctx: typer.Context, name: TeamNameArg, description: DescriptionArg, dry_run: DryRunOpt = False
) -> None:
    """Change the description of a team."""
    from ngc_cli.cli import members_views as views
    from ngc_cli.services.people import orgs

    run = Runtime.of(ctx)
    run.only_plan(dry_run)
    team, note = orgs.update_team(run.people, run.org, name, description)
    run.output.note(note)
    run.output.show(views.team_block(team), headline="Team updated.")


@app.command("remove-team", cls=Command)
@examples(
    ("ngc org remove-team oldteam --yes", "Without being asked."),
)
def remove_team(ctx: typer.Context, name: TeamNameArg, dry_run: DryRunOpt = False) -> None:
    """Remove a team."""
    from ngc_cli.services.people import orgs

    run = Runtime.of(ctx)
    run.only_plan(dry_run)
    org, api = run.org, run.people
    orgs.require_team(api, org, name)
    run.confirm(f"Remove team {name} from org {org}?")
    orgs.remove_team(api, org, name)
    removed = {"kind": "team", "name": name, "org": org}
    run.output.done(f"Removed team {name} from org {org}.", removed=[removed])
