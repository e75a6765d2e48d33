"""Tokens of the OCI API: their scopes, how they are issued, and how requests that carry them are authenticated.

A token carries scopes, but no right by itself: its key and the roles of its user are looked up at every request,
so that a revoked key or a role taken away ends it at once. Sources: the distribution project's token and scope
documents, docs/protocol/distribution.md#token-endpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.requests import Request

from ngc_cli.server.auth.keys import key_of_claims, principal_of
from ngc_cli.server.auth.roles import ANY_TEAM, GUEST, Action, Decision, Principal, allows, decide
from ngc_cli.server.auth.signing import Signer
from ngc_cli.server.endpoint import Authenticator, BaseCall, Registry
from ngc_cli.server.images.names import RepositoryPath
from ngc_cli.server.images.repositories import access_resource, find_repository
from ngc_cli.server.metadata import ApiKey, Org, Team
from ngc_cli.server.problems import ErrorFormat, Problem, forbidden

# longer than one request takes to start, short enough to make a leaked token worthless soon
TOKEN_TTL_S = 600
API_VERSION = {"Docker-Distribution-Api-Version": "registry/2.0"}
_AUDIENCE = "registry"
_ACTIONS = {"pull": Action.DOWNLOAD, "push": Action.PUSH, "delete": Action.DELETE_IMAGE}
_CATALOG = ("registry", "catalog")


@dataclass(frozen=True)
class Scope:
    """``type:name:action,action``, such as ``repository:acme/net:pull,push``."""

    type: str
    name: str
    actions: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Scope | None:
        """Read a scope; None for text that is not one."""
        scope_type, colon, rest = text.partition(":")
        name, _, actions = rest.rpartition(":")
        return cls(scope_type, name, tuple(actions.split(","))) if colon and name else None

    def __str__(self) -> str:
        return f"{self.type}:{self.name}:{','.join(self.actions)}"

    def is_granted_to(self, principal: Principal) -> bool:
        """Whether the token of the principal was issued for all of this scope."""
        return principal.scopes.issuperset((self.type, self.name, action) for action in self.actions)


def granted(db: Session, principal: Principal, scopes: Sequence[Scope]) -> list[Scope]:
    """Intersect the requested scopes with the principal's rights; scopes without actions are dropped."""
    found = []
    for scope in scopes:
        actions = [name for name in _requested(scope) if _may(db, principal, scope, name)]
        if actions:
            found.append(Scope(scope.type, scope.name, tuple(actions)))
    return found


def _requested(scope: Scope) -> Sequence[str]:
    if (scope.type, scope.name) == _CATALOG:
        return [name for name in scope.actions if name == "*"]
    known = tuple(_ACTIONS) if "*" in scope.actions else scope.actions
    return [name for name in dict.fromkeys(known) if name in _ACTIONS]


def _may(db: Session, principal: Principal, scope: Scope, name: str) -> bool:
    if (scope.type, scope.name) == _CATALOG:
        return not principal.is_guest
    return scope.type == "repository" and may_access(db, principal, scope.name, name)


def may_access(db: Session, principal: Principal, repository: str, name: str) -> bool:
    """Whether a principal may ``pull``, ``push`` or ``delete`` in a repository, which need not exist yet."""
    try:
        path = RepositoryPath.parse(repository)
    except Problem:
        return False
    org = db.scalar(select(Org).where(Org.name == path.org))
    if org is None:
        return False
    team_id = None
    if path.team:
        team = select(Team.id).where(Team.org_id == org.id, Team.name == path.team)
        team_id = db.scalar(team) or ANY_TEAM
    decision = decide(principal, _ACTIONS[name], org.id, team_id)
    if decision is Decision.YES:
        return True
    found = find_repository(db, path)
    return allows(decision, principal, access_resource(found) if found is not None else None)


def issue(signer: Signer, key: ApiKey | None, scopes: Sequence[Scope], ttl_s: int) -> str:
    """A token with these scopes for a key, or for a guest."""
    claims: dict[str, Any] = {
        "aud": _AUDIENCE,
        "access": [{"type": item.type, "name": item.name, "actions": item.actions} for item in scopes],
    }
    if key is not None:
        claims["sub"] = str(key.id)
    return signer.token(claims, ttl_s)


def challenge(request: Request, scope: Scope | None, message: str, error: str = "") -> Problem:
    """401 that says where to get a token, and for which scope (RFC 6750)."""
    parts = [f'realm="{request.url.scheme}://{request.url.netloc}/proxy_auth"']
    if scope is not None:
        parts.append(f'scope="{scope}"')
    if error:
        parts.append(f'error="{error}"')
    return Problem(401, message, headers={"WWW-Authenticate": f"Bearer {','.join(parts)}", **API_VERSION})


def token_principal(registry: Registry, db: Session, request: Request, scope: Scope | None) -> Principal:
    """The principal of a request's token, with the token's scopes; raises a challenge for ``scope``."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not value.strip():
        raise challenge(request, scope, "authentication required")
    claims = registry.signer.claims(value.strip())
    if claims is None or claims.get("aud") != _AUDIENCE:
        raise challenge(request, scope, "the token is not valid or has expired", "invalid_token")
    try:
        principal = principal_of(key_of_claims(db, claims)) if "sub" in claims else GUEST
    except Problem as problem:
        raise challenge(request, scope, problem.message, "invalid_token") from problem
    held = (
        (entry["type"], entry["name"], action) for entry in claims["access"] for action in entry["actions"]
    )
    return replace(principal, scopes=frozenset(held))


class TokenAuthenticator(Authenticator):
    """Authenticates by tokens of the OCI API, whose scopes must cover these actions in the path's repository."""

    def __init__(self, *actions: str) -> None:
        super().__init__(ErrorFormat.OCI)
        self._actions = actions

    def org_and_team(self, params: Mapping[str, str]) -> tuple[str, str]:
        """The org and team of the repository in the path."""
        path = RepositoryPath.parse(params["repository"])
        return path.org, path.team

    def authenticate(self, registry: Registry, db: Session, request: Request) -> Principal:
        """The principal of the token; raises a challenge, or a 403 Problem when a new token would not help."""
        scope = self._scope(request)
        principal = token_principal(registry, db, request, scope)
        if scope.is_granted_to(principal):
            return principal
        if not principal.is_guest and all(
            may_access(db, principal, scope.name, name) for name in scope.actions
        ):
            raise challenge(request, scope, "the token is for something else", "insufficient_scope")
        raise self._refused(request, principal)

    def refusal(self, call: BaseCall) -> Problem:
        """Guests are challenged for a key, others learn that their roles are not enough."""
        return self._refused(call.request, call.principal)

    def _refused(self, request: Request, principal: Principal) -> Problem:
        scope = self._scope(request)
        if principal.is_guest:
            return challenge(request, scope, "authentication required", "insufficient_scope")
        return forbidden(f"your roles do not let you {' and '.join(scope.actions)} in '{scope.name}'")

    def _scope(self, request: Request) -> Scope:
        path = RepositoryPath.parse(request.path_params["repository"])
        return Scope("repository", str(path), self._actions)
