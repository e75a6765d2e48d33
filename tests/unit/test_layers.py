"""The layers: which module may import which, and what start-up may not import."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ngc_cli

ROOT = Path(ngc_cli.__file__).parent
LEAVES = frozenset({"errors", "refs", "records", "events", "files", "units", "roles"})
MAY_IMPORT = {
    "errors": set(),
    "refs": {"errors"},
    "records": {"errors"},
    "events": set(),
    "files": set(),
    "units": {"errors"},
    "roles": {"errors"},
    "http": LEAVES,
    "config": LEAVES,
    "api": LEAVES | {"http"},
    "transfer": LEAVES | {"http"},
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
MODULES = sorted(ROOT.rglob("*.py"))


def imported_by(path: Path) -> set[str]:
    """Names of our own modules that a file imports at run time, inside functions as well."""
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
    return {name for name in names if name.startswith("ngc_cli.")}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    relative = path.relative_to(ROOT)
    part = relative.parts[0].removesuffix(".py")
    for name in imported_by(path):
        other = name.split(".")[1]
        if other in (part, "__version__"):
            continue
        assert other in MAY_IMPORT[part], f"{relative} imports {name}"
        if part == "server" and other == "oci":
            assert name.rsplit(".", 1)[0] in PURE_OCI or name in PURE_OCI, f"{relative} imports {name}"
        if part == "cli" and other == "server":
            assert relative == Path("cli/local.py"), f"{relative} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_cli_prints(path: Path) -> None:
    part = path.relative_to(ROOT).parts[0].removesuffix(".py")
    if part in ("cli", "main", "server", "credential_helper"):
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
