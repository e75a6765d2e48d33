"""The settings of ngc in one table: which option, environment variables and profile key each can come from.

Everything that is read from the environment is in ``SETTINGS`` or ``PROCESS_VARIABLES``; ``ngc diag client`` shows
exactly these, and a test checks that each has an effect and that the code reads no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

FORMATS: Final = ("ascii", "csv", "json")
"""Names of the output formats; ``ngc_cli.cli.formats`` has what each of them looks like."""
CA_VARIABLES: Final = ("NGC_CLI_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
DEPRECATED: Final = {
    "NGC_APP_KEY": "NGC_CLI_API_KEY",
    "NGC_CONTEXT_ORG": "NGC_CLI_ORG",
    "NGC_CLI_URL": "NGC_CLI_API_URL",
}
"""Variables that are still read, with the name to use instead."""


@dataclass(frozen=True)
class Setting:
    """Where a value can come from: an option, variables by rank, a key of the profile; empty for nowhere."""

    flag: str = ""
    variables: tuple[str, ...] = ()
    key: str = ""


SETTINGS: Final[Mapping[str, Setting]] = {
    "api_key": Setting(variables=("NGC_CLI_API_KEY", "NGC_API_KEY", "NGC_APP_KEY")),
    "format_type": Setting("--format_type", ("NGC_CLI_FORMAT_TYPE",), "format_type"),
    "org": Setting("--org", ("NGC_CLI_ORG", "NGC_CONTEXT_ORG"), "org"),
    "team": Setting("--team", ("NGC_CLI_TEAM",), "team"),
    "api_url": Setting("--api-url", ("NGC_CLI_API_URL", "NGC_CLI_URL"), "api_url"),
    "auth_url": Setting("", ("NGC_CLI_AUTH_URL",), "auth_url"),
    "registry_url": Setting("", ("NGC_CLI_REGISTRY_SERVICE_URL",), "registry_host"),
    "registry_alias": Setting(key="registry_alias"),
    "search_url": Setting("", ("NGC_CLI_SEARCH_SERVICE_URL",)),
    "ca_bundle": Setting("--ca-bundle", CA_VARIABLES, "ca_bundle"),
    "timeout_s": Setting("--timeout", ("NGC_CLI_TRANSFER_TIMEOUT",)),
    "attempts": Setting(variables=("NGC_MAX_REQUEST_ATTEMPTS",)),
    "retries": Setting("--retries"),
    "download_retries": Setting("--retries", ("NGC_CLI_DOWNLOAD_RETRIES",)),
    "upload_retries": Setting("--retries", ("NGC_CLI_UPLOAD_RETRIES",)),
    "concurrency": Setting("", ("NGC_CLI_MAX_CONCURRENCY",)),
    "progress_style": Setting("", ("NGC_CLI_PROGRESS_BAR_STYLE",)),
    "exit_codes": Setting("", ("NGC_CLI_EXIT_CODES",)),
}
PROFILE: Final = Setting("--profile", ("NGC_CLI_PROFILE",))
HOME_VARIABLE: Final = "NGC_CLI_HOME"
NONINTERACTIVE_VARIABLE: Final = "NGC_CLI_NONINTERACTIVE"
PROCESS_VARIABLES: Final = (HOME_VARIABLE, NONINTERACTIVE_VARIABLE, *PROFILE.variables)
"""What decides before there are settings: where they are, which of them, and whether somebody can be asked."""
PROXY_VARIABLES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
"""Read by the HTTP library, in lower case as well."""


def variables() -> frozenset[str]:
    """The names of all environment variables that ngc obeys."""
    of_settings = (name for setting in SETTINGS.values() for name in setting.variables)
    return frozenset({*of_settings, *PROCESS_VARIABLES, *PROXY_VARIABLES})


def may_ask(environ: Mapping[str, str]) -> bool:
    """Whether the environment allows questions; known even when the configuration cannot be read."""
    return environ.get(NONINTERACTIVE_VARIABLE, "0").lower() in ("", "0", "false", "no")
