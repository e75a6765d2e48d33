"""``--dry-run`` of every command that changes something: it says what would be sent, and sends nothing."""

from __future__ import annotations

import pytest
from support.commands import MakeShell, Shell
from support.registry import RunningRegistry

CHANGES = [
    ("registry model create {org}/new --short-desc x", "POST", "/v2/org/{org}/models"),
    ("registry model create {org}/new --from {org}/m", "POST", "/v2/org/{org}/models"),
    ("registry model update {org}/m --short-desc x", "PATCH", "/v2/org/{org}/models/m"),
    ("registry model update {org}/m:1 --set-latest", "PATCH", "/v2/org/{org}/models/m/versions/1"),
    ("registry resource update {org}/m:1 --batch-size 2", "PATCH", "/v2/org/{org}/resources/m/versions/1"),
    ("registry image create {org}/img --desc x", "POST", "/v2/org/{org}/repos"),
    ("registry image update {org}/img0 --desc x", "PATCH", "/v2/org/{org}/repos/img0"),
    ("registry image set-latest {org}/img0:1", "PATCH", "/v2/org/{org}/repos/img0/tags/1"),
    ("org add-user new@example.com New", "POST", "/v2/org/{org}/users"),
    ("org update-user {who} --role REGISTRY_READ", "PATCH", "/v3/orgs/{org}/users/{who}/add-role"),
    ("org remove-user {who}", "DELETE", "/v3/orgs/{org}/users/"),
    ("org add-team another 'A team'", "POST", "/v2/org/{org}/teams"),
    ("org update-team red 'A team'", "PATCH", "/v2/org/{org}/teams/red"),
    ("org remove-team red", "DELETE", "/v2/org/{org}/teams/red"),
    ("team add-user {who} --team red", "PATCH", "/v3/orgs/{org}/teams/red/users/{who}/add-role"),
    ("team remove-user {member} --team red", "DELETE", "/v3/orgs/{org}/teams/red/users/"),
    ("user update --name New", "PATCH", "/v2/users/me"),
]


@pytest.fixture
def org(registry: RunningRegistry) -> str:
    org = registry.org()
    registry.team(org, "red")
    return org


@pytest.fixture
def ngc(shell: MakeShell, registry: RunningRegistry, org: str) -> Shell:
    boss = shell(registry, registry.key(org=org, role="REGISTRY_ADMIN"), org)
    boss.ok(f"registry model create {org}/m")
    boss.ok(f"registry image create {org}/img0")
    return boss


@pytest.mark.parametrize(("line", "method", "path"), CHANGES, ids=[line for line, *_ in CHANGES])
def test_a_dry_run_tells_the_requests_and_sends_none(
    registry: RunningRegistry, ngc: Shell, org: str, line: str, method: str, path: str
) -> None:
    who, member = registry.user(org=org), registry.user(org=org, team="red")
    words = line.format(org=org, who=who, member=member)
    wanted = path.format(org=org, who=who, member=member).replace("@", "%40")
    with registry.watching() as seen:
        done = ngc(f"{words} --dry-run")
        data = ngc.json(f"{words} --dry-run")
    assert done.code == 0, done.err
    assert done.out.startswith("Nothing was changed. Without --dry-run this would be sent:\n")
    assert [item.method for item in seen if item.method != "GET" and "caller-info" not in item.path] == []
    assert data["dry_run"] is True
    first = data["would_send"][0]
    assert first["method"] == method
    assert first["path"].startswith(wanted)


def test_all_requests_of_a_change_are_told(registry: RunningRegistry, ngc: Shell, org: str) -> None:
    who = registry.user(org=org, role="REGISTRY_USER")
    calls = ngc.json(f"org update-user {who} --role REGISTRY_READ --dry-run")["would_send"]
    assert [call["path"].rpartition("/")[2] for call in calls] == ["add-role", "remove-role"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("org remove-team nosuch --dry-run", 12),
        ("org remove-user no@example.com --dry-run", 12),
        ("registry model update {org}/nosuch --short-desc x --dry-run", 12),
        ("org update-user {who} --role REGISTRY_USER --dry-run", 0),
    ],
)
def test_what_is_not_there_or_is_so_already_is_told_as_always(
    registry: RunningRegistry, ngc: Shell, org: str, line: str, code: int
) -> None:
    done = ngc(line.format(org=org, who=registry.user(org=org, role="REGISTRY_USER")))
    assert done.code == code
    assert "would be sent" not in done.out
    assert code or done.out.startswith("Nothing to change")
