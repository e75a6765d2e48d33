"""Tokens of the OCI API: what they are good for, how they are asked for, and the gate that checks them.

A token carries scopes, but no right by itself: its key is looked up and the access table asked at every request,
so that a revoked key or a role taken away ends it at once. Sources: contract/images.md section 4.1, the
distribution project's token and scope documents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.requests import Request

from ngc_cli.server import images
from ngc_cli.server.auth import roles as access
from ngc_cli.server.auth.keys import caller_of, key_of_claims
from ngc_cli.server.auth.roles import GUEST, Action, Answer, Caller
from ngc_cli.server.auth.signing import Signer
from ngc_cli.server.endpoint import BaseCall, Gate, Registry
from ngc_cli.server.images import RepositoryPath
from ngc_cli.server.metadata import ApiKey, Org, Team
from ngc_cli.server.problems import Dialect, Problem, forbidden

TOKEN_TTL_S = 600
API_VERSION = {"Docker-Distribution-Api-Version": "registry/2.0"}
_AUDIENCE = "registry"
_ACTIONS = {"pull": Action.DOWNLOAD, "push": Action.PUSH, "delete": Action.DELETE_IMAGE}
_CATALOG = ("registry", "catalog")


@dataclass(frozen=True)
class Scope:
    """``type:name:action,action``, such as ``repository:acme/net:pull,push``."""

    kind: str
    name: str
    actions: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Scope | None:
        """Read a scope; None for what is none."""
        kind, colon, rest = text.partition(":")
        name, _, actions = rest.rpartition(":")
        return cls(kind, name, tuple(actions.split(","))) if colon and name else None

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}:{','.join(self.actions)}"


def granted(db: Session, caller: Caller, scopes: Sequence[Scope]) -> list[Scope]:
    """What of these scopes the caller may have; those of which nothing is left are left out."""
    found = []
    for scope in scopes:
        actions = [name for name in _wanted(scope) if _may(db, caller, scope, name)]
        if actions:
            found.append(Scope(scope.kind, scope.name, tuple(actions)))
    return found


def _wanted(scope: Scope) -> Sequence[str]:
    if (scope.kind, scope.name) == _CATALOG:
        return [name for name in scope.actions if name == "*"]
    known = tuple(_ACTIONS) if "*" in scope.actions else scope.actions
    return [name for name in dict.fromkeys(known) if name in _ACTIONS]


def _may(db: Session, caller: Caller, scope: Scope, name: str) -> bool:
    if (scope.kind, scope.name) == _CATALOG:
        return not caller.is_guest
    return scope.kind == "repository" and may(db, caller, scope.name, name)


def may(db: Session, caller: Caller, repository: str, name: str) -> bool:
    """Whether the caller may pull from, push to or delete in a repository, which need not exist yet."""
    try:
        path = RepositoryPath.parse(repository)
    except Problem:
        return False
    org = db.scalar(select(Org).where(Org.name == path.org))
    if org is None:
        return False
    team_id = None
    if path.team:
        of_name = select(Team.id).where(Team.org_id == org.id, Team.name == path.team)
        team_id = db.scalar(of_name) or access.ANY_TEAM
    entry = access.answer(caller, _ACTIONS[name], org.id, team_id)
    if entry is Answer.YES:
        return True
    found = images.find_repository(db, path)
    return access.allows(entry, caller, images.thing_of(found) if found is not None else None)


def issue(signer: Signer, key: ApiKey | None, scopes: Sequence[Scope], ttl_s: int) -> str:
    """A token with these scopes for a key, or for a guest."""
    claims: dict[str, Any] = {
        "aud": _AUDIENCE,
        "access": [{"type": item.kind, "name": item.name, "actions": item.actions} for item in scopes],
    }
    if key is not None:
        claims["sub"] = str(key.id)
    return signer.token(claims, ttl_s)


def challenge(request: Request, scope: Scope | None, message: str, error: str = "") -> Problem:
    """401 that says where to get a token, and for which scope."""
    parts = [f'realm="{request.url.scheme}://{request.url.netloc}/proxy_auth"']
    if scope is not None:
        parts.append(f'scope="{scope}"')
    if error:
        parts.append(f'error="{error}"')
    return Problem(401, message, headers={"WWW-Authenticate": f"Bearer {','.join(parts)}", **API_VERSION})


@dataclass(frozen=True)
class Bearer:
    """Who presents a token, and the scopes of it."""

    caller: Caller
    access: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, registry: Registry, db: Session, request: Request, scope: Scope | None) -> Bearer:
        """The token of a request; raises a challenge for ``scope`` when it has none that is good."""
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not value.strip():
            raise challenge(request, scope, "authentication required")
        claims = registry.signer.claims(value.strip())
        if claims is None or claims.get("aud") != _AUDIENCE:
            raise challenge(request, scope, "the token is not valid or has expired", "invalid_token")
        if "sub" not in claims:
            return cls(GUEST, claims["access"])
        try:
            return cls(caller_of(key_of_claims(db, claims)), claims["access"])
        except Problem as problem:
            raise challenge(request, scope, problem.message, "invalid_token") from problem

    def covers(self, scope: Scope) -> bool:
        """Whether the token was issued for all of this."""
        held = {
            action
            for entry in self.access
            if (entry["type"], entry["name"]) == (scope.kind, scope.name)
            for action in entry["actions"]
        }
        return held.issuperset(scope.actions)


class RegistryGate(Gate):
    """The gate of the OCI API: a token whose scope covers the repository in the path and what is done to it."""

    dialect = Dialect.OCI

    def __init__(self, *actions: str) -> None:
        self._actions = actions

    def place(self, params: Mapping[str, str]) -> tuple[str, str]:
        """The org and team of the repository in the path."""
        path = RepositoryPath.parse(params["repository"])
        return path.org, path.team

    def caller(self, registry: Registry, db: Session, request: Request) -> Caller:
        """Who presents the token; its scopes are left in ``request.state.bearer``."""
        scope = self._scope(request)
        bearer = Bearer.of(registry, db, request, scope)
        if (
            not bearer.covers(scope)
            and not bearer.caller.is_guest
            and self._may_all(db, bearer.caller, scope)
        ):
            raise challenge(request, scope, "the token is for something else", "insufficient_scope")
        if not bearer.covers(scope):
            raise self._refused(request, bearer.caller)
        request.state.bearer = bearer
        return bearer.caller

    def refusal(self, call: BaseCall, for_guests: str) -> Problem:
        """Guests are asked for a key, others told that their roles do not reach."""
        return self._refused(call.request, call.caller)

    def _refused(self, request: Request, caller: Caller) -> Problem:
        scope = self._scope(request)
        if caller.is_guest:
            return challenge(request, scope, "authentication required", "insufficient_scope")
        return forbidden(f"your roles do not let you {' and '.join(scope.actions)} in '{scope.name}'")

    def _may_all(self, db: Session, caller: Caller, scope: Scope) -> bool:
        return all(may(db, caller, scope.name, name) for name in scope.actions)

    def _scope(self, request: Request) -> Scope:
        path = RepositoryPath.parse(request.path_params["repository"])
        return Scope("repository", str(path), self._actions)
