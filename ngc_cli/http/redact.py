"""Keep secrets out of URLs, headers and texts that people or files get to see.

What survives is allow-listed: a query value is shown only under a name known to be harmless, a header likewise.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from ngc_cli import basic_auth

MASK = "***"
_SAFE_QUERY = frozenset(
    [
        "account",
        "service",
        "scope",
        "page-number",
        "page-size",
        "path",
        "sort-order",
        "resolve-labels",
        "upload-pending",
        "set-latest",
        "resource-type",
        "show-hidden",
        "roles",
        "org-name",
        "redirect",
        "n",
        "last",
        "from",
        "mount",
        "digest",
        "fromImage",
        "tag",
    ]
)
_SAFE_HEADERS = frozenset(
    [
        "accept",
        "accept-encoding",
        "accept-ranges",
        "content-length",
        "content-type",
        "content-range",
        "date",
        "docker-content-digest",
        "etag",
        "if-range",
        "if-none-match",
        "link",
        "nv-ngc-org",
        "nv-ngc-team",
        "range",
        "retry-after",
        "server",
        "user-agent",
        "www-authenticate",
    ]
)
_KEY_SHAPES = re.compile(r"nvapi-[A-Za-z0-9_\-]+|(?i:\b(?:bearer|basic)\s+)[A-Za-z0-9+/=._\-]{8,}")
_URLS = re.compile(r"https?://[^\s'\"<>]+")
_secrets: set[str] = set()


def register_secret(value: str) -> None:
    """Mask this value, and its base64 and URL-quoted forms, in everything ``redact_text`` sees from now on."""
    if len(value) >= 4:
        token_user = basic_auth.encoded(value)
        plain = base64.b64encode(value.encode()).decode()
        _secrets.update(
            {value, quote(value, safe=""), plain, plain.rstrip("="), token_user, token_user.rstrip("=")}
        )


def redact_url(url: str) -> str:
    """The URL without user information and without query values that might be secret."""
    try:
        parts = urlsplit(url)
    except ValueError:  # not an address after all; what it is instead may be anything
        return MASK
    host = parts.netloc.rpartition("@")[2]
    query = "&".join(
        f"{name}={value if name in _SAFE_QUERY else MASK}"
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    )
    return _mask_secrets(urlunsplit((parts.scheme, host, parts.path, query, "")))


def redact_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers, values shown only for names known to be harmless."""
    return {name: value if name.lower() in _SAFE_HEADERS else MASK for name, value in headers.items()}


def redact_text(text: str) -> str:
    """Any text with registered secrets, key-shaped words and the secret parts of URLs masked."""
    return _KEY_SHAPES.sub(MASK, _mask_secrets(_URLS.sub(lambda match: redact_url(match[0]), text)))


def _mask_secrets(text: str) -> str:
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text
