"""``ngc api``: one request to the NGC API with the credentials of the profile, for what has no command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ngc_cli.cli.runtime import Runtime
from ngc_cli.errors import LocalFileError, UsageError
from ngc_cli.json_text import parse_json

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def request(run: Runtime, method: str, path: str, source: str | None) -> dict[str, Any]:
    """Send one request and return the JSON object of the answer.

    ``path`` is one of the API's own, query included, so that the key cannot go anywhere else. ``source`` is a file
    with the JSON to send, or ``-`` for standard input. Raises UsageError, LocalFileError, and as the API does.
    """
    from ngc_cli.http.auth import Scope

    verb = method.upper()
    if verb not in METHODS:
        raise UsageError(f"'{method}' is not a method", hint=f"Use one of: {', '.join(METHODS)}.")
    if not path.startswith("/") or path.startswith("//") or "\\" in path:
        raise UsageError(
            f"'{path}' is not a path of the API",
            hint="Begin with '/', such as /v2/orgs; the host is the profile's.",
        )
    body = _body(source) if source is not None else None
    if verb == "DELETE":
        run.confirm(f"Send DELETE {path}?")
    scope = Scope(run.settings.org, run.settings.team)
    return run.api.call(verb, path, body=body, scope=scope)


def _body(source: str) -> Any:
    """The JSON of a file, or of standard input."""
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LocalFileError(f"{source} cannot be read: {error}") from error
    try:
        return parse_json(text)
    except ValueError as error:
        raise UsageError(f"what --input gives is not JSON: {error}") from error
