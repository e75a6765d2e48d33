"""Image repositories in the NGC API (docs/protocol/images.md), and that both APIs show the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from support.distribution import (
    OCI_CONFIG,
    OCI_MANIFEST,
    Content,
    Distribution,
    Image,
    artifact,
    as_json,
    image,
    index,
)
from support.registry import RunningRegistry


@dataclass
class Images:
    """The image API of one org for one key, beside the OCI API for the same."""

    registry: RunningRegistry
    org: str
    key: str
    team: str = ""

    @property
    def session(self) -> requests.Session:
        return self.registry.session(self.key)

    @property
    def base(self) -> str:
        return f"/v2/org/{self.org}/team/{self.team}/repos" if self.team else f"/v2/org/{self.org}/repos"

    def path(self, name: str) -> str:
        return "/".join(filter(None, (self.org, self.team, name)))

    def push(self, name: str, what: Image, tag: str) -> Distribution:
        repository = Distribution(self.registry.url, self.path(name), self.key)
        repository.push(what, tag)
        return repository

    def ask(self, method: str, path: str = "", expect: int = 200, **options: Any) -> Any:
        answer = self.session.request(method, f"{self.base}{path}", **options)
        assert answer.status_code == expect, answer.text
        return answer.json()

    def search(self, pattern: str = "*", where: str = "", **query: Any) -> list[dict[str, Any]]:
        place = where or f"org/{self.org}"
        question = {"query": f"resourceId:{pattern}", "page": 0, "pageSize": 100, "filters": [], **query}
        answer = self.session.get(
            f"/v2/search/{place}/resources/CONTAINER", params={"q": json.dumps(question, sort_keys=True)}
        )
        assert answer.status_code == 200, answer.text
        (group,) = answer.json()["results"]
        assert group["groupValue"] == "CONTAINER"
        found: list[dict[str, Any]] = group["resources"]
        return found


@pytest.fixture
def as_role(registry: RunningRegistry, image_org: str) -> Callable[..., Images]:
    def make(role: str = "REGISTRY_USER", team: str = "") -> Images:
        return Images(registry, image_org, registry.key(org=image_org, team=team, role=role), team)

    return make


@pytest.fixture
def images(as_role: Callable[..., Images]) -> Images:
    return as_role()


MULTI = index(image("amd", "two"), image("arm64 has a longer layer" * 50, architecture="arm64", variant="v8"))


def layers_size(what: Image) -> int:
    return sum(len(content.data) for content in what.blobs[1:])


# repositories


def test_create_answers_the_repository_with_tags(images: Images) -> None:
    body = {
        "name": "new-net",
        "displayName": "New Net",
        "shortDescription": "s",
        "description": "# markdown",
        "builtBy": "B",
        "publisher": "P",
        "logo": "https://example.com/l.png",
        "labelsV2": ["other", "nvidia:usecase:demo_thing"],
    }
    made = images.ask("POST", json=body)
    assert {**body, "labelsV2": None} == {**{key: made.get(key) for key in body}, "labelsV2": None}
    assert (made["tags"], made["namespace"], made["labels"]) == ([], images.org, body["labelsV2"])
    assert "latestTag" not in made
    assert images.ask("GET", "/new-net?resolve-labels=false")["displayName"] == "New Net"
    assert images.ask("GET", "/new-net/images")["images"] == []


def test_create_twice_is_a_conflict(images: Images) -> None:
    images.ask("POST", json={"name": "net"})
    again = images.ask("POST", expect=409, json={"name": "net"})
    assert again["requestStatus"]["statusCode"] == "EXISTS"


@pytest.mark.parametrize("name", ["", "Upper", "a..b", "-a", "a/b", "a" * 256, None, []])
def test_create_wants_a_name_that_can_be_pushed_to(images: Images, name: object) -> None:
    images.ask("POST", expect=422, json={"name": name})


@pytest.mark.parametrize("name", ["images", "tags"])
def test_a_team_cannot_have_what_reads_like_a_list(
    as_role: Callable[..., Images], registry: RunningRegistry, image_org: str, name: str
) -> None:
    team = registry.team(image_org)
    as_role(team=team).ask("POST", expect=422, json={"name": name})
    as_role().ask("POST", json={"name": name})
    guest = registry.session()
    assert guest.get(f"/v2/repos/{image_org}/{name}/images").status_code == 404


def test_update_changes_what_is_sent_and_replaces_labels(images: Images) -> None:
    images.ask("POST", json={"name": "net", "displayName": "Net", "publisher": "P", "labelsV2": ["a", "b"]})
    changed = images.ask(
        "PATCH", "/net", json={"publisher": "Q", "isMultinodeEnabled": True, "labelsV2": ["c"]}
    )
    assert (changed["displayName"], changed["publisher"]) == ("Net", "Q")
    assert (changed["isMultinodeEnabled"], changed["labels"]) == (True, ["c"])
    assert images.ask("PATCH", "/net", json={"labelsV2": []})["labels"] == []


def test_opening_a_repository_is_for_administrators(as_role: Callable[..., Images]) -> None:
    user, admin = as_role(), as_role("REGISTRY_ADMIN")
    user.ask("POST", json={"name": "net"})
    user.ask("PATCH", "/net", expect=403, json={"isPublic": True})
    user.ask("PATCH", "/net", expect=403, json={"canGuestPull": True})
    opened = admin.ask("PATCH", "/net", json={"isPublic": True, "canGuestPull": True})
    assert (opened["isPublic"], opened["canGuestPull"]) == (True, True)


def test_a_push_makes_the_repository(images: Images) -> None:
    one = image("hello", "world")
    images.push("net", one, "24.01")
    found = images.ask("GET", "/net")
    assert (found["name"], found["namespace"], found["tags"]) == ("net", images.org, ["24.01"])
    assert (found["latestTag"], found["latestImageSize"]) == ("24.01", layers_size(one))
    assert found["isMultiArchitecture"] is False


def test_a_push_that_never_ends_shows_nothing(images: Images) -> None:
    repository = Distribution(images.registry.url, images.path("net"), images.key)
    repository.put_blob(image("hello").blobs[0])
    images.ask("GET", "/net", expect=404)
    assert images.search() == []
    images.ask("POST", json={"name": "net"})
    assert repository.send("GET", f"blobs/{image('hello').blobs[0].digest}").status_code == 200


def test_a_repository_of_a_team(
    as_role: Callable[..., Images], registry: RunningRegistry, image_org: str
) -> None:
    team = registry.team(image_org)
    images = as_role(team=team)
    images.push("net", image("hello"), "v1")
    assert images.ask("GET", "/net")["namespace"] == f"{image_org}/{team}"
    assert as_role("REGISTRY_ADMIN").session.get(f"/v2/org/{image_org}/repos/net").status_code == 404
    assert [hit["resourceId"] for hit in images.search(where=f"org/{image_org}/team/{team}")] == [
        f"{image_org}/{team}/net"
    ]


def test_remove_takes_the_name_from_both_apis(images: Images) -> None:
    one = image("hello")
    repository = images.push("net", one, "v1")
    images.ask("DELETE", "/net")
    images.ask("GET", "/net", expect=404)
    for path in ("manifests/v1", f"manifests/{one.digest}", f"blobs/{one.blobs[0].digest}", "tags/list"):
        assert repository.send("GET", path).status_code == 404
    images.push("net", one, "v1")  # and everything can come back
    repository.assert_holds(one, "v1")


# tags


def test_tags_newest_first_with_sizes_and_variants(images: Images) -> None:
    images.push("net", image("old"), "v1")
    images.push("net", MULTI, "v2")
    first, second = images.ask("GET", "/net/images")["images"]
    assert (first["tag"], second["tag"]) == ("v2", "v1")
    amd, arm = MULTI.children
    assert (first["digest"], first["isMultiArchitecture"]) == (MULTI.digest, True)
    assert first["size"] == layers_size(amd)
    assert [
        (v["architecture"], v["os"], v.get("variant"), v["digest"], v["compressedSize"])
        for v in first["architectureVariants"]
    ] == [
        ("amd64", "linux", None, amd.digest, layers_size(amd)),
        ("arm64", "linux", "v8", arm.digest, layers_size(arm)),
    ]
    assert (second["isMultiArchitecture"], len(second["architectureVariants"])) == (False, 1)
    assert images.ask("GET", "/net")["isMultiArchitecture"] is True


def test_tag_list_over_pages_and_one_past_the_last(images: Images) -> None:
    """100 tags, 100 a page: the official client asks for a second page.

    See docs/protocol/conventions.md#paging.
    """
    one = image("hello")
    repository = images.push("net", one, "t0")
    for number in range(1, 100):
        repository.put_manifest(one.manifest, f"t{number}")
    page = images.ask("GET", "/net/images")
    assert page["paginationInfo"] == {"index": 0, "size": 100, "totalPages": 1, "totalResults": 100}
    assert images.ask("GET", "/net/images?page-number=1")["images"] == []
    repository.put_manifest(one.manifest, "t100")
    assert images.ask("GET", "/net/images")["paginationInfo"]["totalPages"] == 2
    rest = images.ask("GET", "/net/images?page-number=1")["images"]
    assert {entry["tag"] for entry in page["images"] + rest} | {"t100"} == {f"t{n}" for n in range(101)}


def test_tag_metadata(images: Images) -> None:
    images.push("net", image("hello"), "v1")
    tag = images.ask("GET", "/net/tags/v1")
    assert (tag["tag"], tag["isSigned"]) == ("v1", False)
    assert tag["architectureVariants"][0]["architecture"] == "amd64"
    me = images.session.get("/v2/users/me").json()["user"]
    assert tag["user"] == me["clientId"]
    images.ask("GET", "/net/tags/v2", expect=404)


def test_an_artifact_has_no_platform_but_is_there(images: Images) -> None:
    images.push("net", artifact("application/vnd.example.chart", None), "v1")
    (tag,) = images.ask("GET", "/net/images")["images"]
    assert tag["architectureVariants"][0]["architecture"] == ""
    assert images.ask("GET", "/net/images/v1")["history"] == [{"v1Compatibility": tag_step()}]


def tag_step() -> str:
    return json.dumps({"created": "", "container_config": {"Cmd": [""]}})


def test_manifest_view_is_shaped_like_schema_1(images: Images) -> None:
    one = image("first", "second")
    images.push("net", one, "v1")
    view = images.ask("GET", "/net/images/v1")
    assert (view["schemaVersion"], view["name"], view["tag"]) == (1, images.path("net"), "v1")
    assert view["architecture"] == "amd64"
    assert [entry["blobSum"] for entry in view["fsLayers"]] == [one.blobs[2].digest, one.blobs[1].digest]
    steps = [json.loads(entry["v1Compatibility"]) for entry in view["history"]]
    assert [step["container_config"]["Cmd"] for step in steps] == [
        ["ENV A=b"],
        ["ADD file-1 /"],
        ["ADD file-0 /"],
    ]
    assert [step.get("empty_layer", False) for step in steps] == [True, False, False]
    assert steps[1]["created"] == "2026-03-04T05:01:00Z"


def test_manifest_view_of_several_platforms_shows_the_usual_one(images: Images) -> None:
    reverse = index(image("arm", architecture="arm64"), image("amd"))
    images.push("net", reverse, "v1")
    assert images.ask("GET", "/net/images/v1")["architecture"] == "amd64"


def test_set_latest(images: Images) -> None:
    images.push("net", image("one"), "v1")
    images.push("net", image("two"), "v2")
    assert images.ask("GET", "/net")["latestTag"] == "v2"
    images.ask("PATCH", "/net/tags/v1?set-latest=true", json={})
    assert images.ask("GET", "/net")["latestTag"] == "v1"
    images.ask("PATCH", "/net/tags/v9?set-latest=true", expect=404, json={})
    images.ask("PATCH", "/net/tags/v1", expect=422, json={})


def test_removing_a_tag_in_either_api_shows_in_the_other(images: Images) -> None:
    one = image("one")
    repository = images.push("net", one, "v1")
    images.push("net", image("two"), "v2")
    images.ask("DELETE", "/net/images/v2")
    assert repository.send("GET", "manifests/v2").status_code == 404
    assert images.ask("GET", "/net")["latestTag"] == "v1"  # the newest of those that are left
    assert repository.send("DELETE", "manifests/v1").status_code == 202
    assert images.ask("GET", "/net")["tags"] == []
    assert "latestTag" not in images.ask("GET", "/net")
    images.ask("DELETE", "/net/images/v1", expect=404)
    images.ask("GET", "/net/images/v1", expect=404)


def test_tags_that_list_referrers_are_never_the_latest(images: Images) -> None:
    one = image("one")
    repository = images.push("net", one, "v1")
    repository.put_manifest(one.manifest, one.digest.replace(":", "-"))
    assert images.ask("GET", "/net")["latestTag"] == "v1"


@pytest.mark.parametrize(
    "config",
    [
        b"not json",
        b"[]",
        b'{"architecture": "a\\u0000b", "os": "\\ud800", "variant": 7, "history": "none"}',
        b'{"architecture": "' + b"x" * 300 + b'", "os": "<script>", "rootfs": {"diff_ids": 5}}',
        b'{"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": []}, "history": [1, {"created_by": []}]}',
        b'{"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": []}, "history": [{"created_by": "\\ud800"}]}',
    ],
)
def test_a_config_that_is_none_does_no_harm(images: Images, config: bytes) -> None:
    one = image("hello")
    blob = Content(config, OCI_CONFIG)
    document = {**json.loads(one.manifest.data), "config": blob.descriptor}
    manifest = Content(as_json(document), OCI_MANIFEST)
    images.push("net", Image(manifest, (blob, one.blobs[1])), "v1")
    (tag,) = images.ask("GET", "/net/images")["images"]
    variant = tag["architectureVariants"][0]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{0,64}", variant[name]) for name in ("architecture", "os"))
    view = images.ask("GET", "/net/images/v1")
    filled = [step for step in view["history"] if "empty_layer" not in json.loads(step["v1Compatibility"])]
    assert len(filled) == len(view["fsLayers"]) == 1
    assert [hit["name"] for hit in images.search()] == ["net"]


# who may


@pytest.mark.parametrize(
    ("role", "may_push", "may_delete"),
    [("REGISTRY_READ", False, False), ("REGISTRY_USER", True, True), ("REGISTRY_ADMIN", True, True)],
)
def test_roles(as_role: Callable[..., Images], role: str, may_push: bool, may_delete: bool) -> None:
    as_role().push("net", image("hello"), "v1")
    images = as_role(role)
    for path in ("/net", "/net/images", "/net/images/v1", "/net/tags/v1"):
        images.ask("GET", path)
    push, delete = (200 if may_push else 403), (200 if may_delete else 403)
    images.ask("POST", expect=push, json={"name": "other"})
    images.ask("PATCH", "/net", expect=push, json={"publisher": "Q"})
    images.ask("PATCH", "/net/tags/v1?set-latest=true", expect=push, json={})
    images.ask("DELETE", "/net/images/v1", expect=delete)
    images.ask("DELETE", "/net", expect=delete)


def test_other_orgs_and_guests_see_what_is_public(
    as_role: Callable[..., Images], registry: RunningRegistry, image_org: str
) -> None:
    admin = as_role("REGISTRY_ADMIN")
    admin.push("net", image("hello"), "v1")
    stranger = registry.session(registry.key(org=registry.org()))
    guest = registry.session()
    looks = ("", "/images", "/images/v1", "/tags/v1")
    for look in looks:
        assert stranger.get(f"{admin.base}/net{look}").status_code == 403
        assert guest.get(f"/v2/repos/{image_org}/net{look}").status_code == 404
    admin.ask("PATCH", "/net", json={"isPublic": True})
    for look in looks:
        assert stranger.get(f"{admin.base}/net{look}").status_code == 200
        assert guest.get(f"/v2/repos/{image_org}/net{look}").status_code == 200
    assert guest.patch(f"/v2/repos/{image_org}/net", json={"publisher": "Q"}).status_code == 401
    assert guest.delete(f"/v2/repos/{image_org}/net").status_code == 401
    assert stranger.delete(f"{admin.base}/net").status_code == 403


# search


def test_search_finds_repositories_with_what_a_list_shows(images: Images) -> None:
    one = image("hello")
    images.push("demo-net", one, "24.01")
    images.ask(
        "PATCH", "/demo-net", json={"displayName": "Demo", "shortDescription": "short", "labelsV2": ["x"]}
    )
    images.ask("POST", json={"name": "empty"})
    demo, empty = images.search()
    assert (demo["resourceId"], demo["resourceType"]) == (images.path("demo-net"), "CONTAINER")
    assert (demo["name"], demo["orgName"], demo["displayName"]) == ("demo-net", images.org, "Demo")
    assert (demo["description"], demo["guestAccess"], demo["isPublic"]) == ("short", False, False)
    attributes = {entry["key"]: entry["value"] for entry in demo["attributes"]}
    assert (attributes["latestTag"], attributes["size"]) == ("24.01", str(layers_size(one)))
    assert demo["labels"] == [{"key": "general", "values": ["x"]}]
    assert (empty["name"], empty["attributes"]) == ("empty", [])
    assert [hit["name"] for hit in images.search(f"{images.org}/demo*")] == ["demo-net"]


def test_search_without_wildcards_is_exact(images: Images) -> None:
    for name in ("net", "net-2", "subnet"):
        images.ask("POST", json={"name": name})
    assert [hit["name"] for hit in images.search(images.path("net"))] == ["net"]


def test_search_of_the_catalog_shows_what_is_public_with_its_lock(
    as_role: Callable[..., Images], registry: RunningRegistry
) -> None:
    admin = as_role("REGISTRY_ADMIN")
    for name in ("hidden", "locked", "unlocked"):
        admin.push(name, image(name), "v1")
    admin.ask("PATCH", "/locked", json={"isPublic": True})
    admin.ask("PATCH", "/unlocked", json={"isPublic": True, "canGuestPull": True})
    guest = Images(registry, admin.org, "")
    found = {hit["name"]: hit["guestAccess"] for hit in guest.search(f"{admin.org}/*", where="catalog")}
    assert found == {"locked": False, "unlocked": True}
