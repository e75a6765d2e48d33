"""The two Typer classes of this program: groups that import their sub-groups late, and commands that know old names.

A command file is ordinary Typer::

    app = typer.Typer(cls=Group, help="Teams and their users.")

    @app.command("list", cls=Command)
    def list_(ctx: typer.Context) -> None:
        ...

A group that has sub-groups, or names that it refuses, says so in a subclass of ``Group``.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from ngc_cli.cli import help
from ngc_cli.errors import UsageError
from ngc_cli.similar import did_you_mean

# 100 columns keep the longest help line of an option on one line; narrower terminals wrap it.
_CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Subgroup(NamedTuple):
    """A group in a module of its own, which holds it as ``app``; the help is known without importing it."""

    module: str
    help: str
    hidden: bool = False


class Group(TyperGroup):
    """A group of commands, and of sub-groups that are imported when one of them is chosen."""

    subgroups: ClassVar[Mapping[str, Subgroup]] = {}
    not_supported: ClassVar[Collection[str]] = ()
    """Names of the official client that this one does not have."""
    examples: ClassVar[Sequence[help.Example]] = ()
    """What help shows of a group that has no commands of its own."""

    def __init__(self, **settings: Any) -> None:
        fixed = {
            "no_args_is_help": True,
            "rich_markup_mode": None,  # importing rich costs more than all of ngc
            "context_settings": _CONTEXT_SETTINGS,
        }
        super().__init__(**{**settings, **fixed})

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the visible sub-groups and commands, in the order in which they are declared."""
        return [name for name, _ in self.summaries()]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command or sub-group of that name, imported if need be; None when there is none.

        Raises UsageError for a name that only the official client has.
        """
        if cmd_name in self.not_supported and not ctx.resilient_parsing:
            raise UsageError(f"'{ctx.command_path} {cmd_name}' is not supported by this client")
        if cmd_name not in self.subgroups:
            return super().get_command(ctx, cmd_name)
        module = importlib.import_module(self.subgroups[cmd_name].module)
        group = get_group(module.app)
        group.name = cmd_name
        return group

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first word names; raises UsageError with the names that are close."""
        name = args[0]
        if not ctx.resilient_parsing and not name.startswith("-") and self.get_command(ctx, name) is None:
            near = did_you_mean(name, self.list_commands(ctx), at_most=2)
            raise UsageError(
                f"No such command '{name}'",
                hint=f"{near} '{ctx.command_path} -h' lists the commands.".strip(),
            )
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page of the group without importing a sub-group."""
        help.write(help.page(self, ctx), formatter, global_options=_inherited(self, ctx), is_group=True)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Commands, sub-groups and options that begin with what is typed."""
        from typer.models import CompletionItem  # type: ignore[attr-defined]

        if incomplete.startswith("-"):
            return option_items(ctx, self, incomplete)
        return [
            CompletionItem(name, help=summary)
            for name, summary in self.summaries()
            if name.startswith(incomplete)
        ]

    def summaries(self) -> Iterator[tuple[str, str]]:
        """Name and one line of help of everything that is visible."""
        for name, subgroup in self.subgroups.items():
            if not subgroup.hidden:
                yield name, subgroup.help
        for name, command in self.commands.items():
            if not command.hidden:
                yield name, (command.short_help or command.help or "").partition("\n")[0]


class OptionAlias(NamedTuple):
    """Another name of an option, which help does not show, with a warning if it should no longer be used."""

    option: str
    warning: str = ""


class Command(TyperCommand):
    """A command that takes an option once, unless it may be repeated, and knows other names of its options."""

    aliases: ClassVar[Mapping[str, OptionAlias]] = {}
    refused: ClassVar[Mapping[str, str]] = {}
    """Options of the official client that this one does not have, and why."""

    def __init__(self, name: str | None, **settings: Any) -> None:
        super().__init__(name, **{**settings, "rich_markup_mode": None})

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page of the command."""
        help.write(help.page(self, ctx), formatter, global_options=_inherited(self, ctx))

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Options that begin with what is typed, the global ones as well."""
        return option_items(ctx, self, incomplete) if incomplete.startswith("-") else []

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Rename options, refuse those that have a reason, and check for repetition before the usual parsing."""
        options = [option for option in self.params if option.param_type_name == "option"]
        known = {name for option in options for name in option.opts}
        single = {
            name: option.opts[0]
            for option in options
            if not option.multiple and option.nargs == 1
            for name in option.opts
        }
        seen: set[str] = set()
        words: list[str] = []
        for index, word in enumerate(args):
            if word == "--":
                words += args[index:]
                break
            name, equals, value = word.partition("=")
            name = self._current_name(ctx, name, known)
            if name in single:
                if single[name] in seen:
                    raise UsageError(f"{single[name]} is given twice", hint="Give it once.")
                seen.add(single[name])
            elif word.startswith("--"):
                _explain_glued(name, single)
            words.append(name + equals + value)
        return super().parse_args(ctx, words)

    def _current_name(self, ctx: typer.Context, name: str, known: Collection[str]) -> str:
        """The name that this command has for an option; raises UsageError for one that is refused."""
        if name in self.refused and name not in known:
            raise UsageError(f"{name} is not supported: {self.refused[name]}")
        alias = self.aliases.get(name)
        if alias is None or alias.option not in known or name in known:
            return name
        if alias.warning:
            ctx.obj.output.warn(alias.warning)
        return alias.option


def _inherited(command: Any, ctx: Any) -> list[str]:
    """Names of the options of the program that are not the command's own."""
    root = ctx.find_root().command
    if command is root:
        return []
    return [item.opts[0] for item in root.params if not item.hidden and item.opts[0] != "--version"]


def option_items(ctx: Any, command: Any, incomplete: str) -> list[Any]:
    """Completion items of the options of a command and of the program, those already given left out.

    Each by its first long name, and by another name only when that is what is typed.
    """
    from typer.models import CompletionItem  # type: ignore[attr-defined]

    root = ctx.find_root().command
    commands = [command] if command is root else [command, root]
    parameters = {param.opts[0]: param for item in commands for param in item.get_params(ctx)}
    items = []
    for param in parameters.values():
        if param.param_type_name != "option" or param.hidden or _is_given(ctx, param):
            continue
        names = [name for name in param.opts if name.startswith(incomplete) and name.startswith("--")][:1]
        names += [name for name in param.secondary_opts if name.startswith(incomplete)]
        items += [CompletionItem(name, help=param.help) for name in names]
    return items


def _is_given(ctx: Any, param: Any) -> bool:
    from typer._click.core import ParameterSource

    return not param.multiple and ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE


def _explain_glued(word: str, known: Mapping[str, str]) -> None:
    """Refuse ``--sourcepath/to`` with the line that was meant (docs/guide.md, G-2)."""
    glued = next((name for name in known if name.startswith("--") and word.startswith(name + "-")), None)
    if glued is not None and "/" in word:
        raise UsageError(
            f"there is no option '{word}'", hint=f"Did you mean: {glued} {word[len(glued) :].lstrip('-')}"
        )
