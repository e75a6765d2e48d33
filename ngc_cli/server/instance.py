"""Which process serves a data directory, as ``server.json`` there says, and whether to believe it.

The file outlives a crash and a reboot, and the number of its process may then be another's. So it is believed only as
far as the system confirms it: a process of this number, of this user, that began at that moment. Whether that process
also serves is another question, answered by ``GET /health`` with the random text that is in the file.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import ssl
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ngc_cli.files import exclusively, write_atomically
from ngc_cli.json_text import parse_json

if TYPE_CHECKING:
    import psutil

INSTANCE_HEADER = "X-Registry-Instance"
# What the system tells as the start of a process may move with its clock by a second; pids return much later.
_CLOCK_TOLERANCE_S = 2.0
# On this machine an answer takes milliseconds, beside heavy load a second.
_ANSWER_TIMEOUT_S = 3.0
# Only short facts are in it.
_MAX_BYTES = 64 * 1024
# Others do no more under the lock than write one file.
_LOCK_TIMEOUT_S = 15.0
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not bound


@dataclass(frozen=True)
class Instance:
    """A serving process: its address, number, start (seconds since the epoch) and the text that it answers with.

    ``ca_bundle`` is the certificate to trust, where it has a development CA.
    """

    url: str
    pid: int
    started_s: float
    nonce: str
    ca_bundle: str = ""

    @classmethod
    def of_this_process(cls, url: str, nonce: str, ca_bundle: str = "") -> Instance:
        """That of the calling process."""
        import psutil

        return cls(url, os.getpid(), psutil.Process().create_time(), nonce, ca_bundle)

    @classmethod
    def noted_in(cls, data_dir: Path) -> Instance | None:
        """The process that ``server.json`` of a data directory names, if it lives; a stale or foreign file is none."""
        try:
            facts = parse_json(_read_own(_state_file(data_dir)))
            noted = cls(
                str(facts["url"]),
                int(facts["pid"]),
                float(facts["started_s"]),
                str(facts["nonce"]),
                str(facts.get("ca_bundle", "")),
            )
        except (OSError, ValueError, KeyError, TypeError, ArithmeticError):
            return None
        return noted if noted.process() is not None else None

    def note(self, data_dir: Path) -> bool:
        """Write ``server.json``, unless another living process is noted there; whether it was written."""
        with exclusively(data_dir, _LOCK_TIMEOUT_S):
            if self.noted_in(data_dir) is not None:
                return False
            write_atomically(_state_file(data_dir), json.dumps(asdict(self)))
            return True

    def forget(self, data_dir: Path) -> None:
        """Remove ``server.json`` if it names this process."""
        with exclusively(data_dir, _LOCK_TIMEOUT_S):
            if self.noted_in(data_dir) == self:
                _state_file(data_dir).unlink()

    def process(self) -> psutil.Process | None:
        """The process, or None when it is gone or its number is another's by now."""
        import psutil

        if self.pid <= 1:
            return None
        with suppress(psutil.Error):
            found = psutil.Process(self.pid)
            is_mine = not hasattr(os, "getuid") or found.uids().real == os.getuid()
            is_it = abs(found.create_time() - self.started_s) < _CLOCK_TOLERANCE_S
            if is_mine and is_it and found.status() != psutil.STATUS_ZOMBIE:
                return found
        return None

    def answers(self) -> bool:
        """Whether this process answers at its address, and not some other program that took the port."""
        parts = urlsplit(self.url)
        host = _WILDCARDS.get(parts.hostname or "", parts.hostname or "")
        if parts.scheme == "https":
            # No certificate need match: what is asked for is the nonce, and nothing secret is sent.
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, parts.port, timeout=_ANSWER_TIMEOUT_S, context=context
            )
        else:
            connection = http.client.HTTPConnection(host, parts.port, timeout=_ANSWER_TIMEOUT_S)
        try:
            connection.request("GET", "/health")
            found = connection.getresponse().getheader(INSTANCE_HEADER, "")
            return secrets.compare_digest(found.encode(), self.nonce.encode())
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def _state_file(data_dir: Path) -> Path:
    return data_dir / "server.json"


def _read_own(path: Path) -> bytes:
    """The content of a regular file of this user; raises OSError for any other."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or (hasattr(os, "getuid") and facts.st_uid != os.getuid()):
            raise PermissionError(f"'{path}' is not a file of this user")
        return file.read(_MAX_BYTES)
