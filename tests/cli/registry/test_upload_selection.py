"""What ``upload-version`` sends of a folder, and that a second run with the same choice changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.commands import MakeShell, Shell
from support.registry import RunningRegistry

CREATE = "--application a --framework f --format t --precision p --short-desc s"


@pytest.fixture
def ngc(
    shell: MakeShell, registry: RunningRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Shell:
    monkeypatch.chdir(tmp_path)
    org = registry.org()
    made = shell(registry, registry.key(org=org, role="REGISTRY_ADMIN"), org)
    made.ok(f"registry model create {org}/m {CREATE}")
    for name in ("model.bin", ".env", "notes.txt"):
        (tmp_path / "src").mkdir(exist_ok=True)
        (tmp_path / "src" / name).write_text(name)
    (tmp_path / "secret").write_text("mine")
    (tmp_path / "src" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "empty").mkdir()
    return made


def upload(ngc: Shell, options: str) -> tuple[int, str]:
    org = ngc.env["NGC_CLI_ORG"]
    done = ngc(f"registry model upload-version {org}/m:1 {options}")
    return done.code, done.err


def sent(ngc: Shell) -> list[str]:
    org = ngc.env["NGC_CLI_ORG"]
    return sorted(item["path"] for item in ngc.json(f"registry model info {org}/m:1 --files")["file_list"])


@pytest.mark.parametrize(
    ("options", "paths"),
    [
        ("--source src", ["model.bin", "notes.txt"]),
        ("--source src --follow-links", ["link", "model.bin", "notes.txt"]),
        ("--source src --include *.bin --include .env", [".env", "model.bin"]),
        ("--source src --exclude *.txt", ["model.bin"]),
        ("--source empty --allow-empty", []),
    ],
)
def test_the_choice_decides_and_a_second_run_is_the_same(ngc: Shell, options: str, paths: list[str]) -> None:
    for _ in range(2):
        code, err = upload(ngc, options)
        assert code == 0, err
        assert sent(ngc) == paths


def test_links_and_secrets_that_are_left_out_are_told(ngc: Shell) -> None:
    _, err = upload(ngc, "--source src")
    assert "Not sent by default: '.env'" in err
    assert "'link' lead out of" in err
    dry = upload(ngc, "--source src --dry-run")
    assert "Not sent by default: '.env'" in dry[1]


def test_an_empty_folder_is_refused(ngc: Shell) -> None:
    code, err = upload(ngc, "--source empty")
    assert code == 2
    assert "--allow-empty" in err
