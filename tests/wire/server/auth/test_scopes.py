"""The token flow of nvcr.io (docs/protocol/distribution.md#token-endpoint), and who may do what with a
token."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime, timezone

import pytest
import requests
from sqlalchemy import delete, select
from support.distribution import UNKNOWN_DIGEST, Distribution, error_code, image
from support.registry import RunningRegistry, wait_until

from ngc_cli.server.metadata import KeyKind, Membership, User

NewRepository = Callable[..., Distribution]


def claims(token: str) -> dict[str, object]:
    part = token.split(".")[1]
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def granted(token: str) -> dict[str, set[str]]:
    """Actions by the name of the repository; read from the token, as no API tells them."""
    entries = claims(token)["access"]
    assert isinstance(entries, list)
    return {entry["name"]: set(entry["actions"]) for entry in entries}


def make_public(registry: RunningRegistry, path: str, guests: bool) -> None:
    org, name = path.split("/")
    admin = registry.session(registry.key(org=org, role="REGISTRY_ADMIN"))
    answer = admin.patch(f"/v2/org/{org}/repos/{name}", json={"isPublic": True, "canGuestPull": guests})
    assert answer.status_code == 200


# the challenge


@pytest.mark.parametrize(
    ("method", "path", "actions"),
    [
        ("GET", "manifests/latest", "pull"),
        ("HEAD", "manifests/latest", "pull"),
        ("GET", f"blobs/{UNKNOWN_DIGEST}", "pull"),
        ("GET", "tags/list", "pull"),
        ("GET", f"referrers/{UNKNOWN_DIGEST}", "pull"),
        ("PUT", "manifests/latest", "pull,push"),
        ("POST", "blobs/uploads/", "pull,push"),
        ("PATCH", "blobs/uploads/some-session", "pull,push"),
        ("DELETE", "manifests/latest", "delete"),
        ("DELETE", f"blobs/{UNKNOWN_DIGEST}", "delete"),
    ],
)
def test_without_a_token_everything_is_challenged(
    repository: Distribution, method: str, path: str, actions: str
) -> None:
    answer = repository.send(method, path, token="")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == (
        f'Bearer realm="{repository.base_url}/proxy_auth",scope="repository:{repository.repository}:{actions}"'
    )
    if method != "HEAD":
        assert error_code(answer) == "UNAUTHORIZED"


def test_a_challenge_can_be_met(repository: Distribution) -> None:
    """Ask, read the challenge, get a token, ask again: what every client does."""
    repository.push(image("hello"), "v1")
    header = repository.send("GET", "manifests/v1", token="").headers["WWW-Authenticate"]
    parameters = dict(part.split("=", 1) for part in header.removeprefix("Bearer ").split(","))
    answer = requests.get(
        parameters["realm"].strip('"'),
        params={"account": "$oauthtoken", "scope": parameters["scope"].strip('"')},
        auth=("$oauthtoken", str(repository.key)),
        timeout=30,
    )
    assert repository.send("GET", "manifests/v1", token=answer.json()["token"]).status_code == 200


# the token endpoint


def test_a_token_answer_has_both_names_and_a_fresh_moment(repository: Distribution) -> None:
    answer = repository.ask_token(repository.scope)
    body = answer.json()
    assert body["token"] == body["access_token"]
    assert body["expires_in"] == 600
    assert "refresh_token" not in body
    age = datetime.now(timezone.utc) - datetime.fromisoformat(body["issued_at"].replace("Z", "+00:00"))
    assert abs(age.total_seconds()) < 60
    assert answer.headers["Cache-Control"] == "no-store"


def test_scopes_in_every_form(repository: Distribution) -> None:
    mine, other = repository.repository, f"{repository.repository}-other"
    everything = {"pull", "push", "delete"}
    for scopes, expected in (
        ([f"repository:{mine}:pull"], {mine: {"pull"}}),
        ([f"repository:{mine}:pull,push"], {mine: {"pull", "push"}}),
        ([f"repository:{mine}:push,pull"], {mine: {"pull", "push"}}),
        ([f"repository:{mine}:*"], {mine: everything}),
        ([f"repository:{mine}:pull,push,fly"], {mine: {"pull", "push"}}),
        (
            [f"repository:{mine}:pull,push", f"repository:{other}:pull"],
            {mine: {"pull", "push"}, other: {"pull"}},
        ),
        ([f"repository:{mine}:pull repository:{other}:pull"], {mine: {"pull"}, other: {"pull"}}),
        ([], {}),
        (["", "nonsense", "repository:", "robot:x:pull", f"repository:{mine}:"], {}),
        (["repository:UPPER/Case:pull", "repository:../..:pull", "repository:a:pull"], {}),
    ):
        answer = repository.ask_token(
            *scopes, account="$oauthtoken", client_id="docker", offline_token="true"
        )
        assert answer.status_code == 200
        assert granted(answer.json()["token"]) == expected
    assert repository.ask_token(service="registry").status_code == 200


@pytest.mark.parametrize("kind", list(KeyKind))
def test_every_kind_of_key_gets_a_token(registry: RunningRegistry, image_org: str, kind: KeyKind) -> None:
    repository = Distribution(registry.url, f"{image_org}/net", registry.key(org=image_org, kind=kind))
    repository.push(image("hello"), "v1")
    assert granted(repository.token(repository.scope))[f"{image_org}/net"] == {"pull", "push", "delete"}


@pytest.mark.parametrize(
    "header",
    ["Basic " + base64.b64encode(b"$oauthtoken:wrong").decode(), "Basic ???", "Basic", "Bearer x", ""],
)
def test_a_bad_key_gets_no_token(repository: Distribution, header: str) -> None:
    answer = repository.session.get(
        f"{repository.base_url}/proxy_auth", headers={"Authorization": header}, timeout=30
    )
    assert answer.status_code == 401
    assert error_code(answer) == "UNAUTHORIZED"
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_there_is_no_refresh_flow(repository: Distribution) -> None:
    answer = repository.session.post(
        f"{repository.base_url}/proxy_auth", data={"grant_type": "refresh_token"}, timeout=30
    )
    assert (answer.status_code, error_code(answer)) == (405, "UNSUPPORTED")


# what a token is good for


@pytest.mark.parametrize(
    ("role", "actions"),
    [
        ("REGISTRY_READ", {"pull"}),
        ("REGISTRY_USER", {"pull", "push", "delete"}),
        ("REGISTRY_ADMIN", {"pull", "push", "delete"}),
        ("ORG_OWNER", {"pull", "push", "delete"}),
        ("USER_ADMIN", set()),
        ("FLEET_COMMAND_VIEWER", set()),
    ],
)
def test_a_token_holds_what_the_role_allows(
    repository: Distribution, new_repository: NewRepository, role: str, actions: set[str]
) -> None:
    repository.push(image("hello"), "v1")
    someone = Distribution(repository.base_url, repository.repository, new_repository(role).key)
    token = someone.token(f"repository:{repository.repository}:*")
    assert granted(token).get(repository.repository, set()) == actions
    expected = {"pull": 200, "push": 202, "delete": 202}
    for action, (method, path) in {
        "pull": ("GET", "manifests/v1"),
        "push": ("POST", "blobs/uploads/"),
        "delete": ("DELETE", "manifests/v1"),
    }.items():
        answer = someone.send(method, path, token=token)
        assert answer.status_code == (expected[action] if action in actions else 403)
        if action not in actions:
            assert error_code(answer) == "DENIED"


def test_teams_keep_to_themselves(
    registry: RunningRegistry, image_org: str, new_repository: NewRepository
) -> None:
    mine, yours = registry.team(image_org), registry.team(image_org)
    member = registry.key(org=image_org, team=mine)
    inside = Distribution(registry.url, f"{image_org}/{mine}/net", member)
    inside.push(image("hello"), "v1")
    for place, status in ((f"{image_org}/{yours}/net", 403), (f"{image_org}/net", 403)):
        outside = Distribution(registry.url, place, member)
        assert outside.send("POST", "blobs/uploads/").status_code == status
    new_repository(name="net").push(image("org level"), "v1")
    neighbour = Distribution(registry.url, f"{image_org}/net", member)
    assert neighbour.send("GET", "manifests/v1").status_code == 200  # members of teams read what is the org's
    user_of_org = new_repository(team=mine, name="net")
    assert user_of_org.send("GET", "manifests/v1").status_code == 403
    administrator = new_repository("REGISTRY_ADMIN", team=mine, name="net")
    assert administrator.send("GET", "manifests/v1").status_code == 200


@pytest.mark.parametrize("path", ["nosuchorg/net", "{org}/nosuchteam/net"])
def test_names_of_others_cannot_be_probed(registry: RunningRegistry, image_org: str, path: str) -> None:
    stranger = Distribution(registry.url, path.format(org=image_org), registry.key(org=registry.org()))
    existing = Distribution(registry.url, f"{image_org}/net", stranger.key)
    answers = {
        (a.status_code, error_code(a)) for a in (s.send("GET", "tags/list") for s in (stranger, existing))
    }
    assert answers == {(403, "DENIED")}


def test_a_token_is_good_for_its_repository_only(
    repository: Distribution, other_repository: Distribution
) -> None:
    other_repository.push(image("hello"), "v1")
    token = repository.token(repository.scope)
    answer = other_repository.send("GET", "manifests/v1", token=token)
    assert (answer.status_code, error_code(answer)) == (401, "UNAUTHORIZED")
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
    assert f'scope="{other_repository.scope.rpartition(":")[0]}:pull"' in answer.headers["WWW-Authenticate"]


def test_a_pull_token_does_not_push(repository: Distribution) -> None:
    repository.push(image("hello"), "v1")
    token = repository.token(f"repository:{repository.repository}:pull")
    for method, path in (("POST", "blobs/uploads/"), ("PUT", "manifests/v1"), ("DELETE", "manifests/v1")):
        answer = repository.send(method, path, token=token, data=b"{}")
        assert answer.status_code == 401
        assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
    repository.assert_holds(image("hello"), "v1")


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", "{ngc}", "{key}", "{changed}"])
def test_what_is_no_token_of_this_api_is_refused(
    registry: RunningRegistry, repository: Distribution, token: str
) -> None:
    """Tokens and keys of the NGC API carry no scope, and a token cannot be edited."""
    ngc = registry.session().get("/token", auth=("$oauthtoken", str(repository.key))).json()["token"]
    head, body, mac = repository.token(f"repository:{repository.repository}:pull").split(".")
    wider = base64.urlsafe_b64encode(base64.urlsafe_b64decode(body + "==").replace(b"pull", b"push")).decode()
    value = token.format(ngc=ngc, key=repository.key, changed=f"{head}.{wider.rstrip('=')}.{mac}")
    answer = repository.send("GET", "tags/list", token=value)
    assert (answer.status_code, error_code(answer)) == (401, "UNAUTHORIZED")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


def test_a_token_of_this_api_is_no_good_for_the_other(
    registry: RunningRegistry, repository: Distribution
) -> None:
    session = registry.session(repository.token(f"repository:{repository.repository}:pull"))
    assert session.get("/v2/users/me").status_code == 401


def test_an_expired_token_is_refused_with_a_fresh_challenge(
    start_registry: Callable[..., RunningRegistry],
) -> None:
    registry = start_registry("--token-ttl", "1")
    org = registry.org()
    repository = Distribution(registry.url, f"{org}/net", registry.key(org=org))
    answer = repository.ask_token(repository.scope).json()
    assert answer["expires_in"] == 1
    wait_until(lambda: repository.send("GET", "/v2/", token=answer["token"]).status_code == 401)
    refused = repository.send("GET", "tags/list", token=answer["token"])
    assert refused.headers["WWW-Authenticate"] == (
        f'Bearer realm="{registry.url}/proxy_auth",scope="repository:{org}/net:pull",error="invalid_token"'
    )


# revocation


def test_a_revoked_key_ends_its_tokens_at_once(registry: RunningRegistry, repository: Distribution) -> None:
    repository.push(image("hello"), "v1")
    location = repository.start_upload()
    registry.revoke(str(repository.key))
    assert repository.send("GET", "manifests/v1").status_code == 401
    assert repository.send("PATCH", location, data=b"x").status_code == 401
    assert repository.ask_token(repository.scope).status_code == 401


def test_a_role_taken_away_ends_what_it_allowed_at_once(registry: RunningRegistry, image_org: str) -> None:
    email = registry.user(org=image_org)
    repository = Distribution(registry.url, f"{image_org}/net", registry.key(email, org=image_org))
    repository.push(image("hello"), "v1")
    with registry.data.database.writing() as db:
        user_id = db.scalar(select(User.id).where(User.email == email))
        db.execute(delete(Membership).where(Membership.user_id == user_id))
    answer = repository.send("GET", "manifests/v1")
    assert (answer.status_code, error_code(answer)) == (403, "DENIED")
    assert granted(repository.token(repository.scope)) == {}


# guests


def test_guests_pull_what_is_open_to_them_and_nothing_else(
    registry: RunningRegistry, repository: Distribution
) -> None:
    one = image("hello")
    repository.push(one, "v1")
    guest = Distribution(registry.url, repository.repository, None)
    stranger = Distribution(registry.url, repository.repository, registry.key(org=registry.org()))
    assert granted(guest.token(guest.scope)) == {}
    assert guest.send("GET", "manifests/v1").status_code == 401
    make_public(registry, repository.repository, guests=False)
    assert guest.send("GET", "manifests/v1", token=guest.token(guest.scope)).status_code == 401
    assert granted(stranger.token(stranger.scope)) == {repository.repository: {"pull"}}
    stranger.assert_holds(one, "v1")
    make_public(registry, repository.repository, guests=True)
    token = guest.token(guest.scope)
    assert granted(token) == {repository.repository: {"pull"}}
    for path in ("manifests/v1", f"blobs/{one.blobs[0].digest}", "tags/list", f"referrers/{one.digest}"):
        assert guest.send("GET", path, token=token).status_code == 200
    for method, path in (("POST", "blobs/uploads/"), ("PUT", "manifests/v1"), ("DELETE", "manifests/v1")):
        refused = guest.send(method, path, token=token, data=b"{}")
        assert refused.status_code == 401
        assert "WWW-Authenticate" in refused.headers
    assert guest.send("GET", "manifests/v1", token="").status_code == 401  # a token even then, as nvcr.io


def test_a_public_image_that_closes_again_is_closed_at_once(
    registry: RunningRegistry, repository: Distribution
) -> None:
    repository.push(image("hello"), "v1")
    make_public(registry, repository.repository, guests=True)
    guest = Distribution(registry.url, repository.repository, None)
    token = guest.token(guest.scope)
    assert guest.send("GET", "manifests/v1", token=token).status_code == 200
    org, name = repository.repository.split("/")
    admin = registry.session(registry.key(org=org, role="REGISTRY_ADMIN"))
    admin.patch(f"/v2/org/{org}/repos/{name}", json={"canGuestPull": False})
    assert guest.send("GET", "manifests/v1", token=token).status_code == 401


# the catalog


def test_the_catalog_shows_administrators_what_is_theirs(
    registry: RunningRegistry, image_org: str, new_repository: NewRepository
) -> None:
    team = registry.team(image_org)
    paths = [f"{image_org}/a", f"{image_org}/b", f"{image_org}/c"]
    for name in "abc":
        new_repository(name=name).push(image("hello"), "v1")
    leader = registry.key(org=image_org, team=team, role="REGISTRY_ADMIN")
    inside = Distribution(registry.url, f"{image_org}/{team}/net", leader)
    inside.push(image("hello"), "v1")
    administrator = new_repository("REGISTRY_ADMIN")
    token = administrator.token("registry:catalog:*")

    def listed(query: str = "") -> requests.Response:
        return administrator.send("GET", f"/v2/_catalog{query}", token=token)

    everything = sorted([*paths, inside.repository])
    assert listed().json() == {"repositories": everything}
    first = listed("?n=3")
    assert first.json()["repositories"] == everything[:3]
    rest = administrator.send("GET", first.links["next"]["url"], token=token)
    assert (rest.json()["repositories"], rest.links) == (everything[3:], {})
    seen = inside.send("GET", "/v2/_catalog", token=inside.token("registry:catalog:*"))
    assert seen.json() == {"repositories": [inside.repository]}
    user = new_repository()
    assert user.send("GET", "/v2/_catalog", token=user.token("registry:catalog:*")).json() == {
        "repositories": []
    }
    for repository, scope in (
        (user, user.scope),
        (Distribution(registry.url, "a/b", None), "registry:catalog:*"),
    ):
        refused = repository.send("GET", "/v2/_catalog", token=repository.token(scope))
        assert refused.status_code == 401
        assert 'scope="registry:catalog:*"' in refused.headers["WWW-Authenticate"]


# secrets


def test_neither_keys_nor_tokens_are_kept_or_logged(
    registry: RunningRegistry, repository: Distribution
) -> None:
    token = repository.token(repository.scope)
    repository.push(image("hello"), "v1")
    repository.send("GET", "manifests/nosuch", token=token)
    repository.send("GET", "manifests/v1", token=token + "x")
    repository.session.get(
        f"{repository.base_url}/proxy_auth", auth=("$oauthtoken", f"{repository.key}x"), timeout=30
    )
    dump = registry.dump()
    for secret in (str(repository.key), token, token.rpartition(".")[2]):
        assert secret.encode() not in dump
