"""``ngc team``: teams and their users (docs/cli.md#team)."""

from __future__ import annotations

import typer

from ngc_cli.cli import members
from ngc_cli.cli.groups import Command, Group
from ngc_cli.cli.help import columns, examples
from ngc_cli.cli.listing_notes import note_if_cut_short, note_if_empty
from ngc_cli.cli.members import (
    InvitationArg,
    ListUsersOptions,
    NewUserArg,
    RoleArg,
    RoleOptions,
    TeamAddOptions,
    TeamNameArg,
    UserArg,
    UserNameArg,
)
from ngc_cli.cli.options import DryRunOpt, options_from
from ngc_cli.cli.runtime import Runtime
from ngc_cli.cli.selection import TableOptions

app = typer.Typer(cls=Group, help="Teams and their users.")


@app.command("list", cls=Command)
@columns(teams="ngc_cli.cli.members_views:TEAM_COLUMNS")
@examples(
    ("ngc team list", "The teams of your org."),
)
@options_from(options=TableOptions)
def list_(ctx: typer.Context, options: TableOptions) -> None:
    """List the teams of the org."""
    from ngc_cli.cli import members_views as views
    from ngc_cli.services.people import orgs

    run = Runtime.of(ctx)
    found = options.select(orgs.list_teams(run.people, run.org, options.fetch_limit), views.TEAM_COLUMNS)
    note_if_cut_short(run, found)
    note_if_empty(run, f"Org '{run.org}' has no teams.", found)
    view = views.team_table(found.items, options.column or ())
    run.output.show(view, ids=[team.name for team in found.items])


@app.command("info", cls=Command)
@examples(
    ("ngc team info myteam", "One of them."),
)
def info(ctx: typer.Context, name: TeamNameArg) -> None:
    """Show one team."""
    from ngc_cli.cli import members_views as views
    from ngc_cli.services.people import orgs

    run = Runtime.of(ctx)
    team, note = orgs.find_team(run.people, run.org, name)
    run.output.note(note)
    run.output.show(views.team_block(team))


@app.command("list-users", cls=Command)
@columns(people="ngc_cli.cli.members_views:PERSON_COLUMNS")
@examples(
    ("ngc team list-users --team myteam", "Members, and people who are invited."),
    (
        "ngc team list-users --team myteam --joined --column email --column roles",
        "Members only, with two columns.",
    ),
)
@options_from(options=ListUsersOptions)
def list_users(ctx: typer.Context, options: ListUsersOptions) -> None:
    """List the users, and the people invited."""
    members.list_users(ctx, "team", options)


@app.command("add-user", cls=Command)
@examples(
    (
        "ngc team add-user --team myteam --role REGISTRY_READ new@example.com 'New Person'",
        "Invite somebody, who may only read.",
    ),
    (
        "ngc team add-user --team myteam --from-csv people.csv --dry-run",
        "Check a file with columns email, name, role and team.",
    ),
)
@options_from(options=TeamAddOptions)
def add_user(
    ctx: typer.Context, options: TeamAddOptions, who: NewUserArg = "", name: UserNameArg = ""
) -> None:
    """Add a user, or invite one who has no account yet."""
    members.add_user(ctx, "team", who, name, options)


@app.command("update-user", cls=Command)
@examples(
    ("ngc team update-user --team myteam --add-role REGISTRY_ADMIN kim@example.com", "One more role."),
    ("ngc team update-user --team myteam --role REGISTRY_READ kim@example.com", "This role and no other."),
)
@options_from(options=RoleOptions)
def update_user(
    ctx: typer.Context, who: UserArg, options: RoleOptions, positional_role: RoleArg = ""
) -> None:
    """Change the roles of a user."""
    members.update_user(ctx, "team", who, positional_role, options)


@app.command("remove-user", cls=Command)
@examples(
    ("ngc team remove-user --team myteam --yes kim@example.com", "Without being asked."),
)
def remove_user(ctx: typer.Context, who: UserArg, dry_run: DryRunOpt = False) -> None:
    """Take a user out."""
    members.remove_user(ctx, "team", who, dry_run=dry_run)


@app.command("delete-invitation", cls=Command)
@examples(
    ("ngc team delete-invitation --team myteam --yes guest@example.com", "Without being asked."),
)
def delete_invitation(ctx: typer.Context, who: InvitationArg, dry_run: DryRunOpt = False) -> None:
    """Take back an invitation to the org, and with it those to its teams."""
    members.delete_invitation(ctx, "team", who, dry_run=dry_run)
