"""The upload machine on an open registry, without HTTP; and folders that an older version has left."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.orm import Session

from ngc_cli.server import admin, uploads
from ngc_cli.server.app import open_registry
from ngc_cli.server.config import ServerConfig
from ngc_cli.server.content.gc import collect
from ngc_cli.server.content.store import Assembled, DigestMismatch, Part
from ngc_cli.server.endpoint import Registry
from ngc_cli.server.metadata import Artifact, Content, UploadSession
from ngc_cli.server.problems import Problem

DATA = b"one-two-three"
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    opened = open_registry(ServerConfig(tmp_path))
    yield opened
    opened.database.close()


def begin(registry: Registry, part_size_bytes: int = 4) -> str:
    def work(db: Session) -> str:
        org = admin.ensure_org(db, "acme")
        artifact = Artifact(kind="models", org=org, name="m", path=f"{org.name}/m", details={}, labels=[])
        db.add(artifact)
        db.flush()
        upload = UploadSession(
            artifact_id=artifact.id, sha256=SHA256, size_bytes=len(DATA), part_size_bytes=part_size_bytes
        )
        return uploads.begin(db, upload).id

    return registry.database.write(work)


def receive(registry: Registry, upload_id: str, number: int, data: bytes) -> None:
    writer = registry.contents.write_part(upload_id, number, size_bytes=len(data))
    writer.write(data)
    part = writer.finish()
    registry.database.write(lambda db: uploads.record_part(db, uploads.require(db, upload_id), number, part))


def state(registry: Registry, upload_id: str) -> tuple[list[int], int, str | None]:
    """Numbers of the parts that are here, bytes received, and the content once there is one."""
    with registry.database.reading() as db:
        numbers = [part.number for part in uploads.parts_of(db, upload_id)]
        upload = uploads.require(db, upload_id, lock=False)
        return numbers, uploads.received_bytes(db, upload_id), upload.content_sha256


def stored(registry: Registry, upload_id: str) -> list[Part]:
    with registry.database.reading() as db:
        return [part.stored for part in uploads.parts_of(db, upload_id)]


def test_sizes_of_parts_add_up() -> None:
    upload = UploadSession(size_bytes=13, part_size_bytes=4)
    assert upload.part_count == 4
    assert [upload.size_of_part(number) for number in (1, 2, 3, 4)] == [4, 4, 4, 1]
    assert UploadSession(size_bytes=0, part_size_bytes=4).part_count == 1


def test_parts_come_in_any_order_and_the_last_of_a_number_counts(registry: Registry) -> None:
    upload_id = begin(registry)
    for number, data in ((3, b"thre"), (1, b"bad!"), (4, b"e"), (1, b"one-"), (2, b"two-")):
        receive(registry, upload_id, number, data)
    assert state(registry, upload_id) == ([1, 2, 3, 4], len(DATA), None)
    uploads.finish_file(registry, upload_id, stored(registry, upload_id), SHA256)
    assert state(registry, upload_id) == ([], 0, SHA256)
    assert registry.contents.size(SHA256) == len(DATA)
    assert list(registry.contents.uploads()) == []
    uploads.finish_file(registry, upload_id, [Part("1-gone", 1)], SHA256)


def test_a_wrong_digest_keeps_the_parts_until_the_upload_restarts(registry: Registry) -> None:
    upload_id = begin(registry)
    receive(registry, upload_id, 1, b"wrong")
    with pytest.raises(DigestMismatch):
        uploads.finish_file(registry, upload_id, stored(registry, upload_id), SHA256)
    assert state(registry, upload_id) == ([1], 5, None)
    uploads.restart(registry, upload_id)
    assert state(registry, upload_id) == ([], 0, None)
    assert list(registry.contents.uploads()) == []


def test_what_publish_refuses_is_not_published(registry: Registry) -> None:
    upload_id = begin(registry)
    receive(registry, upload_id, 1, DATA)

    def publish(db: Session, assembled: Assembled) -> None:
        raise Problem(409, "no")

    with pytest.raises(Problem, match="no"):
        uploads.finish(registry, upload_id, stored(registry, upload_id), SHA256, publish)
    assert registry.contents.size(SHA256) is None
    assert state(registry, upload_id) == ([1], len(DATA), None)


def test_a_dropped_upload_is_gone_with_its_parts(registry: Registry) -> None:
    upload_id = begin(registry)
    receive(registry, upload_id, 1, b"one-")
    uploads.drop(registry, upload_id)
    uploads.drop(registry, upload_id)
    assert list(registry.contents.uploads()) == []
    with pytest.raises(Problem, match="no such upload"):
        state(registry, upload_id)


def test_uploads_that_an_older_version_left_are_dropped_and_hold_nothing(tmp_path: Path) -> None:
    """Two pairs of tables stood where ``upload_sessions`` stands; a row of theirs kept a content for ever."""
    registry = open_registry(ServerConfig(tmp_path))
    writer = registry.contents.write_part("old-upload", 1, hashed=True)
    writer.write(DATA)
    registry.contents.assemble("old-upload", [writer.finish()], SHA256).publish()
    with registry.database.writing() as db:
        db.add(Content(sha256=SHA256, size_bytes=len(DATA)))
        db.flush()
        for statement in (
            "CREATE TABLE uploads (id VARCHAR(64) PRIMARY KEY, content_sha256 REFERENCES contents (sha256))",
            "CREATE TABLE upload_parts (id INTEGER PRIMARY KEY, upload_id REFERENCES uploads (id))",
            "CREATE TABLE blob_uploads (id VARCHAR(64) PRIMARY KEY)",
            "CREATE TABLE blob_upload_parts (id INTEGER PRIMARY KEY, upload_id REFERENCES blob_uploads (id))",
            f"INSERT INTO uploads VALUES ('old-upload', '{SHA256}')",
            "INSERT INTO upload_parts VALUES (1, 'old-upload')",
            "INSERT INTO blob_uploads VALUES ('old-blob')",
            "INSERT INTO blob_upload_parts VALUES (1, 'old-blob')",
        ):
            db.execute(text(statement))
    registry.database.close()

    registry = open_registry(ServerConfig(tmp_path))
    assert not {"uploads", "upload_parts", "blob_uploads", "blob_upload_parts"} & set(
        inspect(registry.database.engine).get_table_names()
    )
    assert registry.contents.size(SHA256) == len(DATA)
    assert collect(registry, grace_s=-1).contents == 1
    assert list(registry.contents.uploads()) == []
    registry.database.close()
