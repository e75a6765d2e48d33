"""Every page that code, tests and documents name is in the repository, heading and all."""

from __future__ import annotations

import re
from pathlib import Path

from support.pages import ROOT, is_there, links, tracked

CODE = ("ngc_cli", "tests", "benchmarks", "completions", "pyproject.toml")
DOCUMENTS = ("docs", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md")
CITATION = re.compile(r"docs/[\w/.-]+\.md(?:#[\w-]+)?")
# Papers that are not in the repository, so that nobody outside could look them up.
ELSEWHERE = re.compile(
    "|".join(["contract" + "/", "cli" + "-surface", "user" + "-pains", "models" + "-and-transfers",
              "auth" + "-org-team-user", r"\bcontract (?:section )?\d", "spec" + "/performance"])
)  # fmt: skip
RULING = re.compile(r"\bG-\d+")


def _texts(*places: str) -> list[tuple[Path, list[str]]]:
    names = [name for name in tracked(*places) if name.suffix in (".py", ".md", ".toml", ".yml", ".yaml")]
    return [(name, (ROOT / name).read_text(encoding="utf-8").splitlines()) for name in names]


def test_a_page_that_is_named_is_there() -> None:
    lost = [
        f"{name}:{number}: {cited}"
        for name, lines in _texts(*CODE, *DOCUMENTS)
        for number, line in enumerate(lines, 1)
        for cited in CITATION.findall(line)
        if not is_there(ROOT / cited.partition("#")[0], cited.partition("#")[2])
    ]
    assert lost == []


def test_a_link_leads_somewhere() -> None:
    lost = []
    for name in tracked(*DOCUMENTS, ".github"):
        page = ROOT / name
        if page.suffix == ".md":
            for target in links(page):
                file, _, anchor = target.partition("#")
                if not is_there((page.parent / file).resolve() if file else page, anchor) and not (
                    file and not anchor and (page.parent / file).exists()
                ):
                    lost.append(f"{name}: {target}")
    assert lost == []


def test_nothing_cites_what_is_not_in_the_repository() -> None:
    assert [
        f"{name}:{number}: {line.strip()}"
        for name, lines in _texts(*CODE, *DOCUMENTS)
        for number, line in enumerate(lines, 1)
        if ELSEWHERE.search(line)
    ] == []


def test_a_ruling_on_the_guide_says_where_it_stands() -> None:
    """``G-14`` alone means nothing: the page is named on the same line or up to two above."""
    assert [
        f"{name}:{number}: {line.strip()}"
        for name, lines in _texts(*CODE)
        for number, line in enumerate(lines, 1)
        if RULING.search(line) and "docs/guide.md" not in " ".join(lines[max(0, number - 3) : number])
        and name.parts[:2] != ("tests", "docs")
    ] == []  # fmt: skip
