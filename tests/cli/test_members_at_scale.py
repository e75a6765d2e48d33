"""1,234 users, 321 teams: lists are complete, and a limit fetches no page more than it needs."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select
from support.commands import MakeShell, Shell
from support.registry import RunningRegistry

from ngc_cli.server import admin
from ngc_cli.server.clock import utc_now
from ngc_cli.server.metadata import Invitation, Membership, Org, Team, User

USERS, TEAMS, ORGS, INVITED = 1234, 321, 501, 234


@pytest.fixture(scope="module")
def big(registry: RunningRegistry) -> tuple[str, str]:
    """An org with that many users (its administrator included) and teams, and the administrator's key."""
    name = registry.org()
    key = registry.key(f"boss@{name}.com", org=name, role="REGISTRY_ADMIN")
    with registry.data.database.writing() as db:
        org = admin.find_org(db, name)
        db.execute(
            insert(User),
            [
                {
                    "email": f"user-{number:04}@{name}.com",
                    "name": f"User {number:04}",
                    "starfleet_id": f"sf-{name}-{number}",
                    "client_id": f"{name}-{number}",
                }
                for number in range(USERS - 1)
            ],
        )
        ids = db.scalars(select(User.id).where(User.email.like(f"user-%@{name}.com"))).all()
        db.execute(insert(Team), [{"org_id": org.id, "name": f"team-{number:03}"} for number in range(TEAMS)])
        team_id = db.scalar(select(Team.id).where(Team.org_id == org.id, Team.name == "team-000"))
        for place in (None, team_id):
            db.execute(
                insert(Membership),
                [
                    {"user_id": one, "org_id": org.id, "team_id": place, "role": "REGISTRY_USER"}
                    for one in ids
                ],
            )
        db.execute(
            insert(Invitation),
            [
                {"org_id": org.id, "email": f"new-{number:03}@{name}.com", "role": "REGISTRY_USER"}
                for number in range(INVITED)
            ],
        )
        boss = admin.find_user(db, f"boss@{name}.com")
        assert boss is not None
        db.execute(insert(Org), [{"name": f"{name}-{number:03}"} for number in range(ORGS - 1)])
        others = db.scalars(select(Org.id).where(Org.name.like(f"{name}-%"))).all()
        db.execute(
            insert(Membership),
            [
                {"user_id": boss.id, "org_id": one, "role": "REGISTRY_READ", "created_at": utc_now()}
                for one in others
            ],
        )
    return name, key


@pytest.fixture
def boss(registry: RunningRegistry, shell: MakeShell, big: tuple[str, str]) -> Shell:
    org, key = big
    return shell(registry, key, org)


@pytest.mark.parametrize(
    ("line", "expected", "requests"),
    [
        ("org list-users --joined", USERS, 13),
        ("org list-users --invited", INVITED, 3),
        ("org list-users", USERS + INVITED, 16),
        ("team list-users --joined --team team-000", USERS - 1, 13),
        ("team list", TEAMS, 1),
        ("org list", ORGS, 2),
    ],
)
def test_a_list_is_complete(
    registry: RunningRegistry, boss: Shell, line: str, expected: int, requests: int
) -> None:
    with registry.watching() as asked:
        found = boss.json(line)
    assert len(found) == expected
    assert len({str(item) for item in found}) == expected
    assert len(asked) == requests
    assert len(boss.ok(line, "--format_type", "csv").splitlines()) == expected + 1


@pytest.mark.parametrize(
    ("line", "limit", "requests", "cut_short"),
    [
        ("org list-users --joined", 1, 1, True),
        ("org list-users --joined", 100, 1, True),
        ("org list-users --joined", 101, 2, True),
        ("org list-users --joined", USERS, 13, False),
        ("org list-users --joined", USERS + 1, 13, False),
        ("org list-users", 50, 1, True),
        ("org list-users", USERS, 13, True),
        ("org list-users", USERS + 10, 14, True),
        ("org list-users", USERS + INVITED, 16, False),
        ("org list-users --invited", 200, 2, True),
        ("team list-users --team team-000 --joined", 7, 1, True),
        ("team list", 320, 1, True),
        ("team list", 321, 1, False),
        ("org list", 500, 1, True),
        ("org list", 501, 2, False),
    ],
)
def test_a_limit_fetches_no_extra_page(
    registry: RunningRegistry, boss: Shell, line: str, limit: int, requests: int, cut_short: bool
) -> None:
    with registry.watching() as asked:
        done = boss(line, "--limit", str(limit), "--format_type", "json")
    assert done.code == 0, done.err
    assert len(asked) == requests, asked
    expected = {"team": TEAMS, "org": ORGS}.get(line.removesuffix(" list"), USERS + INVITED)
    assert len(done.data) == min(limit, USERS if "--joined" in line else expected)
    assert ("leave out --limit" in done.err) is cut_short


def test_finding_one_of_many_takes_one_request(registry: RunningRegistry, boss: Shell) -> None:
    with registry.watching() as asked:
        found = boss.json("org list-users --joined --email", f"USER-0777@{boss.env['NGC_CLI_ORG']}.com")
    assert [user["name"] for user in found] == ["User 0777"]
    assert len(asked) == 1


def test_choices_for_a_configuration(registry: RunningRegistry, big: tuple[str, str]) -> None:
    from ngc_cli.api.client import ApiClient
    from ngc_cli.api.orgs import OrgApi
    from ngc_cli.http.auth import NgcCredentials
    from ngc_cli.http.session import Http
    from ngc_cli.services.people.orgs import org_choices, team_choices

    org, key = big
    http = Http()
    api = OrgApi(ApiClient(http, NgcCredentials(http, key, api_url=registry.url, auth_url=registry.url)))
    assert len(org_choices(api)) == ORGS
    assert [team.name for team in team_choices(api, org)] == [f"team-{number:03}" for number in range(TEAMS)]
    http.close()
