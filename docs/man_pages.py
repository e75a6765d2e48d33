"""Manual pages in the language of man(7), from the same pages as ``-h``; ``docs/generate.py`` writes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ngc_cli.cli.help import DOCS_URL, Example, Page


def man_page(group: Page, commands: Sequence[Page]) -> str:
    """The manual page of a group with its commands, in section 1."""
    title = "-".join(group.path)
    lines = [f'.TH "{title.upper()}" "1" "" "ngc-cli" "NGC Registry CLI"', ".SH NAME"]
    lines.append(f"{_plain(title)} \\- {_plain(group.sentence)}")
    lines += [".SH SYNOPSIS", f".B {_plain(group.usage)}", ".SH DESCRIPTION", *_paragraphs(group.text)]
    for heading, rows in group.options if len(group.path) == 1 else ():
        lines += [f'.SH "{heading.upper()}"', *_rows(rows)]
    if commands:
        lines.append(".SH COMMANDS")
    for command in commands:
        lines += [
            f'.SS "{_plain(command.name)}"',
            f".B {_plain(command.usage)}",
            ".PP",
            *_paragraphs(command.text),
        ]
        lines += _rows([*command.arguments, *(row for _, rows in command.options for row in rows)])
        lines += _examples(command.examples)
    lines += [".SH SEE ALSO", _plain(DOCS_URL)]
    return "\n".join(lines) + "\n"


def _paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(text.split("\n\n")):
        if number:
            yield ".PP"
        yield _plain(" ".join(paragraph.split()))


def _rows(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    for name, text in rows:
        if "--help" in name:
            continue
        yield from (".TP", f".B {_plain(name)}", _plain(text))


def _examples(examples: Sequence[Example]) -> Iterator[str]:
    for example in examples:
        yield from (".PP", _plain(example.text), ".PP", ".RS", ".nf", _plain(example.line), ".fi", ".RE")


def _plain(text: str) -> str:
    """Text that roff shows as it stands: backslashes and hyphens escaped, no line that begins with a request."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped[:1] in (".", "'") else escaped
