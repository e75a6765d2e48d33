"""Which process a folder of files in the making belongs to, and whether that process still lives.

On the same machine the process table tells; of an owner elsewhere (another container, a shared disk) it is the
heartbeat: a living one touches its folder every half second.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
import socket
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ngc_cli.transfer.private_folder import NotOurs, PrivateFolder

BEAT_S = 0.5
"""A living owner touches its folder this often."""
IDLE = ".idle"
"""What the name of a folder ends with whose process has ended in order."""
# Three beats and some: an owner on another machine that is silent for as long is dead.
_SILENT_S = 1.6
# Far beyond any pause of a living process: nobody needs to be watched.
_LONG_SILENT_S = 10.0
_NAME = re.compile(r"[0-9a-f]{12}-[0-9]+-[0-9]+-[0-9]+(?:\.idle)?")

_serial = itertools.count()


def is_owner(name: str) -> bool:
    """Whether this is how we name folders of owners; nothing else is ever looked at or taken over."""
    return _NAME.fullmatch(name) is not None


def new_owner() -> str:
    """A new owner in this process: machine, pid, when it started, serial number."""
    pid = os.getpid()
    return f"{_machine()}-{pid}-{_started(pid) or 0}-{next(_serial)}"


def is_of_this_boot(name: str) -> bool:
    """Whether an owner is, or was, of this run of this machine."""
    return name.startswith(f"{_machine()}-")


def dead(state: PrivateFolder, names: list[str], own: PrivateFolder) -> Iterator[str]:
    """Owners that are gone. Those that the process table cannot tell about are watched for a while."""
    watched: dict[str, int] = {}
    now_ns = own.status().st_mtime_ns  # by the clock of the file system
    for name in names:
        machine, pid, started, *_ = [*name.split("-"), "", "", ""]
        if name.endswith(IDLE):
            yield name
        elif machine == _machine() and pid.isdigit() and _started(os.getpid()):
            if _started(int(pid)) != started:
                yield name
        elif now_ns - (beat_ns := _beat(state, name)) > _LONG_SILENT_S * 1e9:
            yield name
        else:
            watched[name] = beat_ns
    deadline_s = time.monotonic() + _SILENT_S
    while watched and time.monotonic() < deadline_s:
        time.sleep(0.1)
        watched = {name: beat_ns for name, beat_ns in watched.items() if _beat(state, name) == beat_ns}
    yield from watched


@cache
def _boot() -> str:
    """Names this run of the machine, from its start to its end; empty where that cannot be told."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


@cache
def _machine() -> str:
    """What process ids are unique in: host, boot and pid namespace, hashed."""
    facts = [socket.gethostname(), _boot()]
    with contextlib.suppress(OSError):
        facts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12]


def _started(pid: int) -> str | None:
    """When a process started, in clock ticks (proc(5)); None when there is none, or only its remains."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def _beat(state: PrivateFolder, name: str) -> int:
    """When an owner has shown life last; 0 when its folder is gone or is none."""
    try:
        folder = state.folder(name)  # opening makes a network file system ask its server
    except (OSError, NotOurs):
        return 0
    try:
        return folder.status().st_mtime_ns
    finally:
        folder.close()
