"""Names for the TAB key, kept for a minute: a shell waits for nobody.

Each list of names is a file in the user's cache folder, which only the user can enter. Its name is a digest of
profile, addresses, org, team and question; no key is in it. A list that is too old is fetched by a process of its own:
the TAB waits for it a moment, and a slow server fills the cache for the next one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ngc_cli.completion import FETCH_COMMAND, STARTED_S
from ngc_cli.files import write_atomically
from ngc_cli.json_text import parse_json

if TYPE_CHECKING:
    from ngc_cli.cli.globals import GlobalFlags
    from ngc_cli.config.profiles import Settings

# A TAB feels stuck at 400 ms; the rest is for the interpreter, and for the shell to show something.
_ANSWER_WITHIN_S = 0.3
# Long enough for the TABs of one command line, short enough that what was just created is soon offered.
_FRESH_S = 60.0
# Old names are better than none while the server is slow; after a day they mislead.
_KEPT_S = 24 * 3600.0
_NAMES = "names"
_FLAGS = ("profile", "org", "team", "api_url", "ca_bundle")


def cache_folder(environ: Mapping[str, str]) -> Path | None:
    """Where this program may keep what it can fetch again; None for a user without a home folder."""
    from ngc_cli.config.store import config_path

    if environ.get("XDG_CACHE_HOME"):
        return Path(environ["XDG_CACHE_HOME"], "ngc")
    config = config_path(environ)
    if config is None:
        return None
    home = config.parent.parent
    return home.joinpath(*("Library", "Caches") if sys.platform == "darwin" else (".cache",), "ngc")


def names(settings: Settings, flags: GlobalFlags, kind: str, of: str) -> list[str]:
    """Names of a kind (``ngc_cli.services.suggestions``), fetched if need be; what is known when that takes too long."""
    path = _file(settings, kind, of)
    if path is None:
        return []
    known = _read(path, _FRESH_S)
    if known is None:
        _fetch_beside(flags, kind, of)
        known = _read(path, _KEPT_S)
    return known or []


def store(settings: Settings, kind: str, of: str, found: Sequence[str]) -> None:
    """Keep what was fetched; raises OSError."""
    path = _file(settings, kind, of)
    if path is not None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, json.dumps(found))


def clear(environ: Mapping[str, str]) -> list[Path]:
    """Forget all names; the folders that were removed."""
    import shutil

    folder = cache_folder(environ)
    if folder is None or not (folder / _NAMES).exists():
        return []
    shutil.rmtree(folder / _NAMES, ignore_errors=True)
    return [folder / _NAMES]


def _file(settings: Settings, kind: str, of: str) -> Path | None:
    """The file of a list, None where there is no cache."""
    import hashlib

    folder = cache_folder(os.environ)
    if folder is None:
        return None
    asked = [settings.profile, *settings.addresses, settings.org, settings.team, kind, of]
    asked.append(settings.sources.get("api_key", "guest"))
    return folder / _NAMES / hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def _read(path: Path, age_s: float) -> list[str] | None:
    """The names in a file that is not older; None when it is, or is no list of names."""
    try:
        if time.time() - path.stat().st_mtime > age_s:
            return None
        found = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return [str(name) for name in found] if isinstance(found, list) else None


def _fetch_beside(flags: GlobalFlags, kind: str, of: str) -> None:
    """Start a process that fetches, and wait a moment for it."""
    options = [
        f"--{name.replace('_', '-')}={value}"
        for name in _FLAGS
        if (value := getattr(flags, name)) is not None
    ]
    words = [sys.executable, "-m", "ngc_cli", FETCH_COMMAND, *options, "--", kind, of]
    nothing = subprocess.DEVNULL
    child = subprocess.Popen(words, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)
    try:
        child.wait(max(_ANSWER_WITHIN_S - (time.monotonic() - STARTED_S), 0))
    except subprocess.TimeoutExpired:
        child.returncode = 0  # it goes on by itself, and nobody asks how it ended
