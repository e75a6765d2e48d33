"""The root of the command tree: its sub-groups and the global options."""

from __future__ import annotations

import os
from typing import Annotated, Any, ClassVar

import typer
from typer.main import get_group

from ngc_cli.cli.completers import Offer, files_here, words
from ngc_cli.cli.globals import GlobalFlags
from ngc_cli.cli.groups import Command, Group, Subgroup
from ngc_cli.cli.help import Example, examples
from ngc_cli.cli.options import options_from
from ngc_cli.cli.runtime import Runtime


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
    examples = (
        Example("ngc config set", "Set your API key, org and team; it asks."),
        Example("ngc registry model list 'nvidia/*'", "Models of an org."),
        Example(
            "ngc registry model download-version nvidia/myteam/resnet:1", "One version, into this folder."
        ),
        Example("ngc help registry model", "What there is for models."),
    )
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


def _command_words(ctx: typer.Context, incomplete: str) -> list[Offer]:
    """The commands below those that are typed already."""
    group: Any = ctx.find_root().command
    for word in ctx.params.get("command") or ():
        group = group.get_command(ctx, word)
    return list(group.summaries())


def _command_argument(what: str) -> Any:
    """The argument that names a command by its words."""
    return typer.Argument(metavar="[COMMAND]", autocompletion=_command_words, help=what)


@app.command("help", cls=Command)
@examples(("ngc help", "What there is."), ("ngc help registry model list", "One command."))
def help_(
    ctx: typer.Context,
    command: Annotated[list[str] | None, _command_argument("The words of a command or group.")] = None,
) -> None:
    """Show what a command is for and which options it has; the same as -h."""
    ctx.find_root().command.main(
        [*(command or ()), "-h"], prog_name="ngc", standalone_mode=False, obj=ctx.obj
    )


@app.command("version", cls=Command)
@examples(("ngc version", "The version of this program."))
def version(ctx: typer.Context) -> None:
    """Print the version; the same as --version."""
    from ngc_cli import __version__

    Runtime.of(ctx).output.value(f"NGC Registry CLI {__version__}", version=__version__)


@app.command("schema", cls=Command)
@examples(
    ("ngc schema", "The commands that have one."),
    ("ngc schema registry model list", "What json of this command looks like."),
)
def schema(
    ctx: typer.Context,
    command: Annotated[list[str] | None, _command_argument("The words of a command, or error.")] = None,
) -> None:
    """Print the JSON Schema of what a command prints with --format_type json, or the names of all."""
    from ngc_cli.cli import schemas
    from ngc_cli.cli.formats import Table

    output = Runtime.of(ctx).output
    if command:
        output.json(schemas.schema(" ".join(command)))
        return
    output.text("".join(f"{name}\n" for name in schemas.RESULTS))
    output.data(lambda: Table(["command"], [[name] for name in schemas.RESULTS], list(schemas.RESULTS)))


@app.command("api", cls=Command)
@examples(
    ("ngc api GET /v2/users/me", "What the server says about you."),
    ("ngc api GET '/v2/orgs?page-size=5' --query 'organizations[].name'", "Names, one a line."),
)
def api(
    ctx: typer.Context,
    method: Annotated[
        str,
        typer.Argument(
            metavar="GET|POST|PUT|PATCH|DELETE",
            autocompletion=words("GET", "POST", "PUT", "PATCH", "DELETE"),
            help="The method.",
        ),
    ],
    path: Annotated[str, typer.Argument(metavar="PATH", help="A path of the API, with its query.")],
    body: Annotated[
        str | None,
        typer.Option(
            "--input", metavar="FILE|-", autocompletion=files_here, help="JSON to send; - for stdin."
        ),
    ] = None,
) -> None:
    """Send one request to the API with the key of the profile, and print the JSON of the answer."""
    from ngc_cli.cli.api import request

    run = Runtime.of(ctx)
    run.output.json(request(run, method, path, body))


@app.command("completion", cls=Command)
@examples(
    ("ngc completion bash --install", "From the next shell on, the TAB key completes."),
    ("ngc completion zsh", "Print the script, to put it where you like."),
)
def completion(
    ctx: typer.Context,
    shell: Annotated[
        str,
        typer.Argument(
            metavar="bash|zsh|fish|powershell",
            autocompletion=words("bash", "zsh", "fish", "powershell"),
            help="The shell.",
        ),
    ],
    install: Annotated[
        bool, typer.Option("--install", help="Let your shell load it from now on, instead of printing it.")
    ] = False,
) -> None:
    """Print the script with which a shell completes commands, options, values and names, or install it."""
    from ngc_cli.cli import completion_scripts as scripts

    run = Runtime.of(ctx)
    script = scripts.script(shell)
    if not install:
        run.output.raw(script)
        return
    written = scripts.install(shell, os.environ)
    run.output.done(
        "\n".join(f"Wrote {path}." for path in written) + "\nOpen a new shell to use it.",
        shell=shell,
        files=[str(path) for path in written],
    )


def command_tree() -> RootGroup:
    """The root command, built; its parameters are the global options."""
    group = get_group(app)
    assert isinstance(group, RootGroup)
    return group
