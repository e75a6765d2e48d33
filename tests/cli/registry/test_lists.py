"""Lists tell the truth: about a wrong org, team or name, about what a limit cut, and about nothing found."""

from __future__ import annotations

import pytest
from support.commands import MakeShell, Shell
from support.registry import RunningRegistry

NOUNS = ["model", "model-script", "image"]


@pytest.fixture
def org(registry: RunningRegistry) -> str:
    org = registry.org()
    registry.team(org, "my-team")
    registry.team(org, "empty")
    return org


@pytest.fixture
def ngc(shell: MakeShell, registry: RunningRegistry, org: str) -> Shell:
    return shell(registry, registry.key(org=org, role="REGISTRY_ADMIN"), org)


SCRIPT = "--application OTHER --framework Other --format f --precision OTHER --short-desc d"


def create(ngc: Shell, noun: str, *targets: str) -> None:
    for target in targets:
        ngc.ok(f"registry {noun} create {target} {SCRIPT if noun != 'image' else ''}")


def listed(ngc: Shell, line: str) -> tuple[list[str], str]:
    """The repositories of a list, and what stands on stderr beside it."""
    done = ngc(f"{line} --format_type csv --column repository")
    assert done.code == 0, done.err
    return [row.split(",")[-1] for row in done.out.splitlines()[1:]], done.err


@pytest.mark.parametrize("noun", NOUNS)
@pytest.mark.parametrize(
    ("line", "code", "text"),
    [
        ("list --org nosuchorg", 11, "org 'nosuchorg' does not exist, or you are not in it"),
        ("list 'nosuchorg/*'", 11, "org 'nosuchorg' does not exist, or you are not in it"),
        ("list --org {org}x", 11, "Did you mean '{org}'?"),
        ("list --org {org} --team nosuch", 12, "there is no team 'nosuch' in org '{org}'"),
        ("list '{org}/my-teem/*'", 12, "Did you mean 'my-team'?"),
        ("list {org}/my-team/unett", 12, "Did you mean '{org}/my-team/unet'?"),
        ("list {org}/unet", 12, "Did you mean '{org}/my-team/unet'?"),
        ("list nowhere", 12, "{noun} {org}/nowhere was not found"),
        ("list {org}/my-team/nosuch", 12, "ngc registry {noun} list '{org}/my-team/*'"),
        ("info {org}/my-team/unett", 12, "Did you mean '{org}/my-team/unet'?"),
        ("info {org}/my-teem/unet", 12, "Did you mean 'my-team'?"),
        ("info {org}x/my-team/unet", 11, "Did you mean '{org}'?"),
        ("info {org}/my-team/unet:9", 12, "ngc registry {noun} list '{org}/my-team/unet:*'"),
        ("remove {org}/my-team/unett -y", 12, "Did you mean '{org}/my-team/unet'?"),
    ],
)
def test_a_wrong_place_or_name_is_an_error_with_what_was_meant(
    ngc: Shell, org: str, noun: str, line: str, code: int, text: str
) -> None:
    create(ngc, noun, f"{org}/my-team/unet")
    done = ngc(f"registry {noun} {line.format(org=org)}")
    assert done.code == code, done.err
    assert text.format(org=org, noun=noun) in done.err
    assert done.out == ""
    assert len(done.err.splitlines()) <= 6


@pytest.mark.parametrize("noun", NOUNS)
def test_an_org_a_team_and_a_word_list_what_was_meant(ngc: Shell, org: str, noun: str) -> None:
    paths = [f"{org}/my-team/resnet50", f"{org}/my-team/unet", f"{org}/top"]
    create(ngc, noun, *paths)
    assert listed(ngc, f"registry {noun} list {org}") == (
        paths,
        f"'{org}' is an org: these are its {noun}s.\n",
    )
    assert listed(ngc, f"registry {noun} list {org}/my-team") == (
        paths[:2],
        f"'my-team' is a team of org '{org}': these are its {noun}s.\n",
    )
    assert (
        listed(ngc, f"registry {noun} list ResNet" if noun != "image" else "registry image list resnet")[0]
        == paths[:1]
    )
    assert listed(ngc, f"registry {noun} list '*/*/unet'") == (paths[1:2], "")
    assert listed(ngc, f"registry {noun} list '{org}/my-*/unet'") == (paths[1:2], "")


@pytest.mark.parametrize("noun", NOUNS)
def test_an_empty_list_says_where_was_looked(ngc: Shell, org: str, noun: str) -> None:
    assert listed(ngc, f"registry {noun} list '{org}/empty/z*'") == (
        [],
        f"No {noun}s match '{org}/empty/z*'.\n",
    )
    assert listed(ngc, f"registry {noun} list {org}/empty")[0] == []
    create(ngc, noun, f"{org}/new")
    words = "tags" if noun == "image" else "versions"
    assert ngc(f"registry {noun} list {org}/new").err == f"{org}/new has no {words} yet.\n"
    assert ngc(f"registry {noun} list '{org}/new:1*'").err == f"No {words} of {org}/new match '1*'.\n"


@pytest.mark.parametrize("noun", NOUNS)
def test_a_limit_shows_the_first_of_the_whole_and_says_what_it_cut(ngc: Shell, org: str, noun: str) -> None:
    create(ngc, noun, *(f"{org}/my-team/{name}" for name in "cabd"), f"{org}/z")
    found, said = listed(ngc, f"registry {noun} list '{org}/*' --limit 3")
    assert found == [f"{org}/my-team/{name}" for name in "abc"]
    assert said == "Showing 3 of 5; leave out --limit to see all.\n"
    assert listed(ngc, f"registry {noun} list '{org}/*' --limit 5")[1] == ""


def test_people_lists_say_where_they_looked(ngc: Shell, org: str) -> None:
    team = ngc("team list-users --team empty")
    assert team.err == f"Nobody is in team empty of org {org}.\n"
    other = ngc("org list-users --email no@example.com")
    assert other.err == f"Nobody with the address no@example.com is in org {org}.\n"
    assert ngc("team list --limit 1").err == "Showing 1 of 2; leave out --limit to see all.\n"


def test_a_guest_is_told_that_a_key_may_show_more(shell: MakeShell, registry: RunningRegistry) -> None:
    assert "No models are public for guests; an API key" in shell(registry)("registry model list").err
