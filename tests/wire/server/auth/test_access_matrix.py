"""Who may do what: every route of the server, asked by every kind of caller.

The expectation is written out here, from section 3.2 of the guide and docs/protocol/people.md#roles, and
shares nothing with the server's own table: RULES says what a kind of request needs, ROUTES which kind each
route is. A route that is missing in ROUTES fails the test, and so does an entry without a route.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from sqlalchemy import select
from support.distribution import Content, Distribution, image, sha256
from support.registry import RunningRegistry

from ngc_cli.server import admin, app
from ngc_cli.server.auth.keys import find_key
from ngc_cli.server.auth.roles import TABLE, Action
from ngc_cli.server.endpoint import ActionRoute
from ngc_cli.server.metadata import Artifact, Invitation, KeyKind, Membership, Org, Team, User, Version

# What the callers are. Team roles are held in the team 'red' that the routes with a team name. The last three were
# owners of the org a moment ago: removed from it, with a token that has expired, with a key that was revoked.
CALLERS = """
guest         -
org-read      REGISTRY_READ in the org
org-user      REGISTRY_USER in the org
org-admin     REGISTRY_ADMIN in the org
owner         ORG_OWNER in the org
user-admin    USER_ADMIN in the org
red-read      REGISTRY_READ in red
red-user      REGISTRY_USER in red
red-admin     REGISTRY_ADMIN in red
red-users     USER_ADMIN in red
blue-admin    REGISTRY_ADMIN in blue
other-owner   ORG_OWNER in other
removed       ORG_OWNER in the org
expired       ORG_OWNER in the org
revoked       ORG_OWNER in the org
"""

# Requests about the org itself (no team in the path), and about team red. 'own': only what the caller has made.
RULES_IN_ORG = """
               guest org-read org-user org-admin owner user-admin red-read red-user red-admin red-users blue-admin other-owner removed expired revoked
open           yes   yes      yes      yes       yes   yes        yes      yes      yes       yes       yes        yes         yes     yes     yes
key            no    yes      yes      yes       yes   yes        yes      yes      yes       yes       yes        yes         yes     yes     no
self           no    yes      yes      yes       yes   yes        yes      yes      yes       yes       yes        yes         yes     no      no
pull-key       yes   yes      yes      yes       yes   yes        yes      yes      yes       yes       yes        yes         yes     yes     no
pull-token     yes   yes      yes      yes       yes   yes        yes      yes      yes       yes       yes        yes         yes     no      no
link           no    no       no       no        no    no         no       no       no        no        no         no          no      no      no
search         yes   yes      yes      yes       yes   yes        yes      yes      yes       yes       yes        yes         yes     no      no
view           no    yes      yes      yes       yes   no         yes      yes      yes       no        yes        no          no      no      no
create         no    no       yes      yes       yes   no         no       no       no        no        no         no          no      no      no
delete         no    no       own      yes       yes   no         no       no       no        no        no         no          no      no      no
delete-image   no    no       yes      yes       yes   no         no       no       no        no        no         no          no      no      no
view-people    no    yes      yes      yes       yes   yes        yes      yes      yes       yes       yes        no          no      no      no
manage-teams   no    no       no       yes       yes   yes        no       no       no        no        no         no          no      no      no
manage-people  no    no       no       yes       yes   yes        no       no       no        no        no         no          no      no      no
give-user      no    no       no       yes       yes   no         no       no       no        no        no         no          no      no      no
"""
RULES_IN_RED = """
               guest org-read org-user org-admin owner user-admin red-read red-user red-admin red-users blue-admin other-owner removed expired revoked
search         yes   yes      yes      yes       yes   yes        yes      yes      yes       yes       yes        yes         yes     no      no
view           no    no       no       yes       yes   no         yes      yes      yes       no        no         no          no      no      no
create         no    no       no       yes       yes   no         no       yes      yes       no        no         no          no      no      no
delete         no    no       no       yes       yes   no         no       own      yes       no        no         no          no      no      no
delete-image   no    no       no       yes       yes   no         no       yes      yes       no        no         no          no      no      no
view-people    no    no       no       yes       yes   yes        yes      yes      yes       yes       no         no          no      no      no
manage-teams   no    no       no       yes       yes   yes        no       no       no        no        no         no          no      no      no
manage-people  no    no       no       yes       yes   yes        no       no       yes       yes       no         no          no      no      no
give-user      no    no       no       yes       yes   no         no       no       yes       no        no         no          no      no      no
"""

# Who may give and take away which role: none that reaches further than one's own. 'teams' in front of a role: it is
# held in red. The last caller is no other than user-admin, with one role more.
CEILING = """
                     org-admin owner user-admin red-admin red-users red-user people-and-content
REGISTRY_READ        yes       yes   no         no        no        no       yes
REGISTRY_USER        yes       yes   no         no        no        no       yes
USER_ADMIN           yes       yes   yes        no        no        no       yes
REGISTRY_ADMIN       yes       yes   no         no        no        no       no
ORG_OWNER            no        yes   no         no        no        no       no
OMNIVERSE_READ       yes       yes   yes        no        no        no       yes
red:REGISTRY_READ    yes       yes   no         yes       no        no       no
red:REGISTRY_USER    yes       yes   no         yes       no        no       no
red:USER_ADMIN       yes       yes   yes        yes       yes       no       yes
red:REGISTRY_ADMIN   yes       yes   no         yes       no        no       no
red:OMNIVERSE_READ   yes       yes   yes        yes       yes       no       yes
"""

# {ORG} stands for the org and for team red of it, {CATALOG} and {REPOS} for the same under the addresses that guests
# use too, {IMAGE} for a repository in either; {KIND} for models and resources.
ROUTES = """
GET     /token                                          key
POST    /v3/keys/get-caller-info                        key
GET     /roles                                          open
GET     /health                                         open
GET     /v2/products                                    open
GET     /v2/resources/nvidia/ngc-apps/ngc_cli           open
GET     /v2/echo/address                                open
GET     /v2/ping                                        self
GET     /v2/users/me                                    self
PATCH   /v2/users/me                                    self
GET     /v2/orgs                                        self

GET     /v2/orgs/{org}                                  view-people
GET     /v2/org/{org}/teams                             view-people
POST    /v2/org/{org}/teams                             manage-teams
GET     /v2/org/{org}/teams/{team}                      view-people
PATCH   /v2/org/{org}/teams/{team}                      manage-teams
DELETE  /v2/org/{org}/teams/{team}                      manage-teams
GET     /v2/org/{org}/users                             view-people
GET     /v2/org/{org}/team/{team}/users                 view-people
GET     /v2/org/{org}/users/{user}                      view-people
GET     /v3/orgs/{org}/teams/{team}/users/{user}        view-people
POST    /v2/org/{org}/users                             give-user
PATCH   /v2/org/{org}/users/{user}/update-role          manage-people
PATCH   {V3}/users/{who:path}/add-role                  give-user
DELETE  {V3}/users/{who:path}/remove-role               give-user
DELETE  {V3}/users/{user}                               give-user
GET     {V3}/pending-invitations                        manage-people
POST    /v3/orgs/{org}/invitations                      give-user
DELETE  /v3/orgs/{org}/invitations                      give-user

GET     /v2/search/catalog/resources/{type}             open
GET     /v2/search/subscriber/catalog/resources/{type}  self
GET     /v2/search/org/{org}/resources/{type}           search
GET     /v2/search/org/{org}/team/{team}/resources/{type}  search
GET     /v2/search/labelsets                            open
GET     /v2/search/labelsets/{name}                     open
GET     /v2/search/org/{org}/labelsets/{name}           search
GET     /v2/search/org/{org}/team/{team}/labelsets/{name}  search

POST    {ORG}/{KIND}                                    create
GET     {ORG}/{KIND}/{name}                             view
PATCH   {ORG}/{KIND}/{name}                             create
DELETE  {ORG}/{KIND}/{name}                             delete
GET     {ORG}/{KIND}/{name}/versions                    view
POST    {ORG}/{KIND}/{name}/versions                    create
GET     {ORG}/{KIND}/{name}/versions/{version}          view
PATCH   {ORG}/{KIND}/{name}/versions/{version}          create
DELETE  {ORG}/{KIND}/{name}/versions/{version}          delete
GET     {CATALOG}/{name}                                view
PATCH   {CATALOG}/{name}                                create
GET     {CATALOG}/{name}/versions                       view
GET     {CATALOG}/{name}/versions/{version}             view
PATCH   {CATALOG}/{name}/versions/{version}             create

GET     {ORG}/{KIND}/{name}/{version}/files             view
GET     {CATALOG-LINKS}/{name}/{version}/files          view
GET     {ORG}/{KIND}/{name}/versions/{version}/files    view
GET     {CATALOG}/{name}/versions/{version}/files       view
GET     {ORG}/{KIND}/{name}/versions/{version}/files/{path:path}  view
GET     {OLD-CATALOG}/{name}/versions/{version}/files/{path:path}  view
GET     {ORG}/{KIND}/{name}/versions/{version}/zip      view
GET     {OLD-CATALOG}/{name}/versions/{version}/zip     view
POST    {ORG}/{KIND}/{name}/files                       create
POST    {ORG}/files/multipart                           create
PUT     {ORG}/files/multipart                           create
POST    {ORG}/files/commit                              create
GET     /links/content/{sha256}                         link
PUT     /links/parts/{upload}/{number}                  link

POST    {ORG}/repos                                     create
GET     {REPOS}/{name}                                  view
PATCH   {REPOS}/{name}                                  create
DELETE  {REPOS}/{name}                                  delete-image
GET     {REPOS}/{name}/images                           view
GET     {REPOS}/{name}/images/{tag}                     view
DELETE  {REPOS}/{name}/images/{tag}                     delete-image
GET     {REPOS}/{name}/tags/{tag}                       view
PATCH   {REPOS}/{name}/tags/{tag}                       create

GET     /proxy_auth                                     pull-key
GET     /v2/                                            pull-token
GET     /v2                                             pull-token
GET     /v2/_catalog                                    self
GET     {IMAGE}/tags/list                               view
GET     {IMAGE}/referrers/{digest}                      view
GET     {IMAGE}/manifests/{reference}                   view
PUT     {IMAGE}/manifests/{reference}                   create
DELETE  {IMAGE}/manifests/{reference}                   delete-image
GET     {IMAGE}/blobs/{digest}                          view
DELETE  {IMAGE}/blobs/{digest}                          delete-image
POST    {IMAGE}/blobs/uploads/                          create
POST    {IMAGE}/blobs/uploads                           create
GET     {IMAGE}/blobs/uploads/{upload_id}               create
PATCH   {IMAGE}/blobs/uploads/{upload_id}               create
PUT     {IMAGE}/blobs/uploads/{upload_id}               create
DELETE  {IMAGE}/blobs/uploads/{upload_id}               create
"""

_WORDS = {
    "{ORG}": ["/v2/org/{org}", "/v2/org/{org}/team/{team}"],
    "{V3}": ["/v3/orgs/{org}", "/v3/orgs/{org}/teams/{team}"],
    "{CATALOG-LINKS}": [
        f"/v2/{kind}/org/{place}"
        for kind in ("models", "resources", "recipes")
        for place in ("{org}", "{org}/team/{team}")
    ],
    "{OLD-CATALOG}": [
        f"/v2/{kind}/{place}"
        for kind in ("models", "resources", "recipes")
        for place in ("{org}", "{org}/{team}")
    ],
    "{CATALOG}": [
        f"/v2/{kind}/{place}" for kind in ("models", "resources") for place in ("{org}", "{org}/{team}")
    ],
    "{KIND}": ["models", "resources"],
    "{REPOS}": [
        *(f"/v2/org/{place}/repos" for place in ("{org}", "{org}/team/{team}")),
        *(f"/v2/repos/{place}" for place in ("{org}", "{org}/{team}")),
    ],
    "{IMAGE}": ["/v2/{repository:repository}"],
}


def _spelt_out(path: str) -> list[str]:
    for word, meanings in _WORDS.items():
        if word in path:
            return [found for meaning in meanings for found in _spelt_out(path.replace(word, meaning))]
    return [path]


def _read_rules(text: str) -> dict[str, dict[str, str]]:
    head, *lines = text.strip("\n").splitlines()
    return {
        line.split()[0]: dict(zip(head.split(), line.split()[1:], strict=True))
        for line in lines
        if line.strip()
    }


IN_ORG, IN_RED = _read_rules(RULES_IN_ORG), _read_rules(RULES_IN_RED)
EXPECTED = {
    (method, path): rule
    for method, pattern, rule in (line.split() for line in ROUTES.splitlines() if line.strip())
    for path in _spelt_out(pattern)
}
CASES = [
    (method, path, place)
    for method, path in sorted(EXPECTED)
    for place in (("", "red") if "{repository" in path else ("red" if "{team}" in path else "",))
]
KINDS_OF_CALLERS = dict(line.split(None, 1) for line in CALLERS.splitlines() if line.strip())

_numbers = itertools.count(1)
_FILE = b"the file of a version"
_FILE_SHA256 = hashlib.sha256(_FILE)
_IMAGE = image("of every test")
_RESOURCE = {
    "application": "OTHER",
    "trainingFramework": "Other",
    "modelFormat": "f",
    "precision": "OTHER",
    "shortDescription": "s",
}


# the walk over the route table


def _served() -> set[tuple[str, str]]:
    return {
        (method, route.path) for route in app.ROUTES for method in (route.methods or ()) if method != "HEAD"
    }


def test_every_route_names_an_action_of_the_table() -> None:
    for route in app.ROUTES:
        assert isinstance(route, ActionRoute), route
        assert isinstance(route.action, Action), route
        assert route.action in TABLE or route.action in (Action.ANYONE, Action.LINK, Action.SIGNED_IN)
    assert set(TABLE) | {Action.ANYONE, Action.LINK, Action.SIGNED_IN} == set(Action)


def test_the_application_serves_no_other_routes(registry: RunningRegistry) -> None:
    from ngc_cli.server.config import ServerConfig

    served = app.create_app(ServerConfig(registry.data_dir))
    assert all(isinstance(route, ActionRoute) for route in served.routes)
    assert [route.path for route in served.routes] == [route.path for route in app.ROUTES]  # type: ignore[attr-defined]
    served.state.registry.database.close()


def test_every_route_is_expected_here() -> None:
    assert _served() - set(EXPECTED) == set(), "routes without an expectation in this test"
    assert set(EXPECTED) - _served() == set(), "expectations without a route"


# the callers


@dataclass
class Caller:
    """Somebody who sends requests with a token that was issued before what the name tells happened."""

    name: str
    session: requests.Session
    key: str = ""
    user_id: int | None = None
    image_token: str = ""


@dataclass
class World:
    """The org with its teams, what lies in them, and everybody who may come along."""

    registry: RunningRegistry
    org: str
    callers: dict[str, Caller]
    images: dict[str, Distribution]

    def member(self) -> User:
        """A new member of the org and of red."""
        email = self.registry.user(org=self.org)
        self.registry.user(email, org=self.org, team="red")
        with self.registry.data.database.reading() as db:
            found = admin.find_user(db, email)
        assert found is not None
        return found

    def invited(self, role: str = "REGISTRY_READ", team: str = "") -> str:
        """A new address with an invitation to the org, or to a team of it."""
        email = f"invited-{next(_numbers)}@example.com"
        with self.registry.data.database.writing() as db:
            org = admin.find_org(db, self.org)
            place = admin.find_team(db, org, team) if team else None
            db.add(Invitation(org_id=org.id, team_id=place.id if place else None, email=email, role=role))
        return email

    def artifact(self, kind: str, team: str, owner_id: int | None) -> str:
        """A new artifact with a version 1, made by this user."""
        name = f"a{next(_numbers)}"
        with self.registry.data.database.writing() as db:
            org = admin.find_org(db, self.org)
            artifact = Artifact(
                kind=kind,
                org_id=org.id,
                team_id=db.scalar(select(Team.id).where(Team.org_id == org.id, Team.name == team)),
                name=name,
                path="/".join(filter(None, (self.org, team, name))),
                owner_id=owner_id,
                details={},
                labels=[],
            )
            db.add(artifact)
            db.flush()
            db.add(Version(artifact_id=artifact.id, name="1", owner_id=owner_id, details={}))
        return name


@pytest.fixture(scope="module")
def world(registry: RunningRegistry) -> Iterator[World]:
    org, other = registry.org(), registry.org()
    for team in ("red", "blue"):
        registry.team(org, team)
    callers = {}
    for name, what in KINDS_OF_CALLERS.items():
        if what == "-":
            callers[name] = Caller(name, registry.session())
            continue
        role, _, place = what.partition(" in ")
        email = registry.user(
            org=other if place == "other" else org, team=place if place in ("red", "blue") else "", role=role
        )
        with registry.data.database.writing() as db:
            key = admin.create_key(db, email, kind=KeyKind.LEGACY)
            row = find_key(db, key)
        token = registry.session().get("/token?service=ngc&", auth=("$oauthtoken", key)).json()["token"]
        callers[name] = Caller(name, registry.session(token), key, row.user_id)
    repositories = {
        place: Distribution(registry.url, f"{org}{place and '/red'}/secret", callers["owner"].key)
        for place in ("", "red")
    }
    for repository in repositories.values():
        repository.push(_IMAGE, "1")
    for caller in callers.values():
        caller.image_token = _image_token(registry, caller, repositories.values())
    world = World(registry, org, callers, repositories)
    owner = callers["owner"].session
    for kind, place in itertools.product(("models", "resources"), ("", "/team/red")):
        for name in ("secret", "public", "unlocked"):
            _upload(owner, f"/v2/org/{org}{place}", kind, name)
            if name != "secret":
                shown = {"isPublic": True, "canGuestDownload": name == "unlocked"}
                _good(owner.patch(f"/v2/org/{org}{place}/{kind}/{name}", json=shown))
        _good(owner.post(f"/v2/org/{org}{place}/{kind}/secret/versions", json={"versionId": "2"}))
    _good(owner.delete(f"/v3/orgs/{org}/users/{callers['removed'].user_id}"))
    with registry.data.database.reading() as db:
        late = registry.data.signer.token({"sub": str(find_key(db, callers["expired"].key).id)}, -1)
    callers["expired"].session.headers["Authorization"] = f"Bearer {late}"
    registry.revoke(callers["revoked"].key)
    yield world
    for caller in callers.values():
        caller.session.close()
    for repository in repositories.values():
        repository.session.close()


def _image_token(registry: RunningRegistry, caller: Caller, repositories: Iterable[Distribution]) -> str:
    """A token of the OCI API with every scope there is, as if it were from when the caller could do everything.

    So it is the role that is tested, never the scope.
    """
    everything = [
        {"type": "repository", "name": repository.repository, "actions": ["pull", "push", "delete"]}
        for repository in repositories
    ]
    everything.append({"type": "registry", "name": "catalog", "actions": ["*"]})
    claims: dict[str, Any] = {"aud": "registry", "access": everything}
    if caller.key:
        with registry.data.database.reading() as db:
            claims["sub"] = str(find_key(db, caller.key).id)
    return registry.data.signer.token(claims, -1 if caller.name == "expired" else 3600)


def _upload(session: requests.Session, place: str, kind: str, name: str) -> None:
    """Create an artifact with version 1 of one file."""
    _good(
        session.post(
            f"{place}/{kind}", json={"name": name, "publicDatasetUsed": {}, "labelsV2": [], **_RESOURCE}
        )
    )
    _good(session.post(f"{place}/{kind}/{name}/versions", json={"versionId": "1"}))
    body = {**_upload_body(kind, name, "1"), "size": len(_FILE)}
    started = _good(session.post(f"{place}/files/multipart", json=body)).json()
    _good(requests.put(started["urls"][0], data=_FILE, timeout=30))
    _good(session.put(f"{place}/files/multipart", json={**body, "uploadID": started["uploadID"]}))
    changes = [{**_entry(), "commitType": "ADDITION"}]
    _good(session.post(f"{place}/files/commit", json={**_upload_body(kind, name, "1"), "files": changes}))
    _good(session.patch(f"{place}/{kind}/{name}/versions/1", json={"status": "UPLOAD_COMPLETE"}))


def _upload_body(kind: str, name: str, version: str) -> dict[str, Any]:
    return {"artifactType": kind, "name": name, "version": version, **_entry()}


def _entry() -> dict[str, Any]:
    return {"filePath": "a.txt", "sha256": base64.b64encode(_FILE_SHA256.digest()).decode()}


def _good(response: requests.Response) -> requests.Response:
    assert response.status_code == 200, f"{response.request.method} {response.url}: {response.text}"
    return response


# the matrix


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_route(world: World, case: tuple[str, str, str]) -> None:
    method, path, team = case
    rules = IN_RED if team else IN_ORG
    rule = EXPECTED[method, path]
    for caller in world.callers.values():
        entry = rules[rule][caller.name]
        for mine in (True, False) if entry == "own" else (False,):
            allowed = mine if entry == "own" else entry == "yes"
            if _is_image_path(path):
                answer = _ask_for_image(world, caller, method, path, team, allowed=allowed)
            else:
                answer = _ask(world, caller, method, path, allowed=allowed, mine=mine)
            said = f"{caller.name}: {answer.status_code} {answer.text[:300]}"
            if allowed:
                assert answer.status_code in _SUCCESS or (method, path, answer.status_code) in _LET_IN, said
            else:
                assert answer.status_code == _refusal(caller, rule, path), said


_SUCCESS = range(200, 300)
# Where being let in does not mean success: there are no label sets, and the upload to be completed is not there.
_LET_IN = {
    (method, path, 404)
    for method, path in EXPECTED
    if path.endswith("/labelsets/{name}") or (method == "PUT" and path.endswith("/files/multipart"))
}


def _is_image_path(path: str) -> bool:
    return "{repository" in path or path in ("/proxy_auth", "/v2/", "/v2", "/v2/_catalog")


def _refusal(caller: Caller, rule: str, path: str) -> int:
    """401 for credentials that are missing or bad, 403 for good ones; guests are shown nothing where they may look."""
    if rule == "link":
        return 403 if caller.name == "guest" else 400
    if caller.name == "guest":
        return 404 if rule == "view" and not _is_image_path(path) else 401
    return 401 if caller.name in ("expired", "revoked") else 403


def _ask_for_image(
    world: World, caller: Caller, method: str, path: str, team: str, *, allowed: bool
) -> requests.Response:
    """A request of the OCI API with the caller's token; what it destroys was made for it alone."""
    if path == "/proxy_auth":
        auth = ("$oauthtoken", caller.key) if caller.key else None
        return world.registry.session().get(path, auth=auth)
    repository = world.images[team]
    other = _another_manifest()
    names = {
        "repository:repository": repository.repository,
        "digest": _IMAGE.blobs[1].digest,
        "reference": "1",
    }
    options: dict[str, Any] = {}
    if path.endswith("/referrers/{digest}"):
        names["digest"] = _IMAGE.digest
    elif (method, path.rpartition("/")[2]) == ("PUT", "{reference}"):
        names["reference"] = f"t{next(_numbers)}"
        options = {"data": other.data, "headers": {"Content-Type": other.media_type}}
    elif (method, path.rpartition("/")[2]) == ("DELETE", "{reference}") and allowed:
        assert repository.put_manifest(other).status_code == 201
        names["reference"] = other.digest
    elif (method, path.rpartition("/")[2]) == ("DELETE", "{digest}") and allowed:
        blob = Content(str(next(_numbers)).encode())
        assert repository.put_blob(blob).status_code == 201
        names["digest"] = blob.digest
    elif "{upload_id}" in path:
        location = repository.start_upload()
        names["upload_id"] = location.rpartition("/")[2]
        if method == "PUT":
            options = {"data": b"", "params": {"digest": sha256(b"")}}
    for name, value in names.items():
        path = path.replace("{" + name + "}", value)
    token = f"Bearer {caller.image_token}"
    options["headers"] = {**options.get("headers", {}), "Authorization": token}
    return world.registry.session().request(method, path, **options)


def _another_manifest() -> Content:
    """A manifest of the same blobs as every other."""
    manifest = {**json.loads(_IMAGE.manifest.data), "annotations": {"number": str(next(_numbers))}}
    return Content(json.dumps(manifest).encode(), _IMAGE.manifest.media_type)


def _ask(
    world: World, caller: Caller, method: str, path: str, *, allowed: bool, mine: bool
) -> requests.Response:
    """Send the request; what it destroys was made for it alone, unless it is to be refused."""
    number = next(_numbers)
    team = "red" if "{team}" in path else ""
    kind = "models" if "/models" in path else "resources"
    names: dict[str, Any] = {
        "org": world.org,
        "team": team,
        "name": "secret",
        "version": "1",
        "path:path": "a.txt",
        "type": "MODEL",
        "tag": "1",
        "sha256": _FILE_SHA256.hexdigest(),
        "upload": "u",
        "number": 1,
    }
    headers: dict[str, str] = {}
    options: dict[str, Any] = {"params": {}}
    end = path.rpartition("/")[2]
    if "{user}" in path or "{who:path}" in path:
        member = world.member()
        names |= {"user": member.id, "who:path": member.email}
        options["params"] = {"roles": "REGISTRY_USER"}
    if (method, path) == ("DELETE", "/v2/org/{org}/teams/{team}") and allowed:
        names["team"] = world.registry.team(world.org)
    if method == "DELETE" and f"/{kind}/" in path:
        owner_id = caller.user_id if mine else world.callers["owner"].user_id
        names["name"] = world.artifact(kind, team, owner_id)
    if "/repos" in path:
        options["json"] = {"name": f"new-{number}"} if method == "POST" else {} if method == "PATCH" else None
        if path.endswith("/tags/{tag}") and method == "PATCH":
            options["params"] = {"set-latest": "true"}
        if method == "DELETE" and allowed and end == "{tag}":
            names["tag"] = f"t{number}"
            assert world.images[team].put_manifest(_another_manifest(), names["tag"]).status_code == 201
        elif method == "DELETE" and allowed:
            names["name"] = f"new-{number}"
            place = f"/v2/org/{world.org}{team and '/team/red'}/repos"
            _good(world.callers["owner"].session.post(place, json={"name": names["name"]}))
    elif end == "token":
        headers = {
            "Authorization": f"Basic {base64.b64encode(f'$oauthtoken:{caller.key}'.encode()).decode()}"
        }
    elif end == "get-caller-info":
        options["data"] = {"credentials": caller.key}
        headers = {"Authorization": None}  # type: ignore[dict-item]
        if not caller.key:
            options["data"] = {"credentials": "none"}
    elif end == "invitations":
        email = world.invited() if method == "DELETE" else f"new-{number}@example.com"
        options["json"] = {"email": email, "roles": [{"name": "REGISTRY_USER"}]}
    elif (method, end) == ("POST", "users"):
        options["json"] = {"email": f"new-{number}@example.com"}
    elif (method, end) == ("POST", "teams"):
        options["json"] = {"name": f"new-{number}"}
    elif (method, end) == ("PATCH", "me"):
        options["json"] = {"name": "My Name"}
    elif (method, end) == ("POST", kind):
        options["json"] = {"name": f"new-{number}", "publicDatasetUsed": {}, "labelsV2": [], **_RESOURCE}
    elif (method, end) == ("POST", "versions"):
        options["json"] = {"versionId": f"v{number}"}
    elif end == "multipart":
        options["json"] = {**_upload_body("models", "secret", "2"), "size": len(_FILE), "uploadID": "none"}
    elif end == "commit":
        options["json"] = {**_upload_body("models", "secret", "2"), "files": []}
    elif (method, end) == ("POST", "files"):
        options["json"] = {"files": []}
    elif method == "PATCH":
        options["json"] = {}
    url = path
    for name, value in names.items():
        url = url.replace("{" + name + "}", str(value))
    assert "{" not in url, url
    return caller.session.request(method, url, headers=headers, **options)


# what the words "view" and "search" mean for things that are public


@pytest.mark.parametrize("place", ["", "/team/red"])
@pytest.mark.parametrize("kind", ["models", "resources"])
def test_public_things(world: World, kind: str, place: str) -> None:
    guest_place = f"/v2/{kind}/{world.org}{place.replace('/team', '')}"
    for name, caller in world.callers.items():
        if name in ("expired", "revoked"):
            continue
        rules = IN_RED if place else IN_ORG
        is_guest, inside = name == "guest", rules["view"][name] == "yes"
        for thing in ("public", "unlocked", "secret"):
            for base in (f"/v2/org/{world.org}{place}/{kind}", guest_place):
                looked = caller.session.get(f"{base}/{thing}/versions/1").status_code
                assert (looked == 200) is (thing != "secret" or inside), (name, thing, base)
                for way in ("files/a.txt", "zip"):
                    fetched = caller.session.get(f"{base}/{thing}/versions/1/{way}").status_code
                    may = inside or thing == "unlocked" or (thing == "public" and not is_guest)
                    assert (fetched == 200) is may, (name, thing, base, way)


@pytest.mark.parametrize("place", ["", "/team/red"])
def test_a_search_shows_what_may_be_seen(world: World, place: str) -> None:
    rules = IN_RED if place else IN_ORG
    wanted = {f"{world.org}{place.replace('/team', '')}/{name}" for name in ("public", "unlocked")}
    secret = f"{world.org}{place.replace('/team', '')}/secret"
    for name, caller in world.callers.items():
        if name in ("expired", "revoked"):
            continue
        answer = _good(caller.session.get(f"/v2/search/org/{world.org}{place}/resources/MODEL")).json()
        found = {hit["resourceId"] for group in answer["results"] for hit in group["resources"]}
        assert wanted <= found, name
        assert (secret in found) is (rules["view"][name] == "yes"), name


def test_only_administrators_make_things_public(world: World) -> None:
    for place, allowed in (
        ("", {"org-admin", "owner"}),
        ("/team/red", {"org-admin", "owner", "red-admin"}),
    ):
        for name, caller in world.callers.items():
            path = f"/v2/org/{world.org}{place}/models/{world.artifact('models', place and 'red', None)}"
            answer = caller.session.patch(path, json={"isPublic": True})
            assert (answer.status_code == 200) is (name in allowed), (name, place, answer.text)


@pytest.mark.parametrize("team", ["", "red"])
def test_a_token_for_images_has_the_scopes_of_the_role(world: World, team: str) -> None:
    rules = IN_RED if team else IN_ORG
    for name, caller in world.callers.items():
        if name == "revoked":
            continue
        seen = Distribution(world.registry.url, world.images[team].repository, caller.key or None)
        token = seen.token(seen.scope)
        claims = world.registry.data.signer.claims(token)
        assert claims is not None
        entries: list[dict[str, Any]] = claims["access"]
        granted = {action for entry in entries for action in entry["actions"]}
        now = "owner" if name == "expired" else name  # its key is as good as ever
        expected = {
            action
            for action, rule in (("pull", "view"), ("push", "create"), ("delete", "delete-image"))
            if rules[rule][now] == "yes"
        }
        assert granted == expected, name
        seen.session.close()


def test_a_token_dies_with_the_membership_and_with_the_key(world: World) -> None:
    """The same token, before and after: no time passes in between."""
    registry, org = world.registry, world.org
    boss = world.callers["owner"].session
    email = registry.user(org=org, role="REGISTRY_ADMIN")
    with registry.data.database.writing() as db:
        key = admin.create_key(db, email, kind=KeyKind.LEGACY)
        user_id = find_key(db, key).user_id
    token = registry.session().get("/token?service=ngc&", auth=("$oauthtoken", key)).json()["token"]
    session = registry.session(token)
    probes = [f"/v2/org/{org}/models/secret", f"/v2/orgs/{org}", f"/v3/orgs/{org}/pending-invitations"]
    assert [session.get(path).status_code for path in probes] == [200, 200, 200]
    _good(boss.delete(f"/v3/orgs/{org}/users/{user_id}/remove-role?roles=REGISTRY_ADMIN"))
    assert [session.get(path).status_code for path in probes] == [403, 403, 403]
    _good(boss.post(f"/v2/org/{org}/users", json={"email": email, "roleTypes": ["REGISTRY_READ"]}))
    assert [session.get(path).status_code for path in probes] == [200, 200, 403]
    registry.revoke(key)
    assert [session.get(path).status_code for path in probes] == [401, 401, 401]
    with registry.data.database.reading() as db:
        held = db.scalars(
            select(Membership.role).join(Org).where(Membership.user_id == user_id, Org.name == org)
        )
        assert list(held) == ["REGISTRY_READ"]


# names that must not be learned by asking


_PROBES = (
    "/v2/org/{org}/team/{team}/models/{name}",
    "/v2/org/{org}/team/{team}/models/{name}/versions",
    "/v2/org/{org}/team/{team}/models/{name}/versions/1/files",
    "/v2/models/{org}/{team}/{name}/versions/1/zip",
    "/v2/models/{org}/{team}/{name}",
    "/v2/org/{org}/team/{team}/resources/{name}",
    "/v2/org/{org}/team/{team}/repos/{name}",
    "/v2/repos/{org}/{team}/{name}/images",
    "/v2/{org}/{team}/{name}/tags/list",
    "/v2/{org}/{team}/{name}/manifests/latest",
    "/v2/search/org/{org}/team/{team}/resources/MODEL",
    "/v2/search/org/{org}/resources/CONTAINER",
    "/v2/search/org/{org}/team/{team}/labelsets/{name}",
    "/v2/orgs/{org}",
    "/v2/org/{org}/teams/{team}",
    "/v2/org/{org}/team/{team}/users",
    "/v3/orgs/{org}/pending-invitations",
    "/v2/users/me?org-name={org}",
)


@pytest.mark.parametrize("probe", _PROBES)
def test_what_is_hidden_answers_like_what_is_not_there(registry: RunningRegistry, probe: str) -> None:
    """For a guest, for somebody of another org, and for somebody of the org who is not in the team."""
    org = registry.org()
    team = registry.team(org, "hidden")
    boss = registry.session(registry.key(org=org, role="REGISTRY_ADMIN"))
    _upload(boss, f"/v2/org/{org}/team/{team}", "models", "secret")
    member = registry.session(registry.key(org=org, role="FLEET_COMMAND_VIEWER"))
    callers = {
        "guest": registry.session(),
        "outsider": registry.session(registry.key(org=registry.org())),
        "member": member,
    }
    there = {"org": org, "team": team, "name": "secret"}
    missing = [{"org": f"no{org}"}, {"team": "nohidden"}, {"name": "nosecret"}]
    for name, session in callers.items():
        for other in missing[1 if name == "member" else 0 :]:
            said = []
            for names in (there, {**there, **other}):
                answer = session.get(probe.format(**names))
                text = answer.text
                for key, value in names.items():
                    text = text.replace(value, key)
                status = answer.json().get("requestStatus", {}).get("requestId", "")
                said.append((answer.status_code, text.replace(status, "") if status else text))
            assert said[0] == said[1], (name, other)
    for session in (boss, *callers.values()):
        session.close()


# the ceiling of roles


def _holder(world: World, role: str, team: str) -> User:
    """Somebody new who holds just this role."""
    email = world.registry.user(org=world.org, team=team, role=role)
    with world.registry.data.database.reading() as db:
        found = admin.find_user(db, email)
    assert found is not None
    return found


def _roles_of(world: World, user: User) -> set[str]:
    """``ROLE`` and ``red:ROLE`` of somebody in the org."""
    with world.registry.data.database.reading() as db:
        held = db.scalars(
            select(Membership).join(Org).where(Membership.user_id == user.id, Org.name == world.org)
        )
        return {f"{'red:' if one.team_id else ''}{one.role}" for one in held}


@pytest.mark.parametrize("entry", sorted(_read_rules(CEILING)))
def test_nobody_gives_or_takes_a_role_beyond_their_own(world: World, entry: str) -> None:
    registry, org = world.registry, world.org
    team, _, role = entry.rpartition(":")
    place = f"/v3/orgs/{org}{team and '/teams/red'}/users"
    key = registry.key(org=org, role="USER_ADMIN")
    with registry.data.database.writing() as db:
        found = find_key(db, key).user
        assert found is not None
        admin.grant(db, found, admin.find_org(db, org), role="REGISTRY_USER")
    both = Caller("people-and-content", registry.session(key), key)
    for name, wanted in _read_rules(CEILING)[entry].items():
        caller = both if name == both.name else world.callers[name]
        reader = _holder(world, "OMNIVERSE_USER", "")
        requested = {"params": {"roles": role}}
        body = {"email": reader.email, "roles": [{"name": role, "resourceGroups": [team] if team else []}]}
        given = caller.session.patch(f"{place}/{reader.email}/add-role", **requested)
        said = f"{name}: {given.status_code} {given.text}"
        assert given.status_code == (200 if wanted == "yes" else 403), said
        assert (entry in _roles_of(world, reader)) is (wanted == "yes"), name
        reader = _holder(world, "OMNIVERSE_USER", "")
        invited = caller.session.post(f"/v3/orgs/{org}/invitations", json={**body, "email": reader.email})
        assert invited.status_code == (200 if wanted == "yes" else 403), f"{name}: {invited.text}"
        new = f"new-{next(_numbers)}@example.com"
        if name not in ("red-admin", "red-users", "red-user"):  # who bring in nobody new
            invited = caller.session.post(f"/v3/orgs/{org}/invitations", json={**body, "email": new})
            assert invited.status_code == (200 if wanted == "yes" else 403), f"{name}: {invited.text}"
            offered = world.invited(role, team)
            taken = caller.session.delete(f"/v3/orgs/{org}/invitations", json={"email": offered})
            assert taken.status_code == (200 if wanted == "yes" else 403), f"{name}: {taken.text}"
        holder = _holder(world, role, team)
        taken = caller.session.delete(f"{place}/{holder.email}/remove-role", **requested)
        assert taken.status_code == (200 if wanted == "yes" else 403), f"{name}: {taken.text}"
        holder = _holder(world, role, team)
        taken = caller.session.delete(f"{place}/{holder.id}")
        assert taken.status_code == (200 if wanted == "yes" else 403), f"{name}: {taken.text}"
        assert (entry in _roles_of(world, holder)) is (wanted == "no"), name
    both.session.close()


def test_to_leave_the_org_takes_the_right_to_every_role_in_its_teams(world: World) -> None:
    holder = _holder(world, "REGISTRY_ADMIN", "red")
    path = f"/v3/orgs/{world.org}/users/{holder.id}"
    assert world.callers["user-admin"].session.delete(path).status_code == 403
    assert _roles_of(world, holder) == {"red:REGISTRY_ADMIN"}
    _good(world.callers["org-admin"].session.delete(path))


def test_roles_that_are_replaced_count_only_where_they_change(world: World) -> None:
    holder = _holder(world, "REGISTRY_USER", "")
    path = f"/v2/org/{world.org}/users/{holder.id}/update-role"
    caller = world.callers["user-admin"].session
    _good(caller.patch(path, params={"roles": ["REGISTRY_USER", "USER_ADMIN"]}))
    assert caller.patch(path, params={"roles": ["USER_ADMIN"]}).status_code == 403
    assert caller.patch(path, params={"roles": ["REGISTRY_USER", "REGISTRY_ADMIN"]}).status_code == 403
    assert _roles_of(world, holder) == {"REGISTRY_USER", "USER_ADMIN"}


def test_a_team_with_an_administrator_is_not_removed_by_who_could_not_make_one(world: World) -> None:
    team = world.registry.team(world.org)
    world.registry.user(org=world.org, team=team, role="REGISTRY_ADMIN")
    path = f"/v2/org/{world.org}/teams/{team}"
    assert world.callers["user-admin"].session.delete(path).status_code == 403
    _good(world.callers["org-admin"].session.delete(path))


def test_the_last_owner_stays(registry: RunningRegistry) -> None:
    org = registry.org()
    emails = [registry.user(org=org, role="ORG_OWNER") for _ in range(2)]
    sessions = [registry.session(registry.key(email)) for email in emails]
    numbers = [session.get("/v2/users/me").json()["user"]["id"] for session in sessions]
    people = f"/v3/orgs/{org}/users"
    _good(sessions[0].patch(f"{people}/{emails[1]}/add-role?roles=REGISTRY_ADMIN"))
    _good(sessions[0].delete(f"{people}/{numbers[0]}"))
    for answer in (
        sessions[1].delete(f"{people}/{numbers[1]}"),
        sessions[1].delete(f"{people}/{emails[1]}/remove-role?roles=ORG_OWNER"),
        sessions[1].patch(f"/v2/org/{org}/users/{numbers[1]}/update-role?roles=REGISTRY_ADMIN"),
    ):
        assert answer.status_code == 409
        assert "the last owner" in answer.json()["requestStatus"]["statusDescription"]
    _good(sessions[1].delete(f"{people}/{emails[1]}/remove-role?roles=REGISTRY_ADMIN"))
    _good(sessions[1].patch(f"/v2/org/{org}/users/{numbers[1]}/update-role?roles=ORG_OWNER&roles=USER_ADMIN"))
    for session in sessions:
        session.close()
