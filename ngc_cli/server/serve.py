"""Runs the registry in this process, over HTTP or TLS, until it is told to stop by SIGTERM or SIGINT."""

from __future__ import annotations

import secrets
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import uvicorn

from ngc_cli.server.app import create_app
from ngc_cli.server.config import ServerConfig
from ngc_cli.server.connections import ConnectionLimits, affordable, guarded
from ngc_cli.server.instance import Instance
from ngc_cli.server.tls import ca_bundle, self_signed_certificate

_KEEP_ALIVE_S = 75  # longer than the 60 s for which usual proxies and clients keep idle connections
_GRACE_S = 5  # for requests in flight when the process is stopped; uploads resume anyway
_SEND_BUFFER_BYTES = 512 * 1024  # what it holds is sent in vain when a client is killed
_BACKLOG = 2048  # uvicorn's own default for sockets that it opens


class TlsFiles(NamedTuple):
    """Certificate chain and key, PEM; they may be one file."""

    certificate: Path
    key: Path


def serve_forever(
    config: ServerConfig,
    host: str,
    port: int,
    tls: TlsFiles | None,
    limits: ConnectionLimits,
    *,
    self_signed: bool = False,
) -> None:
    """Serve until a signal. While it runs, ``server.json`` in the data directory says where.

    The file names the first process where several serve one directory. Port 0 takes any free one. With ``self_signed``
    the development CA of the data directory issues a certificate.
    """
    limits = replace(limits, most=affordable(limits.most))
    nonce = secrets.token_hex(16)
    app = create_app(replace(config, instance=nonce))
    if self_signed:
        certificate = self_signed_certificate(config.data_dir, host, config.alias)
        tls = TlsFiles(certificate, certificate)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=guarded(limits),
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_GRACE_S,
            ssl_certfile=tls.certificate if tls else None,
            ssl_keyfile=tls.key if tls else None,
        )
    )

    def end(*_: object) -> None:
        server.should_exit = True

    with _listen(host, port) as listener:
        # The socket takes connections from here on; uvicorn answers them as soon as its loop runs.
        for number in (
            signal.SIGTERM,
            signal.SIGINT,
        ):  # before others know of it, and again when uvicorn is done
            signal.signal(number, end)
        trusted = str(ca_bundle(config.data_dir).resolve()) if self_signed else ""
        instance = Instance.of_this_process(_url(listener, is_tls=tls is not None), nonce, trusted)
        instance.note(config.data_dir)
        sys.stderr.write(f"listening on {instance.url}\n")
        sys.stderr.flush()
        server.run(sockets=[listener])
        instance.forget(config.data_dir)


def _url(listener: socket.socket, *, is_tls: bool) -> str:
    host, port = listener.getsockname()[:2]
    name = f"[{host}]" if ":" in host else host
    return f"{'https' if is_tls else 'http'}://{name}:{port}"


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's delay off only for sockets that say they are TCP
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
