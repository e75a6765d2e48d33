"""One GET, walked step by step, so that a failure names its cause: DNS, proxy, connection, TLS, clock, answer, body.

``Http`` sends what commands need and tells that it failed; this tells at which step and why. Proxies and trusted
certificates are chosen by the same rules. Nothing is retried and no redirect is followed.
"""

from __future__ import annotations

import base64
import http.client
import logging
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from ngc_cli import __version__
from ngc_cli.diagnostics.certificate import Certificate, read_certificate
from ngc_cli.diagnostics.surroundings import default_ca_bundle, proxy_for, within
from ngc_cli.diagnostics.trace import (
    CLOCK_NEXT_STEP,
    CLOCK_TOLERANCE_S,
    BodyRead,
    Cause,
    Fault,
    Trace,
    clock_text,
)
from ngc_cli.http.redact import redact_headers, redact_text, redact_url
from ngc_cli.units import format_size

log = logging.getLogger("ngc_cli.http")

Result = TypeVar("Result")
# Headers of an answer are shown up to here: enough for all that proxies add, short enough for a ticket.
_HEADERS_SHOWN_BYTES = 4096
# Small, so that a slow line shows progress and a time limit is looked at often.
_BLOCK_BYTES = 64 * 1024
_NOT_YET_VALID, _EXPIRED, _WRONG_NAME, _WRONG_ADDRESS = 9, 10, 62, 64  # OpenSSL: X509_V_ERR_*


class Prober:
    """Traces requests. ``timeout_s`` limits each wait of a step, and all of them up to the answer together."""

    def __init__(
        self,
        *,
        ca_bundle: str = "",
        timeout_s: float = 5.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.ca_bundle = ca_bundle
        self.timeout_s = timeout_s
        self.now = now

    def trace(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        read_bytes: int = 0,
        read_limit_s: float = 0.0,
    ) -> Trace:
        """GET the URL. ``read_bytes`` above 0 reads that much of the body, for ``read_limit_s`` at most, and throws
        it away; else the first 4 KiB are kept."""
        try:
            walk = _Walk(self, url, dict(headers or {}))
        except ValueError as error:
            fault = Fault(
                "unexpected", f"'{redact_text(url)}' is not a web address ({error})", "Correct the address."
            )
            return Trace(redact_text(url), "", fault=fault)
        try:
            walk.go(read_bytes, read_limit_s)
        except _Failed as failure:
            walk.found["fault"] = failure.fault
        finally:
            walk.close()
        trace = Trace(**walk.found)  # type: ignore[arg-type]
        log.debug(
            "probe %s by %s -> %d, %s, got %s",
            trace.url,
            trace.proxy or "no proxy",
            trace.status,
            trace.fault or "no fault",
            redact_headers(trace.headers),
        )
        return trace


class _Failed(Exception):
    """A step failed."""

    def __init__(self, cause: Cause, detail: str, next_step: str) -> None:
        super().__init__(detail)
        self.fault = Fault(cause, detail, next_step)


class _Walk:
    """The steps of one request, and what they have found so far."""

    def __init__(self, prober: Prober, url: str, headers: dict[str, str]) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("no http:// or https:// and host")
        self.prober = prober
        self.url = url
        self.secure = parts.scheme == "https"
        self.host = parts.hostname
        self.port = parts.port or (443 if self.secure else 80)
        self.path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.headers = {
            "Host": parts.netloc.rpartition("@")[2],
            "User-Agent": f"ngc-cli/{__version__}",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Connection": "close",
            **headers,
        }
        self.proxy = proxy_for(url)
        self.deadline = time.monotonic() + prober.timeout_s
        self.sock: socket.socket | None = None
        self.found: dict[str, object] = {
            "url": redact_url(url),
            "host": parts.netloc.rpartition("@")[2],
            "proxy": redact_url(self.proxy),
        }

    def go(self, read_bytes: int, read_limit_s: float) -> None:
        started = time.monotonic()
        self.connect()
        self.found["connect_ms"] = _since_ms(started)
        if self.secure:
            if self.proxy:
                self.open_tunnel()
            self.start_tls()
        started = time.monotonic()
        response = self.ask()
        self.found["answer_ms"] = _since_ms(started)
        if read_bytes and response.status < 400:
            self.read_body(response, read_bytes, read_limit_s)
        elif not read_bytes:
            self.found["body"] = self.attempt(
                lambda: response.read(_HEADERS_SHOWN_BYTES), "stopped answering"
            )

    def close(self) -> None:
        if self.sock is not None:
            self.sock.close()

    @property
    def left_s(self) -> float:
        """Time left for the steps up to the answer; raises for none."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    # the connection

    def connect(self) -> None:
        """Connect to the server, or to the proxy on the way to it."""
        host, port = self.host, self.port
        if self.proxy:
            proxy = urlsplit(self.proxy)
            if proxy.scheme != "http" or not proxy.hostname:
                raise _Failed(
                    "proxy",
                    f"'{redact_url(self.proxy)}' is not the address of an http:// proxy",
                    f"Correct HTTPS_PROXY and HTTP_PROXY, or list {self.host} in NO_PROXY.",
                )
            host, port = proxy.hostname, proxy.port or 80
        addresses = self.resolve(host, port)
        self.found["addresses"] = tuple(dict.fromkeys(str(address[0]) for _, address in addresses))
        failures: list[OSError] = []
        unreachable: list[str] = []
        for number, (family, address) in enumerate(addresses):
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.settimeout(self.left_s / (len(addresses) - number))
                sock.connect(address)
            except OSError as error:
                sock.close()
                failures.append(error)
                unreachable.append(str(address[0]))
                self.found["unreachable"] = tuple(unreachable)
            else:
                self.sock = sock
                return
        raise self.no_connection(host, port, failures[-1])

    def resolve(self, host: str, port: int) -> list[tuple[int, Any]]:
        """Address family and address of each answer of the name service."""
        what = f"the proxy '{host}'" if self.proxy else f"'{host}'"
        try:
            answers = within(self.left_s, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except TimeoutError:
            raise self.unresolved(
                f"no name server answered for {what} within {self.prober.timeout_s:g} s"
            ) from None
        except (OSError, UnicodeError) as error:
            again = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
            why = "no name server answers for" if again else "the name service does not know"
            raise self.unresolved(f"{why} {what}") from error
        return [(family, address) for family, _, _, _, address in answers]

    def unresolved(self, detail: str) -> _Failed:
        if self.proxy:
            return _Failed("proxy", detail, "Correct HTTPS_PROXY or HTTP_PROXY, or unset it.")
        return _Failed(
            "dns", detail, "Check the address for a typing error, and the name servers of this machine."
        )

    def no_connection(self, host: str, port: int, error: OSError) -> _Failed:
        """The failure for a connection that did not come about."""
        where = f"{host}:{port}"
        if isinstance(error, ConnectionRefusedError):
            cause: Cause = "refused"
            detail = f"{where} refused the connection: nothing listens there"
            hint = "Check the address and port, and that the server runs."
        elif isinstance(error, TimeoutError):
            cause = "timeout"
            detail = f"{where} did not take the connection within {self.prober.timeout_s:g} s"
            hint = "Ask whether a firewall blocks the way; some networks need HTTPS_PROXY."
        else:
            cause = "unreachable"
            detail = f"{where} cannot be reached: {error.strerror or error}"
            hint = "Check the network connection of this machine."
        if self.proxy:
            return _Failed("proxy", f"the proxy {detail}", "Correct HTTPS_PROXY or HTTP_PROXY, or unset it.")
        return _Failed(cause, detail, hint)

    def open_tunnel(self) -> None:
        """Have the proxy connect to the server (RFC 9110, 9.3.6)."""
        assert self.sock is not None
        name = f"[{self.host}]" if ":" in self.host else self.host
        lines = [f"CONNECT {name}:{self.port} HTTP/1.1", f"Host: {name}:{self.port}"]
        lines += [f"{header}: {value}" for header, value in self.proxy_login().items()]
        request = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        answer = http.client.HTTPResponse(self.sock, method="CONNECT")

        def exchange() -> None:
            assert self.sock is not None
            self.sock.sendall(request)
            answer.begin()

        self.attempt(exchange, "gave no answer to CONNECT", proxy=True)
        if answer.status != 200:
            raise self.proxy_refusal(answer.status)

    def proxy_refusal(self, status: int) -> _Failed:
        detail = f"the proxy {redact_url(self.proxy)} refuses to connect to {self.host} (HTTP {status})"
        if status == 407:
            return _Failed(
                "proxy", detail, "It wants a login: write HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT."
            )
        return _Failed("proxy", detail, f"Ask for {self.host} to be allowed, or list it in NO_PROXY.")

    def proxy_login(self) -> dict[str, str]:
        parts = urlsplit(self.proxy)
        if parts.username is None:
            return {}
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        return {"Proxy-Authorization": f"Basic {base64.b64encode(login).decode()}"}

    # TLS

    def start_tls(self) -> None:
        assert self.sock is not None
        context = self.trust()
        try:
            self.sock.settimeout(self.left_s)
            secured = context.wrap_socket(self.sock, server_hostname=self.host)
        except ssl.SSLCertVerificationError as error:
            raise self.untrusted(error) from error
        except TimeoutError:
            raise self.silent("did not finish the TLS handshake") from None
        except ssl.SSLError as error:
            plain = "WRONG_VERSION_NUMBER" in (error.reason or "")
            raise _Failed(
                "tls",
                f"{self.host} and this machine could not agree on TLS ({error.reason or error})",
                "The port seems to speak plain HTTP: check the address."
                if plain
                else "Check the address, and whether something on the way interferes.",
            ) from error
        except OSError as error:
            raise _Failed(
                "cut",
                f"the connection to {self.host} was cut during the TLS handshake ({error.strerror or error})",
                "Ask whether a firewall blocks this host by its name.",
            ) from error
        self.sock = secured
        self.found["tls_version"] = secured.version() or ""
        self.note_certificate(secured)

    def trust(self) -> ssl.SSLContext:
        """What is trusted: the named bundle, a file or a folder of certificates, or the one that comes along."""
        from urllib3.util import create_urllib3_context  # as strict as the one that Http uses

        bundle = self.found["trusted"] = self.prober.ca_bundle or default_ca_bundle()
        context = create_urllib3_context()
        try:
            if Path(bundle).is_dir():
                context.load_verify_locations(capath=bundle)
            else:
                context.load_verify_locations(cafile=bundle)
        except OSError as error:
            raise _Failed(
                "tls-untrusted",
                f"the CA bundle {bundle} cannot be used: {error.strerror or error}",
                "Name a file of certificates in PEM form, or unset the setting.",
            ) from error
        return context

    def untrusted(self, error: ssl.SSLCertVerificationError) -> _Failed:
        """The failure for a certificate that did not hold, after a second look at it that trusts nothing."""
        glance = _Walk(self.prober, self.url, {})
        try:
            glance.look()
        except (_Failed, OSError):
            pass  # what the first look found is enough
        finally:
            glance.close()
        for name in ("certificate", "tls_version", "clock_difference_s"):
            if name in glance.found:
                self.found[name] = glance.found[name]
        certificate = self.found.get("certificate")
        issuer = certificate.issuer if isinstance(certificate, Certificate) else "an unknown authority"
        if error.verify_code in (_WRONG_NAME, _WRONG_ADDRESS):
            subject = certificate.subject if isinstance(certificate, Certificate) else "another name"
            return _Failed(
                "tls-name",
                f"the certificate that {self.host} shows is for another name ('{subject}', issued by '{issuer}')",
                "Check the address; a captive portal or a wrong DNS answer looks like this, too.",
            )
        if error.verify_code in (_NOT_YET_VALID, _EXPIRED) and isinstance(certificate, Certificate):
            return self.out_of_date(certificate)
        return _Failed(
            "tls-untrusted",
            f"the certificate of {self.host} is signed by '{issuer}', which is not trusted here "
            f"({error.verify_message})",
            "If that is your network's own authority (TLS inspection), get its certificate and name the file with "
            "--ca-bundle FILE, 'ca_bundle' in the configuration, REQUESTS_CA_BUNDLE or SSL_CERT_FILE.",
        )

    def out_of_date(self, certificate: Certificate) -> _Failed:
        """A certificate that does not hold today: by the clock of the server it may."""
        difference_s = self.found.get("clock_difference_s")
        if isinstance(difference_s, float) and abs(difference_s) > CLOCK_TOLERANCE_S:
            there = datetime.fromtimestamp(self.prober.now() + difference_s, timezone.utc)
            if certificate.not_before <= there <= certificate.not_after:
                return _Failed("clock", clock_text(difference_s, self.host), CLOCK_NEXT_STEP)
        expired = certificate.not_after.timestamp() < self.prober.now()
        word, day = (
            ("expired", certificate.not_after) if expired else ("is not valid before", certificate.not_before)
        )
        on = " on" if expired else ""
        return _Failed(
            "tls-expired",
            f"the certificate of {self.host} {word}{on} {day:%Y-%m-%d %H:%M} UTC",
            "Check the clock of this machine; if it is right, tell the operator of the server.",
        )

    def look(self) -> None:
        """Fetch certificate and date of a server that is not trusted; sends no credentials."""
        self.connect()
        if self.proxy:
            self.open_tunnel()
        assert self.sock is not None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.sock.settimeout(self.left_s)
        secured = context.wrap_socket(self.sock, server_hostname=self.host)
        self.sock = secured
        self.found["tls_version"] = secured.version() or ""
        self.note_certificate(secured)
        self.ask()

    def note_certificate(self, secured: ssl.SSLSocket) -> None:
        try:
            self.found["certificate"] = read_certificate(secured.getpeercert(binary_form=True) or b"")
        except ValueError:
            self.found["certificate"] = None

    # the answer

    def ask(self) -> http.client.HTTPResponse:
        """Send the request and read status and headers of the answer."""
        connection = http.client.HTTPConnection(self.host, self.port)
        connection.sock = self.sock
        target, headers = self.path, self.headers
        if self.proxy and not self.secure:
            target, headers = self.url, {**headers, **self.proxy_login()}
        asked_at = self.prober.now()

        def exchange() -> http.client.HTTPResponse:
            connection.request("GET", target, headers=headers)
            return connection.getresponse()

        response = self.attempt(exchange, "took the connection but sent no answer")
        self.found["status"] = response.status
        self.found["headers"] = dict(response.headers.items())
        date = _date(response.headers.get("Date", ""))
        if date is not None:
            # The header has whole seconds, cut off: its moment lies half a second later on average.
            self.found["clock_difference_s"] = round(date + 0.5 - (asked_at + self.prober.now()) / 2, 1)
        if response.status == 407:
            raise self.proxy_refusal(407)
        return response

    def attempt(self, action: Callable[[], Result], silence: str, *, proxy: bool = False) -> Result:
        """The result of an exchange on the connection; every failure becomes the cause that it stands for."""
        assert self.sock is not None
        who = f"the proxy {redact_url(self.proxy)}" if proxy else self.host
        try:
            self.sock.settimeout(self.left_s)
            return action()
        except TimeoutError:
            failed = self.silent(silence)
        except (ConnectionError, http.client.RemoteDisconnected, http.client.IncompleteRead, ssl.SSLError):
            failed = _Failed(
                "cut",
                f"{who} closed the connection without an answer",
                "Try again; if it stays so, a firewall or proxy may cut it.",
            )
        except (http.client.HTTPException, OSError, ValueError) as error:
            failed = _Failed(
                "unexpected",
                f"{who} does not answer in HTTP ({type(error).__name__})",
                "Check the address and port.",
            )
        if proxy:
            failed = _Failed(
                "proxy", f"{who}: {failed.fault.detail}", "Check HTTPS_PROXY, or ask who runs the proxy."
            )
        raise failed

    def silent(self, silence: str) -> _Failed:
        return _Failed(
            "timeout",
            f"{self.host} {silence} within {self.prober.timeout_s:g} s",
            "The server is overloaded, or something on the way swallows the answer. Try again, or with --timeout 15.",
        )

    def read_body(self, response: http.client.HTTPResponse, read_bytes: int, read_limit_s: float) -> None:
        """Read and throw away; each wait is limited by the time-out, all of them by ``read_limit_s``."""
        assert self.sock is not None
        wanted = min(read_bytes, response.length) if response.length is not None else read_bytes
        started = time.monotonic()
        done = 0
        failed: tuple[Cause, str] | None = None
        out_of_time = False
        while done < wanted and failed is None and not out_of_time:
            try:
                left_s = read_limit_s - (time.monotonic() - started)
                self.sock.settimeout(max(min(self.prober.timeout_s, left_s), 0.01))
                block = response.read1(min(_BLOCK_BYTES, wanted - done))
            except TimeoutError:
                failed = ("timeout", f"nothing more came for {self.prober.timeout_s:g} s")
            except (OSError, http.client.HTTPException) as error:
                failed = (
                    "cut",
                    f"the connection was cut ({getattr(error, 'strerror', None) or type(error).__name__})",
                )
            else:
                done += len(block)
                if not block and response.length is not None:
                    failed = ("cut", "the connection was closed")
                elif not block:
                    wanted = done
            out_of_time = done < wanted and time.monotonic() - started >= read_limit_s
        duration_s = time.monotonic() - started
        self.found["read"] = BodyRead(done, wanted, duration_s, out_of_time)
        if failed is not None and not out_of_time:
            cause, how = failed
            raise _Failed(
                cause,
                f"{how} after {format_size(done)} ({done} bytes) of {format_size(wanted)} from {self.host}",
                "Small answers pass and long ones do not: ask who runs the firewall, proxy or VPN on the way about "
                "limits of size and time; downloads resume, so repeating them may get through.",
            )


def _since_ms(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def _date(header: str) -> float | None:
    try:
        return parsedate_to_datetime(header).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
