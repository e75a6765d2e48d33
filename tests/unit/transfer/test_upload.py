"""The sending side: what is listed, hashed and sent, with a server that is only a list of what came."""

from __future__ import annotations

import hashlib
import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ngc_cli.byte_range import ByteRange
from ngc_cli.errors import LocalFileError, NetworkError, NgcError
from ngc_cli.events import Silent
from ngc_cli.services.artifacts.upload_state import UploadState
from ngc_cli.transfer.hashing import hash_files
from ngc_cli.transfer.local_files import LocalFile, collect
from ngc_cli.transfer.upload import OpenBody, UploadReport, send

PART = 1000


@dataclass
class Server:
    """Takes parts; ``fail`` is asked before each."""

    fail: Callable[[str, int], NgcError | None] = lambda path, number: None
    confirmed: dict[str, set[int]] = field(default_factory=dict)
    parts: dict[str, dict[int, bytes]] = field(default_factory=dict)
    completed: list[str] = field(default_factory=list)
    part_size_bytes: int = PART
    under_way_bytes: int = 0
    most_under_way_bytes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, file: LocalFile) -> ServerUpload:
        return ServerUpload(self, file)


class ServerUpload:
    def __init__(self, server: Server, file: LocalFile) -> None:
        self.server, self.file = server, file

    def start(self) -> list[ByteRange]:
        size, part_bytes = self.file.size_bytes, self.server.part_size_bytes
        there = self.server.confirmed.get(self.file.path, set())
        numbers = [n for n in range(1, max(1, -(-size // part_bytes)) + 1) if n not in there]
        return [ByteRange((n - 1) * part_bytes, min(n * part_bytes, size)) for n in numbers]

    def has_progressed(self) -> bool:
        return False

    def put(self, part: ByteRange, open_body: OpenBody) -> None:
        server = self.server
        number = part.start // server.part_size_bytes + 1
        if error := server.fail(self.file.path, number):
            open_body(part).read(10)
            raise error
        made = open_body(part)
        with server.lock:
            server.under_way_bytes += len(made)
            server.most_under_way_bytes = max(server.most_under_way_bytes, server.under_way_bytes)
        data = b"".join(iter(lambda: made.read(65536), b""))
        with server.lock:
            server.under_way_bytes -= len(made)
            server.parts.setdefault(self.file.path, {})[number] = data

    def complete(self) -> None:
        self.server.completed.append(self.file.path)


class Counting(Silent):
    """Adds up what it is told."""

    def __init__(self) -> None:
        self.bytes = 0
        self.phases: list[str] = []

    def begin(self, phase: str, total_bytes: int, total_files: int) -> None:
        self.phases.append(phase)

    def advance(self, byte_count: int) -> None:
        self.bytes += byte_count


def make(folder: Path, sizes: dict[str, int]) -> dict[str, bytes]:
    contents = {path: random.Random(path).randbytes(size) for path, size in sizes.items()}
    for path, content in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return contents


def run(folder: Path, server: Server, progress: Silent | None = None, **options: Any) -> UploadReport:
    files = collect(folder, lambda text: None)
    return send(files, server.start, progress or Silent(), threading.Event(), **{"threads": 4, **options})


def hash_with(state: UploadState, files: list[LocalFile], progress: Silent) -> dict[str, str]:
    return hash_files(files, progress, threading.Event(), 4, known=state.digest_of, remember=state.add_digest)


def test_everything_arrives_once_and_is_completed(tmp_path: Path) -> None:
    contents = make(
        tmp_path, {"large": 10 * PART + 1, "exact": 2 * PART, "empty": 0, "d/small": 3, "d/e/m": 1}
    )
    server, progress = Server(), Counting()
    report = run(tmp_path, server, progress)
    arrived = {path: b"".join(parts[n] for n in sorted(parts)) for path, parts in server.parts.items()}
    assert arrived == contents
    assert sorted(server.completed) == sorted(contents)
    total = sum(map(len, contents.values()))
    assert (report.failed, report.sent_bytes, progress.bytes) == ({}, total, total)


def test_parts_that_the_server_has_are_not_sent(tmp_path: Path) -> None:
    make(tmp_path, {"f": 5 * PART, "g": PART})
    server = Server(confirmed={"f": {1, 3}, "g": {1}})
    report = run(tmp_path, server)
    assert sorted(server.parts["f"]) == [2, 4, 5]
    assert report.sent_bytes == 3 * PART
    assert sorted(server.completed) == ["f", "g"]


def test_a_file_that_fails_does_not_stop_the_others_and_is_not_completed(tmp_path: Path) -> None:
    make(tmp_path, {"bad": 8 * PART, "good": 3 * PART, "also": 10})
    error = NetworkError("gone")
    server = Server(fail=lambda path, number: error if (path, number) == ("bad", 3) else None)
    report = run(tmp_path, server)
    assert report.failed == {"bad": error}
    assert sorted(server.completed) == ["also", "good"]


def test_what_a_failed_try_sent_is_taken_back(tmp_path: Path) -> None:
    make(tmp_path, {"f": PART})

    class Twice(ServerUpload):
        def put(self, part: ByteRange, open_body: OpenBody) -> None:
            open_body(part).read(400)
            super().put(part, open_body)

    progress = Counting()
    server = Server()
    files = collect(tmp_path, lambda text: None)
    send(files, lambda file: Twice(server, file), progress, threading.Event(), threads=1)
    assert progress.bytes == PART


def test_a_part_is_sent_again_as_often_as_allowed(tmp_path: Path) -> None:
    make(tmp_path, {"f": 2 * PART})
    failures = [NetworkError("gone"), NetworkError("gone again")]
    server = Server(fail=lambda path, number: failures.pop() if number == 2 and failures else None)
    progress = Counting()
    report = run(tmp_path, server, progress, retries=2)
    assert (report.failed, server.completed, failures) == ({}, ["f"], [])
    assert (report.sent_bytes, progress.bytes) == (2 * PART, 2 * PART)


def test_the_first_failure_ends_it_where_nothing_is_worth_having_in_part(tmp_path: Path) -> None:
    make(tmp_path, {f"f{number}": 10 * PART for number in range(5)})
    server = Server(fail=lambda path, number: NetworkError("gone"))
    with pytest.raises(NetworkError, match="gone"):
        run(tmp_path, server, threads=1, stop_at_failure=True)
    assert server.completed == []


def test_large_parts_leave_room_for_small_files(tmp_path: Path) -> None:
    make(tmp_path, {"large": 20 << 20, "small": 10})
    small_is_there = threading.Event()

    class Waiting(ServerUpload):
        def put(self, part: ByteRange, open_body: OpenBody) -> None:
            if self.file.path == "large":
                assert small_is_there.wait(30)
            super().put(part, open_body)
            if self.file.path == "small":
                small_is_there.set()

    server = Server(part_size_bytes=64 << 20)
    files = collect(tmp_path, lambda text: None)
    send(files, lambda file: Waiting(server, file), Silent(), threading.Event(), threads=2)
    assert sorted(server.completed) == ["large", "small"]


def test_a_section_of_a_file_is_sent_like_a_file(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(bytes(range(100)))
    server = Server(part_size_bytes=30)
    file = LocalFile.section("layer", tmp_path / "archive", ByteRange(10, 80))
    send([file], server.start, Silent(), threading.Event(), threads=2)
    parts = server.parts["layer"]
    assert b"".join(parts[number] for number in sorted(parts)) == bytes(range(10, 80))


def test_little_is_under_way_at_once(tmp_path: Path) -> None:
    make(tmp_path, {"f": 60 << 20})
    server = Server(part_size_bytes=5 << 20)
    run(tmp_path, server, threads=16)
    assert server.most_under_way_bytes <= 16 << 20
    assert server.completed == ["f"]


def test_a_file_that_changes_ends_the_upload(tmp_path: Path) -> None:
    make(tmp_path, {"f": 3 * PART})
    files = collect(tmp_path, lambda text: None)
    os.utime(tmp_path / "f", ns=(1, 1))
    server = Server()
    with pytest.raises(LocalFileError, match="changed"):
        send(files, server.start, Silent(), threading.Event(), threads=2)
    assert server.completed == []


def test_a_cancel_ends_soon(tmp_path: Path) -> None:
    make(tmp_path, {f"f{number}": 50 * PART for number in range(8)})
    cancel = threading.Event()
    files = collect(tmp_path, lambda text: None)
    threading.Timer(0.3, cancel.set).start()
    started_s = time.monotonic()
    server = Server()
    send(files, server.start, Silent(), cancel, threads=4, rate_bytes_per_s=20 * PART)
    assert time.monotonic() - started_s < 2
    assert len(server.completed) < 8


def test_the_rate_holds_for_all_workers_together(tmp_path: Path) -> None:
    make(tmp_path, {f"f{number}": 100_000 for number in range(20)})
    started_s = time.monotonic()
    run(tmp_path, Server(part_size_bytes=50_000), threads=8, rate_bytes_per_s=1_000_000)
    assert 1.8 <= time.monotonic() - started_s <= 2.6


def test_what_is_collected(tmp_path: Path) -> None:
    root = tmp_path / "root"
    make(root, {".hidden/.f": 1, "empty": 0, "Ü b/名 #1": 2, ".ngc-transfer/key/done.jsonl": 9})
    make(tmp_path, {"outside/x": 5})
    (root / "to-file").symlink_to(tmp_path / "outside" / "x")
    (root / "to-folder").symlink_to(tmp_path / "outside")
    (root / "to-nothing").symlink_to("nowhere")
    (root / "empty-folder").mkdir()
    notes: list[str] = []
    found = {file.path: file.size_bytes for file in collect(root, notes.append)}
    assert found == {".hidden/.f": 1, "empty": 0, "Ü b/名 #1": 2}
    assert ["to-folder" in notes[0], "to-nothing" in notes[1], "to-file" in notes[2]] == [True, True, True]


@pytest.mark.parametrize("kind", ["missing", "pipe", "bytes"])
def test_what_cannot_be_sent_is_told_at_once(tmp_path: Path, kind: str) -> None:
    if kind == "pipe":
        os.mkfifo(tmp_path / "p")
    elif kind == "bytes":
        (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))).touch()
    with pytest.raises(LocalFileError):
        collect(tmp_path / "missing" if kind == "missing" else tmp_path, lambda text: None)


def test_a_file_is_hashed_once(tmp_path: Path) -> None:
    contents = make(tmp_path / "c", {"a": 3_000_000, "b": 0})
    files = collect(tmp_path / "c", lambda text: None)
    for expected in (3_000_000, 0):
        progress, state = Counting(), UploadState(tmp_path / "state")
        digests = hash_with(state, files, progress)
        state.close()
        assert digests == {path: hashlib.sha256(content).hexdigest() for path, content in contents.items()}
        assert progress.bytes == expected
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o600


def test_hashing_can_be_cancelled(tmp_path: Path) -> None:
    make(tmp_path, {"a": 3_000_000})
    cancel = threading.Event()
    cancel.set()
    files = collect(tmp_path, lambda text: None)
    assert hash_files(files, Silent(), cancel, 2) == {}


def test_the_state_survives_a_torn_line_and_tells_all(tmp_path: Path) -> None:
    path = tmp_path / "state"
    file = LocalFile("f", tmp_path / "f", 10, 20)
    state = UploadState(path)
    state.add_digest(file, "ab")
    state.add_upload("ab", "upload-1", PART)
    state.add_part("upload-1", 1)
    state.add_part("upload-1", 2)
    state.close()
    path.write_bytes(path.read_bytes()[:-5])
    state = UploadState(path)
    state.add_part("upload-1", 3)
    state.close()
    state = UploadState(path)
    assert state.digests == {(str(tmp_path / "f"), 10, 20): "ab"}
    assert state.uploads == {"ab": ("upload-1", PART)}
    assert state.parts["upload-1"] >= {1, 3}
    state.discard()
    assert not path.exists()
