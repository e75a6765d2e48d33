"""``ngc user``: who you are, and other users (docs/cli.md#user)."""

from __future__ import annotations

from typing import Annotated

import typer

from ngc_cli.cli.groups import Command, Group
from ngc_cli.cli.help import examples
from ngc_cli.cli.members import UserArg
from ngc_cli.cli.options import DryRunOpt
from ngc_cli.cli.runtime import Runtime


class _UserGroup(Group):
    not_supported = ("secret",)


app = typer.Typer(cls=_UserGroup, help="Who you are and what you may do.")


@app.command("who", cls=Command)
@examples(
    ("ngc user who", "Whose key this is."),
    ("ngc user who --format_type json", "For a program."),
)
def who(ctx: typer.Context) -> None:
    """Show the user of the API key, with roles in orgs and teams."""
    from ngc_cli.cli import members_views as views
    from ngc_cli.services.people import orgs

    run = Runtime.of(ctx)
    user = orgs.who(run.people, run.settings.org)
    run.output.show(views.user_table(user))


@app.command("info", cls=Command)
@examples(
    ("ngc user info kim@example.com", "Somebody of your org."),
)
def info(ctx: typer.Context, who: UserArg) -> None:
    """Show a user of the org, or somebody invited to it."""
    from ngc_cli.cli import members_views as views
    from ngc_cli.records import User
    from ngc_cli.services.people.members import Members

    run = Runtime.of(ctx)
    found = Members(run.people, run.org).look_up(who, run.settings.team)
    if isinstance(found, User):
        run.output.show(views.user_table(found))
    else:
        run.output.show(views.invitation_table(found))


@app.command("update", cls=Command)
@examples(
    ("ngc user update --name 'Kim Lee'", "Your new name."),
)
def update(
    ctx: typer.Context,
    name: Annotated[str, typer.Option("--name", "-n", metavar="NAME", help="Your new name.")] = "",
    dry_run: DryRunOpt = False,
) -> None:
    """Change your name."""
    from ngc_cli.cli import members_views as views
    from ngc_cli.services.people import orgs

    run = Runtime.of(ctx)
    run.only_plan(dry_run)
    api = run.people
    if not name:
        run.output.note("Nothing to update: give a new name with --name.")
        run.output.done("")
        return
    run.output.show(views.name_table(orgs.rename_me(api, name)), headline="Your name was changed.")
