"""The composition root: the only place that wires layers together, each part on first use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar, cast

import typer

from ngc_cli.cli.globals import GlobalFlags
from ngc_cli.cli.output import Output, confirm, is_interactive
from ngc_cli.config.variables import FORMATS
from ngc_cli.errors import (
    ConfigError,
    NgcError,
    NotAuthenticated,
    NotConfirmed,
    TransferKilled,
    TransferTerminated,
    UsageError,
)
from ngc_cli.refs import ArtifactRef, ImageRef

if TYPE_CHECKING:
    from pathlib import Path
    from threading import Event
    from types import FrameType

    from ngc_cli.api.client import ApiClient
    from ngc_cli.api.orgs import OrgApi
    from ngc_cli.config.profiles import Settings
    from ngc_cli.events import Progress
    from ngc_cli.http.session import Http
    from ngc_cli.services.images.connection import ImageClients
    from ngc_cli.services.transfers import TransferLimits


Ref = TypeVar("Ref", ArtifactRef, ImageRef)


class Runtime:
    """What a command needs: settings, output, the API client; made when first asked for."""

    def __init__(self, flags: GlobalFlags) -> None:
        self.flags = flags
        self.may_create_profile = False
        self._stop_logging = _log_to_stderr() if flags.debug else None

    @staticmethod
    def of(ctx: typer.Context) -> Runtime:
        """The runtime of the running command."""
        return cast(Runtime, ctx.obj)

    @cached_property
    def settings(self) -> Settings:
        """Effective settings, with their warnings told once; raises ConfigError or UsageError."""
        from ngc_cli.config.profiles import resolve

        settings = resolve(self.flags, os.environ, may_create=self.may_create_profile)
        for warning in settings.warnings:
            self.output.warn(warning)
        if self.flags.ace is not None:
            self.output.warn("--ace is accepted for old scripts and has no effect")
        return settings

    @cached_property
    def format_type(self) -> str:
        """The output format; known even when the configuration cannot be read."""
        chosen = self.flags.format_type or os.environ.get("NGC_CLI_FORMAT_TYPE", "")
        if chosen in FORMATS:
            return chosen
        from ngc_cli.config.profiles import resolve

        try:
            return resolve(self.flags, os.environ).format_type
        except NgcError:
            return "ascii"

    @cached_property
    def output(self) -> Output:
        """Where results and notes go."""
        return Output(self.format_type, quiet=self.flags.quiet)

    @cached_property
    def http(self) -> Http:
        """The HTTP session of this command."""
        from ngc_cli.http.session import Http, HttpSettings

        settings = self.settings
        return Http(
            HttpSettings(timeout_s=settings.timeout_s, retries=settings.retries, ca_bundle=settings.ca_bundle)
        )

    @cached_property
    def api(self) -> ApiClient:
        """The API client, as the configured identity or as a guest."""
        settings = self.settings
        key = settings.api_key.reveal() if settings.api_key else ""
        return self._client(key, settings.org, settings.team)

    def _client(self, key: str, org: str = "", team: str = "") -> ApiClient:
        from ngc_cli.api.client import ApiClient
        from ngc_cli.http.auth import NgcCredentials

        settings = self.settings
        addresses = {"api_url": settings.api_url, "auth_url": settings.auth_url}
        addresses["search_url"] = settings.search_url
        return ApiClient(self.http, NgcCredentials(self.http, key, org=org, team=team, **addresses))

    def people_of(self, key: str) -> OrgApi:
        """Orgs and teams that a key gives access to which is not configured yet."""
        from ngc_cli.api.orgs import OrgApi

        return OrgApi(self._client(key))

    @cached_property
    def images(self) -> ImageClients:
        """The NGC API of images and the registry they are in, as the configured identity or as a guest."""
        from ngc_cli.services.images.connection import connect

        settings = self.settings
        key = settings.api_key.reveal() if settings.api_key else ""
        return connect(
            self.api,
            registry_url=settings.registry_url,
            auth_url=settings.auth_url,
            key=key,
            environ=os.environ,
            on_warning=self.output.warn,
        )

    @cached_property
    def people(self) -> OrgApi:
        """Orgs, teams and users; raises NotAuthenticated for a guest, before any request."""
        from ngc_cli.api.orgs import OrgApi

        if self.api.credentials.is_guest:
            raise NotAuthenticated("this needs an API key", hint="Set one with 'ngc config set'.")
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

    def artifact(self, text: str, *, version: bool | None = None, pattern: bool = False) -> ArtifactRef:
        """A target with org and team filled in from the configuration.

        ``version`` True wants one, False forbids one. Raises UsageError for what the command cannot work on.
        """
        ref = ArtifactRef.parse(text)
        if ref.has_wildcard and not pattern:
            raise UsageError(f"'{text}' has wildcards", hint="Name one thing; 'list' takes wildcards.")
        if version and not ref.version:
            raise UsageError(f"'{text}' names no version", hint=f"Write {ref.path}:VERSION.")
        if version is False and ref.version:
            raise UsageError(f"'{text}' names a version where none may be", hint=f"Write {ref.path}.")
        return self._in_context(ref, text, pattern)

    def image(
        self, text: str, *, tag: bool | None = None, digest: bool = False, pattern: bool = False
    ) -> ImageRef:
        """An image reference with org and team filled in from the configuration; our own host is left out.

        ``tag`` True wants one, False forbids one; ``digest`` and ``pattern`` allow them. Raises UsageError for what
        the command cannot work on.
        """
        host = self.settings.registry_host
        ref = ImageRef.parse(text.removeprefix("https://").removeprefix(f"{host}/"))
        if ref.host:
            raise UsageError(
                f"'{text}' is not in the registry {host}",
                hint="Choose another registry with NGC_CLI_REGISTRY_SERVICE_URL or a profile of its own.",
            )
        if ref.has_wildcard and not pattern:
            raise UsageError(f"'{text}' has wildcards", hint="Name one image; 'list' takes wildcards.")
        if tag and not ref.tag:
            raise UsageError(f"'{text}' names no tag", hint=f"Write {ref.path}:TAG.")
        if ref.digest and not digest:
            raise UsageError(
                f"'{text}' names a digest, which only 'pull' takes", hint=f"Write {ref.path}:TAG."
            )
        if tag is False and ref.tag:
            raise UsageError(f"'{text}' names a tag where none may be", hint=f"Write {ref.path}.")
        return self._in_context(ref, text, pattern)

    def _in_context(self, ref: Ref, text: str, pattern: bool) -> Ref:
        """The target with org and team of the configuration where it names none; only a pattern may do without."""
        self._tell_ignored_context(ref.org, ref.team)
        ref = ref.within(self.settings.org, self.settings.team)
        if not ref.org and not pattern:
            raise UsageError(
                f"'{text}' names no org and none is configured",
                hint=f"Write ORG/{text}, or choose an org with 'ngc config set'.",
            )
        return ref

    def searched(self, ref: ArtifactRef | ImageRef | None) -> tuple[str, str, str]:
        """Pattern, org and team of a search for this target; without one everything that is visible.

        Without a target, a team named on the line narrows the search to it (guide, 3.3).
        """
        org, team = self.settings.org, self.settings.team
        if ref is not None:
            return ref.path, ref.org or org, ref.team if ref.org else team
        return f"{org}/{team}/*" if self.flags.team and org and team else "", org, team

    def tell_guest(self, found: Sequence[object]) -> None:
        """Say that an empty list may be empty because there is no key."""
        if not found and not self.settings.api_key:
            self.output.note(
                "Nothing is visible to guests. Set an API key with 'ngc config set' to see more."
            )

    def tell_cut_short(self, complete: bool, limit: int | None) -> None:
        """Say that a list goes on behind --limit."""
        if not complete:
            self.output.note(f"Showing the first {limit}; leave out --limit to see all.")

    @property
    def interactive(self) -> bool:
        """Whether a person can be asked."""
        from ngc_cli.config.variables import may_ask

        return may_ask(os.environ) and is_interactive()

    def confirm(self, question: str, *, name: str = "") -> None:
        """Ask before something is destroyed; raises NotConfirmed for a no, UsageError when nobody can answer.

        With a name, that is what must be typed.
        """
        if not confirm(question, name, assume_yes=self.flags.yes, interactive=self.interactive):
            raise NotConfirmed("nothing was changed: the answer was no")

    def progress(self) -> AbstractContextManager[Progress]:
        """The progress display of this command."""
        import sys

        from ngc_cli.cli.progress import progress

        style = self.settings.progress_style
        silent = self.flags.quiet or self.flags.no_progress or style == "NONE"
        return progress(silent=silent, bar=sys.stderr.isatty(), ascii_bar=style == "ASCII")

    def limits(self, threads: int | None, limit_rate: str | None, *, upload: bool = False) -> TransferLimits:
        """How hard a transfer may work, by options and configuration."""
        from ngc_cli.services.transfers import TransferLimits
        from ngc_cli.units import parse_size

        settings = self.settings
        rate = parse_size(limit_rate) if limit_rate else 0
        retries = settings.upload_retries if upload else settings.download_retries
        return TransferLimits(threads or settings.concurrency, rate, retries)

    def state_folder(self) -> Path | None:
        """Where uploads remember how far they are; None where nothing can be written."""
        config = self.settings.config_path
        if config is None or not os.access(
            config.parent if config.parent.exists() else config.parent.parent, os.W_OK
        ):
            return None
        return config.parent / "uploads"

    @contextmanager
    def cancel_on_signals(self) -> Iterator[Event]:
        """An event that Ctrl-C and SIGTERM set; every wait of the HTTP layer ends with it.

        Raises TransferTerminated, or TransferKilled for SIGTERM, when the block has ended. A second Ctrl-C
        stops at once.
        """
        import signal
        import threading

        cancel = threading.Event()
        received: list[int] = []

        def stop(number: int, frame: FrameType | None) -> None:
            received.append(number)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            cancel.set()
            self.http.close()

        previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield cancel
        except Exception:
            if not received:
                raise
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
        if received:
            kind = TransferKilled if received[0] == signal.SIGTERM else TransferTerminated
            raise kind("the transfer was interrupted", hint="Run the same command again to go on from here.")

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

    def close(self) -> None:
        """End what the command has opened."""
        http = self.__dict__.get("http")
        if http is not None:
            http.close()
        if self._stop_logging is not None:
            self._stop_logging()

    def _tell_ignored_context(self, org: str, team: str) -> None:
        """Warn when an option names another org or team than the target does; the target wins."""
        for option, given, named in (("--org", self.flags.org, org), ("--team", self.flags.team, team)):
            if org and given and given != named and not given.startswith("no-"):
                self.output.warn(f"{option} {given} is ignored: the target names {named or 'no team'}")


def _log_to_stderr() -> Callable[[], None]:
    """Write the debug log to stderr, every line redacted; returns how to stop that."""
    import logging
    import platform
    import sys

    from ngc_cli import __version__
    from ngc_cli.http.redact import redact_text

    class Redacting(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return redact_text(super().format(record))

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Redacting("%(asctime)s %(name)s %(message)s"))
    logger = logging.getLogger("ngc_cli")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.debug("ngc %s, Python %s, %s", __version__, platform.python_version(), platform.platform())

    def stop() -> None:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)

    return stop
