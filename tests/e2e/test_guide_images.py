"""Every command line of the guide's chapter 5 (and of 3.3, 3.4 where they are of images), as printed, against
``ngc local``; and what happens to images when a process is killed or a key could be seen."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.images import add_image, add_platforms, noise
from support.memoryregistry import MemoryRegistry
from support.program import BIN, Ngc
from support.registry import wait_until
from support.tokenproxy import KEY, Stall, TokenProxy, cut_answer, stall_answer, stall_request

from ngc_cli.oci.descriptor import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Descriptor, digest_of
from ngc_cli.oci.layout import Layout, find, reachable
from ngc_cli.oci.manifest import Manifest

NO_DAEMON = {"DOCKER_HOST": "unix:///nonexistent"}


@pytest.fixture
def ngc(local_ngc: Ngc) -> Ngc:
    return local_ngc.with_environ(NO_DAEMON)


def answered(ngc: Ngc, line: list[str], answer: str) -> tuple[int, str]:
    """Run a command at a terminal and type an answer when it asks."""
    child, terminal = pty.openpty()
    process = subprocess.Popen(
        [str(BIN / "ngc"), *line],
        cwd=ngc.folder,
        env=ngc.variables(),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    shown, typed, deadline = b"", False, time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([child], [], [], 0.1)[0]:
            try:
                shown += os.read(child, 4096)
            except OSError:
                break
        if not typed and (b"[y/n] " in shown or b"to go on: " in shown):
            os.write(child, f"{answer}\n".encode())
            typed = True
    os.close(child)
    return process.wait(30), shown.decode()


def test_chapter_5_as_printed(ngc: Ngc) -> None:
    layout = Layout.create(ngc.folder / "caffe_19.02-py2")
    root = add_platforms(layout, ["linux/amd64", "linux/arm64"], tag="19.02-py2")

    # 5.3 ngc registry image push <image-name>[:<tag>]
    out = ngc.run("ngc registry image push nvidia/caffe:19.02-py2").stdout
    assert f"Digest: {root.digest}" in out
    (ngc.folder / "caffe_19.02-py2").rename(ngc.folder / "caffe_latest")
    assert ngc.run("ngc registry image push nvidia/caffe").stdout.startswith("Successfully pushed")
    assert ngc.json("registry image list nvidia/caffe:latest")[0]["tag"] == "latest"
    ngc.run("registry image push nvidia/myteam/bigdft:1 --source oci:caffe_latest")

    # 5.1 viewing
    out = ngc.run("ngc registry image list").stdout
    assert "| Name   | Repository           | Latest Tag | Image Size | Updated Date | Permission |" in out
    assert "nvidia/caffe" in out
    assert "nvidia/myteam/bigdft" in out
    out = ngc.run("ngc registry image info nvidia/caffe:19.02-py2").stdout
    assert "Image Information\n    Name: nvidia/caffe:19.02-py2\n    Architecture: amd64\n" in out
    assert "    Schema Version: 1\n" in out

    # 5.2 pulling; without a tag it is latest
    (ngc.folder / "caffe_latest").rename(ngc.folder / "source")
    for line, folder in (
        ("ngc registry image pull nvidia/caffe:19.02-py2", "caffe_19.02-py2"),
        ("ngc registry image pull nvidia/caffe", "caffe_latest"),
    ):
        done = ngc.run(line)
        assert f"Output: oci:{ngc.folder / folder}\n" in done.stdout
        assert "recorded" not in done.stderr
        pulled = Layout.open(ngc.folder / folder)
        assert len(reachable(pulled, find(pulled))) == 4

    # 5.4 removing
    code, shown = answered(ngc, ["registry", "image", "remove", "nvidia/caffe:latest"], "y")
    assert (code, "Successfully removed image nvidia/caffe:latest." in shown) == (0, True), shown
    done = ngc.run("ngc registry image pull nvidia/caffe --output oci:again")
    assert "There is no tag 'latest': using 19.02-py2, which is recorded as the latest." in done.stderr
    code, shown = answered(ngc, ["registry", "image", "remove", "nvidia/caffe"], "nvidia/wrong")
    assert code == 18, shown
    code, shown = answered(ngc, ["registry", "image", "remove", "nvidia/caffe"], "nvidia/caffe")
    assert (code, "Successfully removed image repository nvidia/caffe." in shown) == (0, True), shown
    ngc.run("ngc registry image info nvidia/caffe", code=12)


def test_sections_3_3_and_3_4_as_printed(ngc: Ngc) -> None:
    ngc.run('org add-team team_B "Team B"')
    layout = Layout.create(ngc.folder / "layout")
    add_image(layout, tag="1")
    ngc.run("registry image push nvidia/one:1 --source oci:layout")
    out = ngc.run("ngc registry image list --team team_B").stdout
    assert "nvidia/one" not in out
    assert "Usage: ngc registry image" in ngc.run("ngc registry image -h").stdout
    assert "Usage: ngc registry image info" in ngc.run("ngc registry image info -h").stdout


# faults


@pytest.fixture
def remote(make_ngc: Callable[..., Ngc], front: TokenProxy) -> Ngc:
    """An ``ngc`` whose registry sends blobs from another host and may misbehave."""
    return make_ngc(key=KEY, NGC_CLI_API_URL=front.url, **NO_DAEMON)


BIG = 12_000_000


@pytest.fixture
def big(remote: Ngc) -> Any:
    """An image with one large layer, in the registry; its layer's descriptor."""
    layout = Layout.create(remote.folder / "source")
    root = add_image(layout, layer_sizes=[BIG, 10], tag="1")
    remote.run("registry image push org/net:1 --source oci:source")
    layer = max(reachable(layout, root), key=lambda item: item.size_bytes)
    (remote.folder / "source").rename(remote.folder / "elsewhere")
    return layer


def test_a_blob_cut_at_90_percent_goes_on_from_there(remote: Ngc, front: TokenProxy, big: Any) -> None:
    front.fail(f"GET {big.digest}.*sig", cut_answer(big.size_bytes * 9 // 10))
    before = front.blob_bytes()
    data = remote.json("registry image pull org/net:1 -o oci:out --threads 1")
    asked = [item.range for item in front.requests(f"GET {big.digest}", "blob host")]
    assert front.blob_bytes() - before == data["size_bytes"], asked
    assert f"bytes={big.size_bytes * 9 // 10}-{big.size_bytes - 1}" in asked
    out = Layout.open(remote.folder / "out")
    assert [out.locate(item).holds(item) for item in reachable(out, find(out))] == [True] * 4


def noted_bytes(state: Path) -> int:
    """How many bytes the logs below a state folder say are there."""
    lines = [line for path in state.rglob("log.jsonl") for line in path.read_text().splitlines() if line]
    values = [json.loads(line) for line in lines]
    spans = [
        value[1:] for value in values if isinstance(value, list) and list(map(type, value)) == [str, int, int]
    ]
    return sum(end - start for start, end in spans)


def test_a_killed_pull_goes_on_from_there(remote: Ngc, front: TokenProxy, big: Any) -> None:
    stall = Stall()
    front.fail(f"GET {big.digest}.*sig", stall_answer(stall, big.size_bytes * 9 // 10))
    process = remote.start("registry image pull org/net:1 -o oci:out --threads 1")
    assert stall.reached.wait(60)
    parts = remote.folder / ".ngc-transfer"
    wait_until(
        lambda: any(path.stat().st_blocks * 512 > big.size_bytes * 8 // 10 for path in parts.rglob("*.part"))
    )
    wait_until(lambda: noted_bytes(parts) > big.size_bytes * 8 // 10)
    process.kill()
    process.communicate()
    stall.go_on.set()
    assert not (remote.folder / "out" / "blobs" / "sha256" / big.digest.partition(":")[2]).exists()
    before = front.blob_bytes()
    remote.run("registry image pull org/net:1 -o oci:out --threads 1")
    assert front.blob_bytes() - before < big.size_bytes * 3 // 10
    out = Layout.open(remote.folder / "out")
    assert all(out.locate(item).holds(item) for item in reachable(out, find(out)))
    assert sorted(path.name for path in out.root.iterdir()) == ["blobs", "index.json", "oci-layout"]


def test_a_killed_push_goes_on_from_there(remote: Ngc, front: TokenProxy) -> None:
    """A layer of two chunks and a bit: what the registry has taken is not sent again."""
    layout = Layout.create(remote.folder / "source")
    content = noise("big", 150 * 1024 * 1024)
    layer = Descriptor.of(content, OCI_LAYER)
    layout.add(content, layer.digest)
    config = (
        b'{"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": ["%s"]}}' % layer.digest.encode()
    )
    layout.add(config, digest_of(config))
    manifest = Manifest(OCI_MANIFEST, Descriptor.of(config, OCI_CONFIG), (layer,)).encode()
    root = Descriptor.of(manifest, OCI_MANIFEST)
    layout.add(manifest, root.digest)
    layout.name(root, "1", "")
    stall = Stall()
    front.fail(f"PATCH state={64 * 1024 * 1024}", stall_request(stall))
    process = remote.start("registry image push org/net:1 --source oci:source")
    assert stall.reached.wait(60)
    process.kill()
    process.communicate()
    stall.go_on.set()
    before = sum(item.bytes_received for item in front.seen)
    data = remote.json("registry image push org/net:1 --source oci:source")
    assert data["digest"] == root.digest
    assert sum(item.bytes_received for item in front.seen) - before < (150 - 64) * 1024 * 1024 + 10_000
    assert not list(remote.folder.rglob("*-image.json"))


def test_content_with_a_wrong_digest_never_lands(remote: Ngc, memory: MemoryRegistry, big: Any) -> None:
    good = memory.blobs["org/net", big.digest]
    memory.blobs["org/net", big.digest] = good[:-1] + bytes([good[-1] ^ 1])
    done = remote.run("registry image pull org/net:1 -o oci:out --format_type json", code=16)
    assert json.loads(done.stderr.splitlines()[-1])["code"] == "integrity"
    out = remote.folder / "out"
    assert not (out / "blobs" / "sha256" / big.digest.partition(":")[2]).exists()
    assert Layout.open(out).index().manifests == ()
    memory.blobs["org/net", big.digest] = good
    remote.run("registry image pull org/net:1 -o oci:out")


def test_the_host_that_sends_blobs_never_sees_a_token(remote: Ngc, front: TokenProxy, big: Any) -> None:
    remote.run("registry image pull org/net:1 -o oci:out")
    seen = front.requests(place="blob host")
    assert len(seen) >= 3
    assert {item.authorization for item in seen} == {""}
    assert {item.status for item in seen} <= {200, 206}


def test_a_pull_outlives_tokens_that_expire(remote: Ngc, front: TokenProxy, big: Any) -> None:
    front.lifetime_s = 1
    front.fail("GET /blobs/", lambda handler, reply: (front.expire_tokens(), False)[1])
    remote.run("registry image pull org/net:1 -o oci:out --limit-rate 6M")
    assert len(front.requests("GET /proxy_auth")) > 2


# the key


def test_the_key_is_on_no_command_line_during_a_login(remote: Ngc, front: TokenProxy) -> None:
    """Samples /proc/*/cmdline while ``docker login`` waits for its input."""
    folder = remote.folder / "bin"
    folder.mkdir()
    docker = folder / "docker"
    docker.write_text(
        f'#!/bin/sh\nread key; echo "$key" > {folder}/got\nwhile [ ! -e {folder}/go ]; do sleep 0.05; done\n'
    )
    docker.chmod(0o755)
    ngc = remote.with_environ({"PATH": f"{folder}:{remote.variables()['PATH']}"})
    process = ngc.start("registry image login --stdin-to docker")
    wait_until(lambda: (folder / "got").exists() and (folder / "got").read_text() == f"{KEY}\n")
    seen = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            seen.append(path.read_bytes())
        except OSError:
            continue
    (folder / "go").touch()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert any(b"login" in line for line in seen)
    assert not any(KEY.encode() in line for line in seen)
    assert KEY not in out + err


def test_the_key_stays_out_of_logs_and_files(remote: Ngc, front: TokenProxy, big: Any) -> None:
    done = remote.run("registry image pull org/net:1 -o oci:out --debug")
    login = remote.run("registry image login --debug")
    tokens = list(front.tokens)
    text = done.stdout + done.stderr + login.stdout + login.stderr
    assert "GET " in text
    for secret in (KEY, *tokens):
        assert secret not in text
    for path in remote.folder.rglob("*"):
        if path.is_file() and path.stat().st_size < 1_000_000:
            assert KEY.encode() not in path.read_bytes(), path
