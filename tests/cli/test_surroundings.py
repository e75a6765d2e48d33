"""Odd surroundings: closed, full and ASCII-only streams, no home, no extra. Never a traceback, never "a bug in ngc"."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.program import Ngc
from support.registry import RunningRegistry

from ngc_cli.main import main

LIST = "registry model list"
LINES = ["--version", "-h", LIST, "registry image list --format_type json", "config path"]


@pytest.fixture
def ngc(registry: RunningRegistry, make_ngc: Callable[..., Ngc]) -> Ngc:
    org = registry.org()
    return make_ngc(
        registry, registry.key(org=org, role="REGISTRY_ADMIN"), NGC_CLI_ORG=org, NGC_CLI_AUTH_URL=registry.url
    )


def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    assert "bug in ngc" not in err
    assert len(err.splitlines()) <= 6
    return process.returncode, out, err


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_closed_stream(ngc: Ngc, number: int, line: str) -> None:
    code, out, _ = end(ngc.start(line, preexec_fn=lambda: os.close(number)))
    assert code == 0
    assert number == 1 or out != ""


@pytest.mark.parametrize("line", LINES)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a stream that is always full")
def test_a_full_stdout(ngc: Ngc, line: str) -> None:
    with open("/dev/full", "w") as full:
        code, _, err = end(ngc.start(line, stdout=full))
    assert code == 17
    assert "the output cannot be written: No space left on device" in err


@pytest.mark.parametrize("line", LINES)
def test_a_reader_that_has_gone(ngc: Ngc, line: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        code, _, err = end(ngc.start(line, stdout=gone))
    assert code == 1
    assert "Error" not in err


def test_stdout_that_holds_only_ascii(ngc: Ngc) -> None:
    org = ngc.environ["NGC_CLI_ORG"]
    ngc.run(f"registry model create {org}/m --display-name 日本語モデル --application 🚀")
    ascii_only = ngc.with_environ({"PYTHONIOENCODING": "ascii"})
    for line in (LIST, f"registry model info {org}/m", f"{LIST} --format_type csv"):
        code, out, _ = end(ascii_only.start(line))
        assert code == 0
        assert "\\u65e5\\u672c" in out


def test_file_names_that_the_system_cannot_hold(ngc: Ngc, tmp_path: Path) -> None:
    org = ngc.environ["NGC_CLI_ORG"]
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "größe 日本.txt").write_text("x")
    ngc.run(f"registry model create {org}/m")
    ngc.run(f"registry model upload-version {org}/m:1 --source m")
    bare = ngc.with_environ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})
    code, _, err = end(bare.start(f"registry model download-version {org}/m:1 --no-progress"))
    assert code == 17, err
    assert "PYTHONUTF8=1" in err


@pytest.mark.parametrize(
    ("line", "code"), [("diag client --no-dir-size", 0), ("registry image logout", 1), ("config path", 1)]
)
def test_a_user_without_name_and_home(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, line: str, code: int
) -> None:
    """As in a container with a random user number."""
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 987_654_321)
    assert main(line.split()) == code
    assert "bug in ngc" not in capsys.readouterr().err


def test_a_data_folder_that_cannot_be_made(make_ngc: Callable[..., Ngc], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = end(make_ngc().start(f"local start --data-dir {tmp_path}/file/x"))
    assert code == 17
    assert "Name another folder with --data-dir." in err


def test_the_completion_of_older_scripts_is_ignored(make_ngc: Callable[..., Ngc]) -> None:
    code, out, err = end(make_ngc(_NGC_COMPLETE="complete_bash").start("--version"))
    assert (code, out[:3], err) == (0, "NGC", "")


WITHOUT_EXTRA = """
import sys, tempfile
for name in ("sqlalchemy", "starlette", "uvicorn", "trustme"):
    sys.modules[name] = None
tempfile.mkdtemp = None
"""


@pytest.mark.parametrize(
    ("start", "code"),
    [
        ("from ngc_cli.main import main; raise SystemExit(main(['local', 'demo']))", 1),
        ("from ngc_cli.main import main; raise SystemExit(main(['local', 'start']))", 1),
        ("from ngc_cli.server.command import main; raise SystemExit(main(['serve']))", 1),
        ("from ngc_cli.server.command import main; raise SystemExit(main(['org', 'create', 'x']))", 1),
        ("from ngc_cli.server.command import main; raise SystemExit(main(['--version']))", 0),
    ],
)
def test_an_installation_without_the_registry(tmp_path: Path, start: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRA + start],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert code == 0 or "pip install 'ngc-cli[local]'" in done.stderr
