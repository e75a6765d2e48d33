"""The server dies thirty times under people who upload and push: what it acknowledged is there, and nothing half."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from support.artifacts import Wire, ok
from support.distribution import Content, Distribution, image
from support.registry import RunningRegistry, wait_until

from ngc_cli.server.content.gc import collect

KILLS = 30
BIG = 5_500_000  # two parts


class Uploader:
    """Publishes versions of two files for as long as the server is to be killed; notes the acknowledged ones."""

    def __init__(self, registry: RunningRegistry, org: str, name: str) -> None:
        self.wire = Wire(registry.session(registry.key(org=org)), org)
        self.name, self.done = name, dict[str, dict[str, bytes]]()
        ok(self.wire.create(name))

    def work(self, number: int) -> None:
        files = {"small": os.urandom(100), "big": os.urandom(BIG)}
        version = str(number)
        ok(self.wire.create_version(self.name, version))
        for path, data in files.items():
            self.wire.upload(self.name, version, path, data, customPartSize=5_000_000)
        ok(self.wire.commit(self.name, version, files))
        ok(self.wire.finish(self.name, version))
        self.done[version] = files

    def check(self) -> None:
        answer = ok(self.wire.session.get(self.wire.at(self.name, "versions") + "?page-size=1000"))
        shown = {one["versionId"] for one in answer["modelVersions"] if one["status"] == "UPLOAD_COMPLETE"}
        assert set(self.done) <= shown
        for version in shown:
            files = self.wire.links(self.name, version)
            assert len(files) == 2, "half of a version is visible"
            found = {path: requests.get(url, timeout=60).content for path, url in files.items()}
            assert self.done.get(version, found) == found


class Pusher:
    """Pushes images with a layer of their own."""

    def __init__(self, registry: RunningRegistry, org: str, name: str) -> None:
        self.repository = Distribution(registry.url, f"{org}/{name}", registry.key(org=org))
        self.done: dict[str, Content] = {}

    def work(self, number: int) -> None:
        one = image(os.urandom(200_000).hex())
        self.repository.push(one, f"t{number}")
        self.done[f"t{number}"] = one.manifest
        self.blobs = one.blobs

    def check(self) -> None:
        for tag, manifest in self.done.items():
            answer = self.repository.send("GET", f"manifests/{tag}")
            assert (answer.status_code, answer.content) == (200, manifest.data)
            for layer in answer.json()["layers"]:
                assert len(self.repository.send("GET", f"blobs/{layer['digest']}").content) == layer["size"]


@pytest.mark.slow
def test_thirty_kills_lose_nothing_and_leave_nothing_half(
    start_registry: Callable[..., RunningRegistry],
) -> None:
    registry = start_registry()
    org = registry.org()
    workers = [Uploader(registry, org, "a"), Uploader(registry, org, "b"), Pusher(registry, org, "c")]
    over = threading.Event()

    def keep_at_it(worker: Uploader | Pusher) -> None:
        number = 0
        while not over.is_set():
            number += 1
            try:
                worker.work(number)
            except (requests.RequestException, AssertionError):
                over.wait(0.05)  # the server is away, or was in the middle of it

    with ThreadPoolExecutor(len(workers)) as pool:
        running = [pool.submit(keep_at_it, worker) for worker in workers]
        for _ in range(KILLS):
            done = sum(len(worker.done) for worker in workers)
            wait_until(lambda done=done: sum(len(worker.done) for worker in workers) > done)  # type: ignore[misc]
            registry.kill()
            registry.start()
        over.set()
        for one in running:
            one.result()
    for _ in range(2):
        for worker in workers:
            worker.check()
        collect(registry.data, grace_s=0, abandoned_s=0)
    assert sum(len(worker.done) for worker in workers) >= KILLS
    assert list((registry.data_dir / "temp").iterdir()) == list((registry.data_dir / "parts").iterdir()) == []
    assert b"Traceback" not in (registry.data_dir / "server.log").read_bytes()
    registry.stop()
