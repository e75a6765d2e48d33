"""What ``ngc config`` does: check choices against the account, change, switch and forget profiles and their keys.

Source: docs/cli.md, docs/protocol/authentication.md#setting-a-configuration.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, Final, ParamSpec, TypeVar

from ngc_cli.config.profiles import (
    DEFAULT_API_URL,
    IN_KEYRING,
    NO_ORG,
    NO_TEAM,
    Settings,
    services_of,
    stored_secret,
    unknown_profile,
)
from ngc_cli.config.secrets import KeyringUnavailable, OsKeyring, Secret
from ngc_cli.config.store import DEFAULT_PROFILE, ConfigFile, load, locked, save
from ngc_cli.errors import ConfigError, LocalFileError, UsageError
from ngc_cli.records import Org
from ngc_cli.similar import did_you_mean

if TYPE_CHECKING:
    from ngc_cli.api.orgs import OrgApi

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

AUTO: Final = "auto"
IN_FILE: Final = "file"
STORAGES: Final = (AUTO, IN_KEYRING, IN_FILE)
NO_ADDRESSES: Final = {"api_url": "", "auth_url": "", "registry_host": ""}
NO_KEY: Final = {"apikey": "", "key_name": "", "key_id": ""}
NO_CONTEXT: Final = {"org": "", "org_display_name": "", "team": ""}


@dataclass(frozen=True)
class Saved:
    """What a change did: where the key lies now (empty: no key was stored), why there, and what went wrong."""

    key_place: str = ""
    why: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """Where the key is, in words; empty when none was stored."""
        if self.key_place == IN_FILE:
            return f"The API key is in the configuration file, for your eyes only: {self.why}."
        return "The API key is in the OS keyring." if self.key_place else ""


class Account:
    """The orgs and teams that a key gives access to, asked from its server when first needed."""

    def __init__(self, api: OrgApi) -> None:
        self._api = api

    @cached_property
    def orgs(self) -> list[Org]:
        """The orgs to choose from; raises NotAuthenticated when the key is not accepted."""
        from ngc_cli.services.people.orgs import org_choices

        return org_choices(self._api)

    def teams(self, org: str) -> list[str]:
        """Names of the teams of an org to choose from."""
        from ngc_cli.services.people.orgs import team_choices

        return [team.name for team in team_choices(self._api, org)]

    def org(self, text: str) -> Org:
        """The org of this name or label; raises ConfigError with those there are."""
        for org in self.orgs:
            if text in (org.name, org_label(org)):
                return org
        raise _not_among("org", text, [org.name for org in self.orgs] or [NO_ORG])

    def team(self, org: str, text: str) -> str:
        """The team of this name; raises ConfigError with those there are."""
        names = self.teams(org)
        if text not in names:
            raise _not_among("team", text, [*names, NO_TEAM])
        return text


def org_label(org: Org) -> str:
    """``Display Name (name)``, or the name alone where that says it all."""
    return f"{org.display_name} ({org.name})" if _display_name(org) else org.name


def org_values(org: Org | None) -> dict[str, str]:
    """Profile values of an org, or of none; another org is another set of teams."""
    if org is None:
        return dict(NO_CONTEXT)
    return {"org": org.name, "org_display_name": _display_name(org), "team": ""}


def address_values(settings: Settings) -> dict[str, str]:
    """Profile values of the addresses in effect; those that follow from others are left out."""
    auth_url, registry_url = services_of(settings.api_url)
    pairs = (
        ("api_url", settings.api_url, DEFAULT_API_URL),
        ("auth_url", settings.auth_url, auth_url),
        ("registry_host", settings.registry_url, registry_url),
    )
    return {key: "" if value == default else value for key, value, default in pairs}


def profile_values(path: Path, name: str) -> dict[str, str]:
    """What the file holds for a profile; empty for one that is not there yet."""
    return load(path).profiles.get(name, {})


def stored_key(path: Path, name: str) -> Secret | None:
    """The key of a profile; one in the keyring is read when it is revealed, which raises ConfigError."""
    values = profile_values(path, name)
    if values.get("apikey"):
        return Secret(values["apikey"])
    return stored_secret(path, name) if has_key(values) else None


def has_key(values: Mapping[str, str]) -> bool:
    """Whether a profile has an API key, here or in the keyring."""
    return bool(values.get("apikey")) or values.get("storage") == IN_KEYRING


def _under_lock(
    change: Callable[Concatenate[Path, Arguments], Result],
) -> Callable[Concatenate[Path, Arguments], Result]:
    """No other process changes the file while this one reads it, changes it and writes it."""

    @functools.wraps(change)
    def locked_change(path: Path, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with locked(path):
            return change(path, *args, **kwargs)

    return locked_change


@_under_lock
def change_profile(
    path: Path,
    name: str,
    values: Mapping[str, str],
    *,
    api_key: Secret | None = None,
    storage: str | None = None,
) -> Saved:
    """Change values of a profile, which is made when it is new; an empty value removes the old one.

    A profile becomes the active one when nothing was configured before.
    ``storage`` is one of STORAGES; without it a new key goes where the profile was told to keep keys, else to the
    keyring if one answers. Raises ConfigError when the keyring is insisted on and there is none.
    """
    config = load(path)
    if not any(config.profiles.values()):
        config.active, config.profiles = name, {}
    before = config.profiles.get(name, {})
    after = {key: value for key, value in {**before, **values}.items() if value}
    if api_key is not None:
        after = {key: value for key, value in after.items() if key not in NO_KEY}
    keyring = OsKeyring(path)
    was_in_keyring = before.get("storage") == IN_KEYRING
    if api_key is None and storage is not None and has_key(after):
        api_key = stored_key(path, name)
    saved = Saved()
    if api_key is not None:
        kept = IN_FILE if before.get("storage") == IN_FILE else AUTO
        saved = _store_key(keyring, name, api_key, storage or kept, after)
    elif values.get("apikey") == "":
        after.pop("storage", None)
    config.profiles[name] = after
    save(path, config)
    if was_in_keyring and after.get("storage") != IN_KEYRING:
        saved = Saved(saved.key_place, saved.why, (*saved.warnings, *_forget(keyring, [name])))
    return saved


@_under_lock
def use_profile(path: Path, name: str) -> None:
    """Make a profile the active one; raises UsageError when there is none of that name."""
    config = load(path)
    if name not in config.profiles:
        raise unknown_profile(name, config.profiles)
    config.active = name
    save(path, config)


def unset(path: Path, name: str, key: str) -> Saved:
    """Remove one setting of a profile and what depends on it.

    Raises UsageError when that would hand the profile's API key to another server.
    """
    values = profile_values(path, name)
    if key not in values and not (key == "apikey" and has_key(values)):
        return Saved()
    if key in NO_ADDRESSES and has_key(values):
        raise UsageError(
            f"the API key of profile '{name}' is for the addresses of that profile",
            hint="Remove the key first: ngc config unset apikey",
        )
    removed = {"apikey": NO_KEY, "org": NO_CONTEXT}.get(key, {key: ""})
    return change_profile(path, name, removed)


@_under_lock
def remove_profile(path: Path, name: str) -> Saved:
    """Remove a profile and its key; another profile becomes active when it was the active one."""
    config = load(path)
    if name not in config.profiles:
        raise unknown_profile(name, config.profiles)
    values = config.profiles.pop(name)
    if name == config.active:
        config.active = next(
            (other for other in (DEFAULT_PROFILE, *config.profiles) if other in config.profiles),
            DEFAULT_PROFILE,
        )
    if config.profiles:
        save(path, config)
    else:
        _delete([path, path.with_suffix(".BAK")])
    in_keyring = [name] if values.get("storage") == IN_KEYRING else []
    return Saved(warnings=_forget(OsKeyring(path), in_keyring))


def clear(path: Path, config: ConfigFile) -> tuple[list[Path], Saved]:
    """Remove the file, what the official client keeps beside it, its backups and our keys in the keyring."""
    folder = path.parent
    names = ("config", "meta_data", "tokens.json", "config.BAK", "meta_data.BAK")
    removed = _delete([*(folder / name for name in names), *sorted(folder.glob(".config.*.tmp"))])
    in_keyring = [name for name, values in config.profiles.items() if values.get("storage") == IN_KEYRING]
    return removed, Saved(warnings=_forget(OsKeyring(path), in_keyring))


def clear_cache(path: Path) -> list[Path]:
    """Remove the tokens that the official client caches; ours live in memory only."""
    return _delete([path.parent / "tokens.json"])


def _store_key(keyring: OsKeyring, name: str, key: Secret, storage: str, values: dict[str, str]) -> Saved:
    """Put the key into the keyring or into the profile's values."""
    for stale in ("apikey", "storage"):
        values.pop(stale, None)
    if storage != IN_FILE:
        try:
            keyring.write(name, key.reveal())
        except KeyringUnavailable as error:
            if storage == IN_KEYRING:
                raise ConfigError(
                    f"the key was not stored: {error.message}",
                    hint="Use --storage file to keep it in the configuration file.",
                ) from error
            values["apikey"] = key.reveal()
            return Saved(IN_FILE, error.message)
        values["storage"] = IN_KEYRING
        return Saved(IN_KEYRING)
    values |= {"apikey": key.reveal(), "storage": IN_FILE}
    return Saved(IN_FILE, "as --storage file asks")


def _forget(keyring: OsKeyring, names: Iterable[str]) -> tuple[str, ...]:
    """Delete keys from the keyring; a failure is only a warning, since nothing refers to the entry any more."""
    warnings = []
    for name in names:
        try:
            keyring.delete(name)
        except KeyringUnavailable as error:
            warnings.append(f"the API key of profile '{name}' is still in the OS keyring: {error.message}")
    return tuple(warnings)


def _delete(paths: Iterable[Path]) -> list[Path]:
    """Delete those files that exist, and return them; raises LocalFileError."""
    deleted = []
    for path in paths:
        try:
            path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise LocalFileError(f"{path} cannot be removed: {error.strerror}") from error
        deleted.append(path)
    return deleted


def _display_name(org: Org) -> str:
    return org.display_name if org.display_name and org.display_name != org.name else ""


def _not_among(noun: str, text: str, names: list[str]) -> ConfigError:
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return ConfigError(
        f"{noun} '{text}' is not one of yours",
        hint=f"{did_you_mean(text, names)} There are: {shown}.".lstrip(),
    )
