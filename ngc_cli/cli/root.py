"""The root of the command tree: its sub-groups and the global options."""

from __future__ import annotations

from typing import ClassVar

import typer
from typer.main import get_group

from ngc_cli.cli.globals import GlobalFlags
from ngc_cli.cli.groups import Group, Subgroup
from ngc_cli.cli.options import options_from


class RootGroup(Group):
    """The groups of ``ngc``."""

    subgroups: ClassVar = {
        "config": Subgroup("ngc_cli.cli.config", "Set, show and switch the configuration."),
        "diag": Subgroup("ngc_cli.cli.diag", "Find out why something does not work."),
        "registry": Subgroup("ngc_cli.cli.registry", "Models, model-scripts and container images."),
        "org": Subgroup("ngc_cli.cli.org", "Organizations, their users and teams."),
        "team": Subgroup("ngc_cli.cli.team", "Teams and their users."),
        "user": Subgroup("ngc_cli.cli.user", "Who you are and what you may do."),
        "local": Subgroup("ngc_cli.cli.local", "A registry of your own on this machine."),
    }
    not_supported = (
        "ace",
        "alert",
        "audit",
        "base-command",
        "batch",
        "cloud-function",
        "dataset",
        "fleet-command",
        "forge",
        "sso",
        "version",
        "workspace",
    )


app = typer.Typer(
    cls=RootGroup,
    help="NGC Registry CLI: models, model-scripts and container images of an NGC registry.",
)


@app.callback()
@options_from(flags=GlobalFlags)
def ngc(flags: GlobalFlags) -> None:
    """The global options, for help and completion: ``extract_global_options`` has taken the values out before."""


def command_tree() -> RootGroup:
    """The root command, built; its parameters are the global options."""
    group = get_group(app)
    assert isinstance(group, RootGroup)
    return group
