"""The composition root: the only place that wires layers together, each part on first use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import typer

from ngc_cli.cli.globals import GlobalFlags
from ngc_cli.cli.output import Output, confirm, is_interactive, wants_colour
from ngc_cli.config.variables import FORMATS
from ngc_cli.errors import ConfigError, NgcError, NotAuthenticated, NotConfirmed, UsageError
from ngc_cli.urls import KEY_PAGE_HINT

if TYPE_CHECKING:
    from pathlib import Path
    from threading import Event

    from ngc_cli.api.client import ApiClient, PlannedCall
    from ngc_cli.api.orgs import OrgApi
    from ngc_cli.config.profiles import Settings
    from ngc_cli.events import Progress
    from ngc_cli.http.session import Http
    from ngc_cli.services.images.connection import ImageClients
    from ngc_cli.services.transfers import TransferLimits


class Runtime:
    """What a command needs: settings, output, the API client; made when first used."""

    def __init__(self, flags: GlobalFlags) -> None:
        self.flags = flags
        self.may_create_profile = False
        self.planned: list[PlannedCall] | None = None
        self._stop_debug_log: Callable[[], None] = lambda: None
        if flags.debug:
            from ngc_cli.cli.logs import start_debug_log

            self._stop_debug_log = start_debug_log(lambda text: self._output_of_flags.debug(text))

    @staticmethod
    def of(ctx: typer.Context) -> Runtime:
        """The runtime of the running command."""
        return cast(Runtime, ctx.obj)

    def override(self, **flags: Any) -> None:
        """Change global options for this command, before the settings are read."""
        self.flags = replace(self.flags, **flags)

    def only_plan(self, wanted: bool) -> None:
        """Let this command change nothing: the API client notes what it would send (``--dry-run``).

        Everything is read and checked as always. What the command would have shown after the change is left out;
        ``show_plan`` shows the notes instead.
        """
        if wanted:
            self.planned = []
            self.__dict__.pop("output", None)

    def show_plan(self) -> None:
        """What ``--dry-run`` has found: the requests, which are the whole of what would happen."""
        from ngc_cli.cli.plans import plan_facts, plan_text

        calls, self.planned = self.planned or [], None
        self.__dict__.pop("output", None)
        output: Output = self.output
        output.done(plan_text(calls), **plan_facts(calls))

    @cached_property
    def _resolved(self) -> Settings:
        """The settings, read and resolved once; without warnings, because these need the output format."""
        from ngc_cli.config.profiles import resolve

        return resolve(self.flags, os.environ, may_create=self.may_create_profile)

    @cached_property
    def settings(self) -> Settings:
        """Effective settings, with their warnings written once; raises ConfigError or UsageError."""
        settings = self._resolved
        for warning in settings.warnings:
            self.output.warn(warning)
        if self.flags.ace is not None:
            self.output.warn("--ace is accepted for old scripts and has no effect")
        return settings

    @cached_property
    def output(self) -> Output:
        """Where results and messages go; it works even when the configuration cannot be read."""
        output = self._output_of_flags
        if self._named_format is None:
            try:
                output = self._new_output(self._resolved.format_type)
            except NgcError:
                return output  # the command itself reports what is wrong with the configuration
        return output

    @property
    def _named_format(self) -> str | None:
        """The output format that the options or the environment name, known without the configuration."""
        named = self.flags.format_type or os.environ.get("NGC_CLI_FORMAT_TYPE", "")
        return named if named in FORMATS else None

    @property
    def _output_of_flags(self) -> Output:
        return self._new_output(self._named_format or "ascii")

    def _new_output(self, format_type: str) -> Output:
        colour = wants_colour(os.environ, no_color=self.flags.no_color)
        if self.planned is None:
            return Output(format_type, quiet=self.flags.quiet, colour=colour, query=self.flags.query)
        from ngc_cli.cli.plans import PlanningOutput

        return PlanningOutput(
            self.planned, format_type, quiet=self.flags.quiet, colour=colour, query=self.flags.query
        )

    @cached_property
    def http(self) -> Http:
        """The HTTP session of this command."""
        from ngc_cli.http.session import Http, HttpSettings

        settings = self.settings
        return Http(
            HttpSettings(
                timeout_s=settings.timeout_s, retries=settings.retries, ca_bundle=settings.ca_bundle
            ),
            on_retry=self.output.note,
        )

    @cached_property
    def api(self) -> ApiClient:
        """The API client, as the configured identity or as a guest."""
        return self._client(self._key, self.settings.org, self.settings.team)

    @property
    def _key(self) -> str:
        return self.settings.api_key.reveal() if self.settings.api_key else ""

    def _client(self, key: str, org: str = "", team: str = "") -> ApiClient:
        from ngc_cli.api.client import ApiClient
        from ngc_cli.http.auth import NgcCredentials

        settings = self.settings
        addresses = {"api_url": settings.api_url, "auth_url": settings.auth_url}
        addresses["search_url"] = settings.search_url
        credentials = NgcCredentials(self.http, key, org=org, team=team, **addresses)
        return ApiClient(self.http, credentials, self.planned)

    def people_of(self, key: str) -> OrgApi:
        """Orgs and teams that a key gives access to which is not configured yet."""
        from ngc_cli.api.orgs import OrgApi

        return OrgApi(self._client(key))

    @cached_property
    def images(self) -> ImageClients:
        """The NGC API of images and the registry they are in, as the configured identity or as a guest."""
        from ngc_cli.services.images.connection import connect

        return connect(
            self.api,
            registry_url=self.settings.registry_url,
            auth_url=self.settings.auth_url,
            key=self._key,
            environ=os.environ,
            on_warning=self.output.warn,
        )

    @cached_property
    def people(self) -> OrgApi:
        """Orgs, teams and users; raises NotAuthenticated for a guest, before any request."""
        from ngc_cli.api.orgs import OrgApi

        if self.api.credentials.is_guest:
            raise NotAuthenticated(
                "this needs an API key", hint=f"Set one with 'ngc config set'. {KEY_PAGE_HINT}"
            )
        return OrgApi(self.api)

    @property
    def org(self) -> str:
        """The org of this command; raises ConfigError when there is none."""
        if not self.settings.org:
            raise ConfigError(
                "no org is chosen", hint="Name it with --org ORG, or choose one with 'ngc config set'."
            )
        return self.settings.org

    @property
    def team(self) -> str:
        """The team of this command; raises ConfigError when there is none."""
        if not self.settings.team:
            raise ConfigError(
                "no team is chosen", hint="Name it with --team TEAM, or choose one with 'ngc config set'."
            )
        return self.settings.team

    @property
    def interactive(self) -> bool:
        """Whether a person can be asked."""
        from ngc_cli.config.variables import may_ask

        return may_ask(os.environ) and is_interactive()

    def confirm(self, question: str, *, name: str = "") -> None:
        """Ask before something is destroyed; raises NotConfirmed for a no, UsageError when nobody can answer.

        With a name, that is what must be typed. A dry run asks nothing.
        """
        if self.planned is not None:
            return
        if not confirm(question, name, assume_yes=self.flags.yes, interactive=self.interactive):
            raise NotConfirmed("nothing was changed: the answer was no")

    @contextmanager
    def transfer(self) -> Iterator[tuple[Progress, Event]]:
        """The progress display of a transfer, and the event that Ctrl-C and SIGTERM set to end it."""
        from ngc_cli.cli.progress import STYLES, progress
        from ngc_cli.cli.signals import cancelled_by_signals

        bar = self.settings.progress_style
        style = self.flags.progress or "auto"
        if style not in STYLES:
            raise UsageError(f"--progress does not know '{style}'", hint=f"Use one of: {', '.join(STYLES)}.")
        silent = self.flags.quiet or self.flags.no_progress or bar == "NONE"
        with (
            progress(self.output, silent=silent, ascii_bar=bar == "ASCII", style=style) as display,
            cancelled_by_signals(self.http.close) as cancel,
        ):
            yield display, cancel

    def limits(self, threads: int | None, limit_rate: str | None, *, upload: bool = False) -> TransferLimits:
        """How hard a transfer may work, by options and configuration."""
        from ngc_cli.services.transfers import TransferLimits
        from ngc_cli.units import parse_size

        settings = self.settings
        rate = parse_size(limit_rate) if limit_rate else 0
        retries = settings.upload_retries if upload else settings.download_retries
        return TransferLimits(threads or settings.concurrency, rate, retries)

    def state_folder(self, name: str = "uploads") -> Path | None:
        """Where ``uploads`` or ``downloads`` remember how far they are; None where nothing can be written."""
        config = self.settings.config_path
        if config is None or not os.access(
            config.parent if config.parent.exists() else config.parent.parent, os.W_OK
        ):
            return None
        return config.parent / name

    def identity_note(self) -> str:
        """Which org, team and key the command used, for errors that may come from a wrong one."""
        settings = self.__dict__.get("settings")
        if settings is None:
            return ""
        if not settings.api_key:
            return "No API key is set, so this ran as a guest."
        where = f"org '{settings.org}'" if settings.org else "no org"
        team = f", team '{settings.team}'" if settings.team else ""
        return f"Used {where}{team} and the API key from the {settings.origin('api_key')}."

    def local_registry_note(self) -> str:
        """How to start the registry of ``ngc local`` that the profile in use is for; empty for another profile."""
        settings = self.__dict__.get("settings")
        if settings is None:
            return ""
        from ngc_cli.config.store import load
        from ngc_cli.services.local_registries import DATA_DIR

        values = load(settings.config_path).profiles.get(settings.profile, {})
        if not values.get(DATA_DIR) or values.get("api_url") != settings.api_url:
            return ""
        return f"Profile '{settings.profile}' is for a registry on this machine: 'ngc local start' starts it."

    def close(self) -> None:
        """End what the command has opened."""
        http = self.__dict__.get("http")
        if http is not None:
            http.close()
        self._stop_debug_log()
