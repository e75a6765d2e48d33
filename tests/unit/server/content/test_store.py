"""The content store: parts, contents, and what must never happen to either."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngc_cli.server.content.store import DigestMismatch, FolderStore, Part


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def put_part(store: FolderStore, number: int, data: bytes, *, hashed: bool = False) -> Part:
    writer = store.write_part("upload", number, size_bytes=len(data), hashed=hashed)
    middle = len(data) // 2
    writer.write(data[:middle])
    writer.write(bytearray(data[middle:]))
    return writer.finish()


def put(store: FolderStore, *pieces: bytes) -> str:
    parts = [put_part(store, number, piece) for number, piece in enumerate(pieces, start=1)]
    sha256 = hashlib.sha256(b"".join(pieces)).hexdigest()
    store.assemble("upload", parts, sha256).publish()
    store.drop_parts("upload")
    return sha256


def read(store: FolderStore, sha256: str, start: int, length: int, limit: int = 7) -> bytes:
    reader = store.open_range(sha256, start, length)
    pieces = []
    while piece := reader.read(limit):
        assert len(piece) <= limit
        pieces.append(piece)
    reader.close()
    return b"".join(pieces)


def test_a_content_of_one_part_is_a_file_under_its_sha256(store: FolderStore, tmp_path: Path) -> None:
    sha256 = put(store, b"hello")
    blob = tmp_path / "blobs" / "sha256" / sha256[:2] / sha256
    assert blob.read_bytes() == b"hello"
    assert store.size(sha256) == 5
    assert list(store.all_contents()) == [sha256]
    assert not list((tmp_path / "temp").iterdir())
    assert list(store.uploads()) == []


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=12),
    start=st.integers(0, 100),
    length=st.integers(0, 100),
)
def test_any_range_of_any_number_of_parts_reads_like_the_whole(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], start: int, length: int
) -> None:
    store = FolderStore(tmp_path_factory.mktemp("store"))
    sha256 = put(store, *pieces)
    whole = b"".join(pieces)
    assert store.size(sha256) == len(whole)
    assert read(store, sha256, start, length) == whole[start : start + length]


def test_nothing_shows_before_it_is_published(store: FolderStore) -> None:
    data = b"x" * 100
    sha256 = hashlib.sha256(data).hexdigest()
    part = put_part(store, 1, data)
    assembled = store.assemble("upload", [part], sha256)
    assert store.size(sha256) is None
    with pytest.raises(FileNotFoundError):
        store.open_range(sha256, 0, 1)
    assembled.abort()
    assert store.size(sha256) is None
    store.assemble("upload", [part], sha256).publish()
    assert store.size(sha256) == 100


def test_a_wrong_digest_is_refused_and_the_parts_stay(store: FolderStore) -> None:
    parts = [put_part(store, 1, b"a"), put_part(store, 2, b"b")]
    with pytest.raises(DigestMismatch):
        store.assemble("upload", parts, hashlib.sha256(b"xx").hexdigest())
    assert sorted(store.part_sizes("upload")) == sorted(part.key for part in parts)
    store.assemble("upload", parts, hashlib.sha256(b"ab").hexdigest()).publish()


def test_a_part_that_knows_its_digest_is_believed_by_its_key_only(store: FolderStore) -> None:
    """A later part of the same number has another key, so it cannot slip in under the digest of an earlier one."""
    honest = put_part(store, 1, b"honest", hashed=True)
    evil = put_part(store, 1, b"evil!!", hashed=True)
    assert honest.key != evil.key
    store.assemble("upload", [honest], hashlib.sha256(b"honest").hexdigest()).publish()
    assert read(store, hashlib.sha256(b"honest").hexdigest(), 0, 6) == b"honest"


def test_hashing_ahead_changes_no_result(store: FolderStore) -> None:
    pieces = [random.randbytes(1000) for _ in range(5)]
    parts = [put_part(store, number, piece) for number, piece in enumerate(pieces, start=1)]
    store.hash_ahead("upload", parts[:2])
    store.hash_ahead("upload", parts[:4])
    store.hash_ahead("upload", parts[:1])
    replaced = put_part(store, 2, b"other")
    parts[1] = replaced
    whole = b"".join([pieces[0], b"other", *pieces[2:]])
    store.assemble("upload", parts, hashlib.sha256(whole).hexdigest()).publish()


def test_a_writer_that_was_open_cannot_change_what_is_published(store: FolderStore) -> None:
    late = store.write_part("upload", 1)
    part = put_part(store, 1, b"good")
    sha256 = hashlib.sha256(b"good").hexdigest()
    store.assemble("upload", [part], sha256).publish()
    late.write(b"evil")
    late.finish()
    assert read(store, sha256, 0, 4) == b"good"


@pytest.mark.parametrize("pieces", [(b"one",), (b"o", b"ne")])
@pytest.mark.parametrize("again", [(b"one",), (b"o", b"ne")])
def test_the_same_content_may_come_again_in_other_parts(
    store: FolderStore, tmp_path: Path, pieces: tuple[bytes, ...], again: tuple[bytes, ...]
) -> None:
    sha256 = put(store, *pieces)
    assert put(store, *again) == sha256
    assert read(store, sha256, 0, 3) == b"one"
    assert not list((tmp_path / "temp").iterdir())


@pytest.mark.parametrize("pieces", [(b"one",), (b"o", b"ne")])
def test_a_deleted_content_is_gone_but_for_who_reads_it(
    store: FolderStore, pieces: tuple[bytes, ...]
) -> None:
    sha256 = put(store, *pieces)
    reader = store.open_range(sha256, 0, 1)
    store.delete(sha256)
    store.delete(sha256)
    assert store.size(sha256) is None
    assert list(store.all_contents()) == []
    assert reader.read(1) == b"o"
    reader.close()


def test_an_aborted_part_leaves_nothing(store: FolderStore, tmp_path: Path) -> None:
    writer = store.write_part("upload", 1, size_bytes=10_000_000)
    writer.write(b"x")
    writer.abort()
    assert not list((tmp_path / "temp").iterdir())
    assert store.part_sizes("upload") == {}


def test_a_part_must_have_the_digest_it_was_announced_with(store: FolderStore) -> None:
    writer = store.write_part("upload", 1, hashed=True)
    writer.write(b"x")
    with pytest.raises(DigestMismatch):
        writer.finish(hashlib.sha256(b"y").hexdigest())
    assert store.part_sizes("upload") == {}
    assert writer.finish(hashlib.sha256(b"x").hexdigest()).size_bytes == 1


def test_a_part_shorter_than_announced_has_the_size_that_came(store: FolderStore) -> None:
    writer = store.write_part("upload", 1, size_bytes=10_000_000)
    writer.write(b"x")
    assert writer.finish().size_bytes == 1
    assert list(store.part_sizes("upload").values()) == [1]


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "x" * 63, "A" * 64, "g" * 64])
def test_what_is_no_sha256_names_no_file(store: FolderStore, name: str) -> None:
    with pytest.raises(ValueError, match="not a hex sha256"):
        store.size(name)


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "x" * 65])
def test_what_is_no_upload_id_names_no_folder(store: FolderStore, name: str) -> None:
    with pytest.raises(ValueError, match="not an upload id"):
        store.drop_parts(name)
