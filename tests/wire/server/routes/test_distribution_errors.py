"""OCI Distribution 1.1, section "Error Codes": each code where the specification expects it.

TOOMANYREQUESTS has no test: this registry does not limit rates.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from support.distribution import (
    OCI_MANIFEST,
    UNKNOWN_DIGEST,
    Content,
    Distribution,
    error_code,
    image,
    with_digest,
)
from support.registry import RunningRegistry

from ngc_cli.server import admin
from ngc_cli.server.app import ROUTES
from ngc_cli.server.images.names import API_WORDS
from ngc_cli.server.problems import ErrorFormat
from ngc_cli.server.routes.distribution.repository import is_oci_path


@pytest.fixture
def filled(repository: Distribution) -> Distribution:
    repository.push(image("hello"), "v1")
    return repository


def test_blob_unknown(filled: Distribution) -> None:
    for method in ("GET", "DELETE"):
        answer = filled.send(method, f"blobs/{UNKNOWN_DIGEST}")
        assert (answer.status_code, error_code(answer)) == (404, "BLOB_UNKNOWN")


def test_blob_upload_invalid(repository: Distribution) -> None:
    answer = repository.send(
        "PATCH", repository.start_upload(), data=b"x" * 10, headers={"Content-Range": "5-14"}
    )
    assert (answer.status_code, error_code(answer)) == (416, "BLOB_UPLOAD_INVALID")


def test_blob_upload_unknown(filled: Distribution) -> None:
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        answer = filled.send(method, f"blobs/uploads/nosuch?digest={UNKNOWN_DIGEST}", data=b"x")
        assert (answer.status_code, error_code(answer)) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_digest_invalid(repository: Distribution) -> None:
    answer = repository.send("PUT", with_digest(repository.start_upload(), UNKNOWN_DIGEST), data=b"other")
    assert (answer.status_code, error_code(answer)) == (400, "DIGEST_INVALID")
    assert answer.json()["errors"][0]["detail"] == {"digest": UNKNOWN_DIGEST}


def test_manifest_blob_unknown(repository: Distribution) -> None:
    answer = repository.put_manifest(image("never pushed").manifest, "v1")
    assert (answer.status_code, error_code(answer)) == (400, "MANIFEST_BLOB_UNKNOWN")


def test_manifest_invalid(repository: Distribution) -> None:
    answer = repository.put_manifest(Content(b"{}", OCI_MANIFEST), "v1")
    assert (answer.status_code, error_code(answer)) == (400, "MANIFEST_INVALID")


def test_manifest_invalid_when_sizes_are_wrong(repository: Distribution) -> None:
    one = image("hello")
    repository.push(one)
    document = json.loads(one.manifest.data)
    document["layers"][0]["size"] += 1
    answer = repository.put_manifest(Content(json.dumps(document).encode(), OCI_MANIFEST), "v1")
    assert (answer.status_code, error_code(answer)) == (400, "MANIFEST_INVALID")


def test_manifest_unknown(filled: Distribution) -> None:
    for method in ("GET", "DELETE"):
        answer = filled.send(method, "manifests/nosuch")
        assert (answer.status_code, error_code(answer)) == (404, "MANIFEST_UNKNOWN")


@pytest.mark.parametrize(
    "name",
    ["Upper/case", "{org}", "{org}/a..b", "{org}/a/b/c", "{org}/-a", "{org}/a_-b", "{org}/" + "a" * 260],
)
def test_name_invalid(registry: RunningRegistry, image_org: str, name: str) -> None:
    anyone = Distribution(registry.url, name.format(org=image_org), registry.key(org=image_org))
    answer = anyone.send("GET", "tags/list", token=anyone.token(anyone.scope))
    assert (answer.status_code, error_code(answer)) == (400, "NAME_INVALID")


@pytest.mark.parametrize("word", ["images", "tags"])
def test_name_invalid_in_a_team_where_the_ngc_api_has_a_list(
    registry: RunningRegistry, image_org: str, new_repository: Callable[..., Distribution], word: str
) -> None:
    team = registry.team(image_org)
    answer = new_repository("REGISTRY_ADMIN", team=team, name=word).send("POST", "blobs/uploads/")
    assert (answer.status_code, error_code(answer)) == (400, "NAME_INVALID")


def test_name_unknown(repository: Distribution) -> None:
    for method, path in (("GET", "tags/list"), ("GET", "manifests/v1"), ("DELETE", "manifests/v1")):
        answer = repository.send(method, path)
        assert (answer.status_code, error_code(answer)) == (404, "NAME_UNKNOWN")


def test_name_unknown_for_a_team_that_does_not_exist(new_repository: Callable[..., Distribution]) -> None:
    answer = new_repository("REGISTRY_ADMIN", team="nosuch").send("POST", "blobs/uploads/")
    assert (answer.status_code, error_code(answer)) == (404, "NAME_UNKNOWN")


def test_size_invalid(repository: Distribution) -> None:
    answer = repository.send(
        "PATCH", repository.start_upload(), data=b"x" * 10, headers={"Content-Range": "0-99"}
    )
    assert (answer.status_code, error_code(answer)) == (400, "SIZE_INVALID")


def test_size_invalid_for_a_body_beyond_all_limits(repository: Distribution) -> None:
    huge = Content(b"x" * (33 * 1024 * 1024), OCI_MANIFEST)
    answer = repository.put_manifest(huge, "v1")
    assert (answer.status_code, error_code(answer)) == (413, "SIZE_INVALID")


def test_unauthorized(repository: Distribution) -> None:
    answer = repository.send("GET", "tags/list", token="")
    assert (answer.status_code, error_code(answer)) == (401, "UNAUTHORIZED")


def test_denied(new_repository: Callable[..., Distribution]) -> None:
    answer = new_repository("REGISTRY_READ").send("POST", "blobs/uploads/")
    assert (answer.status_code, error_code(answer)) == (403, "DENIED")


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "tags/list"), ("PUT", f"blobs/{UNKNOWN_DIGEST}"), ("POST", "/v2/")]
)
def test_unsupported(repository: Distribution, method: str, path: str) -> None:
    answer = repository.send(method, path)
    assert (answer.status_code, error_code(answer)) == (405, "UNSUPPORTED")
    assert answer.headers["Allow"]


def test_paths_with_nothing_at_them_speak_the_dialect_of_their_api(
    registry: RunningRegistry, repository: Distribution
) -> None:
    assert error_code(repository.send("GET", "nothing")) == "NAME_UNKNOWN"
    answer = registry.session(str(repository.key)).get("/v2/org/some/nothing")
    assert (answer.status_code, answer.json()["requestStatus"]["statusCode"]) == (404, "NOT_FOUND")


# who owns which path


def test_no_word_of_the_ngc_api_begins_a_repository() -> None:
    """Both APIs live below ``/v2/``: a word of one must never be an org of the other."""
    for route in ROUTES:
        first = route.path.removeprefix("/v2/").partition("/")[0]
        if route.path.startswith("/v2/") and first.isalpha():
            assert first in API_WORDS, route.path
            assert not is_oci_path(f"/v2/{first}/net/tags/list")


@pytest.mark.parametrize("word", sorted(API_WORDS))
def test_no_org_is_called_like_a_word_of_the_ngc_api(registry: RunningRegistry, word: str) -> None:
    with registry.data.database.writing() as db, pytest.raises(admin.AdminError):
        admin.ensure_org(db, word)


def test_orgs_whose_names_begin_with_such_a_word_are_fine(registry: RunningRegistry) -> None:
    org = registry.org("models-team")
    repository = Distribution(
        registry.url, f"{org}/blobs/manifests", registry.key(org=org, role="REGISTRY_ADMIN")
    )
    registry.team(org, "blobs")
    one = image("a repository that is called like parts of paths")
    repository.push(one, "uploads")
    repository.assert_holds(one, "uploads")


def test_every_route_of_the_oci_api_speaks_its_dialect() -> None:
    for route in ROUTES:
        assert (route.authenticator.error_format is ErrorFormat.OCI) == (
            "{repository" in route.path or is_oci_path(route.path)
        )
