"""The published ngcsdk, unmodified, as a foreign client in a virtual environment of its own.

``NGC_TEST_SDK_VENV`` names an environment to use again (made when it is not there); else one is made for the run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.registry import RunningRegistry

SDK_VERSION = "4.37.0"
_PRELUDE = """
import json, os
from ngcsdk import Client

def plain(value):
    if hasattr(value, "toDict"):
        return value.toDict()
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (str, int, float, bool)) or value is None:
        return value
    return [plain(part) for part in value] if hasattr(value, "__iter__") else str(value)

def tell(value):
    print("TOLD " + json.dumps(plain(value)))

clt = Client()
clt.configure(api_key=os.environ["TEST_KEY"], org_name=os.environ["TEST_ORG"], team_name=os.environ["TEST_TEAM"])
"""


@dataclass
class Sdk:
    """ngcsdk configured for one registry, org and team with one key."""

    python: Path
    home: Path
    registry: RunningRegistry
    key: str
    org: str
    team: str = "no-team"
    more_environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, code: str) -> list[Any]:
        """Run Python code that uses the client ``clt`` and ``tell``; returns what it told, as plain values.

        Fails the test when the code ends in an exception.
        """
        done = self._run(code)
        assert done.returncode == 0, done.stdout + done.stderr
        return [json.loads(line[5:]) for line in done.stdout.splitlines() if line.startswith("TOLD ")]

    def run_to_error(self, code: str) -> str:
        """Run code that must end in an exception; returns what was printed."""
        done = self._run(code)
        assert done.returncode != 0, done.stdout
        return done.stdout + done.stderr

    def _run(self, code: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "NGC_CLI_HOME": str(self.home),
            "NGC_CLI_API_URL": self.registry.url,
            "NGC_CLI_AUTH_URL": self.registry.url,
            "REQUESTS_CA_BUNDLE": self.registry.ca_bundle,
            "SSL_CERT_FILE": self.registry.ca_bundle,
            "NGC_CLI_PROGRESS_BAR_STYLE": "NONE",
            "TEST_KEY": self.key,
            "TEST_ORG": self.org,
            "TEST_TEAM": self.team,
            **self.more_environment,
        }
        script = self.home / "script.py"
        script.write_text(_PRELUDE + textwrap.dedent(code), encoding="utf-8")
        return subprocess.run(
            [str(self.python), str(script)],
            env=environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )


@pytest.fixture(scope="session")
def sdk_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment in which only ngcsdk is installed."""
    named = os.environ.get("NGC_TEST_SDK_VENV")
    folder = Path(named) if named else tmp_path_factory.mktemp("sdk") / "venv"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=240)
    have = subprocess.run(
        [str(python), "-m", "pip", "show", "ngcsdk"], capture_output=True, text=True, check=False
    )
    if f"Version: {SDK_VERSION}" not in have.stdout:
        install = [str(python), "-m", "pip", "install", "-q", f"ngcsdk=={SDK_VERSION}"]
        subprocess.run(install, check=True, timeout=240)
    return python


@pytest.fixture(scope="session")
def tls_registry(start_registry: Callable[..., RunningRegistry]) -> RunningRegistry:
    """A registry that speaks TLS, which the official client insists on."""
    return start_registry("--tls-self-signed")


@pytest.fixture
def make_sdk(
    sdk_python: Path, tls_registry: RunningRegistry, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Sdk]:
    """Makes SDKs for a key, org and team of ``tls_registry``, each with a home of its own."""

    def make(key: str, org: str, team: str = "no-team") -> Sdk:
        return Sdk(sdk_python, tmp_path_factory.mktemp("sdk-home"), tls_registry, key, org, team)

    return make
