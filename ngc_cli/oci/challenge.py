"""The login of a registry: its challenge, and a token for each scope.

A key goes to trusted token endpoints only: over TLS to the registry's own host or to the authentication host of the
settings, or in the clear when registry and endpoint are both on this machine. Others are asked for an anonymous
token. Tokens live in memory only.
Source: RFC 9110 section 11, distribution's token specification, docs/protocol/distribution.md#token-endpoint.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from ngc_cli import basic_auth
from ngc_cli.errors import Forbidden, NgcError, NotAuthenticated, ServerError
from ngc_cli.http.ranges import read_body
from ngc_cli.http.redact import redact_url, register_secret
from ngc_cli.http.session import Http
from ngc_cli.json_text import parse_json
from ngc_cli.units import parse_time
from ngc_cli.urls import may_carry_secret, origin

if TYPE_CHECKING:
    import requests

# Distribution token specification: a token without expires_in lives 60 seconds.
_DEFAULT_LIFETIME_S = 60.0
# Token services of replicated registries lag behind the key by a moment.
_SECOND_TRY_AFTER_S = 0.5
# A token is a few kilobytes.
_ANSWER_MAX_BYTES = 1024 * 1024

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - the grammar of RFC 9110, no secret
_SCHEME = re.compile(rf"[\s,]*({_TOKEN})(?:[ \t]+|$|(?=,))")
_PARAM = re.compile(rf'[\s,]*({_TOKEN})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))')
_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$))")


@dataclass(frozen=True)
class Challenge:
    """One way to log in that a server offers; names are in lower case."""

    scheme: str
    params: Mapping[str, str] = field(default_factory=dict)


def parse_challenges(header: str) -> list[Challenge]:
    """The challenges of a ``WWW-Authenticate`` header, which may hold several; stops at what it cannot read.

    Values may be quoted and then hold commas (``scope="repository:a/b:pull,push"``).
    """
    found: list[Challenge] = []
    position = 0
    while match := _SCHEME.match(header, position):
        position = match.end()
        params: dict[str, str] = {}
        while item := _PARAM.match(header, position):
            value = re.sub(r"\\(.)", r"\1", item[2]) if item[2] is not None else item[3]
            params.setdefault(item[1].lower(), value)
            position = item.end()
        if not params and (bare := _TOKEN68.match(header, position)):
            position = bare.end()
        found.append(Challenge(match[1].lower(), params))
    return found


def bearer_challenge(response: requests.Response) -> Challenge | None:
    """The bearer challenge with a realm of a 401, or None."""
    for item in parse_challenges(response.headers.get("WWW-Authenticate", "")):
        if item.scheme == "bearer" and item.params.get("realm"):
            return item
    return None


def token_url(challenge: Challenge, scopes: Sequence[str], account: str) -> str:
    """The address to get a token from: the realm with its own query, and what that does not say already.

    ``scope`` is repeated for each scope; ``service`` is sent only if the challenge names one.
    """
    parts = urlsplit(challenge.params["realm"])
    query = parse_qsl(parts.query, keep_blank_values=True)
    present = {name for name, _ in query}
    for name, value in (("service", challenge.params.get("service", "")), ("account", account)):
        if value and name not in present:
            query.append((name, value))
    wanted = [*challenge.params.get("scope", "").split(), *scopes]
    for scope in dict.fromkeys(wanted):
        if ("scope", scope) not in query:
            query.append(("scope", scope))
    return urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(query, safe=":/,"), ""))


@dataclass(frozen=True)
class _Token:
    value: str
    renew_at_s: float


class RegistryLogin:
    """Credentials for one registry (a key as ``$oauthtoken``, or none), and the tokens it issued, by scope."""

    def __init__(self, http: Http, registry_url: str, key: str, *, auth_url: str = "") -> None:
        self.registry_url = registry_url.rstrip("/")
        self.withheld_from = ""
        self._http = http
        self._key = key
        self._key_origins = {origin(url) for url in (registry_url, auth_url) if url and may_carry_secret(url)}
        self._challenge: Challenge | None = None
        self._tokens: dict[tuple[str, ...], _Token] = {}
        self._lock = threading.Lock()
        if key:
            register_secret(key)

    @property
    def is_guest(self) -> bool:
        """Whether there is no key."""
        return not self._key

    def scoped(self, *scopes: str) -> RegistryAuth:
        """The authenticator of requests that need these scopes."""
        return RegistryAuth(self, scopes)

    def authorization(self, scopes: tuple[str, ...]) -> str:
        """The value of ``Authorization``; empty until the registry has sent a challenge."""
        with self._lock:
            token = self._tokens.get(scopes)
            if self._challenge is not None and (token is None or time.monotonic() >= token.renew_at_s):
                token = self._tokens[scopes] = self._fetch(self._challenge, scopes)
            return f"Bearer {token.value}" if token else ""

    def renew(self, response: requests.Response, scopes: tuple[str, ...]) -> bool:
        """After a 401: get another token; False when the registry offers nothing that could help.

        A token that ran out may be answered with the challenge of another endpoint, which serves no one
        anonymous; then the challenge that a request without a token gets is the one to follow
        (docs/protocol/distribution.md#token-endpoint).
        """
        refused = response.request.headers.get("Authorization", "")
        with self._lock:
            present = self._tokens.get(scopes)
            if present is not None and refused != f"Bearer {present.value}":
                return True  # another thread was faster
            challenge = bearer_challenge(response)
            if challenge is None:
                return False
            if refused and challenge.params.get("error") == "invalid_token":
                challenge = self._fresh_challenge()
                self._tokens.clear()
                if challenge is None:
                    self._challenge = None
                    return True
            self._challenge = Challenge(
                "bearer",
                {name: value for name, value in challenge.params.items() if name in ("realm", "service")},
            )
            self._tokens[scopes] = self._fetch(challenge, scopes)
            return True

    def _fresh_challenge(self) -> Challenge | None:
        """What the registry asks of a request without a token; None when it asks for nothing."""
        with self._http.send("GET", f"{self.registry_url}/v2/", expect=(401,)) as response:
            return bearer_challenge(response)

    def _fetch(self, challenge: Challenge, scopes: tuple[str, ...]) -> _Token:
        """A token for these scopes; raises NotAuthenticated, Forbidden, ServerError."""
        realm = challenge.params["realm"]
        if origin(realm)[0] not in ("https", "http"):
            raise ServerError(f"{self.registry_url} names '{redact_url(realm)}' as the place to log in")
        trusted = self._may_have_key(realm)
        key = self._key if trusted else ""
        self.withheld_from = "" if trusted or not self._key else redact_url(realm).partition("?")[0]
        headers = {}
        if key:
            headers["Authorization"] = basic_auth.authorization(key)
        url = token_url(challenge, scopes, basic_auth.USERNAME if key else "")
        try:
            answer = parse_json(self._ask(url, headers))
        except ValueError as error:
            raise ServerError(f"the token answer of {redact_url(url)} is not JSON") from error
        except (NotAuthenticated, Forbidden) as error:
            raise self._refused(error) from error
        value = answer.get("token") or answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(value, str) or not re.fullmatch(r"[\x21-\x7e]+", value):
            raise ServerError(f"the token answer of {redact_url(url)} holds no token")
        register_secret(value)
        return _Token(value, time.monotonic() + 0.9 * _lifetime_s(answer))

    def _ask(self, url: str, headers: Mapping[str, str]) -> bytes:
        """The body of a token answer. A 401 is asked about once more: token services fail that way in passing."""
        for last in (False, True):
            try:
                with self._http.send("GET", url, headers=headers, follow=False) as response:
                    return read_body(response, _ANSWER_MAX_BYTES)
            except NotAuthenticated:
                if last:
                    raise
                self._http.pause(_SECOND_TRY_AFTER_S)
        raise AssertionError("unreachable: the last try returns or raises")

    def _may_have_key(self, realm: str) -> bool:
        """Whether the key may be sent to this token endpoint: one of the registry's or of the configured host.

        Another port of the same host, on this machine as well, may be somebody else's.
        """
        return origin(realm) in self._key_origins

    def _refused(self, error: NgcError) -> NgcError:
        """The refusal of a token in words that say what was sent."""
        host = urlsplit(self.registry_url).netloc
        if self.withheld_from:
            return self.key_withheld(error)
        if not self._key:
            message = f"{host} gives nothing to guests here: {error.message}"
            return NotAuthenticated.like(error, message, hint="Set an API key with 'ngc config set'.")
        message = f"{host} does not accept the API key: {error.message}"
        return type(error).like(error, message, hint=error.hint)

    def key_withheld(self, error: NgcError) -> NotAuthenticated:
        """The refusal of a registry that wants a login where the key is not sent."""
        host = urlsplit(self.registry_url).netloc
        return NotAuthenticated.like(
            error,
            f"{host} wants a login at {self.withheld_from}, which is not trusted: the key was not sent",
            hint="If that address is right, name it in NGC_CLI_AUTH_URL.",
        )


class RegistryAuth:
    """Credentials for some scopes, given out only to the origin of the registry."""

    def __init__(self, login: RegistryLogin, scopes: tuple[str, ...]) -> None:
        self._login = login
        self._scopes = scopes

    def headers(self, url: str) -> Mapping[str, str]:
        """The token, if the URL is of the registry's origin and the registry has sent a challenge."""
        if origin(url) != origin(self._login.registry_url):
            return {}
        value = self._login.authorization(self._scopes)
        return {"Authorization": value} if value else {}

    def renew(self, response: requests.Response) -> bool:
        """Answer a challenge of the registry; those of other hosts are none of our business."""
        if origin(response.url or "") != origin(self._login.registry_url):
            return False
        return self._login.renew(response, self._scopes)


def _lifetime_s(answer: Mapping[str, Any]) -> float:
    """Seconds a token is good for. Its age by ``issued_at`` counts up to half of that: clocks differ."""
    given = answer.get("expires_in")
    usable = isinstance(given, (int, float)) and not isinstance(given, bool) and given > 0
    lifetime_s = float(given) if usable and given is not None else _DEFAULT_LIFETIME_S
    issued_at = parse_time(str(answer.get("issued_at") or ""))
    age_s = time.time() - issued_at.timestamp() if issued_at else 0.0
    return lifetime_s - min(max(age_s, 0.0), lifetime_s / 2)
