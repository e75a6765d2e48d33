"""The layers: which module may import which, and what start-up may not import."""

from __future__ import annotations

import ast
import itertools
import subprocess
import sys
from pathlib import Path

import pytest

import ngc_cli

ROOT = Path(ngc_cli.__file__).parent
LEAVES = frozenset(
    {
        "basic_auth",
        "byte_range",
        "completion",
        "errors",
        "events",
        "file_names",
        "files",
        "json_text",
        "records",
        "refs",
        "roles",
        "similar",
        "terminal_text",
        "units",
        "urls",
    }
)
LEAVES_WITH_ERRORS = frozenset({"refs", "records", "units"})
MAY_IMPORT = {
    **{leaf: {"errors"} if leaf in LEAVES_WITH_ERRORS else set() for leaf in LEAVES},
    "roles": {"errors", "similar"},
    "http": LEAVES,
    "config": LEAVES,
    "transfer": LEAVES,
    "api": LEAVES | {"http"},
    "oci": LEAVES | {"http"},
    "services": LEAVES | {"http", "config", "api", "transfer", "oci"},
    "diagnostics": LEAVES | {"http", "config", "api", "services", "oci"},
    "cli": LEAVES | {"http", "config", "api", "services", "diagnostics", "server"},
    "credential_helper": LEAVES | {"config", "cli", "services"},
    "server": LEAVES | {"oci"},
    "main": LEAVES | {"cli", "http"},
    "__main__": {"main"},
    "__init__": set(),
}
PURE_OCI = frozenset({"ngc_cli.oci.descriptor", "ngc_cli.oci.manifest"})
NOT_FOR = {
    "config": {"requests", "typer", "urllib3"},
    "diagnostics": {"typer"},
    "oci": {"typer"},
    "services": {"requests", "typer", "urllib3"},
    "transfer": {"requests", "typer", "urllib3"},
}
"""Libraries that a part leaves to others: HTTP to ``http``, the command line to ``cli``."""
LONGEST_FILE_LINES = 500
MODULES = sorted(ROOT.rglob("*.py"))
IDS = [str(path.relative_to(ROOT)) for path in MODULES]


def imports_of(path: Path) -> set[str]:
    """What a file imports at run time, inside functions as well: names of modules, and of what is in them."""
    names: set[str] = set()
    tree = ast.parse(path.read_text())
    for guard in [node for node in ast.walk(tree) if isinstance(node, ast.If)]:
        if isinstance(guard.test, ast.Name) and guard.test.id == "TYPE_CHECKING":
            guard.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def imported_by(path: Path) -> set[str]:
    """Names of our own modules that a file imports."""
    return {name for name in imports_of(path) if name.startswith("ngc_cli.")}


def part_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_imports_go_one_way(path: Path) -> None:
    relative, part = path.relative_to(ROOT), part_of(path)
    for name in imported_by(path):
        other = name.split(".")[1]
        if other in (part, "__version__"):
            continue
        assert other in MAY_IMPORT[part], f"{relative} imports {name}"
        if part == "server" and other == "oci":
            assert name.rsplit(".", 1)[0] in PURE_OCI or name in PURE_OCI, f"{relative} imports {name}"
        if part == "cli" and other == "server":
            assert relative == Path("cli/local.py"), f"{relative} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_libraries_stay_in_their_part(path: Path) -> None:
    libraries = {name.split(".")[0] for name in imports_of(path)}
    assert not libraries & NOT_FOR.get(part_of(path), set())


def test_no_two_files_import_each_other_not_even_by_way_of_others() -> None:
    modules = {
        "ngc_cli." + ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in MODULES
        if path.stem != "__init__"
    }
    graph = {
        module: {other for name in imported_by(path) for other in (name, name.rpartition(".")[0])}
        & {*modules}
        for module, path in modules.items()
    }
    with_nothing_below: set[str] = set()
    while freed := {module for module, others in graph.items() if others <= with_nothing_below}:
        with_nothing_below |= freed
        graph = {module: others for module, others in graph.items() if module not in freed}
    assert not graph, f"these import each other, or what does: {sorted(graph)}"


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_no_file_is_too_long_to_read(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_FILE_LINES


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_only_the_cli_prints(path: Path) -> None:
    if part_of(path) in ("cli", "main", "server", "credential_helper"):
        return
    text = path.read_text()
    assert "print(" not in text
    assert "sys.stdout" not in text


@pytest.mark.parametrize(
    "words",
    [["--version"], ["-h"], ["registry", "-h"], ["registry", "model", "upload-version", "-h"], ["org", "-h"]],
)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys\nfrom ngc_cli.main import main\n"
        f"assert main({words!r}) == 0\n"
        "heavy = {'requests', 'keyring', 'tqdm', 'psutil', 'rich', 'tabulate', 'sqlalchemy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_version_does_not_even_import_typer() -> None:
    code = "import sys\nfrom ngc_cli.main import main\nmain(['--version'])\nassert 'typer' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"NGC Registry CLI {ngc_cli.__version__}\n"), done.stderr


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_every_number_has_its_reason(path: Path) -> None:
    """A constant that is a number has a comment or docstring that says why, or stands in the group of one."""
    text = path.read_text()
    lines, body = text.splitlines(), ast.parse(text).body
    for node, following in zip(body, [*body[1:], None], strict=True):
        if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)):
            continue
        is_number = isinstance(node.value, (ast.Constant, ast.BinOp)) and not any(
            isinstance(part, (ast.Name, ast.Attribute))
            or isinstance(getattr(part, "value", None), (str, bytes, bool))
            for part in ast.walk(node.value)
        )
        explained = isinstance(following, ast.Expr) or any("#" in line for line in _block(lines, node.lineno))
        assert not (is_number and node.targets[0].id.isupper()) or explained, lines[node.lineno - 1]


def _block(lines: list[str], number: int) -> list[str]:
    """The line of a statement, and what stands above it without a blank line between."""
    above = list(itertools.takewhile(str.strip, reversed(lines[: number - 1])))
    return [lines[number - 1], *above]


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_json_from_outside_has_one_reader(path: Path) -> None:
    """``json.loads`` raises RecursionError for deep nesting, which callers forget; the registry has limits of its own."""
    if path.relative_to(ROOT) not in (Path("json_text.py"), Path("server/bodies.py")):
        assert "json.load" not in path.read_text(encoding="utf-8")
