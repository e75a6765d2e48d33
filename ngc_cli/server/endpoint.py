"""What every request goes through: who calls, whether they may, one transaction, one answer.

Each route is built by ``route`` and names its ``Action``, which is checked here before the endpoint runs. An
endpoint is a sync function ``Call -> dict | Response`` that runs in a thread inside one transaction, or an
``async`` function ``StreamCall -> Response`` for bytes, which opens short transactions itself.

Where the table's answer hangs on the thing asked for ("own", "public"), the endpoint must ask ``Call.permit``
with that thing; a call that ends without having done so is refused and rolled back.
"""

from __future__ import annotations

import inspect
import json
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ngc_cli.server.auth import roles as access
from ngc_cli.server.auth.keys import caller_of, key_of_bearer
from ngc_cli.server.auth.roles import GUEST, Action, Answer, Caller, Standing, Thing
from ngc_cli.server.auth.signing import Signer
from ngc_cli.server.config import ServerConfig
from ngc_cli.server.content.store import ContentStore, is_disk_full
from ngc_cli.server.metadata import Database, Org, Team
from ngc_cli.server.problems import (
    REQUEST_ID_HEADER,
    Dialect,
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
    """What the requests of one process share; it holds no state of its own."""

    config: ServerConfig
    database: Database
    contents: ContentStore
    signer: Signer

    def link(self, request: Request, method: str, path: str) -> str:
        """A signed link to a path of this registry, on the files origin when one is set."""
        base = self.config.files_url or f"{request.url.scheme}://{request.url.netloc}"
        return base.rstrip("/") + self.signer.sign_link(method, path, self.config.link_ttl_s)


class Gate:
    """How the callers of a route show who they are, and how they are refused.

    This one is that of the NGC API: scoped keys and tokens as Bearer, guests without.
    """

    dialect = Dialect.NGC

    def place(self, params: Mapping[str, str]) -> tuple[str, str]:
        """Names of the org and team a request is about, by the parameters in its path."""
        return params.get("org", ""), params.get("team", "")

    def caller(self, registry: Registry, db: Session, request: Request) -> Caller:
        """Who sends this request; raises a 401 Problem for credentials that are not good."""
        header = request.headers.get("authorization")
        if header is None:
            return GUEST
        scheme, _, value = header.partition(" ")
        if scheme.lower() != "bearer" or not value.strip():
            raise unauthorized("credentials must be sent as Bearer")
        return caller_of(key_of_bearer(db, registry.signer, value.strip()))

    def refusal(self, call: BaseCall, for_guests: str) -> Problem:
        """What to answer to whom the table says no: guests are told to sign in, or where they may look, nothing."""
        if not call.caller.is_guest:
            place = "/".join(filter(None, self.place(call.path)))
            return forbidden(f"your roles do not let you {call.action.value} in '{place}'")
        if access.TABLE[call.action][Standing.GUEST] is Answer.NO:
            return unauthorized("this needs an API key")
        return not_found(for_guests)


_NGC_GATE = Gate()


@dataclass
class BaseCall:
    """What both kinds of calls know."""

    registry: Registry
    request: Request
    action: Action
    gate: Gate
    request_id: str
    caller: Caller = GUEST
    org: Org | None = None
    team: Team | None = None
    answer: Answer = Answer.YES
    permitted: bool = True

    @property
    def path(self) -> dict[str, str]:
        """The parameters in the path."""
        return cast("dict[str, str]", self.request.path_params)

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

    def permit(self, thing: Thing | None, what: str) -> None:
        """Refuse with a Problem unless the caller may do the route's action to this thing.

        ``thing`` None means that there is none: who may do the action here anyway learns so by a 404, others get
        the same refusal as for a thing that exists, so that names cannot be probed. ``what`` names it.
        """
        if access.allows(self.answer, self.caller, thing):
            self.permitted = True
            if thing is None:
                raise not_found(f"{what} not found")
            return
        if self.answer is Answer.OWN:
            if thing is None:
                raise not_found(f"{what} not found")
            raise forbidden(
                f"{what} belongs to someone else, and your role lets you do this only to your own"
            )
        raise self.refusal(f"{what} not found")

    def may(self, action: Action, team_id: int | None) -> bool:
        """Whether the table says yes to another action, in the org of the request or in a team of it."""
        return access.answer(self.caller, action, self.the_org.id, team_id) is Answer.YES

    def require(self, action: Action, team_id: int | None) -> None:
        """Refuse with a 403 Problem unless the table says yes to another action as well."""
        if not self.may(action, team_id):
            raise forbidden(f"your roles do not let you {action.value} in '{self.the_org.name}'")

    def refusal(self, for_guests: str) -> Problem:
        """The refusal for this caller; ``for_guests`` to a guest who may look elsewhere."""
        return self.gate.refusal(self, for_guests)


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
        """Run ``work`` in a thread with a writing session and commit; ``work`` must bear being run again."""
        return await run_in_threadpool(self.registry.database.write, work)

    async def json_body(self) -> dict[str, Any]:
        """The JSON object of the body; raises a 413 or 422 Problem."""
        body = await _read_body(self.request, self.registry.config.body_limit_bytes)
        return await run_in_threadpool(parse_object, body)

    def success(self) -> Response:
        """An answer that has nothing to tell; not an empty one, which the official client takes for an error."""
        return JSONResponse({"requestStatus": request_status(None, self.request_id)})

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives."""
        return self.request.stream()


Endpoint = Callable[[Call], "dict[str, Any] | Response"]
StreamEndpoint = Callable[[StreamCall], Coroutine[Any, Any, Response]]


class ActionRoute(Route):
    """A route that says what it is for, and what stands before it; made by ``route`` only."""

    action: Action
    gate: Gate


def route(
    path: str,
    methods: Sequence[str],
    endpoint: Endpoint | StreamEndpoint,
    *,
    action: Action,
    gate: Gate = _NGC_GATE,
) -> ActionRoute:
    """A route with its action and the gate that stands before it."""
    dialect = gate.dialect
    streams = inspect.iscoroutinefunction(endpoint)

    async def handle(request: Request) -> Response:
        registry: Registry = request.app.state.registry
        request_id = uuid.uuid4().hex
        try:
            if "\0" in request.url.path or b"%00" in request.scope["query_string"]:
                raise unprocessable("the address holds a NUL character")
            _require_no_credentials_for_link(registry, request, action)
            if streams:
                stream = await run_in_threadpool(_admit_stream, registry, request, action, gate, request_id)
                response = await cast(StreamEndpoint, endpoint)(stream)
                _require_permitted(stream, endpoint)
            else:
                body = await _read_body(request, registry.config.body_limit_bytes)
                response = await run_in_threadpool(
                    _run, registry, request, cast(Endpoint, endpoint), action, gate, body, request_id
                )
        except Problem as problem:
            return render(problem, dialect, request_id)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        except IntegrityError:  # two requests met at a unique name
            return render(conflict("something else changed this at the same moment"), dialect, request_id)
        except Exception as error:  # noqa: BLE001 - the outermost place: logged, and told in the right dialect
            if isinstance(error, OSError) and is_disk_full(error):
                return render(Problem(507, "the registry has no room left"), dialect, request_id)
            _log.exception("%s %s failed, request id %s", request.method, request.url.path, request_id)
            return render(Problem(500, "the registry failed; its log tells more"), dialect, request_id)
        response.headers[REQUEST_ID_HEADER] = request_id
        return response

    made = ActionRoute(path, handle, methods=list(methods), name=endpoint.__name__)
    made.action, made.gate = action, gate
    return made


def _require_no_credentials_for_link(registry: Registry, request: Request, action: Action) -> None:
    """A signed link is checked here, and takes no other credentials, as in the object stores of the cloud."""
    if action is not Action.LINK:
        return
    if "authorization" in request.headers:
        raise Problem(400, "a signed link takes no Authorization header")
    method = "GET" if request.method == "HEAD" else request.method
    if not registry.signer.link_is_good(method, request.url.path, request.query_params):
        raise Problem(403, "the link is not valid or has expired")


def _run(
    registry: Registry,
    request: Request,
    endpoint: Endpoint,
    action: Action,
    gate: Gate,
    body: bytes,
    request_id: str,
) -> Response:
    def work(db: Session) -> dict[str, Any] | Response:
        call = Call(registry, request, action, gate, request_id, db=db, raw_body=body)
        _admit(call, db)
        result = endpoint(call)
        _require_permitted(call, endpoint)
        return result

    if request.method in ("GET", "HEAD"):
        with registry.database.reading() as db:
            result = work(db)
    else:
        result = registry.database.write(work)
    if isinstance(result, Response):
        return result
    return JSONResponse({"requestStatus": request_status(None, request_id), **result})


def _require_permitted(call: BaseCall, endpoint: Callable[..., Any]) -> None:
    """Fail closed where an endpoint has forgotten to ask."""
    if not call.permitted:
        raise RuntimeError(f"{endpoint.__name__} did not ask whether {call.action.name} is permitted")


def _admit_stream(
    registry: Registry, request: Request, action: Action, gate: Gate, request_id: str
) -> StreamCall:
    call = StreamCall(registry, request, action, gate, request_id)
    if action is not Action.LINK:
        with registry.database.reading() as db:
            _admit(call, db)
    return call


def _admit(call: BaseCall, db: Session) -> None:
    """Find out who calls and look up the table; raises a Problem when the answer is no whatever the thing."""
    if call.action in (Action.ANYONE, Action.LINK):
        return
    call.caller = call.gate.caller(call.registry, db, call.request)
    if call.action is Action.SIGNED_IN:
        if call.caller.is_guest:
            raise unauthorized("this needs an API key")
        return
    enter(call, db, *call.gate.place(call.path))


def enter(call: BaseCall, db: Session, org_name: str, team_name: str) -> None:
    """Look up the table for this org and team; raises a Problem when the answer is no whatever the thing.

    An org or team that does not exist is refused like one the caller has no part in.
    """
    call.org = db.scalar(select(Org).where(Org.name == org_name))
    call.answer = Answer.NO
    if call.org is None:
        raise call.refusal(f"org '{org_name}' not found")
    if team_name:
        call.team = db.scalar(select(Team).where(Team.org_id == call.org.id, Team.name == team_name))
    team_id = None
    if call.team is not None:
        team_id = call.team.id
    elif team_name:
        team_id = access.ANY_TEAM
    call.answer = access.answer(call.caller, call.action, call.org.id, team_id)
    if call.answer is Answer.NO:
        raise call.refusal(f"team '{team_name}' not found")
    if team_name and call.team is None:
        if call.answer is Answer.YES:
            raise not_found(f"team '{team_name}' not found in org '{org_name}'")
        raise call.refusal(f"team '{team_name}' not found")
    call.permitted = call.answer is Answer.YES


async def _read_body(request: Request, limit_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit_bytes:
            raise Problem(413, f"the body is larger than {limit_bytes} bytes")
    return bytes(body)


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a body; an empty body is an empty object. Raises a 422 Problem otherwise.

    NUL and lone surrogates are refused, since no database takes them.
    """
    if not body.strip():
        return {}
    try:
        value = json.loads(body, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode()  # refuses lone surrogates
    except (ValueError, RecursionError) as error:
        raise unprocessable("the body is not JSON in UTF-8") from error
    if not isinstance(value, dict):
        raise unprocessable("the body is not a JSON object")
    if b"\\u0000" in body and _holds_nul(value):
        raise unprocessable("the body holds a NUL character")
    return value


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(map(_holds_nul, value))


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
