"""The search: one query language over everything that can be found, and label sets, of which there are none.

A kind of thing takes part by an entry in ``SOURCES``. Source: docs/protocol/artifacts.md.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, cast

from sqlalchemy import ColumnElement, and_, false, or_, select
from sqlalchemy.orm import Session, joinedload

from ngc_cli.server.artifacts.queries import latest_versions
from ngc_cli.server.artifacts.schema import KINDS, RELEASE_TYPES, Kind
from ngc_cli.server.auth.roles import Action, Decision, Principal, decide
from ngc_cli.server.clock import iso
from ngc_cli.server.endpoint import Call, route
from ngc_cli.server.metadata import Artifact, Org, Team, User, chunked
from ngc_cli.server.problems import not_found, unprocessable

# Without a wish; as the service has it.
_PAGE_SIZE = 100
# The largest page that the service grants.
_LARGEST_PAGE_SIZE = 1000
# Longer than any path can be.
_PATTERN_LENGTH = 1023
_PREFIX = "resourceId:"


@dataclass(frozen=True)
class Hit:
    """Something found: ``resource_id`` is ``org/[team/]name``, ``attributes`` are what its kind adds."""

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

    def has(self, field: str, value: Any) -> bool:
        """Whether this field has this value."""
        if field in _ATTRIBUTES:
            return bool(self.attributes.get(field) == value)
        return _FILTERS[field](self, value)


# There is no signer, so nothing is signed. A creator may be given by the id or the client id of the user.
_ATTRIBUTES = frozenset(
    [
        "application",
        "framework",
        "format",
        "precision",
        "builtBy",
        "publisher",
        "logo",
        "latestVersionIdStr",
        "latestVersionSizeInBytes",
        "latestTag",
        "size",
    ]
)
_FILTERS: dict[str, Callable[[Hit, Any], bool]] = {
    "labels": lambda hit, value: value in hit.labels,
    "isPublic": lambda hit, value: hit.is_public == value,
    "guestAccess": lambda hit, value: hit.guest_access == value,
    "createdBy": lambda hit, value: (
        hit.owner is not None and value in (str(hit.owner.id), hit.owner.client_id)
    ),
    "accessType": lambda hit, value: bool(value) and hit.access_type == value,
    "productNames": lambda hit, value: value in hit.product_names,
    "policy": lambda hit, value: str(value).lower() in map(str.lower, hit.policies),
    "releaseType": lambda hit, value: value in {RELEASE_TYPES[name] for name in hit.release_types},
    **dict.fromkeys(("signedModels", "signedResources", "signedImages"), lambda _hit, value: value is False),
}


@dataclass(frozen=True)
class Visible:
    """What a search may show: everything public, or of one org what the caller may look at."""

    principal: Principal
    org: Org | None = None
    teams: tuple[Team | None, ...] = ()

    def condition(self, table: Any) -> ColumnElement[bool]:
        """The same as a condition on a table with ``org_id``, ``team_id`` and ``is_public``."""
        if self.org is None:
            return cast("ColumnElement[bool]", table.is_public.is_(True))
        found: list[ColumnElement[bool]] = [false()]
        for team in self.teams:
            team_id = team.id if team else None
            here = and_(table.org_id == self.org.id, table.team_id == team_id)
            everything = decide(self.principal, Action.VIEW, self.org.id, team_id) is Decision.YES
            found.append(here if everything else and_(here, table.is_public.is_(True)))
        return or_(*found)


class Source(Protocol):
    """One kind of thing that can be found, in two steps, so that a page costs a page."""

    def names(self, db: Session, visible: Visible) -> Iterable[tuple[int, str]]:
        """Row id and ``org/[team/]name`` of everything visible."""

    def hits(self, db: Session, ids: Sequence[int]) -> Iterable[Hit]:
        """What there is to show of these rows, in any order."""


class ArtifactSource:
    """Models or resources."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    def names(self, db: Session, visible: Visible) -> Iterable[tuple[int, str]]:
        """Ids and paths."""
        rows = db.execute(
            select(Artifact.id, Org.name, Team.name, Artifact.name)
            .join(Org, Artifact.org_id == Org.id)
            .outerjoin(Team, Artifact.team_id == Team.id)
            .where(Artifact.kind == self._kind.segment, visible.condition(Artifact))
        )
        return ((row_id, "/".join(filter(None, names))) for row_id, *names in rows)

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
            team_name = artifact.team.name if artifact.team else ""
            yield Hit(
                resource_id="/".join(filter(None, (artifact.org.name, team_name, artifact.name))),
                name=artifact.name,
                org_name=artifact.org.name,
                team_name=team_name,
                display_name=details.get("displayName", artifact.name),
                description=details.get("shortDescription", ""),
                owner=artifact.owner,
                policies=frozenset((*details.get("policyLabels", ()), *said.get("policy", ()))),
                release_types=frozenset(filter(None, (details.get("releaseType"), said.get("releaseType")))),
                product_names=details.get("productNames", ()),
                access_type=details.get("accessType", ""),
                created_at=artifact.created_at,
                updated_at=artifact.updated_at,
                is_public=artifact.is_public,
                guest_access=artifact.guest_access,
                labels=artifact.labels,
                attributes={key: value for key, value in attributes.items() if value},
            )


SOURCES: dict[str, Source] = {kind.search_type: ArtifactSource(kind) for kind in KINDS.values()}


@dataclass(frozen=True)
class Query:
    """The JSON in ``q``: a shell pattern of resource ids, filters as pairs of field and value, and the page."""

    pattern: str
    filters: tuple[tuple[str, Any], ...]
    page: int
    page_size: int
    params: Mapping[str, Any]

    @classmethod
    def read(cls, text: str) -> Query:
        """Read ``q``; absent, it asks for everything. Raises a 422 Problem."""
        try:
            params = json.loads(text or "{}")
        except (ValueError, RecursionError) as error:
            raise unprocessable("'q' is not JSON") from error
        if not isinstance(params, dict):
            raise unprocessable("'q' is not a JSON object")
        wanted = params.get("query") or "*"
        if not isinstance(wanted, str) or len(wanted) > _PATTERN_LENGTH:
            raise unprocessable(f"'query' is not a text of up to {_PATTERN_LENGTH} characters")
        pattern = wanted[len(_PREFIX) :] if wanted.startswith(_PREFIX) else f"*{wanted}*"
        filters = params.get("filters") or []
        if not isinstance(filters, list) or not all(isinstance(entry, dict) for entry in filters):
            raise unprocessable("'filters' is not a list of objects")
        query = cls(
            pattern=pattern or "*",
            filters=tuple((str(entry.get("field")), entry.get("value")) for entry in filters),
            page=_whole(params, "page", 0, at_least=0),
            page_size=min(_whole(params, "pageSize", _PAGE_SIZE, at_least=1), _LARGEST_PAGE_SIZE),
            params=params,
        )
        query.require_known_fields()
        return query

    def matches(self, resource_id: str) -> bool:
        """Whether an ``org/[team/]name`` is asked for; a pattern without ``/`` may also be the name alone."""
        if fnmatch.fnmatchcase(resource_id, self.pattern):
            return True
        return "/" not in self.pattern and fnmatch.fnmatchcase(resource_id.rpartition("/")[2], self.pattern)

    def keeps(self, hit: Hit) -> bool:
        """Whether a hit passes all filters."""
        return all(hit.has(field, value) for field, value in self.filters)

    def require_known_fields(self) -> None:
        """Raise a 422 Problem for a filter by an unknown field, also when there is nothing to filter."""
        for field, _value in self.filters:
            if field not in _ATTRIBUTES and field not in _FILTERS:
                raise unprocessable(f"'{field[:100]}' is not a field that can be filtered by")


def _whole(params: Mapping[str, Any], name: str, default: int, *, at_least: int) -> int:
    value = params.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not at_least <= value < 2**31:
        raise unprocessable(f"'{name}' is not a whole number from {at_least}")
    return value


def search_catalog(call: Call) -> dict[str, Any]:
    """What is public, for everyone."""
    return _search(call, Visible(call.principal))


def search_org(call: Call) -> dict[str, Any]:
    """What the caller may look at in an org with its teams, or in one team."""
    if call.team is not None:
        return _search(call, _visible_in_org(call, call.team))
    teams = call.db.scalars(select(Team).where(Team.org_id == call.the_org.id))
    return _search(call, _visible_in_org(call, None, *teams))


def _visible_in_org(call: Call, *teams: Team | None) -> Visible:
    """What the principal may see in these teams; the condition authorizes row by row, so the request is authorized."""
    call.is_authorized = True
    return Visible(call.principal, call.the_org, teams)


def search_subscriptions(call: Call) -> dict[str, Any]:
    """Nothing: this registry sells no subscriptions, and what is public is in the catalog."""
    query = Query.read(call.query.get("q", ""))
    return _answer(call, query, 0, [])


def _search(call: Call, visible: Visible) -> dict[str, Any]:
    query = Query.read(call.query.get("q", ""))
    source = SOURCES.get(call.path["type"])
    if source is None:
        raise not_found(
            f"nothing of type '{call.path['type']}' can be searched; types are {', '.join(SOURCES)}"
        )
    found = sorted(
        (resource_id, row_id)
        for row_id, resource_id in source.names(call.db, visible)
        if query.matches(resource_id)
    )
    start, end = query.page * query.page_size, (query.page + 1) * query.page_size
    if query.filters:  # what they look at is not in the names
        kept = [hit for hit in _hits(call.db, source, [row_id for _, row_id in found]) if query.keeps(hit)]
        return _answer(call, query, len(kept), kept[start:end])
    page = _hits(call.db, source, [row_id for _, row_id in found[start:end]])
    return _answer(call, query, len(found), page)


def _hits(db: Session, source: Source, ids: Sequence[int]) -> list[Hit]:
    hits = (hit for some in chunked(ids) for hit in source.hits(db, some))
    return sorted(hits, key=lambda hit: hit.resource_id)


def _answer(call: Call, query: Query, total: int, hits: Sequence[Hit]) -> dict[str, Any]:
    search_type = call.path["type"]
    resources = [_hit_object(hit, search_type) for hit in hits]
    return {
        "params": query.params,
        "resultTotal": total,
        "resultPageTotal": -(-total // query.page_size),
        "results": [{"groupValue": search_type, "totalCount": total, "resources": resources}],
    }


def _hit_object(hit: Hit, search_type: str) -> dict[str, Any]:
    value = {
        "resourceId": hit.resource_id,
        "resourceType": search_type,
        "name": hit.name,
        "displayName": hit.display_name,
        "orgName": hit.org_name,
        "createdBy": hit.created_by,
        "dateCreated": iso(hit.created_at),
        "dateModified": iso(hit.updated_at),
        "description": hit.description,
        "isPublic": hit.is_public,
        "guestAccess": hit.guest_access,
        "msgTimestamp": int(hit.updated_at.timestamp() * 1000),
        "sharedWithOrgs": [],
        "sharedWithTeams": [],
        "attributes": [{"key": key, "value": value} for key, value in hit.attributes.items()],
        "labels": [{"key": "general", "values": list(hit.labels)}] if hit.labels else [],
    }
    if hit.team_name:
        value["teamName"] = hit.team_name
    return value


def label_sets(call: Call) -> dict[str, Any]:
    """The global label sets: none, so that every label stays as it was typed."""
    return {"labelSets": []}


def label_set(call: Call) -> dict[str, Any]:
    """One label set, of which there are none."""
    raise not_found(f"label set '{call.path['name']}' not found")


ROUTES = [
    route("/v2/search/catalog/resources/{type}", ["GET"], search_catalog, action=Action.ANYONE),
    route(
        "/v2/search/subscriber/catalog/resources/{type}",
        ["GET"],
        search_subscriptions,
        action=Action.SIGNED_IN,
    ),
    route("/v2/search/org/{org}/resources/{type}", ["GET"], search_org, action=Action.VIEW),
    route("/v2/search/org/{org}/team/{team}/resources/{type}", ["GET"], search_org, action=Action.VIEW),
    route("/v2/search/labelsets", ["GET"], label_sets, action=Action.ANYONE),
    route("/v2/search/labelsets/{name}", ["GET"], label_set, action=Action.ANYONE),
    route("/v2/search/org/{org}/labelsets/{name}", ["GET"], label_set, action=Action.VIEW),
    route("/v2/search/org/{org}/team/{team}/labelsets/{name}", ["GET"], label_set, action=Action.VIEW),
]
