"""Hash check, parts, completion, commit (docs/protocol/transfers.md#upload)."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from support.artifacts import Wire, b64, ok, problem
from support.registry import RunningRegistry

PART = 5_000_000
THREE_PARTS = os.urandom(PART * 2 + 1234)


@pytest.fixture
def models(registry: RunningRegistry) -> Wire:
    return new_model(registry)


def new_model(registry: RunningRegistry) -> Wire:
    """A wire with model m and its pending version 1."""
    org = registry.org()
    wire = Wire(registry.session(registry.key(org=org)), org)
    ok(wire.create("m"))
    ok(wire.create_version("m", "1"))
    return wire


def known(wire: Wire, name: str, *contents: bytes) -> list[bool]:
    body = {"files": [{"sha256": b64(data)} for data in contents]}
    answer = ok(wire.session.post(wire.at(name, "files") + "?page-size=100", json=body))
    assert [entry["sha256"] for entry in answer["files"]] == [entry["sha256"] for entry in body["files"]]
    return [entry["exists"] for entry in answer["files"]]


def files_of(wire: Wire, version: str = "1") -> dict[str, str]:
    answer = ok(wire.session.get(wire.at("m", "versions", version, "files")))
    return {entry["path"]: entry["sha256_base64"] for entry in answer["modelFiles"]}


# start


def test_the_default_part_size_is_that_of_the_contract(models: Wire) -> None:
    started = ok(models.start("m", "1", "f", b"x", size=1_200_000_000))
    assert started["partSize"] == 500_000_000
    assert len(started["urls"]) == 3
    assert ok(models.start("m", "1", "f", b""))["urls"]
    assert all("%25" not in url for url in started["urls"])


@pytest.mark.parametrize(
    ("size", "asked", "granted"),
    [
        (20_000_000, 5_000_000, 5_000_000),
        (20_000_000, 1, 5_000_000),
        (20_000_000, 64_000_000, 64_000_000),
        (20_000_000, 10**12, 500_000_000),
        (2**40, 5_000_000, 109_951_163),
    ],
)
def test_a_part_size_is_granted_within_its_limits(models: Wire, size: int, asked: int, granted: int) -> None:
    started = ok(models.start("m", "1", "f", b"x", size=size, customPartSize=asked))
    assert started["partSize"] == granted
    assert len(started["urls"]) == -(-size // granted) <= 10_000


@pytest.mark.parametrize(
    "member",
    [
        {"size": -1},
        {"size": 2**40 + 1},
        {"size": "5"},
        {"size": True},
        {"size": None},
        {"sha256": "x"},
        {"sha256": None},
        {"sha256": b64(b"x").replace("=", "")},
        {"filePath": ""},
        {"filePath": "/etc/passwd"},
        {"filePath": "../x"},
        {"filePath": "a/../../x"},
        {"filePath": "a//b"},
        {"filePath": "a/./b"},
        {"filePath": "a/"},
        {"filePath": "x" * 1024},
        {"filePath": 5},
        {"artifactType": "images"},
        {"name": 5},
        {"version": None},
        {"customPartSize": "5"},
    ],
)
def test_a_bad_start_is_refused_but_never_with_400(models: Wire, member: dict[str, Any]) -> None:
    problem(models.start("m", "1", "f", b"x", **member), 422)
    body = {"files": [{"filePath": "f", "sha256": b64(b"x"), **member}]}
    if "filePath" in member or "sha256" in member:
        problem(models.commit("m", "1", {}, **body), 422)


def test_a_start_needs_a_version_that_waits_for_files(models: Wire) -> None:
    problem(models.start("m", "2", "f", b"x"), 404)
    problem(models.start("n", "1", "f", b"x"), 404)
    ok(models.finish("m", "1"))
    problem(models.start("m", "1", "f", b"x"), 409)
    problem(models.commit("m", "1", {}), 409)


# parts


def test_a_part_of_the_wrong_size_is_refused(models: Wire) -> None:
    url = ok(models.start("m", "1", "f", b"12345"))["urls"][0]
    for bad in (b"1234", b"123456", b""):
        problem(models.send(url, bad), 422)
        chunks = iter([bad]) if bad else iter([])
        problem(requests.put(url, data=chunks, timeout=60), 422)
    assert models.send(url, b"12345").status_code == 200
    assert models.send(url, b"12345").status_code == 200


def test_a_part_takes_no_credentials_and_no_other_number(models: Wire) -> None:
    url = ok(models.start("m", "1", "f", b"x"))["urls"][0]
    problem(models.send(url, b"x", Authorization="Bearer x"), 400)
    problem(models.send(url.replace("/parts/", "/partz/"), b"x"), 404)
    path, _, query = url.partition("?")
    problem(models.send(f"{path[:-1]}2?{query}", b"x"), 403)


def test_an_empty_file_has_one_empty_part(models: Wire) -> None:
    models.upload("m", "1", "empty", b"")
    ok(models.commit("m", "1", {"empty": b""}))
    assert files_of(models) == {"empty": b64(b"")}


def test_parts_may_come_in_any_order_and_again(models: Wire) -> None:
    started = ok(models.start("m", "1", "f", THREE_PARTS, customPartSize=PART))
    parts = [THREE_PARTS[start : start + PART] for start in range(0, len(THREE_PARTS), PART)]
    assert models.send(started["urls"][0], os.urandom(PART)).status_code == 200
    for number in (2, 0, 1, 0):
        assert models.send(started["urls"][number], parts[number]).status_code == 200
    ok(models.complete("m", "1", "f", THREE_PARTS, started["uploadID"]))
    ok(models.complete("m", "1", "f", THREE_PARTS, started["uploadID"]))
    assert models.send(started["urls"][0], parts[0]).status_code == 200
    assert known(models, "m", THREE_PARTS) == [True]


def test_a_complete_with_parts_missing_or_wrong_is_refused_and_can_be_mended(models: Wire) -> None:
    started = ok(models.start("m", "1", "f", THREE_PARTS, customPartSize=PART))
    upload_id, urls = started["uploadID"], started["urls"]
    parts = [THREE_PARTS[start : start + PART] for start in range(0, len(THREE_PARTS), PART)]
    models.send(urls[0], parts[0])
    models.send(urls[2], parts[2])
    assert "1 parts have not arrived, the first are 2" in problem(
        models.complete("m", "1", "f", THREE_PARTS, upload_id), 422
    )
    models.send(urls[1], os.urandom(PART))
    assert "must be sent again" in problem(models.complete("m", "1", "f", THREE_PARTS, upload_id), 422)
    again = ok(models.start("m", "1", "f", THREE_PARTS, uploadID=upload_id))
    assert (again["uploadID"], again["receivedParts"]) == (upload_id, [])
    for url, part in zip(urls, parts, strict=True):
        models.send(url, part)
    ok(models.complete("m", "1", "f", THREE_PARTS, upload_id))


def test_a_part_that_is_the_whole_file_is_checked_as_it_comes(models: Wire) -> None:
    started = ok(models.start("m", "1", "f", b"right"))
    url, upload_id = started["urls"][0], started["uploadID"]
    assert "sha256" in problem(models.send(url, b"wrong"), 422)
    assert "1 parts have not arrived" in problem(models.complete("m", "1", "f", b"right", upload_id), 422)
    assert models.send(url, b"right").status_code == 200
    assert ok(models.start("m", "1", "f", b"right", uploadID=upload_id))["receivedParts"] == [
        {"partNumber": 1, "size": 5}
    ]
    assert models.send(url, b"right").status_code == 200
    ok(models.complete("m", "1", "f", b"right", upload_id))


def test_a_complete_names_its_upload_and_its_digest(models: Wire) -> None:
    started = ok(models.start("m", "1", "f", b"x"))
    models.send(started["urls"][0], b"x")
    problem(models.complete("m", "1", "f", b"x", "nosuch"), 404)
    problem(models.complete("m", "1", "f", b"y", started["uploadID"]), 422)
    problem(models.complete("m", "1", "f", b"x", started["uploadID"], uploadID=5), 422)
    answer = models.session.put(f"{models.place}/files/multipart", data=b"{not json")
    problem(answer, 422)


# resume


def test_a_resume_sends_only_what_is_missing(models: Wire) -> None:
    started = ok(models.start("m", "1", "f", THREE_PARTS, customPartSize=PART))
    assert started["receivedParts"] == []
    models.send(started["urls"][1], THREE_PARTS[PART : 2 * PART])
    upload_id = started["uploadID"]
    again = ok(models.start("m", "1", "f", THREE_PARTS, uploadID=upload_id, partNumberList=[3, 1]))
    assert again["uploadID"] == upload_id
    assert again["partSize"] == PART
    assert again["receivedParts"] == [{"partNumber": 2, "size": PART}]
    assert ["/3?" in again["urls"][0], "/1?" in again["urls"][1]] == [True, True]
    models.send(again["urls"][0], THREE_PARTS[2 * PART :])
    models.send(again["urls"][1], THREE_PARTS[:PART])
    ok(models.complete("m", "1", "f", THREE_PARTS, upload_id))
    after = ok(models.start("m", "1", "f", THREE_PARTS, uploadID=upload_id, partNumberList=[]))
    assert [part["partNumber"] for part in after["receivedParts"]] == [1, 2, 3]


@pytest.mark.parametrize("numbers", [[0], [4], [True], ["1"], "1", [1, 2, 3, 1]])
def test_a_resume_with_bad_part_numbers_is_refused(models: Wire, numbers: Any) -> None:
    upload_id = ok(models.start("m", "1", "f", THREE_PARTS, customPartSize=PART))["uploadID"]
    problem(models.start("m", "1", "f", THREE_PARTS, uploadID=upload_id, partNumberList=numbers), 422)


def test_an_unknown_upload_id_starts_a_new_upload(registry: RunningRegistry, models: Wire) -> None:
    other = new_model(registry)
    foreign = ok(other.start("m", "1", "f", b"x"))["uploadID"]
    for upload_id in ("nosuch", foreign, 5):
        fresh = ok(models.start("m", "1", "f", b"x", uploadID=upload_id, partNumberList=[1]))
        assert fresh["uploadID"] not in ("nosuch", foreign)
        assert len(fresh["urls"]) == 1
    mine = ok(models.start("m", "1", "f", b"x"))["uploadID"]
    assert ok(models.start("m", "1", "f", b"y", uploadID=mine))["uploadID"] != mine


def test_an_upload_survives_the_death_of_the_server(start_registry: Callable[..., RunningRegistry]) -> None:
    registry = start_registry()
    wire = new_model(registry)
    started = ok(wire.start("m", "1", "f", THREE_PARTS, customPartSize=PART))
    assert wire.send(started["urls"][0], THREE_PARTS[:PART]).status_code == 200

    def half() -> Any:
        yield THREE_PARTS[PART : PART + PART // 2]
        registry.kill()

    with pytest.raises(requests.ConnectionError):
        for _ in range(50):  # the death of the process shows at the latest when the answer is awaited
            wire.send(started["urls"][1], half())  # type: ignore[arg-type]
    registry.start()
    again = ok(wire.start("m", "1", "f", THREE_PARTS, uploadID=started["uploadID"], partNumberList=[2, 3]))
    assert again["uploadID"] == started["uploadID"]
    assert again["receivedParts"] == [{"partNumber": 1, "size": PART}]
    assert wire.send(again["urls"][0], THREE_PARTS[PART : 2 * PART]).status_code == 200
    assert wire.send(started["urls"][2], THREE_PARTS[2 * PART :]).status_code == 200
    registry.kill()
    registry.start()
    ok(wire.complete("m", "1", "f", THREE_PARTS, started["uploadID"]))
    registry.kill()
    registry.start()
    ok(wire.commit("m", "1", {"f": THREE_PARTS}))
    ok(wire.finish("m", "1"))
    assert requests.get(wire.links("m", "1")["f"], timeout=60).content == THREE_PARTS
    registry.stop()


# hash check


def test_the_hash_check_knows_only_what_the_artifact_has(registry: RunningRegistry, models: Wire) -> None:
    models.upload("m", "1", "f", b"mine")
    assert known(models, "m", b"mine", b"other", b"mine") == [True, False, True]
    ok(models.create("n"))
    assert known(models, "n", b"mine") == [False]
    ok(models.create_version("n", "1"))
    assert "1 files have not been uploaded" in problem(models.commit("n", "1", {"f": b"mine"}), 422)
    models.upload("n", "1", "f", b"mine")
    ok(models.commit("n", "1", {"f": b"mine"}))


def test_a_hash_check_must_be_a_list_of_digests(models: Wire) -> None:
    for files in (None, "x", [1], [{}], [{"sha256": "x"}], [{"sha256": b64(b"")}] * 1001):
        problem(models.session.post(models.at("m", "files"), json={"files": files}), 422)


# commit


def test_a_path_committed_again_replaces_the_older_one(models: Wire) -> None:
    for data in (b"one", b"two two"):
        models.upload("m", "1", "f", data)
        ok(models.commit("m", "1", {"f": data, "g": data}))
    assert files_of(models) == {"f": b64(b"two two"), "g": b64(b"two two")}
    version = ok(models.session.get(models.at("m", "versions", "1")))["modelVersion"]
    assert (version["totalFileCount"], version["totalSizeInBytes"]) == (2, 14)


def test_a_base_version_gives_its_files_to_a_new_one(models: Wire) -> None:
    for path, data in (("keep", b"k"), ("replace", b"old"), ("drop", b"d")):
        models.upload("m", "1", path, data)
        ok(models.commit("m", "1", {path: data}))
    problem(models.create_version("m", "1"), 409)
    ok(models.create_version("m", "2"))
    problem(models.commit("m", "2", {}, base="1"), 409)
    problem(models.commit("m", "2", {}, base="nosuch"), 404)
    ok(models.finish("m", "1"))
    models.upload("m", "2", "replace", b"new")
    ok(models.commit("m", "2", {"replace": b"new"}))
    ok(models.commit("m", "2", {}, base="1"))
    deletion = {"commitType": "DELETION", "filePath": "drop"}
    ok(models.commit("m", "2", {}, files=[deletion, {**deletion, "filePath": "never there"}]))
    assert files_of(models, "2") == {"keep": b64(b"k"), "replace": b64(b"new")}
    assert set(files_of(models)) == {"keep", "replace", "drop"}
    problem(models.commit("m", "2", {}, files=[{**deletion, "commitType": "MOVE"}]), 422)


def test_a_path_that_is_file_and_folder_cannot_be_completed(models: Wire) -> None:
    models.upload("m", "1", "a", b"x")
    ok(models.commit("m", "1", {"a": b"x", "a.b": b"x", "a/b": b"x"}))
    assert "'a' is a file and a folder" in problem(models.finish("m", "1"), 409)
    ok(models.commit("m", "1", {}, files=[{"commitType": "DELETION", "filePath": "a"}]))
    ok(models.finish("m", "1"))


def test_four_thousand_files_go_in_one_commit_and_no_more(models: Wire) -> None:
    models.upload("m", "1", "f", b"same")
    files = {f"folder{number % 50}/file{number}": b"same" for number in range(4000)}
    ok(models.commit("m", "1", files))
    ok(models.commit("m", "1", files))
    problem(models.commit("m", "1", {**files, "one more": b"same"}), 422)
    version = ok(models.finish("m", "1"))["modelVersion"]
    assert (version["totalFileCount"], version["totalSizeInBytes"]) == (4000, 16000)


def test_commits_at_the_same_time_lose_nothing(models: Wire) -> None:
    models.upload("m", "1", "f", b"same")
    start = threading.Barrier(8)

    def commit(worker: int) -> int:
        start.wait()
        files = {f"shared{number}": b"same" for number in range(50)} | {f"own{worker}": b"same"}
        return models.commit("m", "1", files).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(commit, range(8))) == {200}
    version = ok(models.session.get(models.at("m", "versions", "1")))["modelVersion"]
    assert (version["totalFileCount"], version["totalSizeInBytes"]) == (58, 58 * 4)
    assert len(files_of(models)) == 58


def test_the_same_content_may_arrive_many_times_at_once(models: Wire) -> None:
    started = ok(models.start("m", "1", "f", THREE_PARTS, customPartSize=PART))
    start = threading.Barrier(4)

    def upload(worker: int) -> None:
        start.wait()
        if worker % 2:
            models.upload("m", "1", f"own{worker}", THREE_PARTS, customPartSize=PART)
            return
        for number, url in enumerate(started["urls"]):
            assert models.send(url, THREE_PARTS[number * PART : (number + 1) * PART]).status_code == 200
        ok(models.complete("m", "1", "f", THREE_PARTS, started["uploadID"]))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(upload, range(4)))
    ok(models.commit("m", "1", {"f": THREE_PARTS}))
    ok(models.finish("m", "1"))
    assert requests.get(models.links("m", "1")["f"], timeout=60).content == THREE_PARTS


def test_a_whole_file_may_arrive_many_times_at_once(models: Wire) -> None:
    for turn in range(5):
        data = f"the same {turn}".encode()
        started = ok(models.start("m", "1", "f", data))
        start = threading.Barrier(6)

        def send(_: int, url: str = started["urls"][0], data: bytes = data, start: Any = start) -> int:
            start.wait()
            return models.send(url, data).status_code

        with ThreadPoolExecutor(6) as pool:
            assert set(pool.map(send, range(6))) == {200}
        ok(models.complete("m", "1", "f", data, started["uploadID"]))
        ok(models.commit("m", "1", {"f": data}))
    assert files_of(models) == {"f": b64(data)}


def test_who_may_only_read_uploads_nothing(registry: RunningRegistry, models: Wire) -> None:
    reader = Wire(registry.session(registry.key(org=models.org, role="REGISTRY_READ")), models.org)
    for refused in (
        reader.start("m", "1", "f", b"x"),
        reader.complete("m", "1", "f", b"x", "x"),
        reader.commit("m", "1", {}),
        reader.create_version("m", "2"),
        reader.finish("m", "1"),
        reader.session.post(reader.at("m", "files"), json={"files": []}),
    ):
        assert refused.status_code == 403


@pytest.mark.parametrize(
    "path", ["..\\..\\evil.exe", "C:evil", ".ngc-transfer/x", "x" * 256, "\x1b[2J", "nul.txt", "a."]
)
def test_a_name_that_a_client_could_not_write_is_refused(models: Wire, path: str) -> None:
    """Otherwise one such file makes the whole version impossible to download."""
    models.create("m")
    models.create_version("m", "1")
    problem(models.start("m", "1", path, b"x"), 422)
