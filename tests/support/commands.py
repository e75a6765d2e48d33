"""Running ``ngc`` as somebody in this process, which is fast; ``support.program`` runs the installed one."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from support.registry import RunningRegistry

from ngc_cli.main import main


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """The JSON object on the last line of stderr when a command fails with json output."""
        error: dict[str, Any] = json.loads(self.err.splitlines()[-1])
        return error


Run = Callable[[Sequence[str], Mapping[str, str]], Done]


@dataclass
class Shell:
    """A person at a prompt: a registry, a key and what else is in the environment."""

    run: Run
    env: dict[str, str] = field(default_factory=dict)

    def __call__(self, line: str, *words: str) -> Done:
        """Run one command line as it is printed, with or without the leading ``ngc``; ``words`` come after it."""
        typed = shlex.split(line)
        return self.run([*(typed[1:] if typed[:1] == ["ngc"] else typed), *words], self.env)

    def json(self, line: str, *words: str) -> Any:
        """The JSON that a command that succeeds prints."""
        done = self(line, *words, "--format_type", "json")
        assert done.code == 0, done.err
        return done.data

    def ok(self, line: str, *words: str) -> str:
        """What a command that succeeds prints."""
        done = self(line, *words)
        assert done.code == 0, done.err
        return done.out


MakeShell = Callable[..., Shell]


def environment(registry: RunningRegistry, key: str, org: str, team: str) -> dict[str, str]:
    """The variables that point ``ngc`` to a registry as somebody."""
    env = {
        "NGC_CLI_API_URL": registry.url,
        "NGC_CLI_AUTH_URL": registry.url,
        "NGC_CLI_API_KEY": key,
        "NGC_CLI_ORG": org,
        "NGC_CLI_TEAM": team,
        "REQUESTS_CA_BUNDLE": registry.ca_bundle,
    }
    return {name: value for name, value in env.items() if value}


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> MakeShell:
    """``shell(registry, key, org, team)``: commands run in this process."""

    def run(words: Sequence[str], env: Mapping[str, str]) -> Done:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            for name, value in env.items():
                patch.setenv(name, value)
            code = main(list(words))
        out, err = capsys.readouterr()
        return Done(code, out, err)

    def make(registry: RunningRegistry, key: str = "", org: str = "", team: str = "", **env: str) -> Shell:
        return Shell(run, {**environment(registry, key, org, team), **env})

    return make
