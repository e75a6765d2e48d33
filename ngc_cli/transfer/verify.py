"""What is on the disk of the files to fetch: found by size, time and digest, without a request."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ngc_cli.errors import IntegrityError
from ngc_cli.events import Progress
from ngc_cli.transfer.finished import Finished, FinishedFiles
from ngc_cli.transfer.journal import StateFolder
from ngc_cli.transfer.manager import Cancelled, Pool
from ngc_cli.transfer.remote_files import DownloadOptions, DownloadReport, RemoteFile
from ngc_cli.transfer.sink import hash_file
from ngc_cli.transfer.tree import Tree, check_paths, disk_errors, free_bytes

HASHERS = os.cpu_count() or 1  # hashing keeps a core busy by itself


@dataclass(frozen=True)
class DownloadPlan:
    """What is there and what is missing, in bytes; free space of the disk."""

    present_bytes: int
    missing_bytes: int
    free_bytes: int


def known_files(
    files: Sequence[RemoteFile], tree: Tree, known: Mapping[str, Finished]
) -> tuple[set[str], list[RemoteFile]]:
    """Paths of files that are on disk as they were verified, and files of the right size that nobody has verified."""
    present: set[str] = set()
    unknown: list[RemoteFile] = []
    for file in files:
        status = tree.status(file.path)
        if status is None or status.st_size != file.size_bytes:
            continue
        done = known.get(file.path)
        if done is None or not done.describes(status) or not done.sha256:
            if file.sha256:
                unknown.append(file)
            elif done is not None and done.describes(status):
                present.add(file.path)
        elif file.sha256 in (None, done.sha256):
            present.add(file.path)
    return present, unknown


def hash_present(
    files: Sequence[RemoteFile],
    tree: Tree,
    progress: Progress,
    pool: Pool,
    tell: Callable[[RemoteFile, os.stat_result, str], None],
) -> None:
    """Hash files on disk, several at a time, and tell status and digest of each; stops early when cancelled."""

    def work(file: RemoteFile, buffer: memoryview) -> None:
        def advance(byte_count: int) -> None:
            progress.advance(byte_count)
            if pool.stopping:
                raise Cancelled("interrupted")

        path = tree.root / file.path
        with disk_errors(path):
            status = path.stat()
            digest = hash_file(path, buffer, advance)
        tell(file, status, digest)
        progress.file_done(file.path)

    progress.begin("verify", sum(file.size_bytes for file in files), len(files))
    try:
        pool.run(partial(work, file) for file in files)
    finally:
        progress.end()


def verify_folder(
    files: Sequence[RemoteFile],
    folder: Path,
    progress: Progress,
    cancel: threading.Event,
    *,
    follow_root: bool = True,
) -> DownloadReport:
    """Compare the files on disk with what they should be; nothing is fetched or changed."""
    check_paths((file.path for file in files), folds_names=lambda: False)
    tree = Tree(folder, follow_root=follow_root)
    report = DownloadReport()
    to_hash: list[RemoteFile] = []
    for file in files:
        status = tree.status(file.path)
        if status is None:
            report.failed[file.path] = IntegrityError("is missing")
        elif status.st_size != file.size_bytes:
            report.failed[file.path] = IntegrityError(
                f"has {status.st_size} bytes instead of {file.size_bytes}"
            )
        elif file.sha256:
            to_hash.append(file)
        else:
            report.skipped.append(file.path)

    def tell(file: RemoteFile, status: os.stat_result, digest: str) -> None:
        if digest == file.sha256:
            report.skipped.append(file.path)
        else:
            report.failed[file.path] = IntegrityError(f"has sha256 {digest} instead of {file.sha256}")

    hash_present(to_hash, tree, progress, Pool(HASHERS, cancel), tell)
    return report


def plan_download(
    files: Sequence[RemoteFile], folder: Path, options: DownloadOptions, progress: Progress
) -> DownloadPlan:
    """How much is there already, in files and parts of files; checks names, makes no request and writes nothing."""
    check_paths((file.path for file in files), folds_names=lambda: False)
    tree = Tree(folder, follow_root=options.follow_root)
    present, unknown = known_files(files, tree, FinishedFiles(options.memory).load())

    def tell(file: RemoteFile, status: os.stat_result, digest: str) -> None:
        if digest == file.sha256:
            present.add(file.path)

    if unknown:
        hash_present(unknown, tree, progress, Pool(HASHERS, threading.Event()), tell)
    present_bytes = sum(file.size_bytes for file in files if file.path in present)
    present_bytes += StateFolder(options.state).resumable_bytes(
        {file.path: file.content for file in files if file.path not in present}
    )
    total_bytes = sum(file.size_bytes for file in files)
    return DownloadPlan(present_bytes, total_bytes - present_bytes, free_bytes(folder))
