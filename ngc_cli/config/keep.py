"""Keep a whole profile: its values in the config file, its key where keys belong."""

from __future__ import annotations

from collections.abc import Mapping

from ngc_cli.config.profiles import IN_KEYRING
from ngc_cli.config.secrets import KeyringUnavailable, OsKeyring
from ngc_cli.config.store import config_path, load, save
from ngc_cli.errors import ConfigError


def store_profile(environ: Mapping[str, str], name: str, values: Mapping[str, str], key: str) -> str:
    """Write a profile, its key into the OS keyring when one answers and else into the file.

    It becomes the active one when nothing was configured before. Returns what the user should be told, or "".
    Raises ConfigError and LocalFileError.
    """
    path = config_path(environ)
    if path is None:
        raise ConfigError("there is no home folder for the configuration", hint="Set NGC_CLI_HOME.")
    config = load(path)
    is_first = not any(config.profiles.values())
    kept = {name: value for name, value in values.items() if value}
    note = ""
    try:
        OsKeyring(path).write(name, key)
        kept["storage"] = IN_KEYRING
    except KeyringUnavailable as error:
        kept["apikey"] = key
        note = f"The API key is kept in {path}, readable by you only: {error.message}."
    config.profiles[name] = kept
    if is_first:
        config.profiles = {name: kept}
        config.active = name
    save(path, config)
    return note


def stored_key(environ: Mapping[str, str], name: str) -> str:
    """The key of a profile; empty when there is none or the keyring does not tell it."""
    path = config_path(environ)
    values = load(path).profiles.get(name, {})
    if path is None or values.get("storage") != IN_KEYRING:
        return values.get("apikey", "")
    try:
        return OsKeyring(path).read(name) or ""
    except KeyringUnavailable:
        return ""
