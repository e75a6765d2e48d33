"""What holds for every command: the configuration is read once, global options have their effect."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.commands import MakeShell
from support.program import BIN
from support.registry import RunningRegistry
from support.terminal import Terminal

from ngc_cli import __version__
from ngc_cli.config import profiles
from ngc_cli.config.store import ConfigFile, save
from ngc_cli.main import main


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path | None]:
    """The config files that are read, one entry a read."""
    seen: list[Path | None] = []
    load = profiles.load

    def counting(path: Path | None) -> ConfigFile:
        seen.append(path)
        return load(path)

    monkeypatch.setattr(profiles, "load", counting)
    return seen


@pytest.mark.parametrize(
    "words",
    [
        ["config", "current"],
        ["registry", "model", "list", "--api-url", "http://127.0.0.1:1", "--retries", "0"],
        ["user", "who"],
        ["diag", "install"],
        ["diag", "user"],
    ],
    ids=" ".join,
)
def test_the_configuration_is_read_once(
    words: list[str], reads: list[Path | None], capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path.home() / ".ngc" / "config"
    save(path, ConfigFile(profiles={"default": {"format_type": "json", "org": "acme"}}))
    main(words)
    assert reads == [path]
    out, err = capsys.readouterr()
    for line in err.splitlines():
        assert isinstance(json.loads(line), dict)
    assert not out or json.loads(out)


def test_the_version_in_every_format(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"NGC Registry CLI {__version__}\n"
    assert main(["--version", "--format_type", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"version": __version__}
    monkeypatch.setenv("NGC_CLI_FORMAT_TYPE", "json")
    assert main(["--version"]) == 0
    assert json.loads(capsys.readouterr().out) == {"version": __version__}


def test_a_bare_group_is_an_error_object_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["registry", "model", "--format_type", "json"]) == 2
    out, err = capsys.readouterr()
    assert (out, json.loads(err)["error"]) == ("", "'ngc registry model' needs a command")


def test_a_bug_is_shown_as_one_and_debug_has_its_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **options: object) -> None:
        raise RuntimeError("oops")

    monkeypatch.setattr(profiles, "load", broken)
    assert main(["config", "current", "--format_type", "json", "--debug"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert lines[-1]["error"] == "this is a bug in ngc: RuntimeError: oops"
    assert "in broken" in lines[-2]["debug"]


def test_ace_is_accepted_with_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "current", "--ace", "some-ace"]) == 0
    assert "--ace is accepted for old scripts and has no effect" in capsys.readouterr().err


def test_yes_answers_and_quiet_drops_notes(shell: MakeShell, registry: RunningRegistry) -> None:
    org = registry.org()
    ngc = shell(registry, registry.key(org=org, role="REGISTRY_ADMIN"), org)
    assert "Not specified" in ngc(f"registry model create {org}/one").err
    assert ngc(f"registry model create {org}/two --quiet").err == ""
    assert ngc(f"registry model remove {org}/one").code == 2
    assert ngc(f"registry model remove {org}/one --yes").code == 0


def test_a_ca_bundle_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "current", "--ca-bundle", "/nonexistent.pem"]) == 2
    assert "/nonexistent.pem" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "shown"), [([], "\033[1;31mError:\033[0m"), (["--no-color"], "Error:")])
def test_errors_are_coloured_on_a_terminal_unless_forbidden(words: list[str], shown: str) -> None:
    environ = {"PATH": str(BIN), "HOME": str(Path.home()), "TERM": "xterm"}
    terminal = Terminal([str(BIN / "ngc"), "registry", "chart", *words], environ)
    assert terminal.finish() == 2
    assert terminal.seen.startswith(f"{shown} 'ngc registry chart'")
