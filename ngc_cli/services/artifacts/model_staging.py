"""Where a model is prepared before an inference server may see it: a folder of this user alone, beside the store.

Source: docs/guides/inference-server.md.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ngc_cli.transfer.private_folder import PrivateFolder, open_state
from ngc_cli.transfer.tree import disk_errors

if TYPE_CHECKING:
    from ngc_cli.events import Progress


@dataclass(frozen=True)
class Stage:
    """A folder of this user alone in which a model is prepared, after the one that it is in."""

    opened: Sequence[PrivateFolder]

    @property
    def path(self) -> Path:
        """The folder itself."""
        return self.opened[-1].path

    def discard(self) -> None:
        """Remove what is made there, and the folders if nothing else is in them."""
        for name in ("config", "content", "arranged"):
            shutil.rmtree(self.path / name, ignore_errors=True)
        for folder in reversed(self.opened):
            folder.remove_if_empty()


@contextmanager
def staging(folder: Path, progress: Progress) -> Iterator[Stage]:
    """Open the folder to prepare in; one that others could have put there is left alone. Raises LocalFileError."""
    with disk_errors(folder):
        opened = open_state(folder, note=progress.note)
    try:
        yield Stage(opened)
    finally:
        for item in opened:
            item.close()
