"""What an operator does to orgs, teams, users and keys, outside of HTTP and its roles.

Used by ``ngc-registry``, ``ngc local`` and tests; each function runs inside the caller's transaction.
"""

from __future__ import annotations

import re
import uuid

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from ngc_cli.errors import UsageError
from ngc_cli.roles import DEFAULT_ROLE, canonical_role
from ngc_cli.server.auth.keys import key_digest, new_key
from ngc_cli.server.clock import utc_now
from ngc_cli.server.errors import AdminError as AdminError
from ngc_cli.server.images.names import API_WORDS
from ngc_cli.server.metadata import ApiKey, Invitation, KeyKind, Membership, Org, Team, User

_ORG_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,254}")
_TEAM_NAME = re.compile(r"[a-z][a-z0-9_-]{0,17}[a-z0-9]")
_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,255}")
RESERVED_NAMES = frozenset({"org", "orgs", "team", "teams", "no-org", "no-team", "versions"})


def ensure_org(db: Session, name: str, display_name: str = "") -> Org:
    """The org of this name, made when there is none."""
    found = db.scalar(select(Org).where(Org.name == name))
    if found is None:
        if _ORG_NAME.fullmatch(name) is None or name in RESERVED_NAMES | API_WORDS:
            raise AdminError(f"'{name}' cannot be the name of an org: use a-z, 0-9, '-' and '_'")
        found = Org(name=name, display_name=display_name)
        db.add(found)
        db.flush()
    return found


def ensure_team(db: Session, org: Org, name: str, description: str = "") -> Team:
    """The team of this name in the org, made when there is none."""
    found = find_team(db, org, name)
    if found is None:
        require_team_name(name)
        found = Team(org_id=org.id, name=name, description=description)
        db.add(found)
        db.flush()
    return found


def require_team_name(name: str) -> None:
    """Raise AdminError unless a team may have this name (docs/protocol/people.md#endpoints, T3)."""
    if _TEAM_NAME.fullmatch(name) is None or name in RESERVED_NAMES:
        raise AdminError(
            f"'{name}' cannot be the name of a team: use 2 to 19 of a-z, 0-9, '-' and '_', beginning with a letter "
            "and not ending in '-' or '_'"
        )


def find_org(db: Session, name: str) -> Org:
    """The org of this name; raises AdminError."""
    found = db.scalar(select(Org).where(Org.name == name))
    if found is None:
        raise AdminError(f"there is no org '{name}'")
    return found


def find_team(db: Session, org: Org, name: str) -> Team | None:
    """The team of this name in the org, or None."""
    return db.scalar(select(Team).where(Team.org_id == org.id, Team.name == name))


def normal_email(email: str) -> str:
    """The form e-mail addresses are stored and compared in; raises AdminError for what is none."""
    if _EMAIL.fullmatch(email.strip()) is None:
        raise AdminError(f"'{email}' is not an e-mail address")
    return email.strip().lower()


def find_user(db: Session, email: str) -> User | None:
    """The user with this address in any case, or None."""
    return db.scalar(select(User).where(User.email == normal_email(email)))


def ensure_user(db: Session, email: str, name: str = "") -> User:
    """The user with this address, made when there is none."""
    found = find_user(db, email)
    if found is None:
        unique = uuid.uuid4().hex
        found = User(email=normal_email(email), name=name, starfleet_id=f"sf-{unique}", client_id=unique[:24])
        db.add(found)
        db.flush()
    return found


def grant(db: Session, user: User, org: Org, team: Team | None = None, role: str = DEFAULT_ROLE) -> None:
    """Give a user a role, in any spelling, in an org or a team of it; again is no error."""
    name = _role(role, team)
    team_id = team.id if team else None
    held = select(Membership.id).where(
        Membership.user_id == user.id,
        Membership.org_id == org.id,
        Membership.team_id.is_(None) if team_id is None else Membership.team_id == team_id,
        Membership.role == name,
    )
    if db.scalar(held) is None:
        db.add(Membership(user_id=user.id, org_id=org.id, team_id=team_id, role=name))
        db.flush()


def accept_invitations(db: Session, user: User) -> None:
    """Turn the invitations to a user's address into roles, and forget those that have expired."""
    now = utc_now()
    for invitation in db.scalars(select(Invitation).where(Invitation.email == user.email)):
        if invitation.expires_at is None or invitation.expires_at > now:
            grant(db, user, invitation.org, invitation.team, invitation.role)
    db.execute(delete(Invitation).where(Invitation.email == user.email))


def create_key(db: Session, email: str, *, org: Org | None = None, kind: KeyKind = KeyKind.PERSONAL) -> str:
    """A new API key of a user or of somebody invited; the only time the key is seen.

    ``org`` is what a personal key reports as its org, by default the first the user belongs to. Raises AdminError
    for an address nobody knows.
    """
    user = find_user(db, email)
    if user is None:
        invitation = db.scalar(select(Invitation).where(Invitation.email == normal_email(email)))
        if invitation is None:
            raise AdminError(f"nobody with the address '{email}' is known or invited")
        user = ensure_user(db, email, invitation.name)
    accept_invitations(db, user)
    first = select(Membership.org_id).where(Membership.user_id == user.id).order_by(Membership.id).limit(1)
    org_id = org.id if org else db.scalar(first)
    if kind is KeyKind.LEGACY:
        _end_legacy_keys(db, user)
    return _store_key(db, ApiKey(kind=kind, user_id=user.id, org_id=org_id))


def create_service_key(db: Session, org: Org, team: Team | None = None, role: str = DEFAULT_ROLE) -> str:
    """A new key that belongs to no user and holds one role."""
    key = ApiKey(
        kind=KeyKind.SERVICE, org_id=org.id, team_id=team.id if team else None, role=_role(role, team)
    )
    return _store_key(db, key)


def knows_key(db: Session, key: str) -> bool:
    """Whether this is a key of the registry that has not been revoked."""
    found = db.scalar(select(ApiKey).where(ApiKey.digest == key_digest(key)))
    return found is not None and found.revoked_at is None


def revoke_key(db: Session, key: str) -> None:
    """Make a key worthless, and with it every token issued for it; raises AdminError for an unknown key."""
    found = db.scalar(select(ApiKey).where(ApiKey.digest == key_digest(key)))
    if found is None:
        raise AdminError("there is no such key")
    found.revoked_at = found.revoked_at or utc_now()


def _end_legacy_keys(db: Session, user: User) -> None:
    """A user has one legacy key: a new one makes the old one worthless (guide 3.1)."""
    old = (ApiKey.user_id == user.id, ApiKey.kind == KeyKind.LEGACY, ApiKey.revoked_at.is_(None))
    db.execute(update(ApiKey).where(*old).values(revoked_at=utc_now()))


def _store_key(db: Session, row: ApiKey) -> str:
    key = new_key(row.kind)
    row.digest, row.last_characters = key_digest(key), key[-4:]
    db.add(row)
    db.flush()
    return key


def _role(role: str, team: Team | None) -> str:
    try:
        return canonical_role(role, in_team=team is not None)
    except UsageError as error:
        raise AdminError(f"{error.message}. {error.hint}") from error
