"""The server's pure parts: ranges, signatures, version order, the access table, tables in a database."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ngc_cli.server.auth.roles import (
    GUEST,
    TABLE,
    Action,
    Decision,
    Grant,
    Principal,
    Relation,
    Resource,
    allows,
    decide,
    may_give,
    reaches,
)
from ngc_cli.server.auth.signing import Signer
from ngc_cli.server.content.serve import slice_for
from ngc_cli.server.metadata import Database, Org
from ngc_cli.server.problems import Problem
from ngc_cli.server.version_order import version_sort_key

SIGNER = Signer(b"secret")


@given(first=st.integers(0, 50), last=st.integers(0, 50), size=st.integers(0, 40))
def test_a_range_is_what_rfc_9110_says(first: int, last: int, size: int) -> None:
    data = bytes(size)
    if first > last:
        assert not slice_for({"range": f"bytes={first}-{last}"}, size, "e").is_range
    elif first >= size:
        with pytest.raises(Problem) as refused:
            slice_for({"range": f"bytes={first}-{last}"}, size, "e")
        assert refused.value.status == 416
    else:
        wanted = slice_for({"range": f"bytes={first}-{last}"}, size, "e")
        assert (wanted.start, wanted.length) == (first, len(data[first : last + 1]))
        assert wanted.is_range


@given(st.text(max_size=40))
def test_no_range_header_breaks_anything(text: str) -> None:
    try:
        wanted = slice_for({"range": text}, 10, "e")
    except Problem as refused:
        assert refused.status == 416
    else:
        assert 0 <= wanted.start < 10
        assert 0 < wanted.start + wanted.length <= 10


def test_a_token_is_good_for_its_claims_and_time() -> None:
    token = SIGNER.token({"sub": "7", "access": ["x"]}, 60)
    claims = SIGNER.claims(token)
    assert claims is not None
    assert (claims["sub"], claims["access"], claims["exp"] - claims["iat"]) == ("7", ["x"], 60)
    assert SIGNER.claims(SIGNER.token({"sub": "7"}, 0)) is None
    assert Signer(b"other").claims(token) is None


@given(st.text(max_size=60))
def test_no_text_passes_for_a_token_or_a_link(text: str) -> None:
    assert SIGNER.claims(text) is None
    for expires in (text, "99999999999"):
        query = {"expires": expires, "grant": text, "signature": text}
        assert SIGNER.link_grant("GET", "/x", query) is None


def test_a_link_cannot_pass_for_a_token() -> None:
    signature = SIGNER.sign_link("GET", "/x", "1.1.0.DOWNLOAD.YES", 60).rpartition("=")[2]
    assert SIGNER.claims(signature) is None


def test_versions_sort_by_their_numbers() -> None:
    ordered = [
        "1.0-alpha",
        "1.0-rc2",
        "1.0-rc10",
        "1.0",
        "1.0.1",
        "1.9",
        "1.10",
        "2",
        "10",
        "v1",
        "v2",
        "v10",
    ]
    assert sorted(reversed(ordered), key=version_sort_key) == ordered


@given(st.lists(st.text(min_size=1, max_size=12)))
def test_any_versions_can_be_sorted(names: list[str]) -> None:
    sorted(names, key=version_sort_key)


# access


def test_reach_ends_at_the_org_and_only_administrators_reach_into_teams() -> None:
    def who(role: str, team: int | None = None) -> Principal:
        return Principal(1, 1, (Grant(1, team, role),))

    def may(caller: Principal, action: Action, team: int | None, org: int = 1) -> bool:
        return decide(caller, action, org, team) is Decision.YES

    user, admin, member = who("REGISTRY_USER"), who("REGISTRY_ADMIN"), who("REGISTRY_USER", 5)
    assert may(user, Action.CREATE, None)
    assert not may(user, Action.VIEW, 5)
    assert may(admin, Action.CREATE, None)
    assert may(admin, Action.CREATE, 5)
    assert may(member, Action.CREATE, 5)
    assert may(member, Action.VIEW, None)
    assert not may(member, Action.CREATE, None)
    assert not may(member, Action.VIEW, 6)
    assert not may(who("REGISTRY_ADMIN", 5), Action.MANAGE_USERS, None)
    assert not may(who("REGISTRY_ADMIN", 5), Action.CREATE, None)
    for caller in (user, admin, member, GUEST):
        assert not may(caller, Action.VIEW, None, org=2)
    assert not may(who("USER_ADMIN"), Action.VIEW, None)
    assert not may(who("FLEET_COMMAND_ADMIN"), Action.VIEW, None)


def test_any_role_makes_a_member_who_sees_the_people_and_no_more() -> None:
    member = Principal(1, 1, (Grant(1, None, "FLEET_COMMAND_VIEWER"),))
    assert decide(member, Action.VIEW_ORG, 1, None) is Decision.YES
    assert decide(member, Action.VIEW_ORG, 1, 5) is Decision.NO
    assert decide(member, Action.VIEW_ORG, 2, None) is Decision.NO
    assert decide(member, Action.VIEW, 1, None) is Decision.PUBLIC


def test_a_key_without_roles_is_more_than_none() -> None:
    outsider = Principal(1, None)
    assert GUEST.is_guest
    assert not outsider.is_guest
    assert decide(GUEST, Action.DOWNLOAD, 1, None) is Decision.UNLOCKED
    assert decide(outsider, Action.DOWNLOAD, 1, None) is Decision.PUBLIC


def test_what_says_nothing_about_itself_is_closed() -> None:
    assert Resource(1) == Resource(1, is_public=False, guest_access=False)


def test_own_is_what_this_user_has_made() -> None:
    mine = Principal(9, 7, ())
    assert allows(Decision.OWN, mine, Resource(7))
    assert not allows(Decision.OWN, mine, Resource(8, is_public=True, guest_access=True))
    assert not allows(Decision.OWN, mine, Resource(9))  # the number of the key is none of a user
    assert not allows(Decision.OWN, mine, None)
    assert not allows(Decision.NO, mine, Resource(7, is_public=True, guest_access=True))
    assert allows(Decision.PUBLIC, mine, Resource(8, is_public=True))
    assert not allows(Decision.PUBLIC, mine, Resource(7, guest_access=True))
    assert allows(Decision.YES, mine, None)


def test_a_decision_reaches_as_far_as_itself_and_no_further() -> None:
    ordered = [Decision.NO, Decision.UNLOCKED, Decision.PUBLIC, Decision.OWN, Decision.YES]
    for high, decision in enumerate(ordered):
        assert [reaches(decision, other) for other in ordered] == [low <= high for low in range(len(ordered))]


def test_a_role_may_be_given_by_who_can_do_what_it_allows_wherever_it_does() -> None:
    def give(held: str, role: str, held_in: int | None = None, team: int | None = None) -> bool:
        return may_give(Principal(1, 1, (Grant(1, held_in, held),)), role, 1, team)

    assert give("REGISTRY_ADMIN", "REGISTRY_ADMIN")
    assert give("REGISTRY_ADMIN", "REGISTRY_ADMIN", team=5)
    assert not give("REGISTRY_ADMIN", "ORG_OWNER")
    assert give("ORG_OWNER", "ORG_OWNER")
    assert give("REGISTRY_ADMIN", "REGISTRY_ADMIN", held_in=5, team=5)
    assert not give("REGISTRY_ADMIN", "REGISTRY_READ", held_in=5, team=6)
    assert not give("REGISTRY_ADMIN", "REGISTRY_ADMIN", held_in=5)
    assert not give("REGISTRY_USER", "USER_ADMIN")
    assert not give("USER_ADMIN", "REGISTRY_READ")
    assert give("USER_ADMIN", "USER_ADMIN")
    assert not may_give(Principal(1, 1, (Grant(2, None, "ORG_OWNER"),)), "OMNIVERSE_READ", 1, None)


def test_guests_need_the_lock_open() -> None:
    entry = TABLE[Action.DOWNLOAD][Relation.GUEST]
    for is_public, guest_access in ((False, False), (False, True), (True, False)):
        assert not allows(entry, GUEST, Resource(None, is_public, guest_access))
    assert allows(entry, GUEST, Resource(None, is_public=True, guest_access=True))
    assert not allows(Decision.OWN, Principal(1, None), Resource(None))


# database


def test_several_processes_may_make_the_tables_and_the_secret_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'r.db'}"
    start = threading.Barrier(4)
    secrets: list[bytes] = []

    def open_it() -> None:
        database = Database(url)
        start.wait()
        database.create_tables()
        secrets.append(database.secret("s"))
        database.close()

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(secrets) == 4
    assert len(set(secrets)) == 1


def test_a_write_that_meets_another_is_run_again(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'r.db'}")
    database.create_tables()
    runs = []

    def work(db: Session) -> int:
        runs.append(1)
        db.add(Org(name="same" if len(runs) == 1 else "other"))
        return len(runs)

    database.write(lambda db: db.add(Org(name="same")))
    assert database.write(work) == 2

    def hopeless(db: Session) -> None:
        db.add(Org(name="same"))

    with pytest.raises(IntegrityError):
        database.write(hopeless)
    database.close()
