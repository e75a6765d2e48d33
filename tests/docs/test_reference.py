"""The reference and the manual pages in docs/ are what the command trees say."""

from __future__ import annotations

import subprocess
import sys

from support.pages import ROOT


def test_the_pages_are_those_of_the_command_trees() -> None:
    """If this fails, run ``python docs/generate.py``."""
    words = [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
