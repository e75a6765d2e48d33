"""The search: one query language over everything that can be found, and label sets, of which there are none.

What is found, sorted and cut is for the database to say (``server.search``). Source: docs/protocol/artifacts.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, true

from ngc_cli.json_text import parse_json
from ngc_cli.server.auth.roles import Action, Decision, Principal, decide
from ngc_cli.server.clock import iso
from ngc_cli.server.endpoint import Call, route
from ngc_cli.server.metadata import Team, chunked
from ngc_cli.server.problems import not_found, unprocessable
from ngc_cli.server.search.filters import FIELDS
from ngc_cli.server.search.patterns import matching
from ngc_cli.server.search.sources import SOURCES, Hit, Source

# Without a wish; as the service has it.
_PAGE_SIZE = 100
# The largest page that the service grants.
_LARGEST_PAGE_SIZE = 1000
# Longer than any path can be.
_PATTERN_LENGTH = 1023
_PREFIX = "resourceId:"


# No org has this id.
_NO_ORG = 0


@dataclass(frozen=True)
class Visible:
    """What a search may show: everything public, or of one org what the caller may look at.

    ``team`` narrows it to one team; else ``team_ids`` are those of all teams of the org.
    """

    principal: Principal
    org_id: int | None = None
    team: Team | None = None
    team_ids: tuple[int, ...] = ()

    def condition(self, table: Any) -> ColumnElement[bool]:
        """The same as a condition on a table with ``org_id``, ``team_id`` and ``is_public``."""
        is_public: ColumnElement[bool] = table.is_public.is_(True)
        if self.org_id is None:
            return is_public
        in_org = table.org_id == self.org_id
        if self.team is not None:
            here = and_(in_org, table.team_id == self.team.id)
            return here if self._may_view(self.team.id) else and_(here, is_public)
        viewable = [team_id for team_id in self.team_ids if self._may_view(team_id)]
        all_of_org = self._may_view(None)
        if all_of_org and len(viewable) == len(self.team_ids):
            return in_org  # type: ignore[no-any-return]
        at_org_level = [table.team_id.is_(None)] if all_of_org else []
        return and_(in_org, or_(is_public, table.team_id.in_(viewable), *at_org_level))

    def _may_view(self, team_id: int | None) -> bool:
        assert self.org_id is not None  # without one only what is public is shown
        return decide(self.principal, Action.VIEW, self.org_id, team_id) is Decision.YES


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
            params = parse_json(text or "{}")
        except ValueError as error:
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

    def condition(self, source: Source, dialect: str) -> ColumnElement[bool]:
        """Which rows of a source are asked for; a pattern without ``/`` may also be the name alone."""
        found = [FIELDS[field](source, value) for field, value in self.filters]
        by_path = matching(source.table.path, self.pattern, dialect)
        if by_path is not None:
            # a name ends the path: what matches it behind any beginning, the path matches too
            by_name = not ("/" in self.pattern or self.pattern.startswith("*"))
            names = [matching(source.table.name, self.pattern, dialect)] if by_name else []
            found.append(or_(by_path, *(name for name in names if name is not None)))
        return and_(true(), *found)

    def require_known_fields(self) -> None:
        """Raise a 422 Problem for a filter by an unknown field, also when there is nothing to filter."""
        for field, _value in self.filters:
            if field not in FIELDS:
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
    if call.org is None or (call.team is None and "team" in call.path):
        return _search(call, Visible(call.principal, _NO_ORG))
    if call.team is not None:
        return _search(call, _visible_in_org(call))
    ids = call.db.scalars(select(Team.id).where(Team.org_id == call.the_org.id))
    return _search(call, _visible_in_org(call, *ids))


def _visible_in_org(call: Call, *team_ids: int) -> Visible:
    """What the principal may see in the org or team; the condition authorizes row by row, so the request is authorized."""
    call.is_authorized = True
    return Visible(call.principal, call.the_org.id, call.team, team_ids)


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
    table = source.table
    wanted = and_(
        source.condition, visible.condition(table), query.condition(source, call.db.get_bind().dialect.name)
    )
    total = call.db.scalar(select(func.count()).select_from(table).where(wanted)) or 0
    ids = call.db.scalars(
        select(table.id)
        .where(wanted)
        .order_by(table.path, table.id)
        .offset(query.page * query.page_size)
        .limit(query.page_size)
    ).all()
    hits = (hit for some in chunked(ids) for hit in source.hits(call.db, some))
    return _answer(call, query, total, sorted(hits, key=lambda hit: hit.resource_id))


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
    *(
        route(f"/v2/search/org/{place}", ["GET"], endpoint, action=Action.VIEW, lists_what_may_be_seen=True)
        for place, endpoint in (
            ("{org}/resources/{type}", search_org),
            ("{org}/team/{team}/resources/{type}", search_org),
            ("{org}/labelsets/{name}", label_set),
            ("{org}/team/{team}/labelsets/{name}", label_set),
        )
    ),
    route("/v2/search/labelsets", ["GET"], label_sets, action=Action.ANYONE),
    route("/v2/search/labelsets/{name}", ["GET"], label_set, action=Action.ANYONE),
]
