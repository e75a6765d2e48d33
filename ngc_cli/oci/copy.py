"""Pull and push as the copy of a descriptor graph: what belongs to an image, and in which order it goes.

The bytes of blobs are moved by whoever calls this, so that the transfer engine brings resume, ranges and rates.
Source: contract/images.md sections 5.3 and 5.4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any

from ngc_cli.errors import IntegrityError, LocalFileError, NetworkError, NgcError, ServerError
from ngc_cli.oci import manifest
from ngc_cli.oci.descriptor import IMAGE_CONFIG_TYPES, Descriptor, InvalidContent, Platform
from ngc_cli.oci.layout import INDEX_DEPTH_MAX, Content, Layout, Section, read_content
from ngc_cli.oci.manifest import Index, Manifest, layers_of, unique
from ngc_cli.oci.registry import Repository, Session

CHUNK_BYTES = 64 * 1024 * 1024
_SESSION_LOST = frozenset({400, 404, 416})

OpenBody = Callable[[int, int], Any]
"""Makes a request body of bytes start to end (exclusive) of a blob."""


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
    """Put the manifests of a pulled image into the layout and name it; its blobs must be there."""
    for item in image.blobs:
        if not layout.has(item):
            raise IntegrityError(f"'{layout.root}' still lacks {item.digest}")
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


class Sent(Enum):
    """How a blob got to the registry."""

    PRESENT = "present"
    MOUNTED = "mounted"
    UPLOADED = "uploaded"


class BlobUpload:
    """One blob on its way to a registry; call ``attempt`` until it returns.

    Small blobs go in one request, others in chunks. After a break the registry is asked how far it is; ``location``
    is where an earlier process was, ``remember`` is told where this one is. ``offset_bytes`` is what the registry
    is known to have.
    """

    def __init__(
        self,
        repository: Repository,
        descriptor: Descriptor,
        section: Section,
        open_body: OpenBody,
        *,
        mount_from: str = "",
        location: str = "",
        remember: Callable[[str], None] = lambda location: None,
    ) -> None:
        self._repository = repository
        self._descriptor = descriptor
        self._section = section
        self._open_body = open_body
        self._mount_from = mount_from
        self._location = location
        self._remember = remember
        self._offset_before = -1
        self.offset_bytes = 0

    def has_progressed(self) -> bool:
        """Whether the registry has more of the blob than when this was last asked."""
        before, self._offset_before = self._offset_before, self.offset_bytes
        return self.offset_bytes > before

    def attempt(self) -> Sent:
        """Bring the blob there; raises NetworkError or ServerError when another attempt may help."""
        session = self._resumed()
        if session is None:
            if self._repository.has_blob(self._descriptor):
                return Sent.PRESENT
            session = self._repository.start_upload(self._descriptor.digest, self._mount_from)
            self._mount_from = ""
            if session is None:
                return Sent.MOUNTED
        self._note(session)
        try:
            self._send(session)
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
        return Sent.UPLOADED

    def _resumed(self) -> Session | None:
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

    def _send(self, session: Session) -> None:
        size = self._descriptor.size_bytes
        step = max(CHUNK_BYTES, session.min_chunk_bytes)
        if not session.received_bytes and size <= step:
            whole = partial(self._open_body, 0, size) if size else None
            self._repository.finish_upload(session, self._descriptor.digest, whole, size)
        else:
            while session.received_bytes < size:
                start, end = session.received_bytes, min(session.received_bytes + step, size)
                body = partial(self._open_body, start, end)
                session = self._repository.send_chunk(session, body, start, end)
                if session.received_bytes <= start:
                    raise ServerError("the registry takes a chunk and does not keep it")
                self._note(session)
            self._repository.finish_upload(session, self._descriptor.digest)
        self.offset_bytes = size

    def _note(self, session: Session) -> None:
        self._location = session.location
        self.offset_bytes = session.received_bytes
        self._remember(session.location)
