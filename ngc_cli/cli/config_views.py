"""How settings and profiles look (docs/cli.md#config)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ngc_cli.cli.formats import Table
from ngc_cli.config.profiles import DEFAULT, DEFAULT_API_URL, IN_KEYRING, Candidate, Settings
from ngc_cli.config.secrets import Secret
from ngc_cli.config.store import DEFAULT_PROFILE
from ngc_cli.errors import ConfigError

SETTING_OF_KEY = {  # the key that people and the file use, and the name in Settings
    "apikey": "api_key",
    "format_type": "format_type",
    "org": "org",
    "team": "team",
    "profile": "profile",
    "api_url": "api_url",
    "auth_url": "auth_url",
    "registry_host": "registry_url",
    "registry_alias": "registry_alias",
    "ca_bundle": "ca_bundle",
}
_KEY_OF_SETTING = {name: key for key, name in SETTING_OF_KEY.items()}
_OFFICIAL = ("apikey", "format_type", "org", "team")
_UNREAD = "(in the OS keyring)"

Warn = Callable[[str], None]


def current_table(settings: Settings, warn: Warn) -> Table:
    """The settings in effect: the rows of the official client, then ours that are not the default."""
    rows = []
    for key, name in SETTING_OF_KEY.items():
        ours = key not in _OFFICIAL and not (key == "profile" and settings.profile == DEFAULT_PROFILE)
        if key in _OFFICIAL or (ours and settings.sources.get(name, DEFAULT) != DEFAULT):
            rows += [setting_row(settings, key, warn)]
        if key == "apikey":
            source = settings.sources.get(name, "")
            rows += [{"key": "key_name", "value": settings.key_name, "source": source}]
            rows += [{"key": "key_id", "value": settings.key_id, "source": source}]
    return _table(("key", "value", "source"), [row for row in rows if row["value"]])


def setting_row(settings: Settings, key: str, warn: Warn) -> dict[str, str]:
    """One setting as ``key``, ``value`` and ``source``; the value is empty when there is none."""
    name = SETTING_OF_KEY[key]
    source = settings.sources.get(name, "")
    if key == "apikey":
        return {"key": key, "value": _masked(settings.api_key, warn), "source": source}
    value = str(getattr(settings, name))
    row = {"key": key, "value": value, "source": source}
    if key == "org" and settings.org_display_name:
        row |= {
            "value": f"{settings.org_display_name} ({value})",
            "name": value,
            "display_name": settings.org_display_name,
        }
    return row


def explain_table(settings: Settings, warn: Warn) -> Table:
    """Every value on offer for every setting; the first one of each is in effect."""
    rows = []
    for name, offers in settings.candidates.items():
        for position, offer in enumerate(offers):
            rows.append(
                {
                    "key": _KEY_OF_SETTING.get(name, name),
                    "value": _offered(offer, warn, read=position == 0),
                    "source": offer.source,
                    "from": offer.name,
                    "effective": position == 0,
                }
            )
    return _table(("key", "value", "source", "from", "effective"), rows)


def profile_table(profiles: Mapping[str, Mapping[str, str]], current: str) -> Table:
    """The profiles. Keys in the keyring are not read: that could open a dialog for each."""
    headers = {
        "current": "Current",
        "profile": "Profile",
        "org": "Org",
        "team": "Team",
        "format_type": "Format",
        "api_url": "Server",
        "apikey": "API Key",
    }
    rows = []
    for name, values in profiles.items():
        key = Secret(values["apikey"]).masked() if values.get("apikey") else ""
        rows.append(
            {
                "current": name == current,
                "profile": name,
                "org": values.get("org", ""),
                "team": values.get("team", ""),
                "format_type": values.get("format_type", "ascii"),
                "api_url": values.get("api_url", DEFAULT_API_URL),
                "apikey": key or (_UNREAD if values.get("storage") == IN_KEYRING else ""),
            }
        )
    table = _table(tuple(headers), rows)
    return Table(tuple(headers.values()), table.rows, table.data, whole=(1, 5))


def _table(columns: tuple[str, ...], rows: list[dict[str, Any]]) -> Table:
    """A table of these columns; json shows the rows themselves, without what is empty."""

    def cell(value: Any) -> str:
        return ("*" if value else "") if isinstance(value, bool) else str(value)

    return Table(
        columns,
        [[cell(row[column]) for column in columns] for row in rows],
        [{key: value for key, value in row.items() if value != ""} for row in rows],
    )


def _offered(offer: Candidate, warn: Warn, *, read: bool) -> str:
    if isinstance(offer.value, Secret):
        return _masked(offer.value, warn) if read or offer.value.at_hand else _UNREAD
    return offer.value


def _masked(key: Secret | None, warn: Warn) -> str:
    """The key, starred; a keyring that does not give it out is warned about and does not end the command."""
    if key is None:
        return ""
    try:
        return key.masked()
    except ConfigError as error:
        warn(f"{error.message}. {error.hint}".strip())
        return _UNREAD
