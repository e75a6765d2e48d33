"""An optional access log in JSON lines: what was asked and how many bytes went each way, never a secret.

The query is left out, since signed links carry their signature there; of Authorization only its presence is told.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send


class AccessLog:
    """ASGI middleware that appends one line for each request, just before the last bytes of its answer leave.

    So whoever has read a whole answer finds its line in the file. Members: ``method path status bytes_sent
    bytes_received seconds host authorization`` and ``complete``, false when the connection broke.
    """

    def __init__(self, app: ASGIApp, path: Path) -> None:
        self._app = app
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        line: dict[str, Any] = {
            "method": scope["method"],
            "path": scope["path"],
            "status": 0,
            "bytes_sent": 0,
            "bytes_received": 0,
            "host": headers.get("host", ""),
            "authorization": "authorization" in headers,
            "complete": False,
        }
        began = time.monotonic()
        announced_bytes = -1

        def write(complete: bool) -> None:
            line.update(seconds=round(time.monotonic() - began, 6), complete=complete)
            os.write(self._file, json.dumps(line).encode() + b"\n")

        async def counting_receive() -> MutableMapping[str, Any]:
            message = await receive()
            line["bytes_received"] += len(message.get("body", b""))
            return message

        async def counting_send(message: MutableMapping[str, Any]) -> None:
            nonlocal announced_bytes
            if message["type"] == "http.response.start":
                line["status"] = message["status"]
                announced_bytes = int(dict(message["headers"]).get(b"content-length", -1))
            else:
                line["bytes_sent"] += len(message.get("body", b""))
                ends = not message.get("more_body", False) or line["bytes_sent"] == announced_bytes
                if ends and not line["complete"]:
                    write(complete=True)
            await send(message)

        try:
            await self._app(scope, counting_receive, counting_send)
        finally:
            if not line["complete"]:
                write(complete=False)
