"""Break the code that guards bytes and keys, one small change at a time, and see whether its tests notice.

    python tests/mutation/run.py [FILE ...] [--sample N] [--jobs N] [--list]

Prints what survived and the share that was killed; exit status 1 when that is below 90 % of the mutants that change
behaviour. Survivors that change nothing a user or an attacker could see stand in ``survivors.txt`` with the reason and
do not count. Each job works in a copy of the tree. Needs no tool but pytest: mutmut wants its own layout of a project.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mutants import Mutant, mutants_of

ROOT = Path(__file__).resolve().parents[2]
GOAL = 0.9
# A mutant that makes a test wait is killed by the time-out; the slowest set takes a quarter of it.
_TIMEOUT_S = 120

# The tests that own each file: unit tests first, they are the quickest to notice.
OWNERS: dict[str, tuple[str, ...]] = {
    "ngc_cli/transfer/sink.py": ("tests/unit/transfer", "tests/wire/transfer"),
    "ngc_cli/transfer/journal.py": ("tests/unit/transfer", "tests/wire/transfer"),
    "ngc_cli/http/auth.py": ("tests/unit/http", "tests/unit/api", "tests/wire/services"),
    "ngc_cli/oci/challenge.py": ("tests/unit/oci/test_challenge.py", "tests/wire/oci"),
    "ngc_cli/server/auth/signing.py": ("tests/unit/server", "tests/wire/server/auth"),
    "ngc_cli/server/auth/roles.py": (
        "tests/unit/server",
        "tests/wire/server/auth",
        "tests/wire/server/routes/test_orgs.py",
    ),
    "ngc_cli/server/auth/scopes.py": (
        "tests/unit/server",
        "tests/wire/server/auth",
        "tests/wire/server/routes/test_distribution_errors.py",
    ),
    "ngc_cli/server/content/folder.py": (
        "tests/unit/server/content",
        "tests/wire/server/content",
        "tests/wire/server/routes/test_uploads.py",
    ),
    "ngc_cli/server/content/receive.py": (
        "tests/unit/server/content",
        "tests/wire/server/routes/test_uploads.py",
    ),
    "ngc_cli/server/content/serve.py": (
        "tests/unit/server/content",
        "tests/wire/server/routes/test_files.py",
        "tests/wire/server/routes/test_distribution_pull.py",
    ),
}


def accepted() -> dict[str, str]:
    """Survivors that change nothing, by ``file: function: change``, with the reason."""
    lines = (Path(__file__).parent / "survivors.txt").read_text(encoding="utf-8").splitlines()
    entries = (line.split(" # ", 1) for line in lines if " # " in line and not line.startswith("#"))
    return {name.strip(): reason.strip() for name, reason in entries}


def notices(tree: Path, file: str, text: str) -> bool:
    """Whether the owners of the file fail when it holds this text."""
    path = tree / file
    original = path.read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", "--no-header"]
    try:
        run = subprocess.run(
            [*command, *(owner for owner in OWNERS[file] if (tree / owner).exists())],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            timeout=_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return True
    finally:
        path.write_text(original, encoding="utf-8")
    return run.returncode != 0


def copies(count: int, folder: Path) -> Iterator[Path]:
    """That many copies of the tree."""
    for number in range(count):
        target = folder / str(number)
        ignore = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".hypothesis", "*.egg-info")
        shutil.copytree(ROOT, target, ignore=ignore)
        yield target


def main(argv: Sequence[str]) -> int:
    """Run the check; the exit status tells whether the goal is reached."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", default=list(OWNERS))
    parser.add_argument(
        "--sample", type=int, default=0, help="at most so many mutants of a file, chosen by its name"
    )
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--list", action="store_true", help="only print the mutants")
    options = parser.parse_args(argv)
    known = accepted()
    work: list[tuple[str, Mutant]] = []
    for file in options.files:
        found = [
            mutant
            for mutant in mutants_of((ROOT / file).read_text(encoding="utf-8"))
            if f"{file}: {mutant.name}" not in known
        ]
        if options.sample and len(found) > options.sample:
            found = random.Random(file).sample(found, options.sample)
        work += [(file, mutant) for mutant in found]
    if options.list:
        print(*(f"{file}: {mutant.name}" for file, mutant in work), sep="\n")
        return 0
    survivors: list[str] = []
    with tempfile.TemporaryDirectory(prefix="ngc-mutation-") as folder:
        free = list(copies(options.jobs, Path(folder)))
        lock = threading.Lock()

        def judge(item: tuple[str, Mutant]) -> None:
            file, mutant = item
            with lock:
                tree = free.pop()
            killed = notices(tree, file, mutant.text)
            with lock:
                free.append(tree)
                if not killed:
                    survivors.append(f"{file}: {mutant.name}")
                    print(f"survived  {survivors[-1]}", flush=True)

        for file in options.files:  # a set that fails by itself would kill every mutant
            if notices(free[0], file, (ROOT / file).read_text(encoding="utf-8")):
                print(f"the tests of {file} fail without any change")
                return 2
        with ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(judge, work))
    for file in options.files:
        total = sum(1 for name, _ in work if name == file)
        alive = sum(1 for name in survivors if name.startswith(f"{file}: "))
        print(f"{file}: {total - alive} of {total} killed")
    killed_share = 1 - len(survivors) / max(1, len(work))
    print(f"{killed_share:.1%} killed of {len(work)}; the goal is {GOAL:.0%}")
    return 0 if killed_share >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
