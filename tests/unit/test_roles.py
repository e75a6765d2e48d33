"""Role names in every spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngc_cli.errors import UsageError
from ngc_cli.roles import ROLES, canonical_role, canonical_roles


@pytest.mark.parametrize(
    ("typed", "in_team", "role"),
    [
        ("REGISTRY_WRITE_ADMIN", False, "REGISTRY_ADMIN"),
        ("REGISTRY_WRITE_ADMIN_ROLE", False, "REGISTRY_ADMIN"),
        ("REGISTRY_WRITE_TEAM_ADMIN", True, "REGISTRY_ADMIN"),
        ("REGISTRY_WRITE_TEAM_ADMIN_ROLE", True, "REGISTRY_ADMIN"),
        ("REGISTRY_WRITE_USER_ROLE", True, "REGISTRY_USER"),
        ("registry_write_user", False, "REGISTRY_USER"),
        ("registry-read", False, "REGISTRY_READ"),
        ("REGISTRY_READ_ROLE", False, "REGISTRY_READ"),
        ("team_admin", True, "REGISTRY_ADMIN"),
        (" USER_ADMIN ", False, "USER_ADMIN"),
        ("ORG_OWNER", False, "ORG_OWNER"),
    ],
)
def test_spellings(typed: str, in_team: bool, role: str) -> None:
    assert canonical_role(typed, in_team=in_team) == role


@pytest.mark.parametrize("typed", ["REGISTRY_WRITE_TEAM_ADMIN_ROLE", "TEAM_ADMIN", "team_admin_role"])
def test_a_team_admin_never_becomes_an_admin_of_the_org(typed: str) -> None:
    with pytest.raises(UsageError, match="belongs to a team") as caught:
        canonical_role(typed, in_team=False)
    assert "--team" in caught.value.hint


def test_an_owner_owns_no_team() -> None:
    with pytest.raises(UsageError, match="org as a whole"):
        canonical_role("ORG_OWNER", in_team=True)


def test_an_unknown_role_is_told_with_the_list_and_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        canonical_role("REGISTRY_USR", in_team=False)
    assert "Did you mean 'REGISTRY_USER'?" in caught.value.hint
    assert all(role in caught.value.hint for role in ROLES)


def test_duplicates_collapse_also_across_spellings() -> None:
    typed = ["REGISTRY_USER", "REGISTRY_WRITE_USER_ROLE", "registry_read"]
    assert canonical_roles(typed, in_team=False) == ("REGISTRY_READ", "REGISTRY_USER")


@given(st.text(max_size=40), st.booleans())
def test_any_text_is_a_role_or_a_usage_error(text: str, in_team: bool) -> None:
    try:
        assert canonical_role(text, in_team=in_team) in ROLES
    except UsageError as error:
        assert error.hint
