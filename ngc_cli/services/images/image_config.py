"""What an image says about how it is run: ports, user, entry point, environment.

Source: OCI image specification, "config"; docs/protocol/distribution.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ngc_cli.json_text import parse_json

if TYPE_CHECKING:
    from ngc_cli.oci.copy import RemoteImage

_PORT = re.compile(r"(\d{1,5})(?:/(tcp|udp|sctp))?")


@dataclass(frozen=True)
class ImageConfig:
    """The ``config`` of an image; empty where the image says nothing. Ports are as in ``8000/tcp``."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def ports(self) -> list[tuple[int, str]]:
        """Number and protocol of each exposed port, in order; what is not one is passed over."""
        found = [_PORT.fullmatch(text) for text in self.exposed_ports]
        return sorted((int(item[1]), item[2] or "tcp") for item in found if item and 0 < int(item[1]) < 65536)


def config_of(image: RemoteImage) -> ImageConfig:
    """The configuration of an image for one platform; empty for an index, and where it is not as it should be."""
    content = next(iter(image.small.values()), b"{}")
    try:
        value = parse_json(content)
    except ValueError:
        return ImageConfig()
    return parse_config(value.get("config") if isinstance(value, dict) else None)


def parse_config(value: Any) -> ImageConfig:
    """The configuration from the member ``config``; members of a wrong type are taken for absent."""
    given: dict[str, Any] = value if isinstance(value, dict) else {}
    labels = given.get("Labels")
    return ImageConfig(
        entrypoint=_texts(given.get("Entrypoint")),
        command=_texts(given.get("Cmd")),
        user=_text(given.get("User")),
        working_dir=_text(given.get("WorkingDir")),
        exposed_ports=tuple(sorted(_keys(given.get("ExposedPorts")))),
        volumes=tuple(sorted(_keys(given.get("Volumes")))),
        environment=_texts(given.get("Env")),
        labels={name: _text(text) for name, text in labels.items()} if isinstance(labels, dict) else {},
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _keys(value: Any) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, dict) else []
