"""Chapter 7 of the guide, its command lines as printed there, against ``ngc local`` of org nvidia.

Rulings on what the guide gets wrong: docs/guide.md (G-19 to G-22, G-32).
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from support.program import BIN, Ngc
from support.registry import RunningRegistry
from support.terminal import Terminal

INVITE = 'ngc org add-user jsmith@example.com "John Smith"'
ADD_TEAM = 'ngc org add-team team_a "Team A"'
ADD_TO_TEAM = (
    'ngc team add-user jsmith@example.com "John Smith" --team team-a --role REGISTRY_WRITE_USER_ROLE'
)
ADD_TEAM_ADMIN = (
    'ngc org add-user jsmith@example.com "John Smith" --team team-a --role REGISTRY_WRITE_TEAM_ADMIN_ROLE'
)
TEAM_BLOCK = re.compile(
    r"""Team created\.
-{50}
  Team Information
    Id: \d+
    Name: team_a
    Description: Team A
    Deleted: False
-{50}
"""
)


def as_john(ngc: Ngc) -> Ngc:
    """John, with the key that makes him a member."""
    key = ngc.run("local key create jsmith@example.com").stdout.strip()
    return ngc.with_environ({"NGC_CLI_API_KEY": key})


def teams_of(ngc: Ngc) -> list[str]:
    """``team [ROLE,ROLE]`` of each team that ``user who`` shows."""
    user = ngc.json("ngc user who")["user"]
    return [f"{grant['team']['name']} {grant['teamRoles']}" for grant in user["roles"] if "team" in grant]


def test_chapter_7_as_printed(local_ngc: Ngc) -> None:
    invited = local_ngc.run(INVITE).stdout
    assert invited.startswith("Invited jsmith@example.com to org nvidia as [REGISTRY_USER].\n")
    assert "John Smith" in invited
    john = as_john(local_ngc)
    assert "nvidia [REGISTRY_USER]" in john.run("ngc user who").stdout
    assert TEAM_BLOCK.fullmatch(local_ngc.run(ADD_TEAM).stdout)
    # The guide's 'team_a' turns into 'team-a' on the way: the one team that is alike is taken (docs/guide.md, G-20).
    added = local_ngc.run(ADD_TO_TEAM)
    assert "There is no team 'team-a' in org 'nvidia': using 'team_a'." in added.stderr
    assert added.stdout.startswith(
        "Added jsmith@example.com to team team_a of org nvidia as [REGISTRY_USER].\n"
    )
    assert teams_of(john) == ["team_a ['REGISTRY_USER']"]
    raised = local_ngc.run(ADD_TEAM_ADMIN).stdout
    assert raised.startswith("Updated jsmith@example.com in team team_a of org nvidia:")
    assert teams_of(john) == ["team_a ['REGISTRY_ADMIN', 'REGISTRY_USER']"]
    assert local_ngc.run(ADD_TEAM_ADMIN).stdout.startswith("Nothing to change")


def test_a_new_user_is_invited_to_a_team_as_its_admin(local_ngc: Ngc) -> None:
    """7.4: somebody new; the team must be there, or is made when that is asked for (docs/guide.md, G-21)."""
    assert "--create-team" in local_ngc.run(ADD_TEAM_ADMIN, code=12).stderr
    invited = local_ngc.run(f'{ADD_TEAM_ADMIN} --create-team --team-description "Team A"').stdout
    assert invited.startswith(
        "Invited jsmith@example.com to team team-a of org nvidia as [REGISTRY_ADMIN].\n"
    )
    john = as_john(local_ngc)
    assert teams_of(john) == ["team-a ['REGISTRY_ADMIN']"]
    # A team admin adds members of the org to the team, and invites nobody new (3.2; docs/guide.md, G-32).
    local_ngc.run("ngc org add-user mary@example.com")
    local_ngc.run("local key create mary@example.com")
    in_team_a = john.with_environ({"NGC_CLI_TEAM": "team-a"})
    added = in_team_a.run("ngc team add-user mary@example.com Mary --role REGISTRY_WRITE_USER_ROLE").stdout
    assert added.startswith("Added mary@example.com to team team-a of org nvidia as [REGISTRY_USER].\n")
    john.run("ngc team add-user new@example.com New --team team-a", code=11)
    john.run('ngc org add-team team_b "Team B"', code=11)


def test_another_team_as_in_3_3(local_ngc: Ngc) -> None:
    local_ngc.run('ngc org add-team team_B "Team B"')
    assert "Repository" in local_ngc.run("ngc registry image list --team team_B").stdout


def test_a_removal_asks_at_a_terminal(registry: RunningRegistry, make_ngc: Callable[..., Ngc]) -> None:
    org = registry.org()
    registry.team(org, "red")
    key = registry.key(org=org, role="ORG_OWNER")
    ngc = make_ngc(registry, key, NGC_CLI_ORG=org)
    command = [str(BIN / "ngc"), "org", "remove-team", "red"]
    asked = Terminal(command, ngc.variables())
    for answer in ("perhaps", "n"):
        asked.expect(f"Remove team red from org {org}? [y/n]")
        asked.type(answer)
    assert asked.finish() == 18
    asked = Terminal(command, ngc.variables())
    asked.expect("[y/n]")
    asked.type("y")
    assert asked.finish() == 0
    assert f"Removed team red from org {org}." in asked.seen
    assert ngc.json("team list") == []


@pytest.mark.parametrize(
    ("who", "line", "code"),
    [
        ("guest", "ngc org list-users", 10),
        ("reader", "ngc org list-users --joined", 0),
        ("reader", 'ngc org add-team blue "Blue"', 11),
        ("user", "ngc org add-user a@example.com", 11),
        ("team-admin", "ngc team add-user {member} --team red", 0),
        ("team-admin", "ngc org add-user {member} --role REGISTRY_READ", 11),
        ("org-admin", "ngc org add-user a@example.com", 0),
        ("other-team", "ngc team list-users --team red", 11),
        ("other-org", "ngc team list", 11),
        ("removed", "ngc team list", 11),
        ("expired", "ngc team list", 10),
        ("revoked", "ngc team list", 10),
        ("org-admin", "ngc team info green", 12),
        ("org-admin", 'ngc org add-team red "Red"', 13),
        ("org-admin", "ngc org remove-team red", 2),
    ],
)
def test_exit_codes_by_role(
    registry: RunningRegistry, make_ngc: Callable[..., Ngc], who: str, line: str, code: int
) -> None:
    org = registry.org()
    for team in ("red", "blue"):
        registry.team(org, team)
    member = registry.user(org=org)
    key = ""
    if who == "other-org":
        key = registry.key(org=registry.org(), role="ORG_OWNER")
    elif who == "removed":
        key = registry.key(org=org)
        boss = registry.session(registry.key(org=org, role="ORG_OWNER"))
        number = registry.session(key).get("/v2/users/me").json()["user"]["id"]
        assert boss.delete(f"/v3/orgs/{org}/users/{number}").status_code == 200
    elif who == "expired":
        key = registry.data.signer.token({"sub": "1"}, -1)
    elif who != "guest":
        role, team = {
            "reader": ("REGISTRY_READ", ""),
            "user": ("REGISTRY_USER", ""),
            "team-admin": ("REGISTRY_WRITE_TEAM_ADMIN_ROLE", "red"),
            "other-team": ("REGISTRY_WRITE_TEAM_ADMIN_ROLE", "blue"),
        }.get(who, ("REGISTRY_WRITE_ADMIN_ROLE", ""))
        key = registry.key(org=org, team=team, role=role)
    if who == "revoked":
        registry.revoke(key)
    ngc = make_ngc(registry, key, NGC_CLI_ORG=org, NGC_CLI_EXIT_CODES="")
    done = ngc.run(line.format(member=member), code=code)
    assert bool(done.stdout) is (code == 0)
    compat = make_ngc(registry, key, NGC_CLI_ORG=org, NGC_CLI_EXIT_CODES="compat")
    compat.run(line.format(member=member), code=1 if code >= 10 else code)
