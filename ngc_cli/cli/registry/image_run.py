"""How an image is run on this machine: the options that ``run-line`` prints by and ``run`` executes by.

See docs/guides/docker-and-podman.md and docs/protocol/storage.md#run-lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from ngc_cli.cli import targets
from ngc_cli.cli.completers import words
from ngc_cli.cli.registry.fields import choice
from ngc_cli.cli.runtime import Runtime

if TYPE_CHECKING:
    from ngc_cli.services.images.run_line import RunLine

_RUNTIMES = ("docker", "nvidia-docker2", "nvidia-docker", "podman", "apptainer", "singularity")
CommandArg = Annotated[
    list[str] | None,
    typer.Argument(metavar="[-- COMMAND...]", help="What to run instead of what the image says."),
]


@dataclass(frozen=True)
class RunLineOptions:
    """How to run an image."""

    with_: Annotated[
        str | None,
        typer.Option(
            "--with",
            metavar="RUNTIME",
            autocompletion=words(*_RUNTIMES),
            help=f"What runs it: {', '.join(_RUNTIMES)}; else what is installed.",
        ),
    ] = None
    gpus: Annotated[
        str,
        typer.Option(
            "--gpus", metavar="GPUS", help="All, none, a number of them, or a list such as 0,1 or UUIDs."
        ),
    ] = "all"
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Run in the background.")] = False
    interactive: Annotated[
        bool, typer.Option("--interactive", "-i", help="Keep the terminal for COMMAND, such as a shell.")
    ] = False
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Name of the container.")] = ""
    publish: Annotated[
        list[str] | None,
        typer.Option(
            "--publish", "-p", metavar="HOST:PORT", help="Instead of the image's ports; may be repeated."
        ),
    ] = None
    volume: Annotated[
        list[str] | None,
        typer.Option(
            "--volume",
            "-v",
            metavar="FOLDER:INSIDE",
            help="A folder, with :ro behind for reading only; may be repeated.",
        ),
    ] = None
    user: Annotated[
        str, typer.Option("--user", "-u", metavar="USER", help="Who runs it inside; me for yourself.")
    ] = ""
    shm_size: Annotated[
        str,
        typer.Option("--shm-size", metavar="SIZE", help="Shared memory, or none; 1g for NVIDIA's images."),
    ] = ""


def line_for(
    ctx: typer.Context, target: str, options: RunLineOptions, command: list[str], *, terminal: bool = True
) -> RunLine:
    """The commands that run an image with these options; a ``terminal`` is there to attach it to."""
    from ngc_cli.services.images import run_line as lines
    from ngc_cli.services.images.image_config import config_of
    from ngc_cli.services.images.pull import find, this_machine

    run = Runtime.of(ctx)
    wanted = lines.RunOptions(
        gpus=lines.Gpus.parse(options.gpus),
        detach=options.detach,
        interactive=options.interactive,
        terminal=terminal,
        name=options.name,
        ports=tuple(options.publish or ()),
        volumes=tuple(options.volume or ()),
        user=options.user,
        shm_size=options.shm_size,
        command=tuple(command),
    )
    wanted.check()
    runtime = lines.choose(choice("--with", options.with_, lines.RUNTIMES) or "", run.images.environ)
    ref = targets.image(run, target, digest=True)
    ref, image = find(run.images, ref, this_machine(), run.output.note)
    name = run.images.full_name(ref) + (f"@{ref.digest}" if ref.digest else f":{ref.tag}")
    line = lines.run_line(runtime, name, wanted, config_of(image), lines.source_of(ref, name))
    run.output.note(line.note)
    return line


def print_line(ctx: typer.Context, line: RunLine) -> None:
    """Show the line; for programs the words of each command as well."""
    steps = [{"command": list(step.words), "environment": dict(step.environ)} for step in line.steps]
    Runtime.of(ctx).output.value(line.text, run_command=line.text, steps=steps)


def execute(ctx: typer.Context, line: RunLine) -> None:
    """Run the line on this terminal, and end with its exit code."""
    from ngc_cli.services.images import run_line as lines

    run = Runtime.of(ctx)
    run.output.note(line.text)
    code = lines.execute(line, run.images.environ)
    if code:
        raise typer.Exit(code)
