"""Faults between client and registry end in success after a retry, or in the named error and exit code; nothing
wrong stands under a final name, and no key, token or signature is seen anywhere."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from support import faultproxy
from support.faultproxy import FaultProxy, Spoil
from support.program import Ngc
from support.registry import RunningRegistry

from ngc_cli.server.metadata import KeyKind

FILES = r"^/(?!v2/|token|v3/)"
MIB = 1024 * 1024


class World:
    """A registry behind a proxy, an ngc with a legacy key (which is exchanged for tokens), a model folder."""

    def __init__(self, registry: RunningRegistry, proxy: FaultProxy, ngc: Ngc, key: str, org: str) -> None:
        self.registry = registry
        self.proxy = proxy
        self.ngc = ngc
        self.key = key
        self.org = org
        self.source = ngc.folder / "model"
        self.output: list[str] = []

    def run(self, line: str, code: int | None = 0) -> str:
        """Run with --debug; returns stderr."""
        done = self.ngc.run(f"--debug {line}", code=code)
        self.output += [done.stdout, done.stderr]
        return done.stderr

    def download(self, code: int | None = 0) -> str:
        return self.run(f"registry model download-version {self.org}/m:1 --dest out --retries 2", code)

    def upload(self, code: int | None = 0, version: str = "2") -> str:
        return self.run(
            f"registry model upload-version --source model {self.org}/m:{version} --retries 2", code
        )

    def written(self) -> dict[str, bytes]:
        folder = self.ngc.folder / "out" / "m_v1"
        return contents(folder) if folder.exists() else {}

    def assert_no_secret(self) -> None:
        """Neither the key nor what came of it, in any form, in any output or file."""
        canaries = {self.key, *self.proxy.secrets}
        assert len(canaries) > 1
        forms = {
            form
            for canary in canaries
            for form in (canary, quote(canary, safe=""), base64.b64encode(canary.encode()).decode())
        }
        seen = "\n".join(self.output)
        for path in self.ngc.folder.rglob("*"):
            if path.is_file() and self.source not in path.parents and "out/m_v1" not in str(path):
                seen += path.read_bytes().decode("latin-1")
        assert not [form for form in forms if form in seen]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def world(
    registry: RunningRegistry, make_proxy: Callable[[str], FaultProxy], make_ngc: Callable[..., Ngc]
) -> World:
    org = registry.org()
    key = registry.key(org=org, kind=KeyKind.LEGACY)
    proxy = make_proxy(registry.url)
    ngc = make_ngc(None, key, NGC_CLI_API_URL=proxy.url)
    world = World(registry, proxy, ngc, key, org)
    (world.source / "sub").mkdir(parents=True)
    (world.source / "large.bin").write_bytes(os.urandom(20 * MIB))
    (world.source / "sub" / "small.bin").write_bytes(os.urandom(70_000))
    world.run(f"registry model create {org}/m")
    world.upload(version="1")
    return world


@pytest.mark.parametrize(
    "spoil",
    [
        faultproxy.flipped,
        faultproxy.cut,
        faultproxy.lying_length,
        faultproxy.html,
        faultproxy.status(500),
        faultproxy.status(503, Retry_After="0"),
        faultproxy.status(429, Retry_After="0.1"),
        faultproxy.status(403),
    ],
    ids=["flipped", "cut", "lying-length", "html", "500", "503", "429", "expired-link"],
)
def test_a_fault_of_a_file_request_is_outlived(world: World, spoil: Spoil) -> None:
    world.proxy.spoil("GET", FILES, spoil, times=2)
    world.download()
    assert world.written() == contents(world.source)
    world.assert_no_secret()


@pytest.mark.parametrize(
    ("spoil", "code", "said"),
    [
        (faultproxy.flipped, 16, "sha256"),
        (faultproxy.lying_length, 16, "bytes"),
        (faultproxy.html, 16, "bytes"),
        (faultproxy.cut, 3, "failed"),
        (faultproxy.status(500), 3, "failed"),
        (faultproxy.status(403), 3, "failed"),
        (faultproxy.status(404), 3, "failed"),
    ],
    ids=["flipped", "lying-length", "html", "cut", "500", "403", "404"],
)
def test_a_lasting_fault_of_a_file_request_has_its_exit_code(
    world: World, spoil: Spoil, code: int, said: str
) -> None:
    world.proxy.spoil("GET", FILES, spoil, times=None)
    assert said in world.download(code)
    assert world.written() == {}
    world.assert_no_secret()


@pytest.mark.parametrize("sequence", [[429, 429], [500, 503], [502, 504]], ids=str)
def test_passing_faults_of_the_api_are_outlived(world: World, sequence: list[int]) -> None:
    for status in sequence:
        world.proxy.spoil("GET", "^/v2/org", faultproxy.status(status, Retry_After="0"))
    world.download()
    assert world.written() == contents(world.source)
    world.assert_no_secret()


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (faultproxy.status(400), 1),
        (faultproxy.status(401), 10),
        (faultproxy.status(403), 11),
        (faultproxy.status(404), 12),
        (faultproxy.status(409), 13),
        (faultproxy.status(429, Retry_After="0"), 15),
        (faultproxy.status(500), 15),
        (faultproxy.html, 15),
        (faultproxy.cut, 14),
    ],
    ids=["400", "401", "403", "404", "409", "429", "500", "html", "cut"],
)
def test_lasting_faults_of_the_api_have_their_exit_codes(world: World, spoil: Spoil, code: int) -> None:
    world.proxy.spoil("GET", "^/v2/", spoil, times=None)
    err = world.download(code)
    assert "Error: " in err
    quiet = world.ngc.run(f"registry model download-version {world.org}/m:1 --retries 0", code=code).stderr
    assert "Traceback" not in quiet
    assert len(quiet.splitlines()) <= 6
    world.assert_no_secret()


def test_a_token_that_expires_midway_is_renewed(world: World) -> None:
    world.proxy.spoil("GET", "/files", faultproxy.status(401))
    world.proxy.spoil("POST", "/files/multipart", faultproxy.status(401))
    world.download()
    (world.source / "new.bin").write_bytes(os.urandom(1000))
    world.upload()
    assert world.ngc.json(f"registry model info {world.org}/m:2")["status"] == "UPLOAD_COMPLETE"
    world.assert_no_secret()


@pytest.mark.parametrize("path", ["../escape", "/abs/escape", "C:\\escape", "a/../../escape", "..\\escape"])
def test_paths_that_leave_the_folder_are_refused(world: World, path: str) -> None:
    world.proxy.spoil("GET", "/versions/1/files", faultproxy.renamed(path), times=None)
    with world.registry.watching() as requests:
        assert "not safe" in world.download(17)
    assert not [line for line in requests if not line.path.startswith(("/v2/", "/token"))]
    assert not list(world.ngc.folder.rglob("*escape*"))


def test_a_path_through_a_link_is_refused(world: World, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (world.ngc.folder / "out" / "m_v1").mkdir(parents=True)
    (world.ngc.folder / "out" / "m_v1" / "sub").symlink_to(outside)
    assert "not a folder" in world.download(17)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/versions$"),
        ("POST", "/m/files"),
        ("POST", "/files/multipart"),
        ("PUT", FILES),
        ("PUT", "/files/multipart"),
        ("POST", "/files/commit"),
        ("PATCH", "/versions/2"),
    ],
    ids=["version", "hashes", "start", "part", "complete", "commit", "status"],
)
@pytest.mark.parametrize("status", [403, 500, 503])
def test_an_upload_succeeds_or_leaves_no_visible_version(
    world: World, method: str, path: str, status: int
) -> None:
    """One failed request at each step, then a rerun: never exit 0 without a complete version, nothing sent twice."""
    (world.source / "new.bin").write_bytes(os.urandom(100_000))
    world.proxy.spoil(
        method, path, faultproxy.status(status, Retry_After="0"), times=1 if status != 500 else None
    )
    world.upload(None)
    exit_ok = "Upload status: Completed" in world.output[-2]
    listed = world.ngc.json(f"registry model list {world.org}/m:2", code=None)
    complete = [item["status"] for item in listed] == ["UPLOAD_COMPLETE"]
    assert complete or not exit_ok
    world.proxy.rules.clear()
    world.upload()
    world.ngc.run(f"registry model download-version {world.org}/m:2 --dest again")
    assert contents(world.ngc.folder / "again" / "m_v2") == contents(world.source)
    world.assert_no_secret()


def test_the_same_content_again_is_success_and_other_content_a_conflict(world: World) -> None:
    assert "already present" in world.upload(version="1")
    (world.source / "other.bin").write_bytes(b"other")
    assert "complete, with other files" in world.upload(13, version="1")


@pytest.mark.interop
def test_a_full_disk_is_named_and_the_rest_resumed(world: World, tmp_path: Path) -> None:
    import subprocess

    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    subprocess.run(mount, check=True)
    try:
        line = f"registry model download-version {world.org}/m:1 --dest {disk}"
        assert "are free" in world.run(line, 17)
        err = world.run(f"{line} --no-space-check", 17)
        assert "disk is full" in err
        assert not (disk / "m_v1" / "large.bin").exists()
        subprocess.run([*mount[:-4], "-o", "remount,size=64m", "tmpfs", str(disk)], check=True)
        world.run(line)
        assert contents(disk / "m_v1") == contents(world.source)
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    world.assert_no_secret()
