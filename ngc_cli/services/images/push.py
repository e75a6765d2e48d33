"""Push an image: from a layout, an archive or the daemon; what the registry has is not sent again.

The daemon pushes by itself, for it knows which layers it pulled compressed from where; when it cannot, or is
to keep to a rate, the image is saved and sent from here. Source: docs/cli.md#registry-image,
docs/protocol/distribution.md#push.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ngc_cli.errors import NgcError, NotFound, UsageError
from ngc_cli.files import write_atomically
from ngc_cli.json_text import parse_json
from ngc_cli.oci import archive as archives
from ngc_cli.oci import daemon as daemons
from ngc_cli.oci import layout as layouts
from ngc_cli.oci import manifest
from ngc_cli.oci.archive import Archive
from ngc_cli.oci.copy import CHUNK_BYTES, BlobUpload, push_manifests
from ngc_cli.oci.descriptor import Descriptor
from ngc_cli.oci.layout import FULL_NAME, Content, Layout
from ngc_cli.oci.manifest import Manifest
from ngc_cli.refs import ImageRef
from ngc_cli.services.images import catalog as images
from ngc_cli.services.images.connection import DaemonProgress, ImageClients, ImageOutcome
from ngc_cli.services.images.places import DOCKER_DAEMON, OCI, SIF, Place, default_folder, staging
from ngc_cli.services.images.pull import counting
from ngc_cli.services.listing import LabelEdit
from ngc_cli.services.transfers import TransferLimits, state_key
from ngc_cli.transfer.local_files import LocalFile
from ngc_cli.transfer.manager import Cancelled
from ngc_cli.transfer.upload import send

if TYPE_CHECKING:
    from ngc_cli.events import Progress
    from ngc_cli.oci.daemon import Daemon
    from ngc_cli.records import ImageRepository


@dataclass(frozen=True)
class PushRequest:
    """What to push under this name, and from where (None: the daemon if it has it, else ``./<image>_<tag>``).

    ``record`` is metadata to set afterwards, None for none. ``confirm`` asks before a local image gets a further
    name; it raises for a no.
    """

    ref: ImageRef
    source: Place | None = None
    record: ImageRepository | None = None
    limits: TransferLimits = field(default_factory=TransferLimits)
    state_folder: Path | None = None
    confirm: Callable[[str], None] = lambda question: None


@dataclass(frozen=True)
class PushPlan:
    """What a push would send."""

    outcome: ImageOutcome
    missing_bytes: int


def push(
    clients: ImageClients, request: PushRequest, progress: Progress, cancel: threading.Event
) -> ImageOutcome:
    """Push the image, then set its metadata if there is any.

    Raises NotFound when there is no such image on this machine, Forbidden, IntegrityError, LocalFileError.
    """
    outcome = _Push(clients, request, progress, cancel).run()
    if request.record is not None:
        images.update(
            clients.api,
            request.ref,
            request.record,
            LabelEdit(),
            appears_within_s=images.APPEARS_WITHIN_S,
            pause=clients.registry.http.pause,
        )
    return outcome


def plan(clients: ImageClients, request: PushRequest, progress: Progress) -> PushPlan:
    """What ``push`` would send; nothing is sent. Of the daemon's images nothing is known in advance but the id."""
    return _Push(clients, request, progress, threading.Event()).plan()


class _Push:
    """One push: the place is chosen when this is made."""

    def __init__(
        self, clients: ImageClients, request: PushRequest, progress: Progress, cancel: threading.Event
    ) -> None:
        self.clients = clients
        self.request = request
        self.progress = progress
        self.cancel = cancel
        self.ref = replace(request.ref, tag=request.ref.tag or "latest")
        self.daemon: Daemon | None = None
        self.place = self._choose_place()

    @property
    def name(self) -> str:
        """The full name of the image."""
        return f"{self.clients.full_name(self.ref)}:{self.ref.tag}"

    def run(self) -> ImageOutcome:
        """Bring the image to the registry."""
        if self.daemon is not None:
            return self._by_daemon(self.daemon)
        with self._opened() as (content, root):
            return self._send(content, root)

    def plan(self) -> PushPlan:
        """What is missing at the registry."""
        if self.daemon is not None:
            image_id = self._local_name(self.daemon)[1]
            return PushPlan(self._outcome(Descriptor("", image_id, 0), (), 0, 0), 0)
        with self._opened() as (content, root):
            parts = layouts.reachable(content, root)
            blobs = [item for item in parts if not (item.is_manifest or item.is_index)]
            layers = len(layouts.layers_in(content, parts))
            repository = self.clients.registry.repository(self.ref.path)
            missing = [item for item in blobs if not self._is_there(repository, item)]
            return PushPlan(self._outcome(root, blobs, layers, 0), sum(item.size_bytes for item in missing))

    @staticmethod
    def _is_there(repository: Any, item: Descriptor) -> bool:
        try:
            return bool(repository.has_blob(item))
        except NotFound:
            return False

    def _outcome(
        self, root: Descriptor, blobs: Sequence[Descriptor], layers: int, moved_bytes: int
    ) -> ImageOutcome:
        return ImageOutcome(
            image=self.name,
            tag=self.ref.tag,
            digest=root.digest,
            media_type=root.media_type,
            platform=str(root.platform or ""),
            layers=layers,
            size_bytes=sum(item.size_bytes for item in blobs),
            bytes_moved=moved_bytes,
            place=str(self.place),
        )

    # from where

    def _choose_place(self) -> Place:
        if self.request.source is not None:
            if self.request.source.kind == SIF:
                raise UsageError(
                    "a SIF file is not an image that a registry takes", hint="Push what it was built from."
                )
            if self.request.source.kind == DOCKER_DAEMON:
                self.daemon = daemons.required(self.clients.environ)
            return self.request.source
        daemon = daemons.answering(self.clients.environ)
        if daemon is not None and any(daemon.image_id(name) for name in self._names()):
            self.daemon = daemon
            return Place(DOCKER_DAEMON)
        folder = default_folder(self.ref)
        if (folder / layouts.LAYOUT_FILE).is_file():
            return Place(OCI, folder)
        looked = f"neither {'Docker' if daemon is not None else 'a daemon'} nor the folder '{folder}' has it"
        raise NotFound(
            f"there is no image {self.ref} on this machine: {looked}",
            hint="Say where it is: --source oci:FOLDER, docker-archive:FILE, ...",
        )

    def _names(self) -> list[str]:
        """What the image may be called here: the full name, the path, the name alone."""
        return [self.name, f"{self.ref.path}:{self.ref.tag}", f"{self.ref.name}:{self.ref.tag}"]

    @contextlib.contextmanager
    def _opened(self) -> Any:
        """The content of a layout or archive, and the image in it to push."""
        place = self.place
        if place.kind == OCI:
            folder, wanted = _split_name(place.file)
            layout = Layout.open(folder)
            yield layout, layouts.find(layout, wanted or self.ref.tag)
            return
        path, wanted = _split_name(place.file)
        with staging(None, "") as stage:
            archive = Archive(archives.gunzipped(path, stage.path))
            if archive.is_layout:
                yield archive, layouts.find(archive, wanted or self._name_in(archive))
            else:
                yield self._imported(archive, stage.image, wanted)

    def _name_in(self, archive: Archive) -> str:
        """The full name if the archive knows it, else the tag."""
        named = any(
            (item.annotations or {}).get(FULL_NAME) == self.name for item in archive.index().manifests
        )
        return self.name if named else self.ref.tag

    def _imported(self, archive: Archive, to: Path, wanted: str) -> tuple[Content, Descriptor]:
        """What Docker saved, as an image with compressed layers."""
        image = archives.find_docker_image(archives.docker_images(archive), [wanted, *self._names()])
        layout = Layout.create(to)
        size_bytes = sum(layer.size_bytes for layer in image.layers)
        self.progress.begin("compress", size_bytes, len(image.layers))
        try:
            root = archives.import_docker_image(
                image,
                layout,
                threads=min(self.request.limits.threads, 4),
                on_bytes=counting(self.progress, self.cancel),
            )
        finally:
            self.progress.end()
        return layout, root

    # by the daemon

    def _local_name(self, daemon: Daemon) -> tuple[str, str]:
        """The name under which the daemon has the image, and its id."""
        for name in self._names():
            image_id = daemon.image_id(name)
            if image_id:
                return name, image_id
        raise NotFound(
            f"the daemon has no image {self.name}",
            hint=f"Tag yours with it: docker tag IMAGE {self.name}",
        )

    def _by_daemon(self, daemon: Daemon) -> ImageOutcome:
        """Let the daemon push, or else send what it saves."""
        name, _ = self._local_name(daemon)
        if name != self.name:
            self.request.confirm(f"The image is here as '{name}'. Tag it as '{self.name}' and push that?")
            daemon.tag(name, self.clients.full_name(self.ref), self.ref.tag)
        if not self.request.limits.rate_bytes_per_s:
            try:
                return self._daemon_pushes(daemon)
            except Cancelled:
                raise
            except NgcError as error:
                self.progress.note(f"The daemon cannot push by itself, so ngc does: {error.message}")
        self._check_may_push()
        with staging(None, "") as folder:
            saved = folder.path / "saved.tar"
            with saved.open("wb") as file:
                daemon.save(self.name, file, counting(self.progress, self.cancel))
            archive = Archive(saved)
            return self._send(*self._imported(archive, folder.image, self.name))

    def _daemon_pushes(self, daemon: Daemon) -> ImageOutcome:
        events = DaemonProgress(self.progress, self.cancel)
        self.progress.begin("upload", 0, 0)
        try:
            login = self.clients.daemon_login(daemon)
            daemon.push(self.clients.full_name(self.ref), self.ref.tag, login, events)
        finally:
            self.progress.end()
        root, content = self.clients.registry.repository(self.ref.path).manifest(
            events.digest or self.ref.tag
        )
        item = manifest.parse(content, root.media_type)
        blobs, layers = (item.blobs, item.layers) if isinstance(item, Manifest) else ((), ())
        return self._outcome(root, blobs, len(layers), events.bytes_moved)

    def _check_may_push(self) -> None:
        """Ask before much work whether the registry would take anything at all."""
        repository = self.clients.registry.repository(self.ref.path, push=True)
        session = repository.start_upload("")
        if session is not None:
            repository.cancel_upload(session)

    # to the registry

    def _send(self, content: Content, root: Descriptor) -> ImageOutcome:
        parts = layouts.reachable(content, root)
        blobs = [item for item in parts if not (item.is_manifest or item.is_index)]
        mount_from = self._mountable(root)
        repository = self.clients.registry.repository(self.ref.path, push=True, mount_from=mount_from)
        sections = {item.digest: content.locate(item) for item in blobs}
        descriptors = {item.digest: item for item in blobs}
        locations = _UploadLocations(self.request.state_folder, self.clients.registry.url, self.ref.path)

        def upload_of(file: LocalFile) -> BlobUpload:
            item = descriptors[file.path]
            return BlobUpload(
                repository,
                item,
                sections[file.path],
                mount_from=mount_from,
                location=locations.of(item),
                remember=partial(locations.remember, item),
            )

        report = send(
            [LocalFile.section(digest, place.path, place.byte_range) for digest, place in sections.items()],
            upload_of,
            self.progress,
            self.cancel,
            threads=self.request.limits.threads,
            rate_bytes_per_s=self.request.limits.rate_bytes_per_s,
            retries=self.request.limits.retries,
            stop_at_failure=True,
        )
        if self.cancel.is_set():
            raise Cancelled("the push was interrupted")
        push_manifests(repository, content, parts, root, self.ref.tag)
        return self._outcome(root, blobs, len(layouts.layers_in(content, parts)), report.sent_bytes)

    def _mountable(self, root: Descriptor) -> str:
        """The repository of this registry that the image was pulled from, if it is another one."""
        name = (root.annotations or {}).get(FULL_NAME, "")
        host, _, rest = name.partition("/")
        path = rest.rpartition(":")[0]
        return path if host == self.clients.registry.host and path != self.ref.path else ""


class _UploadLocations:
    """Where uploads of large blobs to one repository are, so that a killed push goes on; owner-only, no keys."""

    def __init__(self, folder: Path | None, registry_url: str, repository: str) -> None:
        self._path = folder / f"{state_key(registry_url, repository)}-image.json" if folder else None
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}
        if self._path is not None and self._path.is_file():
            with contextlib.suppress(OSError, ValueError, AttributeError):
                value = parse_json(self._path.read_bytes())
                self._known = {str(digest): str(location) for digest, location in value.items()}

    def of(self, item: Descriptor) -> str:
        """Where the upload of a blob is, empty when none is known."""
        return self._known.get(item.digest, "")

    def remember(self, item: Descriptor, location: str) -> None:
        """Note where the upload of a blob is, empty once it is there; small ones are quicker sent again."""
        if item.size_bytes > CHUNK_BYTES if location else item.digest in self._known:
            self._change(item.digest, location)

    def _change(self, digest: str, location: str) -> None:
        if self._path is None:
            return
        with self._lock:
            self._known = {key: value for key, value in self._known.items() if key != digest}
            if location:
                self._known[digest] = location
            try:
                if self._known:
                    self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    write_atomically(self._path, json.dumps(self._known))
                else:
                    self._path.unlink(missing_ok=True)
            except OSError as error:
                raise layouts.local_error(error, self._path) from error


def _split_name(path: Path) -> tuple[Path, str]:
    """A path and the name of an image in it: ``folder:name`` unless there is something of that very path."""
    folder, colon, name = str(path).rpartition(":")
    if path.exists() or not colon or not Path(folder).exists():
        return path, ""
    return Path(folder), name
