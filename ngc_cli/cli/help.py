"""What is told about a command, in one shape: ``-h``, the reference in ``docs/`` and the manual pages are made from it.

A command says its sentence in its docstring, and its examples beside it::

    @app.command("list", cls=Command)
    @examples(("ngc team list", "The teams of your org."))
    def list_(ctx: typer.Context) -> None:
        '''List the teams of the org.'''

Options that come as a record (``ngc_cli.cli.options``) stand under the ``heading`` of their class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

DOCS_URL = "https://github.com/ngc-cli/ngc-cli/blob/main/docs"
OPTIONS = "Options"
_KINDS = {
    "int": "N",
    "integer": "N",
    "int range": "N",
    "integer range": "N",
    "float": "NUMBER",
    "float range": "NUMBER",
    "path": "PATH",
    "file": "FILE",
    "directory": "FOLDER",
}
# Of a group's commands: enough to begin with, and the page still fits on a screen.
_GROUP_EXAMPLES = 3

Function = TypeVar("Function", bound=Callable[..., Any])


class Example(NamedTuple):
    """A command line that runs, and what it is for."""

    line: str
    text: str


def examples(*pairs: tuple[str, str]) -> Callable[[Function], Function]:
    """Give a command its examples: pairs of a command line and what it is for."""

    def decorate(function: Function) -> Function:
        function.examples = [Example(*pair) for pair in pairs]  # type: ignore[attr-defined]
        return function

    return decorate


def columns(**tables: str) -> Callable[[Function], Function]:
    """Tell which columns a list has: what is listed, and where its columns are, as ``module:NAME``.

    They are imported when help or completion asks: a view would cost every other command its time.
    """

    def decorate(function: Function) -> Function:
        function.columns = tables  # type: ignore[attr-defined]
        return function

    return decorate


def column_names(command: Any) -> dict[str, list[str]]:
    """What a command lists, and the names of its columns."""
    import importlib

    found = {}
    for listed, place in getattr(command.callback, "columns", {}).items():
        module, _, name = place.partition(":")
        found[listed] = [column.key for column in getattr(importlib.import_module(module), name)]
    return found


@dataclass(frozen=True)
class Page:
    """A command or a group: pairs are a name and what it means.

    ``options`` are groups of them by heading. Texts are plain; ``default`` and limits stand in them already.
    """

    path: tuple[str, ...]
    usage: str
    text: str
    commands: Sequence[tuple[str, str]]
    arguments: Sequence[tuple[str, str]]
    options: Sequence[tuple[str, Sequence[tuple[str, str]]]]
    columns: Sequence[tuple[str, str]]
    examples: Sequence[Example]

    @property
    def name(self) -> str:
        """The words that call it."""
        return " ".join(self.path)

    @property
    def sentence(self) -> str:
        """The first paragraph, on one line."""
        return " ".join(self.text.partition("\n\n")[0].split())


def page(command: Any, context: Any) -> Page:
    """The page of a command of any Typer tree, in its context."""
    path = tuple(str(context.command_path).split())
    shown = [item for item in command.get_params(context) if not getattr(item, "hidden", False)]
    arguments = [item for item in shown if item.param_type_name == "argument"]
    options = [item for item in shown if item.param_type_name == "option"]
    is_group = hasattr(command, "list_commands")
    usage = [*path, *(["[OPTIONS]"] if options else []), *(argument_name(item) for item in arguments)]
    return Page(
        path=path,
        usage=" ".join([*usage, *(["COMMAND [ARGS]..."] if is_group else [])]),
        text=(command.help or "").replace("\b", "").strip(),
        commands=list(_summaries(command, context)) if is_group else (),
        arguments=[(argument_name(item), " ".join((item.help or "").split())) for item in arguments],
        options=_by_heading(options),
        columns=[(listed, ", ".join(names)) for listed, names in column_names(command).items()],
        examples=list(_examples(command)),
    )


def argument_name(item: Any) -> str:
    """An argument as the usage line shows it: what may be left out in brackets."""
    text = str(item.metavar or item.name.upper())
    if not item.required and not text.startswith("["):
        text = f"[{text}]"
    return f"{text}..." if item.nargs == -1 else text


def option_name(item: Any) -> str:
    """An option as it is typed: its names, the short one first, and its value."""
    names = ", ".join(sorted([*item.opts, *item.secondary_opts], key=lambda name: name.startswith("--")))
    if item.is_flag or item.count:
        return names
    return f"{names} {item.metavar or _KINDS.get(getattr(item.type, 'name', ''), 'TEXT')}"


def option_text(item: Any) -> str:
    """What an option means, with its default and whether it may be repeated."""
    text = " ".join((item.help or "").split())
    facts = []
    default = getattr(item.default, "value", item.default)
    if not item.is_flag and isinstance(default, (str, int, float, Path)) and str(default):
        facts.append(f"default: {default}")
    if item.required:
        facts.append("required")
    if item.multiple and "repeated" not in text:
        text = f"{text.rstrip('.')}; may be repeated."
    return f"{text}  [{'; '.join(facts)}]" if facts and "[default" not in text else text


def _by_heading(options: Sequence[Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    groups: dict[str, list[tuple[str, str]]] = {}
    for item in options:
        heading = getattr(item, "rich_help_panel", None) or OPTIONS
        groups.setdefault(heading, []).append((option_name(item), option_text(item)))
    last = groups.pop(OPTIONS, None)
    return [*groups.items(), *([(OPTIONS, last)] if last else [])]


def _summaries(group: Any, context: Any) -> Iterator[tuple[str, str]]:
    """Name and first sentence of what is below a group."""
    if hasattr(group, "summaries"):
        yield from group.summaries()
        return
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None and not command.hidden:
            yield name, (command.short_help or command.help or "").partition("\n")[0]


def _examples(command: Any) -> Iterator[Example]:
    """Those of a command; of a group its own, else the first of its first commands."""
    own = getattr(command, "examples", None) or getattr(command.callback, "examples", None)
    if own:
        yield from own
        return
    below = [item for item in getattr(command, "commands", {}).values() if not item.hidden]
    yield from [next(iter(found)) for item in below if (found := list(_examples(item)))][:_GROUP_EXAMPLES]


def link(path: Sequence[str], *, is_group: bool) -> str:
    """Where the reference tells about a command."""
    if len(path) <= 1 or (len(path) == 2 and not is_group):
        return f"{DOCS_URL}/reference/ngc.md"
    group = path if is_group else path[:-1]
    anchor = "" if is_group else f"#{'-'.join(path)}"
    return f"{DOCS_URL}/reference/{'-'.join(group)}.md{anchor}"


def write(shown: Page, formatter: Any, *, global_options: Sequence[str] = (), is_group: bool = False) -> None:
    """Write a page for a terminal; ``global_options`` are the names of those that are inherited."""
    formatter.write_usage(shown.path[0], " ".join(shown.usage.split()[1:]))
    for paragraph in shown.text.split("\n\n"):
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(" ".join(paragraph.split()))
    if shown.arguments:
        with formatter.section("Arguments"):
            formatter.write_dl(shown.arguments)
    for heading, rows in shown.options:
        with formatter.section(heading):
            formatter.write_dl(rows)
    if shown.commands:
        with formatter.section("Commands"):
            formatter.write_dl(shown.commands)
    if shown.columns:
        with formatter.section("Columns"):
            formatter.write_dl(shown.columns)
    if global_options:
        with formatter.section("Global options, explained by 'ngc -h'"):
            formatter.write_text(", ".join(global_options))
    if shown.examples:
        with formatter.section("Examples"):
            for example in shown.examples:
                formatter.write_text(example.text)
                formatter.write(f"{'':{formatter.current_indent + 2}}$ {example.line}\n")
    formatter.write_paragraph()
    formatter.write(f"More: {link(shown.path, is_group=is_group)}\n")
