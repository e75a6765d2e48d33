"""The console script ``ngc-registry``: serve the registry, and look after its orgs, teams, users and keys.

What a command needs is imported when it runs, so that ``ngc-registry -h`` loads no database and no web framework.
Keys are printed once and read from standard input, never from an argument.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.main import get_command

from ngc_cli import __version__, completion
from ngc_cli.roles import DEFAULT_ROLE
from ngc_cli.server.config import (
    ABANDONED_S,
    GRACE_S,
    LINK_TTL_S,
    MAX_CONNECTIONS,
    MAX_CONNECTIONS_PER_CLIENT,
    TOKEN_TTL_S,
    ServerConfig,
)
from ngc_cli.server.errors import AdminError
from ngc_cli.server.log_limit import LimitedHandler
from ngc_cli.urls import is_loopback

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from ngc_cli.server.metadata import Org, Team

_HELP = {"help_option_names": ["-h", "--help"]}


def _group(help_text: str) -> typer.Typer:
    return typer.Typer(
        help=help_text,
        context_settings=_HELP,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


app = _group("A small NGC-compatible registry.")
org_group = _group("Organizations.")
team_group = _group("Teams.")
user_group = _group("Users.")
key_group = _group("API keys.")
for _name, _commands in {"org": org_group, "team": team_group, "user": user_group, "key": key_group}.items():
    _commands.callback()(lambda: None)  # without a callback Typer folds a lone command into its group
    app.add_typer(_commands, name=_name)

DataDirOpt = Annotated[Path, typer.Option("--data-dir", metavar="FOLDER", help="Where everything is kept.")]
DatabaseUrlOpt = Annotated[
    str,
    typer.Option(
        "--database-url", metavar="URL", help="SQLAlchemy URL; default: SQLite in the data directory."
    ),
]
EmailArg = Annotated[
    str, typer.Argument(metavar="EMAIL", show_default=False, help="E-mail address of the user.")
]
OrgOpt = Annotated[str, typer.Option("--org", metavar="ORG", help="Org to be a member of.")]
TeamOpt = Annotated[str, typer.Option("--team", metavar="TEAM", help="Team of that org.")]
RoleOpt = Annotated[str, typer.Option("--role", metavar="ROLE", help="Role in the org or team.")]
_DATA_DIR = Path("ngc-registry-data")


class KeyKindOption(str, Enum):
    """The words of ``--kind``."""

    personal = "personal"
    legacy = "legacy"
    service = "service"


def run() -> None:
    """Entry point of the console script."""
    sys.exit(main(sys.argv[1:]))


def main(argv: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    os.umask(0o077)  # whatever it writes is the operator's alone: the database holds the signing secret
    logging.basicConfig(
        handlers=[LimitedHandler(sys.stderr)],
        level=logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
    )
    if argv and argv[0] == completion.COMMAND:
        sys.stdout.write(completion.reply(argv[1:], _candidates))
        return 0
    try:
        app(list(argv), prog_name="ngc-registry")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except ModuleNotFoundError as error:
        sys.stderr.write(
            f"ngc-registry: {error.name} is not installed. Install the registry: pip install 'ngc-cli[local]'\n"
        )
        return 1
    except (AdminError, OSError) as error:
        sys.stderr.write(f"ngc-registry: {error}\n")
        return 1
    return 0


def _candidates(words: list[str], incomplete: str) -> list[Any]:
    """What the TAB key offers."""
    return completion.candidates(get_command(app), words, incomplete, program="ngc-registry")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ngc-registry {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    pass


@app.command("serve")
def serve(
    data_dir: DataDirOpt = _DATA_DIR,
    database_url: DatabaseUrlOpt = "",
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Port to listen on; 0 takes any free one.")] = 8080,
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", help="Certificate chain, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Its key, PEM.")] = None,
    tls_self_signed: Annotated[
        bool, typer.Option("--tls-self-signed", help="Use a development CA of the data directory.")
    ] = False,
    insecure_http: Annotated[
        bool,
        typer.Option("--insecure-http", help="Serve other machines without TLS: keys and data in the clear."),
    ] = False,
    files_url: Annotated[
        str, typer.Option("--files-url", help="Origin of signed links; default: that of the request.")
    ] = "",
    token_ttl: Annotated[
        int, typer.Option("--token-ttl", metavar="SECONDS", help="How long a token is good.")
    ] = TOKEN_TTL_S,
    link_ttl: Annotated[
        int,
        typer.Option(
            "--link-ttl",
            metavar="SECONDS",
            help="Life of signed links; 900 where every client renews them, as ngc does.",
        ),
    ] = LINK_TTL_S,
    max_connections: Annotated[
        int, typer.Option("--max-connections", min=1, metavar="N", help="Connections in all at a time.")
    ] = MAX_CONNECTIONS,
    max_connections_per_client: Annotated[
        int,
        typer.Option(
            "--max-connections-per-client",
            min=1,
            metavar="N",
            help="Connections of one address; not counted on loopback, where a proxy may stand for many.",
        ),
    ] = MAX_CONNECTIONS_PER_CLIENT,
    access_log: Annotated[
        Path | None,
        typer.Option("--access-log", metavar="FILE", help="Append one JSON line for each request."),
    ] = None,
    strict_user: Annotated[
        bool, typer.Option("--strict-user", help="Take keys from the user $oauthtoken only, as nvcr.io does.")
    ] = False,
    alias: Annotated[
        str, typer.Option("--alias", metavar="HOST", help="A further name for --tls-self-signed.")
    ] = "",
) -> None:
    """Serve the registry in the foreground."""
    from ngc_cli.server.connections import ConnectionLimits
    from ngc_cli.server.serve import TlsFiles, serve_forever

    if bool(tls_cert) != bool(tls_key):
        raise AdminError("--tls-cert and --tls-key go together")
    is_encrypted = bool(tls_cert) or tls_self_signed
    if not (is_encrypted or insecure_http or is_loopback(host)):
        raise AdminError(
            f"without TLS everybody between here and the clients of '{host}' can read their API keys and data: "
            "use --tls-cert and --tls-key, or --tls-self-signed; behind a proxy that speaks TLS, or in a network "
            "you trust, --insecure-http"
        )
    tls = TlsFiles(tls_cert, tls_key) if tls_cert and tls_key else None
    config = ServerConfig(
        *(data_dir, database_url, files_url, token_ttl, link_ttl),
        access_log=access_log,
        strict_user=strict_user,
        alias=alias,
    )
    limits = ConnectionLimits(max_connections, max_connections_per_client)
    serve_forever(config, host, port, tls, limits, self_signed=tls_self_signed)


@app.command("gc")
def gc(
    data_dir: DataDirOpt = _DATA_DIR,
    database_url: DatabaseUrlOpt = "",
    grace: Annotated[
        float,
        typer.Option(
            "--grace", metavar="SECONDS", help="Leave alone what was in use this short ago; default: an hour."
        ),
    ] = GRACE_S,
    abandoned: Annotated[
        float,
        typer.Option(
            "--abandoned",
            metavar="SECONDS",
            help="Drop uploads without progress for so long; default: a week.",
        ),
    ] = ABANDONED_S,
) -> None:
    """Reclaim the room of what nothing uses any more."""
    from ngc_cli.server.app import open_registry
    from ngc_cli.server.content.gc import collect
    from ngc_cli.units import format_size

    done = collect(open_registry(ServerConfig(data_dir, database_url)), grace_s=grace, abandoned_s=abandoned)
    typer.echo(
        f"reclaimed {format_size(done.size_bytes)}: {done.contents} contents, {done.manifests} image manifests, "
        f"{done.uploads} abandoned uploads"
    )


@org_group.command("create")
def create_org(
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="Its name.")],
    data_dir: DataDirOpt = _DATA_DIR,
    database_url: DatabaseUrlOpt = "",
    display_name: Annotated[str, typer.Option("--display-name", help="Name to show.")] = "",
) -> None:
    """Create an org."""
    from ngc_cli.server import admin

    _change(data_dir, database_url, lambda db: admin.ensure_org(db, name, display_name).name)


@team_group.command("create")
def create_team(
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="Its name.")],
    org: Annotated[str, typer.Option("--org", metavar="ORG", show_default=False, help="Org of the team.")],
    data_dir: DataDirOpt = _DATA_DIR,
    database_url: DatabaseUrlOpt = "",
    description: Annotated[str, typer.Option("--description", help="What the team is for.")] = "",
) -> None:
    """Create a team."""
    from ngc_cli.server import admin

    _change(
        data_dir,
        database_url,
        lambda db: admin.ensure_team(db, admin.find_org(db, org), name, description).name,
    )


@user_group.command("create")
def create_user(
    email: EmailArg,
    data_dir: DataDirOpt = _DATA_DIR,
    database_url: DatabaseUrlOpt = "",
    org: OrgOpt = "",
    team: TeamOpt = "",
    role: RoleOpt = DEFAULT_ROLE,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Name of the person.")] = "",
) -> None:
    """Create a user, give a role to one."""
    from ngc_cli.server import admin

    def work(db: Session) -> str:
        user = admin.ensure_user(db, email, name)
        in_org, in_team = _org_and_team(db, org, team)
        if in_org is not None:
            admin.grant(db, user, in_org, in_team, role)
        return user.email

    _change(data_dir, database_url, work)


@key_group.command("create")
def create_key(
    email: EmailArg,
    data_dir: DataDirOpt = _DATA_DIR,
    database_url: DatabaseUrlOpt = "",
    org: OrgOpt = "",
    team: TeamOpt = "",
    role: RoleOpt = DEFAULT_ROLE,
    kind: Annotated[
        KeyKindOption,
        typer.Option(
            "--kind",
            metavar="personal|legacy|service",
            help="Kind of key; a service key belongs to an org, not to a user.",
        ),
    ] = KeyKindOption.personal,
) -> None:
    """Print a new API key of a user, once."""
    from ngc_cli.server import admin
    from ngc_cli.server.metadata import KeyKind

    def work(db: Session) -> str:
        in_org, in_team = _org_and_team(db, org, team)
        if kind is KeyKindOption.service:
            if in_org is None:
                raise AdminError("a service key needs --org")
            return admin.create_service_key(db, in_org, in_team, role)
        if in_org is not None:
            admin.grant(db, admin.ensure_user(db, email), in_org, in_team, role)
        return admin.create_key(db, email, org=in_org, kind=KeyKind[kind.name.upper()])

    _change(data_dir, database_url, work)


@key_group.command("revoke")
def revoke_key(data_dir: DataDirOpt = _DATA_DIR, database_url: DatabaseUrlOpt = "") -> None:
    """Make the key on standard input worthless."""
    from ngc_cli.server import admin

    def work(db: Session) -> str:
        admin.revoke_key(db, sys.stdin.readline().strip())
        return "revoked"

    _change(data_dir, database_url, work)


def _org_and_team(db: Session, org_name: str, team_name: str) -> tuple[Org | None, Team | None]:
    """The rows of ``--org`` and ``--team``; raises AdminError."""
    from ngc_cli.server import admin

    if not org_name:
        if team_name:
            raise AdminError("--team needs --org")
        return None, None
    org = admin.find_org(db, org_name)
    team = admin.find_team(db, org, team_name) if team_name else None
    if team_name and team is None:
        raise AdminError(f"there is no team '{team_name}' in org '{org_name}'")
    return org, team


def _change(data_dir: Path, database_url: str, work: Callable[[Session], str]) -> None:
    """Run ``work`` in one transaction and print what it returns."""
    from ngc_cli.server.app import open_registry

    with open_registry(ServerConfig(data_dir, database_url)).database.writing() as db:
        text = work(db)
    typer.echo(text)
