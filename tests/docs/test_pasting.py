"""Blocks of the README and of the tour can be pasted: each runs in bash, in the order of the page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.pages import ROOT
from support.program import Ngc
from support.registry import RunningRegistry

_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[str]:
    """The shell blocks of a page; those that install are run by .ci/run, in a folder of their own."""
    found = _BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    return [block for block in found if "python3 -m venv" not in block]


@pytest.mark.parametrize("page", ["README.md", "docs/tour.md"])
def test_blocks_run_as_pasted(
    page: str, tmp_path: Path, registry: RunningRegistry, make_ngc: Callable[..., Ngc]
) -> None:
    ngc = make_ngc()
    assert blocks(page)
    try:
        for block in blocks(page):
            variables = ngc.variables()
            if "$KEY" in block:  # NVIDIA's service is played by our registry
                org = registry.org("nvidia")
                variables |= {"KEY": registry.key(org=org), "NGC_CLI_API_URL": registry.url}
                variables["HOME"] = str(tmp_path / "other")
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block],
                cwd=tmp_path,
                env=variables,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
            assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
            assert "Warning" not in done.stderr, f"{block}\n{done.stderr}"
    finally:
        ngc.run("local stop")


@pytest.mark.slow
def test_the_picture_can_be_made(tmp_path: Path) -> None:
    """It is drawn from a real run, into the file that the README shows."""
    picture = ROOT / "docs" / "terminal.svg"
    before = picture.read_text(encoding="utf-8")
    try:
        subprocess.run(
            [sys.executable, ROOT / "docs" / "picture.py"],
            check=True,
            env={**os.environ, "HOME": str(tmp_path)},
        )
        drawn = picture.read_text(encoding="utf-8")
    finally:
        picture.write_text(before, encoding="utf-8")
    commands = re.compile(r"\$ ngc [^<]+")
    assert commands.findall(drawn) == commands.findall(before) != []
