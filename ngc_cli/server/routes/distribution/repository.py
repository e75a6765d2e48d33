"""What the routes of the OCI API share: their paths, and the repository in a path."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy.orm import Session
from starlette.convertors import Convertor, register_url_convertor

from ngc_cli.oci.descriptor import is_digest
from ngc_cli.server.auth.roles import Action
from ngc_cli.server.auth.scopes import TokenAuthenticator
from ngc_cli.server.endpoint import ActionRoute, Authenticator, BaseCall, Endpoint, StreamEndpoint, route
from ngc_cli.server.images import repositories
from ngc_cli.server.images.names import API_WORDS
from ngc_cli.server.metadata import ImageRepository
from ngc_cli.server.problems import ErrorFormat, Problem

PULL = (Action.DOWNLOAD, "pull")
PUSH = (Action.PUSH, "pull", "push")
DELETE = (Action.DELETE_IMAGE, "delete")
_OPEN = Authenticator(ErrorFormat.OCI)


class _Repository(Convertor[str]):
    """The part of a path that may name a repository: anything that does not begin like the NGC API."""

    regex = rf"(?!(?:{'|'.join(sorted(API_WORDS))})(?:/|$)).+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("repository", _Repository())


def is_oci_path(path: str) -> bool:
    """Whether a path belongs to the OCI API, also where that has nothing at it."""
    return (
        path == "/proxy_auth" or re.match(rf"/v2(?:/(?:_catalog|{_Repository.regex})?)?$", path) is not None
    )


def repository_route(
    path: str,
    methods: Sequence[str],
    endpoint: Endpoint | StreamEndpoint,
    action: Action,
    *scope_actions: str,
) -> ActionRoute:
    """A route under ``/v2/<repository>/``; its token must cover these actions."""
    return route(
        f"/v2/{{repository:repository}}/{path}",
        methods,
        endpoint,
        action=action,
        authenticator=TokenAuthenticator(*scope_actions),
    )


def open_route(path: str, endpoint: Endpoint) -> ActionRoute:
    """A route outside of repositories; its endpoint reads the credentials itself."""
    return route(path, ["GET"], endpoint, action=Action.ANYONE, authenticator=_OPEN)


def find_repository(call: BaseCall, db: Session) -> ImageRepository:
    """The repository in the path, if the principal may do the route's action to it; raises a Problem."""
    path = call.path["repository"]
    found = repositories.find_repository(db, path)
    call.authorize(repositories.access_resource(found) if found is not None else None, f"repository '{path}'")
    assert found is not None  # authorize refuses what does not exist
    return found


def require_digest(text: str) -> str:
    """The text, if it is a digest; raises a DIGEST_INVALID Problem."""
    if not is_digest(text):
        raise Problem(400, f"'{text[:200]}' is not a digest", code="DIGEST_INVALID")
    return text
