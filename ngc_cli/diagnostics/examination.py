"""One run of ``ngc diag``: its collectors, over settings that may be broken, with the secrets to hide.

The command hands in, as ``Clients``, how to get settings and clients; each is made when a collector needs it, because
making it may fail and that failure is what a diagnosis is to show.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from ngc_cli import __version__
from ngc_cli.diagnostics import account, machine, software
from ngc_cli.diagnostics.outcome import Check, Skipped
from ngc_cli.diagnostics.redaction import Redactor, register_surroundings
from ngc_cli.diagnostics.survey import Collect, Finding, Form, Job, Survey
from ngc_cli.errors import NgcError
from ngc_cli.records import User

if TYPE_CHECKING:
    from ngc_cli.api.client import ApiClient
    from ngc_cli.config.profiles import Flags, Settings
    from ngc_cli.diagnostics.server import Identity, ServerChecks

TIMEOUT_S = "5"
"""Value of --timeout unless one is given: a server that needs longer for a greeting is one of the findings."""
_TIMEOUT_MAX_S = 25.0  # leaves 5 of the 30 seconds that all of a diagnosis may take
_FACT_LIMIT_S = 6.0  # a fact of this machine comes at once or hangs (a dead network drive, a locked keyring)
_READ_LIMIT_S = 10.0  # long enough for the rate of a slow line to show
_NO_HOME = {"NGC_CLI_HOME": os.devnull}


@dataclass(frozen=True)
class Clients:
    """How to get what the collectors work with; each may raise NgcError.

    ``flags`` are the global options without the profile, which count when the configuration is broken. ``ping`` greets the container
    registry with the key. ``settings_rows`` are the rows of ``ngc config current``.
    """

    flags: Flags
    settings: Callable[[], Settings]
    api: Callable[[], ApiClient]
    ping: Callable[[], None]
    settings_rows: Callable[[Settings], list[Mapping[str, str]]]


class Examination:
    """The parts of one run of ``ngc diag``."""

    def __init__(self, clients: Clients, forms: Sequence[Form]) -> None:
        from ngc_cli.config.store import config_path, home_of_user

        self._clients = clients
        self._forms = forms
        self._broken: NgcError | None = None
        self._config_file = config_path(os.environ)
        # A user in a container may have neither the variable nor an entry in passwd: then it is the root.
        self._home = Path(os.environ.get("HOME") or home_of_user() or "/")
        self._folder = Path(os.environ.get("PWD", "."))
        with suppress(OSError):  # the current directory may have been removed
            self._folder = Path.cwd()
        register_surroundings(os.environ, self._config_file)
        self.redactor = Redactor(_homes(self._home, os.environ))
        self.places = {"disk_usage": str(self._home), "current_directory": str(self._folder)}

    def survey(self, *, external_ip: bool, dir_size: bool, read_bytes: int) -> Survey:
        """The collectors that the forms need. Raises UsageError for a bad option."""
        jobs = {**self._local(dir_size)}
        if "server" in self._forms or "user" in self._forms:
            jobs |= self._remote(external_ip, read_bytes)
        return Survey(
            jobs,
            {
                "container_registry": _registry_beside_api,
                "clock": _clock,
                "org_roles": lambda findings: account.org_roles(_user(findings)),
                "team_roles": lambda findings: account.team_roles(_user(findings)),
            },
        )

    def _local(self, dir_size: bool) -> dict[str, Job]:
        collectors: dict[str, Collect] = {
            "general": machine.general,
            "installation": partial(software.installation, __version__),
            "operating_system": machine.operating_system,
            "disk_usage": partial(machine.disk_usage, self._home),
            "current_directory": partial(machine.directory_size, self._folder)
            if dir_size
            else partial(_skip, "--no-dir-size"),
            "memory": machine.memory,
            "permissions": partial(machine.permissions, self._config_file),
            "environment": partial(machine.variables, os.environ),
            "python": software.python_environment,
            "container_tools": software.container_tools,
            "gpu": software.gpu_state,
            "keyring": partial(software.keyring_state, self._config_file or self._home),
        }
        return {name: Job(collect, _FACT_LIMIT_S) for name, collect in collectors.items()}

    def _remote(self, external_ip: bool, read_bytes: int) -> dict[str, Job]:
        checks = self._checks
        limit_s = min(3 * checks.prober.timeout_s, _TIMEOUT_MAX_S)
        collectors: dict[str, Collect] = {
            "api_gateway": checks.api_gateway,
            "authentication": checks.authentication,
            "container_registry": checks.container_registry,
            "container_registry_meta": checks.container_registry_meta,
            "model_registry": checks.model_registry,
            "external_ip": checks.external_ip if external_ip else partial(_skip, "--no-external-ip"),
            "configuration": self._configuration,
            "user": checks.user,
        }
        jobs = {name: Job(collect, limit_s) for name, collect in collectors.items()}
        read = partial(checks.data_storage, read_bytes, _READ_LIMIT_S)
        jobs["data_storage"] = Job(read if read_bytes else partial(_skip, "--read-size 0"), _TIMEOUT_MAX_S)
        return jobs

    @cached_property
    def _settings(self) -> Settings:
        """The settings in effect; those of the options and the environment when the config file is broken, and
        those of the options when the environment is, too."""
        from ngc_cli.config.profiles import resolve

        try:
            return self._clients.settings()
        except NgcError as error:
            self._broken = error
        flags = self._clients.flags
        try:
            return resolve(flags, {**os.environ, **_NO_HOME})
        except NgcError:
            return resolve(flags, _NO_HOME)

    @cached_property
    def _checks(self) -> ServerChecks:
        from ngc_cli.api.artifacts import ArtifactApi
        from ngc_cli.api.kinds import MODEL
        from ngc_cli.diagnostics.probe import Prober
        from ngc_cli.diagnostics.server import Place, ServerChecks

        settings = self._settings
        place = Place(settings.api_url, settings.auth_url, settings.registry_url, settings.org, settings.team)
        prober = Prober(ca_bundle=settings.ca_bundle, timeout_s=min(settings.timeout_s, _TIMEOUT_MAX_S))
        identity = self._identity()
        models = ArtifactApi(self._clients.api(), MODEL) if identity is not None else None
        return ServerChecks(place, prober, identity, models)

    def _identity(self) -> Identity | None:
        """The user of the key; None with a broken configuration: its key could be meant for another server."""
        from ngc_cli.api.orgs import OrgApi
        from ngc_cli.diagnostics.server import Identity
        from ngc_cli.services.people import orgs

        if self._broken is not None:
            return None
        try:
            api = self._clients.api()
        except NgcError as error:
            self._broken = error
            return None
        whoami = partial(orgs.who, OrgApi(api), self._settings.org)
        return Identity(api.credentials, whoami, self._clients.ping)

    def _configuration(self) -> list[Mapping[str, str]]:
        """The rows of ``ngc config current``."""
        if self._broken is not None:
            raise self._broken
        return self._clients.settings_rows(self._settings)


def _skip(option: str) -> None:
    raise Skipped(option)


def _homes(home: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Folders to hide, and what to show for them."""
    homes = {str(home): "~", os.path.realpath(home): "~"}
    own = environ.get("NGC_CLI_HOME", "")
    if own and Path(own).is_absolute():
        homes = {own: "$NGC_CLI_HOME", os.path.realpath(own): "$NGC_CLI_HOME", **homes}
    return homes


def _registry_beside_api(findings: Mapping[str, Finding]) -> Check:
    from ngc_cli.diagnostics.server import blame_registry

    registry: Check = findings["container_registry"].value
    return blame_registry(registry, findings["api_gateway"].status == "success")


def _clock(findings: Mapping[str, Finding]) -> Check:
    from ngc_cli.diagnostics.server import clock

    checks = [finding.value for finding in findings.values() if isinstance(finding.value, Check)]
    return clock([check.trace for check in checks if check.trace is not None])


def _user(findings: Mapping[str, Finding]) -> User:
    finding = findings["user"]
    if not isinstance(finding.value, User):
        raise Skipped(finding.note or "the user is not known")
    return finding.value
