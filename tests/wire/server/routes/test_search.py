"""The search (docs/protocol/artifacts.md)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.artifacts import Wire, ok, problem
from support.registry import RunningRegistry


def search(
    session: Any, scope: str, pattern: str = "*", kind: str = "MODEL", **members: Any
) -> dict[str, Any]:
    query = {"query": f"resourceId:{pattern}", "page": 0, "pageSize": 100, "filters": [], **members}
    return ok(session.get(f"/v2/search/{scope}/resources/{kind}", params={"q": json.dumps(query)}))


def ids(answer: dict[str, Any]) -> list[str]:
    return [hit["resourceId"] for group in answer["results"] for hit in group["resources"]]


@pytest.fixture(scope="module")
def place(registry: RunningRegistry) -> tuple[str, str, str]:
    """An org and two teams with a public and a private model each, and one resource."""
    org = registry.org()
    team, other = registry.team(org, "red"), registry.team(org, "blue")
    session = registry.session(registry.key(org=org, role="REGISTRY_ADMIN"))
    for where in ("", team, other):
        wire = Wire(session, org, where)
        ok(wire.create("bert", framework="PyTorch", labelsV2=["fast"], displayName="BERT"))
        ok(wire.create("bert-open", application="NLP"))
        ok(session.patch(wire.at("bert-open"), json={"isPublic": True}))
    ok(Wire(session, org, segment="resources").create("scripts"))
    return org, team, other


def test_a_hit_tells_what_lists_show(registry: RunningRegistry, place: tuple[str, str, str]) -> None:
    org, team, _other = place
    session = registry.session(registry.key(org=org, team=team, role="REGISTRY_USER"))
    Wire(session, org, team).publish_version("bert", "2.0", {"f": b"x" * 100})
    answer = search(session, f"org/{org}/team/{team}", f"{org}/{team}/bert")
    assert (answer["resultTotal"], answer["resultPageTotal"]) == (1, 1)
    group = answer["results"][0]
    assert (group["groupValue"], group["totalCount"]) == ("MODEL", 1)
    hit = group["resources"][0]
    assert (hit["name"], hit["displayName"], hit["orgName"], hit["teamName"]) == ("bert", "BERT", org, team)
    assert (hit["isPublic"], hit["guestAccess"]) == (False, False)
    attributes = {item["key"]: item["value"] for item in hit["attributes"]}
    assert attributes == {
        "framework": "PyTorch",
        "latestVersionIdStr": "2.0",
        "latestVersionSizeInBytes": "100",
    }
    assert hit["labels"] == [{"key": "general", "values": ["fast"]}]


def test_a_resource_hit_names_its_framework_as_the_official_client_reads_it(
    registry: RunningRegistry, place: tuple[str, str, str]
) -> None:
    org = place[0]
    session = registry.session(registry.key(org=org, role="REGISTRY_READ"))
    answer = search(session, f"org/{org}", f"{org}/*", kind="RECIPE")
    assert ids(answer) == [f"{org}/scripts"]
    attributes = {item["key"]: item["value"] for item in answer["results"][0]["resources"][0]["attributes"]}
    assert attributes["framework"] == "TensorFlow"
    assert attributes["format"] == "F"


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("{org}/*", ["bert", "bert-open", "blue/bert", "blue/bert-open", "red/bert", "red/bert-open"]),
        ("{org}/red/*", ["red/bert", "red/bert-open"]),
        ("{org}/bert", ["bert"]),
        ("{org}/bert?open", ["bert-open"]),
        ("{org}/[br]e*", ["bert", "bert-open", "red/bert", "red/bert-open"]),
        ("bert", ["bert", "blue/bert", "red/bert"]),
        ("{org}/nosuch*", []),
        ("{org}", []),
    ],
)
def test_patterns(
    registry: RunningRegistry, place: tuple[str, str, str], pattern: str, found: list[str]
) -> None:
    org = place[0]
    session = registry.session(registry.key(org=org, role="REGISTRY_ADMIN"))
    answer = search(session, f"org/{org}", pattern.format(org=org))
    assert ids(answer) == sorted(f"{org}/{name}" for name in found)


def test_everyone_sees_what_their_roles_show(registry: RunningRegistry, place: tuple[str, str, str]) -> None:
    org, team, other = place
    everywhere = f"org/{org}"

    def found(scope: str, **role: str) -> set[str]:
        session = registry.session(registry.key(**role)) if role else registry.session()
        return {hit.removeprefix(f"{org}/") for hit in ids(search(session, scope, f"{org}/*"))}

    public = {"bert-open", "red/bert-open", "blue/bert-open"}
    assert found("catalog") == public
    assert found(everywhere) == public
    assert found(everywhere, org=registry.org()) == public
    assert found(everywhere, org=org, role="REGISTRY_READ") == {"bert", *public}
    assert found(everywhere, org=org, team=team, role="REGISTRY_READ") == {"bert", "red/bert", *public}
    assert found(everywhere, org=org, role="REGISTRY_ADMIN") == {"bert", "red/bert", "blue/bert", *public}
    assert found(f"{everywhere}/team/{other}", org=org, team=team, role="REGISTRY_READ") == {"blue/bert-open"}
    assert found(f"{everywhere}/team/{team}", org=org, team=team, role="REGISTRY_READ") == {
        "red/bert",
        "red/bert-open",
    }
    assert found("subscriber/catalog", org=org, role="REGISTRY_READ") == set()


def test_pages_hold_everything_once_and_in_order(registry: RunningRegistry) -> None:
    org = registry.org()
    session = registry.session(registry.key(org=org))
    wire = Wire(session, org)
    for number in range(7):
        ok(wire.create(f"m{number}"))
    pages = [search(session, f"org/{org}", f"{org}/*", page=page, pageSize=3) for page in range(4)]
    assert [len(ids(page)) for page in pages] == [3, 3, 1, 0]
    assert {page["resultPageTotal"] for page in pages} == {3}
    assert [hit for page in pages for hit in ids(page)] == [f"{org}/m{number}" for number in range(7)]


def test_filters_look_at_labels_and_attributes(
    registry: RunningRegistry, place: tuple[str, str, str]
) -> None:
    org = place[0]
    session = registry.session(registry.key(org=org, role="REGISTRY_READ"))

    def found(field: str, value: Any) -> list[str]:
        filters = [{"field": field, "value": value}]
        return ids(search(session, f"org/{org}", f"{org}/bert*", filters=filters))

    assert found("labels", "fast") == [f"{org}/bert"]
    assert f"{org}/bert-open" in found("application", "NLP")
    assert found("isPublic", False) == [f"{org}/bert"]
    assert found("signedModels", True) == []
    assert found("releaseType", "release_type_beta") == []


@pytest.mark.parametrize(
    "query",
    [
        "{",
        "[]",
        '{"page": -1}',
        '{"page": "1"}',
        '{"pageSize": 0}',
        '{"query": 5}',
        '{"filters": [1]}',
        "[" * 5000,
    ],
)
def test_a_query_that_is_none_is_refused(registry: RunningRegistry, query: str) -> None:
    problem(registry.session().get("/v2/search/catalog/resources/MODEL", params={"q": query}), 422)


def test_an_unknown_type_and_label_set_are_not_found(registry: RunningRegistry) -> None:
    guest = registry.session()
    assert "MODEL, RECIPE" in problem(guest.get("/v2/search/catalog/resources/NOSUCH"), 404)
    assert ok(guest.get("/v2/search/labelsets?resource-type=MODEL"))["labelSets"] == []
    problem(guest.get("/v2/search/labelsets/x"), 404)
    org = registry.org()
    session = registry.session(registry.key(org=org))
    problem(session.get(f"/v2/search/org/{org}/labelsets/x"), 404)


def test_lists_filter_by_what_was_published(registry: RunningRegistry) -> None:
    org = registry.org()
    session = registry.session(registry.key(org=org, role="REGISTRY_ADMIN"))
    wire = Wire(session, org)
    ok(wire.create("plain"))
    made = ok(
        wire.create("listed", accessType="listed", productNames=["one", "two"], policyLabels=["gov_ready"])
    )
    assert made["model"]["policyLabels"] == ["GOV_READY"]
    wire.publish_version("plain", "1", {"f": b"x"})
    changed = ok(
        session.patch(wire.at("plain", "versions", "1"), json={"policy": ["GOV_READY"], "releaseType": "ga"})
    )
    assert (changed["modelVersion"]["policy"], changed["modelVersion"]["releaseType"]) == (
        ["GOV_READY"],
        "GA",
    )
    where = f"/v2/org/{org}/repos"
    repository = {
        "name": "net",
        "releaseType": "BETA",
        "policyLabels": ["GOV_READY"],
        "productNames": ["one"],
    }
    assert ok(session.post(where, json=repository))["releaseType"] == "BETA"
    ok(session.post(where, json={"name": "other"}))

    def found(field: str, value: Any, kind: str = "MODEL") -> list[str]:
        filters = [{"field": field, "value": value}]
        return [
            hit.rpartition("/")[2] for hit in ids(search(session, f"org/{org}", kind=kind, filters=filters))
        ]

    assert found("policy", "gov_ready") == ["listed", "plain"]
    assert found("releaseType", "release_type_consumer") == ["plain"]
    assert found("releaseType", "release_type_ltsb") == []
    assert found("accessType", "LISTED") == ["listed"]
    assert found("productNames", "two") == ["listed"]
    assert found("policy", "GOV_READY", "CONTAINER") == ["net"]
    assert found("releaseType", "release_type_beta", "CONTAINER") == ["net"]
    assert found("productNames", "two", "CONTAINER") == []
    assert found("signedImages", True, "CONTAINER") == []


@pytest.mark.parametrize("kind", ["MODEL", "CONTAINER"])
def test_a_filter_by_user_finds_what_the_user_created(registry: RunningRegistry, kind: str) -> None:
    org = registry.org()
    mine, other = (registry.session(registry.key(org=org)) for _ in range(2))
    for session, name in ((mine, "mine"), (other, "other")):
        ok(Wire(session, org).create(name))
        ok(session.post(f"/v2/org/{org}/repos", json={"name": name}))
    user = ok(mine.get("/v2/users/me"))["user"]
    for value in (str(user["id"]), user["clientId"]):
        filters = [{"field": "createdBy", "value": value}]
        assert ids(search(other, f"org/{org}", kind=kind, filters=filters)) == [f"{org}/mine"]


def test_a_filter_by_an_unknown_field_is_refused(registry: RunningRegistry) -> None:
    query = json.dumps({"filters": [{"field": "nosuch", "value": "x"}]})
    answer = registry.session().get("/v2/search/catalog/resources/MODEL", params={"q": query})
    assert "'nosuch'" in problem(answer, 422)


@pytest.mark.parametrize(
    "members", [{"policy": ["NOSUCH"]}, {"policy": "GOV_READY"}, {"releaseType": "NOSUCH"}]
)
def test_publishing_members_of_a_version_are_checked(
    registry: RunningRegistry, members: dict[str, Any]
) -> None:
    org = registry.org()
    wire = Wire(registry.session(registry.key(org=org)), org)
    ok(wire.create("m"))
    problem(wire.create_version("m", "1", **members), 422)
