"""The HTTP session: retries, redirects, credentials, errors. ``responses`` plays servers that misbehave."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time

import pytest
import requests
import responses

from ngc_cli.errors import (
    AlreadyExists,
    ConfigError,
    Forbidden,
    NetworkError,
    NgcError,
    NotAuthenticated,
    NotFound,
    ServerError,
)
from ngc_cli.http.auth import NgcCredentials, Scope
from ngc_cli.http.session import Http, HttpSettings

API = "https://api.example"
AUTH = "https://authn.example"
KEY = "legacy-canary-key"


@pytest.fixture
def http() -> Http:
    return Http(HttpSettings(retries=3, backoff_s=0.001))


def credentials(http: Http, key: str = KEY, org: str = "acme") -> NgcCredentials:
    return NgcCredentials(http, key, api_url=API, auth_url=AUTH, org=org)


@pytest.mark.parametrize("statuses", [[429], [500, 502], [503, 503, 504]])
@responses.activate
def test_passing_faults_of_a_server_are_outlived(http: Http, statuses: list[int]) -> None:
    for status in statuses:
        responses.get(f"{API}/x", status=status)
    responses.get(f"{API}/x", json={"ok": True})
    with http.send("GET", f"{API}/x") as answer:
        assert answer.json() == {"ok": True}
    assert len(responses.calls) == len(statuses) + 1


@responses.activate
def test_tries_end(http: Http) -> None:
    responses.get(
        f"{API}/x", status=503, json={"requestStatus": {"statusDescription": "busy", "requestId": "r-1"}}
    )
    with pytest.raises(ServerError, match="busy") as caught:
        http.send("GET", f"{API}/x")
    assert len(responses.calls) == 4
    assert caught.value.request_id == "r-1"


@responses.activate
def test_retry_after_is_obeyed(http: Http) -> None:
    responses.get(f"{API}/x", status=429, headers={"Retry-After": "0.3"})
    responses.get(f"{API}/x", json={})
    started = time.monotonic()
    http.send("GET", f"{API}/x").close()
    assert time.monotonic() - started >= 0.3


@responses.activate
def test_a_long_retry_after_is_told_instead_of_slept(http: Http) -> None:
    responses.get(f"{API}/x", status=429, headers={"Retry-After": "3600"})
    with pytest.raises(ServerError, match="3600 s"):
        http.send("GET", f"{API}/x")


@responses.activate
def test_a_post_is_not_repeated_when_it_may_have_been_done(http: Http) -> None:
    responses.post(f"{API}/x", status=500)
    with pytest.raises(ServerError):
        http.send("POST", f"{API}/x", json={})
    assert len(responses.calls) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, NgcError),
        (401, NotAuthenticated),
        (403, Forbidden),
        (404, NotFound),
        (409, AlreadyExists),
        (501, ServerError),
    ],
)
@responses.activate
def test_statuses_become_errors(http: Http, status: int, kind: type[NgcError]) -> None:
    responses.get(f"{API}/x?sig=secret", status=status, json={"message": "because"})
    with pytest.raises(kind, match="because") as caught:
        http.send("GET", f"{API}/x?sig=secret")
    assert type(caught.value) is kind
    assert caught.value.request == f"GET {API}/x?sig=***"


@responses.activate
def test_an_html_page_is_told_by_its_title(http: Http) -> None:
    responses.get(f"{API}/x", status=403, body="<html><title>Blocked &amp; logged</title><p>long</p></html>")
    with pytest.raises(Forbidden, match="Blocked & logged"):
        http.send("GET", f"{API}/x")


@responses.activate
def test_a_legacy_key_becomes_a_token_once_per_scope(http: Http) -> None:
    responses.get(f"{AUTH}/token", json={"token": "tok-1", "expires_in": 3600})
    responses.get(f"{API}/x", json={})
    auth = credentials(http).scoped(Scope("acme", "team"))
    for _ in range(3):
        http.send("GET", f"{API}/x", auth=auth).close()
    token_call, *api_calls = responses.calls
    basic = base64.b64encode(f"$oauthtoken:{KEY}".encode()).decode()
    assert (
        token_call.request.url == f"{AUTH}/token?service=ngc&scope=group/ngc:acme&scope=group/ngc:acme/team"
    )
    assert token_call.request.headers["Authorization"] == f"Basic {basic}"
    assert [call.request.headers["Authorization"] for call in api_calls] == ["Bearer tok-1"] * 3
    assert api_calls[0].request.headers["nv-ngc-org"] == "acme"


@responses.activate
def test_a_token_refused_midway_is_renewed_once(http: Http) -> None:
    responses.get(f"{AUTH}/token", json={"token": "old-token", "expires_in": 3600})
    responses.get(f"{AUTH}/token", json={"token": "new-token", "expires_in": 3600})
    responses.post(f"{API}/x", status=401)
    responses.post(f"{API}/x", json={})
    http.send("POST", f"{API}/x", json={}, auth=credentials(http).scoped(Scope())).close()
    assert responses.calls[-1].request.headers["Authorization"] == "Bearer new-token"


@pytest.mark.parametrize("key", ["nvapi-canary-0123456789", KEY])
@responses.activate
def test_a_refused_key_is_not_tried_for_ever(http: Http, key: str) -> None:
    responses.get(f"{AUTH}/token", json={"token": "tok", "expires_in": 3600})
    responses.get(f"{API}/x", status=401)
    with pytest.raises(NotAuthenticated) as caught:
        http.send("GET", f"{API}/x", auth=credentials(http, key).scoped(Scope()))
    assert key not in str(caught.value) + caught.value.hint


@responses.activate
def test_a_scoped_key_is_its_own_bearer(http: Http) -> None:
    responses.get(f"{API}/x", json={})
    http.send("GET", f"{API}/x", auth=credentials(http, "nvapi-abc").scoped(Scope())).close()
    assert [call.request.headers["Authorization"] for call in responses.calls] == ["Bearer nvapi-abc"]


def test_an_expired_jwt_is_refused_without_a_request(http: Http) -> None:
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, {"exp": 1})
    ]
    with pytest.raises(NotAuthenticated, match="expired"):
        credentials(http, ".".join([*parts, "c2ln"])).bearer(Scope())


@responses.activate
def test_a_guest_sends_no_credentials(http: Http) -> None:
    responses.get(f"{API}/x", json={})
    http.send("GET", f"{API}/x", auth=credentials(http, "").scoped(Scope())).close()
    assert not {"Authorization", "nv-ngc-org"} & set(responses.calls[0].request.headers)


@pytest.mark.parametrize(
    "target", ["https://files.example/b", "https://api.example:8443/b", "//other.example/b"]
)
@responses.activate
def test_a_redirect_to_another_origin_carries_no_credentials(http: Http, target: str) -> None:
    url = target if target.startswith("https:") else f"https:{target}"
    responses.get(f"{API}/a", status=307, headers={"Location": target})
    responses.get(url, body=b"bytes")
    http.send("GET", f"{API}/a", auth=credentials(http, "nvapi-abc").scoped(Scope())).close()
    first, second = (call.request.headers for call in responses.calls)
    assert first["Authorization"] == "Bearer nvapi-abc"
    assert not {"Authorization", "nv-ngc-org", "nv-ngc-team"} & set(second)


@pytest.mark.parametrize("target", ["http://api.example/b", "file:///etc/passwd", "ftp://api.example/"])
@responses.activate
def test_unsafe_redirects_are_refused(http: Http, target: str) -> None:
    responses.get(f"{API}/a", status=302, headers={"Location": target})
    with pytest.raises(ServerError, match="not safe"):
        http.send("GET", f"{API}/a")


@responses.activate
def test_a_redirect_loop_ends(http: Http) -> None:
    responses.get(f"{API}/a", status=302, headers={"Location": "/a"})
    with pytest.raises(ServerError, match="too many redirects"):
        http.send("GET", f"{API}/a")


@responses.activate
def test_a_key_does_not_travel_in_the_clear(http: Http) -> None:
    responses.get("http://api.example/x", json={})
    plain = NgcCredentials(http, "nvapi-abc", api_url="http://api.example", auth_url=AUTH)
    with pytest.raises(ConfigError, match="without TLS"):
        http.send("GET", "http://api.example/x", auth=plain.scoped(Scope()))
    assert not responses.calls


def test_a_netrc_entry_does_not_replace_the_key(http: Http, tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / ".netrc").write_text("machine api.example login a password b\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    with responses.RequestsMock() as mock:
        mock.get(f"{API}/x", json={})
        http.send("GET", f"{API}/x", auth=credentials(http, "nvapi-abc").scoped(Scope())).close()
        assert mock.calls[0].request.headers["Authorization"] == "Bearer nvapi-abc"


def test_a_refused_connection_is_named() -> None:
    with pytest.raises(NetworkError, match="127.0.0.1:1 refused the connection"):
        Http(HttpSettings(retries=0)).send("GET", "http://127.0.0.1:1/x")


def test_a_name_that_does_not_resolve_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(NetworkError, match="api.example could not be found: the name does not resolve"):
        Http(HttpSettings(retries=0)).send("GET", f"{API}/x")


def test_a_silent_server_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x"
        started = time.monotonic()
        with pytest.raises(NetworkError, match="stopped answering"):
            Http(HttpSettings(retries=0, timeout_s=0.3)).send("GET", url)
        assert time.monotonic() - started < 3


@responses.activate
def test_closing_ends_a_wait_between_tries() -> None:
    http = Http(HttpSettings(retries=3, backoff_s=60))
    responses.get(f"{API}/x", status=503)
    threading.Timer(0.2, http.close).start()
    started = time.monotonic()
    with pytest.raises(NetworkError, match="interrupted"):
        http.send("GET", f"{API}/x")
    assert time.monotonic() - started < 5


def test_no_request_leaves_without_a_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def record(
        session: requests.Session, request: requests.PreparedRequest, **options: object
    ) -> requests.Response:
        seen.append(options["timeout"])
        raise requests.ConnectionError

    monkeypatch.setattr(requests.Session, "send", record)
    with pytest.raises(NetworkError):
        Http(HttpSettings(retries=1, backoff_s=0)).send("GET", f"{API}/x", timeout_s=7)
    assert seen == [(7, 7), (7, 7)]
