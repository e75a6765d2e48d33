"""What is left out of an upload: rules as of gitignore(5), the defaults, patterns of the command line."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ngc_cli.errors import UsageError
from ngc_cli.transfer.local_files import collect
from ngc_cli.transfer.selection import DEFAULT_RULES, IgnoreRules, Selection, matches


@pytest.mark.parametrize(
    ("rule", "ignored", "kept"),
    [
        ("*.log", ["a.log", "x/y/a.log"], ["a.log.txt", "log"]),
        ("/a.txt", ["a.txt"], ["x/a.txt"]),
        ("x/*.txt", ["x/a.txt"], ["x/y/a.txt", "z/x/a.txt"]),
        ("x/**/a", ["x/a", "x/y/a", "x/y/z/a"], ["a", "y/x/a"]),
        ("**/a", ["a", "x/a", "x/y/a"], ["ab"]),
        ("x/**", ["x/a", "x/y/a"], ["x", "y/x/a"]),
        ("file[0-9]", ["file1"], ["filex"]),
        ("file[!0-9]", ["filex"], ["file1"]),
        ("file[^0-9]", ["filex"], ["file1"]),
        ("a?c", ["abc"], ["ac", "a/c"]),
        ("\\#x", ["#x"], ["x"]),
        ("\\!x", ["!x"], ["x"]),
        ("# x", [], ["# x", "x"]),
        ("   ", [], ["x", "   "]),
        ("x  ", ["x"], []),
        ("/", [], ["x"]),
    ],
)
def test_rules_are_those_of_git(rule: str, ignored: list[str], kept: list[str]) -> None:
    rules = IgnoreRules([rule])
    assert [path for path in [*ignored, *kept] if rules.ignores(path, is_folder=False)] == ignored


def test_a_slash_at_the_end_is_for_folders() -> None:
    rules = IgnoreRules(["build/"])
    assert rules.ignores("x/build", is_folder=True)
    assert not rules.ignores("x/build", is_folder=False)


def test_the_last_rule_that_matches_decides() -> None:
    rules = IgnoreRules(["*.pem", "!public.pem", "x/public.pem"])
    assert [rules.ignores(path, is_folder=False) for path in ("a.pem", "public.pem", "x/public.pem")] == [
        True,
        False,
        True,
    ]


@pytest.mark.parametrize(
    "name",
    [".env", "deploy/.env", "id_rsa", "id_ed25519.pub", "keys/server.key", "tls.pem", ".netrc", "x/cert.p12"],
)
def test_secrets_are_left_out_by_default(name: str) -> None:
    assert IgnoreRules(DEFAULT_RULES).ignores(name, is_folder=False)


@pytest.mark.parametrize(
    "name", ["model.onnx", "config.json", ".gitattributes", ".env.md", "keys.txt", "a.pth"]
)
def test_what_models_consist_of_is_not(name: str) -> None:
    assert not IgnoreRules(DEFAULT_RULES).ignores(name, is_folder=False)


def test_a_hostile_rule_costs_no_time() -> None:
    rules = IgnoreRules(["*a" * 100 + "b", "/".join(["**", "a"] * 100)])
    started_s = time.monotonic()
    assert not rules.ignores("/".join(["a" * 250] * 20), is_folder=False)
    assert time.monotonic() - started_s < 1


def test_patterns_of_the_command_line() -> None:
    assert matches("a/b.bin", ("*.bin",), ())
    assert not matches("a/b.bin", ("*.bin",), ("a/*",))
    assert matches("x", (), ("y",))


# of a folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "model.bin",
        ".env",
        ".git/config",
        "sub/.ssh/id",
        "sub/tls.pem",
        "big.tmp",
        ".ngc-transfer-7/k/x",
    ):
        (tmp_path / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "src" / name).write_text(name)
    return tmp_path / "src"


def chosen(folder: Path, selection: Selection | None = None) -> tuple[list[str], list[str]]:
    notes: list[str] = []
    return [file.path for file in collect(folder, notes.append, selection or Selection())], notes


def test_what_is_left_out_by_default_is_told_in_one_line(folder: Path) -> None:
    found, notes = chosen(folder)
    assert found == ["big.tmp", "model.bin"]
    assert len(notes) == 1
    assert all(f"'{name}'" in notes[0] for name in (".env", ".git", "sub/.ssh", "sub/tls.pem"))


def test_rules_of_the_folder_leave_out_and_bring_back(folder: Path) -> None:
    (folder / ".ngcignore").write_text("# ours\n*.tmp\n!.env\n")
    found, notes = chosen(folder)
    assert found == [".env", "model.bin"]
    assert "by .ngcignore: 'big.tmp'" in notes[1]


def test_include_sends_what_is_left_out_otherwise_but_never_our_state(folder: Path) -> None:
    assert chosen(folder, Selection(include=("*.pem", ".git/*")))[0] == [".git/config", "sub/tls.pem"]
    assert ".ngc-transfer-7/k/x" not in chosen(folder, Selection(include=("*",)))[0]
    assert chosen(folder, Selection(exclude=("*.tmp",)))[0] == ["model.bin"]


def test_nothing_to_send_is_refused_unless_it_is_wanted(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source, selection in ((tmp_path / "empty", Selection()), (folder, Selection(include=("*.zip",)))):
        with pytest.raises(UsageError, match="nothing to send"):
            collect(source, lambda text: None, selection)
    assert chosen(tmp_path / "empty", Selection(allow_empty=True)) == ([], [])


def test_many_names_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    for number in range(9):
        (tmp_path / f"{number}.pem").touch()
    assert "and 4 more" in chosen(tmp_path)[1][0]
