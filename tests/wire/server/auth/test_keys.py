"""Keys, tokens and the caller's own account over HTTP (docs/protocol/authentication.md)."""

from __future__ import annotations

import pytest
from support.registry import RunningRegistry

from ngc_cli.server.metadata import KeyKind


def test_a_legacy_key_is_exchanged_for_a_token_that_works(registry: RunningRegistry) -> None:
    org = registry.org()
    key = registry.key(org=org, kind=KeyKind.LEGACY)
    answer = registry.session().get(
        f"/token?service=ngc&scope=group/ngc:{org}&scope=group/ngc:{org}/t", auth=("$oauthtoken", key)
    )
    assert answer.status_code == 200
    assert answer.json()["expires_in"] == 3600
    me = registry.session(answer.json()["token"]).get("/v2/users/me")
    assert me.json()["user"]["roles"][0]["orgRoles"] == ["REGISTRY_USER"]


def test_the_dangling_ampersand_of_an_unscoped_token_is_fine(registry: RunningRegistry) -> None:
    key = registry.key(org=registry.org(), kind=KeyKind.LEGACY)
    answer = registry.session().get("/token?service=ngc&", auth=("$oauthtoken", key))
    assert answer.status_code == 200


@pytest.mark.parametrize("header", ["", "Bearer x", "Basic ???", "Basic eDp5"])
def test_a_bad_key_gets_no_token(registry: RunningRegistry, header: str) -> None:
    answer = registry.session().get("/token?service=ngc&", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.json()["requestStatus"]["statusCode"] == "UNAUTHORIZED"
    assert answer.headers["X-Request-Id"] == answer.json()["requestStatus"]["requestId"]


def test_revoking_a_key_ends_its_tokens_at_once(registry: RunningRegistry) -> None:
    key = registry.key(org=registry.org(), kind=KeyKind.LEGACY)
    token = registry.session().get("/token", auth=("$oauthtoken", key)).json()["token"]
    session = registry.session(token)
    assert session.get("/v2/users/me").status_code == 200
    registry.revoke(key)
    assert session.get("/v2/users/me").status_code == 401
    assert registry.session().get("/token", auth=("$oauthtoken", key)).status_code == 401


def test_a_scoped_key_is_introspected(registry: RunningRegistry) -> None:
    org = registry.org()
    team = registry.team(org)
    key = registry.key("Somebody@Example.com", org=org, team=team, role="REGISTRY_WRITE_TEAM_ADMIN_ROLE")
    info = registry.session().post("/v3/keys/get-caller-info", data={"credentials": key}).json()
    assert (info["type"], info["orgName"]) == ("PERSONAL_KEY", org)
    assert info["user"]["email"] == "somebody@example.com"
    assert info["user"]["roles"][0]["team"]["name"] == team
    assert info["user"]["roles"][0]["teamRoles"] == ["REGISTRY_ADMIN"]


def test_a_service_key_has_no_user(registry: RunningRegistry) -> None:
    org = registry.org()
    key = registry.key(org=org, kind=KeyKind.SERVICE, role="REGISTRY_READ")
    info = registry.session().post("/v3/keys/get-caller-info", data={"credentials": key}).json()
    assert info["type"] == "SERVICE_KEY"
    assert "user" not in info
    assert registry.session(key).get("/v2/users/me").status_code == 404


def test_guests_may_ask_what_clients_ask_first(registry: RunningRegistry) -> None:
    guest = registry.session()
    assert guest.get("/health").json()["health"]["healthCode"] == "OK"
    assert guest.get("/v2/products").json()["products"] == []
    assert guest.get("/v2/resources/nvidia/ngc-apps/ngc_cli").json()["recipe"]["latestVersionIdStr"]
    assert guest.get("/v2/echo/address").json()["address"] == "127.0.0.1"
    assert {"REGISTRY_ADMIN", "REGISTRY_READ"} <= {
        role["name"] for role in guest.get("/roles").json()["roles"]
    }
    assert guest.get("/v2/users/me").status_code == 401


def test_no_key_and_no_token_is_kept_or_logged(registry: RunningRegistry) -> None:
    org = registry.org()
    legacy, scoped = registry.key(org=org, kind=KeyKind.LEGACY), registry.key(org=org)
    token = registry.session().get("/token", auth=("$oauthtoken", legacy)).json()["token"]
    registry.session().post("/v3/keys/get-caller-info", data={"credentials": scoped})
    for secret in (token, scoped, legacy):
        registry.session(secret).get("/v2/users/me")
        registry.session(secret).get("/nowhere")
    kept = registry.dump()
    assert b"/v3/keys/get-caller-info" in kept
    for secret in (token, scoped, legacy):
        assert secret.encode() not in kept
