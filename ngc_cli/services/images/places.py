"""Places of images on this machine, as ``--output`` and ``--source`` name them.

Source: docs/cli.md#registry-image; the words are those of skopeo and podman.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ngc_cli.errors import UsageError
from ngc_cli.file_names import STATE_FOLDER
from ngc_cli.oci.layout import Layout, local_error
from ngc_cli.refs import ImageRef
from ngc_cli.transfer.private_folder import Place as FilePlace
from ngc_cli.transfer.private_folder import PrivateFolder, open_state

OCI: Final = "oci"
OCI_ARCHIVE: Final = "oci-archive"
DOCKER_ARCHIVE: Final = "docker-archive"
DOCKER_DAEMON: Final = "docker-daemon"
SIF: Final = "sif"
_FORMS = "oci:FOLDER, oci-archive:FILE, docker-archive:FILE, sif:FILE, docker-daemon:"


@dataclass(frozen=True)
class Place:
    """A layout folder, an archive file, a SIF file or the daemon (then without a path)."""

    kind: str
    path: Path | None = None

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read ``kind:path``; raises UsageError."""
        kind, colon, path = text.partition(":")
        if not colon or kind not in (OCI, OCI_ARCHIVE, DOCKER_ARCHIVE, SIF, DOCKER_DAEMON):
            raise UsageError(f"'{text}' is not a place for an image", hint=f"Write one of: {_FORMS}")
        if kind == DOCKER_DAEMON:
            if path:
                raise UsageError(
                    f"'{text}' has a path", hint="The image is named by the target: docker-daemon:"
                )
            return cls(kind)
        if not path and kind == SIF:
            return cls(kind)  # named by the image
        if not path:
            raise UsageError(f"'{text}' has no path", hint=f"Write one of: {_FORMS}")
        return cls(kind, Path(path))

    @property
    def file(self) -> Path:
        """The path of a place that has one."""
        assert self.path is not None
        return self.path

    @property
    def is_archive(self) -> bool:
        """Whether it is one file."""
        return self.kind in (OCI_ARCHIVE, DOCKER_ARCHIVE)

    def __str__(self) -> str:
        return f"{self.kind}:{'' if self.path is None else self.path.absolute()}"


@dataclass(frozen=True)
class Staging:
    """A private folder to prepare an image in: a layout, and one file."""

    folder: PrivateFolder

    @property
    def path(self) -> Path:
        """The folder itself."""
        return self.folder.path

    @property
    def image(self) -> Path:
        """Where the layout belongs."""
        return self.path / "image"

    @property
    def archive(self) -> FilePlace:
        """Where an archive is written before it gets its name."""
        return FilePlace(self.folder, "archive.tar")

    def discard(self) -> None:
        """Remove what belongs here, and nothing else."""
        self.archive.unlink()
        Layout(self.image).discard()


def default_folder(ref: ImageRef) -> Path:
    """The layout that a pull without a daemon makes, and a push without one reads: ``./<image>_<tag>``."""
    return Path(f"{ref.name}_{ref.tag or ref.digest.partition(':')[2][:12]}")


@contextmanager
def staging(
    beside: Path | None, key: str, note: Callable[[str], None] = lambda text: None
) -> Iterator[Staging]:
    """Where to prepare an image; it stays when the block fails, so that the next run goes on from it.

    It lies in ``beside``, on the disk of what is made of it; without that in the temporary folder, for one run.
    Raises LocalFileError.
    """
    with contextlib.ExitStack() as stack:
        if beside is None:
            root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ngc-image-")))
            opened = [PrivateFolder.open(root)]
        else:
            root = beside / STATE_FOLDER / key
            try:
                opened = open_state(root, note=note)
            except OSError as error:
                raise local_error(error, root) from error
        for folder in opened:
            stack.callback(folder.close)
        prepared = Staging(opened[-1])
        yield prepared
        if beside is not None:
            prepared.discard()
            for folder in reversed(opened):
                folder.remove_if_empty()
