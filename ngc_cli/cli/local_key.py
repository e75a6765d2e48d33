"""``ngc local key``: keys for people who work with the local registry."""

from __future__ import annotations

from typing import Annotated

import typer

from ngc_cli.cli.groups import Command, Group
from ngc_cli.cli.help import examples
from ngc_cli.cli.local import DataDirOpt, issue_key, resolve_data_dir
from ngc_cli.cli.runtime import Runtime

app = typer.Typer(cls=Group, help="API keys of the registry's users.")


@app.command("create", cls=Command)
@examples(
    ("ngc local key create kim@example.com", "A key for a member, or for somebody who is invited."),
)
def create(
    ctx: typer.Context,
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="A user, or somebody who is invited.")],
    data_dir: DataDirOpt = None,
) -> None:
    """Print a new API key of a user, this once; an invited person becomes a member by it."""
    run = Runtime.of(ctx)
    key = issue_key(resolve_data_dir(run, data_dir), email)
    run.output.value(key, email=email, key=key)
