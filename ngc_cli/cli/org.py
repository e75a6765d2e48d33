"""``ngc org``: organizations, their users and teams (contract/cli-surface.md 7)."""

from __future__ import annotations

from typing import Annotated

import typer

from ngc_cli.cli.groups import Verbs, not_supported
from ngc_cli.cli.members import TeamNameArg, member_verbs, show_removed
from ngc_cli.cli.options import ColumnOpt, LimitOpt
from ngc_cli.cli.runtime import Runtime

verbs = Verbs("Organizations, their users and teams.")

DescriptionArg = Annotated[str, typer.Argument(metavar="DESCRIPTION", help="What the team is for.")]


@verbs.command("list")
def list_(ctx: typer.Context, column: ColumnOpt = None, limit: LimitOpt = None) -> None:
    """List the orgs you belong to."""
    from ngc_cli.cli import members_views as people
    from ngc_cli.services.people import orgs

    run = Runtime.of(ctx)
    found = orgs.list_orgs(run.people, limit)
    run.tell_cut_short(found.complete, limit)
    run.output.show(people.org_table(found.items, column or ()))


@verbs.command("info")
def info(
    ctx: typer.Context, org: Annotated[str, typer.Argument(metavar="ORG", help="Name of the org.")]
) -> None:
    """Show one org."""
    from ngc_cli.cli import members_views as people

    run = Runtime.of(ctx)
    run.output.show(people.org_block(run.people.org(org)))


member_verbs(verbs, "org")


@verbs.command("add-team")
def add_team(ctx: typer.Context, name: TeamNameArg, description: DescriptionArg) -> None:
    """Create a team."""
    from ngc_cli.cli import members_views as people
    from ngc_cli.services.people import orgs

    run = Runtime.of(ctx)
    team = orgs.create_team(run.people, run.org, name, description)
    if team.name != name:
        run.output.note(f"Names of teams are in lower case: '{name}' became '{team.name}'.")
    run.output.show(people.team_block(team), head="Team created.")


@verbs.command("update-team")
def update_team(ctx: typer.Context, name: TeamNameArg, description: DescriptionArg) -> None:
    """Change the description of a team."""
    from ngc_cli.cli import members_views as people
    from ngc_cli.services.people import orgs

    run = Runtime.of(ctx)
    team = orgs.update_team(run.people, run.org, name, description)
    run.output.show(people.team_block(team), head="Team updated.")


@verbs.command("remove-team")
def remove_team(ctx: typer.Context, name: TeamNameArg) -> None:
    """Remove a team."""
    from ngc_cli.services.people import orgs

    run = Runtime.of(ctx)
    org, api = run.org, run.people
    run.confirm(f"Remove team {name} from org {org}?")
    orgs.remove_team(api, org, name)
    show_removed(run, f"Removed team {name} from org {org}.", {"kind": "team", "name": name, "org": org})


for _name in ["user-group", "subscription"]:
    verbs.command(_name, hidden=True)(not_supported(f"ngc org {_name}"))
