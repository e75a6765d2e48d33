"""``docker-credential-ngc``: gives docker, podman, skopeo and buildah the API key without their storing it.

The keys are those of ``ngc config``, each for the registry of its profile and for no other host.
Source: docker-credential-helpers protocol, docs/protocol/storage.md#credential-helpers.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ngc_cli import __version__
from ngc_cli.basic_auth import USERNAME
from ngc_cli.errors import ConfigError, NgcError
from ngc_cli.json_text import parse_json

if TYPE_CHECKING:
    from ngc_cli.config.profiles import Settings

# Callers compare these texts: after the first they go on anonymously, after any other they give up.
_NOT_FOUND = "credentials not found in native keychain"
_NO_SERVER = "no credentials server URL"
_NO_USER = "no credentials username"
# A host name or one credential; a file piped in by mistake must not fill the memory.
_INPUT_MAX_BYTES = 1 << 20


def run() -> NoReturn:
    """Console script ``docker-credential-ngc``."""
    sys.exit(main(sys.argv[1:]))


def main(argv: Sequence[str]) -> int:
    """Do one action: data from stdin, the answer on stdout; a failure is 1 with its message on stdout."""
    actions = {"get": _get, "store": _store, "erase": _erase, "list": _list}
    word = argv[0] if len(argv) == 1 else ""
    if word in ("version", "--version", "-v"):
        sys.stdout.write(f"docker-credential-ngc {__version__}\n")
        return 0
    try:
        if word not in actions:
            raise ConfigError(f"usage: docker-credential-ngc {'|'.join(actions)}|version")
        actions[word]()
    except NgcError as error:
        sys.stdout.write(error.message)
        if error.hint:
            sys.stderr.write(f"{error.hint}\n")
        return 1
    return 0


def _get() -> None:
    """Print user and key for a registry."""
    host = _host(_input())
    for settings in _identities():
        if settings.registry_host == host and settings.api_key is not None:
            answer = {"ServerURL": host, "Username": USERNAME, "Secret": settings.api_key.reveal()}
            sys.stdout.write(json.dumps(answer) + "\n")
            return
    raise ConfigError(_NOT_FOUND)


def _store() -> None:
    """Keep a key that was typed into ``docker login`` in the profile of that registry."""
    from ngc_cli.config.secrets import Secret, check_key
    from ngc_cli.services.configuration import change_profile

    try:
        given = parse_json(_input())
        server, user, key = (str(given.get(name) or "") for name in ("ServerURL", "Username", "Secret"))
    except (ValueError, AttributeError) as error:
        raise ConfigError("the credentials to store are not a JSON object") from error
    host = _host(server)
    if not user:
        raise ConfigError(_NO_USER)
    if user != USERNAME:
        raise ConfigError(
            f"the registry {host} knows the user {USERNAME} only", hint="The password is the API key."
        )
    try:
        secret = Secret(check_key(key))
    except ValueError as error:
        raise ConfigError(f"this is not an API key: {error}") from error
    settings = _of_registry(host)
    if settings is None or settings.config_path is None:
        raise ConfigError(
            f"no profile of ngc is for the registry {host}",
            hint="Make one: ngc config set --profile NAME --api-url URL",
        )
    if settings.api_key is None or settings.api_key.reveal() != key:
        change_profile(settings.config_path, settings.profile, {}, api_key=secret)


def _erase() -> None:
    """Forget the key of a registry. One in the environment stays: it is not ours."""
    from ngc_cli.services.configuration import unset

    settings = _of_registry(_host(_input()))
    if settings is not None and settings.config_path is not None:
        unset(settings.config_path, settings.profile, "apikey")


def _list() -> None:
    """Print the registries that there is a key for."""
    hosts = {item.registry_host: USERNAME for item in _identities() if item.api_key is not None}
    sys.stdout.write(json.dumps(hosts) + "\n")


def _of_registry(host: str) -> Settings | None:
    """The settings of the first profile that is for this registry."""
    return next((item for item in _identities() if item.registry_host == host), None)


def _identities() -> Iterator[Settings]:
    """The settings in effect, then those of every other profile.

    A key in the environment belongs to the former only, or it would be sent to another registry.
    """
    from ngc_cli.cli.globals import GlobalFlags
    from ngc_cli.config.profiles import resolve
    from ngc_cli.config.store import load

    in_effect = resolve(GlobalFlags(), os.environ)
    yield in_effect
    home = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("NGC_") or name == "NGC_CLI_HOME"
    }
    path: Path | None = in_effect.config_path
    for name in load(path).profiles:
        if name != in_effect.profile:
            yield resolve(GlobalFlags(profile=name), home)


def _host(server: str) -> str:
    """Host and port of a server address, which may have a scheme and a path."""
    host = server.strip().rpartition("://")[2].partition("/")[0]
    if not host:
        raise ConfigError(_NO_SERVER)
    return host.removesuffix(":443")


def _input() -> str:
    return sys.stdin.read(_INPUT_MAX_BYTES)
