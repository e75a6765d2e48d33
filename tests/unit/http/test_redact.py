"""Secrets stay out of everything that is shown."""

from __future__ import annotations

import base64
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from ngc_cli.http.redact import redact_headers, redact_text, redact_url, register_secret

CANARY = "canary+key/with=odd chars"


def test_urls_keep_only_harmless_query_values() -> None:
    url = "https://user:pw@files.example/a/b?path=x.bin&sig=abc123&X-Amz-Signature=def"
    assert redact_url(url) == "https://files.example/a/b?path=x.bin&sig=***&X-Amz-Signature=***"


def test_headers_keep_only_harmless_values() -> None:
    shown = redact_headers({"Authorization": "Bearer x", "Range": "bytes=0-1", "Cookie": "s=1"})
    assert shown == {"Authorization": "***", "Range": "bytes=0-1", "Cookie": "***"}


def test_a_registered_secret_is_masked_in_every_form() -> None:
    register_secret(CANARY)
    basic = base64.b64encode(f"$oauthtoken:{CANARY}".encode()).decode()
    text = f"{CANARY} {quote(CANARY, safe='')} {base64.b64encode(CANARY.encode()).decode()} {basic}"
    shown = redact_text(text)
    assert shown.replace("*", "").strip() == ""


@given(st.from_regex(r"nvapi-[A-Za-z0-9_-]{8,40}", fullmatch=True))
def test_key_shapes_are_masked_even_when_unknown(key: str) -> None:
    assert key not in redact_text(f"got {key} from Authorization: Bearer {key}")
