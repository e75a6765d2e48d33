"""ngcsdk from PyPI, unmodified and over TLS, against the embedded registry: orgs, teams, users and invitations.

Every call of the public API that docs/protocol/people.md#endpoints lists; its effect is checked by plain
requests.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests
from support.registry import RunningRegistry
from support.sdk import Sdk

from ngc_cli.server import admin
from ngc_cli.server.metadata import KeyKind

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("sdk"), pytest.mark.timeout(600)]


class Place:
    """An org with a team, seen by its administrator through ngcsdk and by plain requests."""

    def __init__(self, registry: RunningRegistry, make_sdk: Callable[..., Sdk], kind: KeyKind) -> None:
        self.registry = registry
        self.org = registry.org()
        self.team = registry.team(self.org)
        email = registry.user(org=self.org, role="REGISTRY_ADMIN")
        # With a personal key ngcsdk lets its user choose among the teams of its own roles only
        # (docs/protocol/authentication.md#introspection).
        registry.user(email, org=self.org, team=self.team, role="REGISTRY_ADMIN")
        with registry.data.database.writing() as db:
            key = admin.create_key(db, email, kind=kind)
        self.session = registry.session(registry.key(org=self.org, role="REGISTRY_ADMIN"))
        self.in_org = make_sdk(key, self.org)
        self.in_team = make_sdk(key, self.org, self.team)

    def roles(self, email: str) -> dict[str, list[str]]:
        """``org`` or the team to roles, of one member."""
        wanted = json.dumps({"filters": [{"field": "email", "value": email}]})
        found = self.session.get(f"/v2/org/{self.org}/users", params={"q": wanted}).json()["users"]
        return {
            entry["team"]["name"] if "team" in entry else "org": entry.get("teamRoles") or entry["orgRoles"]
            for user in found
            for entry in user["roles"]
        }

    def number(self, email: str) -> int:
        users = self.get(f"/v2/org/{self.org}/users?page-size=1000")["users"]
        return next(int(user["id"]) for user in users if user["email"] == email)

    def invited(self) -> list[tuple[str, str, list[str]]]:
        found = self.get(f"/v3/orgs/{self.org}/pending-invitations")["invitations"]
        return [(item["userEmail"], item["teamName"], item["userRoles"]) for item in found]

    def get(self, path: str) -> Any:
        answer: requests.Response = self.session.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(params=[KeyKind.LEGACY, KeyKind.PERSONAL], ids=["legacy", "personal"])
def place(
    request: pytest.FixtureRequest, tls_registry: RunningRegistry, make_sdk: Callable[..., Sdk]
) -> Place:
    return Place(tls_registry, make_sdk, request.param)


def test_orgs_and_teams(place: Place) -> None:
    orgs, org, teams = place.in_org.run(f"""
        tell(clt.organization.organization.list())
        tell(clt.organization.organization.info("{place.org}"))
        tell(clt.organization.team.list("{place.org}"))
    """)
    assert [item["name"] for item in orgs] == [place.org]
    assert org == orgs[0]
    assert [item["name"] for item in teams] == [place.team]
    created, changed = place.in_org.run(f"""
        tell(clt.organization.team.create("team_x", "Team X", "{place.org}"))
        clt.organization.team.update("team_x", "Other", "{place.org}")
        tell(clt.organization.team.info("team_x", "{place.org}"))
    """)
    assert (created["name"], created["description"], created["isDeleted"]) == ("team_x", "Team X", False)
    assert changed == {**created, "description": "Other"}
    assert place.get(f"/v2/org/{place.org}/teams/team_x")["team"] == changed
    place.in_org.run(f"""clt.organization.team.remove("team_x", "{place.org}")""")
    assert place.session.get(f"/v2/org/{place.org}/teams/team_x").status_code == 404
    assert "team_x" in place.in_org.run_to_error(f"""clt.organization.team.info("team_x", "{place.org}")""")


def test_lists_go_on_past_the_first_page(place: Place) -> None:
    """An exact multiple of the page size: the official client asks for one page too many."""
    with place.registry.data.database.writing() as db:
        org = admin.find_org(db, place.org)
        for number in range(200 - len(place.get(f"/v2/org/{place.org}/users")["users"])):
            admin.grant(db, admin.ensure_user(db, f"u{number}@{place.org}.com"), org)
    with place.registry.watching() as asked:
        (users,) = place.in_org.run(f"""tell(clt.users.list("{place.org}"))""")
    assert len({user["id"] for page in users for user in page}) == 200
    assert sum(line.path == f"/v2/org/{place.org}/users" for line in asked) == 3


def test_the_caller(place: Place) -> None:
    before, after = place.in_org.run(f"""
        tell(clt.users.who("{place.org}"))
        clt.users.update("My Name")
        tell(clt.users.who("{place.org}"))
    """)
    assert before["user"]["name"] != "My Name" == after["user"]["name"]
    assert [entry["org"]["name"] for entry in after["user"]["roles"] if "orgRoles" in entry] == [place.org]


def test_a_member_of_the_org(place: Place) -> None:
    org = place.org
    email = place.registry.user(org=org)
    number = place.number(email)
    everybody, one, info, changed = place.in_org.run(f"""
        tell(clt.users.list("{org}"))
        tell(clt.users.list("{org}", email_filter="{email.upper()}"))
        tell(clt.users.info({number}, "{org}"))
        tell(clt.users.update_roles({number}, add_roles=["REGISTRY_READ", "REGISTRY_ADMIN"],
                                    remove_roles=["REGISTRY_USER"], org="{org}"))
    """)
    assert email in {user["email"] for page in everybody for user in page}
    assert [user["id"] for page in one for user in page] == [number]
    assert info["user"]["email"] == email
    assert changed[-1]["user"]["roles"][0]["orgRoles"] == ["REGISTRY_ADMIN", "REGISTRY_READ"]
    assert place.roles(email) == {"org": ["REGISTRY_ADMIN", "REGISTRY_READ"]}
    place.in_org.run(f"""clt.users.update_roles({number}, roles=["USER_ADMIN"], org="{org}")""")
    assert place.roles(email) == {"org": ["USER_ADMIN"]}
    place.in_org.run(f"""clt.users.remove({number}, "{org}")""")
    assert place.roles(email) == {}


def test_a_member_of_a_team(place: Place) -> None:
    org, team = place.org, place.team
    email = place.registry.user(org=org)
    number = place.number(email)
    listed, _changed = place.in_team.run(f"""
        clt.users.add_to_team({number}, ["REGISTRY_USER"], "{org}", "{team}")
        tell(clt.users.list("{org}", "{team}"))
        tell(clt.users.update_roles({number}, add_roles=["REGISTRY_READ"], remove_roles=["REGISTRY_USER"],
                                    org="{org}", team="{team}"))
    """)
    assert email in {user["email"] for page in listed for user in page}
    assert place.roles(email) == {"org": ["REGISTRY_USER"], team: ["REGISTRY_READ"]}
    place.in_team.run(f"""clt.users.remove({number}, "{org}", "{team}")""")
    assert place.roles(email) == {"org": ["REGISTRY_USER"]}


def test_invitations(place: Place) -> None:
    org, team, new = place.org, place.team, f"new@{place.org}.com"
    made, listed, info = place.in_org.run(f"""
        tell(clt.users.create("{new}", "New One", ["REGISTRY_READ"], "{org}"))
        tell(clt.users.list_invitations("{org}"))
        tell(clt.users.invitation_info("{new}", "{org}"))
    """)
    assert made["user"]["email"] == new
    assert place.invited() == [(new, "", ["REGISTRY_READ"])]
    assert [[item["email"] for item in page] for page in listed] == [[new]]
    assert (info["type"], info["roles"], info["name"]) == ("ORGANIZATION", ["REGISTRY_READ"], "New One")
    place.in_team.run(f"""
        clt.users.create_invitation("{new}", ["REGISTRY_USER"], "{org}", "{team}")
        tell(clt.users.list_invitations("{org}", "{team}"))
    """)
    assert place.invited() == [(new, "", ["REGISTRY_READ"]), (new, team, ["REGISTRY_USER"])]
    with place.registry.data.database.writing() as db:
        admin.create_key(db, new)
    assert place.roles(new) == {"org": ["REGISTRY_READ"], team: ["REGISTRY_USER"]}
    other = f"other@{place.org}.com"
    place.in_org.run(f"""
        clt.users.create("{other}", "Other", ["REGISTRY_READ"], "{org}")
        clt.users.delete_invitation(invitation_email="{other}", org="{org}")
    """)
    assert place.invited() == []


def test_the_roles_of_2020_are_taken(place: Place) -> None:
    email = place.registry.user(org=place.org)
    number = place.number(email)
    place.in_team.run(f"""
        clt.users.add_to_team({number}, ["REGISTRY_WRITE_TEAM_ADMIN_ROLE"], "{place.org}", "{place.team}")
    """)
    assert place.roles(email) == {"org": ["REGISTRY_USER"], place.team: ["REGISTRY_ADMIN"]}


def test_a_plain_member_is_refused(place: Place, make_sdk: Callable[..., Sdk]) -> None:
    key = place.registry.key(org=place.org, role="REGISTRY_READ")
    member = make_sdk(key, place.org)
    said = member.run_to_error(f"""clt.organization.team.create("team_x", "Team X", "{place.org}")""")
    assert "403" in said or "Access" in said
    assert place.session.get(f"/v2/org/{place.org}/teams/team_x").status_code == 404
