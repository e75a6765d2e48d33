"""Programs of this machine that run or convert images: whether they are there, and what they tell about themselves."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence

# A program tells its version at once; one that waits for a daemon may hang.
_ANSWER_LIMIT_S = 4.0


def path_of(name: str, environ: Mapping[str, str]) -> str | None:
    """Where the program is that this environment would run; None when there is none."""
    return shutil.which(name, path=environ.get("PATH"))


def answer_of(words: Sequence[str], environ: Mapping[str, str]) -> str:
    """What a program writes to stdout, whatever its exit code; empty when it cannot be run or takes too long."""
    try:
        return subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_ANSWER_LIMIT_S,
            env=dict(environ),
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
