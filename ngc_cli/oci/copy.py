"""Pull and push as the copy of a descriptor graph: what belongs to an image, and in which order it goes.

The bytes of blobs are moved by whoever calls this, so that the transfer engine brings resume, ranges and rates.
Source: docs/protocol/distribution.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ngc_cli.byte_range import ByteRange
from ngc_cli.errors import IntegrityError, LocalFileError, NetworkError, NgcError, NotFound, ServerError
from ngc_cli.oci import manifest
from ngc_cli.oci.descriptor import IMAGE_CONFIG_TYPES, Descriptor, InvalidContent, Platform
from ngc_cli.oci.layout import INDEX_DEPTH_MAX, Content, Layout, Section, read_content
from ngc_cli.oci.manifest import Index, Manifest, layers_of, unique
from ngc_cli.oci.registry import Repository, UploadSession

CHUNK_BYTES = 64 * 1024 * 1024  # a break costs no more than this, and the request for each chunk little
# What registries answer for an upload session that they no longer have or that stands elsewhere.
_SESSION_LOST = frozenset({400, 404, 416})

OpenBody = Callable[[ByteRange], Any]
"""Makes a request body of a range of a blob."""


@dataclass(frozen=True)
class RemoteImage:
    """What a pull copies: ``root`` and everything below it; ``named`` is what the reference stands for, which is
    the index that ``root`` was chosen from, or ``root`` itself."""

    named: Descriptor
    root: Descriptor
    platform: Platform | None
    manifests: tuple[tuple[Descriptor, bytes], ...]
    blobs: tuple[Descriptor, ...]
    small: dict[str, bytes] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """All blobs, each once."""
        return sum(item.size_bytes for item in self.blobs)

    @property
    def layers(self) -> list[Descriptor]:
        """The layers of all manifests, each once."""
        return layers_of(manifest.parse(content, item.media_type) for item, content in self.manifests)


def resolve(repository: Repository, reference: str, platform: Platform | None) -> RemoteImage:
    """Find out what an image consists of; of an index the entry for the platform, or all of it when None.

    The config of a single image is fetched with it, for its platform. Raises NotFound when there is no such image
    or platform, IntegrityError, InvalidContent.
    """
    named, content = repository.manifest(reference)
    root, body = named, content
    for _ in range(INDEX_DEPTH_MAX):
        item = manifest.parse(body, root.media_type)
        if isinstance(item, Manifest) or platform is None:
            break
        root, body = _child(repository, item.choose(platform))
    else:
        raise InvalidContent("the image has indexes nested deeper than makes sense")
    collected = _Collected(repository)
    collected.visit(root, body, 0)
    if isinstance(item, Index):
        return RemoteImage(named, root, None, tuple(collected.manifests), tuple(unique(collected.blobs)))
    small: dict[str, bytes] = {}
    runs_on = root.platform
    if item.config.media_type in IMAGE_CONFIG_TYPES:
        small[item.config.digest] = repository.small_blob(item.config)
        runs_on = manifest.parse_config(small[item.config.digest]).platform
    return RemoteImage(
        named, root, runs_on, tuple(collected.manifests), tuple(unique(collected.blobs)), small
    )


def _child(repository: Repository, listed: Descriptor) -> tuple[Descriptor, bytes]:
    """A manifest that an index lists, which must be what the index says."""
    found, content = repository.manifest(listed.digest)
    if found.size_bytes != listed.size_bytes or found.media_type != listed.media_type:
        raise IntegrityError(f"the manifest {listed.digest} is not what its index says")
    return listed, content


class _Collected:
    """Manifests, children first, and blobs below a root."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self.manifests: list[tuple[Descriptor, bytes]] = []
        self.blobs: list[Descriptor] = []
        self._seen: set[str] = set()

    def visit(self, item: Descriptor, content: bytes, depth: int) -> None:
        """Add what lies below this manifest, then itself."""
        if depth > INDEX_DEPTH_MAX:
            raise InvalidContent("the image has indexes nested deeper than makes sense")
        self._seen.add(item.digest)
        node = manifest.parse(content, item.media_type)
        if isinstance(node, Index):
            for child in node.manifests:
                if child.digest not in self._seen:
                    self.visit(*_child(self._repository, child), depth + 1)
        else:
            self.blobs += node.blobs
        self.manifests.append((item, content))


def keep(image: RemoteImage, layout: Layout, *, tag: str, full_name: str) -> None:
    """Put the manifests of a pulled image into the layout and name it; its blobs must be there, and are verified.

    Raises IntegrityError when one is not.
    """
    for item in image.blobs:
        try:
            layout.locate(item)
        except NotFound as error:
            raise IntegrityError(f"'{layout.root}' still lacks {item.digest}") from error
    for item, content in image.manifests:
        layout.add(content, item.digest)
    layout.name(image.root, tag, full_name)


def push_manifests(
    repository: Repository, content: Content, parts: Iterable[Descriptor], root: Descriptor, reference: str
) -> None:
    """Send manifests and indexes, bytes unchanged, in the order of ``reachable``; the root under its reference."""
    for item in parts:
        if item.is_manifest or item.is_index:
            where = reference if item.digest == root.digest else item.digest
            repository.put_manifest(where, read_content(content, item), item.media_type)


class BlobUpload:
    """One blob on its way to a registry, by the rules of ``transfer.upload.Upload``; it makes one part.

    Small blobs go in one request, others in chunks, one after the other. After a break the registry is asked how far
    it is; ``location`` is where an earlier process was, ``remember`` gets where this one is, empty at the end.
    """

    def __init__(
        self,
        repository: Repository,
        descriptor: Descriptor,
        section: Section,
        *,
        mount_from: str = "",
        location: str = "",
        remember: Callable[[str], None] = lambda location: None,
    ) -> None:
        self._repository = repository
        self._descriptor = descriptor
        self._section = section
        self._mount_from = mount_from
        self._location = location
        self._remember = remember
        self._session: UploadSession | None = None
        self._received_bytes = 0
        self._received_before_bytes = -1

    def start(self) -> list[ByteRange]:
        """What the registry lacks; nothing when it has the blob or takes it from the other repository."""
        self._session = self._open()
        if self._session is None:
            return []
        return [ByteRange(self._session.received_bytes, self._descriptor.size_bytes)]

    def put(self, part: ByteRange, open_body: OpenBody) -> None:
        """Bring the rest of the blob there; raises NetworkError or ServerError when another try may help."""
        session, self._session = self._session or self._open(), None
        if session is None:
            return  # somebody else has pushed it, or only the answer to our last request was lost
        try:
            self._send(session, open_body)
        except (NetworkError, ServerError):
            raise
        except NgcError as error:
            self._location = ""
            if error.status not in _SESSION_LOST:
                raise
            if not self._section.holds(self._descriptor):
                raise LocalFileError(
                    f"'{self._section.path}' is damaged: it does not hold {self._descriptor.digest}",
                    hint="Pull or save the image again.",
                ) from error
            raise ServerError(f"the registry lost the upload: {error.message}") from error

    def has_progressed(self) -> bool:
        """Whether the registry has more of the blob than when this was last asked."""
        before, self._received_before_bytes = self._received_before_bytes, self._received_bytes
        return self._received_bytes > before

    def complete(self) -> None:
        """Forget where the upload was: the blob is there."""
        self._remember("")

    def _open(self) -> UploadSession | None:
        """The upload to go on with, or a new one; None when the registry needs none."""
        session = self._resumed()
        if session is None:
            if self._repository.has_blob(self._descriptor):
                return None
            session = self._repository.start_upload(self._descriptor.digest, self._mount_from)
            self._mount_from = ""
        if session is not None:
            self._note(session)
        return session

    def _resumed(self) -> UploadSession | None:
        """The upload that broke off, as the registry has it, or None when there is none any more."""
        if not self._location:
            return None
        try:
            session = self._repository.upload_status(self._location)
        except NgcError as error:
            if isinstance(error, (NetworkError, ServerError)) and error.status not in _SESSION_LOST:
                raise
            self._location = ""
            return None
        return session if session.received_bytes <= self._descriptor.size_bytes else None

    def _send(self, session: UploadSession, open_body: OpenBody) -> None:
        size = self._descriptor.size_bytes
        step = max(CHUNK_BYTES, session.min_chunk_bytes)
        if not session.received_bytes and size <= step:
            whole = partial(open_body, ByteRange(0, size)) if size else None
            self._repository.finish_upload(session, self._descriptor.digest, whole, size)
        else:
            while session.received_bytes < size:
                chunk = ByteRange(session.received_bytes, min(session.received_bytes + step, size))
                session = self._repository.send_chunk(session, partial(open_body, chunk), chunk)
                if session.received_bytes <= chunk.start:
                    raise ServerError("the registry takes a chunk and does not keep it")
                self._note(session)
            self._repository.finish_upload(session, self._descriptor.digest)

    def _note(self, session: UploadSession) -> None:
        self._location = session.location
        self._received_bytes = session.received_bytes
        self._remember(session.location)
