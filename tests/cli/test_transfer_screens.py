"""Transfers at a terminal: the bar comes and goes, an interrupt leaves nothing of it, CI gets plain lines."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.program import BIN, Ngc
from support.registry import RunningRegistry
from support.terminal import Terminal


@pytest.fixture
def ngc(registry: RunningRegistry, make_ngc: Callable[..., Ngc], tmp_path: Path) -> Ngc:
    org = registry.org()
    made = make_ngc(
        registry, registry.key(org=org, role="REGISTRY_ADMIN"), NGC_CLI_ORG=org, NGC_CLI_AUTH_URL=registry.url
    )
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "big.bin").write_bytes(os.urandom(8 << 20))
    made.run(f"registry model create {org}/m")
    made.run(f"registry model upload-version {org}/m:1 --source m")
    return made


def download(ngc: Ngc, **environ: str) -> Terminal:
    org = ngc.environ["NGC_CLI_ORG"]
    line = f"registry model download-version {org}/m:1 --limit-rate 4M --dest {ngc.folder}/d"
    values = {key: value for key, value in ngc.variables().items() if key != "COLUMNS"}
    return Terminal(
        [str(BIN / "ngc"), *line.split()],
        {**values, "TERM": "xterm", "COLUMNS": "80", "NO_COLOR": "1", **environ},
    )


@pytest.mark.parametrize("environ", [{"TERM": "dumb"}, {"CI": "true"}, {}], ids=["dumb", "ci", "no size"])
def test_no_bar_where_none_can_be_drawn(ngc: Ngc, environ: dict[str, str]) -> None:
    """A pseudo-terminal has no size until somebody gives it one."""
    screen = download(ngc, **environ)
    assert screen.finish() == 0
    assert "Downloading 1 files, 8 MB\n" in screen.seen
    assert "\r" not in screen.seen
    assert "\x1b[2K" not in screen.seen


def test_an_interrupt_leaves_no_bar_behind(ngc: Ngc) -> None:
    screen = download(ngc)
    screen.resize(24, 80)
    screen.expect("MB/s")
    screen.type("\x03")
    assert screen.finish() == 4
    last_line = screen.seen[: screen.seen.index("Error:")].rpartition("\n")[2]
    assert last_line.endswith("\r\x1b[2K")
    assert "go on from here" in screen.seen
