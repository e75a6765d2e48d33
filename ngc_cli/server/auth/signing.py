"""What the registry signs with its shared secret: tokens (JWT, RFC 7519, HS256) and links that expire.

A signature proves only that this registry issued it; what a token's key may do is looked up at each request.

JWTs are made here in a dozen lines and not by PyJWT: one algorithm is all there is (what a token says of its own is
never read), links need the same HMAC anyway, and importing PyJWT costs about 55 ms, which ``ngc local`` and
``ngc-registry`` would pay at each start.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from ngc_cli.json_text import parse_json

_HEADER = {"alg": "HS256", "typ": "JWT"}


class Signer:
    """Signs and checks with one secret; times are whole seconds since the epoch."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def token(self, claims: Mapping[str, Any], ttl_s: int) -> str:
        """A token with these claims, good for ``ttl_s`` seconds."""
        now = int(time.time())
        body = f"{_encode(_HEADER)}.{_encode({**claims, 'iat': now, 'exp': now + ttl_s})}"
        return f"{body}.{_base64(self._mac('token', body))}"

    def claims(self, token: str) -> dict[str, Any] | None:
        """The claims of a token of this registry that has not expired, else None."""
        body, _, signature = token.rpartition(".")
        if not hmac.compare_digest(_base64(self._mac("token", body)).encode(), signature.encode()):
            return None
        claims = _decode(body.partition(".")[2])
        return claims if claims is not None and time.time() < claims["exp"] else None

    def sign_link(self, method: str, path: str, grant: str, ttl_s: int) -> str:
        """The path with a query that permits this method on it for ``ttl_s`` seconds, and says who may follow it.

        Nothing in the query needs quoting: the official client refuses ``%25``
        (docs/protocol/conventions.md#requests).
        """
        expires = int(time.time()) + ttl_s
        signature = self._mac("link", f"{method}\n{path}\n{grant}\n{expires}").hex()
        return f"{path}?{urlencode({'expires': expires, 'grant': grant, 'signature': signature})}"

    def link_grant(self, method: str, path: str, query: Mapping[str, str]) -> str | None:
        """The grant in this query, if it permits the method on the path now; else None."""
        expires, grant, given = (query.get(name, "") for name in ("expires", "grant", "signature"))
        wanted = self._mac("link", f"{method}\n{path}\n{grant}\n{expires}").hex()
        is_good = hmac.compare_digest(wanted.encode(), given.encode()) and time.time() < int(expires)
        return grant if is_good else None

    def _mac(self, purpose: str, text: str) -> bytes:
        return hmac.new(self._secret, f"{purpose}\n{text}".encode(), hashlib.sha256).digest()


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _encode(value: Mapping[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _decode(part: str) -> dict[str, Any] | None:
    try:
        value = parse_json(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, binascii.Error):
        return None
    return value if isinstance(value, dict) else None
