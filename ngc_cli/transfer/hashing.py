"""Digests of local files, in parallel, each read once."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Sequence

from ngc_cli.byte_range import ByteRange
from ngc_cli.events import Progress
from ngc_cli.transfer.local_files import FileBody, LocalFile
from ngc_cli.transfer.manager import Limiter, Pool, Task


def hash_files(
    files: Sequence[LocalFile],
    progress: Progress,
    cancel: threading.Event,
    threads: int,
    *,
    known: Callable[[LocalFile], str | None] = lambda file: None,
    remember: Callable[[LocalFile, str], None] = lambda file, digest: None,
) -> dict[str, str]:
    """Hex sha256 of every file by path; some are missing after a cancel.

    A file whose digest is ``known`` is not read; ``remember`` gets every digest that was worked out here.
    """
    digests: dict[str, str] = {}
    pending: list[LocalFile] = []
    for file in files:
        digest = known(file)
        if digest is None:
            pending.append(file)
        else:
            digests[file.path] = digest
    progress.begin("hash", sum(file.size_bytes for file in pending), len(pending))
    pool = Pool(min(threads, os.cpu_count() or 1), cancel)  # hashing keeps a core busy by itself

    def task(file: LocalFile) -> Task:
        def work(buffer: memoryview) -> None:
            hashed = hashlib.sha256()
            with FileBody(file, ByteRange(0, file.size_bytes), Limiter(0, cancel), progress) as body:
                while count := body.readinto(buffer):
                    hashed.update(buffer[:count])
            digests[file.path] = hashed.hexdigest()
            remember(file, digests[file.path])
            progress.file_done(file.path)

        return work

    pool.run(task(file) for file in pending)
    progress.end()
    return digests
