"""What every content store must do: the tests of a backend are a subclass with a fixture ``store``."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ngc_cli.server.content.store import ContentStore, DigestMismatch, Part


def put_part(
    store: ContentStore, number: int, data: bytes, *, hashed: bool = False, upload_id: str = "upload"
) -> Part:
    """Write a part in two chunks."""
    writer = store.write_part(upload_id, number, size_bytes=len(data), hashed=hashed)
    middle = len(data) // 2
    writer.write(data[:middle])
    writer.write(bytearray(data[middle:]))
    return writer.finish()


def put(store: ContentStore, *pieces: bytes) -> str:
    """Store a content that arrives in these parts; returns its sha256."""
    parts = [put_part(store, number, piece) for number, piece in enumerate(pieces, start=1)]
    sha256 = hashlib.sha256(b"".join(pieces)).hexdigest()
    store.assemble("upload", parts, sha256).publish()
    store.drop_parts("upload")
    return sha256


def read(store: ContentStore, sha256: str, start: int, length: int, limit: int = 7) -> bytes:
    """Read a range in small steps."""
    reader = store.open_range(sha256, start, length)
    pieces = []
    while piece := reader.read(limit):
        assert len(piece) <= limit
        pieces.append(piece)
    reader.close()
    return b"".join(pieces)


class ContentStoreTests:
    """Tests of one backend; ``store`` is an empty store."""

    @pytest.fixture
    def store(self) -> ContentStore:
        """An empty store of the backend."""
        raise NotImplementedError

    def test_a_content_is_there_under_its_sha256_and_its_parts_are_gone(self, store: ContentStore) -> None:
        sha256 = put(store, b"hello")
        assert store.size(sha256) == 5
        assert read(store, sha256, 0, 5) == b"hello"
        assert list(store.all_contents()) == [sha256]
        assert list(store.uploads()) == []

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        pieces=st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=12),
        start=st.integers(0, 100),
        length=st.integers(0, 100),
    )
    def test_any_range_of_any_number_of_parts_reads_like_the_whole(
        self, store: ContentStore, pieces: list[bytes], start: int, length: int
    ) -> None:
        sha256 = put(store, *pieces)
        whole = b"".join(pieces)
        assert store.size(sha256) == len(whole)
        assert read(store, sha256, start, length) == whole[start : start + length]
        store.delete(sha256)

    def test_an_empty_content_is_one_part_without_bytes(self, store: ContentStore) -> None:
        sha256 = put(store, b"")
        assert store.size(sha256) == 0
        assert read(store, sha256, 0, 0) == b""

    def test_nothing_shows_before_it_is_published(self, store: ContentStore) -> None:
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

    def test_a_wrong_digest_is_refused_and_the_parts_stay(self, store: ContentStore) -> None:
        parts = [put_part(store, 1, b"a"), put_part(store, 2, b"b")]
        with pytest.raises(DigestMismatch):
            store.assemble("upload", parts, hashlib.sha256(b"xx").hexdigest())
        assert list(store.uploads()) == ["upload"]
        store.assemble("upload", parts, hashlib.sha256(b"ab").hexdigest()).publish()

    @pytest.mark.parametrize("position", [0, 31, 63])
    @pytest.mark.parametrize("hashed", [False, True])
    def test_a_digest_counts_to_its_last_character(
        self, store: ContentStore, position: int, hashed: bool
    ) -> None:
        right = hashlib.sha256(b"ab").hexdigest()
        other = "0" if right[position] != "0" else "1"
        wrong = right[:position] + other + right[position + 1 :]
        whole = put_part(store, 1, b"ab", hashed=hashed)
        halves = [
            put_part(store, number, piece, hashed=hashed) for number, piece in enumerate((b"a", b"b"), 1)
        ]
        for parts in ([whole], halves):
            with pytest.raises(DigestMismatch):
                store.assemble("upload", parts, wrong)
            store.assemble("upload", parts, right).abort()
        writer = store.write_part("upload", 1, hashed=True)
        writer.write(b"ab")
        with pytest.raises(DigestMismatch):
            writer.finish(wrong)
        assert writer.finish(right).sha256 == right

    def test_a_part_that_knows_its_digest_is_believed_by_its_key_only(self, store: ContentStore) -> None:
        """A later part of the same number has another key, so it cannot slip in under the digest of an earlier one."""
        honest = put_part(store, 1, b"honest", hashed=True)
        evil = put_part(store, 1, b"evil!!", hashed=True)
        assert honest.key != evil.key
        store.assemble("upload", [honest], hashlib.sha256(b"honest").hexdigest()).publish()
        assert read(store, hashlib.sha256(b"honest").hexdigest(), 0, 6) == b"honest"

    def test_hashing_ahead_changes_no_result(self, store: ContentStore) -> None:
        pieces = [random.randbytes(1000) for _ in range(5)]
        parts = [put_part(store, number, piece) for number, piece in enumerate(pieces, start=1)]
        store.hash_ahead("upload", parts[:2])
        store.hash_ahead("upload", parts[:4])
        store.hash_ahead("upload", parts[:1])
        replaced = put_part(store, 2, b"other")
        parts[1] = replaced
        whole = b"".join([pieces[0], b"other", *pieces[2:]])
        store.assemble("upload", parts, hashlib.sha256(whole).hexdigest()).publish()

    def test_a_writer_that_was_open_cannot_change_what_is_published(self, store: ContentStore) -> None:
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
        self, store: ContentStore, pieces: tuple[bytes, ...], again: tuple[bytes, ...]
    ) -> None:
        sha256 = put(store, *pieces)
        assert put(store, *again) == sha256
        assert read(store, sha256, 0, 3) == b"one"

    @pytest.mark.parametrize("pieces", [(b"one",), (b"o", b"ne")])
    def test_a_deleted_content_is_gone_but_for_who_reads_it(
        self, store: ContentStore, pieces: tuple[bytes, ...]
    ) -> None:
        sha256 = put(store, *pieces)
        reader = store.open_range(sha256, 0, 1)
        store.delete(sha256)
        store.delete(sha256)
        assert store.size(sha256) is None
        assert list(store.all_contents()) == []
        assert reader.read(1) == b"o"
        reader.close()

    def test_an_aborted_part_leaves_nothing(self, store: ContentStore) -> None:
        writer = store.write_part("upload", 1, size_bytes=10_000_000)
        writer.write(b"x")
        writer.abort()
        assert list(store.uploads()) == []

    def test_a_part_must_have_the_digest_it_was_announced_with(self, store: ContentStore) -> None:
        writer = store.write_part("upload", 1, hashed=True)
        writer.write(b"x")
        with pytest.raises(DigestMismatch):
            writer.finish(hashlib.sha256(b"y").hexdigest())
        assert list(store.uploads()) == []
        assert writer.finish(hashlib.sha256(b"x").hexdigest()).size_bytes == 1

    def test_a_part_shorter_than_announced_has_the_size_that_came(self, store: ContentStore) -> None:
        writer = store.write_part("upload", 1, size_bytes=10_000_000)
        writer.write(b"x")
        part = writer.finish()
        assert part.size_bytes == 1
        sha256 = hashlib.sha256(b"x").hexdigest()
        store.assemble("upload", [part], sha256).publish()
        assert store.size(sha256) == 1

    @pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "x" * 63, "A" * 64, "g" * 64])
    def test_what_is_no_sha256_names_no_file(self, store: ContentStore, name: str) -> None:
        with pytest.raises(ValueError, match="not a hex sha256"):
            store.size(name)

    @pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "x" * 65])
    def test_what_is_no_upload_id_names_no_folder(self, store: ContentStore, name: str) -> None:
        with pytest.raises(ValueError, match="not an upload id"):
            store.drop_parts(name)

    def test_a_digest_of_another_algorithm_is_that_of_all_parts_in_order(self, store: ContentStore) -> None:
        parts = [put_part(store, 1, b"one"), put_part(store, 2, b"two")]
        assert store.digest("upload", parts, "sha512") == hashlib.sha512(b"onetwo").hexdigest()
        assert store.digest("upload", parts[::-1], "sha256") == hashlib.sha256(b"twoone").hexdigest()

    def test_parts_that_are_gone_are_no_content(self, store: ContentStore) -> None:
        part = put_part(store, 1, b"x", hashed=True)
        store.drop_parts("upload")
        store.drop_parts("upload")
        with pytest.raises(FileNotFoundError):
            store.assemble("upload", [part], hashlib.sha256(b"x").hexdigest())

    def test_uploads_are_apart(self, store: ContentStore) -> None:
        put_part(store, 1, b"a", upload_id="one")
        kept = put_part(store, 1, b"b", upload_id="two")
        store.drop_parts("one")
        assert list(store.uploads()) == ["two"]
        store.assemble("two", [kept], hashlib.sha256(b"b").hexdigest()).publish()

    def test_leftovers_go_by_age_and_contents_stay(self, store: ContentStore) -> None:
        sha256 = put(store, b"hello")
        half_done = store.write_part("upload", 1)
        half_done.write(b"x")
        store.drop_leftovers(3600)
        assert half_done.finish().size_bytes == 1
        store.drop_leftovers(-1)
        assert read(store, sha256, 0, 5) == b"hello"
