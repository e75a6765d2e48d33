"""Progress: where a bar is drawn, what fits a narrow terminal, what lines and json say, and what is said once."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import sys
import termios
from pathlib import Path

import pytest

from ngc_cli.cli.output import Output
from ngc_cli.cli.progress import _Bar, draws_bars, progress
from ngc_cli.cli.terminal_table import display_width

MB = 1 << 20
GOOD = {"TERM": "xterm-256color"}


def test_a_bar_needs_a_terminal_that_can_redraw(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        assert not draws_bars(GOOD), "it has no size"
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        assert draws_bars(GOOD)
        assert draws_bars({**GOOD, "CI": "false"})
        for environ in ({}, {"TERM": "dumb"}, {**GOOD, "CI": "true"}, {**GOOD, "CI": "1"}):
            assert not draws_bars(environ)
    os.close(master)


def test_a_pipe_is_no_terminal() -> None:
    assert not draws_bars(GOOD)


@pytest.mark.parametrize("columns", [10, 30, 45, 60, 75, 80, 120, 200])
def test_the_line_fits_every_width(columns: int) -> None:
    bar = _Bar(Output(), ascii_bar=False)
    bar.phase, bar.total_bytes, bar.total_files = "download", 286 * MB, 2
    bar.keep(143 * MB)
    bar.advance(20 * MB)
    bar.file_done("a {very} long \x1b[31m name.bin" * 3)
    bar.started_s -= 2
    text = bar.text(columns)
    assert display_width(text) <= columns
    assert "57%" in text or "56%" in text
    assert "\x1b" not in text
    if columns >= 60:
        assert "1/2 files" in text
    if columns >= 75:
        assert "10 MB/s" in text or "9.99 MB/s" in text, "bytes that were there before are no speed"
        assert "s left" in text
    if columns >= 120:
        assert "143 MB there before" in text


def test_a_phase_of_unknown_size_says_what_is_done() -> None:
    bar = _Bar(Output(), ascii_bar=False)
    bar.phase = "commit"
    assert bar.text(80) == "Committing ... 0s"


def test_a_pipe_gets_a_line_at_once_and_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(Output(), silent=False) as shown:
        shown.begin("download", 3 * MB, 2)
        assert capsys.readouterr().err == "Downloading 2 files, 3 MB\n"
        shown.advance(MB)
        shown.end()
        shown.begin("commit", 0, 0)
    assert capsys.readouterr().err == "Committing ...\n"


def test_a_lost_connection_is_told_once_a_try(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(Output(), silent=False, style="plain") as shown:
        shown.begin("download", 3 * MB, 2)
        for _worker in range(4):
            shown.note("h refused the connection: trying again within 0.5 s (try 2 of 6)")
        shown.note("h refused the connection: trying again within 1 s (try 3 of 6)")
    assert capsys.readouterr().err.count("trying again") == 2


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(Output("json"), silent=False, style="json") as shown:
        shown.begin("upload", 3 * MB, 2)
        shown.keep(MB)
        shown.file_done("a")
        shown.note("something")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    first, *_, last = [line["progress"] for line in lines if "progress" in line]
    assert (first["phase"], first["state"], first["bytes_total"]) == ("upload", "running", 3 * MB)
    assert (last["state"], last["bytes_kept"], last["files_done"], last["last_file"]) == ("ended", MB, 1, "a")
    assert {"note": "something"} in lines


def test_programs_and_quiet_people_get_none(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for output, silent, style in [
        (Output("json"), False, "auto"),
        (Output(), True, "auto"),
        (Output(), False, "none"),
    ]:
        with progress(output, silent=silent, style=style) as shown:
            shown.begin("upload", 3 * MB, 2)
    assert capsys.readouterr().err == ""
