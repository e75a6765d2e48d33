"""The kinds of things that can be found: which rows there are, and what there is to show of them.

Source: docs/protocol/artifacts.md#search.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session, joinedload

from ngc_cli.server.artifacts.queries import latest_versions
from ngc_cli.server.artifacts.schema import KINDS, RELEASE_TYPES, Kind
from ngc_cli.server.images import manifests
from ngc_cli.server.metadata import Artifact, ArtifactTerm, ImageRepository, ImageTerm, User


@dataclass(frozen=True)
class Hit:
    """Something found: ``resource_id`` is ``org/[team/]name``, ``attributes`` are what its kind adds.

    ``release_types`` are in the words of the search.
    """

    row_id: int
    resource_id: str
    name: str
    org_name: str
    team_name: str
    display_name: str
    description: str
    owner: User | None
    policies: frozenset[str]
    release_types: frozenset[str]
    product_names: Sequence[str]
    access_type: str
    created_at: datetime
    updated_at: datetime
    is_public: bool
    guest_access: bool
    labels: Sequence[str]
    attributes: Mapping[str, str]

    @property
    def created_by(self) -> str:
        """The client id of the owner; empty when there is none."""
        return self.owner.client_id if self.owner else ""


class Source(Protocol):
    """One kind of thing that can be found."""

    table: Any
    """The mapped table, with ``id``, ``path``, ``name``, ``org_id``, ``team_id``, ``is_public``, ``owner_id``."""
    terms: Any
    """The mapped table of its terms."""

    @property
    def condition(self) -> ColumnElement[bool]:
        """Which rows of the table are of this kind."""

    def hits(self, db: Session, ids: Sequence[int]) -> Iterable[Hit]:
        """What there is to show of these rows, in any order; a fixed number of statements."""


class ArtifactSource:
    """Models or resources."""

    table = Artifact
    terms = ArtifactTerm

    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    @property
    def condition(self) -> ColumnElement[bool]:
        """The kind."""
        return Artifact.kind == self._kind.segment

    def hits(self, db: Session, ids: Sequence[int]) -> Iterable[Hit]:
        """Artifacts with their latest versions."""
        latest = latest_versions(db, ids)
        query = select(Artifact).where(Artifact.id.in_(ids))
        query = query.options(joinedload(Artifact.org), joinedload(Artifact.team), joinedload(Artifact.owner))
        for artifact in db.scalars(query):
            details = artifact.details
            version = latest.get(artifact.id)
            said = version.details if version else {}
            attributes = {
                "application": details.get("application"),
                "framework": details.get(self._kind.framework),
                "format": details.get("modelFormat"),
                "precision": details.get("precision"),
                "builtBy": details.get("builtBy"),
                "publisher": details.get("publisher"),
                "logo": details.get("logo"),
                "latestVersionIdStr": version.name if version else None,
                "latestVersionSizeInBytes": str(version.size_bytes) if version else None,
            }
            yield _hit(artifact, attributes, said.get("policy", ()), said.get("releaseType"))


class ImageSource:
    """Image repositories."""

    table = ImageRepository
    terms = ImageTerm

    @property
    def condition(self) -> ColumnElement[bool]:
        """Those that show."""
        return ImageRepository.is_published.is_(True)

    def hits(self, db: Session, ids: Sequence[int]) -> Iterable[Hit]:
        """Repositories with their latest image."""
        repositories = list(
            db.scalars(
                select(ImageRepository)
                .where(ImageRepository.id.in_(ids))
                .options(
                    joinedload(ImageRepository.org),
                    joinedload(ImageRepository.team),
                    joinedload(ImageRepository.owner),
                )
            )
        )
        latest = manifests.latest_variants(db, repositories)
        for repository in repositories:
            details = repository.details
            main = manifests.main_variant(latest.get(repository.id, []))
            attributes = {
                "latestTag": repository.latest_tag,
                "size": str(main.layers_size_bytes) if main else None,
                "builtBy": details.get("builtBy"),
                "publisher": details.get("publisher"),
                "logo": details.get("logo"),
            }
            yield _hit(repository, attributes)


def _hit(
    row: Artifact | ImageRepository,
    attributes: Mapping[str, str | None],
    policies: Iterable[str] = (),
    release_type: str | None = None,
) -> Hit:
    """The hit of a row; ``policies`` and ``release_type`` are those of its latest version, beside its own."""
    details = row.details
    release_types = filter(None, (details.get("releaseType"), release_type))
    return Hit(
        row_id=row.id,
        resource_id=row.path,
        name=row.name,
        org_name=row.org.name,
        team_name=row.team.name if row.team else "",
        display_name=details.get("displayName", row.name),
        description=details.get("shortDescription", ""),
        owner=row.owner,
        policies=frozenset((*details.get("policyLabels", ()), *policies)),
        release_types=frozenset(RELEASE_TYPES[name] for name in release_types),
        product_names=details.get("productNames", ()),
        access_type=details.get("accessType", ""),
        created_at=row.created_at,
        updated_at=row.updated_at,
        is_public=row.is_public,
        guest_access=row.guest_access,
        labels=row.labels,
        attributes={key: value for key, value in attributes.items() if value},
    )


SOURCES: dict[str, Source] = {
    **{kind.search_type: ArtifactSource(kind) for kind in KINDS.values()},
    "CONTAINER": ImageSource(),
}
