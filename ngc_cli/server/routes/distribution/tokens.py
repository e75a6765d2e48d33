"""Tokens for the OCI API, and the check of its base path.

Source: "Token Authentication Specification" of the distribution project,
docs/protocol/distribution.md#token-endpoint.
"""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from ngc_cli.server.auth import scopes
from ngc_cli.server.auth.keys import find_key, key_in_basic, principal_of
from ngc_cli.server.auth.roles import GUEST
from ngc_cli.server.auth.scopes import API_VERSION, Scope, token_principal
from ngc_cli.server.clock import iso, utc_now
from ngc_cli.server.endpoint import Call
from ngc_cli.server.problems import Problem
from ngc_cli.server.routes.distribution.repository import open_route


def proxy_auth(call: Call) -> Response:
    """A token for the scopes asked for, as far as the key's roles go; without a key, as far as guests may go.

    Unknown scopes and parameters are passed over. There is no refresh token, and so no POST.
    """
    header = call.request.headers.get("authorization")
    key = None
    if header is not None:
        try:
            key = find_key(call.db, key_in_basic(header, strict_user=call.registry.config.strict_user))
        except Problem as problem:
            problem.headers["WWW-Authenticate"] = 'Basic realm="ngc"'
            raise
    principal = principal_of(key) if key is not None else GUEST
    texts = " ".join(call.request.query_params.getlist("scope")).split()
    asked = [scope for scope in map(Scope.parse, texts) if scope is not None]
    ttl_s = min(scopes.TOKEN_TTL_S, call.registry.config.token_ttl_s)
    issued_at = utc_now()
    token = scopes.issue(call.registry.signer, key, scopes.granted(call.db, principal, asked), ttl_s)
    return JSONResponse(
        {"token": token, "access_token": token, "expires_in": ttl_s, "issued_at": iso(issued_at)},
        headers={"Cache-Control": "no-store"},
    )


def base(call: Call) -> Response:
    """end-1: whether this is a registry, and whether the token is good."""
    token_principal(call.registry, call.db, call.request, None)
    return JSONResponse({}, headers=API_VERSION)


ROUTES = [
    open_route("/proxy_auth", proxy_auth),
    open_route("/v2/", base),
    open_route("/v2", base),
]
