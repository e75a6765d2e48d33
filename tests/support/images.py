"""Small images made without any tool, and layouts to hold them."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ngc_cli.oci.descriptor import (
    DOCKER_CONFIG,
    DOCKER_LAYER_GZIP,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
    Descriptor,
    Platform,
    digest_of,
)
from ngc_cli.oci.layout import Layout
from ngc_cli.oci.manifest import Index, Manifest


def tar_of(files: dict[str, bytes]) -> bytes:
    """A tar with these files."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return target.getvalue()


def noise(seed: object, size_bytes: int) -> bytes:
    """Bytes that do not compress, always the same for a seed."""
    return random.Random(str(seed)).randbytes(size_bytes)


def add_image(
    layout: Layout,
    *,
    platform: str = "linux/amd64",
    layer_sizes: Sequence[int] = (3000, 500),
    docker: bool = False,
    seed: object = "image",
    tag: str = "",
    runs: Mapping[str, Any] | None = None,
) -> Descriptor:
    """Put an image of random layers into the layout and return its manifest's descriptor.

    ``runs`` is the member ``config`` of its configuration.
    """
    running = Platform.parse(platform)
    tars = [
        tar_of({f"data/{number}": noise((seed, platform, number), size)})
        for number, size in enumerate(layer_sizes)
    ]
    config = json.dumps(
        {
            "created": "2026-11-21T05:14:56Z",
            **running.as_json(),
            "config": runs or {"Cmd": ["/bin/sh"], "Env": ["A=b"]},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(item) for item in tars]},
            "history": [{"created_by": f"ADD {number} /"} for number in range(len(tars))],
        }
    ).encode()
    layers = [gzip.compress(item, 1, mtime=0) for item in tars]
    for content in (config, *layers):
        layout.add(content, digest_of(content))
    manifest = Manifest(
        DOCKER_MANIFEST if docker else OCI_MANIFEST,
        Descriptor.of(config, DOCKER_CONFIG if docker else OCI_CONFIG),
        tuple(Descriptor.of(item, DOCKER_LAYER_GZIP if docker else OCI_LAYER_GZIP) for item in layers),
    )
    return _add(layout, manifest.encode(), manifest.media_type, running, tag)


def add_index(
    layout: Layout, images: Sequence[Descriptor], *, docker: bool = False, tag: str = ""
) -> Descriptor:
    """Put an index of these images into the layout and return its descriptor."""
    index = Index(DOCKER_LIST if docker else OCI_INDEX, tuple(images))
    return _add(layout, index.encode(), index.media_type, None, tag)


def add_platforms(
    layout: Layout, platforms: Sequence[str], *, docker: bool = False, tag: str = ""
) -> Descriptor:
    """Put an image for several platforms into the layout and return the descriptor of its index."""
    images = [add_image(layout, platform=item, docker=docker) for item in platforms]
    return add_index(layout, images, docker=docker, tag=tag)


def _add(layout: Layout, content: bytes, media_type: str, platform: Platform | None, tag: str) -> Descriptor:
    described = Descriptor(media_type, digest_of(content), len(content), platform)
    layout.add(content, described.digest)
    if tag:
        layout.name(described, tag, "")
    return described


def new_layout(folder: Path) -> Layout:
    """An empty layout in a new folder."""
    return Layout.create(folder)
