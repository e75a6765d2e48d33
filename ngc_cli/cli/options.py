"""Shared command-line parameters, and records that stand for a set of options.

``options_from`` lets a command receive many options as one frozen record::

    @dataclass(frozen=True)
    class LimitOptions:
        threads: Annotated[int | None, typer.Option("--threads", help="Connections at most.")] = None

    @app.command("download-version", cls=Command)
    @options_from(limits=LimitOptions)
    def download_version(ctx: typer.Context, target: TargetArg, limits: LimitOptions) -> None:
        ...  # limits.threads is what --threads was given

Typer sees an ordinary function with the parameter ``threads``. Records inherit from each other, so that what models
and model-scripts share is written once. A record may name the ``heading`` under which help shows its options.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeVar, get_type_hints

import typer

from ngc_cli.cli.completers import columns
from ngc_cli.errors import UsageError

Result = TypeVar("Result")

OUTPUT = "Output"
TRANSFER = "Transfer"

ColumnOpt = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="COLUMN[=HEADER]",
        autocompletion=columns,
        rich_help_panel=OUTPUT,
        help="Show this column, under this heading; may be repeated.",
    ),
]
LimitOpt = Annotated[
    int | None,
    typer.Option("--limit", min=1, rich_help_panel=OUTPUT, help="Show this many at most; all by default."),
]
DryRunOpt = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")]


@dataclass(frozen=True)
class LimitOptions:
    """How hard a transfer may work."""

    heading: ClassVar = TRANSFER

    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            min=1,
            max=64,
            help="Connections at most, 1 to 64; by default two a core, within 4 and 20.",
        ),
    ] = None
    limit_rate: Annotated[
        str | None,
        typer.Option(
            "--limit-rate", metavar="RATE", help="Bytes per second at most, such as 10M; no limit by default."
        ),
    ] = None


def options_from(**records: type) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Replace parameters of a command by options: one for each field of the record (a dataclass) named for it.

    Field types are ``Annotated[type, typer.Option(...)]``; defaults are those of the dataclass. An option that
    stands in several records is one option, and each record gets its value.
    """

    def decorate(function: Callable[..., Result]) -> Callable[..., Result]:
        hints = get_type_hints(function, include_extras=True)
        parameters = {
            name: item.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[name])
            for name, item in inspect.signature(function).parameters.items()
            if name not in records
        }
        fields = {parameter: _option_names(record) for parameter, record in records.items()}
        for record in records.values():
            hints = get_type_hints(record, include_extras=True)
            for field in dataclasses.fields(record):
                parameters[field.name] = inspect.Parameter(
                    field.name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=field.default,
                    annotation=_under_heading(record, field.name, hints[field.name]),
                )

        def command(**values: Any) -> Result:
            made = {
                parameter: record(**{name: values[name] for name in fields[parameter]})
                for parameter, record in records.items()
            }
            taken = {name for names in fields.values() for name in names}
            return function(**{name: value for name, value in values.items() if name not in taken}, **made)

        command.__doc__ = function.__doc__
        command.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]
        command.__annotations__ = {name: item.annotation for name, item in parameters.items()}
        return command

    return decorate


def _under_heading(record: type, name: str, hint: Any) -> Any:
    """The field's type with an option that stands under the heading of the class that declares it."""
    owner = next(cls for cls in record.__mro__ if name in inspect.get_annotations(cls))
    heading = owner.__dict__.get("heading")
    if heading is None or hint.__metadata__[0].rich_help_panel is not None:
        return hint
    option = copy.copy(hint.__metadata__[0])  # it may be an option of other records too
    option.rich_help_panel = heading
    return Annotated[hint.__origin__, option]


def _option_names(record: type) -> list[str]:
    return [field.name for field in dataclasses.fields(record)]


def for_each_target(function: Callable[..., Result]) -> Callable[..., None]:
    """Let a command that works on one ``target`` take several, or ``-`` for names on standard input, one a line.

    It stops at the first one that fails. Results in json are one list.
    """
    from ngc_cli.cli.runtime import Runtime

    signature = inspect.signature(function)
    hints = get_type_hints(function, include_extras=True)
    argument = copy.copy(hints["target"].__metadata__[0])
    argument.help = f"{argument.help.rstrip('.')}; several, or - to read them from standard input."

    @functools.wraps(function)
    def command(*, ctx: typer.Context, target: list[str], **values: Any) -> None:
        names = _read_names() if target == ["-"] else target
        if len(names) == 1:
            function(ctx=ctx, target=names[0], **values)
            return
        with Runtime.of(ctx).output.together():
            for name in names:
                function(ctx=ctx, target=name, **values)

    all_hints = {**hints, "target": Annotated[list[str], argument]}
    parameters = [
        item.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=all_hints[name])
        for name, item in signature.parameters.items()
    ]
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {item.name: item.annotation for item in parameters}
    del command.__wrapped__  # inspect would look through it
    return command


def _read_names() -> list[str]:
    """The names on standard input; raises UsageError when there is none."""
    names = [line.strip() for line in sys.stdin if line.strip()]
    if not names:
        raise UsageError("standard input names nothing", hint="Give one name a line, such as from 'list -q'.")
    return names
