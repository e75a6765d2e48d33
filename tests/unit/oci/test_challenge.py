"""Challenges as registries write them (RFC 9110 section 11, docs/protocol/distribution.md#token-endpoint)."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngc_cli.oci.challenge import Challenge, parse_challenges, token_url

NVCR = 'Bearer realm="https://nvcr.io/proxy_auth",scope="repository:nvidia/k8s:pull,push"'


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", []),
        ("Bearer", [("bearer", {})]),
        (
            NVCR,
            [("bearer", {"realm": "https://nvcr.io/proxy_auth", "scope": "repository:nvidia/k8s:pull,push"})],
        ),
        ('bearer REALM="x" , Service = y', [("bearer", {"realm": "x", "service": "y"})]),
        (
            'Basic realm="a, b", Bearer realm="https://r/?scope=repository:a/b:pull,push",service="s"',
            [
                ("basic", {"realm": "a, b"}),
                ("bearer", {"realm": "https://r/?scope=repository:a/b:pull,push", "service": "s"}),
            ],
        ),
        ('Bearer realm="q\\"uote\\\\d"', [("bearer", {"realm": 'q"uote\\d'})]),
        ("Negotiate abc==, Bearer realm=x", [("negotiate", {}), ("bearer", {"realm": "x"})]),
        ('Bearer realm="first",realm="second"', [("bearer", {"realm": "first"})]),
        ('Bearer realm="never closed', [("bearer", {})]),
        (', ,Bearer realm="x"', [("bearer", {"realm": "x"})]),
    ],
)
def test_challenges_are_read(header: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    assert [(item.scheme, dict(item.params)) for item in parse_challenges(header)] == expected


@given(st.text(max_size=200))
def test_anything_in_the_header_is_survived(header: str) -> None:
    for item in parse_challenges(header):
        assert item.scheme == item.scheme.lower()


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_any_quoted_value_comes_back(value: str) -> None:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    (found,) = parse_challenges(f'Bearer realm="{quoted}", service="s"')
    assert found.params == {"realm": value, "service": "s"}


def asked(realm: str, scopes: list[str], account: str = "", **params: str) -> list[tuple[str, str]]:
    url = token_url(Challenge("bearer", {"realm": realm, **params}), scopes, account)
    assert url.startswith(realm.partition("?")[0])
    return parse_qsl(urlsplit(url).query)


def test_the_realm_keeps_its_own_query() -> None:
    realm = "https://nvcr.io/proxy_auth?scope=repository:nvidia/tensorflow:pull,push"
    assert asked(realm, ["repository:nvidia/tensorflow:pull,push"]) == [
        ("scope", "repository:nvidia/tensorflow:pull,push")
    ]
    assert asked(realm, ["repository:a/b:pull"], "$oauthtoken", service="s") == [
        ("scope", "repository:nvidia/tensorflow:pull,push"),
        ("service", "s"),
        ("account", "$oauthtoken"),
        ("scope", "repository:a/b:pull"),
    ]
    assert asked("https://r/t?service=own", [], service="other") == [("service", "own")]


def test_scopes_are_repeated_and_no_service_is_invented() -> None:
    scopes = ["repository:a/b:pull,push", "repository:c/d:pull"]
    assert asked("https://r/t", scopes) == [("scope", item) for item in scopes]
    assert asked("https://r/t", scopes[:1], scope=" ".join(scopes)) == [("scope", item) for item in scopes]
    assert asked("https://r/t", []) == []
