"""The download engine against a server that misbehaves: success after a retry, or the named error, and never a wrong
file under a final name."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from support import faultserver
from support.faultserver import FaultServer

from ngc_cli.errors import IntegrityError, LocalFileError, NetworkError, NotFound
from ngc_cli.events import Silent
from ngc_cli.http.ranges import open_range
from ngc_cli.http.session import Http, HttpSettings
from ngc_cli.transfer.download import download
from ngc_cli.transfer.journal import StateFolder
from ngc_cli.transfer.remote_files import DownloadOptions, DownloadReport, RemoteFile
from ngc_cli.transfer.verify import plan_download, verify_folder

MIB = 1024 * 1024
SMALL = random.Random(1).randbytes(3 * MIB + 17)
LARGE = random.Random(2).randbytes(40 * MIB + 5)


ANOTHER_PROCESS = """
import json, sys, threading
from functools import partial
from pathlib import Path
from ngc_cli.events import Silent
from ngc_cli.http.ranges import open_range
from ngc_cli.http.session import Http, HttpSettings
from ngc_cli.transfer.download import download
from ngc_cli.transfer.remote_files import DownloadOptions, RemoteFile

given = json.load(sys.stdin)
http = Http(HttpSettings(timeout_s=1.0, retries=0))
files = [
    RemoteFile(path, size_bytes, sha256, partial(open_range, http, f"{given['url']}/{path}"))
    for path, size_bytes, sha256 in given["files"]
]
options = DownloadOptions(Path(given["state"]), **{"retries": 3, **given["options"]})
report = download(files, Path(given["folder"]), options, Silent(), threading.Event())
print(json.dumps({"fetched": report.fetched, "failed": [*report.failed]}))
"""


class Client:
    """Downloads what a fault server serves into a folder."""

    def __init__(self, server: FaultServer, tmp_path: Path) -> None:
        self.server = server
        self.folder = tmp_path / "out"
        self.state = tmp_path / ".state"
        self.memory = tmp_path / "home" / "0123456789abcdef.jsonl"
        self.http = Http(HttpSettings(timeout_s=1.0, retries=0))
        self.cancel = threading.Event()

    def files(self, *paths: str, digests: bool = True) -> list[RemoteFile]:
        return [
            RemoteFile(
                path,
                len(self.server.files[path]),
                hashlib.sha256(self.server.files[path]).hexdigest() if digests else None,
                partial(open_range, self.http, f"{self.server.url}/{path}"),
            )
            for path in paths or self.server.files
        ]

    def run(self, files: list[RemoteFile] | None = None, **options: object) -> DownloadReport:
        chosen = DownloadOptions(self.state, self.memory, **{"retries": 3, **options})  # type: ignore[arg-type]
        return download(files or self.files(), self.folder, chosen, Silent(), self.cancel)

    def start(self, **options: object) -> subprocess.Popen[str]:
        """The same as ``run`` in a process of its own, a new one: a fork of this one would inherit its locks."""
        given = {
            "url": self.server.url,
            "files": [
                (path, len(content), hashlib.sha256(content).hexdigest())
                for path, content in self.server.files.items()
            ],
            "folder": str(self.folder),
            "state": str(self.state),
            "options": options,
        }
        words = [sys.executable, "-c", ANOTHER_PROCESS]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdin is not None
        process.stdin.write(json.dumps(given))
        process.stdin.close()
        process.stdin = None
        return process

    def assert_all_there(self) -> None:
        for path, content in self.server.files.items():
            assert (self.folder / path).read_bytes() == content, path


@pytest.fixture
def client(faults: FaultServer, tmp_path: Path) -> Client:
    return Client(faults, tmp_path)


def test_a_tree_arrives_byte_identical(client: Client) -> None:
    for path, content in {"a.bin": SMALL, "sub/deep/b.bin": LARGE, "empty": b"", "sub/c": b"1"}.items():
        client.server.add(path, content)
    report = client.run()
    assert sorted(report.fetched) == sorted(client.server.files)
    client.assert_all_there()
    assert report.received_bytes == len(SMALL) + len(LARGE) + 1 == client.server.sent_bytes


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    "faults_of_it",
    [
        [faultserver.cut(0)],
        [faultserver.cut(1)],
        [faultserver.cut(MIB), faultserver.cut(MIB - 1)],
        [faultserver.status(503), faultserver.status(500)],
        [faultserver.status(429)],
        [faultserver.stall],
        [faultserver.html],
        [faultserver.other_range],
        [faultserver.longer],
        [faultserver.whole],
        [faultserver.flip(5)],
    ],
    ids=[
        "cut-0",
        "cut-1",
        "cut-twice",
        "5xx",
        "429",
        "stall",
        "html",
        "other-range",
        "longer",
        "no-ranges",
        "flipped",
    ],
)
def test_passing_faults_end_in_the_right_bytes(
    client: Client, content: bytes, faults_of_it: list[faultserver.Fault]
) -> None:
    client.server.add("f", content, *faults_of_it)
    report = client.run()
    assert report.failed == {}
    client.assert_all_there()
    assert list(client.state.rglob("*.part")) == []


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (faultserver.cut(0), NetworkError),
        (faultserver.html, IntegrityError),
        (faultserver.longer, IntegrityError),
        (faultserver.flip(7), IntegrityError),
        (faultserver.status(404), NotFound),
    ],
    ids=["cut", "html", "longer", "flipped", "404"],
)
def test_lasting_faults_end_in_the_named_error_and_no_file(
    client: Client, content: bytes, fault: faultserver.Fault, kind: type[Exception]
) -> None:
    client.server.add("bad", content, *[fault] * 200)
    client.server.add("good", SMALL)
    report = client.run(retries=1)
    assert isinstance(report.failed["bad"], kind)
    assert not (client.folder / "bad").exists()
    assert report.fetched == ["good"]


def test_a_second_run_over_a_complete_folder_asks_for_nothing(client: Client) -> None:
    for number in range(300):
        client.server.add(f"d{number % 7}/f{number}", b"x" * number)
    client.run()
    requests = len(client.server.requests)
    started = time.monotonic()
    report = client.run()
    assert len(client.server.requests) == requests
    assert len(report.skipped) == 300
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("damage", ["changed", "shorter", "missing"])
def test_a_damaged_file_is_fetched_again_and_only_it(client: Client, damage: str) -> None:
    for name in ("a", "b"):
        client.server.add(name, SMALL)
    client.run()
    path = client.folder / "b"
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(b"!" + SMALL[1:] if damage == "changed" else SMALL[:-1])
    assert client.run().fetched == ["b"]
    client.assert_all_there()


def test_files_that_were_there_before_are_verified_instead_of_fetched(client: Client) -> None:
    client.server.add("a", SMALL)
    client.folder.mkdir()
    (client.folder / "a").write_bytes(SMALL)
    assert client.run().skipped == ["a"]
    assert client.server.requests == []


def test_changed_content_on_the_server_begins_again(client: Client) -> None:
    client.server.add("f", LARGE, *[faultserver.cut(MIB)] * 200)
    assert "f" in client.run(retries=0).failed
    client.server.faults["f"].clear()
    changed = bytes(reversed(LARGE))
    client.server.files["f"] = changed
    assert client.run().fetched == ["f"]
    client.assert_all_there()


@pytest.mark.parametrize("threads", [1, 4])
def test_an_interrupted_download_goes_on_where_it_stopped(client: Client, threads: int) -> None:
    client.server.add("f", LARGE)
    first = client.start(threads=threads, rate_bytes_per_s=40 * MIB)
    state, content = StateFolder(client.state), {"f": client.files()[0].content}
    deadline = time.monotonic() + 30
    while state.resumable_bytes(content) < len(LARGE) // 3:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    first.kill()
    first.communicate()
    assert not (client.folder / "f").exists()
    kept_bytes = state.resumable_bytes(content)
    assert (
        plan_download(client.files(), client.folder, DownloadOptions(client.state), Silent()).present_bytes
        == kept_bytes
    )
    report = client.run(threads=threads)
    client.assert_all_there()
    assert client.server.sent_bytes <= len(LARGE) + 16 * MIB
    assert report.received_bytes == len(LARGE) - kept_bytes


def test_a_live_owner_keeps_its_partial(client: Client) -> None:
    client.server.add("f", SMALL, faultserver.slowly(MIB))
    other = threading.Thread(target=client.run)
    other.start()
    deadline = time.monotonic() + 10
    while not list(client.state.rglob("*.part")):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    told, _ = client.start().communicate(timeout=60)
    assert json.loads(told) == {"fetched": ["f"], "failed": []}
    other.join()
    client.assert_all_there()


def test_the_rate_is_kept_with_any_number_of_workers(client: Client) -> None:
    for number in range(4):
        client.server.add(f"f{number}", SMALL[:MIB])
    started = time.monotonic()
    client.run(threads=8, rate_bytes_per_s=4 * MIB)
    assert 0.9 <= time.monotonic() - started <= 1.4


def test_a_cancel_ends_within_two_seconds_and_keeps_what_is_there(client: Client) -> None:
    for number in range(8):
        client.server.add(f"f{number}", SMALL, *[faultserver.stall] * 20)
    client.http = Http(HttpSettings(timeout_s=30, retries=0))
    threading.Timer(0.3, client.cancel.set).start()
    started = time.monotonic()
    report = client.run(threads=8)
    assert time.monotonic() - started < 2
    assert report.fetched == []
    assert list(client.folder.iterdir()) == []


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "a/../../x",
        "/x",
        "C:\\x",
        "..\\x",
        "\\\\host\\s\\x",
        "a\x00b",
        "a//b",
        "./a",
        "a/.",
        "",
        "a/",
        "c:x",
        "..",
    ],
)
def test_names_that_leave_the_folder_are_refused_before_any_request(client: Client, path: str) -> None:
    client.server.add("good", b"1")
    bad = RemoteFile(path, 1, None, partial(open_range, client.http, f"{client.server.url}/good"))
    with pytest.raises(LocalFileError, match="not safe"):
        client.run([*client.files(), bad])
    assert client.server.requests == []
    assert not client.folder.exists()


@pytest.mark.parametrize("paths", [("a", "a"), ("a", "a/b")])
def test_names_that_collide_are_refused(client: Client, paths: tuple[str, str]) -> None:
    files = [RemoteFile(path, 0, None, lambda wanted: pytest.fail("asked")) for path in paths]
    with pytest.raises(LocalFileError):
        client.run(files)


def test_a_link_inside_the_folder_is_not_followed(client: Client, tmp_path: Path) -> None:
    client.server.add("sub/f", b"new")
    outside = tmp_path / "outside"
    outside.mkdir()
    client.folder.mkdir()
    (client.folder / "sub").symlink_to(outside)
    with pytest.raises(LocalFileError, match="not a folder"):
        client.run()
    assert list(outside.iterdir()) == []


def test_a_link_in_place_of_a_file_is_replaced_not_followed(client: Client, tmp_path: Path) -> None:
    client.server.add("f", b"new")
    outside = tmp_path / "outside"
    outside.write_bytes(b"old")
    client.folder.mkdir()
    (client.folder / "f").symlink_to(outside)
    client.run()
    assert outside.read_bytes() == b"old"
    client.assert_all_there()


def test_long_names_work(client: Client) -> None:
    client.server.add("n" * 240, SMALL, faultserver.cut(MIB))
    client.run()
    client.assert_all_there()


def test_too_little_space_is_told_before_the_first_byte(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.server.add("f", SMALL)
    monkeypatch.setattr("ngc_cli.transfer.download.free_bytes", lambda folder: 100)
    with pytest.raises(LocalFileError, match="are free"):
        client.run()
    assert client.server.requests == []
    assert client.run(check_space=False).fetched == ["f"]


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_a_disk_that_fills_up_ends_it_and_leaves_a_resumable_state(
    client: Client, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.server.add("f", content)
    real, budget = os.pwrite, [2 * MIB]

    def pwrite(fd: int, data: memoryview, offset: int) -> int:
        budget[0] -= len(data)
        if budget[0] < 0:
            raise OSError(28, "No space left on device")
        return real(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    with pytest.raises(LocalFileError, match="disk is full"):
        client.run()
    assert not (client.folder / "f").exists()
    monkeypatch.undo()
    assert client.run().fetched == ["f"]
    client.assert_all_there()


def test_verifying_finds_every_damage_and_fetches_nothing(client: Client) -> None:
    for name in "abcd":
        client.server.add(name, SMALL)
    client.run()
    (client.folder / "a").write_bytes(b"!" + SMALL[1:])
    (client.folder / "b").write_bytes(SMALL[1:])
    (client.folder / "c").unlink()
    requests = len(client.server.requests)
    report = verify_folder(client.files(), client.folder, Silent(), client.cancel)
    assert (set(report.failed), report.skipped) == ({"a", "b", "c"}, ["d"])
    assert len(client.server.requests) == requests


def test_small_files_use_few_connections(client: Client) -> None:
    for number in range(200):
        client.server.add(f"f{number}", b"x" * 1000)
    client.run(threads=4)
    assert client.server.connections <= 6


def test_a_new_entity_tag_begins_again(client: Client) -> None:
    client.server.add("f", LARGE, *[faultserver.cut(MIB)] * 200)
    client.run(client.files(digests=False), retries=0)
    client.server.faults["f"].clear()
    client.server.etags["f"] = '"second"'
    client.server.files["f"] = bytes(reversed(LARGE))
    report = client.run(client.files(digests=False))
    assert report.fetched == ["f"]
    client.assert_all_there()


def test_replicas_with_tags_of_their_own_are_judged_by_the_digest(client: Client) -> None:
    client.server.add("f", LARGE, *[faultserver.tagged(f'"{number}"') for number in range(200)])
    assert client.run().fetched == ["f"]
    client.assert_all_there()


def test_content_that_changes_all_the_time_is_refused(client: Client) -> None:
    faults = [faultserver.tagged(f'"{number}"', cut_at=MIB) for number in range(200)]
    client.server.add("f", LARGE, *faults)
    report = client.run(client.files(digests=False))
    assert isinstance(report.failed["f"], IntegrityError)
    assert not (client.folder / "f").exists()


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_a_server_without_ranges_that_breaks_is_read_from_its_beginning(
    client: Client, content: bytes
) -> None:
    breaks = [faultserver.whole_cut(2 * MIB)] * 6
    client.server.add("f", content, *breaks, *[faultserver.whole] * 40)
    assert client.run(threads=4, retries=10).fetched == ["f"]
    client.assert_all_there()


@pytest.mark.parametrize("content", [b"x" * 1000, SMALL, LARGE], ids=["tiny", "small", "large"])
def test_a_server_that_has_less_is_told(client: Client, content: bytes) -> None:
    client.server.add("f", content, *[faultserver.status(416)] * 200)
    report = client.run()
    assert isinstance(report.failed["f"], IntegrityError)
    assert len(client.server.requests) <= 20


def test_the_stated_time_is_waited(client: Client) -> None:
    client.server.add("f", SMALL, faultserver.status(429, {"Retry-After": "1"}))
    started = time.monotonic()
    assert client.run().fetched == ["f"]
    assert time.monotonic() - started >= 1


@pytest.mark.parametrize("at", [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 16])
def test_a_break_at_every_interesting_byte(client: Client, at: int) -> None:
    client.server.add("f", SMALL, faultserver.cut(at), faultserver.cut(1))
    report = client.run()
    assert report.failed == {}
    client.assert_all_there()
    assert client.server.sent_bytes == len(SMALL)


def test_two_processes_one_of_them_killed(client: Client) -> None:
    client.server.add("f", LARGE)
    client.server.add("g", SMALL)
    killed, survivor = (client.start(rate_bytes_per_s=40 * MIB) for _ in range(2))
    deadline = time.monotonic() + 30
    while client.server.sent_bytes < len(LARGE) // 2:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    killed.kill()
    killed.communicate()
    told, _ = survivor.communicate(timeout=60)
    assert json.loads(told)["failed"] == []
    client.assert_all_there()
    assert client.run().skipped == ["f", "g"]
    assert not client.state.exists()


def test_locks_are_not_used(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*args: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", missing)
    monkeypatch.setattr("fcntl.lockf", missing)
    client.server.add("f", LARGE)
    assert client.run().fetched == ["f"]


def test_systems_without_writing_at_a_place_work_too(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pwrite", "posix_fallocate"):
        monkeypatch.delattr(os, name)
    for module in ("tree", "private_folder"):
        monkeypatch.setattr(f"ngc_cli.transfer.{module}.HAS_DIR_FD", False)
    client.server.add("a/f", LARGE)
    client.server.add("g", SMALL)
    assert client.run(threads=4).failed == {}
    client.assert_all_there()


def test_an_obstacle_to_one_file_does_not_stop_the_others(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.server.add("bad/f", LARGE)
    client.server.add("good", SMALL)
    real = os.replace

    def replace(source: Path, name: str, **options: int) -> None:
        if name == "f":
            raise PermissionError(13, "Permission denied")
        real(source, name, **options)

    monkeypatch.setattr(os, "replace", replace)
    report = client.run()
    assert report.fetched == ["good"]
    assert "Permission denied" in report.failed["bad/f"].message


def test_a_cancel_while_existing_files_are_hashed(client: Client) -> None:
    client.server.add("f", LARGE)
    client.folder.mkdir()
    (client.folder / "f").write_bytes(LARGE)
    client.cancel.set()
    assert client.run().fetched == []
    assert client.server.requests == []


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    code = """
import re, sys, threading
from pathlib import Path
from ngc_cli.events import Silent
from ngc_cli.transfer.download import download
from ngc_cli.transfer.remote_files import DownloadOptions, RemoteFile
SIZE = 1536 << 20
class Zeros:
    total_bytes, etag = SIZE, ""
    def __init__(self, wanted): self.start, self.left = wanted.start, wanted.size_bytes
    def readinto(self, buffer):
        count = min(len(buffer), self.left)
        buffer[:count] = bytes(count)
        self.left -= count
        return count
    def close(self): pass
    abort = close
folder = Path(sys.argv[1])
file = RemoteFile("f", SIZE, None, Zeros)
report = download([file], folder / "out", DownloadOptions(folder / "state"), Silent(), threading.Event())
assert report.fetched == ["f"], report
print(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=True, stdout=subprocess.PIPE, text=True
    )
    assert int(done.stdout) < 100 * 1024
    assert (tmp_path / "out" / "f").stat().st_size == 1536 << 20
    (tmp_path / "out" / "f").unlink()
