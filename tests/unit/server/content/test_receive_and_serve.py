"""Bodies on their way into the store, and which bytes an answer has: at the edges."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ngc_cli.server.content.folder import FolderStore
from ngc_cli.server.content.receive import receive_body
from ngc_cli.server.content.serve import Slice, matches, slice_for
from ngc_cli.server.content.store import CHUNK_BYTES, Part
from ngc_cli.server.problems import Problem


def receive(store: FolderStore, *chunks: bytes, limit: int, sha256: str = "", fails: bool = False) -> Part:
    async def body() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk
        if fails:
            raise ConnectionError

    def open_writer() -> object:
        return store.write_part("u", 1, hashed=bool(sha256))

    return asyncio.run(receive_body(body(), open_writer, limit_bytes=limit, sha256=sha256))  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path, "mine")


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_a_body_may_have_as_many_bytes_as_allowed_and_not_one_more(store: FolderStore, size: int) -> None:
    data = b"x" * size
    chunks = [data[start : start + 65536] for start in range(0, size, 65536)]
    assert receive(store, *chunks, limit=size).size_bytes == size
    with pytest.raises(Problem, match=f"more than {size} bytes") as caught:
        receive(store, *chunks, b"y", limit=size)
    assert caught.value.status == 422


def test_a_body_must_have_the_digest_it_was_announced_with(store: FolderStore, tmp_path: Path) -> None:
    right = hashlib.sha256(b"ab").hexdigest()
    assert receive(store, b"a", b"b", limit=2, sha256=right).sha256 == right
    with pytest.raises(Problem) as caught:
        receive(store, b"a", b"b", limit=2, sha256=right[:-1] + ("0" if right[-1] != "0" else "1"))
    assert caught.value.status == 422
    assert list((tmp_path / "temp").iterdir()) == []


@pytest.mark.parametrize("size", [1, 3 * CHUNK_BYTES])
def test_what_breaks_off_is_dropped(store: FolderStore, tmp_path: Path, size: int) -> None:
    with pytest.raises(ConnectionError):
        receive(store, b"x" * size, limit=10 * CHUNK_BYTES, fails=True)
    assert list((tmp_path / "temp").iterdir()) == []
    assert list(store.uploads()) == []


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("bytes=0-0", Slice(0, 1, True)),
        ("bytes=0-9", Slice(0, 10, True)),
        ("bytes=0-10", Slice(0, 10, True)),
        ("bytes=9-9", Slice(9, 1, True)),
        ("bytes=9-", Slice(9, 1, True)),
        ("bytes=5-4", Slice(0, 10, False)),
        ("bytes=4-4", Slice(4, 1, True)),
        ("bytes=-1", Slice(9, 1, True)),
        ("bytes=-10", Slice(0, 10, True)),
        ("bytes=-11", Slice(0, 10, True)),
        ("bytes=-", Slice(0, 10, False)),
        ("bytes=0--1", Slice(0, 10, False)),
        ("bytes=0-1,3-4", Slice(0, 10, False)),
        ("items=0-1", Slice(0, 10, False)),
    ],
)
def test_the_bytes_of_a_range(header: str, wanted: Slice) -> None:
    assert slice_for({"range": header}, 10, '"e"') == wanted
    assert slice_for({"range": header, "if-range": '"e"'}, 10, '"e"') == wanted
    assert slice_for({"range": header, "if-range": '"other"'}, 10, '"e"') == Slice(0, 10, False)


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=10-", 10), ("bytes=10-20", 10), ("bytes=-0", 10), ("bytes=0-", 0)]
)
def test_a_range_behind_the_end_is_told(header: str, size: int) -> None:
    with pytest.raises(Problem) as caught:
        slice_for({"range": header}, size, '"e"')
    assert (caught.value.status, caught.value.headers) == (416, {"Content-Range": f"bytes */{size}"})


@pytest.mark.parametrize(
    ("condition", "is_met"),
    [("*", True), (' "e" ', True), ('"a", "e"', True), ('"ee"', False), ("e", False), ("", False)],
)
def test_a_condition_names_whole_entity_tags(condition: str, is_met: bool) -> None:
    assert matches(condition, '"e"') is is_met
