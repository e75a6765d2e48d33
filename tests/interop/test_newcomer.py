"""The first minutes of somebody with an empty home, in tmux at 80 columns: every screen is a golden file."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.golden import FOLDER, assert_golden
from support.program import BIN
from support.tmux import Tmux

from ngc_cli.cli.terminal_table import display_width

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]
COLUMNS = 80
STEPS = [
    ("start", "ngc local start --org nvidia"),
    ("add-team", 'ngc org add-team myteam "My Team"'),
    ("create", "ngc registry model create nvidia/myteam/my_first_model --short-desc 'A model'"),
    ("upload", "ngc registry model upload-version nvidia/myteam/my_first_model:1 --source model"),
    ("list", "ngc registry model list"),
    ("list-team", "ngc registry model list nvidia/myteam"),
    ("mistake", "ngc registry model info nvidia/myteam/my_frist_model"),
    ("download", "ngc registry model download-version nvidia/myteam/my_first_model:1 --dest there"),
    ("again", "ngc registry model download-version nvidia/myteam/my_first_model:1 --dest there"),
    ("stop", "ngc local stop"),
]
MOST_S = 120


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Tmux]:
    (tmp_path / "home").mkdir()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.bin").write_bytes(os.urandom(3_000_000))
    (tmp_path / "model" / "labels.txt").write_text("cat\ndog\n")
    shown = Tmux(
        tmp_path,
        {
            "HOME": str(tmp_path / "home"),
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "TERM": "screen",
            "LANG": "C.UTF-8",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        },
        columns=COLUMNS,
    )
    yield shown
    shown.run("ngc local stop")
    shown.close()


def steady(text: str, folder: Path) -> str:
    """The screen without what is new every time."""
    text = text.replace(str(folder), "/work")
    for pattern, word in {
        r"127\.0\.0\.1:\d+": "127.0.0.1:PORT",
        r"(Process:|process) \d+": r"\1 PID",
        r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[.\d]*( UTC|Z)?": "TIME",
        r"[A-Z][a-z]{2} \d\d, \d{4}": "Jan 01, 2026",
        r"in \d+s, (\w+) speed: [\d.]+ [KMG]?B/s": r"in 0s, \1 speed: FAST",
        r"Duration taken: \d+s": "Duration taken: 0s",
    }.items():
        text = re.sub(pattern, word, text)
    return text


def test_a_model_is_uploaded_and_downloaded_within_two_minutes(screen: Tmux, tmp_path: Path) -> None:
    started_s = time.monotonic()
    for number, (name, line) in enumerate(STEPS, 1):
        shown = screen.run(line)
        for row in shown.split("\n"):
            assert not row.startswith(("|", "+")) or display_width(row) <= COLUMNS
        assert_golden(f"newcomer/{number:02}-{name}.txt", steady(shown, tmp_path))
        if name == "download":
            assert time.monotonic() - started_s < MOST_S
    there = tmp_path / "there" / "my_first_model_v1" / "weights.bin"
    assert there.read_bytes() == (tmp_path / "model" / "weights.bin").read_bytes()


def test_every_screen_that_is_kept_is_compared() -> None:
    names = {f"{number:02}-{name}.txt" for number, (name, _) in enumerate(STEPS, 1)}
    assert {path.name for path in (FOLDER / "newcomer").iterdir()} == names
