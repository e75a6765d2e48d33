"""Who gets the key of a registry and its tokens: what a challenge can and cannot bring about."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import requests
import responses

from ngc_cli.errors import NotAuthenticated, ServerError
from ngc_cli.http.redact import redact_text
from ngc_cli.http.session import Http, HttpSettings
from ngc_cli.oci.challenge import Challenge, RegistryLogin, _lifetime_s, token_url

REGISTRY = "https://registry.example"
KEY = "key-of-this-login-test"


@pytest.fixture
def mock() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as made:
        yield made


def login(url: str = REGISTRY, key: str = KEY, **more: Any) -> RegistryLogin:
    return RegistryLogin(Http(HttpSettings(retries=0, backoff_s=0.001)), url, key, **more)


def refusal(url: str, challenge: str, authorization: str = "") -> requests.Response:
    """A 401 to a request with these credentials."""
    answer = requests.Response()
    answer.status_code, answer.url = 401, url
    answer.headers["WWW-Authenticate"] = challenge
    headers = {"Authorization": authorization} if authorization else {}
    answer.request = requests.Request("GET", url, headers=headers).prepare()
    return answer


def bearer(realm: str, more: str = "") -> str:
    return f'Bearer realm="{realm}",service="s"{more}'


def test_a_registry_without_tls_gets_no_key_even_at_its_own_realm(mock: responses.RequestsMock) -> None:
    url = "http://registry.example"
    mock.get(f"{url}/token", json={"token": "guest"})
    made = login(url)
    assert made.scoped().renew(refusal(f"{url}/v2/", bearer(f"{url}/token")))
    assert "Authorization" not in mock.calls[0].request.headers
    assert made.withheld_from == f"{url}/token"


@pytest.mark.parametrize(
    "realm", ["https://[[[/token", "ftp://registry.example/t", "file:///etc/passwd", "/token"]
)
def test_a_realm_that_is_no_web_address_is_refused(mock: responses.RequestsMock, realm: str) -> None:
    with pytest.raises(ServerError, match="the place to log in"):
        login().scoped().renew(refusal(f"{REGISTRY}/v2/", bearer(realm)))
    assert not mock.calls


@pytest.mark.parametrize("target", [f"{REGISTRY}/elsewhere", "https://evil.example/t"])
def test_a_redirect_of_the_token_service_is_not_followed(mock: responses.RequestsMock, target: str) -> None:
    mock.get(f"{REGISTRY}/token", status=307, headers={"Location": target})
    mock.get(target, json={"token": "tok"})
    with pytest.raises(ServerError, match="not JSON|no token"):
        login().scoped().renew(refusal(f"{REGISTRY}/v2/", bearer(f"{REGISTRY}/token")))
    assert len(mock.calls) == 1


@pytest.mark.parametrize(
    "url", ["https://files.example/b", "https://registry.example:8443/v2/", "http://registry.example/v2/"]
)
def test_a_challenge_of_another_host_brings_about_nothing(mock: responses.RequestsMock, url: str) -> None:
    mock.get(f"{REGISTRY}/token", json={"token": "tok"})
    auth = login().scoped("repository:a:pull")
    assert not auth.renew(refusal(url, bearer(f"{REGISTRY}/token")))
    assert not mock.calls
    assert auth.renew(refusal(f"{REGISTRY}/v2/", bearer(f"{REGISTRY}/token")))
    assert auth.headers(f"{REGISTRY}/v2/") == {"Authorization": "Bearer tok"}
    assert auth.headers(url) == {}


def test_without_a_challenge_that_can_be_met_there_is_no_second_try(mock: responses.RequestsMock) -> None:
    for challenge in ("", 'Basic realm="x"', "Bearer"):
        assert not login().scoped().renew(refusal(f"{REGISTRY}/v2/", challenge))
    assert not mock.calls


def test_a_refusal_of_a_token_that_was_replaced_meanwhile_asks_for_none(mock: responses.RequestsMock) -> None:
    mock.get(f"{REGISTRY}/token", json={"token": "tok"})
    auth = login().scoped()
    challenge = bearer(f"{REGISTRY}/token")
    assert auth.renew(refusal(f"{REGISTRY}/v2/", challenge))
    assert auth.renew(refusal(f"{REGISTRY}/v2/", challenge, "Bearer older"))
    assert len(mock.calls) == 1
    assert auth.renew(refusal(f"{REGISTRY}/v2/", challenge, "Bearer tok"))
    assert len(mock.calls) == 2


def test_a_token_that_ran_out_takes_all_others_with_it(mock: responses.RequestsMock) -> None:
    """They were given out together, and each would cost a refusal of its own."""
    mock.get(f"{REGISTRY}/token", json={"token": "tok"})
    mock.get(f"{REGISTRY}/v2/", status=401, headers={"WWW-Authenticate": bearer(f"{REGISTRY}/token")})
    made = login()
    for scope in ("repository:a:pull", "repository:b:pull"):
        assert made.scoped(scope).renew(refusal(f"{REGISTRY}/v2/", bearer(f"{REGISTRY}/token")))
    ran_out = bearer(f"{REGISTRY}/token", ',error="invalid_token"')
    assert made.scoped("repository:a:pull").renew(refusal(f"{REGISTRY}/v2/", ran_out, "Bearer tok"))
    asked = len(mock.calls)
    made.scoped("repository:b:pull").headers(f"{REGISTRY}/v2/")
    assert len(mock.calls) == asked + 1


def test_a_registry_that_asks_for_nothing_any_more_gets_nothing(mock: responses.RequestsMock) -> None:
    mock.get(f"{REGISTRY}/token", json={"token": "tok"})
    mock.get(f"{REGISTRY}/v2/", status=200)
    auth = login().scoped()
    assert auth.renew(refusal(f"{REGISTRY}/v2/", bearer(f"{REGISTRY}/token")))
    ran_out = bearer(f"{REGISTRY}/token", ',error="invalid_token"')
    assert auth.renew(refusal(f"{REGISTRY}/v2/", ran_out, "Bearer tok"))
    assert auth.headers(f"{REGISTRY}/v2/") == {}


def test_the_scope_of_one_challenge_is_not_asked_for_elsewhere(mock: responses.RequestsMock) -> None:
    mock.get(f"{REGISTRY}/token", json={"token": "tok"})
    made = login()
    challenge = bearer(f"{REGISTRY}/token", ',scope="repository:a:pull"')
    assert made.scoped().renew(refusal(f"{REGISTRY}/v2/a/", challenge))
    made.scoped("repository:b:pull").headers(f"{REGISTRY}/v2/")
    assert "scope=repository:a:pull" in mock.calls[0].request.url
    assert "repository:a" not in mock.calls[1].request.url


def test_key_and_token_are_masked_wherever_they_turn_up(mock: responses.RequestsMock) -> None:
    mock.get(f"{REGISTRY}/token", json={"token": "token-of-this-login-test"})
    login().scoped().renew(refusal(f"{REGISTRY}/v2/", bearer(f"{REGISTRY}/token")))
    assert redact_text(f"{KEY}, token-of-this-login-test") == "***, ***"


def test_a_guest_is_told_that_a_key_is_needed_and_not_that_one_was_withheld(
    mock: responses.RequestsMock,
) -> None:
    mock.get("https://evil.example/t", status=401)
    guest = login(key="")
    guest._http.pause = lambda wait_s: None  # type: ignore[method-assign]
    with pytest.raises(NotAuthenticated, match="nothing to guests"):
        guest.scoped().renew(refusal(f"{REGISTRY}/v2/", bearer("https://evil.example/t")))
    assert guest.withheld_from == ""
    assert "account" not in mock.calls[0].request.url


def test_the_query_of_a_realm_is_not_said_twice() -> None:
    challenge = Challenge(
        "bearer",
        {"realm": f"{REGISTRY}/t?service=own&scope=repository:a:pull", "service": "s", "scope": "x y"},
    )
    url = token_url(challenge, ["repository:a:pull", "y"], "$oauthtoken")
    assert url == f"{REGISTRY}/t?service=own&scope=repository:a:pull&account=%24oauthtoken&scope=x&scope=y"


@pytest.mark.parametrize(
    ("answer", "lifetime_s"),
    [
        ({}, 60),
        ({"expires_in": 300}, 300),
        ({"expires_in": 0}, 60),
        ({"expires_in": -5}, 60),
        ({"expires_in": True}, 60),
        ({"expires_in": "300"}, 60),
        ({"expires_in": 300, "issued_at": 100}, 200),
        ({"expires_in": 300, "issued_at": 1000}, 150),  # more than half of it is a clock that differs
        ({"expires_in": 300, "issued_at": -1000}, 300),
        ({"expires_in": 300, "issued_at": "soon"}, 300),
    ],
)
def test_a_token_lives_as_long_as_its_answer_says(answer: dict[str, Any], lifetime_s: float) -> None:
    given = dict(answer)
    if isinstance(given.get("issued_at"), int):
        issued = datetime.fromtimestamp(time.time(), timezone.utc) - timedelta(seconds=given["issued_at"])
        given["issued_at"] = issued.isoformat()
    assert _lifetime_s(given) == pytest.approx(lifetime_s, abs=2)


def test_a_token_is_renewed_when_nine_tenths_of_its_life_are_over(
    mock: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [1000.0]
    monkeypatch.setattr("ngc_cli.oci.challenge.time.monotonic", lambda: now_s[0])
    mock.get(f"{REGISTRY}/token", json={"token": "tok", "expires_in": 100})
    auth = login().scoped()
    assert auth.renew(refusal(f"{REGISTRY}/v2/", bearer(f"{REGISTRY}/token")))
    for wait_s, calls in ((89, 1), (2, 2)):
        now_s[0] += wait_s
        auth.headers(f"{REGISTRY}/v2/")
        assert len(mock.calls) == calls
