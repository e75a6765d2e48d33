"""OCI Distribution 1.1, section "Content Discovery": one test per requirement, named after its subsection."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from support.distribution import (
    OCI_INDEX,
    OCI_MANIFEST,
    UNKNOWN_DIGEST,
    Content,
    Distribution,
    artifact,
    as_json,
    error_code,
    image,
    index,
)

TAGS = ["Beta", "a", "b", "B", "latest", "v1", "v10", "v2", "_x"]
ORDERED = ["_x", "a", "B", "b", "Beta", "latest", "v1", "v10", "v2"]


@pytest.fixture
def tagged(repository: Distribution) -> Distribution:
    one = image("hello")
    repository.push(one)
    for tag in TAGS:
        repository.put_manifest(one.manifest, tag)
    return repository


def tags(answer: requests.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return list(answer.json()["tags"])


# -- Listing tags -----------------------------------------------------------------------------------------


def test_listing_tags_in_lexical_order(tagged: Distribution) -> None:
    answer = tagged.send("GET", "tags/list")
    assert answer.json() == {"name": tagged.repository, "tags": ORDERED}
    assert "Link" not in answer.headers


@pytest.mark.parametrize("n", [1, 2, 4, 8])
def test_listing_tags_page_by_page_along_the_link(tagged: Distribution, n: int) -> None:
    seen: list[list[str]] = []
    path = f"tags/list?n={n}"
    while path:
        answer = tagged.send("GET", path)
        seen.append(tags(answer))
        path = answer.links.get("next", {}).get("url", "")
    assert [tag for page in seen for tag in page] == ORDERED
    assert all(len(page) == n for page in seen[:-1])


def test_listing_tags_after_last(tagged: Distribution) -> None:
    assert tags(tagged.send("GET", "tags/list?n=2&last=b")) == ["Beta", "latest"]
    assert tags(tagged.send("GET", "tags/list?last=v10")) == ["v2"]
    assert tags(tagged.send("GET", "tags/list?last=c")) == ["latest", "v1", "v10", "v2"]  # no such tag
    assert tags(tagged.send("GET", "tags/list?last=zz")) == []


def test_listing_tags_exactly_n_has_no_link(tagged: Distribution) -> None:
    answer = tagged.send("GET", f"tags/list?n={len(TAGS)}")
    assert (tags(answer), "Link" in answer.headers) == (ORDERED, False)


def test_listing_tags_none_when_n_is_zero(tagged: Distribution) -> None:
    answer = tagged.send("GET", "tags/list?n=0")
    assert (tags(answer), "Link" in answer.headers) == ([], False)


@pytest.mark.parametrize("n", ["-1", "many", "1.5"])
def test_listing_tags_with_a_number_that_is_none(tagged: Distribution, n: str) -> None:
    answer = tagged.send("GET", f"tags/list?n={n}")
    assert (answer.status_code, error_code(answer)) == (400, "UNSUPPORTED")


def test_listing_tags_of_a_repository_without_any(repository: Distribution) -> None:
    repository.push(image("hello"))
    assert tags(repository.send("GET", "tags/list")) == []


def test_listing_tags_of_a_repository_that_does_not_exist(repository: Distribution) -> None:
    answer = repository.send("GET", "tags/list")
    assert (answer.status_code, error_code(answer)) == (404, "NAME_UNKNOWN")


# -- Listing referrers ------------------------------------------------------------------------------------


def referrers(answer: requests.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == OCI_INDEX
    document = answer.json()
    assert (document["schemaVersion"], document["mediaType"]) == (2, OCI_INDEX)
    return list(document["manifests"])


def test_listing_referrers(repository: Distribution) -> None:
    one = image("hello")
    early = artifact("application/vnd.example.sbom", one.manifest, note="before")
    repository.push(early)
    repository.push(one, "v1")
    late = artifact("application/vnd.example.signature", one.manifest, note="after")
    by_config = artifact("application/vnd.example.config", one.manifest, note="config", typed=False)
    of_index = index(image("child"), subject=one.manifest.descriptor, annotations={"note": "index"})
    typed_index = index(subject=one.manifest.descriptor, artifactType="application/vnd.example.bundle")
    for what in (late, by_config, of_index, typed_index):
        repository.push(what)
    repository.push(artifact("application/vnd.example.sbom", image("another").manifest))

    found = {entry["digest"]: entry for entry in referrers(repository.send("GET", f"referrers/{one.digest}"))}
    assert found.keys() == {what.digest for what in (early, late, by_config, of_index, typed_index)}
    for what in (early, late, by_config, of_index, typed_index):
        entry = found[what.digest]
        assert entry["size"] == len(what.manifest.data)
        assert entry["mediaType"] == what.manifest.media_type
    assert found[early.digest]["artifactType"] == "application/vnd.example.sbom"
    assert found[early.digest]["annotations"] == {"note": "before"}
    assert found[late.digest]["artifactType"] == "application/vnd.example.signature"
    assert found[by_config.digest]["artifactType"] == "application/vnd.example.config"
    assert "artifactType" not in found[of_index.digest]
    assert found[of_index.digest]["annotations"] == {"note": "index"}
    assert found[typed_index.digest]["artifactType"] == "application/vnd.example.bundle"


def test_listing_referrers_filtered_by_artifact_type(repository: Distribution) -> None:
    one = image("hello")
    wanted = artifact("application/vnd.example.sbom", one.manifest)
    repository.push(wanted)
    repository.push(artifact("application/vnd.example.signature", one.manifest))
    path = f"referrers/{one.digest}?artifactType=application/vnd.example.sbom"
    answer = repository.send("GET", path)
    assert [entry["digest"] for entry in referrers(answer)] == [wanted.digest]
    assert answer.headers["OCI-Filters-Applied"] == "artifactType"
    unfiltered = repository.send("GET", f"referrers/{one.digest}")
    assert "OCI-Filters-Applied" not in unfiltered.headers


@pytest.mark.parametrize("after", ["9" * 20, "9" * 5000, "x", "-1", "1e3", ""])
def test_listing_referrers_after_what_is_no_place_in_the_list(repository: Distribution, after: str) -> None:
    one = image("hello")
    repository.push(one)
    repository.push(artifact("application/vnd.example.sbom", one.manifest))
    answer = repository.send("GET", f"referrers/{one.digest}?after={after}")
    assert len(referrers(answer)) == 1


def test_listing_referrers_of_something_unknown_is_empty(repository: Distribution) -> None:
    assert referrers(repository.send("GET", f"referrers/{UNKNOWN_DIGEST}")) == []
    repository.push(image("hello"), "v1")
    assert referrers(repository.send("GET", f"referrers/{UNKNOWN_DIGEST}")) == []


@pytest.mark.parametrize("digest", ["latest", "sha256:short", "sha256:" + "Z" * 64])
def test_listing_referrers_of_something_that_is_no_digest(repository: Distribution, digest: str) -> None:
    answer = repository.send("GET", f"referrers/{digest}")
    assert (answer.status_code, error_code(answer)) == (400, "DIGEST_INVALID")


def test_listing_referrers_forgets_deleted_ones(repository: Distribution) -> None:
    one = image("hello")
    reference = artifact("application/vnd.example.sbom", one.manifest)
    repository.push(reference)
    assert repository.send("DELETE", f"manifests/{reference.digest}").status_code == 202
    assert referrers(repository.send("GET", f"referrers/{one.digest}")) == []


def test_listing_referrers_over_several_pages(repository: Distribution) -> None:
    """Annotations may be large: the answer stays below the size of a manifest, the rest follows the link."""
    one = image("hello")
    pushed = set()
    for number in range(5):
        reference = image(
            "same layer", subject=one.manifest.descriptor, annotations={"note": f"{number}" * 1_500_000}
        )
        repository.push(reference)
        pushed.add(reference.digest)
    seen: list[str] = []
    path, pages = f"referrers/{one.digest}", 0
    while path:
        answer = repository.send("GET", path)
        assert len(answer.content) <= 4 * 1024 * 1024
        seen += [entry["digest"] for entry in referrers(answer)]
        path, pages = answer.links.get("next", {}).get("url", ""), pages + 1
    assert (len(seen), set(seen)) == (5, pushed)
    assert pages > 1


def test_referrers_tag_schema_is_left_to_its_clients(repository: Distribution) -> None:
    """A client of an older registry keeps its own index under a tag: it is a tag like any other."""
    one = image("hello")
    repository.push(one, "v1")
    reference = artifact("application/vnd.example.sbom", one.manifest)
    repository.push(reference)
    listed = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [reference.manifest.descriptor]}
    fallback = Content(as_json(listed), OCI_INDEX)
    tag = one.digest.replace(":", "-")
    assert repository.put_manifest(fallback, tag).status_code == 201
    assert repository.send("GET", f"manifests/{tag}").content == fallback.data
    assert tags(repository.send("GET", "tags/list")) == [tag, "v1"]
    assert repository.send("GET", f"manifests/{reference.digest}").headers["Content-Type"] == OCI_MANIFEST
