"""``ngc org``, ``ngc team`` and ``ngc user`` against the embedded registry.

See docs/cli.md and docs/protocol/README.md.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from support.commands import MakeShell, Shell
from support.registry import RunningRegistry

from ngc_cli.server import admin
from ngc_cli.server.metadata import KeyKind

_numbers = itertools.count(1)


@pytest.fixture
def org(registry: RunningRegistry) -> str:
    return registry.org()


@pytest.fixture
def team(registry: RunningRegistry, org: str) -> str:
    return registry.team(org)


@pytest.fixture
def boss(registry: RunningRegistry, shell: MakeShell, org: str) -> Shell:
    """An administrator of the org, without a team in the configuration."""
    return shell(registry, registry.key(f"boss@{org}.com", org=org, role="REGISTRY_ADMIN"), org)


@pytest.fixture
def new(org: str) -> str:
    """An address that nobody has."""
    return f"new-{next(_numbers)}@{org}.com"


def join(registry: RunningRegistry, email: str) -> str:
    """What ``ngc local key create`` does: a key for a user, or for somebody invited."""
    with registry.data.database.writing() as db:
        return admin.create_key(db, email)


def roles(shell: Shell, email: str) -> dict[str, list[str]]:
    """``org`` or the team to roles, as ``user info`` shows them."""
    user = shell.json("user info", email, "--team", "no-team")["user"]
    return {
        entry["team"]["name"] if "team" in entry else "org": entry.get("teamRoles") or entry["orgRoles"]
        for entry in user["roles"]
    }


# who


def test_who_by_every_kind_of_key(registry: RunningRegistry, shell: MakeShell, org: str, team: str) -> None:
    email = registry.user(org=org, role="REGISTRY_READ")
    registry.user(email, org=org, team=team, role="REGISTRY_USER")
    registry.user(email, org=org, team=team, role="REGISTRY_ADMIN")
    with registry.data.database.writing() as db:
        keys = [admin.create_key(db, email, kind=kind) for kind in (KeyKind.PERSONAL, KeyKind.LEGACY)]
    for key in keys:
        me = shell(registry, key, org)
        out = me.ok("user who")
        lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in out.splitlines() if "|" in line]
        assert lines[0] == ["User Id", "Name", "Email", "Org [Roles]", "Teams [Roles]", "Created Date"]
        assert lines[1][2:5] == [email, f"{org} [REGISTRY_READ]", f"{team} [REGISTRY_ADMIN,REGISTRY_USER]"]
        assert lines[1][5].endswith(" UTC")
        data = me.json("user who")
        assert set(data) == {"user"}
        assert [entry.get("teamRoles") for entry in data["user"]["roles"]] == [
            None,
            ["REGISTRY_ADMIN", "REGISTRY_USER"],
        ]
        csv = me.ok("user who --format_type csv").splitlines()
        assert csv[0] == "User Id,Name,Email,Org,Team,Roles,Created Date"
        assert [line.split(",")[3:5] for line in csv[1:]] == [[org, ""], [org, team]]


def test_a_guest_is_told_to_set_a_key(registry: RunningRegistry, shell: MakeShell) -> None:
    guest = shell(registry)
    with registry.watching() as asked:
        for line in ("user who", "org list", "team list", "org add-user a@b.c", "user update -n x"):
            done = guest(line)
            assert (done.code, done.out) == (10, "")
            assert "ngc config set" in done.err
    assert asked == []


def test_a_service_key_is_no_user(registry: RunningRegistry, shell: MakeShell, org: str) -> None:
    key = registry.key(org=org, role="REGISTRY_READ", kind=KeyKind.SERVICE)
    service = shell(registry, key, org)
    done = service("user who")
    assert (done.code, done.out) == (12, "")
    assert "SERVICE_KEY" in done.err
    assert [item["name"] for item in service.json("org list")] == [org]


def test_my_name(boss: Shell) -> None:
    out = boss.ok('user update --name "The Boss"')
    assert out.startswith("Your name was changed.\n")
    assert "The Boss" in out
    assert boss.json("user who")["user"]["name"] == "The Boss"
    nothing = boss("user update")
    assert (nothing.code, nothing.out) == (0, "")
    assert "--name" in nothing.err
    assert boss("user update -n", "x" * 65).code == 2


# orgs and teams


def test_orgs(boss: Shell, org: str) -> None:
    assert [item["name"] for item in boss.json("org list")] == [org]
    assert boss.ok("org list --format_type csv").splitlines()[0] == "Id,Name,Display Name,Description,Type"
    assert (
        boss.ok("org list --column name=Org --column type --format_type csv").splitlines()[0] == "Id,Org,Type"
    )
    block = boss.ok(f"org info {org}").splitlines()
    assert block[1].strip() == "Org Information"
    assert f"    Name: {org}" in block
    assert boss.json(f"org info {org}")["name"] == org
    refused = boss("org info elsewhere")
    assert refused.code == 11


def test_a_team_from_its_making_to_its_end(boss: Shell, org: str) -> None:
    out = boss.ok('org add-team Data_Team "What it is for"')
    rule = "-" * 50
    head, first, title, ident, *rest = out.splitlines()
    assert (head, first, title) == ("Team created.", rule, "  Team Information")
    assert ident.startswith("    Id: ")
    assert rest == ["    Name: data_team", "    Description: What it is for", "    Deleted: False", rule]
    assert boss("org add-team data_team again").code == 13
    assert boss("org add-team data_team- x").code == 2
    changed = boss.json('org update-team data_team "Something else"')
    assert changed == {**changed, "name": "data_team", "description": "Something else", "isDeleted": False}
    assert boss.json("team info data_team") == changed
    assert boss.json("team list") == [changed]
    assert boss.ok("team list --format_type csv").splitlines() == [
        "Id,Name,Description",
        f"{changed['id']},data_team,Something else",
    ]
    asked = boss("org remove-team data_team")
    assert (asked.code, asked.out) == (2, "")
    assert "-y" in asked.err
    assert boss.json("org remove-team data_team -y") == {
        "removed": [{"kind": "team", "name": "data_team", "org": org}]
    }
    gone = boss("team info data_team")
    assert gone.code == 12


@pytest.mark.parametrize(
    "line", ["team info team_bb", "org update-team team_bb x", "org remove-team TEAM-B -y"]
)
def test_a_near_name_is_suggested(registry: RunningRegistry, boss: Shell, org: str, line: str) -> None:
    """One letter more, or a removal: nothing is removed under another name than the typed one."""
    registry.team(org, "team_b")
    done = boss(line)
    assert done.code == 12
    assert "Did you mean 'team_b'?" in done.err


@pytest.mark.parametrize(
    "line",
    [
        "team info Team-A",
        "org update-team TEAM_A x",
        "team list-users --team team-a",
        "team add-user {who} --team team-a",
        "team update-user {who} --add-role REGISTRY_READ --team Team-a",
        "team remove-user {who} --team team-a -y",
    ],
)
def test_the_one_team_that_differs_in_case_and_hyphens_is_taken_with_a_note(
    registry: RunningRegistry, boss: Shell, org: str, line: str
) -> None:
    registry.team(org, "team_a")
    who = registry.user(org=org)
    boss.ok(f"team add-user {who} --team team_a")
    done = boss(line.format(who=who))
    assert done.code == 0, done.err
    assert f"in org '{org}': using 'team_a'." in done.err


def test_of_two_teams_that_are_alike_none_is_taken(registry: RunningRegistry, boss: Shell, org: str) -> None:
    registry.team(org, "team_a-b")
    registry.team(org, "team-a_b")
    assert boss("team info team_a_b").code == 12
    assert boss("team list-users --team team_a_b").code == 12


# adding


def test_a_new_person_is_invited_and_joins(
    registry: RunningRegistry, boss: Shell, org: str, new: str
) -> None:
    data = boss.json(f'org add-user {new} "New One"')
    invitation = data.pop("invitation")
    assert set(invitation) == {"id", "expires"}
    assert data == {
        "result": "invited",
        "org": org,
        "roles": ["REGISTRY_USER"],
        "user": {"email": new, "name": "New One"},
    }
    again = boss(f'org add-user {new} "New One"')
    assert again.code == 0
    assert again.out.startswith(f"Nothing to change: {new} is invited to org {org} as [REGISTRY_USER].\n")
    assert boss.json(f"user info {new}")["invitation"]["userRoles"] == ["REGISTRY_USER"]
    join(registry, new)
    assert roles(boss, new) == {"org": ["REGISTRY_USER"]}
    assert boss.json(f"org add-user {new}")["result"] == "unchanged"
    more = boss.json(f"org add-user {new} --role REGISTRY_READ --role REGISTRY_WRITE_USER_ROLE")
    assert (more["result"], more["roles"], more["invitation"]) == (
        "updated",
        ["REGISTRY_READ", "REGISTRY_USER"],
        None,
    )
    assert roles(boss, new) == {"org": ["REGISTRY_READ", "REGISTRY_USER"]}


def test_somebody_known_elsewhere_is_added_at_once(registry: RunningRegistry, boss: Shell, org: str) -> None:
    email = registry.user(org=registry.org())
    done = boss(f"org add-user {email.upper()} -r registry_read")
    assert done.code == 0, done.err
    assert done.out.startswith(f"Added {email} to org {org} as [REGISTRY_READ].\n")
    assert roles(boss, email) == {"org": ["REGISTRY_READ"]}


def test_message_and_expiry_of_an_invitation(boss: Shell, new: str) -> None:
    from ngc_cli.units import parse_time

    data = boss.json(f"org add-user {new}", "--invitation-expiry", "1 week", "--message", "Welcome")
    info = boss.json(f"user info {new}")["invitation"]
    created, expires = parse_time(info["createdDate"]), parse_time(data["invitation"]["expires"])
    assert created is not None and expires is not None
    assert abs((expires - created).total_seconds() - 7 * 24 * 3600) < 2
    for wrong in ("0", "721", "soon", "1 year", "-1"):
        assert boss(f"org add-user {new}", f"--invitation-expiry={wrong}").code == 2


def test_a_team_by_option_by_configuration_or_not_at_all(
    registry: RunningRegistry, boss: Shell, org: str, team: str
) -> None:
    email = registry.user(org=org)
    registry.team(org, "red")
    boss.ok(f"team add-user {email} --team {team} --role REGISTRY_WRITE_TEAM_ADMIN_ROLE")
    in_red = Shell(boss.run, {**boss.env, "NGC_CLI_TEAM": "red"})
    assert in_red.ok(f"team add-user {email}").startswith(f"Added {email} to team red of org {org}")
    assert roles(boss, email) == {
        "org": ["REGISTRY_USER"],
        team: ["REGISTRY_ADMIN"],
        "red": ["REGISTRY_USER"],
    }
    assert in_red.ok(f"org add-user {email} -r REGISTRY_READ").startswith(f"Updated {email} in team red")
    in_red.ok(f"org add-user {email} -r USER_ADMIN --team no-team")
    assert roles(boss, email)["org"] == ["REGISTRY_USER", "USER_ADMIN"]
    done = boss(f"team add-user {email}")
    assert done.code == 1
    assert "--team" in done.err


def test_a_missing_team_is_created_only_when_asked_for(boss: Shell, new: str) -> None:
    done = boss(f"org add-user {new} --team red", "--format_type", "json")
    assert (done.code, done.out) == (12, "")
    assert done.error["code"] == "not_found"
    assert "--create-team" in done.error["hint"]
    data = boss.json(f"org add-user {new} --team red --create-team", "--team-description", "The red ones")
    assert (data["result"], data["team"]) == ("invited", "red")
    assert boss.json("team info red")["description"] == "The red ones"


def test_a_member_is_named_by_number(registry: RunningRegistry, boss: Shell, org: str, team: str) -> None:
    email = registry.user(org=org)
    number = boss.json(f"user info {email}")["user"]["id"]
    boss.ok(f"team add-user {number} --team {team} --role REGISTRY_READ --org-role USER_ADMIN")
    assert roles(boss, email) == {"org": ["REGISTRY_USER", "USER_ADMIN"], team: ["REGISTRY_READ"]}
    assert boss.json(f"user info {number}")["user"]["email"] == email
    for who in ("999999", "nobody@example.com"):
        done = boss(f"user info {who}")
        assert done.code == 12
        assert "list-users" in done.err
    assert boss("user info who?").code == 2


def test_user_info_is_about_the_org_also_with_a_team_configured(
    registry: RunningRegistry, boss: Shell, org: str, team: str
) -> None:
    email = registry.user(org=org)
    in_team = Shell(boss.run, {**boss.env, "NGC_CLI_TEAM": team})
    for who in (email, str(boss.json(f"user info {email}")["user"]["id"])):
        assert in_team.json(f"user info {who}")["user"]["roles"][0]["orgRoles"] == ["REGISTRY_USER"]


def test_org_roles_come_with_the_invitation_to_a_team(
    registry: RunningRegistry, boss: Shell, team: str, new: str
) -> None:
    boss.ok(f"team add-user {new} --team {team} --role REGISTRY_USER --org-role REGISTRY_READ")
    join(registry, new)
    assert roles(boss, new) == {"org": ["REGISTRY_READ"], team: ["REGISTRY_USER"]}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("org add-user nobody", "e-mail"),
        ("org add-user a@b.c --role KING", "REGISTRY_READ"),
        ("org add-user a@b.c --role REGISTRY_WRITE_TEAM_ADMIN_ROLE", "--team"),
        ("org add-user a@b.c --role ORG_OWNER --team red", "org as a whole"),
        ("org add-user", "nobody"),
        ("org add-user a@b.c X --name Y", "two names"),
        ("org add-user a@b.c --from-csv f.csv", "leave out"),
        ("team add-user a@b.c --team red --org-role TEAM_ADMIN", "belongs to a team"),
        ("org update-user a@b.c --role REGISTRY_READ --add-role REGISTRY_USER", "--role"),
        ("org update-user a@b.c --add-role REGISTRY_READ --remove-role registry_read", "both"),
        ("org remove-user a@b.c --team red -y", "ngc team remove-user"),
        ("org list-users --column nothing", "nothing"),
    ],
)
def test_wrong_command_lines_send_nothing(
    registry: RunningRegistry, boss: Shell, words: str, says: str
) -> None:
    with registry.watching() as asked:
        done = boss(words)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert [line for line in asked if line.method != "GET"] == []


# changing and removing


def test_roles_are_added_taken_away_and_replaced(
    registry: RunningRegistry, boss: Shell, org: str, team: str
) -> None:
    email = registry.user(org=org)
    out = boss.ok(f"org update-user {email} --add-role REGISTRY_READ --remove-role REGISTRY_WRITE_USER_ROLE")
    assert out.startswith(f"Updated {email} in org {org}: [REGISTRY_READ].\n")
    with registry.watching() as asked:
        same = boss.ok(f"org update-user {email} --add-role REGISTRY_READ --remove-role USER_ADMIN")
    assert same.startswith("Nothing to change")
    assert {line.method for line in asked} == {"GET"}
    number = boss.json(f"user info {email}")["user"]["id"]
    boss.ok(f"org update-user {number} --role USER_ADMIN --role REGISTRY_USER")
    boss.ok(f"team add-user {number} --team {team}")
    boss.ok(f"team update-user {email} REGISTRY_READ --team {team}")
    assert roles(boss, email) == {"org": ["REGISTRY_USER", "USER_ADMIN"], team: ["REGISTRY_READ"]}
    nothing = boss(f"org update-user {email}")
    assert nothing.code == 1
    assert "--add-role" in nothing.err
    assert (
        boss(f"team update-user {registry.user(org=org)} --add-role REGISTRY_READ --team {team}").code == 12
    )


def test_the_roles_of_an_invitation(boss: Shell, team: str, new: str) -> None:
    boss.ok(f"org add-user {new}")
    data = boss.json(f"org update-user {new} --add-role USER_ADMIN --remove-role REGISTRY_USER")
    assert (data["result"], data["roles"]) == ("updated", ["USER_ADMIN"])
    boss.ok(f"org update-user {new} --role REGISTRY_READ")
    assert boss.json(f"user info {new}")["invitation"]["userRoles"] == ["REGISTRY_READ"]
    boss.ok(f"team add-user {new} --team {team}")
    refused = boss(f"team update-user {new} --team {team} --role REGISTRY_READ")
    assert refused.code == 2
    assert "delete-invitation" in refused.err


def test_a_user_is_removed(registry: RunningRegistry, boss: Shell, org: str, team: str) -> None:
    email = registry.user(org=org)
    number = boss.json(f"user info {email}")["user"]["id"]
    boss.ok(f"team add-user {email} --team {team}")
    asked = boss(f"team remove-user {email} --team {team}")
    assert (asked.code, asked.out) == (2, "")
    assert email in asked.err and "-y" in asked.err
    assert boss.json(f"team remove-user {email} --team {team} -y") == {
        "removed": [{"kind": "user", "id": number, "email": email, "org": org, "team": team}]
    }
    assert roles(boss, email) == {"org": ["REGISTRY_USER"]}
    assert boss(f"team remove-user {email} --team {team} -y").code == 12
    assert boss.ok(f"org remove-user {number} -y") == f"Removed user {email} from org {org}.\n"
    assert boss(f"org remove-user {email} -y").code == 12


def test_an_invitation_is_taken_back_by_number_or_address(boss: Shell, org: str, team: str, new: str) -> None:
    for who in ("number", "address", "team"):
        boss.ok(f"org add-user {new}")
        boss.ok(f"team add-user {new} --team {team}")
        listed = boss.json("org list-users --invited")
        assert [item["userEmail"] for item in listed] == [new, new]
        remove = boss(f"org remove-user {new} -y")
        assert remove.code == 12
        assert "delete-invitation" in remove.err
        assert boss(f"org delete-invitation {new}").code == 2
        lines = {
            "number": f"org delete-invitation {listed[1]['id']}",
            "address": f"org delete-invitation {new.upper()}",
            "team": f"team delete-invitation {new} --team {team}",
        }
        data = boss.json(lines[who], "-y")
        assert data["removed"][0]["email"] == new
        assert boss.json("org list-users --invited") == []
    assert boss(f"org delete-invitation {new} -y").code == 12
    assert boss("org delete-invitation 1 -y").code == 12
    assert boss("org delete-invitation first -y").code == 2


# listing


def test_lists_of_users(registry: RunningRegistry, boss: Shell, org: str, team: str, new: str) -> None:
    for email, name in ((f"a@{org}.com", "zoe"), (f"b@{org}.com", "Adam"), (f"c@{org}.com", "bert")):
        registry.user(email, org=org, team=team, role="REGISTRY_READ")
        with registry.data.database.writing() as db:
            user = admin.find_user(db, email)
            assert user is not None
            user.name = name
    boss.ok(f'org add-user {new} "Newton"')
    boss.ok(f"team add-user {new} --team {team}")
    joined = boss.ok("org list-users --joined --format_type csv").splitlines()
    assert joined[0] == "Id,Name,Email,Roles,Created Date,First Login Date,Last Activity,Sign In Method"
    assert [line.split(",")[1] for line in joined[1:]] == ["Adam", "bert", f"boss@{org}.com", "zoe"]
    invited = boss.ok("org list-users --invited --format_type csv").splitlines()
    assert invited[0] == "Id,Name,Email,Roles,Created Date,Invitation Type,Team Name"
    assert [line.split(",")[-2:] for line in invited[1:]] == [["ORGANIZATION", ""], ["TEAM", team]]
    both = boss.json("org list-users")
    assert [item.get("email") or item["userEmail"] for item in both][-2:] == [new, new]
    assert boss.json("org list-users --joined --invited") == both
    one = boss.json(f"org list-users --email A@{org}.COM")
    assert [item["email"] for item in one] == [f"a@{org}.com"]
    in_team = boss.ok(
        f"team list-users --team {team} --joined --column roles --column email --format_type csv"
    )
    assert in_team.splitlines()[0] == "Id,Roles,Email"
    assert {line.split(",")[1] for line in in_team.splitlines()[1:]} == {"REGISTRY_READ"}
    assert len(boss.json(f"team list-users --team {team}")) == 4
    ignored = boss(f"org list-users --joined --team {team} --format_type json")
    assert len(ignored.data) == 4
    assert "ignored" in ignored.err


def test_a_plain_member_sees_members_but_no_invitations(
    registry: RunningRegistry, boss: Shell, shell: MakeShell, org: str, new: str
) -> None:
    boss.ok(f"org add-user {new}")
    member = shell(registry, registry.key(org=org, role="REGISTRY_READ"), org)
    done = member("org list-users --format_type json")
    assert done.code == 0
    assert {item["email"] for item in done.data} == {
        f"boss@{org}.com",
        member.json("user who")["user"]["email"],
    }
    assert "Invitations are left out" in done.err
    assert member("org list-users --invited").code == 11


# many at once


def write_csv(tmp_path: Path, *lines: str) -> str:
    path = tmp_path / "people.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def test_a_file_of_people(
    registry: RunningRegistry, boss: Shell, org: str, team: str, tmp_path: Path
) -> None:
    known = registry.user()
    member = registry.user(org=org)
    path = write_csv(
        tmp_path,
        "Email, Name, Role, Team",
        f"x@{org}.com,Xaver,REGISTRY_WRITE_USER_ROLE,",
        f'y@{org}.com,"Yang, Y.",REGISTRY_READ;USER_ADMIN,',
        f"{known},,,{team}",
        f"{member},,REGISTRY_USER,",
        "",
        "nobody,,,",
        f"z@{org}.com,,KING,",
        f"z@{org}.com,,,missing",
        f"x@{org}.com,,TEAM_ADMIN,{team}",
    )
    with registry.watching() as asked:
        dry = boss("org add-user --dry-run --from-csv", path, "--format_type", "json")
    assert asked == []
    assert dry.code == 1
    assert [item["result"] for item in dry.data] == [*["valid"] * 4, "failed", "failed", "valid", "valid"]
    done = boss("org add-user --from-csv", path, "--format_type", "json")
    assert done.code == 1
    assert done.error["code"] == "partly_failed"
    assert "3 of 8" in done.error["error"]
    results = {item["line"]: item for item in done.data}
    assert {line: item["result"] for line, item in results.items()} == {
        2: "invited",
        3: "invited",
        4: "added",
        5: "unchanged",
        7: "failed",
        8: "failed",
        9: "failed",
        10: "updated",
    }
    assert results[3]["roles"] == ["REGISTRY_READ", "USER_ADMIN"]
    assert results[4]["team"] == team
    assert "missing" in results[9]["error"]
    write_csv(
        tmp_path,
        "email,name,role,team",
        f"x@{org}.com,Xaver,REGISTRY_WRITE_USER_ROLE,",
        f'y@{org}.com,"Yang, Y.",REGISTRY_READ;USER_ADMIN,',
        f"{known},,,{team}",
        f"z@{org}.com,,,",
    )
    with registry.watching() as asked:
        again = boss("org add-user --from-csv", path, "--format_type", "json")
    assert again.code == 0
    assert [item["result"] for item in again.data] == [*["unchanged"] * 3, "invited"]
    assert [line.method for line in asked if line.method != "GET"] == ["POST"]
    table = boss.ok("team add-user --team", team, "--role", "REGISTRY_READ", "--from-csv", path)
    assert table.splitlines()[1].split("|")[1].strip() == "Line"


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        (b"a@b.c,,,\n", 2, "email,name,role,team"),
        (b"", 2, "email,name,role,team"),
        (b"email,colour\n", 2, "email,name,role,team"),
        (b"email,email\n", 2, "email,name,role,team"),
        (b"email\n\xff\xfe\n", 17, "cannot be read"),
        (b'email\n"a@b.c\n', 17, "not CSV"),
    ],
)
def test_files_that_cannot_be_used(boss: Shell, tmp_path: Path, text: bytes, code: int, says: str) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(text)
    done = boss("org add-user --from-csv", str(path))
    assert done.code == code, done.err
    assert says in done.err


def test_a_missing_file(boss: Shell, tmp_path: Path) -> None:
    assert boss("org add-user --from-csv", str(tmp_path / "no.csv")).code == 17


def test_a_dead_key_stops_a_file_at_once(
    registry: RunningRegistry, shell: MakeShell, org: str, tmp_path: Path
) -> None:
    key = registry.key(org=org, role="REGISTRY_ADMIN")
    registry.revoke(key)
    path = write_csv(tmp_path, "email", "a@b.c", "d@e.f", "g@h.i")
    done = shell(registry, key, org)("org add-user --format_type json --from-csv", path)
    assert done.code == 1
    assert [item["result"] for item in done.data] == ["failed", "not tried", "not tried"]


# who may


@pytest.mark.parametrize(
    ("role", "in_team", "line", "code"),
    [
        ("REGISTRY_READ", False, "org add-team blue x", 11),
        ("REGISTRY_USER", False, "org add-user a@b.c", 11),
        ("REGISTRY_USER", True, "team add-user {member} --team {team}", 11),
        ("REGISTRY_WRITE_TEAM_ADMIN", True, "team add-user {member} --team {team}", 0),
        ("REGISTRY_WRITE_TEAM_ADMIN", True, "team add-user {new} --team {team}", 11),
        (
            "REGISTRY_WRITE_TEAM_ADMIN",
            True,
            "team update-user {mate} --add-role REGISTRY_READ --team {team}",
            0,
        ),
        ("REGISTRY_WRITE_TEAM_ADMIN", True, "team remove-user {mate} -y --team {team}", 0),
        ("REGISTRY_WRITE_TEAM_ADMIN", True, "team list-users --team {team}", 0),
        ("REGISTRY_WRITE_TEAM_ADMIN", True, "team list-users --team {other}", 11),
        ("REGISTRY_WRITE_TEAM_ADMIN", True, "org add-team blue x", 11),
        ("REGISTRY_WRITE_TEAM_ADMIN", True, "org remove-user {member} -y", 11),
        ("USER_ADMIN", False, "org add-user {new}", 11),  # REGISTRY_USER, which it does not hold itself
        ("USER_ADMIN", False, "org add-user {new} --role USER_ADMIN", 0),
        ("USER_ADMIN", False, "org add-team blue x", 0),
        ("REGISTRY_WRITE_ADMIN", False, "org add-user {new} --team {team}", 0),
        ("ORG_OWNER", False, "org remove-user {member} -y", 0),
    ],
)
def test_who_may_do_what(
    registry: RunningRegistry,
    shell: MakeShell,
    org: str,
    team: str,
    new: str,
    role: str,
    in_team: bool,
    line: str,
    code: int,
) -> None:
    names = {"team": team, "other": registry.team(org), "member": registry.user(org=org), "new": new}
    names["mate"] = registry.user(org=org, team=team)
    key = registry.key(org=org, team=team if in_team else "", role=role)
    done = shell(registry, key, org)(line.format(**names))
    assert done.code == code, done.err
    if code:
        assert "roles do not let you" in done.err


def test_removal_and_revocation_take_the_access_at_once(
    registry: RunningRegistry, boss: Shell, shell: MakeShell, org: str
) -> None:
    email = registry.user(org=org)
    key = join(registry, email)
    member = shell(registry, key, org)
    assert member("team list").code == 0
    boss.ok(f"org remove-user {email} -y")
    assert member("team list").code == 11
    registry.revoke(key)
    assert member("team list").code == 10
