"""Effective settings: flag > environment > profile > default, and where each value came from.

Sources: docs/cli.md#precedence, docs/protocol/authentication.md#hosts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TypeVar
from urllib.parse import urlsplit

from ngc_cli.config.secrets import KeyringUnavailable, OsKeyring, Secret, check_key
from ngc_cli.config.store import ConfigFile, UnreadableConfig, check_profile_name, config_path, load
from ngc_cli.config.values import (
    default_concurrency,
    one_of,
    parse_attempts,
    parse_existing_path,
    parse_host,
    parse_name,
    parse_progress_style,
    parse_retries,
    parse_seconds,
    parse_workers,
)
from ngc_cli.config.variables import CA_VARIABLES, DEPRECATED, FORMATS, PROFILE, SETTINGS
from ngc_cli.errors import ConfigError, NgcError, UsageError
from ngc_cli.similar import did_you_mean
from ngc_cli.urls import origin, parse_service_url

FLAG: Final = "global argument"
ENVIRONMENT: Final = "environment variable"
USER_SETTINGS: Final = "user settings"
DEFAULT: Final = "default value"

NO_ORG: Final = "no-org"
NO_TEAM: Final = "no-team"
IN_KEYRING: Final = "keyring"
"""Value of the profile key ``storage`` when the API key is in the OS keyring."""

DEFAULT_API_URL: Final = "https://api.ngc.nvidia.com"
_SERVICES = {  # gateway: authentication host, container registry (docs/protocol/authentication.md#hosts)
    DEFAULT_API_URL: ("https://authn.nvidia.com", "https://nvcr.io"),
    "https://api.canary.ngc.nvidia.com": ("https://authn.nvidia.com", "https://canary.nvcr.io"),
    "https://api.stg.ngc.nvidia.com": ("https://stg.authn.nvidia.com", "https://stg.nvcr.io"),
}

Value = TypeVar("Value")


class Flags(Protocol):
    """The global options that override settings; None when not given."""

    @property
    def format_type(self) -> str | None:
        """Value of ``--format_type``."""

    @property
    def org(self) -> str | None:
        """Value of ``--org``."""

    @property
    def team(self) -> str | None:
        """Value of ``--team``."""

    @property
    def profile(self) -> str | None:
        """Value of ``--profile``."""

    @property
    def api_url(self) -> str | None:
        """Value of ``--api-url``."""

    @property
    def ca_bundle(self) -> str | None:
        """Value of ``--ca-bundle``."""

    @property
    def timeout(self) -> str | None:
        """Value of ``--timeout``."""

    @property
    def retries(self) -> str | None:
        """Value of ``--retries``."""


@dataclass(frozen=True)
class Candidate:
    """A value on offer for a setting: as text, the kind of source, and which option, variable or file it is."""

    value: str | Secret
    source: str
    name: str

    @property
    def text(self) -> str:
        """The value as it may be shown; raises ConfigError when a keyring does not tell its key."""
        return self.value.masked() if isinstance(self.value, Secret) else self.value


class Addresses(NamedTuple):
    """Where the services of NGC are, as URLs: everything that may get the API key."""

    api: str
    auth: str
    registry: str
    search: str

    def withheld_from(self, own: Addresses) -> tuple[str, str, str] | None:
        """Service, address and own address where these are other origins than a key's ``own``; None if none is."""
        names = ("API", "authentication", "container registry", "search")
        other = [item for item in zip(names, self, own, strict=True) if origin(item[1]) != origin(item[2])]
        return other[-1] if other else None


@dataclass(frozen=True)
class Settings:
    """What is in effect; URLs without a trailing slash, times in seconds, ``retries`` after the first try.

    ``api_key`` is None for a guest. ``own_addresses`` are those that the profile's key is for.
    ``registry_alias`` is a host that stands for the registry in image names. ``candidates`` holds, for each setting, every value on offer in order of rank:
    the first one is in effect. ``warnings`` are for the user to read once.
    """

    profile: str
    api_key: Secret | None
    key_name: str
    key_id: str
    format_type: str
    org: str
    org_display_name: str
    team: str
    api_url: str
    auth_url: str
    registry_url: str
    search_url: str
    registry_alias: str
    own_addresses: Addresses
    ca_bundle: str
    timeout_s: float
    retries: int
    download_retries: int
    upload_retries: int
    concurrency: int
    progress_style: str
    config_path: Path | None
    candidates: Mapping[str, tuple[Candidate, ...]]
    warnings: tuple[str, ...]

    @property
    def addresses(self) -> Addresses:
        """The addresses in effect."""
        return Addresses(self.api_url, self.auth_url, self.registry_url, self.search_url)

    @property
    def registry_host(self) -> str:
        """Host, and port if it is not the usual one, of the container registry."""
        return urlsplit(self.registry_url).netloc

    @property
    def sources(self) -> dict[str, str]:
        """Setting to the kind of source its value came from; settings without a value are absent."""
        return {name: offers[0].source for name, offers in self.candidates.items() if offers}

    def origin(self, name: str) -> str:
        """Where a setting came from, in words: ``environment variable NGC_CLI_ORG``."""
        first = self.candidates[name][0]
        return f"{first.source} {first.name}".strip()


def resolve(flags: Flags, environ: Mapping[str, str], *, may_create: bool = False) -> Settings:
    """The settings of one command; ``may_create`` allows a profile that does not exist yet.

    Reads the config file and nothing else of the process. Raises UsageError for a bad option or variable,
    ConfigError for a bad config file.
    """
    return _Resolution(flags, environ, may_create).settings()


def selected_profile(flags: Flags, environ: Mapping[str, str]) -> str:
    """The profile that ``resolve`` would use; its values need not be valid."""
    return _Resolution(flags, environ, may_create=False).profile


class _Resolution:
    """One run of ``resolve``: collects candidates and warnings."""

    def __init__(self, flags: Flags, environ: Mapping[str, str], may_create: bool) -> None:
        self.flags = flags
        self.environ = environ
        self.warnings: list[str] = []
        self.path = config_path(environ)
        self.config = self._load()
        self.candidates: dict[str, tuple[Candidate, ...]] = {}
        self.profile = self._choose_profile(may_create)
        self.values = self.config.profiles.get(self.profile, {})

    def settings(self) -> Settings:
        """Everything that is in effect."""
        for name in SETTINGS:
            self.candidates[name] = self._offers(name)
        org, team = self._context()
        addresses = self._addresses()
        api_key = self._api_key(addresses)
        attempts = self._value("attempts", parse_attempts, 5)
        retries = self._value("retries", parse_retries, attempts - 1)
        self._value("exit_codes", one_of("compat"), "")  # main reads it; here a typing error is found
        return Settings(
            profile=self.profile,
            api_key=api_key,
            key_name=self._of_own_key("key_name"),
            key_id=self._of_own_key("key_id"),
            format_type=self._value("format_type", one_of(*FORMATS), "ascii"),
            org=org,
            org_display_name=self.values.get("org_display_name", "") if org == self.values.get("org") else "",
            team=team,
            api_url=addresses.api,
            auth_url=addresses.auth,
            registry_url=addresses.registry,
            search_url=addresses.search,
            registry_alias=self._value("registry_alias", parse_host, ""),
            own_addresses=self.own_addresses,
            ca_bundle=self._value("ca_bundle", parse_existing_path, ""),
            timeout_s=self._value("timeout_s", parse_seconds, 30.0),
            retries=retries,
            download_retries=self._value("download_retries", parse_retries, retries),
            upload_retries=self._value("upload_retries", parse_retries, retries),
            concurrency=self._value("concurrency", parse_workers, default_concurrency()),
            progress_style=self._value("progress_style", parse_progress_style, "DEFAULT"),
            config_path=self.path,
            candidates=self.candidates,
            warnings=tuple(self.warnings),
        )

    def _load(self) -> ConfigFile:
        """The config file. One that this user may not open is skipped with a warning: containers mount such files."""
        try:
            config = load(self.path)
        except UnreadableConfig as error:
            self.warnings.append(f"{error.message}; it is ignored. {error.hint}")
            return ConfigFile()
        self.warnings += config.warnings
        return config

    def _choose_profile(self, may_create: bool) -> str:
        offers = self._given(PROFILE.flag, self.flags.profile, PROFILE.variables)
        offers.append(Candidate(self.config.active, USER_SETTINGS, str(self.path or "")))
        self.candidates["profile"] = tuple(offers)
        name = offers[0].text
        if name != self.config.active and name not in self.config.profiles:
            if may_create:
                return check_profile_name(name)
            raise unknown_profile(name, self.config.profiles, offers[0].name)
        return name

    def _given(self, flag: str, value: str | None, variables: tuple[str, ...]) -> list[Candidate]:
        """What the command line and the environment offer; an empty variable counts as unset."""
        offers = [Candidate(value, FLAG, flag)] if value is not None else []
        for variable in variables:
            text = self.environ.get(variable, "").strip()
            if text:
                offers.append(Candidate(text, ENVIRONMENT, variable))
            elif variable in CA_VARIABLES and variable in self.environ:
                raise UsageError(
                    f"{variable} is set but empty, which could be taken for switching off certificate checks",
                    hint=f"Unset {variable}, or let it name a file.",
                )
        first = offers[0].name if offers else ""
        if first in DEPRECATED:
            self.warnings.append(f"{first} is an old name; use {DEPRECATED[first]}")
        return offers

    def _offers(self, name: str) -> tuple[Candidate, ...]:
        """Every value on offer for a setting, the one in effect first."""
        setting = SETTINGS[name]
        given: str | None = getattr(self.flags, setting.flag.strip("-").replace("-", "_"), None)
        offers = self._given(setting.flag, given, setting.variables)
        if setting.key in self.values and setting.key:
            offers.append(Candidate(self.values[setting.key], USER_SETTINGS, self._in_profile(setting.key)))
        return tuple(offers)

    def _in_profile(self, key: str) -> str:
        return f"{key} of profile '{self.profile}' in {self.path}"

    def _value(self, name: str, parse: Callable[[str], Value], default: Value) -> Value:
        """The parsed first candidate, or the default, which then becomes a candidate itself."""
        offers = self.candidates[name]
        if default != "":
            offers = self.candidates[name] = (*offers, Candidate(str(default), DEFAULT, ""))
        if not offers or offers[0].source == DEFAULT:
            return default
        first = offers[0]
        try:
            return parse(first.text)
        except ValueError as error:
            raise _bad_value(first, str(error)) from error

    def _context(self) -> tuple[str, str]:
        """Org and team in effect: an org option without a team option resets the team, and a team needs an org.

        Teams are called in lower case on every server; the guide writes ``--team team_B`` (3.3).
        """
        org = self._value("org", parse_name, "")
        org = "" if org == NO_ORG else org
        if self.flags.org is not None and self.flags.team is None:
            reset = Candidate(NO_TEAM, FLAG, "--org")
            self.candidates["team"] = (reset, *self.candidates["team"])
        team = self._value("team", parse_name, "")
        team = "" if team == NO_TEAM else team.lower()
        if team and not org:
            self.warnings.append(f"team '{team}' has no effect without an org")
            team = ""
        return org, team

    def _addresses(self) -> Addresses:
        """The addresses in effect; those of the profile belong to the API of the profile."""
        api_url = self._value("api_url", parse_service_url, DEFAULT_API_URL)
        if api_url != self.own_addresses[0]:
            for name in ("auth_url", "registry_url"):
                self.candidates[name] = tuple(
                    offer for offer in self.candidates[name] if offer.source != USER_SETTINGS
                )
        auth_url, registry_url = services_of(api_url)
        return Addresses(
            api_url,
            self._value("auth_url", parse_service_url, auth_url),
            self._value("registry_url", parse_service_url, registry_url),
            self._value("search_url", parse_service_url, api_url),
        )

    @cached_property
    def own_addresses(self) -> Addresses:
        """The addresses that the profile's key was stored for; the search is at the API."""

        def own(key: str, default: str) -> str:
            offer = Candidate(self.values.get(key, default), USER_SETTINGS, self._in_profile(key))
            try:
                return parse_service_url(offer.text)
            except ValueError as error:
                raise _bad_value(offer, str(error)) from error

        api_url = own("api_url", DEFAULT_API_URL)
        auth_url, registry_url = services_of(api_url)
        return Addresses(api_url, own("auth_url", auth_url), own("registry_host", registry_url), api_url)

    def _api_key(self, addresses: Addresses) -> Secret | None:
        """The key in effect. One from the profile goes to the addresses of the profile and nowhere else."""
        offers = [_key(offer.text, offer.source, offer.name) for offer in self.candidates["api_key"]]
        _check_same_key(offers)
        stored = self._stored_key()
        if stored is not None:
            withheld = addresses.withheld_from(self.own_addresses)
            if withheld is None or offers:
                offers.append(stored)
            else:
                service, url, own_url = withheld
                self.warnings.append(
                    f"the API key of profile '{self.profile}' is for {own_url} and is not sent to {url} "
                    f"({service}); store one for it with 'ngc config set --profile NAME --api-url URL', "
                    "or set NGC_CLI_API_KEY"
                )
        self.candidates["api_key"] = tuple(offers)
        if not offers:
            return None
        key = offers[0].value
        assert isinstance(key, Secret)
        return key

    def _of_own_key(self, key: str) -> str:
        """What the profile says about its key, when that is the one in effect."""
        offers = self.candidates["api_key"]
        return self.values.get(key, "") if offers and offers[0].source == USER_SETTINGS else ""

    def _stored_key(self) -> Candidate | None:
        """The key of the profile; one in the keyring is read when it is needed, not now."""
        if self.values.get("apikey"):
            return _key(self.values["apikey"], USER_SETTINGS, self._in_profile("apikey"))
        if self.values.get("storage") == IN_KEYRING and self.path is not None:
            return Candidate(
                stored_secret(self.path, self.profile), USER_SETTINGS, f"keyring, profile '{self.profile}'"
            )
        return None


def stored_secret(path: Path, profile: str) -> Secret:
    """The key that the OS keyring holds for a profile, read when it is revealed; ConfigError when it is not there."""

    def read() -> str:
        try:
            key = OsKeyring(path).read(profile)
        except KeyringUnavailable as error:
            raise ConfigError(
                f"the API key of profile '{profile}' is in the OS keyring, but {error.message}",
                hint=f"{error.hint} Or set NGC_CLI_API_KEY.".lstrip(),
            ) from error
        if key is None:
            raise ConfigError(
                f"the OS keyring has no API key for profile '{profile}' of {path}",
                hint=f"Store it again with 'ngc config set --profile {profile}', or set NGC_CLI_API_KEY.",
            )
        return key

    return Secret(read)


def _key(text: str, source: str, name: str) -> Candidate:
    """The key of a variable or file on offer; its value is never part of the error."""
    try:
        return Candidate(Secret(check_key(text)), source, name)
    except ValueError as error:
        kind = ConfigError if source == USER_SETTINGS else UsageError
        raise kind(f"{name} is not an API key: {error}") from error


def unknown_profile(name: str, profiles: Iterable[str], named_by: str = "") -> UsageError:
    """The error for a profile that is not there, with one whose name is close."""
    return UsageError(
        f"there is no profile '{name}'" + (f" ({named_by})" if named_by else ""),
        hint=did_you_mean(name, profiles) or "'ngc config list' shows what there is.",
    )


def services_of(api_url: str) -> tuple[str, str]:
    """Authentication host and container registry of an API; a registry of one's own serves all three itself."""
    parts = urlsplit(api_url)
    return _SERVICES.get(api_url, (api_url, f"{parts.scheme}://{parts.netloc}"))


def _check_same_key(offers: list[Candidate]) -> None:
    """The two current names of the key must agree: silently taking one of two keys costs hours."""
    keys = [offer for offer in offers if offer.name in ("NGC_CLI_API_KEY", "NGC_API_KEY")]
    if len({offer.value.reveal() for offer in keys if isinstance(offer.value, Secret)}) > 1:
        first, second = keys
        raise UsageError(
            f"{first.name} ({first.text}) and {second.name} ({second.text}) hold different keys",
            hint="Unset one of them.",
        )


def _bad_value(offer: Candidate, why: str) -> NgcError:
    message = f"{offer.name}: '{offer.text}' {why}"
    if offer.source != USER_SETTINGS:
        return UsageError(message)
    return ConfigError(message, hint=f"Remove it: ngc config unset {offer.name.partition(' ')[0]}")
