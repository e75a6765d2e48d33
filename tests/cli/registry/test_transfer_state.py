"""Where the state of transfers lies, what is left of it, and that a planted one hurts nobody: the commands."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.commands import MakeShell, Shell
from support.registry import RunningRegistry

from ngc_cli.http.session import Http

CONTENT = {"a.bin": b"a" * 5000, "sub/b.txt": b"b"}


@pytest.fixture
def model(
    shell: MakeShell, registry: RunningRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Shell, str]:
    """A version to download, and who may."""
    monkeypatch.chdir(tmp_path)
    org = registry.org()
    ngc = shell(registry, registry.key(org=org, role="REGISTRY_ADMIN"), org)
    for name, content in CONTENT.items():
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / name).write_bytes(content)
    target = f"{org}/m:1"
    ngc.ok(
        f"registry model create {org}/m --application a --framework f --format t --precision p --short-desc s"
    )
    ngc.ok(f"registry model upload-version {target} --source source")
    return ngc, target


def read(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("options", ["--dest d", "--dest d/x --dest-exact", "--dest d/n --dest-exact"])
def test_a_complete_download_leaves_nothing_of_ours(
    model: tuple[Shell, str], tmp_path: Path, options: str
) -> None:
    ngc, target = model
    (tmp_path / "d" / "x").mkdir(parents=True)
    ngc.ok(f"registry model download-version {target} {options}")
    assert [path for path in tmp_path.rglob("*") if "ngc-transfer" in path.name] == []
    found = {name.split("/", 1)[1]: content for name, content in read(tmp_path / "d").items()}
    assert found == CONTENT


def test_a_second_download_asks_for_no_file_and_reads_none(
    model: tuple[Shell, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ngc, target = model
    ngc.ok(f"registry model download-version {target} --dest d")
    sent: list[str] = []
    send = Http.send
    monkeypatch.setattr(
        Http, "send", lambda self, method, url, **more: [sent.append(url), send(self, method, url, **more)][1]
    )
    monkeypatch.setattr("ngc_cli.transfer.verify.hash_file", None)
    ngc.ok(f"registry model download-version {target} --dest d")
    assert [url for url in sent if "/links/" in url] == []


def test_without_a_home_the_files_are_only_hashed_again(
    model: tuple[Shell, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ngc, target = model
    monkeypatch.setattr("ngc_cli.cli.runtime.Runtime.state_folder", lambda self, name="uploads": None)
    for _ in range(2):
        ngc.ok(f"registry model download-version {target} --dest d")
    assert read(Path("d")) == {f"m_v1/{name}": content for name, content in CONTENT.items()}


def test_a_planted_state_folder_costs_nobody_a_file(model: tuple[Shell, str], tmp_path: Path) -> None:
    ngc, target = model
    for name in ("photos", "0123456789ab-7-7-7.idle"):
        (tmp_path / "victim" / name).mkdir(parents=True)
        (tmp_path / "victim" / name / "1").write_text("mine")
        os.utime(tmp_path / "victim" / name, (1, 1))
    (tmp_path / "victim" / "done.jsonl").write_text("mine")
    before = read(tmp_path / "victim")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / ".ngc-transfer").symlink_to(tmp_path / "victim")
    done = ngc(f"registry model download-version {target} --dest d")
    assert read(tmp_path / "victim") == before
    assert done.code == 0
    assert "Not touched" in done.err
    assert read(tmp_path / "d" / "m_v1") == CONTENT


def test_a_folder_of_the_version_that_is_a_link_is_not_followed(
    model: tuple[Shell, str], tmp_path: Path
) -> None:
    ngc, target = model
    (tmp_path / "victim").mkdir()
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "m_v1").symlink_to(tmp_path / "victim")
    assert ngc(f"registry model download-version {target} --dest d").code != 0
    assert read(tmp_path / "victim") == {}
    ngc.ok(f"registry model download-version {target} --dest d/m_v1 --dest-exact")
    assert read(tmp_path / "victim") == CONTENT
