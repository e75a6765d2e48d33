"""``ngc user``: who you are, and other users (contract/cli-surface.md 9)."""

from __future__ import annotations

from typing import Annotated

import typer

from ngc_cli.cli.groups import Verbs, not_supported
from ngc_cli.cli.members import UserArg
from ngc_cli.cli.runtime import Runtime

verbs = Verbs("Who you are and what you may do.")


@verbs.command("who")
def who(ctx: typer.Context) -> None:
    """Show the user of the API key, with roles in orgs and teams."""
    from ngc_cli.cli import members_views as people
    from ngc_cli.services.people import orgs

    run = Runtime.of(ctx)
    user = orgs.who(run.people, run.settings.org)
    run.output.show(people.user_table(user, one_row_per_grant=run.format_type == "csv"))


@verbs.command("info")
def info(ctx: typer.Context, who: UserArg) -> None:
    """Show a user of the org, or somebody invited to it."""
    from ngc_cli.cli import members_views as people
    from ngc_cli.records import User
    from ngc_cli.services.people.members import Members

    run = Runtime.of(ctx)
    found = Members(run.people, run.org).look_up(who, run.settings.team)
    if isinstance(found, User):
        run.output.show(people.user_table(found, one_row_per_grant=run.format_type == "csv"))
    else:
        run.output.show(people.invitation_table(found))


@verbs.command("update")
def update(
    ctx: typer.Context,
    name: Annotated[str, typer.Option("--name", "-n", help="Your new name.")] = "",
) -> None:
    """Change your name."""
    from ngc_cli.cli import members_views as people
    from ngc_cli.cli.formats import Summary
    from ngc_cli.services.people import orgs

    run = Runtime.of(ctx)
    api = run.people
    if not name:
        run.output.note("Nothing to update: give a new name with --name.")
        if run.format_type != "ascii":
            run.output.show(Summary("", (), {}))
        return
    run.output.show(people.name_table(orgs.rename_me(api, name)), head="Your name was changed.")


verbs.command("secret", hidden=True)(not_supported("ngc user secret"))
