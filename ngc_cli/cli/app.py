"""The root of the command tree: its groups and, for help and completion, the global options."""

from __future__ import annotations

from typing import Annotated

import typer

from ngc_cli.cli.groups import LazyGroup, Verbs, not_supported
from ngc_cli.config.variables import FORMATS

verbs = Verbs("NGC Registry CLI: models, model-scripts and container images of an NGC registry.")
verbs.module("config", "ngc_cli.cli.config", "Set, show and switch the configuration.")
verbs.module("diag", "ngc_cli.cli.diag", "Find out why something does not work.")
verbs.module("registry", "ngc_cli.cli.registry.app", "Models, model-scripts and container images.")
verbs.module("org", "ngc_cli.cli.org", "Organizations, their users and teams.")
verbs.module("team", "ngc_cli.cli.team", "Teams and their users.")
verbs.module("user", "ngc_cli.cli.user", "Who you are and what you may do.")
verbs.module("local", "ngc_cli.cli.local", "A registry of your own on this machine.")
for _name in [
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
]:
    verbs.command(_name, hidden=True)(not_supported(f"ngc {_name}"))


def root() -> LazyGroup:
    """The root command."""
    return verbs.group("ngc", _global_options)


def _global_options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    format_type: Annotated[
        str, typer.Option("--format_type", metavar="|".join(FORMATS), help="Output format.")
    ] = "ascii",
    org: Annotated[str, typer.Option("--org", help="Organization; 'no-org' for none.")] = "",
    team: Annotated[str, typer.Option("--team", help="Team; 'no-team' for none.")] = "",
    profile: Annotated[str, typer.Option("--profile", help="Configuration profile to use.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Answer yes to every question.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print results and errors only.")] = False,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="Show no progress.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="Use no colour.")] = False,
    api_url: Annotated[str, typer.Option("--api-url", help="Address of the registry's API.")] = "",
    ca_bundle: Annotated[str, typer.Option("--ca-bundle", help="File of trusted certificates (PEM).")] = "",
    timeout: Annotated[str, typer.Option("--timeout", help="Seconds to wait for an answer.")] = "",
    retries: Annotated[str, typer.Option("--retries", help="Tries after the first one.")] = "",
    debug: Annotated[bool, typer.Option("--debug", help="Log requests, without secrets, to stderr.")] = False,
) -> None:
    """Declared for help and completion; ``globals.hoist`` has taken the values out of the line before."""
