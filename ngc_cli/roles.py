"""Role names: the spellings of 2020 and of today, and the one that goes over the wire. Leaf module, pure.

Source: docs/guide.md (G-19) and docs/protocol/people.md#roles.
"""

from __future__ import annotations

from collections.abc import Iterable

from ngc_cli.errors import UsageError
from ngc_cli.similar import did_you_mean

DEFAULT_ROLE = "REGISTRY_USER"

ROLES = (
    "FLEET_COMMAND_ADMIN",
    "FLEET_COMMAND_OPERATOR",
    "FLEET_COMMAND_VIEWER",
    "NVIDIA_AI_ENTERPRISE_VIEWER",
    "OMNIVERSE_ADMIN",
    "OMNIVERSE_READ",
    "OMNIVERSE_USER",
    "ORG_OWNER",
    "REGISTRY_ADMIN",
    "REGISTRY_READ",
    "REGISTRY_USER",
    "USER_ADMIN",
)

OF_2020 = {
    "REGISTRY_WRITE_ADMIN": "REGISTRY_ADMIN",
    "REGISTRY_WRITE_TEAM_ADMIN": "REGISTRY_ADMIN",
    "REGISTRY_WRITE_USER": "REGISTRY_USER",
}
_SPELLINGS = {**OF_2020, "TEAM_ADMIN": "REGISTRY_ADMIN"}
_TEAM_ONLY = frozenset({"REGISTRY_WRITE_TEAM_ADMIN", "TEAM_ADMIN"})
_ORG_ONLY = frozenset({"ORG_OWNER"})


def canonical_role(text: str, *, in_team: bool) -> str:
    """The wire name of a role in any case and spelling, with or without ``_ROLE``; raises UsageError.

    A team admin is a REGISTRY_ADMIN of the team, so that spelling is refused where no team is meant: it must not
    make somebody an admin of the whole org.
    """
    name = text.strip().upper().replace("-", "_").removesuffix("_ROLE")
    if name in _TEAM_ONLY and not in_team:
        raise UsageError(
            f"role '{text}' belongs to a team, and no team is named", hint="Name the team with --team NAME."
        )
    if name in _ORG_ONLY and in_team:
        raise UsageError(
            f"role '{text}' belongs to an org as a whole, not to a team", hint="Name no team: --team no-team."
        )
    role = _SPELLINGS.get(name, name)
    if role not in ROLES:
        hint = f"{did_you_mean(name, [*ROLES, *_SPELLINGS])} Use one of: {', '.join(ROLES)}.".lstrip()
        raise UsageError(f"there is no role '{text}'", hint=hint)
    return role


def canonical_roles(texts: Iterable[str], *, in_team: bool) -> tuple[str, ...]:
    """The wire names of several roles, sorted, each once; raises UsageError for an unknown one."""
    return tuple(sorted({canonical_role(text, in_team=in_team) for text in texts}))
