"""Lists of repositories and tags, by pages ("Content Discovery" of the distribution specification)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from sqlalchemy import select
from starlette.responses import JSONResponse, Response

from ngc_cli.server.auth import scopes
from ngc_cli.server.auth.roles import Action, Decision, decide
from ngc_cli.server.auth.scopes import Scope, token_principal
from ngc_cli.server.endpoint import Call
from ngc_cli.server.images import tags
from ngc_cli.server.images.names import tag_order
from ngc_cli.server.metadata import ImageRepository
from ngc_cli.server.problems import Problem
from ngc_cli.server.routes.distribution.repository import PULL, find_repository, open_route, repository_route


def catalog(call: Call) -> Response:
    """The repositories in the orgs and teams that the caller administers."""
    scope = Scope("registry", "catalog", ("*",))
    principal = token_principal(call.registry, call.db, call.request, scope)
    if principal.is_guest or not scope.is_granted_to(principal):
        raise scopes.challenge(call.request, scope, "authentication required", "insufficient_scope")
    rows = call.db.execute(
        select(ImageRepository.path, ImageRepository.org_id, ImageRepository.team_id).where(
            ImageRepository.is_published,
            ImageRepository.org_id.in_({item.org_id for item in principal.grants}),
        )
    )
    paths = sorted(
        path
        for path, org_id, team_id in rows
        if decide(principal, Action.PUBLISH, org_id, team_id) is Decision.YES
    )
    page, link = _page(call, paths, paths, "/v2/_catalog")
    return JSONResponse({"repositories": page}, headers=link)


def list_tags(call: Call) -> Response:
    """end-8: the tags in order, by pages when ``n`` is given."""
    repository = find_repository(call, call.db)
    names = tags.tag_names(call.db, repository)
    last = call.query.get("last")
    keys = [tag_order(name) for name in names]
    page, link = _page(
        call, names, keys, f"/v2/{repository.path}/tags/list", tag_order(last) if last else None
    )
    return JSONResponse({"name": repository.path, "tags": page}, headers=link)


def _page(
    call: Call, items: Sequence[str], keys: Sequence[Any], url: str, last: Any = None
) -> tuple[Sequence[str], dict[str, str]]:
    """The items that ``n`` and ``last`` ask for, and the header that links to the next page if there is one.

    ``keys`` are what the items are sorted by, ``last`` the key to begin after; by default the text itself.
    """
    text = call.query.get("n")
    if text is not None and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Problem(400, "'n' is not a number of results", code="UNSUPPORTED")
    start = bisect_right(keys, last or call.query.get("last")) if call.query.get("last") else 0
    end = len(items) if text is None else min(len(items), start + int(text))
    page = items[start:end]
    if end == len(items) or not page:
        return page, {}
    return page, {"Link": f'<{url}?n={text}&last={quote(page[-1], safe="")}>; rel="next"'}


ROUTES = [
    open_route("/v2/_catalog", catalog),
    repository_route("tags/list", ["GET"], list_tags, *PULL),
]
