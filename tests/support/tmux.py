"""A shell in tmux, at a size: what a person sees after each command, as a text."""

from __future__ import annotations

import itertools
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

_numbers = itertools.count(1)
_PROMPT = "$"


class Tmux:
    """bash with a plain prompt in a terminal of its own."""

    def __init__(
        self, folder: Path, environ: Mapping[str, str], *, columns: int = 80, lines: int = 50
    ) -> None:
        self._socket = f"ngc-test-{os.getpid()}-{next(_numbers)}"
        self._lines = lines
        size = ["-x", str(columns), "-y", str(lines)]
        shell = ["env", "-i", *(f"{name}={value}" for name, value in environ.items()), "PS1=$ "]
        self._tmux(
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            *size,
            "-c",
            str(folder),
            *shell,
            "bash",
            "--norc",
            "--noprofile",
        )
        self._wait(20)

    def run(self, line: str, timeout_s: float = 60) -> str:
        """Type a command line on a cleared screen; returns the screen when the prompt is back."""
        self._tmux("send-keys", "clear", "Enter")
        self._wait(20)
        self._tmux("clear-history")
        self._tmux("send-keys", "-l", line)
        self._tmux("send-keys", "Enter")
        return self._wait(timeout_s, line)

    def close(self) -> None:
        """End the shell and its terminal."""
        self._tmux("kill-server")

    def _wait(self, timeout_s: float, typed: str = "") -> str:
        """The screen when it ends in a prompt, and holds what was typed."""
        deadline = time.monotonic() + timeout_s
        while True:
            shown = self._tmux("capture-pane", "-p", "-J", "-S", "-").rstrip()
            rows = shown.split("\n")
            if rows[-1].strip() == _PROMPT and shown.startswith(f"{_PROMPT} {typed}".rstrip()):
                return "\n".join(row.rstrip() for row in rows[:-1]) + "\n"
            assert time.monotonic() < deadline, f"no prompt after '{typed}': {shown}"
            time.sleep(0.05)

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._socket, *words], capture_output=True, text=True, check=True
        )
        return done.stdout
