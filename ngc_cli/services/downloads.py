"""Download a version: find it, choose files, hand them to the transfer engine with links that renew themselves.

Source: contract/models-and-transfers.md section 5, contract/cli-surface.md section 5.5.
"""

from __future__ import annotations

import fnmatch
import threading
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ngc_cli.errors import NotFound, UsageError
from ngc_cli.http.ranges import RangeBody, open_range
from ngc_cli.refs import ArtifactRef
from ngc_cli.services import artifacts
from ngc_cli.services.artifacts import Kind, Located
from ngc_cli.services.transfers import Outcome, Pace, Plan, outcome_of
from ngc_cli.transfer import DownloadOptions, DownloadReport, RemoteFile
from ngc_cli.transfer import download as fetch
from ngc_cli.transfer import plan_download, verify_folder

if TYPE_CHECKING:
    from ngc_cli.api.artifacts import ArtifactApi
    from ngc_cli.api.client import ApiClient
    from ngc_cli.events import Progress
    from ngc_cli.records import FileEntry

UPLOAD_COMPLETE = "UPLOAD_COMPLETE"


@dataclass(frozen=True)
class Request:
    """What to download and where to: into ``<dest>/<name>_v<version>``, or into ``dest`` itself if ``exact``.

    ``include`` and ``exclude`` are shell patterns over whole relative paths, case-sensitive; ``*`` crosses ``/``.
    """

    kind: Kind
    ref: ArtifactRef
    dest: Path
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    exact: bool = False
    resume: bool = True
    check_space: bool = True
    pace: Pace = Pace()


@dataclass(frozen=True)
class _Found:
    """The version to download, its chosen files, and the folder they go to."""

    located: Located
    api: ArtifactApi
    entries: tuple[FileEntry, ...]
    folder: Path

    @property
    def size_bytes(self) -> int:
        return sum(entry.size_bytes for entry in self.entries)


def download(client: ApiClient, request: Request, progress: Progress, cancel: threading.Event) -> Outcome:
    """Download the version; finished files of an earlier run are not fetched again.

    Raises NotFound, UsageError for patterns that match nothing, LocalFileError for names that leave the folder or
    a disk that is too small; files that fail are in the outcome.
    """
    found = _find(client, request, progress)
    links = _Links(found)
    files = [
        RemoteFile(entry.path, entry.size_bytes, entry.sha256, partial(links.open, client, entry.path))
        for entry in found.entries
    ]
    return _run(found, lambda: fetch(files, found.folder, _options(request), progress, cancel))


def verify(client: ApiClient, request: Request, progress: Progress, cancel: threading.Event) -> Outcome:
    """Compare the files on disk with the digests of the server; nothing is fetched."""
    found = _find(client, request, progress)
    return _run(found, lambda: verify_folder(_remote_files(found), found.folder, _options(request), progress, cancel))


def plan(client: ApiClient, request: Request, progress: Progress) -> Plan:
    """What ``download`` would fetch, and what is there already."""
    found = _find(client, request, progress)
    facts = plan_download(_remote_files(found), found.folder)
    extra = {
        "local_path": str(found.folder),
        "bytes_present": facts.present_bytes,
        "bytes_missing": facts.missing_bytes,
        "free_space": facts.free_bytes,
    }
    return Plan(tuple(entry.path for entry in found.entries), found.size_bytes, extra)
