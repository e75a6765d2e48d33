"""Files to fetch, and what came of fetching them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ngc_cli.byte_range import ByteRange
from ngc_cli.errors import NgcError
from ngc_cli.transfer.journal import Content


class Body(Protocol):
    """Bytes of a remote file as they arrive: from ``start`` on, of ``total_bytes`` of the whole file if known."""

    start: int
    total_bytes: int | None
    etag: str

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer; 0 at the end. Raises NetworkError when the body breaks off."""

    def close(self) -> None:
        """Give up the connection if bytes are left."""

    def abort(self) -> None:
        """Make a read that another thread is waiting in end at once."""


@dataclass(frozen=True)
class RemoteFile:
    """A file to fetch: relative path, size, hex sha256 or None, and how to open a range of it.

    ``open`` makes one try and raises NgcError kinds; a body that starts at 0 although more was asked for says that
    the server has no ranges. An empty file is never opened.
    """

    path: str
    size_bytes: int
    sha256: str | None
    open: Callable[[ByteRange], Body]

    @property
    def content(self) -> Content:
        """What the bytes must be."""
        return Content(self.size_bytes, self.sha256 or "")


@dataclass(frozen=True)
class DownloadOptions:
    """How to download.

    ``state`` is a folder on the disk of the destination, of this transfer alone (``private_folder.open_state``), and
    ``memory`` the file of finished files, None for none. The destination itself may be a link if ``follow_root``.
    ``retries`` come after the first try of each range, ``threads`` at most.
    """

    state: Path
    memory: Path | None = None
    follow_root: bool = True
    threads: int = 16
    rate_bytes_per_s: int = 0
    retries: int = 5
    resume: bool = True
    check_space: bool = True


@dataclass
class DownloadReport:
    """What happened: paths fetched, paths that were there already, errors by path, bytes received."""

    fetched: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: dict[str, NgcError] = field(default_factory=dict)
    received_bytes: int = 0
