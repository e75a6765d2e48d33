"""Names of image repositories and tags. Pure.

The grammar is that of the distribution specification, "Pulling manifests".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ngc_cli.server.problems import Problem

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(_COMPONENT)
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT}){{1,2}}")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_REFERRERS_TAG = re.compile(r"sha(?:256|512)-[0-9a-f]{64}")
# distribution-spec: clients limit host and name together to 255 characters.
_PATH_MAX = 255
_NOT_IN_TEAMS = frozenset({"images", "tags"})
API_WORDS = frozenset(
    {
        "artifact-registry", "catalog", "collections", "csps", "deploy", "echo", "files", "helm-charts", "models",
        "org", "orgs", "ping", "products", "recipes", "repos", "resources", "search", "sms", "users",
    }
)  # fmt: skip
"""Words that follow ``/v2/`` in the NGC API; no org, and so no repository, may begin with one."""


@dataclass(frozen=True)
class RepositoryPath:
    """``org/[team/]name``; ``team`` is empty for a repository of the org itself."""

    org: str
    team: str
    name: str

    @classmethod
    def parse(cls, text: str) -> RepositoryPath:
        """Read the name of a repository in the OCI API; raises a NAME_INVALID Problem."""
        if len(text) > _PATH_MAX or _PATH.fullmatch(text) is None:
            raise Problem(
                400, f"'{text[:_PATH_MAX]}' is not a repository: org/[team/]name", code="NAME_INVALID"
            )
        org, *team, name = text.split("/")
        found = cls(org, "".join(team), name)
        if not found.is_creatable:
            raise Problem(400, f"a team's repository cannot be named '{name}'", code="NAME_INVALID")
        return found

    @property
    def is_creatable(self) -> bool:
        """Whether a repository may have this name.

        ``/v2/repos/<org>/<name>/images`` is the tag list of a repository of the org, so that a team has none of
        this name.
        """
        fits = len(str(self)) <= _PATH_MAX and _NAME.fullmatch(self.name) is not None
        return fits and not (self.team and self.name in _NOT_IN_TEAMS)

    def __str__(self) -> str:
        return "/".join(part for part in (self.org, self.team, self.name) if part)


def is_tag(text: str) -> bool:
    """Whether this can be a tag."""
    return _TAG.fullmatch(text) is not None


def is_referrers_tag(name: str) -> bool:
    """Whether a tag has the form in which clients of older registries list referrers: not a version of the image."""
    return _REFERRERS_TAG.match(name) is not None


def tag_order(name: str) -> tuple[str, str]:
    """Sort key of tags."""
    return name.lower(), name
