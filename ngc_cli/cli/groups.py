"""Command groups whose entries are imported, or built, only when they are chosen.

A group module holds ``verbs = Verbs("...")`` and decorates its command functions; a parent group names it as
``"package.module"`` in its table. Help lists the entries from the table alone.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, NamedTuple, cast

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

from ngc_cli.errors import UsageError

Function = Callable[..., Any]

GLOBAL_OPTIONS_NOTE = (
    "Global options work here too: --format_type, --org, --team, --profile, --debug, --quiet, --yes "
    "('ngc -h' lists them all)."
)


class Spelling(NamedTuple):
    """What another spelling of an option stands for, with a warning if the old one should go; without an option
    the note is the reason why it is refused."""

    option: str
    note: str = ""


@dataclass(frozen=True)
class Entry:
    """One line of a group's table: where the command comes from and its one-line help."""

    source: str | Function
    summary: str
    hidden: bool = False
    alias_of: str = ""
    spellings: Mapping[str, Spelling] = field(default_factory=dict)


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
        return _command(entry.alias_of or cmd_name, entry.source, entry.spellings)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the table of commands without importing any of them."""
        rows = [(name, entry.summary) for name, entry in self.entries.items() if not entry.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Commands that begin with what is typed; their help comes from the table."""
        from typer.models import CompletionItem  # type: ignore[attr-defined]

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
        self,
        name: str,
        *,
        aliases: tuple[str, ...] = (),
        hidden: bool = False,
        spellings: Mapping[str, Spelling] | None = None,
    ) -> Callable[[Function], Function]:
        """Register the decorated function as a command; aliases work but are not listed.

        ``spellings`` are further ways to write options.
        """

        def register(function: Function) -> Function:
            summary = (function.__doc__ or "").strip().splitlines()[0]
            entry = self.entries[name] = Entry(function, summary, hidden, spellings=spellings or {})
            for alias in aliases:
                self.entries[alias] = replace(entry, hidden=True, alias_of=name)
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

    def refuse(words: Annotated[list[str] | None, typer.Argument(hidden=True)] = None) -> None:
        raise UsageError(f"'{name}' is not supported by this client", hint=instead)

    refuse.__doc__ = "Not supported here."
    return refuse


class StrictCommand(TyperCommand):
    """A command that knows other spellings of its options, and takes an option once unless it may be repeated."""

    spellings: Mapping[str, Spelling]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Rename options, refuse those that have a reason, and check for repetition before the usual parsing."""
        single = {
            name: option.opts[0]
            for option in self.params
            if option.param_type_name == "option" and not option.multiple and option.nargs == 1
            for name in option.opts
        }
        seen: set[str] = set()
        words: list[str] = []
        for index, word in enumerate(args):
            if word == "--":
                words += args[index:]
                break
            name, equals, value = word.partition("=")
            option, note = self.spellings.get(name, Spelling(name))
            if not option:
                raise UsageError(f"{name} is not supported: {note}")
            if note:
                ctx.obj.output.warn(note)
            if option in single:
                if single[option] in seen:
                    raise UsageError(f"{single[option]} is given twice", hint="Give it once.")
                seen.add(single[option])
            elif word.startswith("--"):
                self._explain_glued(name, single)
            words.append(option + equals + value)
        return super().parse_args(ctx, words)

    @staticmethod
    def _explain_glued(word: str, known: Mapping[str, str]) -> None:
        """Refuse ``--sourcepath/to`` with the line that was meant (guide, G-2)."""
        glued = next((name for name in known if name.startswith("--") and word.startswith(name + "-")), None)
        if glued is not None and "/" in word:
            raise UsageError(
                f"there is no option '{word}'", hint=f"Did you mean: {glued} {word[len(glued) :].lstrip('-')}"
            )


def _command(name: str, function: Function, spellings: Mapping[str, Spelling]) -> TyperCommand:
    """A single command; a Typer app with one function collapses into it."""
    app = typer.Typer(**_PLAIN)
    app.command(name, cls=StrictCommand, epilog=GLOBAL_OPTIONS_NOTE)(function)
    command = cast(StrictCommand, typer.main.get_command(app))
    command.spellings = spellings
    return command


def _no_options() -> None:
    """Nothing: a group without options of its own."""
