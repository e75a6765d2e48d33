"""Tokens, keys, the caller's own account, and what clients ask before their first command.

Source: docs/protocol/authentication.md, docs/protocol/conventions.md and docs/protocol/people.md.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from sqlalchemy import select
from starlette.responses import JSONResponse, Response

from ngc_cli import __version__
from ngc_cli.roles import OF_2020, ROLES
from ngc_cli.server.artifacts.schema import text
from ngc_cli.server.auth.keys import find_key, issue_token, key_in_basic, user_of
from ngc_cli.server.auth.roles import Action
from ngc_cli.server.config import FORM_LIMIT_BYTES
from ngc_cli.server.endpoint import Call, route
from ngc_cli.server.instance import INSTANCE_HEADER
from ngc_cli.server.metadata import KeyKind, Org, User
from ngc_cli.server.people.objects import memberships, user_object
from ngc_cli.server.problems import forbidden, not_found, request_status, unprocessable

_CONTENT_SERVICES = ("CONTAINER", "MODEL", "MODELSCRIPT")
# One is read; some clients send a few more.
_FORM_FIELDS = 8
_USER_SERVICES = ("ORG", "TEAM", "USER")


def token(call: Call) -> dict[str, Any]:
    """A token for a key. Scopes are not needed: what the key may do is looked up at every request."""
    config = call.registry.config
    header = call.request.headers.get("authorization", "")
    key = find_key(call.db, key_in_basic(header, strict_user=config.strict_user))
    ttl_s = config.token_ttl_s
    return {"token": issue_token(call.registry.signer, key, ttl_s), "expires_in": ttl_s}


def caller_info(call: Call) -> dict[str, Any]:
    """Who a scoped key belongs to; the key comes in a form and is neither logged nor kept."""
    try:
        form = parse_qs(call.raw_body.decode("utf-8", "replace"), max_num_fields=_FORM_FIELDS)
    except ValueError:
        form = {}
    values = form.get("credentials", [])
    if len(values) != 1:
        raise unprocessable("the form must have one member 'credentials'")
    key = find_key(call.db, values[0])
    info: dict[str, Any] = {"type": key.kind.value, "products": ["artifact-catalog"]}
    if key.org is not None:
        info["orgName"] = key.org.name
    if key.user is not None and key.kind is not KeyKind.SERVICE:
        info["userId"] = key.user.starfleet_id
        info["user"] = user_object(key.user, memberships(call.db, [key.user.id]))
    return info


def me(call: Call) -> dict[str, Any]:
    """The caller's own user, with the roles in all orgs, or in the one of ``org-name``."""
    user = _own_user(call)
    name = call.query.get("org-name")
    org = None
    if name is not None:
        org = call.db.scalar(select(Org).where(Org.name == name))
        if org is None or all(grant.org_id != org.id for grant in call.principal.grants):
            raise forbidden(f"you are not a member of org '{name}'")
    value = user_object(user, memberships(call.db, [user.id], org))
    return {"user": value, "userRoles": value["roles"]}


def rename_me(call: Call) -> dict[str, Any]:
    """A new name for the caller's own user."""
    user = _own_user(call)
    user.name = text(64, at_least=1)("name", call.body.get("name"))
    return {}


def _own_user(call: Call) -> User:
    user = user_of(call.db, call.principal)
    if user is None:
        raise not_found("a service key has no user")
    return user


def roles(call: Call) -> dict[str, Any]:
    """The roles there are, and what each unlocks in the official client's help.

    With the names of 2020 among them the official client takes these too (docs/protocol/people.md#roles).
    """
    return {"roles": [_role_object(name) for name in (*ROLES, *(f"{name}_ROLE" for name in OF_2020))]}


def _role_object(name: str) -> dict[str, Any]:
    services: tuple[str, ...] = ()
    if name.startswith("REGISTRY_"):
        services += _CONTENT_SERVICES
    if name in ("REGISTRY_ADMIN", "USER_ADMIN", "ORG_OWNER"):
        services += _USER_SERVICES
    level = "READ" if name.endswith(("_READ", "_VIEWER")) else "WRITE"
    display = name.replace("_", " ").title()
    return {
        "name": name,
        "displayName": display,
        "shortDisplayName": display,
        "product": {"name": "private-registry", "displayName": "Private Registry"},
        "allowedActions": [{"service": service, "accessLevels": [level]} for service in services],
    }


def products(call: Call) -> dict[str, Any]:
    """No products: everything here is open to whoever has the role."""
    return {"products": []}


def own_version(call: Call) -> dict[str, Any]:
    """The newest client there is to know of; a client asks once a day."""
    return {"recipe": {"name": "ngc_cli", "latestVersionIdStr": __version__}}


def health(call: Call) -> Response:
    """200 as long as the registry answers; a header says which of its processes did."""
    return JSONResponse(
        {
            "requestStatus": request_status(None, call.request_id),
            "health": {"healthCode": "OK", "healthCodeDescription": "serving"},
        },
        headers={INSTANCE_HEADER: call.registry.config.instance},
    )


def ping(call: Call) -> dict[str, Any]:
    """200 for good credentials."""
    return {}


def address(call: Call) -> dict[str, Any]:
    """The address the caller is seen from, for ``ngc diag``: ``{"address": "192.0.2.1"}``; our own endpoint."""
    client = call.request.client
    return {"address": client.host if client else ""}


ROUTES = [
    route("/token", ["GET"], token, action=Action.ANYONE),
    route(
        "/v3/keys/get-caller-info",
        ["POST"],
        caller_info,
        action=Action.ANYONE,
        body_limit_bytes=FORM_LIMIT_BYTES,
    ),
    route("/v2/users/me", ["GET"], me, action=Action.SIGNED_IN),
    route("/v2/users/me", ["PATCH"], rename_me, action=Action.SIGNED_IN),
    route("/roles", ["GET"], roles, action=Action.ANYONE),
    route("/v2/products", ["GET"], products, action=Action.ANYONE),
    route("/v2/resources/nvidia/ngc-apps/ngc_cli", ["GET"], own_version, action=Action.ANYONE),
    route("/health", ["GET"], health, action=Action.ANYONE),
    route("/v2/ping", ["GET"], ping, action=Action.SIGNED_IN),
    route("/v2/echo/address", ["GET"], address, action=Action.ANYONE),
]
