"""Global options, accepted anywhere on the command line (docs/cli.md#global-options).

They are taken out of argv before the command tree sees it, so that ``ngc user who --format_type json`` and
``ngc user --format_type json who`` are the same command. Each is one field of ``GlobalFlags`` and stands nowhere
else: the root command takes its options from there, and the words to look for in argv from the root command.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import typer

from ngc_cli.cli import query
from ngc_cli.cli.completers import files_here, live, profiles, words
from ngc_cli.config.variables import FORMATS
from ngc_cli.errors import UsageError
from ngc_cli.similar import did_you_mean

_DASHES = str.maketrans({"\u2013": "-", "\u2014": "--", "\u2212": "-"})


@dataclass(frozen=True)
class GlobalFlags:
    """Values of the global options; None or False when not given."""

    heading: ClassVar = "Global options, anywhere on the line"

    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False
    format_type: Annotated[
        str | None,
        typer.Option(
            "--format_type",
            "--format-type",
            metavar="|".join(FORMATS),
            autocompletion=words(*FORMATS),
            help="Form of the output; ascii by default.",
        ),
    ] = None
    org: Annotated[
        str | None,
        typer.Option(
            "--org", metavar="ORG", autocompletion=live("orgs"), help="Org to work in; no-org for none."
        ),
    ] = None
    team: Annotated[
        str | None,
        typer.Option(
            "--team", metavar="TEAM", autocompletion=live("teams"), help="Team to work in; no-team for none."
        ),
    ] = None
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            "--config-profile",
            metavar="PROFILE",
            autocompletion=profiles,
            help="Profile of the configuration to use.",
        ),
    ] = None
    ace: Annotated[str | None, typer.Option("--ace", hidden=True, help="Has no effect.")] = None
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Answer yes to every question.")] = False
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print results and errors only; of a list the names alone.")
    ] = False
    query: Annotated[
        str | None,
        typer.Option("--query", metavar="EXPRESSION", help="Show only this part of the result (JMESPath)."),
    ] = None
    no_progress: Annotated[bool, typer.Option("--no-progress", help="Show no progress.")] = False
    progress: Annotated[
        str | None,
        typer.Option(
            "--progress",
            metavar="auto|plain|json|none",
            help="Progress of transfers: a bar where it can be drawn, plain lines, JSON lines, or none.",
        ),
    ] = None
    no_color: Annotated[bool, typer.Option("--no-color", help="Use no colour.")] = False
    api_url: Annotated[
        str | None, typer.Option("--api-url", metavar="URL", help="Address of the registry's API.")
    ] = None
    ca_bundle: Annotated[
        str | None,
        typer.Option(
            "--ca-bundle", metavar="FILE", autocompletion=files_here, help="Trusted certificates, in PEM."
        ),
    ] = None
    timeout: Annotated[
        str | None,
        typer.Option("--timeout", metavar="SECONDS", help="How long to wait for an answer; 30 by default."),
    ] = None
    retries: Annotated[
        str | None, typer.Option("--retries", metavar="N", help="Tries after the first one; 4 by default.")
    ] = None
    debug: Annotated[bool, typer.Option("--debug", help="Log requests, without secrets, to stderr.")] = False


def extract_global_options(argv: Sequence[str], parameters: Sequence[Any]) -> tuple[GlobalFlags, list[str]]:
    """The values of the global options of a command line, and the line without them.

    ``parameters`` are those of the root command. Typographic dashes at the start of a word become hyphens:
    commands are pasted from PDF guides. What follows ``--`` is left alone. Raises UsageError for a missing,
    repeated or bad value.
    """
    options = {name: parameter for parameter in parameters for name in parameter.opts}
    values: dict[str, Any] = {}
    rest: list[str] = []
    words = iter(argv)
    for word in words:
        if word == "--":
            rest += [word, *words]
            break
        if word[:1] in "\u2013\u2014\u2212" and len(word) > 1:
            word = word.translate(_DASHES)
        name, equals, value = word.partition("=")
        option = options.get(name)
        if option is None or (option.is_flag and equals):
            rest.append(word)
        elif option.is_flag:
            values[option.name] = True
        elif option.name in values:
            raise UsageError(f"{name} is given twice", hint="Give it once.")
        else:
            values[option.name] = value if equals else _next(words, name)
    flags = GlobalFlags(**values)
    if flags.format_type is not None and flags.format_type not in FORMATS:
        raise UsageError(
            f"'{flags.format_type}' is not an output format",
            hint=did_you_mean(flags.format_type, FORMATS, likeness=0.5)
            or f"Use one of: {', '.join(FORMATS)}.",
        )
    if flags.query is not None:
        query.check(flags.query)
    return flags, rest


def _next(words: Any, option: str) -> str:
    for word in words:
        return str(word)
    raise UsageError(f"{option} needs a value")
