"""Authorization: the one table relation x action, and which roles reach where. Pure.

Sources: guide section 3.2, docs/protocol/people.md#roles. Reach, in our ruling:

* a role in an org holds for the org's own content; only administrators of the org reach into its teams
* a role in a team holds for that team's content, and lets its holder read the org's own content
* what is public may be viewed by everyone, and downloaded by everyone signed in; guests download it only when
  it is also open to guests ("unlocked")
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
    MANAGE_OWNERS = "make and unmake owners of the org"


class Relation(Enum):
    """How a principal relates to an org or team, by its roles; several relations may hold at once."""

    GUEST = "no credentials"
    OUTSIDER = "signed in, no member here"
    MEMBER = "of an org: has any role in it or in one of its teams"
    LEADER = "of an org: administers one of its teams"
    NEIGHBOUR = "of an org: has a REGISTRY role in one of its teams"
    READ = "REGISTRY_READ"
    USER = "REGISTRY_USER, 2020: REGISTRY_WRITE_USER"
    TEAM_ADMIN = "REGISTRY_ADMIN in this team, 2020: REGISTRY_WRITE_TEAM_ADMIN"
    TEAM_USER_ADMIN = "USER_ADMIN in this team"
    USER_ADMIN = "USER_ADMIN in the org"
    ADMIN = "REGISTRY_ADMIN in the org, 2020: REGISTRY_WRITE_ADMIN"
    OWNER = "ORG_OWNER"


class Decision(Enum):
    """An entry of the table: never, always, or depending on the resource."""

    NO = "-"
    YES = "yes"
    OWN = "own"
    PUBLIC = "public"
    UNLOCKED = "unlocked"


_COLUMNS = (
    Relation.GUEST, Relation.OUTSIDER, Relation.MEMBER, Relation.LEADER, Relation.NEIGHBOUR, Relation.READ,
    Relation.USER, Relation.TEAM_ADMIN, Relation.TEAM_USER_ADMIN, Relation.USER_ADMIN, Relation.ADMIN, Relation.OWNER,
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
MANAGE_OWNERS      -         -         -       -       -          -     -     -           -                -           -      yes
"""


def _read_table(text: str) -> dict[Action, dict[Relation, Decision]]:
    _head, *lines = text.strip("\n").splitlines()
    table = {}
    for line in lines:
        name, *cells = line.split()
        table[Action[name]] = dict(zip(_COLUMNS, map(Decision, cells), strict=True))
    return table


TABLE = _read_table(_ROWS)
_STRENGTH = (Decision.NO, Decision.UNLOCKED, Decision.PUBLIC, Decision.OWN, Decision.YES)


@dataclass(frozen=True)
class Grant:
    """A canonical role in an org, or (``team_id`` set) in one team of it."""

    org_id: int
    team_id: int | None
    role: str


@dataclass(frozen=True)
class Principal:
    """Whoever sends a request, by its API key: a guest has none, a service key has no user.

    ``scopes`` are those of a token of the OCI API, as ``(type, name, action)``; other credentials have none.
    """

    key_id: int | None = None
    user_id: int | None = None
    grants: tuple[Grant, ...] = ()
    scopes: frozenset[tuple[str, str, str]] = frozenset()

    @property
    def is_guest(self) -> bool:
        """Whether no credentials were given."""
        return self.key_id is None


GUEST = Principal()
ANY_TEAM = -1  # no team has this id: only roles that reach into every team of an org allow anything there


@dataclass(frozen=True)
class Resource:
    """What decisions need to know of an artifact or image repository: its owner, and who else may see it."""

    owner_id: int | None
    is_public: bool = False
    guest_access: bool = False


def relations(principal: Principal, org_id: int, team_id: int | None) -> set[Relation]:
    """The relations of a principal to an org (``team_id`` None) or to a team of it."""
    found = {Relation.GUEST if principal.is_guest else Relation.OUTSIDER}
    for grant in principal.grants:
        if grant.org_id == org_id:
            found |= _relations_by(grant, team_id)
    return found


OWNER_ROLE = "ORG_OWNER"
_REACHING = {"REGISTRY_ADMIN": Relation.ADMIN, "USER_ADMIN": Relation.USER_ADMIN, OWNER_ROLE: Relation.OWNER}
_STAYING = {"REGISTRY_READ": Relation.READ, "REGISTRY_USER": Relation.USER}
_LEADING = frozenset({"REGISTRY_ADMIN", "USER_ADMIN"})
_IN_TEAM = {"REGISTRY_ADMIN": Relation.TEAM_ADMIN, "USER_ADMIN": Relation.TEAM_USER_ADMIN, **_STAYING}


def _relations_by(grant: Grant, team_id: int | None) -> set[Relation]:
    """The relations that one role gives its holder to the org itself (``team_id`` None) or to a team."""
    if grant.team_id is None:
        names = _REACHING if team_id is not None else {**_REACHING, **_STAYING}
    elif grant.team_id == team_id:
        names = _IN_TEAM
    else:
        names = {}
    found = {names[grant.role]} if grant.role in names else set()
    if team_id is None:
        found.add(Relation.MEMBER)
        if grant.team_id is not None:
            found |= {Relation.NEIGHBOUR} if grant.role.startswith("REGISTRY_") else set()
            found |= {Relation.LEADER} if grant.role in _LEADING else set()
    return found


def decide(principal: Principal, action: Action, org_id: int, team_id: int | None) -> Decision:
    """The strongest entry of the table for the relations of a principal to this org or team."""
    row = TABLE[action]
    return max((row[relation] for relation in relations(principal, org_id, team_id)), key=_STRENGTH.index)


def reaches(decision: Decision, other: Decision) -> bool:
    """Whether a decision allows all that another one does."""
    return _STRENGTH.index(decision) >= _STRENGTH.index(other)


def may_give(principal: Principal, role: str, org_id: int, team_id: int | None) -> bool:
    """Whether a principal may give somebody this role in an org, or in a team of it, and take it away.

    It may when whoever holds only that role could do nothing, anywhere in the org, that the principal cannot do. That
    it may manage users there at all is another question, which the action of the request answers.
    """
    holder = Principal(key_id=0, grants=(Grant(org_id, team_id, role),))
    return all(
        reaches(decide(principal, action, org_id, place), decide(holder, action, org_id, place))
        for action in TABLE
        for place in (None, team_id, ANY_TEAM)
    )


def allows(decision: Decision, principal: Principal, resource: Resource | None) -> bool:
    """Whether a decision permits the action on this resource; if it is None, only an unconditional yes does."""
    if decision is Decision.YES:
        return True
    if resource is None:
        return False
    if decision is Decision.OWN:
        return principal.user_id is not None and principal.user_id == resource.owner_id
    if decision is Decision.PUBLIC:
        return resource.is_public
    return decision is Decision.UNLOCKED and resource.is_public and resource.guest_access
