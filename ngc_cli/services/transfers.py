"""What uploads and downloads of versions have in common: limits, plan and outcome as records."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ngc_cli.errors import NgcError

LINK_EXPIRED_STATUS = frozenset({400, 401, 403, 410})
"""What hosts of files answer to a link that has expired: S3 and Azure 403, Google 400, others 401 or 410."""
COMPLETED = "Completed"
FAILED = "Failed"


@dataclass(frozen=True)
class TransferLimits:
    """How hard to work: connections at most, and bytes per second at most (0: no limit)."""

    threads: int = 8
    rate_bytes_per_s: int = 0
    retries: int = 5


@dataclass(frozen=True)
class Plan:
    """What a transfer would move; ``extra`` are further facts for json."""

    paths: tuple[str, ...]
    size_bytes: int
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a transfer ended. ``failed`` maps paths to reasons; ``error`` gives the exit code when one fits best.

    ``files_done`` and ``done_bytes`` are the files that are complete now, of ``files_total`` and ``size_bytes``;
    ``files_skipped`` were so before; ``kept_bytes`` are those of complete files that were there before, in whole files
    and in the parts that a resume went on from. ``bytes_moved`` is what really went over the wire, also for files that
    failed or came twice. Times are POSIX seconds. ``only_verified`` tells that nothing was to be moved.
    """

    direction: str
    transfer_id: str
    target: str
    status: str
    local_path: Path
    files_total: int
    files_done: int
    files_skipped: int
    size_bytes: int
    done_bytes: int
    kept_bytes: int
    bytes_moved: int
    started_at_s: float
    ended_at_s: float
    failed: dict[str, str] = field(default_factory=dict)
    error: NgcError | None = None
    version_status: str = ""
    only_verified: bool = False

    @property
    def new_bytes(self) -> int:
        """Bytes of complete files that this run has moved."""
        return self.done_bytes - self.kept_bytes

    @property
    def new_files(self) -> int:
        """Files that this run has completed."""
        return self.files_done - self.files_skipped

    @property
    def duration_s(self) -> float:
        """Wall time."""
        return max(self.ended_at_s - self.started_at_s, 0.0)

    @property
    def speed_bytes_per_s(self) -> float:
        """Bytes moved a second."""
        return self.bytes_moved / max(self.duration_s, 0.001)


def state_key(*parts: str) -> str:
    """A short name for the state of one transfer, from what makes it the same transfer."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
