"""``ngc config``: set, show and switch the configuration (docs/cli.md#config)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from ngc_cli.cli.completers import Offer, profiles, words
from ngc_cli.cli.groups import Command, Group, OptionAlias
from ngc_cli.cli.help import examples
from ngc_cli.cli.runtime import Runtime
from ngc_cli.errors import ConfigError, NetworkError, UsageError

if TYPE_CHECKING:
    from ngc_cli.cli.formats import Table
    from ngc_cli.services.configuration import Saved

app = typer.Typer(cls=Group, help="Set, show and switch the configuration.")


def _setting_names(ctx: typer.Context, incomplete: str) -> list[Offer]:
    """What ``get`` and ``unset`` take."""
    from ngc_cli.cli.config_views import SETTING_OF_KEY

    return list(SETTING_OF_KEY)


KeyArg = Annotated[
    str,
    typer.Argument(
        metavar="KEY",
        autocompletion=_setting_names,
        help="A setting by the name that 'ngc config current' gives it.",
    ),
]


class SetCommand(Command):
    """``config set`` with the official client's name of an option."""

    aliases: ClassVar = {"--no-verify": OptionAlias("--no-validate")}


@app.command("set", cls=SetCommand)
@examples(
    (
        "ngc config set --org nvidia --team myteam --format_type csv --no-validate",
        "Without questions and without asking the server; what is not named stays.",
    ),
    (
        "ngc config set --profile lab --api-url https://registry.example.com --no-validate",
        "Another registry, in a profile of its own.",
    ),
)
def set_(
    ctx: typer.Context,
    api_key_stdin: Annotated[
        bool, typer.Option("--api-key-stdin", help="Read the API key from standard input.")
    ] = False,
    no_validate: Annotated[
        bool, typer.Option("--no-validate", help="Do not ask the server whether key, org and team are good.")
    ] = False,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage",
            metavar="auto|keyring|file",
            autocompletion=words("auto", "keyring", "file"),
            help="Where to keep the API key; auto, which is the keyring if there is one, by default.",
        ),
    ] = None,
    auth_option: Annotated[
        str,
        typer.Option(
            "--auth-option",
            metavar="api-key",
            autocompletion=words("api-key"),
            help="How to sign in.",
        ),
    ] = "api-key",
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            metavar="PROFILE",
            autocompletion=profiles,
            help="Profile to change or to make; the same as --profile.",
        ),
    ] = None,
) -> None:
    """Set API key, output format, org and team; asks for them unless options give some."""
    from ngc_cli.cli.config_dialog import Dialog, overridden_by_environment
    from ngc_cli.services import configuration

    run = Runtime.of(ctx)
    _check_options(run, storage, auth_option, name)
    output = run.output  # made now: in the format of this command, which the answers may change
    settings, flags = run.settings, run.flags
    path = _path()
    dialog = Dialog(run, configuration.profile_values(path, settings.profile), check=not no_validate)
    given = (flags.org, flags.team, flags.format_type, flags.api_url, flags.ca_bundle)
    try:
        if api_key_stdin or any(value is not None for value in given):
            plan = dialog.by_options(key_from_stdin=api_key_stdin)
        else:
            plan = dialog.by_questions()
    except NetworkError:
        run.output.note("Nothing was saved. With --no-validate the server is not asked.")
        raise
    saved = configuration.change_profile(
        path, settings.profile, plan.values, api_key=plan.api_key, storage=storage
    )
    _note_saved(run, path, saved)
    for variable in overridden_by_environment(run, plan):
        run.output.warn(f"{variable} is set and wins over what was saved")
    output.data(lambda: _new_settings(run))


@app.command("current", cls=Command)
@examples(
    ("ngc config current", "What is in effect, and where it comes from."),
    ("ngc config current --explain", "Every value on offer for each setting."),
)
def current(
    ctx: typer.Context,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show every value on offer, and which one is in effect.")
    ] = False,
) -> None:
    """Show the settings in effect and where each comes from, without any network."""
    from ngc_cli.cli import config_views

    run = Runtime.of(ctx)
    view = config_views.explain_table if explain else config_views.current_table
    run.output.show(view(run.settings, run.output.warn))


@app.command("list", cls=Command)
@examples(
    ("ngc config list", "All profiles."),
)
def list_(ctx: typer.Context) -> None:
    """List the profiles."""
    from ngc_cli.cli import config_views
    from ngc_cli.config.store import load

    run = Runtime.of(ctx)
    profiles = load(run.settings.config_path).profiles
    run.output.show(config_views.profile_table(profiles, run.settings.profile), ids=list(profiles))


@app.command("use", cls=Command)
@examples(
    ("ngc config use lab", "Commands use profile lab from now on."),
)
def use(
    ctx: typer.Context,
    profile: Annotated[
        str, typer.Argument(metavar="PROFILE", autocompletion=profiles, help="The profile to use.")
    ],
) -> None:
    """Make a profile the one that commands use from now on."""
    from ngc_cli.services import configuration

    run = Runtime.of(ctx)
    configuration.use_profile(_path(), profile)
    if os.environ.get("NGC_CLI_PROFILE", profile) != profile:
        run.output.warn("NGC_CLI_PROFILE is set and names another profile")
    run.output.done(f"Profile '{profile}' is now in use.", profile=profile)


@app.command("get", cls=Command)
@examples(
    ("ngc config get org", "The org in effect, for a script."),
)
def get(ctx: typer.Context, key: KeyArg) -> None:
    """Print one setting in effect; the API key is masked."""
    from ngc_cli.cli import config_views
    from ngc_cli.cli.formats import Table

    run = Runtime.of(ctx)
    _check_key_name(key)
    row = config_views.setting_row(run.settings, key, run.output.warn)
    value = row.pop("name", row["value"])
    if not value:
        raise ConfigError(f"{key} is not set")
    data = {**row, "value": value}
    run.output.text(value + "\n")
    run.output.data(lambda: Table(list(data), [list(data.values())], data))


@app.command("unset", cls=Command)
@examples(
    ("ngc config unset team", "Work in the org as a whole again."),
)
def unset(ctx: typer.Context, key: KeyArg) -> None:
    """Remove one setting from the profile; removing the org removes the team too."""
    from ngc_cli.config.profiles import selected_profile
    from ngc_cli.services import configuration

    run = Runtime.of(ctx)
    _check_key_name(key)
    if key == "profile":
        raise UsageError("a profile is not a setting", hint="Remove it with: ngc config clear --profile NAME")
    profile = selected_profile(run.flags, os.environ)
    saved = configuration.unset(_path(), profile, key)
    _warn(run, saved)
    run.output.done(f"{key} is not set in profile '{profile}' any more.", key=key, profile=profile)


@app.command("path", cls=Command)
@examples(
    ("ngc config path", "Where the file is."),
)
def path_(ctx: typer.Context) -> None:
    """Print where the configuration file is."""
    from ngc_cli.cli.formats import Table

    run = Runtime.of(ctx)
    path = str(_path())
    run.output.text(path + "\n")
    run.output.data(lambda: Table(["path"], [[path]], {"path": path}))


@app.command("clear", cls=Command)
@examples(
    ("ngc config clear --profile lab", "Remove one profile and its key."),
    ("ngc config clear --yes", "Remove everything, without being asked."),
)
def clear(ctx: typer.Context) -> None:
    """Remove the configuration: all of it, or one profile with --profile."""
    from ngc_cli.config.store import ConfigFile, load
    from ngc_cli.services import configuration

    run = Runtime.of(ctx)
    path = _path()
    if run.flags.profile is not None:
        saved = configuration.remove_profile(path, run.flags.profile)
        _warn(run, saved)
        run.output.done(f"Profile '{run.flags.profile}' is removed.", profile=run.flags.profile)
        return
    try:
        config = load(path)
    except ConfigError as error:
        run.output.warn(f"{error.message}; keys it may have put into the OS keyring stay there")
        config = ConfigFile()
    if len(config.profiles) > 1:
        run.confirm(f"Remove the profiles {', '.join(config.profiles)} and their API keys?")
    removed, saved = configuration.clear(path, config)
    _warn(run, saved)
    _show_removed(run, removed)


@app.command("clear-cache", cls=Command)
@examples(
    ("ngc config clear-cache", "Forget what can be fetched again."),
)
def clear_cache(ctx: typer.Context) -> None:
    """Remove what is cached: names for the TAB key, and tokens of the official client; this one keeps none on disk."""
    from ngc_cli.cli import completion_cache
    from ngc_cli.services import configuration

    run = Runtime.of(ctx)
    _show_removed(run, [*configuration.clear_cache(_path()), *completion_cache.clear(os.environ)])


def _check_options(run: Runtime, storage: str | None, auth_option: str, name: str | None) -> None:
    """Refuse bad options before anything is asked, and settle which profile is meant."""
    from ngc_cli.services.configuration import STORAGES

    if storage is not None and storage not in STORAGES:
        raise UsageError(f"--storage does not know '{storage}'", hint=f"It takes: {', '.join(STORAGES)}.")
    if auth_option != "api-key":
        raise UsageError(
            f"--auth-option {auth_option} is not supported",
            hint="Sign in with an API key: --auth-option api-key.",
        )
    if name is not None:
        if run.flags.profile not in (None, name):
            raise UsageError("--name and --profile name two profiles", hint="Give one of them.")
        run.override(profile=name)
    run.may_create_profile = True


def _check_key_name(key: str) -> None:
    from ngc_cli.cli.config_views import SETTING_OF_KEY

    if key not in SETTING_OF_KEY:
        raise UsageError(f"there is no setting '{key}'", hint=f"There are: {', '.join(SETTING_OF_KEY)}.")


def _path() -> Path:
    from ngc_cli.config.store import require_config_path

    return require_config_path(os.environ)


def _new_settings(run: Runtime) -> Table:
    """The settings as they are from now on."""
    from ngc_cli.cli.config_views import current_table
    from ngc_cli.cli.globals import GlobalFlags
    from ngc_cli.config.profiles import resolve

    settings = resolve(GlobalFlags(profile=run.flags.profile), os.environ)
    return current_table(settings, run.output.warn)


def _note_saved(run: Runtime, path: Path, saved: Saved) -> None:
    from ngc_cli.cli.globals import GlobalFlags
    from ngc_cli.config.profiles import selected_profile

    run.output.note(saved.note)
    _warn(run, saved)
    name = run.settings.profile
    run.output.note(f"Saved profile '{name}' to {path}.")
    if selected_profile(GlobalFlags(), os.environ) != name:
        run.output.note(f"Use it with --profile {name}, or from now on with 'ngc config use {name}'.")


def _warn(run: Runtime, saved: Saved) -> None:
    for warning in saved.warnings:
        run.output.warn(warning)


def _show_removed(run: Runtime, removed: list[Path]) -> None:
    """Note each file that was removed; nothing to remove is no error."""
    from ngc_cli.cli.formats import Table

    for path in removed:
        run.output.note(f"Removed {path}.")
    if not removed:
        run.output.note("There was nothing to remove.")
    names = [str(path) for path in removed]
    run.output.data(lambda: Table(("removed",), [[name] for name in names], {"removed": names}))
