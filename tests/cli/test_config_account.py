"""``ngc config set`` against a registry: keys, orgs and teams are checked and offered."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.registry import RunningRegistry

from ngc_cli.config.store import load
from ngc_cli.main import main
from ngc_cli.server.metadata import KeyKind

Set = Callable[..., tuple[int, str]]


@pytest.fixture
def path() -> Path:
    return Path(os.environ["HOME"], ".ngc", "config")


@pytest.fixture
def config_set(
    registry: RunningRegistry, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Set:
    """Runs ``ngc config set`` with piped input for the shared registry; returns exit code and stderr."""
    monkeypatch.setenv("NGC_CLI_API_URL", registry.url)

    def run(typed: str, *words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        code = main(["config", "set", *words])
        return code, capsys.readouterr().err

    return run


def test_answers_are_checked_against_the_account(
    registry: RunningRegistry, config_set: Set, path: Path
) -> None:
    org = registry.org()
    team = registry.team(org)
    key = registry.key(org=org, team=team)
    code, err = config_set(f"{key}\nascii\n{org}\n{team}\n")
    assert code == 0
    assert f"Choices: {org}" in err
    assert f"Choices: {team}, no-team" in err
    assert load(path).profiles["default"] == {
        "apikey": key,
        "format_type": "ascii",
        "org": org,
        "team": team,
        "api_url": registry.url,
    }


def test_the_only_org_is_the_default(registry: RunningRegistry, config_set: Set, path: Path) -> None:
    org = registry.org()
    key = registry.key(org=org)
    assert config_set(f"{key}\n\n\n\n")[0] == 0
    assert load(path).profiles["default"]["org"] == org


@pytest.mark.parametrize("kind", [KeyKind.PERSONAL, KeyKind.LEGACY, KeyKind.SERVICE])
def test_keys_of_every_kind(registry: RunningRegistry, config_set: Set, path: Path, kind: KeyKind) -> None:
    org = registry.org()
    key = registry.key(org=org, kind=kind)
    code, err = config_set(key, "--api-key-stdin", "--org", org)
    assert (code, load(path).profiles["default"]["org"]) == (0, org), err


def test_a_key_that_is_not_accepted_is_not_saved(
    registry: RunningRegistry, config_set: Set, path: Path
) -> None:
    for typed, words in (("nvapi-canary-unknown\nascii\n", ()), ("canary-unknown", ("--api-key-stdin",))):
        code, err = config_set(typed, *words)
        assert code == 10, err
        assert "canary" not in err
        assert not path.exists()


def test_an_org_or_team_of_others_is_refused(registry: RunningRegistry, config_set: Set, path: Path) -> None:
    mine, other = registry.org(), registry.org()
    team = registry.team(mine)
    key = registry.key(org=mine, role="REGISTRY_ADMIN")
    code, err = config_set(key, "--api-key-stdin", "--org", other)
    assert (code, path.exists()) == (1, False)
    assert f"org '{other}' is not one of yours" in err
    assert mine in err
    code, err = config_set(key, "--api-key-stdin", "--org", mine, "--team", team + "x")
    assert (code, path.exists()) == (1, False)
    assert f"Did you mean '{team}'?" in err
    assert config_set(key, "--api-key-stdin", "--org", mine, "--team", team)[0] == 0
    assert config_set("", "--team", "no-team")[0] == 0
    assert "team" not in load(path).profiles["default"]


def test_a_new_key_that_cannot_see_the_org_of_the_profile(
    registry: RunningRegistry, config_set: Set, path: Path
) -> None:
    one, two = registry.org(), registry.org()
    assert config_set(registry.key(org=one), "--api-key-stdin", "--org", one)[0] == 0
    code, err = config_set(registry.key(org=two), "--api-key-stdin")
    assert (code, f"org '{one}' of the profile is not among those of this key" in err) == (0, True)


def test_the_key_of_the_environment_checks_but_is_not_saved(
    registry: RunningRegistry, config_set: Set, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    org = registry.org()
    monkeypatch.setenv("NGC_API_KEY", registry.key(org=org))
    assert config_set("", "--org", org)[0] == 0
    assert load(path).profiles["default"] == {"org": org}


def test_a_server_that_is_away(config_set: Set, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NGC_CLI_API_URL", "http://127.0.0.1:9")
    code, err = config_set("some-key-1234", "--api-key-stdin", "--org", "x", "--retries", "0")
    assert (code, path.exists()) == (14, False)
    assert "--no-validate" in err
