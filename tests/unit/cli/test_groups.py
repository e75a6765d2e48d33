"""Commands are found late, options are taken once, and other spellings work."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from ngc_cli.cli.groups import Group
from ngc_cli.cli.root import command_tree
from ngc_cli.main import main

ROOT = Path(__file__).parents[3]


Words = tuple[str, ...]


def groups(group: Group, path: Words = ()) -> Iterator[tuple[Words, Group]]:
    """Every group below one, hidden ones included, and the group itself."""
    yield path, group
    for name in group.subgroups:
        yield from groups(group.get_command(None, name), (*path, name))


GROUPS = dict(groups(command_tree()))
COMMANDS = {
    (*path, name): command for path, group in GROUPS.items() for name, command in group.commands.items()
}
NOT_SUPPORTED = [(*path, name) for path, group in GROUPS.items() for name in group.not_supported]


def test_the_tree_has_the_fixed_groups() -> None:
    assert {path[0] for path in COMMANDS} >= {"config", "diag", "registry", "org", "team", "user", "local"}


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_and_takes_the_global_options(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*path, "--org", "o", "--team", "t", "-h"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith(f"Usage: ngc {' '.join(path)}")
    assert shown.err == ""
    assert COMMANDS[path].help


@pytest.mark.parametrize("path", NOT_SUPPORTED, ids=" ".join)
def test_a_name_of_the_official_client_is_refused(path: Words, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*path, "anything"]) == 2
    assert f"'ngc {' '.join(path)}' is not supported by this client" in capsys.readouterr().err


def test_a_sub_group_says_of_itself_what_its_parent_says() -> None:
    for path, group in GROUPS.items():
        for name, subgroup in group.subgroups.items():
            if not subgroup.hidden:
                assert str(GROUPS[(*path, name)].help).startswith(subgroup.help)


def test_a_bare_group_shows_its_help_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["registry", "model"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "download-version" in shown.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["registry", "modle"], "No such command 'modle'"),
        (["registry", "model", "create", "--aplication", "x", "o/m"], "No such option"),
        (
            ["registry", "model", "create", "--publisher", "a", "--publisher", "b", "o/m"],
            "--publisher is given twice",
        ),
        (
            ["registry", "model", "create", "--encryption-key-id", "k", "o/m"],
            "--encryption-key-id is not supported",
        ),
        (
            ["registry", "model", "upload-version", "--source-path/to/dir", "o/m:1"],
            "Did you mean: --source path/to/dir",
        ),
        (["registry", "model", "info", "--format", "json", "o/m"], "--format_type json"),
        (["registry", "chart", "list"], "not supported by this client"),
        (["registry", "model", "upload-version", "o/m"], "names no version"),
        (["registry", "model", "create", "o/m:1"], "names a version where none may be"),
        (["registry", "model", "info", "o/m*"], "has wildcards"),
    ],
)
def test_mistakes_are_told_with_what_to_type(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""
    assert "Traceback" not in shown.err


def test_completion_scripts_are_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "completions"))
    scripts = importlib.import_module("generate").packaged_files()
    folder = ROOT / "completions"
    there = {path.name for path in folder.iterdir() if path.is_file() and path.suffix != ".py"}
    assert {name: (folder / name).read_text() for name in there} == scripts


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("ngc reg", {"registry"}),
        ("ngc registry model up", {"update", "upload-version"}),
        (
            "ngc registry model create --pub",
            {"--publisher", "--public-dataset-name", "--public-dataset-link", "--public-dataset-license"},
        ),
    ],
)
def test_completion_offers_what_fits(
    typed: str, offered: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["__complete", "bash", typed, ":="]) == 0
    kind, *lines = capsys.readouterr().out.splitlines()
    assert kind == "values"
    assert {line.partition("\t")[0] for line in lines} == offered
