"""What filters compare with, as rows: an index finds who has a label, a framework or a policy.

A *term* is the digest of a field and a value, so that values of any length make rows of one length. The terms of a row
are written with it; ``ensure`` writes those of a registry that an older version made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from ngc_cli.server.metadata import Artifact, Database, ImageRepository, Setting, chunked
from ngc_cli.server.search.sources import SOURCES, Hit, Source

# Raised when other terms are made of the same rows, so that they are all written anew.
_VERSION = "1"
_SETTING = "search_terms"


def term(field: str, value: str) -> str:
    """The term of a value in a field."""
    return hashlib.blake2b(f"{field}\0{value}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def index_artifact(db: Session, search_type: str, artifact: Artifact) -> None:
    """Write the terms of an artifact, after it or its latest version was changed."""
    db.flush()
    _write(db, SOURCES[search_type], [artifact.id])


def index_repository(db: Session, repository: ImageRepository) -> None:
    """Write the terms of a repository, after it or its latest tag was changed."""
    db.flush()
    _write(db, SOURCES["CONTAINER"], [repository.id])


def ensure(database: Database) -> None:
    """Write the terms of everything, once for each version of this module."""
    with database.reading() as db:
        found = db.get(Setting, _SETTING)
    if found is None or found.value != _VERSION:
        database.write(_write_all)


def _write_all(db: Session) -> None:
    for source in SOURCES.values():
        ids = db.scalars(select(source.table.id).where(source.condition)).all()
        for some in chunked(ids):
            _write(db, source, some)
    db.merge(Setting(name=_SETTING, value=_VERSION))


def _write(db: Session, source: Source, ids: Sequence[int]) -> None:
    db.execute(delete(source.terms).where(source.terms.row_id.in_(ids)))
    rows = [
        {"row_id": hit.row_id, "term": term(field, value)}
        for hit in source.hits(db, ids)
        for field, value in dict.fromkeys(_pairs(hit))
    ]
    if rows:
        db.execute(insert(source.terms), rows)


def _pairs(hit: Hit) -> Iterator[tuple[str, str]]:
    """Fields and values that a filter may name."""
    yield from hit.attributes.items()
    yield from (("labels", label) for label in hit.labels)
    yield from (("productNames", name) for name in hit.product_names)
    yield from (("policy", name.lower()) for name in hit.policies)
    yield from (("releaseType", name) for name in hit.release_types)
    if hit.access_type:
        yield ("accessType", hit.access_type)
