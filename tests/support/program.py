"""The installed programs, run as a person or a script runs them."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.registry import RunningRegistry

BIN = Path(sys.executable).parent


@dataclass
class Ngc:
    """Runs ``ngc`` in a folder with an environment of its own, stdin closed."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def variables(self) -> dict[str, str]:
        base = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(self.folder / "home"), "COLUMNS": "80"}
        return {**base, **self.environ}

    def start(self, line: str | list[str], **options: Any) -> subprocess.Popen[str]:
        """Start a command line, with or without the leading ``ngc``."""
        words = shlex.split(line.replace("\\\n", " ")) if isinstance(line, str) else line
        if words[0] == "ngc":
            words = words[1:]
        options = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            **options,
        }
        return subprocess.Popen(
            [str(BIN / "ngc"), *words], cwd=self.folder, env=self.variables(), text=True, **options
        )

    def run(
        self, line: str | list[str], *, code: int | None = 0, timeout_s: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run a command line and check its exit code (None: any)."""
        process = self.start(line)
        out, err = process.communicate(timeout=timeout_s)
        assert code is None or process.returncode == code, f"{line}: exit {process.returncode}\n{out}\n{err}"
        return subprocess.CompletedProcess([], process.returncode, out, err)

    def json(self, line: str, *, code: int | None = 0) -> Any:
        """The one JSON document of a command."""
        return json.loads(self.run(f"{line} --format_type json", code=code).stdout)

    def with_environ(self, values: Mapping[str, str]) -> Ngc:
        """The same with further variables."""
        return Ngc(self.folder, {**self.environ, **values})


@pytest.fixture
def make_ngc(tmp_path: Path) -> Callable[..., Ngc]:
    """Makes an ``ngc`` for a registry and a key."""

    def make(registry: RunningRegistry | None = None, key: str = "", **environ: str) -> Ngc:
        (tmp_path / "home").mkdir(exist_ok=True)
        values = dict(environ)
        if registry is not None:
            values["NGC_CLI_API_URL"] = registry.url
            if registry.ca_bundle:
                values["REQUESTS_CA_BUNDLE"] = registry.ca_bundle
        if key:
            values["NGC_CLI_API_KEY"] = key
        return Ngc(tmp_path, values)

    return make


@pytest.fixture
def local_ngc(tmp_path: Path) -> Iterator[Ngc]:
    """An ``ngc`` whose home holds a running ``ngc local`` registry of org nvidia with team myteam."""
    (tmp_path / "home").mkdir()
    ngc = Ngc(tmp_path)
    ngc.run("local start --org nvidia")
    ngc.run('org add-team myteam "My Team"')
    yield ngc
    ngc.run("local stop")
