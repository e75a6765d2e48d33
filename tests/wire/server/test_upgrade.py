"""A registry that an older version made starts with all it holds, and finds it."""

from __future__ import annotations

import threading
from pathlib import Path

from sqlalchemy import text

from ngc_cli.server import admin
from ngc_cli.server.app import open_registry
from ngc_cli.server.config import ServerConfig
from ngc_cli.server.images import tags
from ngc_cli.server.metadata import Artifact, ImageManifest, ImageRepository, ImageTag, Version
from ngc_cli.server.search.filters import FIELDS
from ngc_cli.server.search.sources import SOURCES

# What the first release did not have, in the words of SQLite.
_REWIND = (
    "DROP TABLE artifact_terms",
    "DROP TABLE image_terms",
    "DELETE FROM settings WHERE name = 'search_terms'",
    "DROP INDEX ix_artifacts_kind_path_name_org_id_team_id_is_public",
    "ALTER TABLE artifacts DROP COLUMN path",
    "DROP INDEX ix_versions_artifact_id_sort_key",
    "DROP INDEX ix_versions_artifact_id_is_complete_latest_at_id",
    "ALTER TABLE versions DROP COLUMN sort_key",
    "DROP INDEX ix_image_tags_repository_id_folded_name_name",
    "DROP INDEX ix_image_tags_repository_id_pushed_at_id",
    "ALTER TABLE image_tags DROP COLUMN folded_name",
)


def old_registry(folder: Path) -> ServerConfig:
    """A registry with a model in an org, one in a team, and a tagged image, as the first release left it."""
    config = ServerConfig(folder)
    registry = open_registry(config)
    with registry.database.writing() as db:
        org = admin.ensure_org(db, "acme")
        team = admin.ensure_team(db, org, "nlp")
        for of_team, name in ((None, "bert"), (team, "gpt")):
            model = Artifact(
                kind="models",
                org=org,
                team=of_team,
                name=name,
                path="?",
                details={"framework": "X"},
                labels=["a"],
            )
            db.add(model)
            db.add_all([Version(artifact=model, name=number, details={}) for number in ("10", "9", "9-rc1")])
        repository = ImageRepository(
            org=org, name="net", path="acme/net", details={}, labels=["a"], is_published=True, latest_tag="V1"
        )
        db.add(repository)
        db.flush()
        manifest = ImageManifest(
            repository_id=repository.id, digest="sha256:0", media_type="m", content=b"{}", size_bytes=2
        )
        db.add(manifest)
        db.flush()
        db.add_all(
            [ImageTag(repository_id=repository.id, name=name, manifest=manifest) for name in ("b", "V1", "a")]
        )
    with registry.database.writing() as db:
        for statement in _REWIND:
            db.execute(text(statement))
    registry.database.close()
    return config


def test_rows_made_before_are_found_and_sorted(tmp_path: Path) -> None:
    registry = open_registry(old_registry(tmp_path))
    with registry.database.reading() as db:
        assert set(db.scalars(text("SELECT path FROM artifacts"))) == {"acme/bert", "acme/nlp/gpt"}
        versions = text(
            "SELECT v.name FROM versions v JOIN artifacts a ON a.id = artifact_id"
            " WHERE a.name = 'bert' ORDER BY sort_key"
        )
        assert list(db.scalars(versions)) == ["9-rc1", "9", "10"]
        repository = db.query(ImageRepository).one()
        assert tags.tag_names(db, repository) == ["a", "b", "V1"]
        for kind, field, value, count in (
            ("MODEL", "framework", "X", 2),
            ("MODEL", "labels", "a", 2),
            ("CONTAINER", "latestTag", "V1", 1),
            ("MODEL", "framework", "Y", 0),
        ):
            source = SOURCES[kind]
            assert db.query(source.table).where(FIELDS[field](source, value)).count() == count
    registry.database.close()


def test_many_processes_upgrade_at_once(tmp_path: Path) -> None:
    config = old_registry(tmp_path)
    start, failures = threading.Barrier(6), []

    def open_it() -> None:
        start.wait()
        try:
            open_registry(config).database.close()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    registry = open_registry(config)
    with registry.database.reading() as db:
        assert (
            len(list(db.scalars(text("SELECT term FROM artifact_terms"))))
            == len(set(db.execute(text("SELECT term, row_id FROM artifact_terms")).all()))
            == 4
        )
    registry.database.close()
