"""API keys and tokens: from the credentials of a request to its principal.

A token names its key, and every request looks that key and its user's roles up: a key that is revoked or a user
that is removed loses access at once, also with tokens issued before.
Source: docs/protocol/authentication.md.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session, joinedload

from ngc_cli.basic_auth import USERNAME
from ngc_cli.server.auth.roles import Grant, Principal
from ngc_cli.server.auth.signing import Signer
from ngc_cli.server.clock import utc_now
from ngc_cli.server.metadata import ApiKey, KeyKind, User
from ngc_cli.server.problems import unauthorized

_LEGACY_KEY_BYTES = 63  # 84 base64 characters without padding, like the keys of 2020
_SCOPED_KEY_BYTES = 48  # 384 bits: nobody guesses one, so an unsalted digest of it is enough to store


def new_key(kind: KeyKind) -> str:
    """A fresh key in the shape of its kind."""
    if kind is KeyKind.LEGACY:
        return base64.b64encode(secrets.token_bytes(_LEGACY_KEY_BYTES)).decode()
    return f"nvapi-{secrets.token_urlsafe(_SCOPED_KEY_BYTES)}"


def key_digest(key: str) -> str:
    """The sha256 of a key, which is all that is stored of it."""
    return hashlib.sha256(key.encode()).hexdigest()


def find_key(db: Session, key: str) -> ApiKey:
    """The row of a key that is valid now; raises a 401 Problem."""
    return _valid_key(db, ApiKey.digest == key_digest(key))


def key_in_basic(header: str, *, strict_user: bool = False) -> str:
    """The key that is the password of a Basic header; with ``strict_user`` only of the user ``$oauthtoken``, as nvcr.io
    has it. Raises a 401 Problem.
    """
    scheme, _, encoded = header.partition(" ")
    try:
        user, colon, key = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        user = colon = key = ""
    if scheme.lower() != "basic" or not colon or not key:
        raise unauthorized("no API key was sent: use Basic with user $oauthtoken and the key as password")
    if strict_user and user != USERNAME:
        raise unauthorized(f"only the user {USERNAME} has an API key as password")
    return key


def issue_token(signer: Signer, key: ApiKey, ttl_s: int, claims: dict[str, Any] | None = None) -> str:
    """A token that stands for a key for a while, with further claims as they are."""
    return signer.token({**(claims or {}), "sub": str(key.id)}, ttl_s)


def key_of_bearer(db: Session, signer: Signer, bearer: str) -> ApiKey:
    """The key behind a bearer value, which is a scoped key itself or a token; raises a 401 Problem."""
    if bearer.startswith("nvapi-"):
        return find_key(db, bearer)
    claims = signer.claims(bearer)
    if claims is None or "aud" in claims:  # a token with an audience is good only for what it names
        raise unauthorized("the token is not valid or has expired")
    return key_of_claims(db, claims)


def key_of_claims(db: Session, claims: Mapping[str, Any]) -> ApiKey:
    """The key a token stands for; raises a 401 Problem when it is no longer valid."""
    return _valid_key(db, ApiKey.id == int(claims["sub"]))


def principal_of(key: ApiKey) -> Principal:
    """The principal of a key, with the roles it was loaded with."""
    if key.kind is KeyKind.SERVICE:
        grants = (Grant(key.org_id, key.team_id, key.role),) if key.org_id and key.role else ()
        return Principal(key.id, None, grants)
    held = key.user.memberships if key.user is not None else ()
    return Principal(key.id, key.user_id, tuple(Grant(role.org_id, role.team_id, role.role) for role in held))


def user_of(db: Session, principal: Principal) -> User | None:
    """The user of a principal; None for guests and service keys."""
    return db.get(User, principal.user_id) if principal.user_id is not None else None


def _valid_key(db: Session, condition: ColumnElement[bool]) -> ApiKey:
    """The key that meets a condition, with its user and roles in one query; raises a 401 Problem."""
    query = select(ApiKey).where(condition).options(joinedload(ApiKey.user).joinedload(User.memberships))
    key = db.scalars(query).unique().one_or_none()
    now = utc_now()
    if key is None or key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
        raise unauthorized("the API key is not valid, has expired or was revoked")
    if key.user is not None and not key.user.is_active:
        raise unauthorized("the account of this API key is not active")
    return key
