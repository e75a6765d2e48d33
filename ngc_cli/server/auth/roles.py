"""Who may do what: the one table role x action, and the rules of reach. Pure.

Sources: guide section 3.2, contract/cli-surface.md section 14. Reach, in our ruling:

* a role in an org holds for the org's own content; only administrators of the org reach into its teams
* a role in a team holds for that team's content, and lets its holder read the org's own content
* what is public may be looked at by everyone, and fetched by everyone signed in; guests fetch it only when it
  is also open to guests ("unlocked")
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Action(Enum):
    """What a request does; every route names one."""

    ANYONE = "information for everyone; credentials are not looked at"
    LINK = "follow a signed link, which stands for the credentials"
    SIGNED_IN = "see and change one's own account"

    VIEW = "list and look at models, resources and images"
    DOWNLOAD = "download models and resources, pull images"
    CREATE = "create models and resources, and their versions"
    UPLOAD = "upload files"
    UPDATE = "change what is said about models and resources, choose the latest version"
    DELETE = "delete models, resources and versions"
    PUBLISH = "make something public, or open to guests"
    PUSH = "create, push and describe images"
    DELETE_IMAGE = "delete images"

    VIEW_ORG = "look at the org, its teams and their members"
    MANAGE_TEAMS = "add, change and remove teams"
    MANAGE_USERS = "invite to the org, change roles in it, remove from it"
    INVITE = "invite people, or add members of the org to teams"
    MANAGE_TEAM_USERS = "add to a team, change roles in it, remove from it"


class Standing(Enum):
    """What a caller is in one place; several may hold at once."""

    GUEST = "no credentials"
    OUTSIDER = "signed in, no member here"
    MEMBER = "here is an org, and the caller has any role in it or in one of its teams"
    LEADER = "here is an org, and the caller is an administrator of one of its teams"
    NEIGHBOUR = "here is an org, and the caller has a REGISTRY role in one of its teams"
    READ = "REGISTRY_READ"
    USER = "REGISTRY_USER, 2020: REGISTRY_WRITE_USER"
    TEAM_ADMIN = "REGISTRY_ADMIN in this team, 2020: REGISTRY_WRITE_TEAM_ADMIN"
    TEAM_USER_ADMIN = "USER_ADMIN in this team"
    USER_ADMIN = "USER_ADMIN in the org"
    ADMIN = "REGISTRY_ADMIN in the org, 2020: REGISTRY_WRITE_ADMIN"
    OWNER = "ORG_OWNER"


class Answer(Enum):
    """An entry of the table."""

    NO = "-"
    YES = "yes"
    OWN = "own"
    PUBLIC = "public"
    UNLOCKED = "unlocked"


_COLUMNS = (
    Standing.GUEST, Standing.OUTSIDER, Standing.MEMBER, Standing.LEADER, Standing.NEIGHBOUR, Standing.READ,
    Standing.USER, Standing.TEAM_ADMIN, Standing.TEAM_USER_ADMIN, Standing.USER_ADMIN, Standing.ADMIN, Standing.OWNER,
)  # fmt: skip

_ROWS = """
                   guest     outsider  member  leader  neighbour  read  user  team-admin  team-user-admin  user-admin  admin  owner
VIEW               public    public    public  public  yes        yes   yes   yes         public           public      yes    yes
DOWNLOAD           unlocked  public    public  public  yes        yes   yes   yes         public           public      yes    yes
CREATE             -         -         -       -       -          -     yes   yes         -                -           yes    yes
UPLOAD             -         -         -       -       -          -     yes   yes         -                -           yes    yes
UPDATE             -         -         -       -       -          -     yes   yes         -                -           yes    yes
DELETE             -         -         -       -       -          -     own   yes         -                -           yes    yes
PUBLISH            -         -         -       -       -          -     -     yes         -                -           yes    yes
PUSH               -         -         -       -       -          -     yes   yes         -                -           yes    yes
DELETE_IMAGE       -         -         -       -       -          -     yes   yes         -                -           yes    yes
VIEW_ORG           -         -         yes     yes     yes        yes   yes   yes         yes              yes         yes    yes
MANAGE_TEAMS       -         -         -       -       -          -     -     -           -                yes         yes    yes
MANAGE_USERS       -         -         -       -       -          -     -     -           -                yes         yes    yes
INVITE             -         -         -       yes     -          -     -     -           -                yes         yes    yes
MANAGE_TEAM_USERS  -         -         -       -       -          -     -     yes         yes              yes         yes    yes
"""


def _read_table(text: str) -> dict[Action, dict[Standing, Answer]]:
    _head, *lines = text.strip("\n").splitlines()
    table = {}
    for line in lines:
        name, *cells = line.split()
        table[Action[name]] = dict(zip(_COLUMNS, map(Answer, cells), strict=True))
    return table


TABLE = _read_table(_ROWS)
_STRENGTH = (Answer.NO, Answer.UNLOCKED, Answer.PUBLIC, Answer.OWN, Answer.YES)


@dataclass(frozen=True)
class Grant:
    """A canonical role in an org, or (``team_id`` set) in one team of it."""

    org_id: int
    team_id: int | None
    role: str


@dataclass(frozen=True)
class Caller:
    """Who sends a request; a guest has no key. Service keys have no user."""

    key_id: int | None = None
    user_id: int | None = None
    grants: tuple[Grant, ...] = ()

    @property
    def is_guest(self) -> bool:
        """Whether no credentials were given."""
        return self.key_id is None


GUEST = Caller()
ANY_TEAM = -1  # no team has this id: only who reaches into every team of an org may do something there


@dataclass(frozen=True)
class Thing:
    """What the table needs to know of an artifact or image: whose it is, and who else may have it."""

    owner_id: int | None
    is_public: bool = False
    guest_access: bool = False


def standings(caller: Caller, org_id: int, team_id: int | None) -> set[Standing]:
    """What a caller is in an org (``team_id`` None) or in a team of it."""
    found = {Standing.GUEST if caller.is_guest else Standing.OUTSIDER}
    for grant in caller.grants:
        if grant.org_id == org_id:
            found |= _standings_by(grant, team_id)
    return found


_REACHING = {"REGISTRY_ADMIN": Standing.ADMIN, "USER_ADMIN": Standing.USER_ADMIN, "ORG_OWNER": Standing.OWNER}
_STAYING = {"REGISTRY_READ": Standing.READ, "REGISTRY_USER": Standing.USER}
_LEADING = frozenset({"REGISTRY_ADMIN", "USER_ADMIN"})
_IN_TEAM = {"REGISTRY_ADMIN": Standing.TEAM_ADMIN, "USER_ADMIN": Standing.TEAM_USER_ADMIN, **_STAYING}


def _standings_by(grant: Grant, team_id: int | None) -> set[Standing]:
    """What one role in the org makes of its holder in the org itself (``team_id`` None) or in a team."""
    if grant.team_id is None:
        names = _REACHING if team_id is not None else {**_REACHING, **_STAYING}
    elif grant.team_id == team_id:
        names = _IN_TEAM
    else:
        names = {}
    found = {names[grant.role]} if grant.role in names else set()
    if team_id is None:
        found.add(Standing.MEMBER)
        if grant.team_id is not None:
            found |= {Standing.NEIGHBOUR} if grant.role.startswith("REGISTRY_") else set()
            found |= {Standing.LEADER} if grant.role in _LEADING else set()
    return found


def answer(caller: Caller, action: Action, org_id: int, team_id: int | None) -> Answer:
    """The strongest entry of the table for what the caller is in this place."""
    row = TABLE[action]
    return max((row[standing] for standing in standings(caller, org_id, team_id)), key=_STRENGTH.index)


def allows(entry: Answer, caller: Caller, thing: Thing | None) -> bool:
    """Whether a table entry permits the action on this thing; without one, only an unconditional yes does."""
    if entry is Answer.YES:
        return True
    if thing is None:
        return False
    if entry is Answer.OWN:
        return caller.user_id is not None and caller.user_id == thing.owner_id
    if entry is Answer.PUBLIC:
        return thing.is_public
    return entry is Answer.UNLOCKED and thing.is_public and thing.guest_access
