"""Image archives: one hybrid tar for every reader, and reading oci-archive and docker-archive.

The hybrid is an OCI layout plus Docker's ``manifest.json`` that names the same files, so ``docker load``,
``podman load`` and readers of oci-archive all take it, nothing is recompressed and the digests survive.
Source: docs/protocol/storage.md#formats-on-disk.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import posixpath
import tarfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from ngc_cli.byte_range import ByteRange
from ngc_cli.errors import LocalFileError, NotFound, UsageError
from ngc_cli.json_text import parse_json
from ngc_cli.oci import layout as layouts
from ngc_cli.oci import manifest
from ngc_cli.oci.descriptor import (
    DOCKER_CONFIG,
    DOCKER_LAYER_GZIP,
    DOCKER_MANIFEST,
    OCI_INDEX,
    Descriptor,
    InvalidContent,
)
from ngc_cli.oci.layout import Content, Layout, Section
from ngc_cli.oci.manifest import MANIFEST_MAX_BYTES, Index, Manifest

_DOCKER_FILE = "manifest.json"
# Read and hashed at once: large enough that Python does not show, small enough for flat memory.
_BLOCK_BYTES = 1024 * 1024
# An image has a few hundred files in its archive; an endless archive must end.
_MEMBERS_MAX = 20_000
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
# gzip's own default, and Docker's.
_COMPRESSION_LEVEL = 6

OnBytes = Callable[[int], None]


class Sink(Protocol):
    """Where an archive is written to: a file or a connection."""

    def write(self, data: bytes, /) -> Any:
        """Take all of the data."""


def write_archive(
    content: Content,
    image: Descriptor,
    sink: Sink,
    *,
    names: Sequence[str],
    tag: str,
    on_bytes: OnBytes = lambda count: None,
) -> None:
    """Write an image as a hybrid archive; an index goes without ``manifest.json``, which knows one platform only.

    ``names`` are full references that Docker gives the image, ``tag`` is its name in the OCI index. The same image
    gives the same bytes. ``on_bytes`` counts content and may raise to stop.
    """
    parts = layouts.reachable(content, image)
    notes = {layouts.REF_NAME: tag} if tag else {}
    notes |= {layouts.FULL_NAME: names[0]} if names else {}
    entry = replace(image, annotations=notes, data=None)
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
        _add(tar, layouts.LAYOUT_FILE, layouts.LAYOUT_CONTENT)
        _add(tar, layouts.INDEX_FILE, Index(OCI_INDEX, (entry,)).encode())
        if image.is_manifest:
            _add(tar, _DOCKER_FILE, _docker_manifest(content, image, names))
        for item in parts:
            section = content.locate(item)
            with layouts.open_file(section.path) as file:
                file.seek(section.byte_range.start)
                tar.addfile(_member(_blob_name(item.digest), section.size_bytes), _Counted(file, on_bytes))


class Archive:
    """An archive file that is read in place: content is found by its offset, nothing is unpacked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._members = _members(path)

    @property
    def is_layout(self) -> bool:
        """Whether it holds an OCI layout."""
        return layouts.LAYOUT_FILE in self._members and layouts.INDEX_FILE in self._members

    @property
    def is_docker(self) -> bool:
        """Whether it is what ``docker save`` writes."""
        return _DOCKER_FILE in self._members

    def index(self) -> Index:
        """The index of the layout inside."""
        layouts.check_layout_version(self.small(layouts.LAYOUT_FILE), str(self.path))
        return layouts.parse_index(self.small(layouts.INDEX_FILE), str(self.path))

    def locate(self, descriptor: Descriptor) -> Section:
        """Where a blob lies in the file."""
        section = self.member(_blob_name(descriptor.digest))
        if section.size_bytes != descriptor.size_bytes:
            raise InvalidContent(
                f"{descriptor.digest} has {section.size_bytes} bytes in '{self.path}', not {descriptor.size_bytes}"
            )
        return section

    def member(self, name: str) -> Section:
        """Where a member lies in the file; raises NotFound."""
        found = self._members.get(posixpath.normpath(name))
        if found is None:
            raise NotFound(f"'{self.path}' lacks '{name}'", hint="The archive is incomplete; write it again.")
        return found

    def small(self, name: str) -> bytes:
        """The content of a member that is JSON; raises InvalidContent when it is larger than that can be."""
        section = self.member(name)
        if section.size_bytes > 2 * MANIFEST_MAX_BYTES:
            raise InvalidContent(f"'{name}' in '{self.path}' is larger than it can be")
        return section.read()


@dataclass(frozen=True)
class DockerImage:
    """One image of a docker-archive: its config, its layers (lowest first) and its names."""

    config: Section
    layers: tuple[Section, ...]
    names: tuple[str, ...]


def docker_images(archive: Archive) -> list[DockerImage]:
    """What ``manifest.json`` lists; raises InvalidContent when it is not what Docker writes."""
    try:
        entries = parse_json(archive.small(_DOCKER_FILE))
        if not isinstance(entries, list):
            raise TypeError("not a list")
        return [
            DockerImage(
                archive.member(entry["Config"]),
                tuple(archive.member(name) for name in entry["Layers"] or ()),
                tuple(str(name) for name in entry.get("RepoTags") or ()),
            )
            for entry in entries
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidContent(f"'{archive.path}' has no readable {_DOCKER_FILE}") from error


def find_docker_image(images: Sequence[DockerImage], names: Sequence[str]) -> DockerImage:
    """The image that has one of these names, or the only one; raises NotFound or UsageError."""
    for image in images:
        if set(names) & set(image.names):
            return image
    if len(images) == 1:
        return images[0]
    listed = ", ".join(name for image in images for name in image.names) or "images without names"
    if not images:
        raise NotFound("the archive holds no image")
    raise UsageError(
        "the archive holds several images", hint=f"Push under the name of one of them: {listed}."
    )


def import_docker_image(
    image: DockerImage, target: Layout, *, threads: int, on_bytes: OnBytes = lambda count: None
) -> Descriptor:
    """Bring an image of a docker-archive into a layout as Docker schema 2; its config, and so its id, stays.

    Uncompressed layers are compressed, always to the same bytes. Raises IntegrityError when a layer is not the one
    the config names. ``on_bytes`` counts what is read and may raise to stop.
    """
    config = _read_config(image.config)
    diff_ids = manifest.parse_config(config).diff_ids
    if len(diff_ids) != len(image.layers):
        raise InvalidContent(
            f"the image config names {len(diff_ids)} layers, the archive has {len(image.layers)}"
        )
    with ThreadPoolExecutor(max_workers=threads) as pool:
        jobs = [
            pool.submit(_import_layer, section, diff_id, target, on_bytes)
            for section, diff_id in zip(image.layers, diff_ids, strict=True)
        ]
        try:
            layers = tuple(job.result() for job in jobs)
        except BaseException:
            for job in jobs:
                job.cancel()
            raise
    described = Descriptor.of(config, DOCKER_CONFIG)
    target.add(config, described.digest)
    content = Manifest(DOCKER_MANIFEST, described, layers).encode()
    result = Descriptor.of(content, DOCKER_MANIFEST)
    target.add(content, result.digest)
    return result


def gunzipped(path: Path, folder: Path, on_bytes: OnBytes = lambda count: None) -> Path:
    """The archive itself, or when it is compressed with gzip a copy of it in the folder that is not.

    Raises LocalFileError for a compression that cannot be read here.
    """
    with layouts.open_file(path) as file:
        start = file.read(4)
        if start.startswith((_ZSTD, b"BZh", b"\xfd7zX")):
            raise LocalFileError(
                f"'{path}' is compressed in a way this program cannot read", hint="Unpack it first."
            )
        if not start.startswith(_GZIP):
            return path
        file.seek(0)
        plain = folder / "archive.tar"
        with gzip.GzipFile(fileobj=_Counted(file, on_bytes)) as source, plain.open("wb") as target:  # type: ignore[call-overload]
            _pump(source, target.write)
    return plain


class _Counted:
    """A file that tells how much was read of it."""

    def __init__(self, file: BinaryIO, on_bytes: OnBytes) -> None:
        self._file = file
        self._on_bytes = on_bytes

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._on_bytes(len(data))
        return data


def _import_layer(section: Section, diff_id: str, target: Layout, on_bytes: OnBytes) -> Descriptor:
    """One layer, compressed unless it is so already, under its digest in the layout."""
    temporary = target.blob_path(diff_id).with_suffix(f".{os.getpid()}.{section.byte_range.start}.tmp")
    try:
        with layouts.open_file(section.path) as file, temporary.open("w+b") as out:
            digest = _compress_layer(_SectionFile(file, section), diff_id, out, on_bytes)
            size = out.tell()
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(target.blob_path(digest))
    except OSError as error:
        raise layouts.local_error(error, temporary) from error
    finally:
        temporary.unlink(missing_ok=True)
    return Descriptor(DOCKER_LAYER_GZIP, digest, size)


def _compress_layer(source: _SectionFile, diff_id: str, out: BinaryIO, on_bytes: OnBytes) -> str:
    """Copy a layer compressed and return the digest of what was written; checks it against its diff_id."""
    start = source.read(4)
    source.rewind()
    if start.startswith(_ZSTD):
        raise InvalidContent("the archive has a layer compressed with zstd, which its format does not know")
    plain, packed = hashlib.sha256(), hashlib.sha256()

    def keep(block: bytes) -> None:
        packed.update(block)
        out.write(block)

    if start.startswith(_GZIP):
        _pump(source, keep, on_bytes)
        source.rewind()
        with gzip.GzipFile(fileobj=source) as unpacked:
            _pump(unpacked, plain.update)
    else:
        with gzip.GzipFile("", "wb", _COMPRESSION_LEVEL, _Writer(keep), mtime=0) as packer:

            def pack(block: bytes) -> None:
                plain.update(block)
                packer.write(block)

            _pump(source, pack, on_bytes)
    if f"sha256:{plain.hexdigest()}" != diff_id:
        raise InvalidContent(f"a layer of the archive is not the one its config names: {diff_id}")
    return f"sha256:{packed.hexdigest()}"


class _SectionFile(io.RawIOBase):
    """A section of an open file as a file of its own."""

    def __init__(self, file: BinaryIO, section: Section) -> None:
        self._file = file
        self._section = section
        self.rewind()

    def rewind(self) -> None:
        """Go back to the beginning of the section."""
        self._file.seek(self._section.byte_range.start)
        self._left = self._section.size_bytes

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data


class _Writer(io.RawIOBase):
    """A file to write to that hands every block on."""

    def __init__(self, keep: Callable[[bytes], None]) -> None:
        self._keep = keep

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._keep(bytes(data))
        return len(data)


def _pump(source: Any, take: Callable[[bytes], Any], on_bytes: OnBytes = lambda count: None) -> None:
    """Hand everything from a file on, block by block; raises InvalidContent when compressed data break off."""
    try:
        while block := source.read(_BLOCK_BYTES):
            take(block)
            on_bytes(len(block))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InvalidContent(f"compressed data in the archive are damaged: {error}") from error


def _read_config(section: Section) -> bytes:
    if section.size_bytes > 2 * MANIFEST_MAX_BYTES:
        raise InvalidContent("the archive has an image config larger than any")
    return section.read()


def _members(path: Path) -> dict[str, Section]:
    """The regular files of a tar by normalised name, links resolved; raises LocalFileError, InvalidContent."""
    found: dict[str, Section] = {}
    links: dict[str, str] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for count, member in enumerate(tar):
                if count > _MEMBERS_MAX:
                    raise InvalidContent(f"'{path}' has more than {_MEMBERS_MAX} members")
                name = posixpath.normpath(member.name)
                if member.issym():
                    links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
                elif member.islnk():
                    links[name] = posixpath.normpath(member.linkname)
                elif member.isreg():
                    found[name] = Section(
                        path, ByteRange(member.offset_data, member.offset_data + member.size)
                    )
    except tarfile.TarError as error:
        raise InvalidContent(f"'{path}' is not a tar archive: {error}") from error
    except OSError as error:
        raise layouts.local_error(error, path) from error
    found |= {name: found[target] for name, target in links.items() if target in found}
    return found


def _docker_manifest(content: Content, image: Descriptor, names: Sequence[str]) -> bytes:
    """Docker's list of the images of an archive, naming the blobs where they are."""
    item = manifest.parse(layouts.read_content(content, image), image.media_type)
    assert isinstance(item, Manifest)
    entry: Mapping[str, Any] = {
        "Config": _blob_name(item.config.digest),
        "RepoTags": list(names),
        "Layers": [_blob_name(layer.digest) for layer in item.layers],
    }
    return json.dumps([entry], separators=(",", ":")).encode()


def _blob_name(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _member(name: str, size_bytes: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size_bytes
    member.mode = 0o444
    return member


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    tar.addfile(_member(name, len(content)), io.BytesIO(content))
