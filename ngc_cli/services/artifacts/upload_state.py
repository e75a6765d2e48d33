"""What an upload of a version has done, so that a killed one goes on."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ngc_cli.json_text import parse_json
from ngc_cli.transfer.local_files import LocalFile


class UploadState:
    """What an upload has done, a line at a time, so that a killed one goes on; no links and nothing secret.

    Without a path nothing is remembered. Lines: a digest of a file as it was, an upload id of a digest, a part
    that the server has taken.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._fd = -1
        self.digests: dict[tuple[str, int, int], str] = {}
        self.uploads: dict[str, tuple[str, int]] = {}
        self.parts: dict[str, set[int]] = {}
        for line in self._lines():
            with contextlib.suppress(KeyError, TypeError, ValueError):
                self._replay(line)

    def _lines(self) -> Iterator[Any]:
        if self._path is None or not self._path.exists():
            return
        for text in self._path.read_text(errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                yield parse_json(text)

    def _replay(self, line: Any) -> None:
        if "mtime_ns" in line:
            self.digests[str(line["source"]), int(line["size"]), int(line["mtime_ns"])] = str(line["sha256"])
        elif "part" in line:
            self.parts.setdefault(str(line["upload"]), set()).add(int(line["part"]))
        else:
            self.uploads[str(line["sha256"])] = (str(line["upload"]), int(line["part_size"]))

    def digest_of(self, file: LocalFile) -> str | None:
        """The digest of a file if an earlier run has read it and it is unchanged since."""
        return self.digests.get((str(file.source), file.size_bytes, file.mtime_ns))

    def add_digest(self, file: LocalFile, digest: str) -> None:
        """Remember the digest of a file as it is now."""
        self.digests[str(file.source), file.size_bytes, file.mtime_ns] = digest
        self._add(source=str(file.source), size=file.size_bytes, mtime_ns=file.mtime_ns, sha256=digest)

    def add_upload(self, digest: str, upload_id: str, part_size_bytes: int) -> None:
        """Remember which upload takes this content."""
        self.uploads[digest] = (upload_id, part_size_bytes)
        self._add(sha256=digest, upload=upload_id, part_size=part_size_bytes)

    def add_part(self, upload_id: str, number: int) -> None:
        """Remember that the server has taken a part."""
        self._add(upload=upload_id, part=number)

    def discard(self) -> None:
        """Forget everything: the upload is complete."""
        self.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _add(self, **members: Any) -> None:
        if self._path is None:
            return
        with self._lock:
            if self._fd < 0:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
                os.write(self._fd, b"\n")  # ends a line that a kill has torn
            os.write(self._fd, (json.dumps(members) + "\n").encode())
