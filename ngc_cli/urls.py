"""Rules about addresses: what makes two of them the same origin, and where a secret may travel.

Each security rule of a URL stands here once. Pure: nothing is resolved or connected.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

DEFAULT_PORTS: Final = {"https": 443, "http": 80}
# What to tell somebody without a key.
KEY_PAGE_HINT: Final = "Keys of NGC are made at https://org.ngc.nvidia.com/setup/api-keys."
_HOST = re.compile(r"[^\s/:\x00-\x1f\x7f]+")


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host in lower case, and port (RFC 6454): what must agree for credentials to be sent.

    The usual port of the scheme counts as written. What cannot be read as an address is an origin of its own.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme, 80)
        return parts.scheme, parts.hostname or "", port
    except ValueError:
        return "", url, -1


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine, without asking a name server.

    An address counts when it is well formed: ``127.999.1.1`` is a name that anyone could serve, while
    ``0:0:0:0:0:0:0:1`` is ``::1``.
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def may_carry_secret(url: str) -> bool:
    """Whether a key may travel to this address: over TLS, or in the clear to this machine."""
    scheme, host, _ = origin(url)
    return scheme == "https" or (scheme == "http" and is_loopback(host))


def keeps_tls(source: str, target: str) -> bool:
    """Whether a server at ``source`` may send us on to ``target``: to the web, and never from TLS to none."""
    source_scheme, target_scheme = origin(source)[0], origin(target)[0]
    return target_scheme == "https" or (target_scheme == "http" and source_scheme != "https")


def parse_service_url(text: str) -> str:
    """A service address in its one form, ``https://`` when it has no scheme and without a trailing slash.

    Raises ValueError saying what is wrong with it; http is for this machine only.
    """
    parts = urlsplit(text if "://" in text else f"https://{text}")
    host, port = parts.hostname or "", parts.port
    if (
        parts.scheme not in DEFAULT_PORTS
        or not _HOST.fullmatch(host.replace(":", ""))
        or parts.query
        or parts.fragment
    ):
        raise ValueError("is not an address like https://host[:port]")
    if "@" in parts.netloc:
        raise ValueError("holds a user name; a key belongs into 'ngc config set'")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("uses http, which is allowed for this machine only; use https")
    shown = f"[{host}]" if ":" in host else host
    suffix = "" if port in (None, DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{shown}{suffix}{parts.path.rstrip('/')}"
