"""People of the real service: what the embedded registry never answers (docs/protocol/people.md)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import responses
from responses import matchers

from ngc_cli.api.client import ApiClient
from ngc_cli.api.orgs import OrgApi
from ngc_cli.errors import AlreadyExists, Forbidden, NotFound, ServerError, UsageError
from ngc_cli.http.auth import NgcCredentials
from ngc_cli.http.session import Http, HttpSettings
from ngc_cli.records import Invitation, User
from ngc_cli.services.people.members import Addition, Members, expiry_minutes, require_email
from ngc_cli.services.people.orgs import list_orgs, team_choices, who

URL = "https://api.example.com"
EMAIL = "new@example.com"
USERS = f"{URL}/v2/org/acme/users"
INVITATIONS = f"{URL}/v3/orgs/acme/pending-invitations"
MEMBER = {
    "id": 7,
    "email": EMAIL,
    "name": "New",
    "roles": [{"org": {"name": "acme"}, "orgRoles": ["REGISTRY_READ"]}],
}
ADD = Addition(EMAIL, ("REGISTRY_USER",))


@pytest.fixture
def service() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.post(
            f"{URL}/v3/keys/get-caller-info",
            json={
                "type": "PERSONAL_KEY",
                "orgName": "acme",
                "user": {
                    "id": 1,
                    "starfleetId": "sf-1",
                    "roles": [
                        {"org": {"name": "acme"}, "team": {"name": "red"}, "teamRoles": ["REGISTRY_USER"]}
                    ],
                },
            },
        )
        yield mock


@pytest.fixture
def api() -> Iterator[OrgApi]:
    http = Http(HttpSettings(retries=0))
    yield OrgApi(ApiClient(http, NgcCredentials(http, "nvapi-secret", api_url=URL, auth_url=URL)))
    http.close()


@pytest.fixture
def members(api: OrgApi) -> Members:
    return Members(api, "acme")


def sent(service: responses.RequestsMock, *methods: str) -> list[tuple[str, str, Any]]:
    """Method, path and JSON body of the calls that change something."""
    return [
        (
            call.request.method,
            call.request.path_url,
            json.loads(call.request.body) if call.request.body else None,
        )
        for call in service.calls
        if call.request.method in (methods or ("POST", "PATCH", "DELETE"))
        and "get-caller-info" not in str(call.request.url)
    ]


def test_adding_where_a_key_may_not_see_invitations(
    service: responses.RequestsMock, members: Members
) -> None:
    service.get(USERS, json={"users": []})
    service.get(INVITATIONS, status=403, json={})
    service.post(USERS, json={"user": {}})
    change = members.add(ADD)
    assert (change.result, change.user.email) == ("invited", EMAIL)
    assert change.invitation == Invitation(user_email=EMAIL, user_roles=("REGISTRY_USER",))
    assert sent(service) == [("POST", "/v2/org/acme/users", {"email": EMAIL, "roleTypes": ["REGISTRY_USER"]})]


def test_a_server_that_ignores_the_filter_makes_nobody_a_member(
    service: responses.RequestsMock, members: Members
) -> None:
    service.get(USERS, json={"users": [{**MEMBER, "email": "other@example.com"}]})
    service.get(
        INVITATIONS,
        json={"invitations": [{"userEmail": "other@example.com", "userRoles": ["REGISTRY_USER"]}]},
    )
    service.post(USERS, json={})
    assert members.add(ADD).result == "invited"
    with pytest.raises(NotFound):
        members.member(EMAIL)


def test_somebody_added_without_an_invitation(service: responses.RequestsMock, members: Members) -> None:
    service.get(USERS, json={"users": []})
    service.get(USERS, json={"users": [MEMBER]})
    service.get(INVITATIONS, json={"invitations": None})
    service.post(USERS, json={})
    change = members.add(ADD)
    assert (change.result, change.roles, change.invitation) == ("added", ("REGISTRY_READ",), None)


def test_a_pending_invitation_is_no_error(service: responses.RequestsMock, members: Members) -> None:
    service.get(USERS, json={"users": []})
    service.get(INVITATIONS, status=401, json={})
    refusal = {"requestStatus": {"statusDescription": "Pending invitation exists"}}
    service.post(USERS, status=409, json=refusal)
    assert members.add(ADD).result == "unchanged"


def test_a_member_only_the_server_recognises(service: responses.RequestsMock, members: Members) -> None:
    service.get(USERS, status=403, json={})
    service.get(f"{URL}/v2/org/acme/teams/red", json={"team": {"name": "red"}})
    service.get(f"{URL}/v2/org/acme/team/red/users", json={"users": []})
    service.get(INVITATIONS, status=403, json={})
    service.get(f"{URL}/v3/orgs/acme/teams/red/pending-invitations", status=403, json={})
    service.post(f"{URL}/v3/orgs/acme/invitations", json={"status": "already_member"})
    service.patch(
        re.compile(f"{URL}/v3/orgs/acme/teams/red/users/new%40example.com/add-role"),
        json={},
        match=[
            matchers.query_param_matcher({"roles": "REGISTRY_USER"}),
            matchers.header_matcher({"NV-actor-ID": "sf-1"}),
        ],
    )
    change = members.add(Addition(EMAIL, ("REGISTRY_USER",), team="red"))
    assert (change.result, change.team, change.user) == ("added", "red", User(email=EMAIL))
    (invited, _patched) = sent(service)
    assert invited[2]["roles"] == [{"name": "REGISTRY_USER", "resourceGroups": ["red"]}]
    assert invited[2]["invitationExpirationIn"] == 1440


def test_a_conflict_that_is_no_invitation_means_a_member(
    service: responses.RequestsMock, members: Members
) -> None:
    service.get(USERS, json={"users": []})
    service.get(INVITATIONS, json={"invitations": []})
    service.post(USERS, status=409, json={"requestStatus": {"statusDescription": "User exists"}})
    service.patch(re.compile(f"{URL}/v3/orgs/acme/users/.*/add-role"), json={})
    assert members.add(ADD).result == "added"
    assert [call[0] for call in sent(service)] == ["POST", "PATCH"]


def test_a_conflict_in_the_making_of_a_team_stays_one(
    service: responses.RequestsMock, members: Members
) -> None:
    service.get(f"{URL}/v2/org/acme/teams/red", status=404, json={})
    service.get(f"{URL}/v2/org/acme/teams", json={"teams": []})
    service.post(f"{URL}/v2/org/acme/teams", status=409, json={})
    with pytest.raises(AlreadyExists):
        members.add(Addition(EMAIL, ("REGISTRY_USER",), team="red", create_team=True))


def test_invitations_without_numbers_are_counted_over_all_pages(
    service: responses.RequestsMock, members: Members
) -> None:
    everybody = [{"userEmail": f"u{n}@example.com"} for n in range(1, 251)]
    for page in range(3):
        first = {} if page == 0 else {"page-number": str(page)}
        service.get(
            INVITATIONS,
            json={
                "invitations": everybody[page * 100 : page * 100 + 100],
                "paginationInfo": {"size": 100, "totalResults": 250},
            },
            match=[matchers.query_param_matcher({"page-size": "100", **first})],
        )
    assert members.invitation("101").user_email == "u101@example.com"
    assert members.invitation("250").user_email == "u250@example.com"
    with pytest.raises(NotFound, match="'251'"):
        members.invitation("251")
    with pytest.raises(UsageError):
        members.invitation("first")


def test_a_number_that_is_no_user_may_be_an_invitation(
    service: responses.RequestsMock, members: Members
) -> None:
    service.get(f"{USERS}/2", status=404, json={})
    service.get(INVITATIONS, json={"invitations": [{"userEmail": "a@b.c"}, {"userEmail": EMAIL}]})
    assert members.look_up("2", "") == Invitation(user_email=EMAIL, id=2)


def test_a_key_that_sees_only_its_team_looks_there(service: responses.RequestsMock, members: Members) -> None:
    service.get(f"{USERS}/7", status=403, json={})
    service.get(f"{URL}/v3/orgs/acme/teams/red/users/7", json={"user": MEMBER})
    found = members.look_up("7", "red")
    assert isinstance(found, User)
    assert found.email == EMAIL
    with pytest.raises(Forbidden):
        members.look_up("7", "")


def test_a_user_without_an_address_cannot_be_changed(
    service: responses.RequestsMock, members: Members
) -> None:
    service.get(f"{USERS}/7", json={"user": {"id": 7}})
    with pytest.raises(ServerError, match="e-mail"):
        members.update("7", add=["REGISTRY_READ"])


def test_no_user_in_the_answer_is_not_found(service: responses.RequestsMock, members: Members) -> None:
    service.get(f"{USERS}/7", json={"requestStatus": {"statusCode": "SUCCESS"}})
    with pytest.raises(NotFound):
        members.member("7")


def test_replacing_roles_adds_before_it_takes_away(service: responses.RequestsMock, members: Members) -> None:
    service.get(USERS, json={"users": [MEMBER]})
    service.get(f"{USERS}/7", json={"user": MEMBER})
    service.patch(re.compile(f"{USERS.replace('v2/org', 'v3/orgs')}/.*"), json={})
    service.delete(re.compile(f"{USERS.replace('v2/org', 'v3/orgs')}/.*"), json={})
    members.update(EMAIL, replace=["REGISTRY_USER"])
    assert [call[:2] for call in sent(service)] == [
        ("PATCH", "/v3/orgs/acme/users/new%40example.com/add-role?roles=REGISTRY_USER"),
        ("DELETE", "/v3/orgs/acme/users/new%40example.com/remove-role?roles=REGISTRY_READ"),
    ]


def test_the_org_of_a_scoped_key_that_may_not_list_orgs(service: responses.RequestsMock, api: OrgApi) -> None:
    service.get(f"{URL}/v2/orgs", status=403, json={})
    service.get(f"{URL}/v2/orgs/acme", status=403, json={})
    assert [org.name for org in list_orgs(api).items] == ["acme"]
    service.replace(responses.GET, f"{URL}/v2/orgs", json={"organizations": []})
    service.replace(responses.GET, f"{URL}/v2/orgs/acme", json={"organizations": {"id": 5, "name": "acme"}})
    assert [org.id for org in list_orgs(api).items] == [5]


def test_the_teams_of_a_scoped_key_that_may_not_list_teams(
    service: responses.RequestsMock, api: OrgApi
) -> None:
    service.get(f"{URL}/v2/org/acme/teams", status=403, json={})
    assert [team.name for team in team_choices(api, "acme")] == ["red"]


def test_who_with_a_scoped_key_asks_about_the_key_only(service: responses.RequestsMock, api: OrgApi) -> None:
    assert who(api, "acme").id == 1
    (call,) = service.calls
    assert call.request.body == b"credentials=nvapi-secret"
    assert not {"Authorization", "nv-ngc-org"} & set(call.request.headers)


def test_no_redirect_carries_the_key_away(service: responses.RequestsMock, api: OrgApi) -> None:
    moved = {"Location": "https://evil.example.com/x"}
    service.replace(responses.POST, f"{URL}/v3/keys/get-caller-info", status=307, headers=moved, body="")
    evil = service.post("https://evil.example.com/x", json={})
    with pytest.raises(ServerError):
        api.caller()
    assert evil.call_count == 0


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("1 hour", 60),
        ("6 Hours", 360),
        ("24 hours", 1440),
        (" 1 week", 10080),
        ("1 month", 43200),
        ("720", 43200),
        ("1", 60),
    ],
)
def test_how_long_an_invitation_is_open(text: str, minutes: int) -> None:
    assert expiry_minutes(text) == minutes


@pytest.mark.parametrize("text", ["", "0", "721", "1.5", "-1", "²", "a week"])
def test_what_is_no_such_time(text: str) -> None:
    with pytest.raises(UsageError):
        expiry_minutes(text)


@pytest.mark.parametrize("text", ["", "a", "@", "a@", "@b", "a b@c.d", "a@b@c", "a\n@b.c", "a@" + "b" * 320])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UsageError):
        require_email(text)


def test_a_refusal_to_list_members_is_not_swallowed(
    service: responses.RequestsMock, members: Members
) -> None:
    service.get(USERS, status=403, json={})
    with pytest.raises(Forbidden):
        members.add(ADD)
