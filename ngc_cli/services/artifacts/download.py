"""Download a version: find it, choose files, hand them to the transfer engine with links that renew themselves.

Source: docs/protocol/transfers.md#download, docs/cli.md#registry-model.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ngc_cli.api.artifacts import ArtifactApi
from ngc_cli.api.kinds import ArtifactKind
from ngc_cli.byte_range import ByteRange
from ngc_cli.errors import IntegrityError, NgcError, NotFound
from ngc_cli.file_names import STATE_FOLDER
from ngc_cli.http.ranges import RangeBody, open_range
from ngc_cli.refs import ArtifactRef
from ngc_cli.services.artifacts import catalog as artifacts
from ngc_cli.services.transfers import (
    COMPLETED,
    FAILED,
    LINK_EXPIRED_STATUS,
    Outcome,
    Plan,
    TransferLimits,
    state_key,
)
from ngc_cli.transfer.download import download as fetch
from ngc_cli.transfer.private_folder import state_base
from ngc_cli.transfer.remote_files import DownloadOptions, DownloadReport, RemoteFile
from ngc_cli.transfer.selection import matches
from ngc_cli.transfer.verify import plan_download, verify_folder

if TYPE_CHECKING:
    from ngc_cli.api.client import ApiClient
    from ngc_cli.events import Progress
    from ngc_cli.http.session import Http
    from ngc_cli.records import FileEntry

UPLOAD_COMPLETE = "UPLOAD_COMPLETE"
# A screen of names.
_LISTED_AT_ONCE = 20


@dataclass(frozen=True)
class Request:
    """What to download and where to: into ``<dest>/<name>_v<version>``, or into ``dest`` itself if ``exact``.

    ``include`` and ``exclude`` are patterns of ``transfer.selection.matches``.
    ``memory_folder`` is where finished files are remembered, None for nowhere.
    """

    kind: ArtifactKind
    ref: ArtifactRef
    dest: Path
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    exact: bool = False
    resume: bool = True
    check_space: bool = True
    limits: TransferLimits = field(default_factory=TransferLimits)
    memory_folder: Path | None = None


@dataclass(frozen=True)
class _Found:
    """The version to download, its chosen files, and the folder they go to."""

    api: ArtifactApi
    ref: ArtifactRef
    entries: tuple[FileEntry, ...]
    is_selection: bool
    folder: Path
    options: DownloadOptions

    def files(self, open_file: Callable[[str, ByteRange], RangeBody]) -> list[RemoteFile]:
        """The files for the engine."""
        return [
            RemoteFile(entry.path, entry.size_bytes, entry.sha256, partial(open_file, entry.path))
            for entry in self.entries
        ]


def download(client: ApiClient, request: Request, progress: Progress, cancel: threading.Event) -> Outcome:
    """Download the version; finished files of an earlier run are not fetched again.

    Raises NotFound, also for patterns that match nothing, LocalFileError for names that leave the folder or
    a disk that is too small; files that fail are in the outcome.
    """
    found = _find(client, request, progress)
    links = _Links(client.http, found)
    started_s = time.time()
    report = fetch(found.files(links.open), found.folder, found.options, progress, cancel)
    return _outcome(found, report, started_s)


def verify(client: ApiClient, request: Request, progress: Progress, cancel: threading.Event) -> Outcome:
    """Compare the files on disk with the digests of the server; nothing is fetched."""
    found = _find(client, request, progress)
    started_s = time.time()
    report = verify_folder(
        found.files(_no_fetch), found.folder, progress, cancel, follow_root=found.options.follow_root
    )
    outcome = replace(_outcome(found, report, started_s), only_verified=True)
    if report.failed:
        bad = IntegrityError(
            f"{len(report.failed)} of {outcome.files_total} files are not as the server has them",
            hint="Run the command without --verify-only to fetch them again.",
        )
        return replace(outcome, error=bad)
    return outcome


def plan(client: ApiClient, request: Request, progress: Progress) -> Plan:
    """What ``download`` would fetch, and what is there already."""
    found = _find(client, request, progress)
    facts = plan_download(found.files(_no_fetch), found.folder, found.options, progress)
    extra = {
        "local_path": str(found.folder),
        "bytes_present": facts.present_bytes,
        "bytes_missing": facts.missing_bytes,
        "free_space": facts.free_bytes,
    }
    size_bytes = sum(entry.size_bytes for entry in found.entries)
    return Plan(tuple(entry.path for entry in found.entries), size_bytes, extra)


def _find(client: ApiClient, request: Request, progress: Progress) -> _Found:
    """Locate the version, list its files and choose among them."""
    ref = request.ref
    if not ref.version:
        located, item = artifacts.info(client, request.kind, ref)
        if not item.latest_version_id_str:
            raise NotFound(f"{located.ref} has no complete version yet", hint="Name another one.")
        ref = replace(located.ref, version=item.latest_version_id_str)
        progress.note(f"No version was named: using the latest, {ref.version}.")
    else:
        located, version = artifacts.version_info(client, request.kind, ref)
        if version.status not in (None, UPLOAD_COMPLETE):
            raise NotFound(
                f"the upload of {located.ref} is not complete ({version.status})",
                hint="Try again when it is.",
            )
        ref = located.ref
    if located.note:
        progress.note(located.note)
    api = ArtifactApi(client, located.kind)
    listed = tuple(sorted(api.files(ref), key=lambda entry: entry.path))
    chosen = tuple(entry for entry in listed if matches(entry.path, request.include, request.exclude))
    if not chosen and (request.include or request.exclude):
        raise NotFound(
            f"no file of {ref} matches",
            hint=f"'ngc registry {located.kind.noun} info {ref} --files' lists them.",
        )
    dest = Path(request.dest).absolute()
    folder = dest if request.exact else dest / ref.folder
    key = state_key(
        client.base_url, located.kind.noun, str(ref), str(dest.resolve() / folder.relative_to(dest))
    )
    options = DownloadOptions(
        state=(state_base(dest) if request.exact else dest) / STATE_FOLDER / key,
        memory=request.memory_folder / f"{key}.jsonl" if request.memory_folder else None,
        follow_root=request.exact,
        threads=request.limits.threads,
        rate_bytes_per_s=request.limits.rate_bytes_per_s,
        retries=request.limits.retries,
        resume=request.resume,
        check_space=request.check_space,
    )
    return _Found(api, ref, chosen, len(chosen) < len(listed), folder, options)


def _outcome(found: _Found, report: DownloadReport, started_s: float) -> Outcome:
    failed = {path: error.message for path, error in report.failed.items()}
    done = [entry for entry in found.entries if entry.path not in failed]
    skipped = set(report.skipped)
    done_bytes = sum(entry.size_bytes for entry in done)
    skipped_bytes = sum(entry.size_bytes for entry in done if entry.path in skipped)
    return Outcome(
        direction="download",
        transfer_id=found.ref.folder,
        target=str(found.ref),
        status=FAILED if failed else COMPLETED,
        local_path=found.folder,
        files_total=len(found.entries),
        files_done=len(done),
        files_skipped=len(report.skipped),
        size_bytes=sum(entry.size_bytes for entry in found.entries),
        done_bytes=done_bytes,
        kept_bytes=max(done_bytes - report.received_bytes, skipped_bytes),
        bytes_moved=report.received_bytes,
        started_at_s=started_s,
        ended_at_s=time.time(),
        failed=failed,
        error=_shared_error(list(report.failed.values())),
    )


def _shared_error(errors: list[NgcError]) -> NgcError | None:
    """The error that gives the exit code: an IntegrityError if there is one, so that damage is named as such."""
    return next((error for error in errors if isinstance(error, IntegrityError)), None)


def _no_fetch(path: str, wanted: ByteRange) -> RangeBody:
    raise AssertionError(f"nothing is fetched here: {path}")


class _Links:
    """Links to files, listed a page at a time when first needed; renewed once for all when one has expired."""

    def __init__(self, http: Http, found: _Found) -> None:
        self._http = http
        self._found = found
        self._lock = threading.Lock()
        self._urls: dict[str, str] = {}
        self._generation = 0

    def open(self, path: str, wanted: ByteRange) -> RangeBody:
        """Open bytes of a file; a link that is refused is replaced by a fresh one: from a new list, and if that took
        so long that it has expired again, by one of its own."""
        url, generation = self._url(path)
        with self._refusals():
            return open_range(self._http, url, wanted)
        self._forget(generation)
        with self._refusals():
            return open_range(self._http, self._url(path)[0], wanted)
        return open_range(self._http, self._found.api.file_url(self._found.ref, path), wanted)

    @contextlib.contextmanager
    def _refusals(self) -> Iterator[None]:
        """Pass over the refusal of a link; a host that has moved a file may answer 404 to the old one."""
        try:
            yield
        except NgcError as error:
            if error.status not in LINK_EXPIRED_STATUS and not isinstance(error, NotFound):
                raise

    def _url(self, path: str) -> tuple[str, int]:
        with self._lock:
            if path not in self._urls:
                self._fill(path)
            return self._urls[path], self._generation

    def _fill(self, path: str) -> None:
        """Get the link of this file, with those of all others unless only few are wanted."""
        if self._found.is_selection and len(self._found.entries) <= _LISTED_AT_ONCE:
            self._urls[path] = self._found.api.file_url(self._found.ref, path)
            return
        self._urls.update((link.path, link.url) for link in self._found.api.file_urls(self._found.ref))
        if path not in self._urls:
            self._urls[path] = self._found.api.file_url(self._found.ref, path)

    def _forget(self, generation: int) -> None:
        """Drop all links, unless another worker has done so since the failing one was taken."""
        with self._lock:
            if generation == self._generation:
                self._generation += 1
                self._urls.clear()
