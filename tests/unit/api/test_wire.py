"""JSON of the NGC API to records: the tolerant rules, and what is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngc_cli.api import kinds, wire
from ngc_cli.errors import NgcError, ServerError
from ngc_cli.records import Artifact, ArtifactVersion, KeyValue, MetricsTable, PublicDataset, Team, as_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "labels",
                    "versionId",
                    "customMetrics",
                    "attributes",
                    "key",
                    "value",
                    "id",
                    "isPublic",
                    "publicDatasetUsed",
                    "totalFileCount",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


def test_an_artifact_of_the_contract() -> None:
    item = wire.artifact(
        {
            "name": "m",
            "orgName": "acme",
            "labels": ["fast", "release_type:ga"],
            "publicDatasetUsed": {"name": "d", "license": None},
            "isPublic": "false",
            "latestVersionIdStr": 2,
            "unknown": {"x": 1},
        }
    )
    assert item == Artifact(
        "m",
        "acme",
        labels=("fast",),
        public_dataset_used=PublicDataset("d"),
        is_public=False,
        latest_version_id_str="2",
    )


def test_a_version_with_metrics_keeps_their_order_and_repetitions() -> None:
    pairs = [("John", "Bonham"), ("Robert", "Plant"), ("John", "Paul Jones")]
    value = {
        "versionId": "1",
        "customMetrics": [{"name": "T", "attributes": [{"key": k, "value": v} for k, v in pairs]}],
    }
    version = wire.artifact_version(value)
    assert version.custom_metrics == (MetricsTable("T", tuple(KeyValue(k, v) for k, v in pairs)),)
    assert as_json(version) == value


def test_the_deprecated_id_stands_in_for_the_version_id() -> None:
    assert wire.artifact_version({"id": 3}) == ArtifactVersion("3")


@given(JSON)
def test_hostile_json_becomes_a_record_or_an_ngc_error(value: object) -> None:
    for read in (wire.artifact, wire.artifact_version, wire.file_entry):
        try:
            json.dumps(as_json(read(value)))
        except NgcError:
            continue


@pytest.mark.parametrize(
    "value", [None, [], {}, {"name": ["x"]}, {"name": "t", "id": "seven"}, {"name": "t", "id": float("inf")}]
)
def test_wrong_shapes_are_server_errors(value: object) -> None:
    with pytest.raises(ServerError):
        wire.decode(Team, value)


@pytest.mark.parametrize("encoded", ["%%", "YWJj", 5])
def test_a_digest_that_is_none(encoded: object) -> None:
    with pytest.raises(ServerError):
        wire.hex_digest(encoded)


def test_digests_there_and_back() -> None:
    digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert wire.hex_digest(wire.base64_digest(digest)) == digest


def test_bodies_to_send() -> None:
    record = Artifact("m", labels=("a",), public_dataset_used=None, short_description="s")
    assert wire.encode_artifact(record, create=True) == {
        "name": "m",
        "labelsV2": ["a"],
        "shortDescription": "s",
        "publicDatasetUsed": {},
    }
    assert wire.encode_artifact(Artifact(""), create=False) == {"publicDatasetUsed": {}}


def test_search_hits_become_artifacts() -> None:
    hit = {
        "resourceId": "acme/bert",
        "name": "bert",
        "orgName": "acme",
        "guestAccess": True,
        "description": "short",
        "attributes": [
            {"key": "framework", "value": "PyTorch"},
            {"key": "latestVersionSizeInBytes", "value": "100"},
        ],
        "labels": [{"key": "general", "values": ["fast"]}],
    }
    answer = {
        "results": [{"groupValue": "MODEL", "resources": [hit]}, {"groupValue": "RECIPE", "resources": [hit]}]
    }
    assert wire.search_hits(answer, "MODEL") == [hit]
    model = wire.found_artifact(hit, kinds.MODEL)
    assert (model.framework, model.latest_version_size_in_bytes, model.labels) == ("PyTorch", 100, ("fast",))
    script = wire.found_artifact(hit, kinds.MODEL_SCRIPT)
    assert (script.framework, script.training_framework) == (None, "PyTorch")


def test_search_hits_become_image_repositories() -> None:
    image = wire.found_image(
        {
            "name": "net",
            "orgName": "acme",
            "teamName": "vision",
            "guestAccess": False,
            "dateModified": "2026-03-04T05:06:07.890Z",
            "attributes": [{"key": "latestTag", "value": "24.01"}, {"key": "size", "value": "2544803840"}],
            "labels": [{"key": "general"}],
        }
    )
    assert (image.namespace, image.latest_tag, image.latest_image_size) == (
        "acme/vision",
        "24.01",
        2544803840,
    )
    assert (image.can_guest_pull, image.labels, image.updated_date) == (False, (), "2026-03-04T05:06:07.890Z")
