"""Where a key and its tokens go, how long a token is used, and that neither is ever shown."""

from __future__ import annotations

import base64
import json

import pytest
import requests
import responses

from ngc_cli.errors import ConfigError, NotAuthenticated, ServerError
from ngc_cli.http.auth import NgcCredentials, Scope
from ngc_cli.http.redact import redact_text
from ngc_cli.http.session import Http, HttpSettings

API = "https://api.example"
AUTH = "https://authn.example"
SEARCH = "https://search.example"


@pytest.fixture
def http() -> Http:
    return Http(HttpSettings(retries=0, backoff_s=0.001))


def credentials(http: Http, key: str = "legacy-key-of-this-test", **more: str) -> NgcCredentials:
    return NgcCredentials(http, key, **{"api_url": API, "auth_url": AUTH, **more})


@pytest.mark.parametrize(
    ("lifetime_s", "good_for_s"), [(3600, 3300), (3000, 2700), (100, 90), (0, 0)], ids=str
)
@responses.activate
def test_a_token_is_used_until_a_request_could_outlive_it(
    http: Http, monkeypatch: pytest.MonkeyPatch, lifetime_s: float, good_for_s: float
) -> None:
    now_s = [1000.0]
    monkeypatch.setattr("ngc_cli.http.auth.time.monotonic", lambda: now_s[0])
    responses.get(f"{AUTH}/token", json={"token": "tok", "expires_in": lifetime_s})
    identity = credentials(http)
    identity.bearer(Scope())
    for wait_s, calls in ((max(good_for_s - 1, 0), 1 if good_for_s else 2), (2, 2 if good_for_s else 3)):
        now_s[0] += wait_s
        identity.bearer(Scope())
        assert len(responses.calls) == calls


@responses.activate
def test_each_scope_has_its_own_token(http: Http) -> None:
    responses.get(f"{AUTH}/token", json={"token": "tok", "expires_in": 3600})
    identity = credentials(http)
    for scope in (Scope(), Scope("acme"), Scope("acme", "team"), Scope("acme")):
        identity.bearer(scope)
    assert len(responses.calls) == 3


@responses.activate
def test_a_key_is_not_exchanged_in_the_clear(http: Http) -> None:
    responses.get("http://authn.example/token", json={"token": "tok"})
    with pytest.raises(ConfigError, match="without TLS"):
        credentials(http, auth_url="http://authn.example").bearer(Scope())
    assert not responses.calls


@pytest.mark.parametrize("target", [f"{AUTH}/elsewhere", "https://evil.example/token"])
@responses.activate
def test_a_redirect_of_the_token_service_is_not_followed(http: Http, target: str) -> None:
    responses.get(f"{AUTH}/token", status=307, headers={"Location": target})
    responses.get(target, json={"token": "tok", "expires_in": 3600})
    with pytest.raises(ServerError, match="cannot be read"):
        credentials(http).bearer(Scope())
    assert len(responses.calls) == 1


@responses.activate
def test_key_and_token_are_masked_wherever_they_turn_up(http: Http) -> None:
    responses.get(f"{AUTH}/token", json={"token": "token-of-this-test", "expires_in": 3600})
    credentials(http).bearer(Scope())
    shown = redact_text("legacy-key-of-this-test, token-of-this-test")
    assert shown == "***, ***"


@pytest.mark.parametrize(
    ("url", "is_sent"),
    [
        (f"{API}/x", True),
        (f"{SEARCH}/x", True),
        ("https://API.example:443/x", True),
        ("https://files.example/x", False),
        ("https://api.example:8443/x", False),
        ("https://api.example.evil.example/x", False),
    ],
)
def test_the_key_goes_to_the_origins_of_the_api_and_its_search_only(
    http: Http, url: str, is_sent: bool
) -> None:
    headers = credentials(http, "nvapi-abc", search_url=SEARCH).scoped(Scope()).headers(url)
    assert bool(headers) is is_sent


@pytest.mark.parametrize(
    ("org", "team", "expected"),
    [
        ("acme", "t", {"nv-ngc-org": "acme", "nv-ngc-team": "t"}),
        ("acme", "", {"nv-ngc-org": "acme"}),
        ("", "t", {}),
    ],
)
def test_the_context_is_that_of_the_configuration(
    http: Http, org: str, team: str, expected: dict[str, str]
) -> None:
    assert credentials(http, "nvapi-abc", org=org, team=team).context_headers() == expected
    assert credentials(http, "", org=org, team=team).context_headers() == {}


def test_renewing_helps_only_where_there_was_a_token(http: Http) -> None:
    answer = requests.Response()
    assert not credentials(http, "nvapi-abc").scoped(Scope()).renew(answer)
    assert not credentials(http).scoped(Scope()).renew(answer)


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("key", "is_jwt"),
    [
        (f"{part({})}.{part({'exp': 4e9})}.c2ln", True),
        (f"{part([])}.{part({'exp': 4e9})}.c2ln", False),
        (f"{part({})}.{part([])}.c2ln", False),
        (f"{part({})}.{part({'exp': 4e9})}", False),
        (f"{part({})}.{part({'exp': 4e9})}.c2ln.x", False),
        (f"{part({})}.!!!.c2ln", False),
        (f"x.{part({'exp': 4e9})}.c2ln", False),
    ],
)
@responses.activate
def test_a_key_that_is_a_jwt_is_its_own_bearer(http: Http, key: str, is_jwt: bool) -> None:
    responses.get(f"{AUTH}/token", json={"token": "tok", "expires_in": 3600})
    assert credentials(http, key).bearer(Scope()) == (key if is_jwt else "tok")


@pytest.mark.parametrize("claims", [{}, {"exp": "never"}, {"exp": 1}])
def test_a_jwt_that_has_no_future_is_refused(http: Http, claims: dict[str, object]) -> None:
    with pytest.raises(NotAuthenticated):
        credentials(http, f"{part({})}.{part(claims)}.c2ln").bearer(Scope())
