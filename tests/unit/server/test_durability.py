"""A power cut at any moment: what the database knows is whole, as far as it was synced."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session
from support.lossydisk import LossyDisk

from ngc_cli.server import admin, uploads
from ngc_cli.server.app import open_registry
from ngc_cli.server.config import ServerConfig
from ngc_cli.server.content.gc import collect
from ngc_cli.server.content.store import Part
from ngc_cli.server.endpoint import Registry
from ngc_cli.server.metadata import Artifact, UploadSession


class Crashing:
    """A registry whose power could go at any step; each time all that it has promised is looked for."""

    def __init__(self, root: Path, disk: LossyDisk) -> None:
        self.registry: Registry = open_registry(ServerConfig(root))
        self.disk, self._root = disk, root
        self.checks = self.promises = 0
        disk.watch = self.check

    def check(self) -> None:
        """What other connections see is what was committed, and so what is there after a power cut."""
        self.checks += 1
        connection = sqlite3.connect(self._root / "registry.db")
        contents = connection.execute("SELECT sha256 FROM contents").fetchall()
        parts = connection.execute(
            "SELECT upload_id, key, sha256 FROM upload_session_parts WHERE sha256 <> ''"
        )
        known_parts = parts.fetchall()
        connection.close()
        for (sha256,) in contents:
            self.promises += 1
            data = self.disk.after_power_cut(self._root / "blobs" / "sha256" / sha256[:2] / sha256)
            assert data is not None, "a content is lost"
            assert hashlib.sha256(data).hexdigest() == sha256, "a content is damaged"
        for upload_id, key, sha256 in known_parts:
            part = self._root / "parts" / upload_id / key
            if part.exists():
                found = hashlib.sha256(self.disk.bytes_that_last(part)).hexdigest()
                assert found == sha256, "a part lies about its digest"

    def upload(self, *pieces: bytes, hashed: bool = False) -> str:
        """Store a content that arrives in these parts; returns the id of the session, which holds on to it."""
        data = b"".join(pieces)
        sha256 = hashlib.sha256(data).hexdigest()

        def begin(db: Session) -> str:
            name = os.urandom(4).hex()
            artifact = Artifact(
                kind="models",
                org=admin.ensure_org(db, "acme"),
                name=name,
                path=f"acme/{name}",
                details={},
                labels=[],
            )
            db.add(artifact)
            db.flush()
            size_bytes = len(pieces[0])
            session = UploadSession(
                artifact_id=artifact.id, sha256=sha256, size_bytes=len(data), part_size_bytes=size_bytes
            )
            return uploads.begin(db, session).id

        registry, parts = self.registry, []
        upload_id = registry.database.write(begin)
        for number, piece in enumerate(pieces, start=1):
            writer = registry.contents.write_part(upload_id, number, size_bytes=len(piece), hashed=hashed)
            writer.write(piece)
            parts.append(writer.finish())
            registry.database.write(
                lambda db, number=number, part=parts[-1]: _record(db, upload_id, number, part)  # type: ignore[misc]
            )
        uploads.finish_file(registry, upload_id, parts, sha256)
        return upload_id


def _record(db: Session, upload_id: str, number: int, part: Part) -> None:
    uploads.record_part(db, uploads.require(db, upload_id), number, part)


@pytest.fixture
def crashing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Crashing]:
    crashing = Crashing(tmp_path, LossyDisk(tmp_path, monkeypatch))

    def committed(_: Session) -> None:
        crashing.check()

    event.listen(Session, "after_commit", committed)
    yield crashing
    event.remove(Session, "after_commit", committed)
    crashing.disk.watch = lambda: None
    crashing.registry.database.close()


@pytest.mark.parametrize("hashed", [False, True])
@pytest.mark.parametrize("pieces", [(b"",), (b"one",), (b"o", b"n", b"e")], ids=len)
def test_what_was_stored_outlives_a_power_cut_at_any_step(
    crashing: Crashing, pieces: tuple[bytes, ...], hashed: bool
) -> None:
    for _ in range(2):  # the second time it is there already
        crashing.upload(*pieces, hashed=hashed)
        crashing.check()
    assert crashing.checks > 10
    assert crashing.promises > 5


def test_many_contents_share_folders_and_all_of_them_last(crashing: Crashing) -> None:
    for number in range(20):
        crashing.upload(str(number).encode())
    crashing.check()


def test_the_collector_removes_no_bytes_before_the_database_has_forgotten_them(crashing: Crashing) -> None:
    kept = crashing.upload(b"kept")
    dropped = [crashing.upload(b"dropped"), crashing.upload(b"drop", b"ped", b" too")]
    for upload_id in dropped:
        uploads.drop(crashing.registry, upload_id)
    before = crashing.promises
    done = collect(crashing.registry, grace_s=-1)
    assert done.contents == 2
    assert crashing.promises > before
    with crashing.registry.database.reading() as db:
        assert uploads.require(db, kept, lock=False).content_sha256 is not None
    crashing.check()


def test_bytes_that_outlived_their_row_are_collected_later(
    crashing: Crashing, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads.drop(crashing.registry, crashing.upload(b"dropped"))

    def no_power(sha256: str) -> None:
        raise OSError("the power has gone")

    with monkeypatch.context() as context:
        context.setattr(crashing.registry.contents, "delete", no_power)
        with pytest.raises(OSError, match="power"):
            collect(crashing.registry, grace_s=-1)
    assert len(list(crashing.registry.contents.all_contents())) == 1
    collect(crashing.registry, grace_s=-1)  # finds it
    assert collect(crashing.registry, grace_s=-1).contents == 1
    assert list(crashing.registry.contents.all_contents()) == []


def test_a_commit_is_on_the_disk_before_it_is_answered(crashing: Crashing) -> None:
    with crashing.registry.database.reading() as db:
        assert db.execute(text("PRAGMA synchronous")).scalar() == 2  # FULL
        assert db.execute(text("PRAGMA journal_mode")).scalar() == "wal"
