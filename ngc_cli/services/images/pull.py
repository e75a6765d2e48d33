"""Pull an image: to a layout, an archive or the daemon, going on where an earlier run stopped.

The daemon pulls by itself, for it shares the layers it has; when it cannot, or is to keep to a rate, the
image is fetched here and loaded. Source: docs/cli.md#registry-image, docs/protocol/distribution.md#pull and
docs/protocol/storage.md#formats-on-disk.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ngc_cli.byte_range import ByteRange
from ngc_cli.errors import IntegrityError, LocalFileError, NgcError, NotFound, UsageError
from ngc_cli.file_names import STATE_FOLDER
from ngc_cli.files import sync_folder
from ngc_cli.oci import copy
from ngc_cli.oci import daemon as daemons
from ngc_cli.oci.archive import write_archive
from ngc_cli.oci.copy import RemoteImage
from ngc_cli.oci.descriptor import Descriptor, Platform
from ngc_cli.oci.layout import Layout, Section, local_error
from ngc_cli.refs import ImageRef
from ngc_cli.services.images import catalog as images
from ngc_cli.services.images import sif
from ngc_cli.services.images.connection import DaemonProgress, ImageClients, ImageOutcome, explained
from ngc_cli.services.images.image_config import config_of
from ngc_cli.services.images.places import (
    DOCKER_ARCHIVE,
    DOCKER_DAEMON,
    OCI,
    SIF,
    Place,
    default_folder,
    staging,
)
from ngc_cli.services.images.run_line import sif_file
from ngc_cli.services.transfers import TransferLimits, state_key
from ngc_cli.transfer.download import download
from ngc_cli.transfer.manager import Cancelled
from ngc_cli.transfer.private_folder import state_base
from ngc_cli.transfer.remote_files import DownloadOptions, RemoteFile
from ngc_cli.transfer.tree import DiskError
from ngc_cli.transfer.verify import plan_download

if TYPE_CHECKING:
    from ngc_cli.events import Progress
    from ngc_cli.oci.daemon import Daemon
    from ngc_cli.oci.registry import Repository


@dataclass(frozen=True)
class PullRequest:
    """What to pull, for which platform (empty: this machine's), and where to (None: the daemon, else a layout)."""

    ref: ImageRef
    platform: str = ""
    all_platforms: bool = False
    output: Place | None = None
    limits: TransferLimits = field(default_factory=TransferLimits)
    state_folder: Path | None = None  # for images on their way to a daemon, and what is known of layouts


@dataclass(frozen=True)
class PullPlan:
    """What a pull would fetch."""

    outcome: ImageOutcome
    missing_bytes: int


def pull(
    clients: ImageClients, request: PullRequest, progress: Progress, cancel: threading.Event
) -> ImageOutcome:
    """Pull the image; layers that are there already are not fetched.

    Raises NotFound, Forbidden when a license is not accepted, IntegrityError, LocalFileError, NetworkError.
    """
    return _Pull(clients, request, progress, cancel).run()


def plan(clients: ImageClients, request: PullRequest, progress: Progress) -> PullPlan:
    """What ``pull`` would do; nothing but manifests and a config are fetched."""
    found = _Pull(clients, request, progress, threading.Event())
    outcome = found.outcome(0)
    if found.place.kind == OCI and found.place.file.is_dir():
        return PullPlan(outcome, found.missing_bytes(Layout.open(found.place.file)))
    return PullPlan(outcome, found.image.size_bytes)


class _Pull:
    """One pull: the image is found when this is made."""

    def __init__(
        self, clients: ImageClients, request: PullRequest, progress: Progress, cancel: threading.Event
    ) -> None:
        self.clients = clients
        self.request = request
        self.progress = progress
        self.cancel = cancel
        self.daemon: Daemon | None = None
        self.repository: Repository = clients.registry.repository(request.ref.path)
        self.place = self._choose_place()
        self.platform = self._choose_platform()
        self.ref, self.image = self._find()
        self._check_platform()

    def run(self) -> ImageOutcome:
        """Bring the image to its place."""
        if self.daemon is not None:
            moved_bytes = self._by_daemon(self.daemon)
        elif self.place.is_archive:
            moved_bytes = self._to_archive(self.place)
        elif self.place.kind == SIF:
            moved_bytes = self._to_sif(self.place)
        else:
            moved_bytes = self._to_layout(Layout.create(self.place.file))
        return self.outcome(moved_bytes)

    def outcome(self, moved_bytes: int) -> ImageOutcome:
        """The facts of this pull."""
        image = self.image
        return ImageOutcome(
            image=self.name,
            tag=self.ref.tag,
            digest=image.root.digest,
            media_type=image.root.media_type,
            platform=str(image.platform or ""),
            layers=len(image.layers),
            size_bytes=image.size_bytes,
            bytes_moved=moved_bytes,
            place=str(self.place),
            index_digest=image.named.digest if image.named.digest != image.root.digest else "",
            config=config_of(image),
        )

    @property
    def name(self) -> str:
        """The full name of the image, by tag or else by digest."""
        return str(replace(self.ref, host=self.clients.registry.host))

    # what and where

    def _choose_place(self) -> Place:
        place = self.request.output
        if (
            self.request.all_platforms
            and place is not None
            and place.kind in (DOCKER_ARCHIVE, SIF, DOCKER_DAEMON)
        ):
            raise UsageError(
                f"{place.kind} holds one platform",
                hint="Use --platform, or an output of oci: or oci-archive:.",
            )
        if place is None and not self.request.all_platforms:
            self.daemon = daemons.answering(self.clients.environ)
        elif place is not None and place.kind == DOCKER_DAEMON:
            self.daemon = daemons.required(self.clients.environ)
        if self.daemon is not None:
            return Place(DOCKER_DAEMON)
        ref = self.request.ref
        return place or Place(
            OCI, default_folder(ref if ref.digest else replace(ref, tag=ref.tag or "latest"))
        )

    def _choose_platform(self) -> Platform | None:
        """The platform to look for; None for all."""
        if self.request.all_platforms:
            return None
        if self.request.platform:
            return Platform.parse(self.request.platform)
        daemon_runs = self.daemon.version().platform if self.daemon is not None else ""
        return Platform.parse(daemon_runs) if daemon_runs else this_machine()

    def _find(self) -> tuple[ImageRef, RemoteImage]:
        ref, image = find(self.clients, self.request.ref, self.platform, self.progress.note)
        if ref != self.request.ref and self.request.output is None and self.daemon is None:
            self.place = Place(OCI, default_folder(ref))
        if self.place == Place(SIF):
            self.place = Place(SIF, Path(sif_file(ref)))
        return ref, image

    def _check_platform(self) -> None:
        """An image for one platform only may be for another than the wanted one."""
        found, wanted = self.image.platform, self.platform
        if found is None or wanted is None or found.is_unknown or wanted.rank(found) is not None:
            return
        if self.request.platform:
            raise NotFound(
                f"{self.name} is for {found} and not for {wanted}", hint=f"Use --platform {found}."
            )
        self.progress.note(f"{self.name} is for {found}, and this machine is {wanted}.")

    # to places

    def _to_layout(self, layout: Layout) -> int:
        """Fetch what the layout lacks, then list the image in it; returns the bytes received."""
        for digest, content in self.image.small.items():
            layout.add(content, digest)
        moved_bytes = sum(len(content) for content in self.image.small.values())
        moved_bytes += self._fetch(layout)
        copy.keep(self.image, layout, tag=self.ref.tag, full_name=self.name if self.ref.tag else "")
        return moved_bytes

    def missing_bytes(self, layout: Layout) -> int:
        """What the layout lacks, damaged blobs included; no request is made and nothing is written."""
        unverified = [item for item in self.image.blobs if _sha256(item) is None and not layout.has(item)]
        files = self._files(layout, unverified)
        return plan_download(files, layout.root, self._options(layout), self.progress).missing_bytes

    def _fetch(self, layout: Layout) -> int:
        """Fetch what the layout lacks through the transfer engine, which verifies what is there.

        Blobs that it cannot verify itself wait outside until they are.
        """
        options = self._options(layout)
        unverified = [item for item in self.image.blobs if _sha256(item) is None and not layout.has(item)]
        files = self._files(layout, unverified)
        for item in unverified:
            layout.make_blob_folder(item.digest)
        try:
            report = download(files, layout.root, options, self.progress, self.cancel)
        except DiskError as error:
            hint = "Make room and run the same command again, or choose another place with --output."
            raise LocalFileError(error.message, hint=hint) from error
        if self.cancel.is_set():
            raise Cancelled("the pull was interrupted")
        if report.failed:
            errors = list(report.failed.values())
            raise next((error for error in errors if isinstance(error, IntegrityError)), errors[0])
        for item in unverified:
            _keep_verified(layout.root / self._file_name(item, layout), item, layout)
        return report.received_bytes

    def _options(self, layout: Layout) -> DownloadOptions:
        """State lies beside the layout; what is verified is remembered for layouts that stay."""
        key = state_key(self.clients.registry.url, self.image.root.digest)
        memory = self.request.state_folder if self.place.kind == OCI else None
        limits = self.request.limits
        return DownloadOptions(
            state=state_base(layout.root) / STATE_FOLDER / key,
            memory=memory / f"{state_key(str(layout.root.resolve()))}.jsonl" if memory else None,
            threads=limits.threads,
            rate_bytes_per_s=limits.rate_bytes_per_s,
            retries=limits.retries,
        )

    def _files(self, layout: Layout, unverified: Sequence[Descriptor]) -> list[RemoteFile]:
        """Blobs for the engine: all that it can verify, and these others, but not what came with the manifests."""
        return [
            RemoteFile(
                self._file_name(item, layout),
                item.size_bytes,
                _sha256(item),
                partial(self.repository.open_blob, item),
            )
            for item in self.image.blobs
            if (_sha256(item) is not None or item in unverified) and item.digest not in self.image.small
        ]

    def _file_name(self, item: Descriptor, layout: Layout) -> str:
        """Where in the layout the engine puts a blob: its place if the engine verifies it, else a folder apart."""
        path = layout.blob_path(item.digest)
        if _sha256(item) is None:
            path = layout.root / f".ngc-unchecked-{self.image.root.digest[-16:]}" / path.name
        return path.relative_to(layout.root).as_posix()

    def _to_archive(self, place: Place) -> int:
        """Fetch into a layout beside the archive, then write the archive in one go and name it when complete."""
        target = place.file.absolute()
        if target.is_dir():
            raise UsageError(
                f"'{target}' is a folder", hint=f"Write {place.kind}:{target}/{self.ref.name}.tar"
            )
        key = state_key(str(target), self.image.root.digest)
        with staging(target.parent, key, self.progress.note) as folder:
            layout = Layout.create(folder.image)
            moved_bytes = self._to_layout(layout)
            try:
                folder.archive.unlink()
                fd = folder.archive.open(os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)  # the umask decides
                with open(fd, "wb") as file:
                    self._write(layout, file)
                    file.flush()
                    os.fsync(file.fileno())
                folder.archive.move(target)
                sync_folder(target.parent)
            except OSError as error:
                raise local_error(error, target) from error
        return moved_bytes

    def _to_sif(self, place: Place) -> int:
        """Fetch into a layout beside the file, then let Apptainer or Singularity convert it."""
        target = place.file.absolute()
        program = sif.converter(self.clients.environ, target, self.name)
        key = state_key(str(target), self.image.root.digest)
        with staging(target.parent, key, self.progress.note) as stage:
            moved_bytes = self._to_layout(Layout.create(stage.image))
            sif.convert(program, stage.path, self.ref.tag, target, self.clients.environ, self.cancel)
        return moved_bytes

    def _write(self, layout: Layout, sink: Any) -> None:
        """Write the image that the layout holds as an archive."""
        manifests_bytes = sum(len(content) for _, content in self.image.manifests)
        self.progress.begin("write", self.image.size_bytes + manifests_bytes, len(self.image.blobs))
        try:
            write_archive(
                layout,
                self.image.root,
                sink,
                names=[self.name] if self.ref.tag and not self.ref.digest else [],
                tag=self.ref.tag,
                on_bytes=counting(self.progress, self.cancel),
            )
        finally:
            self.progress.end()

    def _by_daemon(self, daemon: Daemon) -> int:
        """Let the daemon pull, or else load what was fetched here."""
        if not self.request.limits.rate_bytes_per_s:
            try:
                return self._daemon_pulls(daemon)
            except Cancelled:
                raise
            except NgcError as error:
                self.progress.note(
                    f"The daemon cannot pull by itself, so the image is loaded into it: {error.message}"
                )
        key = state_key(daemon.address, self.image.root.digest)
        with staging(self.request.state_folder, key, self.progress.note) as folder:
            layout = Layout.create(folder.image)
            moved_bytes = self._to_layout(layout)
            daemon.load(partial(self._write, layout))
        return moved_bytes

    def _daemon_pulls(self, daemon: Daemon) -> int:
        """The daemon's own pull, by digest so that it is the image that was found; then the tag."""
        repository = self.clients.full_name(self.ref)
        events = DaemonProgress(self.progress, self.cancel)
        platform = str(self.platform) if self.request.platform else ""
        self.progress.begin("download", self.image.size_bytes, len(self.image.layers))
        try:
            digest = self.image.named.digest
            daemon.pull(repository, digest, self.clients.daemon_login(daemon), platform, events)
            if self.ref.tag:
                daemon.tag(f"{repository}@{digest}", repository, self.ref.tag)
        finally:
            self.progress.end()
        return events.bytes_moved


def find(
    clients: ImageClients, ref: ImageRef, platform: Platform | None, note: Callable[[str], None]
) -> tuple[ImageRef, RemoteImage]:
    """The image by digest or tag; without either ``latest``, else the tag recorded as the latest, which is noted.

    See docs/cli.md#registry-image. Raises NotFound with the nearest tags, and what ``oci.copy.resolve`` raises.
    """
    if ref.digest or ref.tag:
        return ref, _resolve(clients, ref, platform)
    latest = replace(ref, tag="latest")
    try:
        return latest, _resolve(clients, latest, platform)
    except NotFound as error:
        if error.status != 404:
            raise
        try:
            tag = images.latest_tag(clients.api, ref)
        except NgcError as reason:
            raise (reason if isinstance(reason, NotFound) and not reason.status else error) from reason
    note(f"There is no tag 'latest': using {tag}, which is recorded as the latest.")
    latest = replace(ref, tag=tag)
    return latest, _resolve(clients, latest, platform)


def _resolve(clients: ImageClients, ref: ImageRef, platform: Platform | None) -> RemoteImage:
    repository = clients.registry.repository(ref.path)
    try:
        return copy.resolve(repository, ref.digest or ref.tag, platform)
    except NgcError as error:
        shown = explained(clients, repository, ref, error)
        if shown is error:
            raise
        raise shown from error


def _sha256(item: Descriptor) -> str | None:
    """The hex digest if it is of the kind that the transfer engine checks."""
    algorithm, _, encoded = item.digest.partition(":")
    return encoded if algorithm == "sha256" else None


def _keep_verified(path: Path, item: Descriptor, layout: Layout) -> None:
    """Give a blob its name if it is what it should be; raises IntegrityError."""
    try:
        if not Section(path, ByteRange(0, path.stat().st_size)).holds(item):
            raise IntegrityError(f"what the registry sent is not {item.digest}")
        target = layout.blob_path(item.digest)
        path.replace(target)
        sync_folder(target.parent)
    finally:
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # others wait in it
            path.parent.rmdir()


def this_machine() -> Platform:
    """What images run on here: containers are Linux, also on other systems."""
    import platform

    return Platform.parse(f"linux/{platform.machine() or 'amd64'}")


def counting(progress: Progress, cancel: threading.Event) -> Callable[[int], None]:
    """Counts bytes as progress, and stops what moves them after a cancel."""

    def count(byte_count: int) -> None:
        if cancel.is_set():
            raise Cancelled("interrupted")
        progress.advance(byte_count)

    return count
