"""``ngc local``: a registry of your own on this machine, and the one place where client and server meet."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from ngc_cli.cli.completers import folders_here
from ngc_cli.cli.groups import Command, Group, Subgroup
from ngc_cli.cli.help import examples
from ngc_cli.cli.runtime import Runtime
from ngc_cli.errors import ConfigError, LocalFileError, NgcError, NotFound, UsageError

if TYPE_CHECKING:
    from ngc_cli.cli.formats import Block
    from ngc_cli.server.process import Running


class _LocalGroup(Group):
    subgroups: ClassVar = {"key": Subgroup("ngc_cli.cli.local_key", "API keys of the registry's users.")}


app = typer.Typer(cls=_LocalGroup, help="A registry of your own on this machine.")

ADMINISTRATOR = "admin@localhost"
_INSTALL = "Install it with: pip install 'ngc-cli[local]'"

DataDirOpt = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="FOLDER",
        autocompletion=folders_here,
        help="Where the registry keeps everything.  [default: the folder of the profile, else ~/.ngc/local]",
    ),
]


@app.command("start", cls=Command)
@examples(
    ("ngc local start --org nvidia", "A registry for org nvidia, and profile 'local' for it."),
    ("ngc local start --data-dir data --tls-self-signed", "With https, and its data in this folder."),
)
def start(
    ctx: typer.Context,
    data_dir: DataDirOpt = None,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 takes any free one.")
    ] = 0,
    tls_self_signed: Annotated[
        bool, typer.Option("--tls-self-signed", help="Serve https with a development CA.")
    ] = False,
    insecure_http: Annotated[
        bool,
        typer.Option("--insecure-http", help="Serve other machines without TLS: keys and data in the clear."),
    ] = False,
    alias: Annotated[
        str,
        typer.Option(
            "--alias", metavar="HOST", help="Take image names of this host, such as nvcr.io, for it."
        ),
    ] = "",
) -> None:
    """Start the registry in the background and store a profile for it."""
    run = Runtime.of(ctx)
    folder = resolve_data_dir(run, data_dir)
    profile = _profile(run, folder)
    flags = {"--tls-self-signed": tls_self_signed, "--insecure-http": insecure_http}
    options = ["--host", host, "--port", str(port), *(name for name, is_on in flags.items() if is_on)]
    options += ["--alias", _checked_alias(alias)] if alias else []
    running, is_new = _start(folder, options)
    org = run.flags.org or _stored_org(profile) or "local"
    key = _prepare(folder, org, profile)
    _store_profile(run, running, folder, profile, org, key, alias)
    what = "The registry is running." if is_new else "The registry was running already."
    run.output.show(_block(running, folder, profile, org), headline=what)


@app.command("stop", cls=Command)
@examples(
    ("ngc local stop", "Its data stays."),
)
def stop(ctx: typer.Context, data_dir: DataDirOpt = None) -> None:
    """Stop the registry; its data stays."""
    from ngc_cli.server import process

    run = Runtime.of(ctx)
    running = process.find(resolve_data_dir(run, data_dir))
    if running is not None:
        process.stop(running)
    text = f"Stopped the registry (process {running.pid})." if running else "The registry was not running."
    run.output.done(text, stopped=running is not None)


@app.command("status", cls=Command)
@examples(
    ("ngc local status", "Whether it runs, and where."),
)
def status(ctx: typer.Context, data_dir: DataDirOpt = None) -> None:
    """Show whether the registry is running; exit status 1 when it is not."""
    from ngc_cli.server import process

    run = Runtime.of(ctx)
    folder = resolve_data_dir(run, data_dir)
    running = process.find(folder)
    if running is None:
        run.output.done(f"No registry is running in '{folder}'.", running=False, data_dir=str(folder))
        raise typer.Exit(1)
    if not running.answers:
        run.output.done(
            f"Process {running.pid} of the registry in '{folder}' does not answer. End it with 'ngc local stop'.",
            running=False,
            data_dir=str(folder),
            pid=running.pid,
        )
        raise typer.Exit(1)
    profile = _profile(run, folder)
    run.output.show(_block(running, folder, profile, _stored_org(profile), is_status=True))


@app.command("env", cls=Command)
@examples(
    ('eval "$(ngc local env)"', "Let this shell, and other tools in it, use the registry."),
)
def env(ctx: typer.Context, data_dir: DataDirOpt = None) -> None:
    """Print the exports with which other tools use the registry, its API key included."""
    import shlex

    run = Runtime.of(ctx)
    folder = resolve_data_dir(run, data_dir)
    profile = _profile(run, folder)
    exports = environment(_require_running(folder), _stored_org(profile), _stored_key(profile))
    lines = [f"export {name}={shlex.quote(value)}" for name, value in exports.items()]
    run.output.value("\n".join(lines), **exports)


@app.command("demo", cls=Command)
@examples(
    ("ngc local demo", "Look at the main path; it leaves nothing behind."),
)
def demo(
    ctx: typer.Context,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the registry running and its data in place.")
    ] = False,
) -> None:
    """Create, upload, list, download and verify a model on a registry that lives for this command only."""
    import shutil
    import tempfile

    from ngc_cli.cli.local_demo import play
    from ngc_cli.server import process

    run = Runtime.of(ctx)
    _require_extra()
    folder = Path(tempfile.mkdtemp(prefix="ngc-demo-"))
    running, _ = _start(folder / "registry", ["--port", "0"])
    try:
        key = new_admin_key(folder / "registry", "nvidia", team="myteam")
        play(run.output, folder, environment(running, "nvidia", key))
    finally:
        if not keep:
            process.stop(running)
            shutil.rmtree(folder)
    run.output.note(
        f"Kept in '{folder}', served at {running.url}." if keep else "The demo left nothing behind."
    )


def resolve_data_dir(run: Runtime, data_dir: Path | None) -> Path:
    """The data directory of a command: the one given, else that of the profile (services/local_registries.py)."""
    from ngc_cli.config.store import config_path, load
    from ngc_cli.services.local_registries import chosen_folder

    if data_dir is not None:
        return data_dir.absolute()
    config = config_path(os.environ)
    if config is None:
        raise ConfigError("there is no home folder for the registry's data", hint="Name one with --data-dir.")
    config.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return chosen_folder(load(config), run.flags.profile or "", config.parent / "local")


def _profile(run: Runtime, folder: Path) -> str:
    """The profile of the registry in a folder, whether it exists yet or not."""
    from ngc_cli.config.store import config_path, load
    from ngc_cli.services.local_registries import profile_for

    config = config_path(os.environ)
    default_folder = config.parent / "local" if config is not None else folder
    return profile_for(load(config), run.flags.profile or "", folder, default_folder)


def environment(running: Running, org: str, key: str) -> dict[str, str]:
    """The variables with which ngc and other NGC clients use a registry."""
    exports = {
        "NGC_CLI_API_URL": running.url,
        "NGC_CLI_AUTH_URL": running.url,
        "NGC_CLI_REGISTRY_SERVICE_URL": running.url,
        "NGC_CLI_API_KEY": key,
        "NGC_CLI_ORG": org,
    }
    if running.ca_bundle:
        exports["REQUESTS_CA_BUNDLE"] = running.ca_bundle
    return {name: value for name, value in exports.items() if value}


def new_admin_key(folder: Path, org: str, *, team: str = "") -> str:
    """A new key of the administrator, who is made with the org, and with the team if one is named."""
    from ngc_cli.server import admin

    with open_data(folder).writing() as db:
        place = admin.ensure_org(db, org)
        if team:
            admin.ensure_team(db, place, team)
        user = admin.ensure_user(db, ADMINISTRATOR, "Administrator")
        admin.grant(db, user, place, role="REGISTRY_ADMIN")
        return admin.create_key(db, ADMINISTRATOR, org=place)


def issue_key(folder: Path, email: str) -> str:
    """A new key of a user, or of somebody invited, who becomes a member by it; raises NotFound."""
    from ngc_cli.server import admin

    try:
        with open_data(folder).writing() as db:
            return admin.create_key(db, email)
    except admin.AdminError as error:
        raise NotFound(str(error), hint=f"Invite them first: ngc org add-user {email}") from error


def open_data(folder: Path) -> Any:
    """The database of a registry; raises ConfigError where the extra ``local`` is not installed."""
    try:
        from ngc_cli.server.app import open_registry
        from ngc_cli.server.config import ServerConfig
    except ImportError as error:
        raise ConfigError("the registry is not installed", hint=_INSTALL) from error
    return open_registry(ServerConfig(folder)).database


def _start(folder: Path, options: list[str]) -> tuple[Running, bool]:
    """The registry of this folder, started unless it runs already."""
    _require_extra()
    from ngc_cli.server import process

    try:
        running = process.start(folder, options)
        return running, running.child is not None
    except process.StartError as error:
        raise NgcError(
            " ".join(str(error).split()), hint=f"'{folder / 'server.log'}' may tell more."
        ) from error
    except OSError as error:
        raise LocalFileError(
            f"the registry cannot keep its data in '{folder}': {error.strerror}",
            hint="Name another folder with --data-dir.",
        ) from error


def _require_extra() -> None:
    """Raise ConfigError where the extra ``local`` is not installed."""
    try:
        import uvicorn  # noqa: F401 - is the extra installed?
    except ImportError as error:
        raise ConfigError("the registry is not installed", hint=_INSTALL) from error


def _require_running(folder: Path) -> Running:
    from ngc_cli.server import process

    running = process.find(folder)
    if running is None or not running.answers:  # a key must not go to what has taken its port
        raise NotFound(f"no registry is running in '{folder}'", hint="Start it with 'ngc local start'.")
    return running


def _prepare(folder: Path, org: str, profile: str) -> str:
    """The administrator's key: the stored one while the registry knows it, with a role in the org; else a new one."""
    from ngc_cli.server import admin

    known = _stored_key(profile)
    with open_data(folder).writing() as db:
        if known and admin.knows_key(db, known):
            user = admin.ensure_user(db, ADMINISTRATOR, "Administrator")
            admin.grant(db, user, admin.ensure_org(db, org), role="REGISTRY_ADMIN")
            return known
    return new_admin_key(folder, org)


def _checked_alias(text: str) -> str:
    """A host for image names; raises UsageError."""
    from ngc_cli.config.values import parse_host

    try:
        return parse_host(text)
    except ValueError as error:
        raise UsageError(f"--alias '{text}' {error}") from error


def _store_profile(
    run: Runtime, running: Running, folder: Path, profile: str, org: str, key: str, alias: str
) -> None:
    """Keep address, folder, org and key as a profile; current when nothing was configured before."""
    from ngc_cli.config.secrets import Secret
    from ngc_cli.config.store import load, require_config_path
    from ngc_cli.records import Org
    from ngc_cli.services.configuration import NO_ADDRESSES, change_profile, org_values
    from ngc_cli.services.local_registries import DATA_DIR

    addresses = {**NO_ADDRESSES, "api_url": running.url, "ca_bundle": running.ca_bundle}
    values = {**org_values(Org(org)), **addresses, DATA_DIR: str(folder), "registry_alias": alias}
    path = require_config_path(os.environ)
    saved = change_profile(path, profile, values, api_key=Secret(key))
    run.output.note(saved.note)
    if load(path).active != profile:
        run.output.note(f"Use it with --profile {profile}, or from now on with 'ngc config use {profile}'.")


def _stored_org(profile: str) -> str:
    from ngc_cli.config.store import config_path, load

    return load(config_path(os.environ)).profiles.get(profile, {}).get("org", "")


def _stored_key(profile: str) -> str:
    """The key of a profile; empty when there is none or the keyring does not give it out."""
    from ngc_cli.config.store import require_config_path
    from ngc_cli.services.configuration import stored_key

    try:
        key = stored_key(require_config_path(os.environ), profile)
        return key.reveal() if key is not None else ""
    except ConfigError:
        return ""


def _block(running: Running, folder: Path, profile: str, org: str, *, is_status: bool = False) -> Block:
    from urllib.parse import urlsplit

    from ngc_cli.cli.formats import Block, Field

    facts: dict[str, Any] = {
        "url": running.url,
        "registry_host": urlsplit(running.url).netloc,
        "data_dir": str(folder),
        "pid": running.pid,
        "profile": profile,
        "org": org,
    }
    labels = ("Address", "Registry host", "Data", "Process", "Profile", "Org")
    fields = [Field(label, value) for label, value in zip(labels, facts.values(), strict=True)]
    return Block("Local Registry", fields, {"running": True, **facts} if is_status else facts)
