"""Models and resources and their versions over HTTP (docs/protocol/artifacts.md)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from support.artifacts import RESOURCE_MEMBERS, Wire, ok, problem
from support.registry import RunningRegistry

DATE = re.compile(r"\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d\.\d+Z")
MODEL = {
    "application": "OBJECT_DETECTION",
    "builtBy": "My Name",
    "description": "# Overview\nhëllo\n",
    "displayName": "Final Review Model",
    "framework": "TensorFlow",
    "labelsV2": ["sparkly", "fast"],
    "logo": "http://www.example.com/l.png",
    "modelFormat": "format",
    "name": "final_review_model",
    "precision": "FP16",
    "publicDatasetUsed": {"license": "MIT", "link": "www.example.com", "name": "200x200"},
    "publisher": "NVIDIA MyTeam",
    "shortDescription": "A model for object detection",
}
VERSION = {
    "accuracyReached": 91.5,
    "batchSize": 2000,
    "customMetrics": [{"attributes": [{"key": "Robert", "value": "Plant"}], "name": "ZeppelinTable"}],
    "description": "A new and exciting version: 1",
    "gpuModel": "SomeGPU",
    "memoryFootprint": "4GB",
    "numberOfEpochs": 100,
    "otherContents": [{"key": "Other", "value": "http://www.example.com/m"}],
    "versionId": "1",
}


@pytest.fixture
def models(registry: RunningRegistry) -> Wire:
    org = registry.org()
    return Wire(registry.session(registry.key(org=org)), org)


@pytest.fixture
def resources(registry: RunningRegistry) -> Wire:
    org = registry.org()
    return Wire(registry.session(registry.key(org=org)), org, segment="resources")


def test_a_model_comes_back_as_it_was_created(models: Wire) -> None:
    made = ok(models.session.post(f"{models.place}/models", json=MODEL))["model"]
    found = ok(models.session.get(models.at("final_review_model") + "?resolve-labels=false"))["model"]
    assert found == made
    labels = found.pop("labels")
    assert sorted(labels) == ["fast", "sparkly"]
    assert {name: found[name] for name in MODEL if name != "labelsV2"} == {
        name: value for name, value in MODEL.items() if name != "labelsV2"
    }
    assert found["orgName"] == models.org
    assert "teamName" not in found
    assert "latestVersionIdStr" not in found
    assert DATE.fullmatch(found["createdDate"])
    assert DATE.fullmatch(found["updatedDate"])


def test_the_same_name_lives_in_each_place_once(registry: RunningRegistry) -> None:
    org = registry.org()
    team = registry.team(org)
    session = registry.session(registry.key(org=org, role="REGISTRY_ADMIN"))
    for wire in (Wire(session, org), Wire(session, org, team), Wire(session, org, segment="resources")):
        ok(wire.create("bert"))
        assert "already exists" in problem(wire.create("bert"), 409)
    assert ok(session.get(Wire(session, org, team).at("bert")))["model"]["teamName"] == team


def test_a_model_needs_nothing_but_a_name(models: Wire) -> None:
    ok(models.session.post(f"{models.place}/models", json={"name": "cmr_gnmt"}))


def test_a_resource_needs_what_the_contract_says(resources: Wire) -> None:
    said = problem(resources.session.post(f"{resources.place}/resources", json={"name": "r"}), 422)
    for member in RESOURCE_MEMBERS:
        assert member in said


def test_a_resource_keeps_its_long_texts_and_canonical_words(resources: Wire) -> None:
    texts = {
        name: f"# {name}\r\n\n\t✓ \n" for name in ("advanced", "performance", "quickStartGuide", "setup")
    }
    ok(
        resources.create(
            "r", **texts, application="classification", trainingFramework="PYTORCH", precision="fpboth"
        )
    )
    found = ok(resources.session.get(resources.at("r")))["recipe"]
    assert {name: found[name] for name in texts} == texts
    assert (found["application"], found["trainingFramework"], found["precision"]) == (
        "CLASSIFICATION",
        "PyTorch",
        "FPBOTH",
    )


@pytest.mark.parametrize(
    "member",
    [
        {"name": "Upper"},
        {"name": "1st"},
        {"name": "n" * 129},
        {"name": "a/b"},
        {"name": "a b"},
        {"name": ""},
        {"name": None},
        {"name": 5},
        {"name": ["x"]},
        {"application": "x" * 256},
        {"application": {"a": 1}},
        {"displayName": "x"},
        {"displayName": "x" * 65},
        {"logo": "javascript:alert(1)"},
        {"logo": "a b"},
        {"publicDatasetUsed": []},
        {"publicDatasetUsed": {"link": "www.example.com"}},
        {"labelsV2": "fast"},
        {"labelsV2": [""]},
        {"labelsV2": [None]},
    ],
)
def test_a_bad_member_is_refused_by_its_name(models: Wire, member: dict[str, Any]) -> None:
    said = problem(models.session.post(f"{models.place}/models", json={"name": "m", **member}), 422)
    assert next(iter(member)).removesuffix("V2") in said or "'link'" in said
    assert models.session.get(models.at("m")).status_code == 404


def test_an_update_changes_only_what_it_names(models: Wire) -> None:
    ok(models.session.post(f"{models.place}/models", json=MODEL))
    path = models.at("final_review_model")
    before = ok(models.session.get(path))["model"]
    body = {"description": "new", "labelsV2": ["one"], "publicDatasetUsed": {}}
    after = ok(models.session.patch(path, json=body))["model"]
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"description", "labels", "updatedDate"}
    assert after["labels"] == ["one"]
    after = ok(models.session.patch(path, json={"publicDatasetUsed": {"license": "BSD"}, "labelsV2": []}))[
        "model"
    ]
    assert after["publicDatasetUsed"] == {**MODEL["publicDatasetUsed"], "license": "BSD"}  # type: ignore[dict-item]
    assert after["labels"] == []
    problem(models.session.patch(models.at("other"), json={}), 404)


def test_removing_a_model_removes_its_versions(models: Wire) -> None:
    models.publish_version("m", "1", {"a": b"a"})
    ok(models.session.delete(models.at("m")))
    problem(models.session.get(models.at("m")), 404)
    problem(models.session.delete(models.at("m")), 404)
    ok(models.create("m"))
    assert ok(models.session.get(models.at("m", "versions")))["modelVersions"] == []


def test_a_version_comes_back_as_it_was_created(models: Wire) -> None:
    ok(models.create("m"))
    made = ok(models.session.post(models.at("m", "versions"), json=VERSION))
    assert made["model"]["name"] == "m"
    version = made["modelVersion"]
    assert {name: version[name] for name in VERSION} == VERSION
    assert (version["status"], version["storageVersion"]) == ("UPLOAD_PENDING", "V2")
    assert (version["totalFileCount"], version["totalSizeInBytes"]) == (0, 0)
    assert ok(models.session.get(models.at("m", "versions", "1")))["modelVersion"] == version
    assert "already exists" in problem(models.create_version("m", "1"), 409)
    problem(models.create_version("nosuch", "1"), 404)


def test_a_resource_version_has_its_own_members(resources: Wire) -> None:
    ok(resources.create("r"))
    texts = {name: f"{name}\n" for name in ("performance", "quickStartGuide", "releaseNotes", "setup")}
    long = "x" * 5000
    version = ok(resources.create_version("r", "v1", **texts, description=long, accuracyReached="16.0"))
    found = version["recipeVersion"]
    assert {name: found[name] for name in texts} == texts
    assert (found["description"], found["accuracyReached"]) == (long, 16.0)
    listed = ok(resources.session.get(resources.at("r", "versions")))
    assert [entry["versionId"] for entry in listed["recipeVersions"]] == ["v1"]


def test_a_precision_word_passes_for_an_accuracy_as_in_the_guide(models: Wire) -> None:
    ok(models.create("m"))
    assert (
        ok(models.create_version("m", "1", accuracyReached="FP32"))["modelVersion"]["accuracyReached"]
        == "FP32"
    )


@pytest.mark.parametrize(
    "member",
    [
        {"versionId": ""},
        {"versionId": None},
        {"versionId": "a/b"},
        {"versionId": ".."},
        {"versionId": "x" * 256},
        {"accuracyReached": 100.5},
        {"accuracyReached": -1},
        {"accuracyReached": True},
        {"accuracyReached": "very good"},
        {"batchSize": -1},
        {"batchSize": 1.5},
        {"batchSize": 2**31},
        {"numberOfEpochs": "ten"},
        {"gpuModel": "x" * 256},
        {"description": "x" * 256},
        {"otherContents": [{"key": "Not alnum", "value": "x"}]},
        {"otherContents": [{"key": "Github"}]},
        {"otherContents": "x"},
        {"customMetrics": [{"name": "t", "attributes": []}]},
        {"customMetrics": [{"name": "", "attributes": [{"key": "k", "value": "v"}]}]},
        {"customMetrics": [{"name": "t", "attributes": [{"key": "k", "value": "v"}] * 13}]},
        {"customMetrics": [{"name": "t", "attributes": [{"key": "k", "value": "v"}]}] * 4},
        {"customMetrics": [{"name": "t", "attributes": [{"key": "k", "value": "v", "x": "y"}]}]},
        {"customMetrics": [{"name": "t", "attributes": [{"key": "k", "value": "v" * 256}]}]},
    ],
)
def test_a_bad_member_of_a_version_is_refused(models: Wire, member: dict[str, Any]) -> None:
    ok(models.create("m"))
    problem(models.session.post(models.at("m", "versions"), json={"versionId": "1", **member}), 422)
    assert ok(models.session.get(models.at("m", "versions")))["modelVersions"] == []


def test_metrics_keep_order_and_repeated_keys_and_numbers_become_text(models: Wire) -> None:
    ok(models.create("m"))
    attributes = [
        {"key": "John", "value": "Bonham"},
        {"key": "John", "value": "Paul Jones"},
        {"key": "n", "value": 5},
    ]
    tables = [{"name": f"t{number}", "attributes": attributes} for number in range(3)]
    made = ok(models.create_version("m", "1", customMetrics=tables))["modelVersion"]["customMetrics"]
    assert [table["name"] for table in made] == ["t0", "t1", "t2"]
    assert made[0]["attributes"] == [*attributes[:2], {"key": "n", "value": "5"}]


def test_versions_are_listed_by_number_with_their_status(models: Wire) -> None:
    ok(models.create("m"))
    for name in ("1.10", "1.9", "2.0-rc1", "2.0", "1.9.1"):
        ok(models.create_version("m", name))
    ok(models.finish("m", "1.9"))

    def listed(query: str) -> list[str]:
        answer = ok(models.session.get(models.at("m", "versions") + query))
        return [version["versionId"] for version in answer["modelVersions"]]

    assert listed("?page-size=1000&sort-order=SEMVER_DESC") == ["2.0", "2.0-rc1", "1.10", "1.9.1", "1.9"]
    assert listed("?sort-order=SEMVER_ASC") == ["1.9", "1.9.1", "1.10", "2.0-rc1", "2.0"]
    assert listed("?sort-order=CREATED_DATE_ASC") == ["1.10", "1.9", "2.0-rc1", "2.0", "1.9.1"]
    assert listed("?page-size=2&page-number=2") == ["1.9"]
    assert listed("?page-size=2&page-number=9") == []
    info = ok(models.session.get(models.at("m", "versions") + "?page-size=2"))["paginationInfo"]
    assert info == {"index": 0, "size": 2, "totalResults": 5, "totalPages": 3}
    statuses = {
        version["versionId"]: version["status"]
        for version in ok(models.session.get(models.at("m", "versions")))["modelVersions"]
    }
    assert statuses["1.9"] == "UPLOAD_COMPLETE"
    assert set(statuses.values()) == {"UPLOAD_COMPLETE", "UPLOAD_PENDING"}


def test_the_latest_version_is_the_last_completed_or_the_one_chosen(models: Wire) -> None:
    def latest() -> tuple[str | None, int | None]:
        model = ok(models.session.get(models.at("m")))["model"]
        return model.get("latestVersionIdStr"), model.get("latestVersionSizeInBytes")

    models.publish_version("m", "2", {"a": b"12345"})
    ok(models.create_version("m", "3"))
    assert latest() == ("2", 5)
    models.publish_version("m", "1", {"a": b"1"})
    assert latest() == ("1", 1)
    path = models.at("m", "versions", "2")
    ok(models.session.patch(path + "?set-latest=true", json={}))
    assert latest() == ("2", 5)
    assert "not complete" in problem(
        models.session.patch(models.at("m", "versions", "3") + "?set-latest=true"), 409
    )
    ok(models.session.delete(path))
    assert latest() == ("1", 1)
    ok(models.session.delete(models.at("m", "versions", "1")))
    assert latest() == (None, None)


def test_a_version_without_files_may_be_completed(models: Wire) -> None:
    """See docs/protocol/transfers.md#upload: whoever completes it means it."""
    ok(models.create("m"))
    ok(models.create_version("m", "1"))
    ok(models.finish("m", "1"))
    version = ok(models.session.get(models.at("m", "versions", "1")))["modelVersion"]
    assert (version["status"], version["totalFileCount"], version["totalSizeInBytes"]) == (
        "UPLOAD_COMPLETE",
        0,
        0,
    )
    assert models.links("m", "1") == {}


def test_a_version_is_updated_and_completed_once(models: Wire) -> None:
    ok(models.create("m"))
    ok(models.create_version("m", "1", gpuModel="A"))
    path = models.at("m", "versions", "1")
    changed = ok(models.session.patch(path, json={"batchSize": 3}))["modelVersion"]
    assert (changed["gpuModel"], changed["batchSize"], changed["status"]) == ("A", 3, "UPLOAD_PENDING")
    assert ok(models.finish("m", "1"))["modelVersion"]["status"] == "UPLOAD_COMPLETE"
    assert ok(models.finish("m", "1"))["modelVersion"]["status"] == "UPLOAD_COMPLETE"
    problem(models.session.patch(path, json={"status": "UPLOAD_PENDING"}), 409)
    problem(models.session.patch(path, json={"status": "DONE"}), 422)
    problem(models.finish("m", "2"), 404)


def test_a_version_may_have_odd_names(models: Wire) -> None:
    ok(models.create("m"))
    for name in ("1.0+cu 12", "β", "100%", "a:b"):
        ok(models.create_version("m", name))
        quoted = requests_quote(name)
        assert ok(models.session.get(models.at("m", "versions", quoted)))["modelVersion"]["versionId"] == name


def requests_quote(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


# who may


def test_only_the_maker_and_administrators_remove_a_model(registry: RunningRegistry) -> None:
    org = registry.org()
    maker, other, admin = (
        Wire(registry.session(registry.key(org=org, role=role)), org)
        for role in ("REGISTRY_USER", "REGISTRY_USER", "REGISTRY_ADMIN")
    )
    ok(maker.create("a"))
    ok(maker.create("b"))
    ok(other.create_version("a", "theirs"))
    ok(maker.create_version("a", "mine"))
    assert "your own" in problem(other.session.delete(other.at("a")), 403)
    problem(other.session.delete(other.at("a", "versions", "mine")), 403)
    ok(other.session.delete(other.at("a", "versions", "theirs")))
    ok(maker.session.delete(maker.at("a")))
    ok(admin.session.delete(admin.at("b")))


def test_what_is_not_public_is_hidden_whether_it_exists_or_not(registry: RunningRegistry) -> None:
    org = registry.org()
    Wire(registry.session(registry.key(org=org)), org).publish_version("m", "1", {"f": b"x"})
    stranger = Wire(registry.session(registry.key(org=registry.org())), org)
    guest = Wire(registry.session(), org)
    for name in ("m", "nosuch"):
        assert stranger.session.get(stranger.at(name)).status_code == 403
        assert stranger.session.get(stranger.at(name, "1", "files")).status_code == 403
        assert guest.session.get(guest.guest_at(name)).status_code == 404
        assert guest.session.get(guest.guest_at(name, "versions", "1")).status_code == 404
        assert guest.session.patch(guest.guest_at(name), json={}).status_code == 401
    assert stranger.session.get(Wire(stranger.session, "no-such-org").at("m")).status_code == 403


def test_what_is_public_is_seen_and_when_unlocked_fetched_by_guests(registry: RunningRegistry) -> None:
    org = registry.org()
    team = registry.team(org)
    admin = Wire(registry.session(registry.key(org=org, role="REGISTRY_ADMIN")), org, team)
    admin.publish_version("m", "1", {"f": b"x"})
    ok(admin.create_version("m", "2"))
    guest, stranger = Wire(registry.session(), org, team), registry.session(registry.key(org=registry.org()))
    ok(admin.session.patch(admin.at("m"), json={"isPublic": True}))
    assert ok(guest.session.get(guest.guest_at("m")))["model"]["isPublic"] is True
    versions = ok(guest.session.get(guest.guest_at("m", "versions")))["modelVersions"]
    assert [version["versionId"] for version in versions] == ["1"]
    assert guest.session.get(guest.guest_at("m", "versions", "2")).status_code == 404
    ok(guest.session.get(guest.guest_at("m", "versions", "1", "files")))
    links = f"/v2/models/org/{org}/team/{team}/m/1/files"
    assert guest.session.get(links).status_code == 404
    ok(stranger.get(links))
    ok(stranger.get(admin.at("m", "1", "files")))
    ok(admin.session.patch(admin.at("m"), json={"canGuestDownload": True}))
    url = ok(guest.session.get(links))["urls"][0]
    assert guest.session.get(url).content == b"x"
    assert stranger.patch(admin.at("m"), json={}).status_code == 403


def test_a_plain_user_makes_nothing_public(registry: RunningRegistry) -> None:
    org = registry.org()
    wire = Wire(registry.session(registry.key(org=org)), org)
    ok(wire.create("m"))
    problem(wire.session.patch(wire.at("m"), json={"isPublic": True}), 403)
    assert ok(wire.session.get(wire.at("m")))["model"]["isPublic"] is False
