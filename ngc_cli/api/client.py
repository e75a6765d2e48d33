"""JSON calls to the NGC API, and its pages as one iterator.

Source: docs/protocol/conventions.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

import requests

from ngc_cli.errors import NotAuthenticated, ServerError
from ngc_cli.http.auth import NgcCredentials, Scope, require_safe_for_secrets
from ngc_cli.http.ranges import read_body
from ngc_cli.http.session import Http
from ngc_cli.json_text import parse_json
from ngc_cli.urls import KEY_PAGE_HINT

ANSWER_MAX_BYTES = 8 * 1024 * 1024
"""Most of a single answer, decoded: a hundred times the longest record, whose texts the service limits to kilobytes."""
LIST_MAX_BYTES = 64 * 1024 * 1024
"""Most of a page or a list of links: 10,000 signed links, the parts of the largest file, are 20 MB at most."""
# What the official client allows for calls in which the service works through all files of a version.
SLOW_CALL_S = 299.0
USER_LEVEL = Scope()


def path_of(*segments: str) -> str:
    """A URL path of segments, each percent-quoted: a name can never become more than one segment."""
    return "".join(f"/{quote(segment, safe='')}" for segment in segments)


def org_segments(org: str, team: str) -> tuple[str, ...]:
    """The first segments of paths in an org, or in a team of it."""
    return ("v2", "org", org, "team", team) if team else ("v2", "org", org)


class Target(Protocol):
    """What stands at ``org/[team/]name``: an artifact or an image repository."""

    @property
    def org(self) -> str: ...  # noqa: D102
    @property
    def team(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102


def scope_of(target: Target) -> Scope:
    """The org and team that a token for requests about the target has to be for."""
    return Scope(target.org, target.team)


@dataclass(frozen=True)
class PlannedCall:
    """A change that a dry run has not sent."""

    method: str
    path: str
    body: Any


class ApiClient:
    """Sends JSON to one API and returns its JSON objects, as the given identity.

    With a list of ``planned`` calls it only reads: changes are noted there, and answered with an empty object.
    """

    def __init__(
        self, http: Http, credentials: NgcCredentials, planned: list[PlannedCall] | None = None
    ) -> None:
        self.planned = planned
        self.http = http
        self.credentials = credentials
        self.base_url = credentials.api_url.rstrip("/")
        self.search_url = credentials.search_url.rstrip("/")

    def require_key(self, action: str) -> None:
        """Refuse what no guest may do before anything is sent; ``action`` reads as in "to create a model"."""
        if self.credentials.is_guest:
            raise NotAuthenticated(
                f"to {action} needs an API key, and none is set",
                hint=f"Set one with 'ngc config set', or in NGC_CLI_API_KEY. {KEY_PAGE_HINT}",
            )

    def path(self, segment: str, target: Target, *rest: str) -> str:
        """Path of an artifact or repository, or of what lies below it; guests use the public form."""
        if self.credentials.is_guest:
            names = [part for part in (target.org, target.team, target.name) if part]
            return path_of("v2", segment, *names, *rest)
        return path_of(*org_segments(target.org, target.team), segment, target.name, *rest)

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        scope: Scope = USER_LEVEL,
        expect: Collection[int] = (),
        retry: bool | None = None,
        timeout_s: float | None = None,
        base_url: str = "",
        limit_bytes: int = ANSWER_MAX_BYTES,
    ) -> dict[str, Any]:
        """The JSON object of the answer; an empty body is an empty object. ``base_url`` is that of the API if empty,
        ``limit_bytes`` the most that the decoded answer may be.

        Raises the NgcError of the status, and ServerError when the body is not a JSON object.
        """
        if self.planned is not None and method != "GET":
            self.planned.append(PlannedCall(method, path, body))
            return {}
        response = self.http.send(
            method,
            (base_url or self.base_url) + path,
            params=params,
            json=body,
            headers={"Content-Type": "application/json", "Accept": "application/json", **(headers or {})},
            auth=self.credentials.scoped(scope),
            expect=expect,
            retry=retry,
            timeout_s=timeout_s,
        )
        return _json_object(response, method, path, limit_bytes)

    def introspect(self) -> dict[str, Any]:
        """What the server tells about a scoped (``nvapi-``) key:
        docs/protocol/authentication.md#introspection.

        The key travels in the body, so the call has no other credentials and follows no redirect.
        """
        path = "/v3/keys/get-caller-info"
        require_safe_for_secrets(self.base_url)
        response = self.http.send(
            "POST",
            self.base_url + path,
            data=urlencode({"credentials": self.credentials.key}).encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
            retry=True,
            follow=False,
        )
        return _json_object(response, "POST", path, ANSWER_MAX_BYTES)

    def pages(
        self,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        scope: Scope = USER_LEVEL,
        page_size: int = 1000,
    ) -> Iterator[dict[str, Any]]:
        """The pages of a list, fetched one after the other and only when asked for.

        Ends at ``totalPages`` or ``totalResults`` of ``paginationInfo``, whichever the server gives; without
        either there is one page. Page numbers count from 0 and the first request names none.
        """
        page = 0
        while True:
            query = {"page-size": page_size, **(params or {})}
            if page:
                query["page-number"] = page
            answer = self.call("GET", path, params=query, scope=scope, limit_bytes=LIST_MAX_BYTES)
            yield answer
            page += 1
            if page >= _page_count(answer.get("paginationInfo")):
                return


def _json_object(response: requests.Response, method: str, path: str, limit_bytes: int) -> dict[str, Any]:
    """The JSON object of an answer, read to its end; an empty body is an empty object."""
    with response:
        if 300 <= response.status_code < 400:
            raise ServerError(
                f"{urlsplit(response.url or '').netloc} answered {method} {path} with a redirect, which is not followed",
                hint="Check --api-url.",
            )
        text = read_body(response, limit_bytes)
    if not text:
        return {}
    try:
        answer = parse_json(text)
    except ValueError as error:
        raise ServerError(
            f"the answer of {urlsplit(response.url or '').netloc} to {method} {path} is "
            f"{'a web page' if text.lstrip()[:1] == b'<' else 'not JSON'}, not what an NGC server says",
            hint="Check --api-url; a proxy or gateway may have answered instead. 'ngc diag server' checks the way.",
        ) from error
    if not isinstance(answer, dict):
        raise ServerError(f"the answer to {method} {path} is not a JSON object")
    return answer


def _page_count(info: Any) -> int:
    """How many pages there are, by ``paginationInfo``; 1 when it does not tell."""
    if not isinstance(info, dict):
        return 1
    total_pages, total, size = (info.get(name) for name in ("totalPages", "totalResults", "size"))
    if isinstance(total, int) and isinstance(size, int) and size > 0:
        return -(-total // size)
    return total_pages if isinstance(total_pages, int) else 1
