"""The rules of addresses: origin, this machine, and where a secret may travel."""

from __future__ import annotations

import pytest

from ngc_cli.urls import is_loopback, keeps_tls, may_carry_secret, origin, parse_service_url


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://api.example", "https://API.example:443/v2?x=1", True),
        ("http://localhost:80/a", "http://localhost/b", True),
        ("https://api.example", "http://api.example:443", False),
        ("https://api.example", "https://api.example:8443", False),
        ("https://api.example", "https://api.example.evil", False),
        ("https://user@api.example", "https://api.example", True),
        ("https://api.example:port", "https://api.example", False),
        ("https://[::", "https://", False),
    ],
)
def test_origins(one: str, other: str, same: bool) -> None:
    assert (origin(one) == origin(other)) is same


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("0:0:0:0:0:0:0:1", True),
        ("127.999.1.1", False),
        ("127.1", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_what_is_this_machine(host: str, here: bool) -> None:
    assert is_loopback(host) is here


@pytest.mark.parametrize(
    ("url", "may"),
    [
        ("https://api.example", True),
        ("http://127.0.0.1:9", True),
        ("http://[::1]/v2", True),
        ("http://api.example", False),
        ("http://127.999.1.1", False),
        ("ftp://localhost", False),
        ("https//api.example", False),
    ],
)
def test_where_a_secret_may_travel(url: str, may: bool) -> None:
    assert may_carry_secret(url) is may


@pytest.mark.parametrize(
    ("source", "target", "keeps"),
    [
        ("https://a", "https://b", True),
        ("http://localhost", "https://b", True),
        ("http://localhost", "http://b", True),
        ("https://a", "http://a", False),
        ("https://a", "http://localhost", False),
        ("http://localhost", "file:///etc/passwd", False),
        ("https://a", "//a", False),
    ],
)
def test_where_a_server_may_send_us_on_to(source: str, target: str, keeps: bool) -> None:
    assert keeps_tls(source, target) is keeps


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("api.example", "https://api.example"),
        ("https://API.Example:443/", "https://api.example"),
        ("https://api.example/prefix/", "https://api.example/prefix"),
        ("http://[::1]:80", "http://[::1]"),
        ("http://[0:0:0:0:0:0:0:1]", "http://[0:0:0:0:0:0:0:1]"),
        ("http://127.8.9.1:8080", "http://127.8.9.1:8080"),
        ("localhost:9", "https://localhost:9"),
    ],
)
def test_addresses(text: str, url: str) -> None:
    assert parse_service_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://",
        "http://127.0.0.1.evil.example",
        "http://127.999.1.1",
        "http://0x7f000001",
        "https://a b",
        "https://h?x=1",
        "https://[::",
        "https://h:99999",
        "https://user@h",
    ],
)
def test_what_is_not_an_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_service_url(text)
