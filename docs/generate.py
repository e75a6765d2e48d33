"""Writes docs/reference/, its JSON Schemas, and docs/man/ from the command trees of ngc and ngc-registry.

Usage: python docs/generate.py [--check]. With --check nothing is written, and the exit status is 1 when a file differs.
What is told about a command is made by ``ngc_cli.cli.help``, as for ``-h``; here it becomes Markdown and roff.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from man_pages import man_page

from ngc_cli.cli.help import OPTIONS, Page, page
from ngc_cli.cli.schemas import RESULTS, schema

DOCS = Path(__file__).resolve().parent
SERVER = "ngc-registry"
SERVER_PAGE = "server.md"  # not ngc-registry.md: that name looks like a page of "ngc registry"
_MADE = "<!-- Made by docs/generate.py from the command tree; do not edit. -->"


def files() -> dict[str, str]:
    """The text of each file by its path below docs/: pages of the reference, and manual pages."""
    made: dict[str, str] = {}
    for trees, index in ((_trees("ngc"), _index), (_trees(SERVER), None)):
        if index is None:
            pages = [page for group, commands in trees for page in (group, *commands)]
            made[f"reference/{SERVER_PAGE}"] = _whole(pages)
            made[f"man/{SERVER}.1"] = man_page(pages[0], pages[1:])
            continue
        made["reference/ngc.md"] = index(trees)
        for group, commands in trees:
            if commands:
                name = "-".join(group.path)
                if len(group.path) > 1:
                    made[f"reference/{name}.md"] = _page(group, commands)
                made[f"man/{name}.1"] = man_page(group, commands)
    for name in RESULTS:
        text = json.dumps(schema(name), indent=2) + "\n"
        made[f"reference/schemas/{name.replace(' ', '-')}.json"] = text
    return made


Tree = tuple[Page, list[Page]]
"""A group, and its own commands."""


def _trees(program: str) -> list[Tree]:
    """The groups of a program, the program itself first."""
    import typer

    if program == SERVER:
        from typer.main import get_group

        from ngc_cli.server.command import app

        root: Any = get_group(app)
    else:
        from ngc_cli.cli.root import command_tree

        root = command_tree()
    return list(_walk(root, typer.Context(root, info_name=program)))


def _walk(group: Any, context: Any) -> Iterator[Tree]:
    below = []
    commands: list[Page] = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        inside = type(context)(command, parent=context, info_name=name)
        if hasattr(command, "list_commands"):
            below.append((command, inside))
        else:
            commands.append(page(command, inside))
    yield page(group, context), commands
    for command, inside in below:
        yield from _walk(command, inside)


def _index(trees: list[Tree]) -> str:
    """The page of the root: its groups and commands, and the options that every command takes."""
    (root, commands), *groups = trees
    rows = []
    for group, own in groups:
        name = f"[{group.name}]({'-'.join(group.path)}.md)" if own else group.name
        rows.append(f"| {name} | {_cell(group.sentence)} |")
    parts = [_MADE, "# ngc", _prose(root.text), "\n".join(["| Group | |", "|---|---|", *rows])]
    parts += [
        "## Global options",
        "They may stand anywhere on the line; see [the command line](../cli.md#global-options).",
    ]
    parts += [_table("Option", rows) for heading, rows in root.options if heading != OPTIONS]
    return _joined([*parts, *(part for command in commands for part in _command(command))])


def _page(group: Page, commands: list[Page]) -> str:
    parts = [_MADE, f"# {group.name}", _prose(group.text)]
    parts.append("\n".join(f"- [{command.path[-1]}](#{'-'.join(command.path)})" for command in commands))
    return _joined([*parts, *(part for command in commands for part in _command(command))])


def _whole(pages: list[Page]) -> str:
    """All commands of a program on one page."""
    root, *rest = pages
    commands = [command for command in rest if not command.commands]
    parts = [_MADE, f"# {root.name}", _prose(root.text)]
    return _joined([*parts, *(part for command in commands for part in _command(command))])


def _command(shown: Page) -> Iterator[str]:
    yield f"## {shown.name}"
    yield f"```\n{shown.usage}\n```"
    yield _prose(shown.text)
    yield _table("Argument", shown.arguments)
    for heading, rows in shown.options:
        yield _table(heading, [row for row in rows if "--help" not in row[0]])
    yield _table("Columns", shown.columns)
    if shown.examples:
        lines = [f"{example.line}  # {example.text}" for example in shown.examples]
        yield "\n".join(["```sh", *lines, "```"])


def _table(heading: str, rows: Sequence[tuple[str, str]]) -> str:
    """A table of names and what they mean; nothing without rows."""
    if not rows:
        return ""
    lines = [f"| `{_cell(name)}` | {_cell(text)} |" for name, text in rows]
    return "\n".join([f"| {heading} | |", "|---|---|", *lines])


def _prose(text: str) -> str:
    """Help as paragraphs, each on one line."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _cell(text: str) -> str:
    """Text for a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def _joined(parts: Sequence[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


def main() -> int:
    """Write the files, or compare them."""
    made = files()
    there = {
        str(path.relative_to(DOCS)): path.read_text(encoding="utf-8")
        for pattern in ("reference/*.md", "man/*.1", "reference/schemas/*.json")
        for path in DOCS.glob(pattern)
        if path.name != "README.md"
    }
    if "--check" in sys.argv[1:]:
        for name in sorted(made.keys() | there.keys()):
            if made.get(name) != there.get(name):
                sys.stdout.write(f"{name} differs; run python docs/generate.py\n")
        return int(made != there)
    for name in there.keys() - made.keys():
        (DOCS / name).unlink()
    for name, text in made.items():
        (DOCS / name).parent.mkdir(exist_ok=True)
        (DOCS / name).write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(made)} files\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
