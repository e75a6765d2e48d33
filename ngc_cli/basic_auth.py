"""The Basic scheme (RFC 7617) as NGC uses it: a fixed user name, and the API key as its password."""

from __future__ import annotations

import base64
from typing import Final

USERNAME: Final = "$oauthtoken"


def encoded(key: str) -> str:
    """User name and key in base64, as they stand behind ``Basic``."""
    return base64.b64encode(f"{USERNAME}:{key}".encode()).decode()


def authorization(key: str) -> str:
    """The value of an ``Authorization`` header."""
    return f"Basic {encoded(key)}"
