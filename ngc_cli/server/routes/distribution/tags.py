"""Lists of repositories and tags, by pages ("Content Discovery" of the distribution specification)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import quote

from sqlalchemy import ColumnElement, and_, false, or_, select
from starlette.responses import JSONResponse, Response

from ngc_cli.server.auth import scopes
from ngc_cli.server.auth.roles import ANY_TEAM, Action, Decision, Principal, decide
from ngc_cli.server.auth.scopes import Scope, token_principal
from ngc_cli.server.endpoint import Call
from ngc_cli.server.images import tags
from ngc_cli.server.metadata import ImageRepository
from ngc_cli.server.problems import Problem
from ngc_cli.server.routes.distribution.repository import PULL, find_repository, open_route, repository_route


def catalog(call: Call) -> Response:
    """The repositories in the orgs and teams that the caller administers."""
    scope = Scope("registry", "catalog", ("*",))
    principal = token_principal(call.registry, call.db, call.request, scope)
    if principal.is_guest or not scope.is_granted_to(principal):
        raise scopes.challenge(call.request, scope, "authentication required", "insufficient_scope")
    limit, last = _asked_for(call)
    query = select(ImageRepository.path).where(
        ImageRepository.is_published, or_(false(), *_administered(principal)), ImageRepository.path > last
    )
    found = call.db.scalars(query.order_by(ImageRepository.path).limit(limit)).all()
    page, link = _page(found, limit, "/v2/_catalog")
    return JSONResponse({"repositories": page}, headers=link)


def _administered(principal: Principal) -> Iterator[ColumnElement[bool]]:
    """Conditions for the repositories of each org and team that a principal administers."""
    for org_id, team_id in {(grant.org_id, grant.team_id) for grant in principal.grants}:
        in_org = ImageRepository.org_id == org_id
        if decide(principal, Action.PUBLISH, org_id, team_id) is not Decision.YES:
            continue
        if team_id is not None:
            yield and_(in_org, ImageRepository.team_id == team_id)
        elif decide(principal, Action.PUBLISH, org_id, ANY_TEAM) is Decision.YES:
            yield in_org
        else:
            yield and_(in_org, ImageRepository.team_id.is_(None))


def list_tags(call: Call) -> Response:
    """end-8: the tags in order, by pages when ``n`` is given."""
    repository = find_repository(call, call.db)
    limit, last = _asked_for(call)
    found = tags.tag_page(call.db, repository, last, limit)
    page, link = _page(found, limit, f"/v2/{repository.path}/tags/list")
    return JSONResponse({"name": repository.path, "tags": page}, headers=link)


def _asked_for(call: Call) -> tuple[int | None, str]:
    """How many rows to read and after which: one more than ``n``, which tells whether another page follows."""
    text = call.query.get("n")
    if text is not None and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Problem(400, "'n' is not a number of results", code="UNSUPPORTED")
    return None if text is None else int(text) + 1, call.query.get("last", "")


def _page(found: Sequence[str], limit: int | None, url: str) -> tuple[Sequence[str], dict[str, str]]:
    """The page of what was found, and the header that links to the next one if there is one."""
    if limit is None or len(found) < limit:
        return found, {}
    page = found[: limit - 1]
    if not page:
        return page, {}
    return page, {"Link": f'<{url}?n={limit - 1}&last={quote(page[-1], safe="")}>; rel="next"'}


ROUTES = [
    open_route("/v2/_catalog", catalog),
    repository_route("tags/list", ["GET"], list_tags, *PULL),
]
