"""HTTP answers and transport failures as NgcError.

Source: docs/protocol/conventions.md#errors: only the HTTP status
decides; the text shown is requestStatus.statusDescription, detail, message or what else the body says.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from email.utils import parsedate_to_datetime
from html import unescape

import requests
import urllib3

from ngc_cli.errors import (
    AlreadyExists,
    Forbidden,
    NetworkError,
    NgcError,
    NotAuthenticated,
    NotFound,
    ServerError,
)
from ngc_cli.http.bodies import UnusableBody, read_limited
from ngc_cli.http.redact import redact_text, redact_url
from ngc_cli.json_text import parse_json

# An explanation is a few hundred bytes; the rest of an error body is not read.
_BODY_LIMIT = 64 * 1024
# What failed has failed; nobody waits long for the reason.
_BODY_LIMIT_S = 10.0
# Four lines of a terminal.
_TEXT_LIMIT = 300

_KINDS: dict[int, tuple[type[NgcError], str]] = {
    401: (
        NotAuthenticated,
        "Check the API key with 'ngc config current', or set a new one with 'ngc config set'.",
    ),
    403: (
        Forbidden,
        "Ask an administrator of the org for a role that allows this; 'ngc user who' shows yours.",
    ),
    404: (NotFound, ""),
    407: (NetworkError, "The proxy asks for a user name and password: put them into HTTPS_PROXY."),
    409: (AlreadyExists, ""),
    412: (Forbidden, "Accept the license terms of this entry in the web catalog first."),
    429: (ServerError, "The server asks to slow down. Try again in a few minutes."),
}


def error_from_response(response: requests.Response) -> NgcError:
    """The NgcError for an answer with status 400 or above; reads at most 64 KiB of its body."""
    status = response.status_code
    text, request_id = _explanation(response)
    kind, hint = _KINDS.get(status, (ServerError, "") if status >= 500 else (NgcError, ""))
    method = response.request.method or ""
    url = redact_url(response.request.url or "")
    if status >= 500:
        hint = "The fault is the server's. Try again later; 'ngc diag server' checks its parts."
        text = f"{text or 'no explanation'} (HTTP {status} from {_host(url)})"
    error = kind(
        redact_text(text) or f"HTTP {status} from {_host(url)}",
        hint=hint,
        status=status,
        request_id=request_id,
        request=f"{method} {url}",
    )
    error.retry_after_s = retry_after_s(response.headers.get("Retry-After"))
    return error


def error_from_transport(error: Exception, method: str, url: str) -> NetworkError:
    """The NetworkError for a failure below HTTP, with its cause in words."""
    shown = redact_url(url)
    host = _host(shown)
    reason, hint = _transport_cause(error)
    return NetworkError(f"{host} {reason}", hint=hint, request=f"{method} {shown}")


def retry_after_s(value: str | None) -> float:
    """Seconds of a Retry-After header in either form; 0 when absent or unreadable (RFC 9110, 10.2.3)."""
    if not value:
        return 0.0
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0


def _transport_cause(error: Exception) -> tuple[str, str]:
    """What happened and what to try, from the innermost cause that tells."""
    diag = "'ngc diag server' shows which part of the way is broken."
    chain = list(_causes(error))
    for cause in chain:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"showed a certificate that is not trusted ({cause.verify_message})",
                "Name the certificate authority of your network with --ca-bundle FILE or REQUESTS_CA_BUNDLE.",
            )
        if isinstance(cause, socket.gaierror):
            return "could not be found: the name does not resolve", "Check the address and your DNS."
        if isinstance(cause, ConnectionRefusedError):
            return "refused the connection", f"Check the address, and that the server runs. {diag}"
    for cause in chain:
        if isinstance(cause, (requests.exceptions.ProxyError, urllib3.exceptions.ProxyError)):
            return "could not be reached through the proxy", "Check HTTPS_PROXY and NO_PROXY."
        if isinstance(cause, (urllib3.exceptions.ReadTimeoutError, requests.exceptions.ReadTimeout)):
            return "stopped answering", "Try again, or allow more time with --timeout SECONDS."
        if isinstance(cause, (urllib3.exceptions.ConnectTimeoutError, requests.exceptions.ConnectTimeout)):
            return "did not answer in time", diag
        if isinstance(cause, (ssl.SSLError, requests.exceptions.SSLError)):
            return "failed to agree on TLS", diag
    return "broke the connection", f"Try again. {diag}"


def _causes(error: BaseException) -> list[BaseException]:
    """The error and everything it wraps: ``reason`` members, arguments and chained exceptions."""
    seen: list[BaseException] = []
    queue: list[BaseException | None] = [error]
    while queue:
        current = queue.pop(0)
        if current is None or current in seen:
            continue
        seen.append(current)
        inner = [current.__cause__, current.__context__, getattr(current, "reason", None), *current.args]
        queue.extend(item for item in inner if isinstance(item, BaseException))
    return seen


def _explanation(response: requests.Response) -> tuple[str, str]:
    """What the body says, and the request id."""
    request_id = response.headers.get("X-Request-Id", "")
    try:
        body = read_limited(response.raw, _BODY_LIMIT, limit_s=_BODY_LIMIT_S, cut=True)
    except (urllib3.exceptions.HTTPError, OSError, UnusableBody):
        return "", request_id
    finally:
        response.close()
    text = body.decode("utf-8", "replace").strip()
    try:
        answer = parse_json(text)
    except ValueError:
        title = re.search(r"<(title|h1)[^>]*>(.*?)</\1>", text, re.IGNORECASE | re.DOTALL)
        plain = unescape(title[2]) if title else re.sub(r"<[^>]*>", " ", text)
        return " ".join(plain.split())[:_TEXT_LIMIT], request_id
    if not isinstance(answer, dict):
        return "", request_id
    status = answer.get("requestStatus")
    status = status if isinstance(status, dict) else {}
    errors = answer.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    candidates = (
        status.get("statusDescription"),
        answer.get("detail"),
        answer.get("message"),
        first.get("message"),
        first.get("code"),
    )
    said = next((item for item in candidates if isinstance(item, str) and item), "")
    given_id = status.get("requestId")
    return " ".join(said.split())[:_TEXT_LIMIT], str(given_id)[:100] if given_id else request_id


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0] or url
