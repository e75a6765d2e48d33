"""Command groups whose entries are imported, or built, only when they are chosen.

A group module holds ``verbs = Verbs("...")`` and decorates its command functions; a parent group names it as
``"package.module"`` in its table. Help lists the entries from the table alone.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

from ngc_cli.errors import UsageError

Function = Callable[..., Any]

GLOBAL_OPTIONS_NOTE = (
    "Global options work here too: --format_type, --org, --team, --profile, --debug, --quiet, --yes "
    "('ngc -h' lists them all)."
)


@dataclass(frozen=True)
class Entry:
    """One line of a group's table: where the command comes from and its one-line help."""

    source: str | Function
    summary: str
    hidden: bool = False
    alias_of: str = ""


class LazyGroup(TyperGroup):
    """A group that resolves its commands from a table when they are asked for."""

    entries: Mapping[str, Entry]

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the visible commands, in the order of the table."""
        return [name for name, entry in self.entries.items() if not entry.hidden]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, imported or built now; None when there is none."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        if isinstance(entry.source, str):
            module = importlib.import_module(entry.source)
            return cast(Verbs, module.verbs).group(cmd_name)
        return _command(entry.alias_of or cmd_name, entry.source)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the table of commands without importing any of them."""
        rows = [(name, entry.summary) for name, entry in self.entries.items() if not entry.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Commands that begin with what is typed; their help comes from the table."""
        from typer._click.shell_completion import CompletionItem

        return [
            CompletionItem(name, help=entry.summary)
            for name, entry in self.entries.items()
            if name.startswith(incomplete) and not entry.hidden
        ]


@dataclass
class Verbs:
    """The commands of one group, registered by decoration and built one at a time."""

    help: str
    entries: dict[str, Entry] = field(default_factory=dict)

    def command(
        self, name: str, *, aliases: tuple[str, ...] = (), hidden: bool = False
    ) -> Callable[[Function], Function]:
        """Register the decorated function as a command; aliases work but are not listed."""

        def register(function: Function) -> Function:
            summary = (function.__doc__ or "").strip().splitlines()[0]
            self.entries[name] = Entry(function, summary, hidden)
            for alias in aliases:
                self.entries[alias] = Entry(function, summary, hidden=True, alias_of=name)
            return function

        return register

    def module(self, name: str, source: str, summary: str, *, hidden: bool = False) -> None:
        """Register a sub-group that lives in another module."""
        self.entries[name] = Entry(source, summary, hidden)

    def group(self, name: str, callback: Function | None = None) -> LazyGroup:
        """The group itself; ``callback`` gives it options of its own."""
        app = typer.Typer(cls=LazyGroup, name=name, help=self.help, no_args_is_help=True, **_PLAIN)
        app.callback()(callback or _no_options)
        group = cast(LazyGroup, typer.main.get_command(app))
        group.entries = self.entries
        return group


_PLAIN: dict[str, Any] = {
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"], "max_content_width": 100},
}


def not_supported(name: str, instead: str = "") -> Function:
    """A command for a name of the official client that this one does not have."""

    def refuse(words: list[str] | None = typer.Argument(None, hidden=True)) -> None:
        raise UsageError(f"'{name}' is not supported by this client", hint=instead)

    refuse.__doc__ = "Not supported here."
    return refuse


def _command(name: str, function: Function) -> TyperCommand:
    """A single command; a Typer app with one function collapses into it."""
    app = typer.Typer(**_PLAIN)
    app.command(name, epilog=GLOBAL_OPTIONS_NOTE)(function)
    return cast(TyperCommand, typer.main.get_command(app))


def _no_options() -> None:
    """Nothing: a group without options of its own."""
