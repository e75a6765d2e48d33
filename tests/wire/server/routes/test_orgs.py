"""Orgs, teams, users and invitations over HTTP.

See docs/protocol/people.md#endpoints and docs/protocol/conventions.md#paging.
"""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest
import requests
from support.registry import RunningRegistry

from ngc_cli.server import admin
from ngc_cli.server.metadata import KeyKind, Membership, User


@pytest.fixture
def org(registry: RunningRegistry) -> str:
    return registry.org()


@pytest.fixture
def boss(registry: RunningRegistry, org: str) -> requests.Session:
    """An administrator of the org."""
    return registry.session(registry.key(org=org, role="REGISTRY_ADMIN"))


def me_of(session: requests.Session) -> dict[str, Any]:
    return session.get("/v2/users/me").json()["user"]


def roles_of(session: requests.Session, org: str, email: str) -> dict[str, list[str]]:
    """``org`` or the team's name to roles, for one member."""
    found = session.get(f"/v2/org/{org}/users", params={"q": by_email(email)}).json()["users"]
    entries = found[0]["roles"] if found else []
    return {
        entry["team"]["name"] if "team" in entry else "org": entry.get("teamRoles") or entry["orgRoles"]
        for entry in entries
    }


def by_email(email: str) -> str:
    return json.dumps({"filters": [{"field": "email", "value": email}]})


def invited(session: requests.Session, org: str, team: str = "") -> list[tuple[str, str, list[str]]]:
    path = f"/v3/orgs/{org}/teams/{team}" if team else f"/v3/orgs/{org}"
    found = session.get(f"{path}/pending-invitations?page-size=100&page-number=0").json()
    assert found["paginationInfo"]["totalResults"] == len(found["invitations"])
    return [(item["userEmail"], item["teamName"], item["userRoles"]) for item in found["invitations"]]


# orgs and teams


def test_orgs_of_the_caller(registry: RunningRegistry, org: str, boss: requests.Session) -> None:
    listed = boss.get("/v2/orgs?page-size=500").json()
    assert [item["name"] for item in listed["organizations"]] == [org]
    assert listed["paginationInfo"] == {"index": 0, "size": 500, "totalResults": 1, "totalPages": 1}
    assert boss.get(f"/v2/orgs/{org}").json()["organizations"]["name"] == org
    loner = registry.session(registry.key())
    assert loner.get("/v2/orgs").json()["organizations"] == []
    assert loner.get(f"/v2/orgs/{org}").status_code == 403


def test_a_team_is_made_changed_and_removed(org: str, boss: requests.Session) -> None:
    teams = f"/v2/org/{org}/teams"
    made = boss.post(teams, json={"name": "team_a", "description": "Team A"}).json()["team"]
    assert (made["name"], made["description"], made["isDeleted"]) == ("team_a", "Team A", False)
    assert isinstance(made["id"], int)
    again = boss.post(teams, json={"name": "team_a"})
    assert (again.status_code, again.json()["requestStatus"]["statusCode"]) == (409, "EXISTS")
    assert boss.post(teams, json={"name": "team-a"}).status_code == 200
    assert boss.patch(f"{teams}/team_a", json={"description": "Other"}).status_code == 200
    assert boss.get(f"{teams}/team_a").json()["team"] == {**made, "description": "Other"}
    assert [item["name"] for item in boss.get(teams).json()["teams"]] == ["team-a", "team_a"]
    assert boss.delete(f"{teams}/team_a").json()["requestStatus"]["statusCode"] == "SUCCESS"
    assert boss.get(f"{teams}/team_a").status_code == 404
    assert boss.delete(f"{teams}/team_a").status_code == 404


@pytest.mark.parametrize(
    "name", ["", "a", "Team", "1team", "team-", "team_", "a" * 20, "a b", "te/am", "teäm", "no-team", None, 7]
)
def test_names_that_no_team_may_have(org: str, boss: requests.Session, name: Any) -> None:
    assert boss.post(f"/v2/org/{org}/teams", json={"name": name, "description": ""}).status_code == 422


def test_a_description_has_a_limit(org: str, boss: requests.Session) -> None:
    for size, status in ((255, 200), (256, 422)):
        sent = {"name": f"team-{size}", "description": "d" * size}
        assert boss.post(f"/v2/org/{org}/teams", json=sent).status_code == status


def test_members_see_their_own_teams_only(
    registry: RunningRegistry, org: str, boss: requests.Session
) -> None:
    mine, other = registry.team(org), registry.team(org)
    member = registry.session(registry.key(org=org, team=mine))
    assert [item["name"] for item in member.get(f"/v2/org/{org}/teams").json()["teams"]] == [mine]
    assert member.get(f"/v2/org/{org}/teams/{mine}").status_code == 200
    assert member.get(f"/v2/org/{org}/teams/{other}").status_code == 403
    assert member.get(f"/v2/org/{org}/teams/nowhere").status_code == 403
    assert len(boss.get(f"/v2/org/{org}/teams").json()["teams"]) == 2


def test_a_team_that_holds_something_stays(
    registry: RunningRegistry, org: str, boss: requests.Session
) -> None:
    team = registry.team(org)
    created = boss.post(
        f"/v2/org/{org}/team/{team}/models",
        json={"name": "bert", "publicDatasetUsed": {}, "labelsV2": []},
    )
    assert created.status_code == 200, created.text
    refused = boss.delete(f"/v2/org/{org}/teams/{team}")
    assert refused.status_code == 409
    assert "still has" in refused.json()["requestStatus"]["statusDescription"]
    assert boss.get(f"/v2/org/{org}/teams/{team}").status_code == 200


# the caller


def test_me_with_the_roles_of_one_org_or_all(registry: RunningRegistry, org: str) -> None:
    other = registry.org()
    email = registry.user(org=org)
    registry.user(email, org=other, role="REGISTRY_READ")
    session = registry.session(registry.key(email, org=org))
    assert {entry["org"]["name"] for entry in me_of(session)["roles"]} == {org, other}
    answer = session.get("/v2/users/me", params={"org-name": other}).json()
    assert [entry["orgRoles"] for entry in answer["user"]["roles"]] == [["REGISTRY_READ"]]
    assert answer["userRoles"] == answer["user"]["roles"]
    assert answer["user"]["starfleetId"]
    assert session.get("/v2/users/me", params={"org-name": "elsewhere"}).status_code == 403


def test_me_is_renamed(registry: RunningRegistry, org: str) -> None:
    session = registry.session(registry.key(org=org))
    assert session.patch("/v2/users/me", json={"name": "Jo Smith"}).json()["requestStatus"]
    assert me_of(session)["name"] == "Jo Smith"
    for name in ("", "n" * 65, None):
        assert session.patch("/v2/users/me", json={"name": name}).status_code == 422
    service = registry.session(registry.key(org=org, kind=KeyKind.SERVICE))
    assert service.patch("/v2/users/me", json={"name": "x"}).status_code == 404


def test_roles_in_both_spellings_are_listed(registry: RunningRegistry) -> None:
    for hidden in ("true", "false"):
        answer = registry.session().get(f"/roles?show-hidden={hidden}").json()
        names = {item["name"] for item in answer["roles"]}
        assert {"REGISTRY_ADMIN", "REGISTRY_WRITE_TEAM_ADMIN_ROLE", "REGISTRY_WRITE_USER_ROLE"} <= names


# users


def test_users_are_found_by_number_and_by_address_in_any_case(
    registry: RunningRegistry, org: str, boss: requests.Session
) -> None:
    email = registry.user("John.Smith+x@Example.com", org=org)
    found = boss.get(f"/v2/org/{org}/users?page-size=100&q={quote(by_email('JOHN.smith+X@example.COM'))}")
    users = found.json()["users"]
    assert [user["email"] for user in users] == [email.lower()]
    assert found.json()["paginationInfo"]["totalResults"] == 1
    by_id = boss.get(f"/v2/org/{org}/users/{users[0]['id']}").json()
    assert by_id["user"] == users[0]
    assert boss.get(f"/v2/org/{org}/users", params={"q": by_email("no@body.org")}).json()["users"] == []
    for bad in (
        "{",
        "[]",
        '{"filters": [{"field": "name", "value": "x"}]}',
        '{"filters": 1}',
        '{"filters": [1]}',
    ):
        assert boss.get(f"/v2/org/{org}/users", params={"q": bad}).status_code == 422, bad
    for unknown in (2**31, 10**30, "x", "-1", 0):
        assert boss.get(f"/v2/org/{org}/users/{unknown}").status_code == 404


def test_users_of_another_org_are_not_found(
    registry: RunningRegistry, org: str, boss: requests.Session
) -> None:
    stranger = me_of(registry.session(registry.key(org=registry.org())))
    assert boss.get(f"/v2/org/{org}/users/{stranger['id']}").status_code == 404
    assert boss.delete(f"/v3/orgs/{org}/users/{stranger['id']}").status_code == 404
    add = boss.patch(f"/v3/orgs/{org}/users/{stranger['email']}/add-role?roles=REGISTRY_USER")
    assert add.status_code == 404


def test_a_team_lists_its_roles_and_finds_members_of_the_org(
    registry: RunningRegistry, org: str, boss: requests.Session
) -> None:
    team = registry.team(org)
    inside = registry.user(org=org)
    registry.user(inside, org=org, team=team, role="REGISTRY_READ")
    outside = registry.user(org=org)
    listed = boss.get(f"/v2/org/{org}/team/{team}/users?page-size=100&page-number=0").json()["users"]
    assert [user["email"] for user in listed] == [inside]
    assert [entry.get("teamRoles") for entry in listed[0]["roles"]] == [["REGISTRY_READ"]]
    number = boss.get(f"/v2/org/{org}/users", params={"q": by_email(outside)}).json()["users"][0]["id"]
    found = boss.get(f"/v3/orgs/{org}/teams/{team}/users/{number}").json()["user"]
    assert (found["email"], found["roles"]) == (outside, [])


def test_a_known_person_joins_at_once(registry: RunningRegistry, org: str, boss: requests.Session) -> None:
    email = registry.user()
    sent = {"email": email.upper(), "roleTypes": ["REGISTRY_READ", "REGISTRY_WRITE_USER_ROLE"]}
    for _ in range(2):
        added = boss.post(f"/v2/org/{org}/users", json=sent).json()["user"]
        assert added["email"] == email
        assert roles_of(boss, org, email) == {"org": ["REGISTRY_READ", "REGISTRY_USER"]}
    assert invited(boss, org) == []


def test_roles_are_replaced_added_and_taken_away(
    registry: RunningRegistry, org: str, boss: requests.Session
) -> None:
    team = registry.team(org)
    email = registry.user("plus+sign%/slash@example.com", org=org)
    user = boss.get(f"/v2/org/{org}/users", params={"q": by_email(email)}).json()["users"][0]
    answer = boss.patch(f"/v2/org/{org}/users/{user['id']}/update-role?roles=REGISTRY_READ&roles=USER_ADMIN")
    assert answer.json()["user"]["roles"][0]["orgRoles"] == ["REGISTRY_READ", "USER_ADMIN"]
    who = email.replace("@", "%40").replace("+", "%2B").replace("%/", "%25/")  # '/' bare, as ngcsdk sends it
    in_org, in_team = f"/v3/orgs/{org}/users", f"/v3/orgs/{org}/teams/{team}/users"
    for path in (f"{in_org}/{who}/add-role", f"{in_team}/{quote(email, safe='')}/add-role"):
        assert boss.patch(path, params={"roles": ["REGISTRY_USER", "REGISTRY_ADMIN"]}).status_code == 200
    assert roles_of(boss, org, email) == {
        "org": ["REGISTRY_ADMIN", "REGISTRY_READ", "REGISTRY_USER", "USER_ADMIN"],
        team: ["REGISTRY_ADMIN", "REGISTRY_USER"],
    }
    gone = boss.delete(f"{in_org}/{who}/remove-role?roles=REGISTRY_ADMIN&roles=REGISTRY_READ")
    assert gone.status_code == 200
    assert boss.delete(f"{in_team}/{user['id']}/remove-role?roles=REGISTRY_USER").status_code == 200
    assert roles_of(boss, org, email) == {"org": ["REGISTRY_USER", "USER_ADMIN"], team: ["REGISTRY_ADMIN"]}
    assert boss.patch(f"{in_org}/{who}/add-role?roles=KING").status_code == 422
    assert boss.patch(f"{in_org}/{who}/add-role").status_code == 422
    assert boss.patch(f"{in_org}/{who}/add-role?roles=TEAM_ADMIN").status_code == 422


def test_a_user_leaves_a_team_and_the_org(
    registry: RunningRegistry, org: str, boss: requests.Session
) -> None:
    team, other = registry.team(org), registry.team(org)
    email = registry.user(org=org)
    for place in (team, other):
        registry.user(email, org=org, team=place)
    session = registry.session(registry.key(email, org=org))
    number = me_of(session)["id"]
    assert boss.delete(f"/v3/orgs/{org}/teams/{team}/users/{number}").json()["requestStatus"]
    assert set(roles_of(boss, org, email)) == {"org", other}
    assert boss.delete(f"/v3/orgs/{org}/teams/{team}/users/{number}").status_code == 404
    assert boss.delete(f"/v3/orgs/{org}/users/{number}").json()["requestStatus"]
    assert session.get(f"/v2/orgs/{org}").status_code == 403
    assert boss.get(f"/v2/org/{org}/users/{number}").status_code == 404


# invitations


def test_somebody_new_is_invited_and_joins_with_the_key(
    registry: RunningRegistry, org: str, boss: requests.Session
) -> None:
    team = registry.team(org)
    email = f"new-{org}@example.com"
    sent = {"email": email.upper(), "name": "New One", "roleTypes": ["REGISTRY_READ"]}
    added = boss.post(f"/v2/org/{org}/users", json=sent).json()["user"]
    assert (added["email"], added["name"], "id" in added) == (email, "New One", False)
    to_team = {"email": email, "roles": [{"name": "registry_user", "resourceGroups": [team]}]}
    for _ in range(2):
        answer = boss.post(f"/v3/orgs/{org}/invitations", json={**to_team, "invitationExpirationIn": 60})
        assert answer.json()["status"] == "invited"
    assert invited(boss, org) == [(email, "", ["REGISTRY_READ"]), (email, team, ["REGISTRY_USER"])]
    assert invited(boss, org, team) == [(email, team, ["REGISTRY_USER"])]
    assert roles_of(boss, org, email) == {}
    encoded = quote(base64.b64encode(email.encode()).decode(), safe="/")
    assert boss.patch(f"/v3/orgs/{org}/users/{encoded}/add-role?roles=USER_ADMIN").status_code == 200
    assert boss.delete(f"/v3/orgs/{org}/users/{email}/remove-role?roles=REGISTRY_READ").status_code == 200
    assert sorted(invited(boss, org)) == [(email, "", ["USER_ADMIN"]), (email, team, ["REGISTRY_USER"])]
    with registry.data.database.writing() as db:
        key = admin.create_key(db, email)
    assert me_of(registry.session(key))["name"] == "New One"
    assert roles_of(boss, org, email) == {"org": ["USER_ADMIN"], team: ["REGISTRY_USER"]}
    assert invited(boss, org) == []


def test_base64_with_a_slash_names_the_invited(org: str, boss: requests.Session) -> None:
    email = f"oo?{org}@example.com"
    assert "/" in base64.b64encode(email.encode()).decode()
    boss.post(f"/v2/org/{org}/users", json={"email": email})
    encoded = quote(base64.b64encode(email.encode()).decode(), safe="/")
    assert boss.patch(f"/v3/orgs/{org}/users/{encoded}/add-role?roles=REGISTRY_READ").status_code == 200
    assert invited(boss, org) == [(email, "", ["REGISTRY_READ", "REGISTRY_USER"])]


def test_an_invitation_is_taken_back_whole(
    registry: RunningRegistry, org: str, boss: requests.Session
) -> None:
    email, team = f"gone-{org}@example.com", registry.team(org)
    roles = [{"name": "REGISTRY_READ"}, {"name": "REGISTRY_USER", "resourceGroups": [team]}]
    boss.post(f"/v3/orgs/{org}/invitations", json={"email": email, "roles": roles})
    assert len(invited(boss, org)) == 2
    path = f"/v3/orgs/{org}/invitations"
    assert boss.delete(path, json={"email": email.upper()}).json()["requestStatus"]["statusCode"] == "SUCCESS"
    assert invited(boss, org) == []
    assert boss.delete(path, json={"email": email}).status_code == 404
    with registry.data.database.writing() as db, pytest.raises(admin.AdminError, match="known or invited"):
        admin.create_key(db, email)


def test_an_expired_invitation_is_none(registry: RunningRegistry, org: str, boss: requests.Session) -> None:
    from sqlalchemy import update

    from ngc_cli.server.clock import utc_now
    from ngc_cli.server.metadata import Invitation

    email = f"late-{org}@example.com"
    boss.post(f"/v2/org/{org}/users", json={"email": email, "roleTypes": ["REGISTRY_ADMIN"]})
    with registry.data.database.writing() as db:
        db.execute(update(Invitation).where(Invitation.email == email).values(expires_at=utc_now()))
    assert invited(boss, org) == []
    assert boss.patch(f"/v3/orgs/{org}/users/{email}/add-role?roles=REGISTRY_READ").status_code == 404
    boss.post(f"/v2/org/{org}/users", json={"email": email, "roleTypes": ["REGISTRY_READ"]})
    assert invited(boss, org) == [(email, "", ["REGISTRY_READ"])]


def test_inviting_a_member_adds_the_roles(
    registry: RunningRegistry, org: str, boss: requests.Session
) -> None:
    email, team = registry.user(org=org), registry.team(org)
    roles = [{"name": "REGISTRY_READ", "resourceGroups": [team]}]
    answer = boss.post(f"/v3/orgs/{org}/invitations", json={"email": email, "roles": roles})
    assert answer.json()["status"] == "already_member"
    assert roles_of(boss, org, email) == {"org": ["REGISTRY_USER"], team: ["REGISTRY_READ"]}


def test_a_team_admin_adds_members_but_invites_nobody_new(registry: RunningRegistry, org: str) -> None:
    team, other = registry.team(org), registry.team(org)
    lead = registry.session(registry.key(org=org, team=team, role="REGISTRY_WRITE_TEAM_ADMIN_ROLE"))
    path = f"/v3/orgs/{org}/invitations"
    member, known = registry.user(org=org), registry.user()

    def invite(email: str, *roles: dict[str, Any]) -> int:
        return lead.post(path, json={"email": email, "roles": list(roles)}).status_code

    mine = {"name": "REGISTRY_ADMIN", "resourceGroups": [team]}
    assert invite(member, mine) == 200
    assert invite(member, {"name": "REGISTRY_READ"}) == 403
    assert invite(member, {"name": "REGISTRY_READ", "resourceGroups": [other]}) == 403
    assert invite(member, {"name": "REGISTRY_READ", "resourceGroups": ["nowhere"]}) == 403
    assert invite(member, {"name": "REGISTRY_READ", "resourceGroups": [team, other]}) == 403
    assert invite(known, mine) == 403
    assert invite("nobody@example.com", mine) == 403
    assert lead.patch(f"/v3/orgs/{org}/users/{member}/add-role?roles=REGISTRY_ADMIN").status_code == 403


@pytest.mark.parametrize(
    "wrong",
    [
        {"email": "x"},
        {"email": None},
        {"email": "a@" + "b" * 320},
        {"roles": []},
        {"roles": None},
        {"roles": ["REGISTRY_READ"]},
        {"roles": [{"name": "KING"}]},
        {"roles": [{"name": "TEAM_ADMIN"}]},
        {"roles": [{"name": "REGISTRY_READ", "resourceGroups": "t"}]},
        {"roles": [{"name": "REGISTRY_READ"}] * 1001},
        {"invitationExpirationIn": 4},
        {"invitationExpirationIn": 48801},
        {"invitationExpirationIn": "60"},
        {"message": "m" * 10001},
        {"name": "n" * 65},
    ],
)
def test_bad_invitations(org: str, boss: requests.Session, wrong: dict[str, Any]) -> None:
    good = {
        "email": "a@b.org",
        "roles": [{"name": "REGISTRY_READ"}],
        "message": "m",
        "invitationExpirationIn": 5,
    }
    answer = boss.post(f"/v3/orgs/{org}/invitations", json={**good, **wrong})
    assert answer.status_code == 422, answer.text
    assert invited(boss, org) == []


def test_an_unknown_team_cannot_be_invited_to(org: str, boss: requests.Session) -> None:
    roles = [{"name": "REGISTRY_READ", "resourceGroups": ["nowhere"]}]
    answer = boss.post(f"/v3/orgs/{org}/invitations", json={"email": "a@b.org", "roles": roles})
    assert answer.status_code == 404


# pages


@pytest.fixture(scope="module")
def crowd(registry: RunningRegistry) -> tuple[str, str]:
    """An org with 200 users besides its administrator, and a key to it."""
    org = registry.org()
    key = registry.key(f"0-{org}@example.com", org=org, role="REGISTRY_ADMIN")
    with registry.data.database.writing() as db:
        place = admin.find_org(db, org)
        for number in range(199):
            user = User(
                email=f"{number:03}-{org}@example.com",
                name=f"{'abcDEF'[number % 6]}{number}",
                starfleet_id=f"sf-{org}-{number}",
                client_id=f"{org}-{number}",
            )
            db.add(user)
            db.flush()
            db.add(Membership(user_id=user.id, org_id=place.id, role="REGISTRY_USER"))
    return org, key


def test_an_exact_multiple_ends_with_an_empty_page(registry: RunningRegistry, crowd: tuple[str, str]) -> None:
    org, key = crowd
    session = registry.session(key)
    pages = [
        session.get(f"/v2/org/{org}/users?page-size=100&page-number={number}").json() for number in range(3)
    ]
    assert [len(page["users"]) for page in pages] == [100, 100, 0]
    for number, page in enumerate(pages):
        assert page["paginationInfo"] == {"index": number, "size": 100, "totalResults": 200, "totalPages": 2}
    first = session.get(f"/v2/org/{org}/users").json()["users"]
    assert first == pages[0]["users"]
    names = [user["name"].lower() for page in pages for user in page["users"]]
    assert names == sorted(names)
    assert len(set(names)) == 200


def test_the_size_of_a_page_is_bounded(registry: RunningRegistry, crowd: tuple[str, str]) -> None:
    org, key = crowd
    session = registry.session(key)
    assert session.get(f"/v2/org/{org}/users?page-size=100000").json()["paginationInfo"]["size"] == 1000
    for bad in ("page-size=0", "page-size=x", "page-number=-1", "page-number=99999999999", "page-size="):
        assert session.get(f"/v2/org/{org}/users?{bad}").status_code == 422, bad
    far = session.get(f"/v2/org/{org}/users?page-number=2147483647")
    assert (far.status_code, far.json()["users"]) == (200, [])
