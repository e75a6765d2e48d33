"""``ngc local key``: keys for people who work with the local registry."""

from __future__ import annotations

from typing import Annotated

import typer

from ngc_cli.cli.groups import Verbs
from ngc_cli.cli.local import DataDirOpt, issue_key, resolve_data_dir
from ngc_cli.cli.runtime import Runtime

verbs = Verbs("API keys of the registry's users.")


@verbs.command("create")
def create(
    ctx: typer.Context,
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="A user, or somebody who is invited.")],
    data_dir: DataDirOpt = None,
) -> None:
    """Print a new API key of a user, this once; an invited person becomes a member by it."""
    from ngc_cli.cli.formats import Field, Summary

    run = Runtime.of(ctx)
    key = issue_key(resolve_data_dir(data_dir), email)
    if run.format_type == "ascii":
        run.output.raw(key + "\n")
    else:
        run.output.show(Summary("", [Field("email", email), Field("key", key)], {"email": email, "key": key}))
