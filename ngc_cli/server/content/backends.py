"""The content stores there are, by the name a configuration gives them; a backend is imported when it is opened."""

from __future__ import annotations

from collections.abc import Callable

from ngc_cli.server.config import ServerConfig
from ngc_cli.server.content.store import ContentStore


def _open_folder(config: ServerConfig, registry_id: str) -> ContentStore:
    from ngc_cli.server.content.folder import FolderStore

    return FolderStore(config.data_dir, registry_id)


BACKENDS: dict[str, Callable[[ServerConfig, str], ContentStore]] = {"folder": _open_folder}
"""By ``ServerConfig.content_store``: how to open a store for a registry with this id."""


def open_store(config: ServerConfig, registry_id: str) -> ContentStore:
    """The content store of a registry, made on first use; raises AdminError when another registry's is there."""
    return BACKENDS[config.content_store](config, registry_id)
