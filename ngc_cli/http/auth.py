"""Request authenticators of the NGC API: API keys of every kind, tokens per scope, guests.

Source: docs/protocol/authentication.md and docs/protocol/conventions.md. Tokens live in memory only: what is
never written cannot be read by others.
"""

from __future__ import annotations

import base64
import binascii
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ngc_cli import basic_auth
from ngc_cli.errors import ConfigError, NotAuthenticated, ServerError
from ngc_cli.http.ranges import read_body
from ngc_cli.http.redact import redact_url, register_secret
from ngc_cli.json_text import parse_json
from ngc_cli.urls import may_carry_secret, origin

if TYPE_CHECKING:
    import requests

    from ngc_cli.http.session import Http

# A token is renewed before a long request could outlive it; of a short-lived one a tenth is kept.
_RENEW_MARGIN_S = 300.0
# A token is a few kilobytes.
_ANSWER_MAX_BYTES = 1024 * 1024
_JWT_PART = re.compile(r"[A-Za-z0-9_-]+=*")


@dataclass(frozen=True)
class Scope:
    """The org, and team of it, a token is for; both empty for a user-level token."""

    org: str = ""
    team: str = ""


@dataclass(frozen=True)
class _Token:
    value: str
    renew_at: float


class NgcCredentials:
    """The identity of a command: an API key of any kind, or a guest when the key is empty.

    ``bearer`` gives the value to send: the key itself for ``nvapi-`` keys and JWTs, else a token exchanged at the
    authentication host and kept in memory per scope.
    """

    def __init__(
        self,
        http: Http,
        key: str,
        *,
        api_url: str,
        auth_url: str,
        search_url: str = "",
        org: str = "",
        team: str = "",
    ) -> None:
        self.key = key
        self.api_url = api_url
        self.search_url = search_url or api_url
        self.origins = {origin(api_url), origin(self.search_url)}
        self._http = http
        self._auth_url = auth_url
        self._context = {"nv-ngc-org": org, "nv-ngc-team": team if org else ""}
        self._tokens: dict[Scope, _Token] = {}
        self._lock = threading.Lock()
        if key:
            register_secret(key)

    @property
    def is_guest(self) -> bool:
        """Whether there is no key at all."""
        return not self.key

    def scoped(self, scope: Scope) -> NgcAuth:
        """The authenticator for calls that need a token of this scope."""
        return NgcAuth(self, scope)

    def context_headers(self) -> dict[str, str]:
        """``nv-ngc-org`` and ``nv-ngc-team`` of the configuration, not of the target."""
        return {name: value for name, value in self._context.items() if value and self.key}

    def bearer(self, scope: Scope) -> str:
        """The bearer value for a scope; raises NotAuthenticated when the key is refused or has expired."""
        if self.key.startswith("nvapi-"):
            return self.key
        claims = _jwt_claims(self.key)
        if claims is not None:
            if not isinstance(claims.get("exp"), (int, float)) or time.time() >= claims["exp"]:
                raise NotAuthenticated("the token given as API key has expired", hint="Get a fresh one.")
            return self.key
        with self._lock:
            token = self._tokens.get(scope)
            if token is None or time.monotonic() >= token.renew_at:
                token = self._tokens[scope] = self._exchange(scope)
            return token.value

    def forget(self, scope: Scope) -> bool:
        """Drop the cached token; True when a new one may help (a scoped key or JWT is what it is)."""
        with self._lock:
            return self._tokens.pop(scope, None) is not None

    def _exchange(self, scope: Scope) -> _Token:
        """Key to token at the authentication host (docs/protocol/authentication.md#tokens)."""
        require_safe_for_secrets(self._auth_url)
        scopes = [f"group/ngc:{scope.org}"] if scope.org else []
        if scope.org and scope.team:
            scopes.append(f"group/ngc:{scope.org}/{scope.team}")
        query = "".join(f"&scope={quote(item, safe='/:')}" for item in scopes)
        url = f"{self._auth_url.rstrip('/')}/token?service=ngc{query or '&'}"
        headers = {"Authorization": basic_auth.authorization(self.key)}
        with self._http.send("GET", url, headers=headers, follow=False) as response:
            try:
                answer = parse_json(read_body(response, _ANSWER_MAX_BYTES))
                value, lifetime_s = str(answer["token"]), float(answer.get("expires_in", 0))
            except (ValueError, KeyError, TypeError) as error:
                raise ServerError(
                    f"the token answer of {redact_url(url)} cannot be read", hint="Check NGC_CLI_AUTH_URL."
                ) from error
        register_secret(value)
        return _Token(value, time.monotonic() + lifetime_s - min(_RENEW_MARGIN_S, lifetime_s / 10))


class NgcAuth:
    """Credentials for one scope, given out only to the origins of the API and its search."""

    def __init__(self, credentials: NgcCredentials, scope: Scope) -> None:
        self._credentials = credentials
        self._scope = scope

    def headers(self, url: str) -> Mapping[str, str]:
        """Authorization and context headers when the URL lies at one of the API's origins."""
        if self._credentials.is_guest or origin(url) not in self._credentials.origins:
            return {}
        require_safe_for_secrets(url)
        bearer = self._credentials.bearer(self._scope)
        return {"Authorization": f"Bearer {bearer}", **self._credentials.context_headers()}

    def renew(self, response: requests.Response) -> bool:
        """Fetch a fresh token next time, if tokens are what this key uses."""
        return self._credentials.forget(self._scope)


def require_safe_for_secrets(url: str) -> None:
    """Raise ConfigError for plain http to anything but this machine: a key must not travel in the clear."""
    if not may_carry_secret(url):
        raise ConfigError(
            f"an API key is not sent to {redact_url(url)} without TLS", hint="Use an https:// address."
        )


def _jwt_claims(key: str) -> dict[str, Any] | None:
    """The claims of a key that is itself a JWT, else None."""
    parts = key.split(".")
    if len(parts) != 3 or not all(_JWT_PART.fullmatch(part) for part in parts):
        return None
    try:
        header, claims = (
            parse_json(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts[:2]
        )
    except (ValueError, binascii.Error):
        return None
    return claims if isinstance(header, dict) and isinstance(claims, dict) else None
