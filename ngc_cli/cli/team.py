"""``ngc team``: teams and their users (contract/cli-surface.md 8)."""

from __future__ import annotations

import typer

from ngc_cli.cli.groups import Verbs
from ngc_cli.cli.members import TeamNameArg, member_verbs
from ngc_cli.cli.options import ColumnOpt, LimitOpt
from ngc_cli.cli.runtime import Runtime

verbs = Verbs("Teams and their users.")


@verbs.command("list")
def list_(ctx: typer.Context, column: ColumnOpt = None, limit: LimitOpt = None) -> None:
    """List the teams of the org."""
    from ngc_cli.cli import members_views as people
    from ngc_cli.services.people import orgs

    run = Runtime.of(ctx)
    found = orgs.list_teams(run.people, run.org, limit)
    run.tell_cut_short(found.complete, limit)
    run.output.show(people.team_table(found.items, column or ()))


@verbs.command("info")
def info(ctx: typer.Context, name: TeamNameArg) -> None:
    """Show one team."""
    from ngc_cli.cli import members_views as people
    from ngc_cli.services.people import orgs

    run = Runtime.of(ctx)
    run.output.show(people.team_block(orgs.team_info(run.people, run.org, name)))


member_verbs(verbs, "team")
