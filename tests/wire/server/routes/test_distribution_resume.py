"""Uploads of blobs that are cut, restarted, raced or large (distribution-spec "Pushing a blob in chunks")."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from sqlalchemy import select
from support.distribution import Content, Distribution, image, with_digest
from support.registry import RunningRegistry, wait_until

from ngc_cli.server.metadata import UploadSession

MIB = 1024 * 1024
BLOB = Content(bytes(range(256)) * 16 * 1024)  # 4 MiB


@pytest.fixture(scope="module")
def own_registry(start_registry: Callable[..., RunningRegistry]) -> RunningRegistry:
    return start_registry()


@pytest.fixture
def own(own_registry: RunningRegistry) -> Distribution:
    org = own_registry.org()
    return Distribution(own_registry.url, f"{org}/net", own_registry.key(org=org))


def received(repository: Distribution, location: str) -> int:
    answer = repository.send("GET", location)
    assert answer.status_code == 204
    last = int(answer.headers["Range"].removeprefix("0-"))
    return last + 1 if last else 0


def cut_in_the_middle(repository: Distribution, location: str, body: bytes, sent: int) -> None:
    """PATCH this body, and drop the connection after some bytes of it."""
    address = urlsplit(repository.base_url)
    token = repository.token(repository.scope)
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=30) as connection:
        connection.sendall(
            f"PATCH {location} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
        )
        connection.sendall(body[:sent])


@pytest.mark.parametrize("end", ["restart", "kill"])
def test_an_upload_survives_the_end_of_the_registry(
    own_registry: RunningRegistry, own: Distribution, end: str
) -> None:
    location = own.start_upload()
    own.send("PATCH", location, data=BLOB.data[:MIB])
    own.send("PATCH", location, data=BLOB.data[MIB : 2 * MIB])
    if end == "kill":
        own_registry.kill()
        own_registry.start()
    else:
        own_registry.restart()
    assert received(own, location) == 2 * MIB
    rest = own.send(
        "PATCH",
        location,
        data=BLOB.data[2 * MIB :],
        headers={"Content-Range": f"{2 * MIB}-{len(BLOB.data) - 1}"},
    )
    assert rest.status_code == 202
    assert own.send("PUT", with_digest(location, BLOB.digest)).status_code == 201
    assert own.send("GET", f"blobs/{BLOB.digest}").content == BLOB.data


def test_what_came_before_a_connection_broke_is_kept(repository: Distribution) -> None:
    location = repository.start_upload()
    cut_in_the_middle(repository, location, BLOB.data, 3 * MIB + 17)
    wait_until(lambda: received(repository, location) > 0)
    start = received(repository, location)
    assert start == 3 * MIB + 17
    answer = repository.send(
        "PATCH",
        location,
        data=BLOB.data[start:],
        headers={"Content-Range": f"{start}-{len(BLOB.data) - 1}"},
    )
    assert answer.status_code == 202
    assert repository.send("PUT", with_digest(location, BLOB.digest)).status_code == 201


def test_a_closing_request_that_broke_can_be_repeated_with_the_rest(repository: Distribution) -> None:
    location = repository.start_upload()
    cut_in_the_middle(repository, location, BLOB.data, 2 * MIB)
    wait_until(lambda: received(repository, location) > 0)
    start = received(repository, location)
    answer = repository.send("PUT", with_digest(location, BLOB.digest), data=BLOB.data[start:])
    assert answer.status_code == 201


def test_of_two_chunks_at_the_same_time_one_is_taken(repository: Distribution) -> None:
    location = repository.start_upload()
    half_way, go_on = threading.Event(), threading.Event()
    answers: list[requests.Response] = []

    def slowly() -> Iterator[bytes]:
        yield b"x" * 1000
        half_way.set()
        assert go_on.wait(30)
        yield b"x" * 1000

    slow = Distribution(repository.base_url, repository.repository, repository.key)
    thread = threading.Thread(target=lambda: answers.append(slow.send("PATCH", location, data=slowly())))
    thread.start()
    assert half_way.wait(30)
    assert repository.send("PATCH", location, data=BLOB.data).status_code == 202
    go_on.set()
    thread.join()
    assert [answer.status_code for answer in answers] == [416]
    assert repository.send("PUT", with_digest(location, BLOB.digest)).status_code == 201


def test_layers_arrive_in_parallel_in_a_repository_that_is_new(repository: Distribution) -> None:
    one = image(*(f"layer {number}" for number in range(8)))
    statuses: list[int] = []
    repository.token(repository.scope)

    def push(content: Content) -> None:
        mine = Distribution(repository.base_url, repository.repository, repository.key)
        statuses.append(mine.put_blob(content).status_code)

    threads = [threading.Thread(target=push, args=(content,)) for content in one.blobs * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [201] * len(threads)
    assert repository.put_manifest(one.manifest, "v1").status_code == 201
    repository.assert_holds(one, "v1")


def test_parts_that_failed_leave_no_files(registry: RunningRegistry, repository: Distribution) -> None:
    location = repository.start_upload()
    repository.send("PATCH", location, data=BLOB.data)
    answer = repository.send("POST", f"blobs/uploads/?digest={BLOB.digest}", data=b"something else")
    assert answer.status_code == 400
    upload_id = location.rpartition("/")[2]
    assert repository.send("DELETE", location).status_code == 204
    assert not (registry.data_dir / "parts" / upload_id).exists()
    with registry.data.database.reading() as db:
        known = set(db.scalars(select(UploadSession.id)))
    left = {folder.name for folder in (registry.data_dir / "parts").iterdir()}
    assert {name for name in left if re.fullmatch(r"[0-9a-f]{8}-[0-9a-f-]{27}", name)} <= known


def test_memory_does_not_grow_with_a_blob(own_registry: RunningRegistry, own: Distribution) -> None:
    size_mib = 192

    def stream() -> Iterator[bytes]:
        for number in range(size_mib):
            yield number.to_bytes(4, "big") * (MIB // 4)

    hashed = hashlib.sha256()
    for piece in stream():
        hashed.update(piece)
    digest = f"sha256:{hashed.hexdigest()}"
    own.put_blob(Content(b"warm"))
    status = Path(f"/proc/{own_registry.running.pid}/status")

    def peak_mib() -> int:
        match = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        assert match is not None
        return int(match[1]) // 1024

    before = peak_mib()
    assert own.send("PATCH", location := own.start_upload(), data=stream()).status_code == 202
    assert own.send("PUT", with_digest(location, digest)).status_code == 201
    with own.send("GET", f"blobs/{digest}", stream=True) as answer:
        pulled = hashlib.sha256()
        for piece in answer.iter_content(MIB):
            pulled.update(piece)
    assert pulled.hexdigest() == hashed.hexdigest()
    assert peak_mib() - before < 24
