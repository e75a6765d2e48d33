"""Writes the pages of docs/reference/ from the command trees of ngc and ngc-registry.

Usage: python docs/generate.py [--check]. With --check nothing is written, and the exit status is 1 when a page differs.
It walks the tree by the methods that every Click group has (``list_commands``, ``get_command``), so it need not know
how the groups are built. Hidden commands and options are left out.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "reference"
SERVER_PAGE = "server.md"  # not ngc-registry.md: that name looks like a page of "ngc registry"
_MADE = "<!-- Made by docs/generate.py from the command tree; do not edit. -->"
_KINDS = {"int": "N", "integer": "N", "int range": "N", "integer range": "N", "float": "NUMBER", "float range": "NUMBER",
          "path": "PATH", "file": "FILE", "directory": "FOLDER"}  # fmt: skip


def pages() -> dict[str, str]:
    """The text of each page by its file name."""
    import typer

    root = _root()
    made = {"ngc.md": _index(root, typer.Context(root, info_name="ngc"))}
    for path, group, context in _groups(root, ["ngc"], typer.Context(root, info_name="ngc")):
        commands = [
            (name, command)
            for name in group.list_commands(context)
            if (command := group.get_command(context, name)) is not None
            and not command.hidden
            and not hasattr(command, "list_commands")
        ]
        if commands and len(path) > 1:
            made["-".join(path) + ".md"] = _page(path, group, commands, context)
    return {**made, SERVER_PAGE: _server_page()}


def _root() -> Any:
    """The root command of ngc."""
    from ngc_cli.cli.root import command_tree

    return command_tree()


def _server_page() -> str:
    """All commands of ngc-registry on one page."""
    import typer
    from typer.main import get_group

    from ngc_cli.server.command import app

    root = get_group(app)
    parts = [_MADE, "# ngc-registry", _prose(root.help)]
    for path, group, inside in _groups(root, ["ngc-registry"], typer.Context(root, info_name="ngc-registry")):
        for name in group.list_commands(inside):
            command = group.get_command(inside, name)
            if command is not None and not command.hidden and not hasattr(command, "list_commands"):
                parts += _command(
                    [*path, name], command, type(inside)(command, parent=inside, info_name=name)
                )
    return "\n\n".join(part for part in parts if part) + "\n"


def _index(root: Any, context: Any) -> str:
    """The page of the root: its groups, and the options that every command takes."""
    rows = []
    for path, group, inside in _groups(root, ["ngc"], context):
        if len(path) > 1:
            name = " ".join(path)
            page = "-".join(path) + ".md"
            commands = (group.get_command(inside, item) for item in group.list_commands(inside))
            held = any(not hasattr(command, "list_commands") for command in commands)
            rows.append(f"| {f'[{name}]({page})' if held else name} | {_cell(group.help)} |")
    options = [
        item for item in root.params if not getattr(item, "hidden", False) and "--help" not in item.opts
    ]
    given = [f"| {_option(item)} | {_meaning(item)} |" for item in options]
    return "\n".join(
        [_MADE, "", "# ngc", "", _prose(root.help), "", "| Group | |", "|---|---|", *rows, "", "## Global options", "",
         "They may stand anywhere on the line; see [the command line](../cli.md#global-options).", "",
         "| Option | |", "|---|---|", *given, ""]
    )  # fmt: skip


def _groups(group: Any, path: list[str], context: Any) -> Iterator[tuple[list[str], Any, Any]]:
    """A group and all groups below it, with their paths."""
    yield path, group, context
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None and not command.hidden and hasattr(command, "list_commands"):
            below = type(context)(command, parent=context, info_name=name)
            yield from _groups(command, [*path, name], below)


def _page(path: list[str], group: Any, commands: list[tuple[str, Any]], context: Any) -> str:
    title = " ".join(path)
    parts = [_MADE, f"# {title}", _prose(group.help)]
    parts.append("\n".join(f"- [{name}](#{'-'.join([*path, name])})" for name, _ in commands))
    for name, command in commands:
        below = type(context)(command, parent=context, info_name=name)
        parts += _command([*path, name], command, below)
    return "\n\n".join(part for part in parts if part) + "\n"


def _command(path: list[str], command: Any, context: Any) -> Iterator[str]:
    shown = [item for item in command.params if not getattr(item, "hidden", False)]
    arguments = [item for item in shown if item.param_type_name == "argument"]
    options = [item for item in shown if item.param_type_name == "option" and "--help" not in item.opts]
    yield f"## {' '.join(path)}"
    usage = [*path, *(["[OPTIONS]"] if options else []), *(_argument(item) for item in arguments)]
    yield f"```\n{' '.join(usage)}\n```"
    yield _prose(command.help)
    if arguments:
        rows = [f"| `{_argument(item)}` | {_cell(getattr(item, 'help', ''))} |" for item in arguments]
        yield "\n".join(["| Argument | |", "|---|---|", *rows])
    if options:
        rows = [f"| {_option(item)} | {_meaning(item)} |" for item in options]
        yield "\n".join(["| Option | |", "|---|---|", *rows])


def _argument(item: Any) -> str:
    """An argument as the usage line shows it: optional ones in brackets."""
    text = item.metavar or item.name.upper()
    if not item.required and not text.startswith("["):
        text = f"[{text}]"
    return f"{text}..." if item.nargs == -1 else str(text)


def _option(item: Any) -> str:
    names = ", ".join(f"`{name}`" for name in [*item.opts, *item.secondary_opts])
    if item.is_flag or item.count:
        return names
    return f"{names} `{_cell(item.metavar or _KINDS.get(getattr(item.type, 'name', ''), 'TEXT'))}`"


def _meaning(item: Any) -> str:
    text = _cell(item.help or "")
    if item.required:
        text += " Required."
    default = item.default
    if not item.is_flag and isinstance(default, (str, int, float, Path)) and str(default):
        text += f" Default: `{_cell(str(default))}`."
    if item.multiple and "repeat" not in text:
        text += " May be repeated."
    return text.strip()


def _prose(text: str | None) -> str:
    """Help as paragraphs, each on one line."""
    paragraphs = (text or "").replace("\b", "").strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _cell(text: str) -> str:
    """Text for a cell of a table."""
    return " ".join((text or "").split()).replace("|", "\\|")


def main() -> int:
    """Write the pages, or compare them."""
    made = pages()
    there = {
        page.name: page.read_text(encoding="utf-8")
        for page in FOLDER.glob("*.md")
        if page.name != "README.md"
    }
    if "--check" in sys.argv[1:]:
        for name in sorted(made.keys() | there.keys()):
            if made.get(name) != there.get(name):
                sys.stdout.write(f"{name} differs; run python docs/generate.py\n")
        return int(made != there)
    for name in there.keys() - made.keys():
        (FOLDER / name).unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(made)} pages\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
