"""What pulls and pushes of images have in common: the registry they talk to, and the outcome as a record."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ngc_cli.basic_auth import USERNAME
from ngc_cli.errors import Forbidden, NgcError, NotFound
from ngc_cli.oci.daemon import Daemon, Login
from ngc_cli.refs import ImageRef
from ngc_cli.services.images.image_config import ImageConfig
from ngc_cli.services.missing import list_command
from ngc_cli.similar import did_you_mean
from ngc_cli.transfer.manager import Cancelled

if TYPE_CHECKING:
    from ngc_cli.api.client import ApiClient
    from ngc_cli.api.images import ImageApi
    from ngc_cli.events import Progress
    from ngc_cli.oci.registry import Registry, Repository

# One page: enough for a hint, and no wait for a repository with many.
_TAGS_LOOKED_AT = 1000


@dataclass(frozen=True)
class ImageClients:
    """The NGC API and the registry of a command, its key (empty for a guest), and the process environment."""

    api: ImageApi
    registry: Registry
    key: str = field(repr=False)
    environ: Mapping[str, str]

    def full_name(self, ref: ImageRef) -> str:
        """``host/org/[team/]name``, as Docker names the repository."""
        return f"{self.registry.host}/{ref.path}"

    def daemon_login(self, daemon: Daemon) -> Login | None:
        """What the daemon needs to log in; raises NgcError when the key would travel in the clear."""
        if not self.key:
            return None
        if not daemon.is_private:
            raise NgcError(f"the key is not handed to {daemon.address}, which is reached without TLS")
        return Login(USERNAME, self.key, self.registry.host)


def connect(
    client: ApiClient,
    *,
    registry_url: str,
    auth_url: str,
    key: str,
    environ: Mapping[str, str],
    on_warning: Callable[[str], None],
) -> ImageClients:
    """The clients of a command; ``on_warning`` gets what the registry wants the user to know."""
    from ngc_cli.api.images import ImageApi
    from ngc_cli.oci.challenge import RegistryLogin
    from ngc_cli.oci.registry import Registry

    login = RegistryLogin(client.http, registry_url, key, auth_url=auth_url)
    return ImageClients(ImageApi(client), Registry(client.http, login, on_warning), key, environ)


@dataclass(frozen=True)
class ImageOutcome:
    """How a pull or push ended; ``size_bytes`` are all blobs, ``bytes_moved`` what went over the wire.

    ``index_digest`` is the index that one platform was chosen from, else empty. ``place`` is where the image is,
    or came from, on this machine. ``config`` is how it wants to be run, known after a pull of one platform.
    """

    image: str
    tag: str
    digest: str
    media_type: str
    platform: str
    layers: int
    size_bytes: int
    bytes_moved: int
    place: str
    index_digest: str = ""
    config: ImageConfig = field(default_factory=ImageConfig)


class DaemonProgress:
    """Turns the events of a daemon into progress; raises Cancelled from within when the user stops."""

    def __init__(self, progress: Progress, cancel: threading.Event) -> None:
        self._progress = progress
        self._cancel = cancel
        self._current: dict[str, int] = {}
        self.digest = ""

    @property
    def bytes_moved(self) -> int:
        """What the daemon says it has moved."""
        return sum(self._current.values())

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Take one event."""
        if self._cancel.is_set():
            raise Cancelled("interrupted")
        status, layer, detail = event.get("status"), str(event.get("id", "")), event.get("progressDetail")
        if status in ("Downloading", "Pushing") and isinstance(detail, dict):
            current = detail.get("current")
            if isinstance(current, int):
                self._progress.advance(current - self._current.get(layer, 0))
                self._current[layer] = current
        elif status in ("Pull complete", "Already exists", "Pushed", "Layer already exists"):
            self._progress.file_done(layer)
        aux = event.get("aux")
        if isinstance(aux, dict) and isinstance(aux.get("Digest"), str):
            self.digest = aux["Digest"]


def explained(
    clients: ImageClients,
    repository: Repository,
    ref: ImageRef,
    error: NgcError,
) -> NgcError:
    """The failure to read an image in words, with the next command to type."""
    name = f"{clients.registry.host}/{ref}"
    if isinstance(error, NotFound) and error.status == 404:
        tags = _some_tags(repository) if ref.tag else []
        hint = did_you_mean(ref.tag, tags, at_most=3, prefix=f"{ref.path}:")
        hint = hint or f"See its tags with: {list_command('image', f'{ref.path}:*')}"
        return NotFound.like(error, f"image {name} was not found", hint=hint)
    if error.status == 412:
        team = f"/teams/{ref.team}" if ref.team else ""
        page = f"https://catalog.ngc.nvidia.com/orgs/{ref.org}{team}/containers/{ref.name}?version={ref.tag}"
        return Forbidden.like(
            error, f"the license of {name} is not accepted yet", hint=f"Accept it at {page}"
        )
    return error


def _some_tags(repository: Repository) -> list[str]:
    """Tags to compare a misspelt one with; none when they cannot be listed."""
    try:
        return [tag for tag, _ in zip(repository.tags(), range(_TAGS_LOOKED_AT), strict=False)]
    except NgcError:
        return []
