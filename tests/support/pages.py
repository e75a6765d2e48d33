"""Pages of docs/ as tests see them: files, headings and what is mentioned where."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_HEADING = re.compile(r"^#{1,6} +(.+?)\s*#*$")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def tracked(*places: str) -> list[Path]:
    """The files below these places that git knows, as paths from the root of the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *places],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [Path(line) for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def anchors(page: Path) -> set[str]:
    """The anchors that a forge makes of the headings of a page: lower case, blanks to hyphens, no punctuation."""
    found: set[str] = set()
    for line in _outside_of_code(page.read_text(encoding="utf-8")):
        heading = _HEADING.match(line)
        if heading:
            plain = re.sub(r"[^\w\- ]", "", heading[1].lower())
            found.add(plain.replace(" ", "-"))
    return found


def links(page: Path) -> list[str]:
    """The targets of the links of a page that lead to other files or headings of the repository."""
    text = "\n".join(_outside_of_code(page.read_text(encoding="utf-8")))
    return [
        target for target in _LINK.findall(text) if "://" not in target and not target.startswith("mailto:")
    ]


def is_there(page: Path, anchor: str) -> bool:
    """Whether a file exists, and has the heading when one is named."""
    return page.is_file() and (not anchor or anchor in anchors(page))


def _outside_of_code(text: str) -> Iterator[str]:
    fenced = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield line
