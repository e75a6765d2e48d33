"""Names to offer while somebody types: orgs, teams, users, artifacts, images and what is in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ngc_cli.api.client import ApiClient
    from ngc_cli.api.kinds import ArtifactKind
    from ngc_cli.api.orgs import OrgApi
    from ngc_cli.services.images.connection import ImageClients

# More than fit on a screen; a list of a large org is cut, and a longer prefix narrows it.
LIMIT = 1000


class Clients(Protocol):
    """The clients of a command, each made when it is first asked for."""

    @property
    def api(self) -> ApiClient:
        """The NGC API."""

    @property
    def people(self) -> OrgApi:
        """Orgs, teams and users."""

    @property
    def images(self) -> ImageClients:
        """Images."""

    @property
    def org(self) -> str:
        """The org in effect; raises ConfigError when there is none."""


def names(clients: Clients, kind: str, of: str) -> list[str]:
    """Up to ``LIMIT`` names of a kind; ``of`` is the pattern of paths, or what the names are parts of.

    Raises KeyError for an unknown kind, NgcError as the API does.
    """
    return list(islice(KINDS[kind](clients, of), LIMIT))


def _orgs(clients: Clients, of: str) -> Iterable[str]:
    from ngc_cli.services.people import orgs

    return (org.name for org in orgs.list_orgs(clients.people, LIMIT).items)


def _teams(clients: Clients, of: str) -> Iterable[str]:
    from ngc_cli.services.people import orgs

    return (team.name for team in orgs.list_teams(clients.people, clients.org, LIMIT).items)


def _users(clients: Clients, of: str) -> Iterable[str]:
    from ngc_cli.services.people.members import Members

    found = Members(clients.people, clients.org).people("", joined=True, invited=False, limit=LIMIT)
    return (user.email for user in found.members.items if user.email)


def _invitations(clients: Clients, of: str) -> Iterable[str]:
    from ngc_cli.services.people.members import Members

    found = Members(clients.people, clients.org).people("", joined=False, invited=True, limit=LIMIT)
    return (invitation.user_email for invitation in found.invited.items if invitation.user_email)


def _artifacts(kind: ArtifactKind) -> Callable[[Clients, str], Iterable[str]]:
    def find(clients: Clients, of: str) -> Iterable[str]:
        from ngc_cli.services.artifacts import catalog

        org = of.partition("/")[0] or clients.org
        found = catalog.list_artifacts(clients.api, kind, of, org, "", filters=[], limit=LIMIT)
        return (catalog.artifact_path(item) for item in found.items)

    return find


def _versions(kind: ArtifactKind) -> Callable[[Clients, str], Iterable[str]]:
    def find(clients: Clients, of: str) -> Iterable[str]:
        from ngc_cli.api.artifacts import ArtifactApi
        from ngc_cli.refs import ArtifactRef

        listed = ArtifactApi(clients.api, kind).versions(ArtifactRef.parse(of))
        return (item.version_id for item in islice(listed, LIMIT))

    return find


def _files(kind: ArtifactKind) -> Callable[[Clients, str], Iterable[str]]:
    def find(clients: Clients, of: str) -> Iterable[str]:
        from ngc_cli.refs import ArtifactRef
        from ngc_cli.services.artifacts import catalog

        ref = ArtifactRef.parse(of)
        listed = catalog.version_files(clients.api, kind, ref if ref.org else ref.within(clients.org, ""))
        return (item.path for item in listed)

    return find


def _images(clients: Clients, of: str) -> Iterable[str]:
    from ngc_cli.services.images import catalog

    org = of.partition("/")[0] or clients.org
    found = catalog.list_repositories(clients.images.api, of, org, "", filters=[], limit=LIMIT)
    return (catalog.repository_path(item) for item in found.items)


def _tags(clients: Clients, of: str) -> Iterable[str]:
    from ngc_cli.refs import ImageRef

    listed = clients.images.api.tags(ImageRef.parse(of))
    return (tag.tag for tag in islice(listed, LIMIT))


def _kinds() -> dict[str, Callable[[Clients, str], Iterable[str]]]:
    from ngc_cli.api.kinds import MODEL, MODEL_SCRIPT

    of_artifacts = {
        f"{kind.noun}{what}": make(kind)
        for kind in (MODEL, MODEL_SCRIPT)
        for what, make in {"s": _artifacts, " versions": _versions, " files": _files}.items()
    }
    return {
        **of_artifacts,
        "orgs": _orgs,
        "teams": _teams,
        "users": _users,
        "invitations": _invitations,
        "images": _images,
        "tags": _tags,
    }


KINDS: Mapping[str, Callable[[Clients, str], Iterable[str]]] = _kinds()
