"""After a power cut at any moment every file under a final name is whole, and after success all of them are there."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from support.faultserver import FaultServer
from support.powercut import Disk

from ngc_cli.events import Silent
from ngc_cli.files import write_atomically
from ngc_cli.http.ranges import open_range
from ngc_cli.http.session import Http, HttpSettings
from ngc_cli.oci.layout import Layout
from ngc_cli.transfer.download import download
from ngc_cli.transfer.remote_files import DownloadOptions, RemoteFile

MIB = 1024 * 1024
CONTENT = {
    "small": b"s" * 1000,
    "empty": b"",
    "a/b/c/small": b"t" * 2000,
    "a/other": b"u",
    "medium/m": random.Random(1).randbytes(3 * MIB),
    "large/deep/l": random.Random(2).randbytes(18 * MIB),
}


@pytest.fixture
def disk_of(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], Disk]]:
    made: list[Disk] = []

    def make(root: Path) -> Disk:
        made.append(Disk(root, monkeypatch))
        return made[-1]

    yield make
    monkeypatch.undo()
    for disk in made:
        disk.close()


@pytest.mark.parametrize("there", ["nothing", "old"])
def test_a_download_survives_a_power_cut(
    faults: FaultServer, tmp_path: Path, disk_of: Callable[[Path], Disk], there: str
) -> None:
    old = {"new/dest/small": b"old", "new/dest/a/other": b"old"} if there == "old" else {}
    for path, content in old.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    http = Http(HttpSettings(timeout_s=10, retries=0))
    files = [
        RemoteFile(
            path, len(content), faults.add(path, content), partial(open_range, http, f"{faults.url}/{path}")
        )
        for path, content in CONTENT.items()
    ]
    disk = disk_of(tmp_path)
    options = DownloadOptions(tmp_path / "new" / ".ngc-transfer" / "key")
    report = download(files, tmp_path / "new" / "dest", options, Silent(), threading.Event())
    assert len(report.fetched) == len(CONTENT)
    assert disk.torn == []
    for left in disk.checks:  # the power may go at any of these moments
        for path, content in CONTENT.items():
            name = f"new/dest/{path}"
            assert left.get(name, content) in (content, old.get(name)), path
    assert {name: data for name, data in disk.left().items() if "/dest/" in name} == {
        f"new/dest/{path}": content for path, content in CONTENT.items()
    }


def test_a_layout_survives_a_power_cut(tmp_path: Path, disk_of: Callable[[Path], Disk]) -> None:
    from ngc_cli.oci.descriptor import digest_of

    disk = disk_of(tmp_path)
    layout = Layout.create(tmp_path / "out")
    for content, algorithm in ((b"{}", "sha256"), (b"[]", "sha512")):
        layout.add(content, digest_of(content, algorithm))
    assert disk.torn == []
    kept = {
        path.relative_to(tmp_path).as_posix(): path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert disk.left() == kept


def test_a_file_that_is_replaced_is_the_old_or_the_new_one(
    tmp_path: Path, disk_of: Callable[[Path], Disk]
) -> None:
    (tmp_path / "f").write_bytes(b"old")
    disk = disk_of(tmp_path)
    write_atomically(tmp_path / "f", b"new", sync=True)
    assert (disk.torn, disk.left()["f"]) == ([], b"new")
    assert all(left["f"] in (b"old", b"new") for left in disk.checks)
