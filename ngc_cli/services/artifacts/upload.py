"""Upload a version: list and hash files, send what the server lacks, bind paths to contents, open the version.

A version becomes visible only by the last call. Source: docs/protocol/transfers.md#upload.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ngc_cli.api.artifacts import ArtifactApi, PartUpload
from ngc_cli.api.kinds import ArtifactKind
from ngc_cli.byte_range import ByteRange
from ngc_cli.errors import AlreadyExists, NgcError, NotFound, UsageError
from ngc_cli.file_names import STATE_FOLDER
from ngc_cli.refs import ArtifactRef
from ngc_cli.services.artifacts.catalog import explained
from ngc_cli.services.artifacts.download import UPLOAD_COMPLETE
from ngc_cli.services.artifacts.upload_state import UploadState
from ngc_cli.services.transfers import (
    COMPLETED,
    FAILED,
    LINK_EXPIRED_STATUS,
    Outcome,
    Plan,
    TransferLimits,
    state_key,
)
from ngc_cli.transfer.hashing import hash_files
from ngc_cli.transfer.local_files import LocalFile, collect
from ngc_cli.transfer.manager import Cancelled, with_retries
from ngc_cli.transfer.parts import part_range, part_size
from ngc_cli.transfer.selection import Selection
from ngc_cli.transfer.upload import OpenBody, send

if TYPE_CHECKING:
    from ngc_cli.api.client import ApiClient
    from ngc_cli.events import Progress
    from ngc_cli.records import ArtifactVersion


@dataclass(frozen=True)
class Request:
    """What to upload: a folder or a file as a version with this metadata.

    ``base_version`` names a version whose files are taken over first; without ``commit`` the version stays open.
    ``include`` to ``allow_empty`` choose files (``transfer.selection``). ``state_folder`` is where a resume finds its state; None remembers nothing.
    """

    kind: ArtifactKind
    ref: ArtifactRef
    source: Path
    version: ArtifactVersion
    base_version: str = ""
    commit: bool = True
    strip_top: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    follow_links: bool = False
    allow_empty: bool = False
    limits: TransferLimits = field(default_factory=TransferLimits)
    state_folder: Path | None = None


def plan(request: Request, note: Callable[[str], None]) -> Plan:
    """What ``upload`` would send; no request is made. ``note`` is told what is left out."""
    files = _files(request, note)
    return Plan(tuple(file.path for file in files), sum(file.size_bytes for file in files))


def upload(client: ApiClient, request: Request, progress: Progress, cancel: threading.Event) -> Outcome:
    """Upload the version, or go on with it where an earlier run stopped.

    A complete version with the same content is success; with other content AlreadyExists is raised. Files that
    fail are in the outcome, and then nothing is committed.
    """
    return _Upload(client, request, progress, cancel).run()


def _files(request: Request, note: Callable[[str], None]) -> list[LocalFile]:
    source = request.source
    tops = (
        [item for item in source.iterdir() if not item.name.startswith(STATE_FOLDER)]
        if source.is_dir()
        else []
    )
    if len(tops) == 1 and tops[0].is_dir() and tops[0].name == request.ref.folder:
        if request.strip_top:
            source = tops[0]
        else:
            note(
                f"All files are in '{tops[0].name}': that folder becomes part of their names. See --strip-top."
            )
    may_be_empty = request.allow_empty or bool(request.base_version)  # then the files come from there
    chosen = Selection(request.include, request.exclude, request.follow_links, may_be_empty)
    return collect(source, note, chosen)


class _Upload:
    def __init__(
        self, client: ApiClient, request: Request, progress: Progress, cancel: threading.Event
    ) -> None:
        self.client = client
        self.request = request
        self.ref = request.ref
        self.progress = progress
        self.cancel = cancel
        self.api: ArtifactApi = ArtifactApi(client, request.kind)
        self.failed: dict[str, NgcError] = {}
        self.sent_bytes = self.resumed_bytes = 0
        key = state_key(client.base_url, request.kind.noun, str(self.ref), str(request.source.absolute()))
        folder = request.state_folder
        self.state = UploadState(folder / f"{key}.jsonl" if folder else None)

    def run(self) -> Outcome:
        """All steps in order."""
        request, started_s = self.request, time.time()
        files = _files(request, self.progress.note)
        if request.base_version:
            self._check_base(request.base_version)
        present = self._open_version()
        digests = hash_files(
            files,
            self.progress,
            self.cancel,
            request.limits.threads,
            known=self.state.digest_of,
            remember=self.state.add_digest,
        )
        self._stop_if_cancelled()
        if present.status == UPLOAD_COMPLETE:
            self._require_same_content(files, digests)
            self.progress.note(f"{self.ref} is already present with the same content.")
            return self._outcome(files, started_s, known=files, status=UPLOAD_COMPLETE)
        known = self._send(files, digests)
        self._stop_if_cancelled()
        if self.failed:
            return self._outcome(files, started_s, known=known, status=str(present.status or ""))
        present = self._commit(files, digests, present)
        self.state.discard()
        return self._outcome(files, started_s, known=known, status=str(present.status or ""))

    def _commit(
        self, files: Sequence[LocalFile], digests: dict[str, str], present: ArtifactVersion
    ) -> ArtifactVersion:
        """Bind the files to the version, and complete it unless it is to stay open; returns the version."""
        contents = [(file.path, digests[file.path]) for file in files]
        self.progress.begin("commit", 0, 0)
        try:
            self.api.commit(self.ref, contents, base_version=self.request.base_version)
            return self._complete() if self.request.commit else present
        finally:
            self.progress.end()

    def _open_version(self) -> ArtifactVersion:
        """Create the version, or find the one to go on with."""
        try:
            return self.api.create_version(self.ref, self.request.version)
        except NotFound as error:
            kind, path = self.request.kind, self.ref.path
            found = explained(self.client, kind, replace(self.ref, version=""), error)
            near = found.hint if found.hint.startswith("Did you mean") else ""
            create = f"Create it first with: ngc registry {kind.noun} create {path}"
            raise NotFound.like(error, found.message, hint=f"{near} {create}".strip()) from error
        except AlreadyExists:
            present = self.api.version(self.ref)
            if present.status != UPLOAD_COMPLETE:
                self.progress.note(f"{self.ref} is there and not complete: going on with it.")
            return present

    def _complete(self) -> ArtifactVersion:
        """Make the version visible, which happens once and is seen by everybody.

        When the call fails it may have worked all the same, so the version is read before it is sent again.
        """
        status = type(self.request.version)(version_id=self.ref.version, status=UPLOAD_COMPLETE)
        was_sent = False

        def attempt() -> ArtifactVersion:
            nonlocal was_sent
            if was_sent and (present := self.api.version(self.ref)).status == UPLOAD_COMPLETE:
                return present
            was_sent = True
            return self.api.update_version(self.ref, status, retry=False)

        retries, note = self.request.limits.retries, self.progress.note
        return with_retries(attempt, retries=retries, cancel=self.cancel, note=note)

    def _check_base(self, base_version: str) -> None:
        if ":" in base_version or "/" in base_version:
            raise UsageError(f"--base-version takes a version, not '{base_version}'")
        base = self.api.version(replace(self.ref, version=base_version))
        if base.status != UPLOAD_COMPLETE:
            raise UsageError(f"version {base_version} is not complete and cannot be a base")

    def _require_same_content(self, files: Sequence[LocalFile], digests: dict[str, str]) -> None:
        there = {entry.path: entry.sha256 for entry in self.api.files(self.ref)}
        if there != {file.path: digests[file.path] for file in files}:
            raise AlreadyExists(
                f"version {self.ref} is complete, with other files than '{self.request.source}' has",
                hint="Versions do not change: upload under a new version.",
                status=409,
            )

    def _send(self, files: Sequence[LocalFile], digests: dict[str, str]) -> list[LocalFile]:
        """Send every content once that the server lacks; returns the files that it had."""
        by_digest = {digests[file.path]: file for file in reversed(files)}
        known = self.api.known_hashes(self.ref, by_digest)
        wanted = [file for digest, file in by_digest.items() if digest not in known]
        limits = self.request.limits
        try:
            report = send(
                wanted,
                lambda file: _FileUpload(
                    self.client, self.api, self.ref, self.state, file, digests[file.path]
                ),
                self.progress,
                self.cancel,
                threads=limits.threads,
                rate_bytes_per_s=limits.rate_bytes_per_s,
                retries=limits.retries,
            )
        finally:
            self.state.close()
        self.failed, self.sent_bytes = report.failed, report.sent_bytes
        missing_bytes = sum(file.size_bytes for file in wanted if file.path not in report.failed)
        self.resumed_bytes = max(missing_bytes - report.sent_bytes, 0)
        return [file for file in files if file.size_bytes and digests[file.path] in known]

    def _stop_if_cancelled(self) -> None:
        if self.cancel.is_set():
            self.state.close()
            raise Cancelled("the upload was interrupted")

    def _outcome(
        self, files: Sequence[LocalFile], started_s: float, *, known: Sequence[LocalFile], status: str
    ) -> Outcome:
        """How it ended; the ``known`` files were on the server before."""
        failed = {path: error.message for path, error in self.failed.items()}
        done = [file for file in files if file.path not in failed]
        return Outcome(
            direction="upload",
            transfer_id=self.ref.folder,
            target=str(self.ref),
            status=FAILED if failed else COMPLETED,
            local_path=self.request.source.absolute(),
            files_total=len(files),
            files_done=len(done),
            files_skipped=len(known),
            size_bytes=sum(file.size_bytes for file in files),
            done_bytes=sum(file.size_bytes for file in done),
            kept_bytes=sum(file.size_bytes for file in known) + self.resumed_bytes,
            bytes_moved=self.sent_bytes,
            started_at_s=started_s,
            ended_at_s=time.time(),
            failed=failed,
            version_status=status,
        )


class _FileUpload:
    """The upload of one content, new or gone on with; what the engine asks of it is ``transfer.upload.Upload``."""

    def __init__(
        self,
        client: ApiClient,
        api: ArtifactApi,
        ref: ArtifactRef,
        state: UploadState,
        file: LocalFile,
        digest: str,
    ) -> None:
        self._http = client.http
        self._api = api
        self._ref = ref
        self._state = state
        self._file = file
        self._digest = digest
        self._started = PartUpload("", 0, {}, {})
        self._urls: dict[int, str] = {}  # of parts that are to be sent
        self._lock = threading.Lock()

    def start(self) -> list[ByteRange]:
        """Start the upload, or ask for the links of the parts that an earlier run has not sent."""
        started = self._started = self._start_or_resume()
        parts = {number: self._part(number) for number in sorted(started.urls)}
        missing = {n: part for n, part in parts.items() if started.received.get(n) != part.size_bytes}
        self._urls = {number: started.urls[number] for number in missing}
        return list(missing.values())

    def put(self, part: ByteRange, open_body: OpenBody) -> None:
        """Send one part; a link that has expired is replaced once, with those of all parts that are still to be sent."""
        number = part.start // self._started.part_size_bytes + 1
        body: Any = partial(open_body, part) if part.size_bytes else b""
        url = self._urls[number]
        try:
            self._put_to(url, body)
        except NgcError as error:
            if error.status not in LINK_EXPIRED_STATUS or not self._renew(number, url):
                raise
            self._put_to(self._urls[number], body)
        with self._lock:
            del self._urls[number]
        if self._is_large:
            self._state.add_part(self._started.upload_id, number)

    def _renew(self, number: int, refused: str) -> bool:
        """Get fresh links unless another worker has done so; False when the server has given the upload up."""
        with self._lock:
            if self._urls[number] != refused:
                return True
            started = self._started
            fresh = self._request(started.upload_id, sorted(self._urls), started.part_size_bytes)
            if fresh.upload_id != started.upload_id:
                if self._is_large:
                    return False
                self._started = fresh  # nothing of it has been sent, so any upload will do
            self._urls |= fresh.urls
            return True

    def has_progressed(self) -> bool:
        """A part is taken whole or not at all."""
        return False

    def complete(self) -> None:
        """Bind the parts to the digest."""
        self._api.complete_upload(self._ref, self._file.path, self._digest, self._started.upload_id)

    @property
    def _is_large(self) -> bool:
        """Whether it has more than one part, so that a resume is worth remembering."""
        return self._file.size_bytes > part_size(self._file.size_bytes)

    def _start_or_resume(self) -> PartUpload:
        if not self._is_large:
            return self._request("", [])
        upload_id, part_size_bytes = self._state.uploads.get(
            self._digest, ("", part_size(self._file.size_bytes))
        )
        done = self._state.parts.get(upload_id, set())
        count = -(-self._file.size_bytes // part_size_bytes)
        missing = [number for number in range(1, count + 1) if number not in done] or [count]
        started = self._request(upload_id, missing if upload_id else [], part_size_bytes)
        if (started.upload_id, started.part_size_bytes) != (upload_id, part_size_bytes):
            self._state.add_upload(self._digest, started.upload_id, started.part_size_bytes)
        return started

    def _request(
        self, upload_id: str, part_numbers: Sequence[int], part_size_bytes: int | None = None
    ) -> PartUpload:
        return self._api.start_upload(
            self._ref,
            self._file.path,
            self._file.size_bytes,
            self._digest,
            part_size_bytes=part_size_bytes or part_size(self._file.size_bytes),
            upload_id=upload_id,
            part_numbers=part_numbers,
        )

    def _part(self, number: int) -> ByteRange:
        return part_range(number, self._started.part_size_bytes, self._file.size_bytes)

    def _put_to(self, url: str, body: Any) -> None:
        headers = {"Content-Type": "application/octet-stream"}
        self._http.send("PUT", url, data=body, headers=headers, retry=False).close()
