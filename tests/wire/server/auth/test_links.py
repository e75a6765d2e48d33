"""Signed links end with what allowed them, and open nothing but what they were signed for."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import requests
from sqlalchemy import delete, update
from support.artifacts import Wire, ok
from support.registry import RunningRegistry

from ngc_cli.server.auth.keys import find_key
from ngc_cli.server.clock import utc_now
from ngc_cli.server.metadata import ApiKey, Membership, User

DATA = b"the content"


@dataclass
class Links:
    """Somebody in an org, with a link to fetch a file and one to send it."""

    registry: RunningRegistry
    org: str
    key: str
    user_id: int
    get: str
    put: str

    def work(self) -> tuple[bool, bool]:
        """Whether each of them does."""
        fetched = requests.get(self.get, timeout=60)
        sent = requests.put(self.put, data=DATA, timeout=60)
        assert {fetched.status_code, sent.status_code} <= {200, 403}
        return fetched.status_code == 200, sent.status_code == 200


@pytest.fixture
def links(registry: RunningRegistry) -> Links:
    org = registry.org()
    boss = Wire(registry.session(registry.key(org=org, role="REGISTRY_ADMIN")), org)
    boss.publish_version("m", "1", {"f": DATA})
    ok(boss.create_version("m", "2"))
    key = registry.key(org=org)
    wire = Wire(registry.session(key), org)
    started = ok(wire.start("m", "2", "f", DATA))
    with registry.data.database.reading() as db:
        user_id = find_key(db, key).user_id
    assert user_id is not None
    return Links(registry, org, key, user_id, wire.links("m", "1")["f"], started["urls"][0])


def _revoke(links: Links) -> None:
    links.registry.revoke(links.key)


def _expire(links: Links) -> None:
    with links.registry.data.database.writing() as db:
        past = utc_now() - timedelta(seconds=1)
        db.execute(update(ApiKey).where(ApiKey.user_id == links.user_id).values(expires_at=past))


def _leave(links: Links) -> None:
    with links.registry.data.database.writing() as db:
        db.execute(delete(Membership).where(Membership.user_id == links.user_id))


def _deactivate(links: Links) -> None:
    with links.registry.data.database.writing() as db:
        db.execute(update(User).where(User.id == links.user_id).values(is_active=False))


def _remove(links: Links) -> None:
    with links.registry.data.database.writing() as db:
        db.execute(delete(User).where(User.id == links.user_id))


@pytest.mark.parametrize("end", [_revoke, _expire, _leave, _deactivate, _remove])
def test_links_end_with_the_key_the_membership_and_the_user(
    links: Links, end: Callable[[Links], None]
) -> None:
    assert links.work() == (True, True)
    end(links)
    assert links.work() == (False, False)


def test_a_link_ends_with_the_role_that_it_takes(links: Links) -> None:
    with links.registry.data.database.writing() as db:
        db.execute(update(Membership).where(Membership.user_id == links.user_id).values(role="REGISTRY_READ"))
    assert links.work() == (True, False)


def test_who_was_a_member_asks_for_a_new_link_to_what_is_public(links: Links) -> None:
    boss = links.registry.session(links.registry.key(org=links.org, role="REGISTRY_ADMIN"))
    ok(boss.patch(f"/v2/org/{links.org}/models/m", json={"isPublic": True, "canGuestDownload": True}))
    _leave(links)
    assert requests.get(links.get, timeout=60).status_code == 403
    for session in (links.registry.session(links.key), links.registry.session()):
        new = Wire(session, links.org).links("m", "1")["f"]
        assert requests.get(new, timeout=60).content == DATA


def test_a_link_opens_no_other_path_whatever_the_host_header_says(links: Links) -> None:
    secret = hashlib.sha256(DATA).hexdigest()
    mine, url = urlsplit(links.put), urlsplit(links.get)
    for host in (f"x{url.path}?", f"x{mine.path}?", f"{url.netloc}{url.path}?{url.query}#"):
        for query in (url.query, mine.query):
            other = hashlib.sha256(b"other").hexdigest() if query == url.query else secret
            with socket.create_connection((url.hostname or "", url.port or 0), timeout=30) as connection:
                head = f"GET /links/content/{other}?{query} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
                connection.sendall(head.encode())
                assert connection.recv(65536).split()[1] in (b"403", b"400")


@pytest.mark.parametrize("member", ["expires", "grant", "signature"])
def test_no_member_of_a_link_can_be_changed(links: Links, member: str) -> None:
    url, _, query = links.get.partition("?")
    members = dict(pair.split("=") for pair in query.split("&"))
    for value in ("", members[member] + "0", "0" + members[member]):
        changed = "&".join(f"{name}={value if name == member else old}" for name, old in members.items())
        assert requests.get(f"{url}?{changed}", timeout=60).status_code == 403


def test_somebody_elses_key_in_the_grant_is_no_good(links: Links) -> None:
    other = links.registry.key(org=links.org)
    with links.registry.data.database.reading() as db:
        mine, theirs = find_key(db, links.key).id, find_key(db, other).id
    assert f"grant={mine}." in links.get
    admin_link = links.get.replace(f"grant={mine}.", f"grant={theirs}.")
    assert requests.get(admin_link, timeout=60).status_code == 403
