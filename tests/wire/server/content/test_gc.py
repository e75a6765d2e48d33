"""``ngc-registry gc`` and files of models: what waits for its commit stays, what nothing uses goes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from support.artifacts import Wire, ok
from support.registry import RunningRegistry

from ngc_cli.server.config import ABANDONED_S
from ngc_cli.server.content.gc import Reclaimed, collect


@pytest.fixture(scope="module")
def gc_registry(start_registry: Callable[..., RunningRegistry]) -> RunningRegistry:
    return start_registry()


@pytest.fixture
def models(gc_registry: RunningRegistry) -> Wire:
    org = gc_registry.org()
    wire = Wire(gc_registry.session(gc_registry.key(org=org)), org)
    ok(wire.create("m"))
    ok(wire.create_version("m", "1"))
    return wire


def gc(registry: RunningRegistry, abandoned_s: float = ABANDONED_S) -> Reclaimed:
    return collect(registry.data, grace_s=0, abandoned_s=abandoned_s)


def test_a_file_that_waits_for_its_commit_stays_however_long_the_others_take(
    gc_registry: RunningRegistry, models: Wire
) -> None:
    data = os.urandom(1000)
    models.upload("m", "1", "f", data)
    assert gc(gc_registry).contents == 0
    ok(models.commit("m", "1", {"f": data}))
    assert gc(gc_registry).contents == 0
    ok(models.finish("m", "1"))
    assert requests.get(models.links("m", "1")["f"], timeout=60).content == data
    ok(models.session.delete(models.at("m", "versions", "1")))
    done = gc(gc_registry)
    assert (done.contents, done.size_bytes) == (1, 1000)


def test_parts_of_an_upload_under_way_stay_and_those_of_an_abandoned_one_go(
    gc_registry: RunningRegistry, models: Wire
) -> None:
    data = os.urandom(6_000_000)
    started = ok(models.start("m", "1", "f", data, customPartSize=5_000_000))
    assert models.send(started["urls"][0], data[:5_000_000]).status_code == 200
    gc(gc_registry)
    again = ok(models.start("m", "1", "f", data, uploadID=started["uploadID"]))
    assert again["receivedParts"] == [{"partNumber": 1, "size": 5_000_000}]
    assert list(gc_registry.data.contents.uploads()) == [started["uploadID"]]
    assert gc(gc_registry, abandoned_s=0).uploads == 1
    assert list(gc_registry.data.contents.uploads()) == []


def test_uploads_and_the_collector_at_the_same_time_lose_nothing(
    gc_registry: RunningRegistry, models: Wire
) -> None:
    """Every worker uploads the same contents again and again, and removes them again, while gc runs."""
    contents = [os.urandom(100) for _ in range(3)]
    stop = threading.Event()

    def work(worker: int) -> None:
        name = f"w{worker}"
        ok(models.create(name))
        for turn in range(6):
            files = {f"f{number}": data for number, data in enumerate(contents)}
            models.publish_version(name, str(turn), files)
            for path, url in models.links(name, str(turn)).items():
                assert requests.get(url, timeout=60).content == files[path]
            ok(models.session.delete(models.at(name, "versions", str(turn))))

    def collect_all_the_time() -> None:
        while not stop.is_set():
            gc(gc_registry)

    collector = threading.Thread(target=collect_all_the_time)
    collector.start()
    try:
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(work, range(3)))
    finally:
        stop.set()
        collector.join()
