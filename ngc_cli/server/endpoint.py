"""What every request goes through: authentication, authorization, one transaction, one response.

A route is a ``route(path, methods, endpoint, action=...)``. Before its endpoint runs, its ``Authenticator`` finds
the principal and the table of ``auth.roles`` decides about the action. An endpoint is a sync function
``Call -> dict | Response`` that runs in a thread inside one transaction, or an ``async`` function
``StreamCall -> Response`` for bytes, which opens short transactions itself.

If the decision depends on the resource ("own", "public"), the endpoint must call ``Call.authorize(resource)``;
otherwise the request is refused and rolled back.
"""

from __future__ import annotations

import inspect
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ngc_cli.server.auth.keys import key_of_bearer, principal_of
from ngc_cli.server.auth.links import LinkGrant
from ngc_cli.server.auth.roles import (
    ANY_TEAM,
    GUEST,
    TABLE,
    Action,
    Decision,
    Principal,
    Relation,
    Resource,
    allows,
    decide,
)
from ngc_cli.server.auth.signing import Signer
from ngc_cli.server.bodies import BodiesUnderWay, Caller, has_body, parse_object
from ngc_cli.server.config import BODY_LIMIT_BYTES, ServerConfig
from ngc_cli.server.content.store import ContentStore, is_disk_full
from ngc_cli.server.metadata import Database, Org, Team, is_database_full
from ngc_cli.server.problems import (
    REQUEST_ID_HEADER,
    ErrorFormat,
    Problem,
    conflict,
    forbidden,
    not_found,
    render,
    request_status,
    unauthorized,
    unprocessable,
)

_log = logging.getLogger("ngc_registry")
_Result = TypeVar("_Result")


@dataclass
class Registry:
    """What the requests of one process share; the only state of its own is which bodies are under way."""

    config: ServerConfig
    database: Database
    contents: ContentStore
    signer: Signer
    bodies: BodiesUnderWay = field(default_factory=BodiesUnderWay)


class Authenticator:
    """Authenticates the requests of a route and words their refusals.

    This base implementation is that of the NGC API: a scoped key or a token as Bearer; without one, a guest.
    """

    def __init__(self, error_format: ErrorFormat = ErrorFormat.NGC) -> None:
        self.error_format = error_format

    def org_and_team(self, params: Mapping[str, str]) -> tuple[str, str]:
        """Names of the org and team a request is about, from the parameters of its path; empty for none."""
        return params.get("org", ""), params.get("team", "")

    def authenticate(self, registry: Registry, db: Session, request: Request) -> Principal:
        """The principal of a request; raises a 401 Problem for credentials that are not valid."""
        header = request.headers.get("authorization")
        if header is None:
            return GUEST
        scheme, _, value = header.partition(" ")
        if scheme.lower() != "bearer" or not value.strip():
            raise unauthorized("credentials must be sent as Bearer")
        return principal_of(key_of_bearer(db, registry.signer, value.strip()))

    def refusal(self, call: BaseCall) -> Problem:
        """The Problem for a negative decision: a guest gets 401, or 404 where guests may see public resources.

        It repeats the request and tells nothing else: not which of the org, the team and the resource there is.
        """
        place = "/".join(filter(None, self.org_and_team(call.path)))
        if not call.principal.is_guest:
            return forbidden(f"your roles do not let you {call.action.value} in '{place}'")
        if TABLE[call.action][Relation.GUEST] is Decision.NO:
            return unauthorized("this needs an API key")
        return not_found(f"'{'/'.join(filter(None, (place, call.path.get('name'))))}' not found")


_NGC_API = Authenticator()


@dataclass
class BaseCall:
    """What both kinds of calls know."""

    registry: Registry
    request: Request
    route: ActionRoute
    request_id: str
    principal: Principal = GUEST
    org: Org | None = None
    team: Team | None = None
    decision: Decision = Decision.YES
    is_authorized: bool = True

    @property
    def action(self) -> Action:
        """The action of the route."""
        return self.route.action

    @property
    def path(self) -> dict[str, str]:
        """The parameters in the path."""
        return cast("dict[str, str]", self.request.path_params)

    @property
    def caller(self) -> Caller:
        """Who is counted: the key, or the address of a guest."""
        client = self.request.client
        return self.principal.key_id or (client.host if client else "")

    @property
    def query(self) -> Mapping[str, str]:
        """The query parameters; of a repeated one the last."""
        return self.request.query_params

    @property
    def the_org(self) -> Org:
        """The org the path names."""
        assert self.org is not None
        return self.org

    @property
    def the_team(self) -> Team:
        """The team the path names."""
        assert self.team is not None
        return self.team

    def authorize(self, resource: Resource | None, name: str) -> None:
        """Raise a Problem unless the principal may do the route's action to this resource.

        ``resource`` None means that it does not exist: whoever may do the action anyway gets a 404, others the
        same refusal as for a resource that exists, so that names cannot be probed. ``name`` is used in messages.
        """
        if allows(self.decision, self.principal, resource):
            self.is_authorized = True
            if resource is None:
                raise not_found(f"{name} not found")
            return
        if self.decision is Decision.OWN:
            if resource is None:
                raise not_found(f"{name} not found")
            raise forbidden(
                f"{name} belongs to someone else, and your role lets you do this only to your own"
            )
        raise self.refusal()

    def link(self, method: str, path: str) -> str:
        """A signed link to a path of this registry, for as long as the caller may do what the request asks for.

        On the files origin when one is set.
        """
        registry, url = self.registry, self.request.url
        grant = LinkGrant(
            self.principal.key_id or 0,
            self.the_org.id,
            self.team.id if self.team else 0,
            self.action,
            self.decision,
        )
        base = registry.config.files_url or f"{url.scheme}://{url.netloc}"
        return base.rstrip("/") + registry.signer.sign_link(
            method, path, str(grant), registry.config.link_ttl_s
        )

    def may(self, action: Action, team_id: int | None) -> bool:
        """Whether the principal may do another action, in the org of the request or in a team of it."""
        return decide(self.principal, action, self.the_org.id, team_id) is Decision.YES

    def require(self, action: Action, team_id: int | None) -> None:
        """Raise a 403 Problem unless the principal may do another action as well."""
        if not self.may(action, team_id):
            raise forbidden(f"your roles do not let you {action.value} in '{self.the_org.name}'")

    def refusal(self) -> Problem:
        """The Problem that refuses this request."""
        return self.route.authenticator.refusal(self)


@dataclass
class Call(BaseCall):
    """One request, inside its transaction ``db``; ``raw_body`` is the whole body."""

    db: Session = field(kw_only=True)
    raw_body: bytes = b""

    @property
    def body(self) -> dict[str, Any]:
        """The JSON object of the body; raises a 422 Problem."""
        return parse_object(self.raw_body)


@dataclass
class StreamCall(BaseCall):
    """One request that receives or sends bytes, with no transaction open."""

    async def look_up(self, work: Callable[[Session], _Result]) -> _Result:
        """Run ``work`` in a thread with a session that changes nothing."""

        def run() -> _Result:
            with self.registry.database.reading() as db:
                return work(db)

        return await run_in_threadpool(run)

    async def transact(self, work: Callable[[Session], _Result]) -> _Result:
        """Run ``work`` in a thread with a writing session and commit; ``work`` must be idempotent."""
        return await run_in_threadpool(self.registry.database.write, work)

    async def json_body(self) -> dict[str, Any]:
        """The JSON object of the body; raises a 413 or 422 Problem."""
        with self.registry.bodies.held(self.caller) as body:
            return await run_in_threadpool(
                parse_object, await body.read(self.request, self.route.body_limit_bytes)
            )

    def success(self) -> Response:
        """A response without members of its own; not an empty one, which the official client takes for an error."""
        return JSONResponse({"requestStatus": request_status(None, self.request_id)})

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives."""
        return self.request.stream()


Endpoint = Callable[[Call], "dict[str, Any] | Response"]
StreamEndpoint = Callable[[StreamCall], Coroutine[Any, Any, Response]]


class ActionRoute(Route):
    """A Starlette route that authenticates, authorizes its action, and runs its endpoint."""

    def __init__(
        self,
        path: str,
        methods: Sequence[str],
        endpoint: Endpoint | StreamEndpoint,
        action: Action,
        authenticator: Authenticator,
        body_limit_bytes: int = BODY_LIMIT_BYTES,
        lists_what_may_be_seen: bool = False,
    ) -> None:
        super().__init__(path, self._respond, methods=list(methods), name=endpoint.__name__)
        self.action = action
        self.body_limit_bytes = body_limit_bytes
        self.lists_what_may_be_seen = lists_what_may_be_seen
        self.authenticator = authenticator
        self._run = endpoint

    async def _respond(self, request: Request) -> Response:
        """Answer one request; whatever goes wrong becomes an error response in the format of the route."""
        request_id = uuid.uuid4().hex
        error_format = self.authenticator.error_format
        try:
            if "\0" in request.scope["path"] or b"%00" in request.scope["query_string"]:
                raise unprocessable("the address holds a NUL character")
            registry: Registry = request.app.state.registry
            call = StreamCall(registry, request, self, request_id)
            if inspect.iscoroutinefunction(self._run):
                response = await self._run_stream(call)
            elif has_body(request):
                response = await self._run_with_body(call)
            else:
                response = await run_in_threadpool(self._run_sync, call)
        except Problem as problem:
            return render(problem, error_format, request_id)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        except IntegrityError:  # two requests met at a unique name
            return render(
                conflict("something else changed this at the same moment"), error_format, request_id
            )
        except Exception as error:  # noqa: BLE001 - the outermost place: logged, and answered in the route's format
            if is_database_full(error) or (isinstance(error, OSError) and is_disk_full(error)):
                return render(Problem(507, "the registry has no room left"), error_format, request_id)
            _log.exception("%s %s failed, request id %s", request.method, request.url.path, request_id)
            return render(Problem(500, "the registry failed; its log tells more"), error_format, request_id)
        response.headers[REQUEST_ID_HEADER] = request_id
        return response

    async def _run_with_body(self, admitted: StreamCall) -> Response:
        """Read the body of somebody who may do this, and decide again in the transaction that does it."""
        await admitted.look_up(lambda db: _authorize(admitted, db))
        bodies, caller = admitted.registry.bodies, admitted.caller
        with bodies.one(caller), bodies.held(caller) as body:
            data = await body.read(admitted.request, self.body_limit_bytes)
            return await run_in_threadpool(self._run_sync, admitted, data)

    def _run_sync(self, received: StreamCall, body: bytes = b"") -> Response:
        registry, request, request_id = received.registry, received.request, received.request_id

        def work(db: Session) -> dict[str, Any] | Response:
            call = Call(registry, request, self, request_id, db=db, raw_body=body)
            _authorize(call, db)
            result = cast(Endpoint, self._run)(call)
            self._require_authorized(call)
            return result

        if request.method in ("GET", "HEAD"):
            with registry.database.reading() as db:
                result = work(db)
        else:
            result = registry.database.write(work)
        if isinstance(result, Response):
            return result
        return JSONResponse({"requestStatus": request_status(None, request_id), **result})

    async def _run_stream(self, call: StreamCall) -> Response:
        await call.look_up(lambda db: _authorize(call, db))
        with call.registry.bodies.one(call.caller) if has_body(call.request) else nullcontext():
            response = await cast(StreamEndpoint, self._run)(call)
        self._require_authorized(call)
        return response

    def _require_authorized(self, call: BaseCall) -> None:
        """Fail closed where an endpoint has forgotten to authorize its resource."""
        if not call.is_authorized:
            raise RuntimeError(f"{self.name} did not authorize {self.action.name} on its resource")


def route(
    path: str,
    methods: Sequence[str],
    endpoint: Endpoint | StreamEndpoint,
    *,
    action: Action,
    authenticator: Authenticator = _NGC_API,
    body_limit_bytes: int = BODY_LIMIT_BYTES,
    lists_what_may_be_seen: bool = False,
) -> ActionRoute:
    """A route of the registry; by default one of the NGC API.

    One that ``lists_what_may_be_seen`` runs also where its org or team does not exist, and must then answer as if nothing
    in it could be seen.
    """
    return ActionRoute(
        path, methods, endpoint, action, authenticator, body_limit_bytes, lists_what_may_be_seen
    )


def _follow_link(call: BaseCall, db: Session) -> Principal:
    """Whoever made the signed link of a request, which takes no other credentials, as in the object stores of the cloud.

    Only the path that was routed counts: a request's URL is made from its Host header as well.
    """
    request = call.request
    if "authorization" in request.headers:
        raise Problem(400, "a signed link takes no Authorization header")
    method = "GET" if request.method == "HEAD" else request.method
    grant = call.registry.signer.link_grant(method, request.scope["path"], request.query_params)
    if grant is None:
        raise Problem(403, "the link is not valid or has expired")
    principal = LinkGrant.parse(grant).principal(db)
    if principal is None:
        raise Problem(403, "the link has ended with the key or the role that it was made for")
    return principal


def _authorize(call: BaseCall, db: Session) -> None:
    """Authenticate and decide; raises a Problem when the decision is no whatever the resource."""
    if call.action is Action.ANYONE:
        return
    if call.action is Action.LINK:
        call.principal = _follow_link(call, db)
        return
    authenticator = call.route.authenticator
    call.principal = authenticator.authenticate(call.registry, db, call.request)
    if call.action is Action.SIGNED_IN:
        if call.principal.is_guest:
            raise unauthorized("this needs an API key")
        return
    _authorize_in(call, db, *authenticator.org_and_team(call.path))


def _authorize_in(call: BaseCall, db: Session, org_name: str, team_name: str) -> None:
    """Decide about the route's action in this org and team; raises a Problem when the decision is no.

    An org or team that does not exist is refused like one the principal has no part in. A list of what may be seen is
    not refused in either: it is empty.
    """
    call.org = db.scalar(select(Org).where(Org.name == org_name))
    call.decision = Decision.NO
    if call.org is None:
        if call.route.lists_what_may_be_seen:
            return
        raise call.refusal()
    if team_name:
        call.team = db.scalar(select(Team).where(Team.org_id == call.org.id, Team.name == team_name))
    team_id = None
    if call.team is not None:
        team_id = call.team.id
    elif team_name:
        team_id = ANY_TEAM
    call.decision = decide(call.principal, call.action, call.org.id, team_id)
    if call.decision is Decision.NO:
        raise call.refusal()
    if team_name and call.team is None:
        if call.decision is Decision.YES:
            raise not_found(f"team '{team_name}' not found in org '{org_name}'")
        if call.route.lists_what_may_be_seen:
            return
        raise call.refusal()
    call.is_authorized = call.decision is Decision.YES
