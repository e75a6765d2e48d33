"""Facts of the client machine: time and user, operating system, disk, memory, folders, environment.

Collectors are pure functions of what they are given; ``psutil`` is imported when one needs it. Sizes are in bytes.
"""

from __future__ import annotations

import os
import platform
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from ngc_cli.config import variables as table

# Enough for some 100,000 files; the size of a larger folder is told as "more than".
DIRECTORY_LIMIT_S = 2.0

HIDDEN = "set, value hidden"


@dataclass(frozen=True)
class General:
    """When and as whom the diagnosis ran; the time is UTC, ``YYYY-MM-DD HH:MM:SS UTC``."""

    timestamp: str
    user_name: str


@dataclass(frozen=True)
class OperatingSystem:
    """Kind and version of the operating system; ``distribution`` and ``container`` only where they are known."""

    type: str
    version: str
    distribution: str | None
    machine: str
    container: bool


@dataclass(frozen=True)
class DiskUsage:
    """Space of the file system that holds ``path``; percent is of what an ordinary user could fill, as in ``df``."""

    path: str
    total_bytes: int
    free_bytes: int
    used_percent: float


@dataclass(frozen=True)
class DirectorySize:
    """Bytes that the files under ``path`` take on disk; a lower bound when not ``complete``."""

    path: str
    size_bytes: int
    file_count: int
    complete: bool


@dataclass(frozen=True)
class Memory:
    """Main memory: ``free_bytes`` is what programs can get without swapping."""

    total_bytes: int
    free_bytes: int
    used_bytes: int


@dataclass(frozen=True)
class Permissions:
    """The umask in octal, and the folder of the configuration: who may use it, and whether we may write."""

    umask: str
    config_folder: str
    config_folder_mode: str | None
    config_folder_writable: bool
    config_file_mode: str | None
    problem: str | None


@dataclass(frozen=True)
class Variable:
    """An environment variable that is set; ``value`` is masked or hidden unless it is known to be harmless."""

    name: str
    value: str


def general(now: Callable[[], float] = time.time) -> General:
    """The current time and the user's login name."""
    moment = datetime.fromtimestamp(now(), timezone.utc)
    return General(f"{moment:%Y-%m-%d %H:%M:%S} UTC", _user_name())


def _user_name() -> str:
    """The login name; a user id that the user database does not know is shown as a number."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"


def operating_system() -> OperatingSystem:
    """Operating system and machine type."""
    try:
        distribution = platform.freedesktop_os_release().get("PRETTY_NAME")
    except OSError:
        distribution = None
    in_container = Path("/.dockerenv").exists() or Path("/run/.containerenv").exists()
    return OperatingSystem(
        platform.system(), platform.release(), distribution, platform.machine(), in_container
    )


def disk_usage(path: Path) -> DiskUsage:
    """Space on the disk of ``path``, or of the nearest folder above it that exists."""
    import psutil

    existing = next((folder for folder in (path, *path.parents) if folder.exists()), Path("/"))
    usage = psutil.disk_usage(str(existing))
    return DiskUsage(str(path), usage.total, usage.free, usage.percent)


def directory_size(path: Path, limit_s: float = DIRECTORY_LIMIT_S) -> DirectorySize:
    """Walk the tree, without following links or leaving the file system, until done or out of time.

    Files with several names count once, as in ``du``.
    """
    deadline = time.monotonic() + limit_s
    device = path.stat().st_dev
    size = path.lstat().st_blocks * 512 if os.name == "posix" else 0
    count = 0
    seen: set[int] = set()
    folders = [str(path)]
    while folders:
        try:
            entries = os.scandir(folders.pop())
        except OSError:
            continue  # a folder that may not be read, or is gone by now
        with entries:
            for entry in entries:
                if time.monotonic() > deadline:
                    return DirectorySize(str(path), size, count, False)
                try:
                    info = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                is_folder = stat.S_ISDIR(info.st_mode)
                if is_folder and info.st_dev != device:
                    continue
                if info.st_nlink > 1 and not is_folder:
                    if info.st_ino in seen:
                        continue
                    seen.add(info.st_ino)
                size += info.st_blocks * 512 if os.name == "posix" else info.st_size
                if is_folder:
                    folders.append(entry.path)
                else:
                    count += 1
    return DirectorySize(str(path), size, count, True)


def memory() -> Memory:
    """Main memory."""
    import psutil

    state = psutil.virtual_memory()
    return Memory(state.total, state.available, state.total - state.available)


def permissions(config_file: Path | None) -> Permissions:
    """The umask, and what may be done with the folder of the config file."""
    umask = os.umask(0o077)  # there is no way to read it but to set it; a strict one harms nobody meanwhile
    os.umask(umask)
    if config_file is None:
        return Permissions(f"{umask:04o}", "", None, False, None, "this user has no home folder")
    folder = config_file.parent
    folder_mode, file_mode = _mode(folder), _mode(config_file)
    existing = next((place for place in (folder, *folder.parents) if place.exists()), folder)
    writable = os.access(existing, os.W_OK | os.X_OK)
    problem = None
    if not writable:
        problem = f"{existing} may not be written: 'ngc config set' cannot store anything there"
    elif os.name == "posix" and file_mode is not None and int(file_mode, 8) & 0o077:
        problem = f"{config_file} is open to other users; run: chmod 600 '{config_file}'"
    return Permissions(f"{umask:04o}", str(folder), folder_mode, writable, file_mode, problem)


def _mode(path: Path) -> str | None:
    """Permissions in octal, None when there is no such file."""
    try:
        return f"{stat.S_IMODE(path.stat().st_mode):04o}"
    except OSError:
        return None


def variables(environ: Mapping[str, str]) -> list[Variable]:
    """The variables that are set and that ngc obeys, by name. API keys are hidden.

    The login in the address of a proxy is left to the redactor.
    """
    obeyed, secret = table.variables(), table.SETTINGS["api_key"].variables
    return [
        Variable(name, HIDDEN if name in secret else value)
        for name, value in sorted(environ.items())
        if name in obeyed or name.upper() in table.PROXY_VARIABLES
    ]
