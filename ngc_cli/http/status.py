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
from requests.utils import get_environ_proxies, select_proxy

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
from ngc_cli.urls import KEY_PAGE_HINT

# An explanation is a few hundred bytes; the rest of an error body is not read.
_BODY_LIMIT = 64 * 1024
# What failed has failed; nobody waits long for the reason.
_BODY_LIMIT_S = 10.0
# Four lines of a terminal.
_TEXT_LIMIT = 300

_CHANGED_SERVER = "Check --api-url: another version of the server, or another server, may answer there."
_VALUES = "Check names and values; --debug shows what was sent."
# How a web page begins; file hosts explain themselves in XML, which is none.
_PAGE = re.compile(
    r"\s*(<!--.*?-->\s*)*<(!doctype html|html|head|title|body|h1|center)\b", re.IGNORECASE | re.DOTALL
)
_KINDS: dict[int, tuple[type[NgcError], str]] = {
    400: (NgcError, _VALUES),
    401: (
        NotAuthenticated,
        f"Check the API key with 'ngc config current', or set a new one with 'ngc config set'. {KEY_PAGE_HINT}",
    ),
    402: (NgcError, "The account of the org does not cover this; ask an administrator of the org."),
    403: (
        Forbidden,
        "Ask an administrator of the org for a role that allows this; 'ngc user who' shows yours.",
    ),
    404: (NotFound, ""),
    405: (NgcError, _CHANGED_SERVER),
    406: (NgcError, _CHANGED_SERVER),
    407: (NetworkError, "The proxy asks for a user name and password: put them into HTTPS_PROXY."),
    408: (NgcError, "The server gave up waiting. Try again; a slow line may need --threads 1."),
    409: (AlreadyExists, "It is there already, or is being changed: look at it before you try again."),
    410: (NgcError, "It was there and is gone: list what there is now."),
    412: (Forbidden, "Accept the license terms of this entry in the web catalog first."),
    413: (NgcError, "It is larger than the server, or a proxy before it, takes in one request."),
    415: (NgcError, _CHANGED_SERVER),
    422: (NgcError, _VALUES),
    423: (NgcError, "Somebody else is changing it. Try again in a minute."),
    425: (NgcError, "Try again in a minute."),
    429: (ServerError, "The server asks to slow down. Try again in a few minutes."),
    451: (Forbidden, "The law of a country forbids it; the server's text says more, if it has one."),
}


# The services explain these in words that name the thing; others need the status and the host beside them.
_EXPLAINED = frozenset({401, 403, 404, 409})
_CHECK = "'ngc diag server' checks the server; --debug shows the request."
_SERVER_FAULT = "The fault is the server's. Try again later; 'ngc diag server' checks its parts."


def error_from_response(response: requests.Response) -> NgcError:
    """The NgcError for an answer with status 400 or above; reads at most 64 KiB of its body."""
    status = response.status_code
    text, request_id, page = _explanation(response)
    kind, hint = _KINDS.get(status, (ServerError, _SERVER_FAULT) if status >= 500 else (NgcError, _CHECK))
    method = response.request.method or ""
    url = redact_url(response.request.url or "")
    if page:
        text = f"{_host(url)} answered with a web page and HTTP {status}, not as an NGC server does: '{text}'"
        hint = "A proxy or gateway may have answered. Check --api-url, HTTPS_PROXY and NO_PROXY; then 'ngc diag server'."
    elif status not in _EXPLAINED or not text:
        text = f"{text or 'no explanation'} (HTTP {status} from {_host(url)})"
    error = kind(
        redact_text(text),
        hint=hint,
        status=status,
        request_id=request_id,
        request=f"{method} {url}",
    )
    error.from_gateway = page
    error.retry_after_s = retry_after_s(response.headers.get("Retry-After"))
    return error


def error_from_transport(error: Exception, method: str, url: str) -> NetworkError:
    """The NetworkError for a failure below HTTP, with its cause in words."""
    shown = redact_url(url)
    host = _host(shown)
    text, hint = _proxy_cause(error, url, host) or _transport_cause(error, host)
    failure = NetworkError(text, hint=hint, request=f"{method} {shown}")
    failure.is_final = any(map(_is_final, _causes(error)))
    return failure


def _is_final(cause: BaseException) -> bool:
    """Whether the same failure would meet the next try."""
    if isinstance(cause, socket.gaierror):
        return cause.errno in (
            socket.EAI_NONAME,
            socket.EAI_FAIL,
        )  # the resolver has an answer; EAI_AGAIN is none
    return isinstance(cause, ssl.SSLCertVerificationError)


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
    except (TypeError, ValueError, OverflowError):
        return 0.0


def _proxy_cause(error: Exception, url: str, host: str) -> tuple[str, str] | None:
    """The same for a failure of the proxy, which must not be blamed on the server behind it; None for others."""
    chain = _causes(error)
    if not any(
        isinstance(cause, (requests.exceptions.ProxyError, urllib3.exceptions.ProxyError)) for cause in chain
    ):
        return None
    proxy = select_proxy(url, get_environ_proxies(url, no_proxy=None)) or ""
    shown = _host(redact_url(proxy)) if proxy else "in between"
    tunnel = next((str(item) for item in chain if "Tunnel connection failed" in str(item)), "")
    refusal = tunnel.partition("Tunnel connection failed: ")[2].strip("'\")")[:_TEXT_LIMIT]
    hint = "Check HTTPS_PROXY and NO_PROXY; 'ngc diag server' shows which part of the way is broken."
    if refusal:
        if refusal.startswith("407"):
            hint = _KINDS[407][1]
        return f"the proxy {shown} does not let this machine reach {host}: {refusal}", hint
    reason = "failed"
    for cause in chain:
        if isinstance(cause, ConnectionRefusedError):
            reason = "refused the connection"
        elif isinstance(cause, socket.gaierror):
            reason = "could not be found: its name does not resolve"
        elif isinstance(cause, (TimeoutError, urllib3.exceptions.ConnectTimeoutError)):
            reason = "did not answer in time"
    return f"the proxy {shown} {reason}; it is on the way to {host}", hint


# How the versions of OpenSSL say that the answer to their greeting was no greeting.
_NOT_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")


def _transport_cause(error: Exception, host: str) -> tuple[str, str]:
    """What happened and what to try, from the innermost cause that tells."""
    diag = "'ngc diag server' shows which part of the way is broken."
    chain = list(_causes(error))
    for cause in chain:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"{host} showed a certificate that is not trusted ({cause.verify_message})",
                "Name the authority of your network with --ca-bundle FILE; 'ngc diag server' shows who issued it.",
            )
        if isinstance(cause, ssl.SSLError) and any(sign in str(cause) for sign in _NOT_TLS):
            return (
                f"{host} does not speak TLS: this may be a plain http server",
                "Check the address: http or https?",
            )
        if isinstance(cause, socket.gaierror):
            return f"{host} could not be found: the name does not resolve", "Check the address and your DNS."
        if isinstance(cause, ConnectionRefusedError):
            return f"{host} refused the connection", f"Check the address, and that the server runs. {diag}"
    for cause in chain:
        if isinstance(cause, (urllib3.exceptions.ReadTimeoutError, requests.exceptions.ReadTimeout)):
            return f"{host} stopped answering", "Try again, or allow more time with --timeout SECONDS."
        if isinstance(cause, (urllib3.exceptions.ConnectTimeoutError, requests.exceptions.ConnectTimeout)):
            return f"{host} did not answer in time", diag
        if isinstance(cause, (ssl.SSLError, requests.exceptions.SSLError)):
            return f"{host} failed to agree on TLS", diag
    return f"{host} broke the connection", f"Try again. {diag}"


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


def _explanation(response: requests.Response) -> tuple[str, str, bool]:
    """What the body says, the request id, and whether the body is a web page."""
    request_id = response.headers.get("X-Request-Id", "")
    try:
        body = read_limited(response.raw, _BODY_LIMIT, limit_s=_BODY_LIMIT_S, cut=True)
    except (urllib3.exceptions.HTTPError, OSError, UnusableBody):
        return "", request_id, False
    finally:
        response.close()
    text = body.decode("utf-8", "replace").strip()
    try:
        answer = parse_json(text)
    except ValueError:
        title = re.search(r"<(title|h1)[^>]*>(.*?)</\1>", text, re.IGNORECASE | re.DOTALL)
        plain = unescape(title[2]) if title else re.sub(r"<[^>]*>", " ", text)
        page = _PAGE.match(text) is not None
        return " ".join(plain.split())[:_TEXT_LIMIT], request_id, page
    if not isinstance(answer, dict):
        return "", request_id, False
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
    return " ".join(said.split())[:_TEXT_LIMIT], str(given_id)[:100] if given_id else request_id, False


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0] or url
