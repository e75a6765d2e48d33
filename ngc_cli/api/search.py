"""The search for artifacts of any kind: public ones, those of an org, those an org has subscribed to.

Source: docs/protocol/artifacts.md#search.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from ngc_cli.api.client import ApiClient, path_of
from ngc_cli.api.wire import hit_path, search_hits
from ngc_cli.errors import Forbidden, NgcError, NotFound
from ngc_cli.http.auth import Scope

_FIELDS = [
    "attributes",
    "createdBy",
    "dateCreated",
    "dateModified",
    "description",
    "displayName",
    "guestAccess",
    "isPublic",
    "labels",
    "latestVersionId",
    "name",
    "orgName",
    "sharedWithOrgs",
    "sharedWithTeams",
    "teamName",
]


def search(
    client: ApiClient,
    search_type: str,
    pattern: str,
    org: str,
    team: str,
    filters: Sequence[tuple[str, str | bool]] = (),
) -> Iterator[dict[str, Any]]:
    """Hits whose ``org/[team/]name`` matches the pattern: the public ones, then the org's; each path once.

    Pages are fetched when they are asked for. ``filters`` are pairs of search field and value. Raises Forbidden or
    NotFound, after the hits that there are, when the org or team may not be searched, or nothing at all may be.
    """
    scopes: list[tuple[str, ...]] = [("catalog",)]
    if not client.credentials.is_guest:
        if org:
            scopes.append(("org", org, "team", team) if team else ("org", org))
        scopes.append(("subscriber", "catalog"))
    seen: set[str] = set()
    refused: dict[str, NgcError] = {}
    for segments in scopes:
        scope = Scope(org, team) if segments[0] == "org" else Scope()
        try:
            for hit in _search_in(client, segments, search_type, pattern, filters, scope):
                if hit_path(hit) not in seen:
                    seen.add(hit_path(hit))
                    yield hit
        except (Forbidden, NotFound) as error:
            refused[segments[0]] = error
    if "org" in refused or len(refused) == len(scopes):
        raise refused.get("org") or refused["catalog"]


def _search_in(
    client: ApiClient,
    segments: Sequence[str],
    search_type: str,
    pattern: str,
    filters: Sequence[tuple[str, str | bool]],
    scope: Scope,
) -> Iterator[dict[str, Any]]:
    path = path_of("v2", "search", *segments, "resources", search_type)
    page = 0
    while True:
        query = {
            "fields": _FIELDS,
            "filters": [{"field": name, "value": value} for name, value in filters],
            "orderBy": [{"field": "score", "value": "ASC"}],
            "page": page,
            "pageSize": 100,
            "query": f"resourceId:{pattern or '*'}",
            "queryFields": ["name", "displayName", "description", "all"],
        }
        answer = client.call(
            "GET",
            path,
            params={"q": json.dumps(query)},
            scope=scope,
            base_url=client.search_url,
        )
        yield from search_hits(answer, search_type)
        page += 1
        if page >= int(answer.get("resultPageTotal") or 0):
            return
