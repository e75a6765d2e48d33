"""The one HTTP session of a command: pool, time-outs, retries, redirects, proxies and CA on every path."""

from __future__ import annotations

import logging
import random
import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection

from ngc_cli import __version__
from ngc_cli.errors import NetworkError, ServerError
from ngc_cli.http.redact import redact_headers, redact_text, redact_url
from ngc_cli.http.status import error_from_response, error_from_transport, retry_after_s
from ngc_cli.urls import keeps_tls, origin

log = logging.getLogger("ngc_cli.http")

# Overload and gateways: the same request may succeed a moment later.
RETRIED_STATUS = frozenset({429, 500, 502, 503, 504})
_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
# RFC 9110 section 15.4, without those that name a choice or no change.
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# Object stores redirect once or twice; more is a loop.
_MAX_REDIRECTS = 5
_USER_AGENT = f"ngc-cli/{__version__}"
# Who is told to wait longer than this had rather know it and come back.
_MAX_WAIT_S = 120.0
# http.client sends 16 KiB at a time, which cost most of the time of an upload.
_BLOCK_BYTES = 1024 * 1024

Body = bytes | Callable[[], Any]


@dataclass(frozen=True)
class HttpSettings:
    """How to reach servers: times in seconds, ``retries`` after the first try, path of a CA bundle or empty."""

    timeout_s: float = 30.0
    connect_timeout_s: float = 10.0
    retries: int = 4
    backoff_s: float = 0.5
    ca_bundle: str = ""
    pool_size: int = 32


class Authenticator(Protocol):
    """Adds credentials to requests and renews them."""

    def headers(self, url: str) -> Mapping[str, str]:
        """Headers to add for this URL; empty for a foreign origin."""

    def renew(self, response: requests.Response) -> bool:
        """After a 401: get fresh credentials; True when the request is worth repeating once."""


class Http:
    """Sends requests; safe to use from several threads. Close it to cut short every wait between tries.

    ``on_retry`` gets a line for the user when a lost connection makes the session wait for the first time.
    """

    def __init__(
        self, settings: HttpSettings | None = None, on_retry: Callable[[str], None] = lambda text: None
    ) -> None:
        self.settings = settings or HttpSettings()
        self.on_retry = on_retry
        self._has_told_retry = False
        self.closing = threading.Event()
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["User-Agent"] = _USER_AGENT
        self._session.headers["Accept-Encoding"] = "gzip"  # the one coding that ``bodies`` reads
        adapter = _Adapter(pool_connections=16, pool_maxsize=self.settings.pool_size)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._adapter = adapter
        self._pools: dict[tuple[str, str, int], urllib3.HTTPConnectionPool | None] = {}

    def close(self) -> None:
        """End waits between tries and close idle connections."""
        self.closing.set()
        self._session.close()

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        data: Body | None = None,
        auth: Authenticator | None = None,
        expect: Collection[int] = (),
        retry: bool | None = None,
        timeout_s: float | None = None,
        follow: bool = True,
    ) -> requests.Response:
        """Send and return the streamed response; the caller closes it (``with``).

        ``data`` is bytes or a callable that returns a fresh body for each try, closed after it. ``retry`` overrides the rule that
        only idempotent methods are tried again. Raises the NgcError of the status unless it is below 400 or in
        ``expect``; NetworkError when no answer came.
        """
        may_retry = (method in _IDEMPOTENT) if retry is None else retry
        tries = self.settings.retries + 1
        renewed = False
        attempt = 0
        while True:
            attempt += 1
            try:
                response = self._follow(method, url, headers, params, json, data, auth, timeout_s, follow)
            except NetworkError as error:
                if not may_retry or attempt >= tries or error.is_final:
                    raise
                self._tell_retry(error.message, tries)
                self.pause(self._backoff_s(attempt, None))
                continue
            status = response.status_code
            if status == 401 and auth is not None and not renewed and status not in expect:
                renewed = True
                if auth.renew(response):
                    response.close()
                    attempt -= 1
                    continue
            if status < 400 or status in expect:
                return response
            not_processed = status in (429, 503)
            if (
                status in RETRIED_STATUS
                and (may_retry or (not_processed and retry is None))
                and attempt < tries
            ):
                wait_s = self._backoff_s(attempt, response.headers.get("Retry-After"))
                response.close()
                self.pause(wait_s)
                continue
            raise error_from_response(response)

    def get_once(self, url: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        """A single GET without credentials, straight through urllib3.

        It skips what requests does for each call, which is most of the time of a small file. Returns a streamed
        answer of status 200 or 206; raises as ``send`` does. Proxies and redirects go through ``send``.
        """
        pool = self._pool(url)
        if pool is None:
            return _raw(self.send("GET", url, headers=headers, retry=False))
        parts = urlsplit(url)
        read_s = self.settings.timeout_s
        try:
            answer = pool.urlopen(
                "GET",
                f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/",
                headers={"User-Agent": _USER_AGENT, **headers},
                redirect=False,
                retries=False,
                assert_same_host=False,
                timeout=urllib3.Timeout(connect=min(self.settings.connect_timeout_s, read_s), read=read_s),
                preload_content=False,
                decode_content=False,
            )
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            log.debug("GET %s failed: %s", redact_url(url), redact_text(repr(error)))
            raise error_from_transport(error, "GET", url) from error
        if log.isEnabledFor(logging.DEBUG):
            log.debug("GET %s -> %d; got %s", redact_url(url), answer.status, redact_headers(answer.headers))
        if answer.status in (200, 206):
            return answer
        request = requests.Request("GET", url).prepare()
        response = self._adapter.build_response(request, answer)
        if answer.status < 400:
            response.close()
            return _raw(self.send("GET", url, headers=headers, retry=False))
        raise error_from_response(response)

    def _pool(self, url: str) -> urllib3.HTTPConnectionPool | None:
        """The connections to an origin, None when a proxy is between."""
        key = origin(url)
        if key not in self._pools:
            verify = self.settings.ca_bundle or True
            pool: Any = None
            if key[0] in ("http", "https") and not get_environ_proxies(url, no_proxy=None):
                request = requests.Request("GET", url).prepare()
                pool = self._adapter.get_connection_with_tls_context(request, verify)
                self._adapter.cert_verify(pool, url, verify, None)  # type: ignore[no-untyped-call]
            self._pools[key] = pool
        return self._pools[key]

    def _tell_retry(self, cause: str, tries: int) -> None:
        """Say once a session why it takes so long."""
        if not self._has_told_retry:
            self._has_told_retry = True
            self.on_retry(f"{cause}: trying again, {tries} times in all")

    def pause(self, wait_s: float) -> None:
        """Wait between two tries; raises NetworkError when the session is closed meanwhile."""
        log.debug("waiting %.1f s before the next try", wait_s)
        if self.closing.wait(wait_s):
            raise NetworkError("the command was interrupted")

    def _backoff_s(self, attempt: int, retry_after: str | None) -> float:
        """Exponential with full jitter, but never less than the server asks for."""
        ceiling = min(self.settings.backoff_s * 2 ** (attempt - 1), 30.0)
        asked = retry_after_s(retry_after)
        if asked > _MAX_WAIT_S:
            raise ServerError(
                f"the server asks to wait {asked:.0f} s before the next try",
                hint="Try again after that time.",
            )
        return max(asked, random.uniform(ceiling / 2, ceiling))  # noqa: S311 - spreads retries, guards nothing

    def _follow(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        params: Mapping[str, Any] | None,
        json: Any,
        data: Body | None,
        auth: Authenticator | None,
        timeout_s: float | None,
        follow: bool,
    ) -> requests.Response:
        """One try: the request and its redirects. Credentials go only to origins the authenticator accepts."""
        own_headers = dict(headers or {})
        for _ in range(_MAX_REDIRECTS + 1):
            body: Any = data() if callable(data) else data
            credentials = dict(auth.headers(url)) if auth is not None else {}
            try:
                response = self._once(
                    method, url, {**own_headers, **credentials}, params, json, body, timeout_s
                )
            finally:
                if callable(data) and hasattr(body, "close"):
                    body.close()
            location = response.headers.get("Location")
            if not (follow and response.status_code in _REDIRECTS and location):
                return response
            response.close()
            target = urljoin(response.url or url, location)
            _check_redirect(url, target)
            if origin(target) != origin(url):
                own_headers.pop("Authorization", None)
            if response.status_code == 303 or (response.status_code in (301, 302) and method == "POST"):
                method, json, data = "GET", None, None
            url, params = target, None
        raise ServerError(
            f"too many redirects from {redact_url(url)}", hint="Check the address of the server."
        )

    def _once(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        params: Mapping[str, Any] | None,
        json: Any,
        body: Any,
        timeout_s: float | None,
    ) -> requests.Response:
        if urlsplit(url).scheme not in ("http", "https"):
            raise ServerError(f"'{redact_url(url)}' is not a web address")
        request = self._session.prepare_request(
            requests.Request(method, url, headers=dict(headers), params=params, json=json, data=body)
        )
        target = request.url or url
        read_s = timeout_s or self.settings.timeout_s
        started_s = time.monotonic()
        try:
            response = self._session.send(
                request,
                stream=True,
                allow_redirects=False,
                timeout=(min(self.settings.connect_timeout_s, read_s), read_s),
                proxies=get_environ_proxies(target, no_proxy=None),
                verify=self.settings.ca_bundle or True,
            )
        except (requests.RequestException, OSError, ValueError) as error:
            log.debug("%s %s failed: %s", method, redact_url(target), redact_text(repr(error)))
            raise error_from_transport(error, method, target) from error
        log.debug(
            "%s %s -> %d in %.0f ms; sent %s, got %s",
            method,
            redact_url(target),
            response.status_code,
            (time.monotonic() - started_s) * 1000,
            redact_headers({str(name): str(value) for name, value in request.headers.items()}),
            redact_headers(response.headers),
        )
        return response


class _Adapter(HTTPAdapter):
    """An adapter that writes bodies in large blocks; http.client's own 16 KiB cost most of an upload's time.

    The receive buffer has a bound: what lies in it is lost, and sent again, when a transfer is killed.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        options = [
            *HTTPConnection.default_socket_options,
            (socket.SOL_SOCKET, socket.SO_RCVBUF, _BLOCK_BYTES),
        ]
        super().init_poolmanager(*args, blocksize=_BLOCK_BYTES, socket_options=options, **kwargs)


def _check_redirect(source: str, target: str) -> None:
    """Refuse a redirect that leaves the web or drops TLS."""
    if not keeps_tls(source, target):
        raise ServerError(
            f"{redact_url(source)} redirects to {redact_url(target)}, which is not safe to follow",
            hint="Check the address of the server.",
        )


def _raw(response: requests.Response) -> urllib3.BaseHTTPResponse:
    raw: urllib3.BaseHTTPResponse = response.raw
    return raw
