"""The console script ``ngc-registry``: serve the registry, and look after its orgs, teams, users and keys."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from ngc_cli import __version__
from ngc_cli.roles import DEFAULT_ROLE
from ngc_cli.server import admin
from ngc_cli.server.app import create_app, open_registry
from ngc_cli.server.config import LINK_TTL_S, TOKEN_TTL_S, ServerConfig
from ngc_cli.server.content.gc import ABANDONED_S, GRACE_S, collect
from ngc_cli.server.metadata import KeyKind, Org, Team
from ngc_cli.server.tls import ca_bundle, self_signed_certificate
from ngc_cli.units import format_size

_KEEP_ALIVE_S = 75
_GRACE_S = 5
_SEND_BUFFER_BYTES = 512 * 1024  # what it holds is sent in vain when a client is killed
_KEY_KINDS = {"personal": KeyKind.PERSONAL, "legacy": KeyKind.LEGACY, "service": KeyKind.SERVICE}


def run() -> None:
    """Entry point of the console script."""
    sys.exit(main(sys.argv[1:]))


def main(argv: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )
    work: Callable[[argparse.Namespace], int] = arguments.work
    try:
        return work(arguments)
    except (admin.AdminError, OSError) as error:
        sys.stderr.write(f"ngc-registry: {error}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ngc-registry", description="A small NGC-compatible registry.")
    parser.add_argument("--version", action="version", version=f"ngc-registry {__version__}")
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument(
        "--data-dir", type=Path, default=Path("ngc-registry-data"), help="where everything is kept"
    )
    data.add_argument(
        "--database-url", default="", help="SQLAlchemy URL; default: SQLite in the data directory"
    )
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = verbs.add_parser("serve", parents=[data], help="serve the registry in the foreground")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8080, help="0 takes any free one")
    serve.add_argument("--tls-cert", type=Path, help="certificate chain, PEM")
    serve.add_argument("--tls-key", type=Path, help="its key, PEM")
    serve.add_argument(
        "--tls-self-signed", action="store_true", help="use a development CA of the data directory"
    )
    serve.add_argument(
        "--files-url", default="", help="origin of signed links; default: the one a caller used"
    )
    serve.add_argument("--token-ttl", type=int, default=TOKEN_TTL_S, metavar="SECONDS")
    serve.add_argument("--link-ttl", type=int, default=LINK_TTL_S, metavar="SECONDS")
    serve.add_argument(
        "--access-log", type=Path, metavar="FILE", help="append one JSON line for each request"
    )
    serve.set_defaults(work=_serve)

    gc = verbs.add_parser("gc", parents=[data], help="reclaim the room of what nothing uses any more")
    gc.add_argument(
        "--grace",
        type=float,
        default=GRACE_S,
        metavar="SECONDS",
        help="leave alone what was in use this short ago; default: an hour",
    )
    gc.add_argument(
        "--abandoned",
        type=float,
        default=ABANDONED_S,
        metavar="SECONDS",
        help="forget uploads that nobody went on with for so long; default: a week",
    )
    gc.set_defaults(work=_gc)

    org = _group(verbs, "org", "organizations")
    create = org.add_parser("create", parents=[data], help="create an org")
    create.add_argument("org", metavar="NAME")
    create.add_argument("--display-name", default="")
    create.set_defaults(work=_create_org)

    team = _group(verbs, "team", "teams")
    create = team.add_parser("create", parents=[data], help="create a team")
    create.add_argument("team", metavar="NAME")
    create.add_argument("--org", required=True)
    create.add_argument("--description", default="")
    create.set_defaults(work=_create_team)

    member = argparse.ArgumentParser(add_help=False)
    member.add_argument("email", metavar="EMAIL")
    member.add_argument("--org", help="org to be a member of")
    member.add_argument("--team", help="team of that org")
    member.add_argument("--role", default=DEFAULT_ROLE, help=f"default: {DEFAULT_ROLE}")
    user = _group(verbs, "user", "users")
    create = user.add_parser("create", parents=[data, member], help="create a user, give a role to one")
    create.add_argument("--name", default="")
    create.set_defaults(work=_create_user)
    key = _group(verbs, "key", "API keys")
    create = key.add_parser("create", parents=[data, member], help="print a new API key of a user, once")
    create.add_argument("--kind", choices=_KEY_KINDS, default="personal")
    create.set_defaults(work=_create_key)
    revoke = key.add_parser("revoke", parents=[data], help="make the key on standard input worthless")
    revoke.set_defaults(work=_revoke_key)
    return parser


def _group(verbs: Any, name: str, help_text: str) -> Any:
    return verbs.add_parser(name, help=help_text).add_subparsers(required=True, metavar="COMMAND")


def _serve(arguments: argparse.Namespace) -> int:
    import uvicorn

    if bool(arguments.tls_cert) != bool(arguments.tls_key):
        raise admin.AdminError("--tls-cert and --tls-key go together")
    config = ServerConfig(
        data_dir=arguments.data_dir,
        database_url=arguments.database_url,
        files_url=arguments.files_url,
        token_ttl_s=arguments.token_ttl,
        link_ttl_s=arguments.link_ttl,
        access_log=arguments.access_log,
    )
    app = create_app(config)
    certificate, key = arguments.tls_cert, arguments.tls_key
    if arguments.tls_self_signed:
        certificate = key = self_signed_certificate(config.data_dir, arguments.host)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_GRACE_S,
            ssl_certfile=certificate,
            ssl_keyfile=key,
        )
    )
    with _listen(arguments.host, arguments.port) as listener:
        # The socket takes connections from here on; uvicorn answers them as soon as its loop runs.
        host, port = listener.getsockname()[:2]
        name = f"[{host}]" if ":" in host else host
        url = f"{'https' if certificate else 'http'}://{name}:{port}"
        state = config.data_dir / "server.json"
        facts = {"url": url, "host": host, "port": port, "pid": os.getpid()}
        if arguments.tls_self_signed:
            facts["ca_bundle"] = str(ca_bundle(config.data_dir).resolve())
        _write_atomically(state, json.dumps(facts))
        sys.stderr.write(f"listening on {url}\n")
        sys.stderr.flush()

        def end(*_: object) -> None:
            server.should_exit = True

        for number in (signal.SIGTERM, signal.SIGINT):  # before uvicorn listens, and again when it is done
            signal.signal(number, end)
        server.run(sockets=[listener])
        with suppress(FileNotFoundError):
            state.unlink()
    return 0


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's delay off only for sockets that say they are TCP
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        listener.bind((host, port))
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener


def _write_atomically(path: Path, text: str) -> None:
    temp = path.with_suffix(".tmp")
    temp.write_text(text, encoding="utf-8")
    temp.replace(path)


def _gc(arguments: argparse.Namespace) -> int:
    registry = open_registry(ServerConfig(arguments.data_dir, arguments.database_url))
    done = collect(registry, grace_s=arguments.grace, abandoned_s=arguments.abandoned)
    sys.stdout.write(
        f"reclaimed {format_size(done.size_bytes)}: {done.contents} contents, {done.manifests} image manifests, "
        f"{done.uploads} abandoned uploads\n"
    )
    return 0


def _create_org(arguments: argparse.Namespace) -> int:
    def work(db: Session) -> str:
        return admin.ensure_org(db, arguments.org, arguments.display_name).name

    return _change(arguments, work)


def _create_team(arguments: argparse.Namespace) -> int:
    def work(db: Session) -> str:
        org = admin.find_org(db, arguments.org)
        return admin.ensure_team(db, org, arguments.team, arguments.description).name

    return _change(arguments, work)


def _create_user(arguments: argparse.Namespace) -> int:
    def work(db: Session) -> str:
        user = admin.ensure_user(db, arguments.email, arguments.name)
        org, team = _place(db, arguments)
        if org is not None:
            admin.grant(db, user, org, team, arguments.role)
        return user.email

    return _change(arguments, work)


def _create_key(arguments: argparse.Namespace) -> int:
    def work(db: Session) -> str:
        org, team = _place(db, arguments)
        kind = _KEY_KINDS[arguments.kind]
        if kind is KeyKind.SERVICE:
            if org is None:
                raise admin.AdminError("a service key needs --org")
            return admin.create_service_key(db, org, team, arguments.role)
        if org is not None:
            admin.grant(db, admin.ensure_user(db, arguments.email), org, team, arguments.role)
        return admin.create_key(db, arguments.email, org=org, kind=kind)

    return _change(arguments, work)


def _revoke_key(arguments: argparse.Namespace) -> int:
    def work(db: Session) -> str:
        admin.revoke_key(db, sys.stdin.readline().strip())
        return "revoked"

    return _change(arguments, work)


def _place(db: Session, arguments: argparse.Namespace) -> tuple[Org | None, Team | None]:
    if not arguments.org:
        if arguments.team:
            raise admin.AdminError("--team needs --org")
        return None, None
    org = admin.find_org(db, arguments.org)
    if not arguments.team:
        return org, None
    team = admin.find_team(db, org, arguments.team)
    if team is None:
        raise admin.AdminError(f"there is no team '{arguments.team}' in org '{arguments.org}'")
    return org, team


def _change(arguments: argparse.Namespace, work: Callable[[Session], str]) -> int:
    """Run ``work`` in one transaction and print what it returns."""
    registry = open_registry(ServerConfig(arguments.data_dir, arguments.database_url))
    with registry.database.writing() as db:
        said = work(db)
    sys.stdout.write(f"{said}\n")
    return 0
