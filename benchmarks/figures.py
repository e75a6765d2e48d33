"""Figures of the code: how much there is, how it is cut, and how much to read before a first command or route.

Usage: python benchmarks/figures.py [--rev REV] [--markdown]. Without --rev the working tree is measured. "Code lines" are
lines without blank ones, comments and docstrings.
"""

from __future__ import annotations

import argparse
import ast
import io
import subprocess
import tarfile
import tempfile
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LONG_FUNCTION_LINES = 50
# The smallest real command file and route file: what of ours they name, a newcomer has to look up.
FIRST_COMMAND = "ngc_cli/cli/user.py"
FIRST_ROUTE = "ngc_cli/server/routes/links.py"


@dataclass(frozen=True)
class Source:
    """One file: its lines, its lines of code, and the length of each function in lines."""

    path: Path
    lines: int
    code_lines: int
    functions: tuple[int, ...]
    tests: int


def read(path: Path, root: Path) -> Source:
    """Measure a file."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return Source(
        path.relative_to(root),
        len(text.splitlines()),
        len(code_lines(text, tree)),
        tuple((node.end_lineno or node.lineno) - node.lineno + 1 for node in functions),
        sum(node.name.startswith("test_") for node in functions),
    )


def code_lines(text: str, tree: ast.Module) -> set[int]:
    """Numbers of the lines that hold code."""
    found: set[int] = set()
    skipped = {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in skipped:
            found.update(range(token.start[0], token.end[0] + 1))
    for node in docstrings(tree):
        found -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return found


def docstrings(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements that are texts and nothing else: docstrings, also those after an assignment."""
    for node in ast.walk(tree):
        for item in getattr(node, "body", []) if not isinstance(node, (ast.Lambda, ast.IfExp)) else []:
            if (
                isinstance(item, ast.Expr)
                and isinstance(item.value, ast.Constant)
                and isinstance(item.value.value, str)
            ):
                yield item


def own_names(path: Path) -> set[str]:
    """What a file imports from ngc_cli, as ``module.name``."""
    if not path.is_file():
        return set()
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ngc_cli"):
            found |= {f"{node.module}.{item.name}" for item in node.names}
    return found


def modules_of(names: Iterable[str], root: Path) -> set[Path]:
    """The files of ours in which these names are."""
    found = set()
    for name in names:
        for dotted in (name, name.rpartition(".")[0]):
            base = root / dotted.replace(".", "/")
            for path in (base.with_suffix(".py"), base / "__init__.py"):
                if path.is_file():
                    found.add(path)
                    break
            else:
                continue
            break
    return found


def figures(root: Path) -> dict[str, str]:
    """What there is to say about a checkout, by the name of the figure."""
    sources = [read(path, root) for path in sorted((root / "ngc_cli").rglob("*.py"))]
    server = [item for item in sources if item.path.parts[1] == "server"]
    client = [item for item in sources if item not in server]
    tests = [read(path, root) for path in sorted((root / "tests").rglob("*.py"))]
    rows: dict[str, str] = {}
    for name, group in (("product", sources), ("client", client), ("server", server), ("tests", tests)):
        largest = max(group, key=lambda item: item.lines)
        rows[f"{name}: files"] = f"{len(group)}"
        rows[f"{name}: lines"] = f"{sum(item.lines for item in group):,}"
        rows[f"{name}: code lines"] = f"{sum(item.code_lines for item in group):,}"
        rows[f"{name}: largest file"] = (
            f"{largest.lines} `{largest.path.as_posix().removeprefix('ngc_cli/')}`"
        )
        rows[f"{name}: files over 500 lines"] = f"{sum(item.lines > 500 for item in group)}"
        if name != "product":
            lengths = [length for item in group for length in item.functions]
            long = sum(length > LONG_FUNCTION_LINES for length in lengths)
            rows[f"{name}: functions over {LONG_FUNCTION_LINES} lines"] = f"{long} of {len(lengths):,}"
    rows["test functions"] = f"{sum(item.tests for item in tests):,}"
    for label, file in (("a first command", FIRST_COMMAND), ("a first route", FIRST_ROUTE)):
        names = own_names(root / file)
        used = modules_of(names, root)
        lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in used)
        rows[f"names of ours in {label} (`{Path(file).name}`)"] = f"{len(names)}"
        rows[f"files and lines behind them, {label}"] = f"{len(used)}, {lines:,}"
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rev", help="commit to measure instead of the working tree")
    parser.add_argument("--markdown", action="store_true", help="print rows of a table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = ROOT
        if options.rev:
            root = Path(folder)
            archive = subprocess.run(
                ["git", "archive", options.rev], cwd=ROOT, capture_output=True, check=True
            )
            with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
                tar.extractall(root, filter="data")
        for name, value in figures(root).items():
            print(f"| {name} | {value} |" if options.markdown else f"{name:60} {value}")


if __name__ == "__main__":
    main()
