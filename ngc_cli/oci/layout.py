"""OCI image layout directories: content by digest, and an index of names.

A blob has its final name only when it is complete, verified and on the disk, so a layout that a killed process left
behind is a valid one, and the next pull goes on from it.
Source: image-spec v1.1.1 image-layout.md, docs/protocol/storage.md#formats-on-disk.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Protocol

from ngc_cli.byte_range import ByteRange
from ngc_cli.errors import IntegrityError, LocalFileError, NotFound, UsageError
from ngc_cli.files import make_folders, write_atomically
from ngc_cli.json_text import parse_json
from ngc_cli.oci import manifest
from ngc_cli.oci.descriptor import OCI_INDEX, Descriptor, InvalidContent, check_content, new_hash
from ngc_cli.oci.manifest import MANIFEST_MAX_BYTES, Index

REF_NAME = "org.opencontainers.image.ref.name"
FULL_NAME = "io.containerd.image.name"
LAYOUT_FILE = "oci-layout"
INDEX_FILE = "index.json"
LAYOUT_CONTENT = b'{"imageLayoutVersion":"1.0.0"}'
# Real images nest indexes once; a cycle or a chain made to exhaust us ends here.
INDEX_DEPTH_MAX = 4
# A digest, and what is made of it while it is written.
_BLOB_NAME = re.compile(r"\.?[0-9a-f]{40,128}(?:\.[0-9a-f.]+\.tmp)?")
# Read and hashed at once.
_BLOCK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Section:
    """Where content lies on this machine: some bytes of a file."""

    path: Path
    byte_range: ByteRange

    @property
    def size_bytes(self) -> int:
        """How much it is."""
        return self.byte_range.size_bytes

    def read(self) -> bytes:
        """All of it; raises LocalFileError."""
        with open_file(self.path) as file:
            file.seek(self.byte_range.start)
            return file.read(self.size_bytes)

    def holds(self, descriptor: Descriptor) -> bool:
        """Whether this is the content of the descriptor, by size and digest."""
        hashed, left = new_hash(descriptor.digest), self.size_bytes
        with open_file(self.path) as file:
            file.seek(self.byte_range.start)
            while block := file.read(min(left, _BLOCK_BYTES)):
                hashed.update(block)
                left -= len(block)
        return (self.size_bytes, hashed.hexdigest()) == (
            descriptor.size_bytes,
            descriptor.digest.partition(":")[2],
        )


class Content(Protocol):
    """Images on this machine that can be read: a layout, or an archive of one."""

    def locate(self, descriptor: Descriptor) -> Section:
        """Where the content lies; raises NotFound, or IntegrityError when its size is not the promised one."""

    def index(self) -> Index:
        """The images there are, with their names as annotations."""


class Layout:
    """One layout directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def open(cls, root: Path) -> Layout:
        """An existing layout; raises LocalFileError when the folder is none."""
        if not (root / LAYOUT_FILE).is_file():
            raise LocalFileError(
                f"'{root}' is not an OCI image layout", hint=f"It has no file '{LAYOUT_FILE}'."
            )
        layout = cls(root)
        check_layout_version((root / LAYOUT_FILE).read_bytes()[:4096], str(root))
        return layout

    @classmethod
    def create(cls, root: Path) -> Layout:
        """The layout of this folder: a new one when the folder is missing or empty.

        Raises LocalFileError for a folder with other content, which is never mixed with images.
        """
        for folder in (root / "blobs", root / "blobs" / "sha256"):
            if folder.is_symlink():
                raise LocalFileError(f"'{folder}' is a link: nothing is written through it")
        if (root / LAYOUT_FILE).is_file():
            return cls.open(root)
        try:
            make_folders(root)
            if any(root.iterdir()):
                raise LocalFileError(
                    f"'{root}' is neither empty nor an OCI image layout", hint="Choose another folder."
                )
            make_folders(root / "blobs" / "sha256")
            _write_whole(root / INDEX_FILE, Index(OCI_INDEX, ()).encode())
            _write_whole(root / LAYOUT_FILE, LAYOUT_CONTENT)
        except OSError as error:
            raise local_error(error, root) from error
        return cls(root)

    def blob_path(self, digest: str) -> Path:
        """Where content of this digest belongs. Raises InvalidContent for what is no digest."""
        return self.root / "blobs" / new_hash(digest).name / digest.partition(":")[2]

    def make_blob_folder(self, digest: str) -> None:
        """Make the folder for digests of this kind; raises LocalFileError."""
        folder = self.blob_path(digest).parent
        try:
            make_folders(folder)
        except OSError as error:
            raise local_error(error, folder) from error

    def has(self, descriptor: Descriptor) -> bool:
        """Whether the content is here and undamaged: it is read again."""
        path = self.blob_path(descriptor.digest)
        if not path.is_file() or path.stat().st_size != descriptor.size_bytes:
            return False
        return Section(path, ByteRange(0, descriptor.size_bytes)).holds(descriptor)

    def locate(self, descriptor: Descriptor) -> Section:
        """Where the content lies."""
        path = self.blob_path(descriptor.digest)
        if not path.is_file():
            raise NotFound(f"'{self.root}' lacks {descriptor.digest}", hint="Pull the image again.")
        if path.stat().st_size != descriptor.size_bytes:
            raise IntegrityError(
                f"'{path}' has {path.stat().st_size} bytes, not the promised {descriptor.size_bytes}"
            )
        return Section(path, ByteRange(0, descriptor.size_bytes))

    def add(self, content: bytes, digest: str) -> None:
        """Keep a manifest or config under its digest; raises IntegrityError when that is not the content's."""
        check_content(content, digest)
        path = self.blob_path(digest)
        self.make_blob_folder(digest)
        _write_whole(path, content)

    def discard(self) -> None:
        """Remove the layout: what belongs to one, no other name, and nothing through a link."""
        blobs = self.root / "blobs"
        for folder in (blobs / "sha256", blobs / "sha512"):
            if folder.is_dir() and not (blobs.is_symlink() or folder.is_symlink()):
                for path in folder.iterdir():
                    if _BLOB_NAME.fullmatch(path.name):
                        path.unlink()
                _remove_empty(folder)
        for name in (INDEX_FILE, LAYOUT_FILE):
            (self.root / name).unlink(missing_ok=True)
        for folder in (blobs, self.root):
            _remove_empty(folder)

    def index(self) -> Index:
        """What ``index.json`` says."""
        return parse_index((self.root / INDEX_FILE).read_bytes(), str(self.root))

    def name(self, descriptor: Descriptor, tag: str, full_name: str) -> None:
        """List an image in ``index.json``; a tag that named another image there now names this one."""
        notes = {REF_NAME: tag} if tag else {}
        entry = replace(
            descriptor, annotations={**notes, **({FULL_NAME: full_name} if full_name else {})}, data=None
        )
        kept = [
            item
            for item in self.index().manifests
            if (_tag(item) != tag if tag else item.digest != descriptor.digest or _tag(item))
        ]
        _write_whole(self.root / INDEX_FILE, Index(OCI_INDEX, (*kept, entry)).encode())


def read_content(content: Content, descriptor: Descriptor) -> bytes:
    """A manifest or config, its size and digest checked; raises IntegrityError, NotFound."""
    if descriptor.size_bytes > 2 * MANIFEST_MAX_BYTES:
        raise InvalidContent(f"{descriptor.digest} is larger than any manifest or config")
    data = content.locate(descriptor).read()
    check_content(data, descriptor.digest, descriptor.size_bytes)
    return data


def reachable(content: Content, root: Descriptor) -> list[Descriptor]:
    """Everything an image consists of, each digest once: blobs before their manifest, manifests before their index.

    Raises NotFound when a part is missing, InvalidContent when the graph is deeper than any image.
    """
    found: dict[str, Descriptor] = {}

    def visit(item: Descriptor, depth: int) -> None:
        if item.digest in found:
            return
        if depth > INDEX_DEPTH_MAX:
            raise InvalidContent("the image has indexes nested deeper than makes sense")
        if item.is_index or item.is_manifest:
            node = manifest.parse(read_content(content, item), item.media_type)
            for child in node.manifests if isinstance(node, Index) else node.blobs:
                visit(child, depth + 1)
        found[item.digest] = item

    visit(root, 0)
    return list(found.values())


def layers_in(content: Content, parts: Iterable[Descriptor]) -> list[Descriptor]:
    """The layers among the parts that ``reachable`` found."""
    manifests = (item for item in parts if item.is_manifest)
    return manifest.layers_of(
        manifest.parse(read_content(content, item), item.media_type) for item in manifests
    )


def find(content: Content, name: str = "") -> Descriptor:
    """The image of this tag or full name; with no name, or when there is just one image, that one.

    Raises NotFound when nothing has the name, UsageError when several images could be meant.
    """
    entries = content.index().manifests
    matching = [
        item for item in entries if name and name in (_tag(item), (item.annotations or {}).get(FULL_NAME))
    ]
    if len({item.digest for item in matching}) == 1:
        return matching[0]
    if len({item.digest for item in entries}) == 1:
        return entries[0]
    names = ", ".join(sorted(_tag(item) or item.digest for item in entries))
    if not entries:
        raise NotFound("there is no image in it")
    if name and not matching:
        raise NotFound(f"it holds no image '{name}'", hint=f"It holds: {names}.")
    raise UsageError("it holds several images", hint=f"Name one of: {names}.")


def parse_index(content: bytes, where: str) -> Index:
    """The index of a layout; raises InvalidContent."""
    item = manifest.parse(content, OCI_INDEX)
    if not isinstance(item, Index):
        raise InvalidContent(f"the index of '{where}' is not an index")
    return item


def check_layout_version(content: bytes, where: str) -> None:
    """Raise InvalidContent unless this is the content of an ``oci-layout`` file of version 1."""
    try:
        version = parse_json(content)["imageLayoutVersion"]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidContent(f"'{where}' has no readable '{LAYOUT_FILE}' file") from error
    if not str(version).startswith("1."):
        raise InvalidContent(f"'{where}' is an image layout of the unknown version {str(version)[:20]}")


def open_file(path: Path) -> BinaryIO:
    """A file to read; raises LocalFileError."""
    try:
        return path.open("rb")
    except OSError as error:
        raise local_error(error, path) from error


def _write_whole(path: Path, content: bytes) -> None:
    """Replace a file of a layout in one step, on the disk before it has its name; raises LocalFileError."""
    try:
        write_atomically(path, content, mode=0o666, sync=True)  # an image is not secret: the umask decides
    except OSError as error:
        raise local_error(error, path) from error


def local_error(error: OSError, path: Path) -> LocalFileError:
    """The LocalFileError of a failed file operation."""
    return LocalFileError(
        f"'{path}': {error.strerror or error}", hint="Check the path, its rights and the disk."
    )


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def _tag(item: Descriptor) -> str:
    return (item.annotations or {}).get(REF_NAME, "")
