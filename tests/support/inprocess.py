"""An ASGI application behind the registry's own HTTP protocol, in this process, with limits short enough to wait for."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from support.registry import wait_until

from ngc_cli.server.connections import ConnectionLimits, guarded


@contextmanager
def served(app: Any, limits: ConnectionLimits | None = None) -> Iterator[str]:
    """The URL at which it is served until the block ends."""
    config = uvicorn.Config(
        app, http=guarded(limits or ConnectionLimits()), lifespan="off", ws="none", log_config=None
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        wait_until(lambda: server.started)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = server.force_exit = True
            thread.join()
