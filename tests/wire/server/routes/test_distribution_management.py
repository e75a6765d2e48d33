"""OCI Distribution 1.1, section "Content Management": one test per requirement, named after its subsection."""

from __future__ import annotations

import pytest
from support.distribution import UNKNOWN_DIGEST, Content, Distribution, error_code, image, index

# -- Deleting tags ----------------------------------------------------------------------------------------


def test_deleting_tags(repository: Distribution) -> None:
    one = image("hello")
    repository.push(one, "v1")
    repository.put_manifest(one.manifest, "v2")
    assert repository.send("DELETE", "manifests/v1").status_code == 202
    answer = repository.send("GET", "manifests/v1")
    assert (answer.status_code, error_code(answer)) == (404, "MANIFEST_UNKNOWN")
    repository.assert_holds(one, "v2")
    assert repository.send("GET", "tags/list").json()["tags"] == ["v2"]


def test_deleting_tags_that_do_not_exist(repository: Distribution) -> None:
    repository.push(image("hello"), "v1")
    answer = repository.send("DELETE", "manifests/v2")
    assert (answer.status_code, error_code(answer)) == (404, "MANIFEST_UNKNOWN")


# -- Deleting manifests -----------------------------------------------------------------------------------


def test_deleting_manifests_takes_every_tag_on_them(repository: Distribution) -> None:
    one, two = image("one"), image("two")
    repository.push(one, "v1")
    repository.put_manifest(one.manifest, "also-v1")
    repository.push(two, "v2")
    assert repository.send("DELETE", f"manifests/{one.digest}").status_code == 202
    for reference in (one.digest, "v1", "also-v1"):
        assert repository.send("GET", f"manifests/{reference}").status_code == 404
    assert repository.send("GET", "tags/list").json()["tags"] == ["v2"]
    repository.assert_holds(two, "v2")


@pytest.mark.parametrize("pushed", [True, False], ids=["repository", "no repository"])
def test_deleting_manifests_that_do_not_exist(repository: Distribution, pushed: bool) -> None:
    if pushed:
        repository.push(image("hello"), "v1")
    answer = repository.send("DELETE", f"manifests/{UNKNOWN_DIGEST}")
    assert answer.status_code == 404
    assert error_code(answer) == ("MANIFEST_UNKNOWN" if pushed else "NAME_UNKNOWN")


def test_deleting_manifests_of_an_index_leaves_its_images(repository: Distribution) -> None:
    child = image("hello")
    both = index(child)
    repository.push(both, "multi")
    assert repository.send("DELETE", f"manifests/{both.digest}").status_code == 202
    repository.assert_holds(child)


def test_deleting_manifests_and_pushing_them_again(repository: Distribution) -> None:
    one = image("hello")
    repository.push(one, "v1")
    repository.send("DELETE", f"manifests/{one.digest}")
    assert repository.put_manifest(one.manifest, "v1").status_code == 201
    repository.assert_holds(one, "v1")


# -- Deleting blobs ---------------------------------------------------------------------------------------


def test_deleting_blobs(repository: Distribution, other_repository: Distribution) -> None:
    content = Content(b"in two repositories")
    repository.put_blob(content)
    other_repository.put_blob(content)
    assert repository.send("DELETE", f"blobs/{content.digest}").status_code == 202
    assert repository.send("GET", f"blobs/{content.digest}").status_code == 404
    assert repository.send("HEAD", f"blobs/{content.digest}").status_code == 404
    assert other_repository.send("GET", f"blobs/{content.digest}").content == content.data


def test_deleting_blobs_that_do_not_exist(repository: Distribution) -> None:
    repository.push(image("hello"), "v1")
    answer = repository.send("DELETE", f"blobs/{UNKNOWN_DIGEST}")
    assert (answer.status_code, error_code(answer)) == (404, "BLOB_UNKNOWN")


def test_deleting_blobs_that_an_image_needs_is_refused(repository: Distribution) -> None:
    one = image("hello")
    repository.push(one, "v1")
    answer = repository.send("DELETE", f"blobs/{one.blobs[0].digest}")
    assert (answer.status_code, error_code(answer)) == (405, "UNSUPPORTED")
    repository.assert_holds(one, "v1")
