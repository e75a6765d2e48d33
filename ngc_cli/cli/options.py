"""Shared command-line parameters, and records that stand for a set of options.

``takes(Record)`` lets a command receive many options as one frozen record: each annotated field of the dataclass
becomes an option. Records inherit from each other, so that what models and model-scripts share is written once.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

Result = TypeVar("Result")

TargetArg = Annotated[str, typer.Argument(metavar="ORG/[TEAM/]NAME[:VERSION]", help="What to work on.")]
FilterArg = Annotated[
    str, typer.Argument(metavar="[ORG/[TEAM/]NAME[:VERSION]]", help="What to list; may hold * ? [].")
]
ColumnOpt = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="COLUMN[=HEADER]", help="Show this column; may be repeated."),
]
LimitOpt = Annotated[int | None, typer.Option("--limit", min=1, help="Show at most this many.")]
DryRunOpt = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")]


def takes(record: type, parameter: str) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Replace the parameter of a command by options, one for each field of the record (a dataclass).

    Field types are ``Annotated[type, typer.Option(...)]``; defaults are those of the dataclass.
    """

    def decorate(function: Callable[..., Result]) -> Callable[..., Result]:
        own = inspect.signature(function)
        own_hints = get_type_hints(function, include_extras=True)
        hints = get_type_hints(record, include_extras=True)
        names = [field.name for field in dataclasses.fields(record)]

        @functools.wraps(function)
        def command(**values: Any) -> Result:
            values[parameter] = record(**{name: values.pop(name) for name in names})
            return function(**values)

        kept = [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=item.default, annotation=own_hints[name]
            )
            for name, item in own.parameters.items()
            if name != parameter
        ]
        added = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.default,
                annotation=hints[field.name],
            )
            for field in dataclasses.fields(record)
        ]
        command.__signature__ = inspect.Signature([*kept, *added])  # type: ignore[attr-defined]
        command.__annotations__ = {item.name: item.annotation for item in [*kept, *added]}
        del command.__wrapped__
        return command

    return decorate
