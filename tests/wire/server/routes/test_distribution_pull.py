"""OCI Distribution 1.1, section "Pull": one test per requirement, named after its subsection."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests
from support.distribution import (
    DOCKER_MANIFEST,
    OCI_MANIFEST,
    UNKNOWN_DIGEST,
    Content,
    Distribution,
    error_code,
    image,
    index,
    sha512,
    with_digest,
)
from support.registry import RunningRegistry

# -- Determining support ---------------------------------------------------------------------------------


def test_determining_support_get_v2_is_200_for_a_token(repository: Distribution) -> None:
    for path in ("/v2/", "/v2"):
        answer = repository.send("GET", path)
        assert answer.status_code == 200
        assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"


def test_determining_support_get_v2_challenges_without_a_token(repository: Distribution) -> None:
    answer = repository.send("GET", "/v2/", token="")
    assert answer.status_code == 401
    assert error_code(answer) == "UNAUTHORIZED"
    assert answer.headers["WWW-Authenticate"] == f'Bearer realm="{repository.base_url}/proxy_auth"'


# -- Pulling manifests -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("docker", [False, True], ids=["oci", "docker"])
def test_pulling_manifests_by_tag_and_digest(repository: Distribution, method: str, docker: bool) -> None:
    one = image("hello", docker=docker)
    repository.push(one, "v1")
    for reference in ("v1", one.digest):
        answer = repository.send(method, f"manifests/{reference}")
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == (DOCKER_MANIFEST if docker else OCI_MANIFEST)
        assert answer.headers["Docker-Content-Digest"] == one.digest
        assert answer.headers["Content-Length"] == str(len(one.manifest.data))
        assert answer.content == (one.manifest.data if method == "GET" else b"")


@pytest.mark.parametrize("docker", [False, True], ids=["oci", "docker"])
def test_pulling_manifests_of_several_platforms(repository: Distribution, docker: bool) -> None:
    both = index(
        image("amd", docker=docker),
        image("arm", architecture="arm64", variant="v8", docker=docker),
        docker=docker,
    )
    repository.push(both, "multi")
    answer = repository.send("GET", "manifests/multi")
    assert answer.headers["Content-Type"] == both.manifest.media_type
    repository.assert_holds(both, "multi")


def test_pulling_manifests_never_converts_them(repository: Distribution) -> None:
    one = image("hello")
    repository.push(one, "v1")
    for accept in ("*/*", DOCKER_MANIFEST, "application/vnd.docker.distribution.manifest.v1+prettyjws"):
        answer = repository.send("GET", "manifests/v1", headers={"Accept": accept})
        assert (answer.status_code, answer.content) == (200, one.manifest.data)


def test_pulling_manifests_answers_304_to_a_matching_etag(repository: Distribution) -> None:
    one = image("hello")
    repository.push(one, "v1")
    etag = repository.send("HEAD", "manifests/v1").headers["ETag"]
    assert etag == f'"{one.digest}"'
    answer = repository.send("GET", "manifests/v1", headers={"If-None-Match": etag})
    assert (answer.status_code, answer.content) == (304, b"")
    other = repository.send("GET", "manifests/v1", headers={"If-None-Match": '"sha256:other"'})
    assert other.status_code == 200


@pytest.mark.parametrize("reference", ["nosuchtag", UNKNOWN_DIGEST])
def test_pulling_manifests_that_do_not_exist(repository: Distribution, reference: str) -> None:
    repository.push(image("hello"), "v1")
    answer = repository.send("GET", f"manifests/{reference}")
    assert answer.status_code == 404
    assert error_code(answer) == "MANIFEST_UNKNOWN"


def test_pulling_manifests_of_a_repository_that_does_not_exist(repository: Distribution) -> None:
    answer = repository.send("GET", "manifests/v1")
    assert answer.status_code == 404
    assert error_code(answer) == "NAME_UNKNOWN"


# -- Pulling blobs ---------------------------------------------------------------------------------------


def test_pulling_blobs(repository: Distribution) -> None:
    content = Content(bytes(range(256)) * 1000)
    repository.put_blob(content)
    answer = repository.send("GET", f"blobs/{content.digest}")
    assert (answer.status_code, answer.content) == (200, content.data)
    assert answer.headers["Docker-Content-Digest"] == content.digest
    assert answer.headers["Content-Length"] == str(len(content.data))
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [("bytes=0-9", 0, 10), ("bytes=90-", 90, 100), ("bytes=-5", 95, 100), ("bytes=10-400", 10, 100)],
)
def test_pulling_blobs_in_ranges(repository: Distribution, wanted: str, start: int, end: int) -> None:
    content = Content(bytes(range(100)))
    repository.put_blob(content)
    answer = repository.send("GET", f"blobs/{content.digest}", headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (206, content.data[start:end])
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/100"


def test_pulling_blobs_beyond_their_end(repository: Distribution) -> None:
    content = Content(bytes(range(100)))
    repository.put_blob(content)
    answer = repository.send("GET", f"blobs/{content.digest}", headers={"Range": "bytes=100-"})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == "bytes */100"


def test_pulling_blobs_with_etag(repository: Distribution) -> None:
    content = Content(bytes(range(100)))
    repository.put_blob(content)
    path = f"blobs/{content.digest}"
    etag = repository.send("HEAD", path).headers["ETag"]
    assert repository.send("GET", path, headers={"If-None-Match": etag}).status_code == 304
    part = repository.send("GET", path, headers={"Range": "bytes=1-2", "If-Range": etag})
    assert (part.status_code, part.content) == (206, content.data[1:3])
    whole = repository.send("GET", path, headers={"Range": "bytes=1-2", "If-Range": '"stale"'})
    assert (whole.status_code, whole.content) == (200, content.data)


def test_pulling_blobs_that_do_not_exist(repository: Distribution) -> None:
    repository.push(image("hello"), "v1")
    answer = repository.send("GET", f"blobs/{UNKNOWN_DIGEST}")
    assert answer.status_code == 404
    assert error_code(answer) == "BLOB_UNKNOWN"


def test_pulling_blobs_of_another_repository(
    repository: Distribution, other_repository: Distribution
) -> None:
    content = Content(b"only in the other one")
    other_repository.put_blob(content)
    repository.push(image("hello"), "v1")
    assert repository.send("GET", f"blobs/{content.digest}").status_code == 404


def test_pulling_blobs_by_sha512(repository: Distribution) -> None:
    content = Content(b"named by a longer digest")
    digest = sha512(content.data)
    pushed = repository.send("PUT", with_digest(repository.start_upload(), digest), data=content.data)
    assert (pushed.status_code, pushed.headers["Docker-Content-Digest"]) == (201, digest)
    answer = repository.send("GET", f"blobs/{digest}")
    assert (answer.status_code, answer.content) == (200, content.data)
    assert answer.headers["Docker-Content-Digest"] == digest


# -- Checking if content exists in the registry -----------------------------------------------------------


def test_checking_if_content_exists_blob(repository: Distribution) -> None:
    content = Content(b"x" * 1234)
    repository.put_blob(content)
    answer = repository.send("HEAD", f"blobs/{content.digest}")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Length"] == "1234"
    assert answer.headers["Docker-Content-Digest"] == content.digest


@pytest.mark.parametrize(
    "path", [f"blobs/{UNKNOWN_DIGEST}", f"manifests/{UNKNOWN_DIGEST}", "manifests/nosuch"]
)
def test_checking_if_content_exists_that_does_not(repository: Distribution, path: str) -> None:
    repository.push(image("hello"), "v1")
    answer = repository.send("HEAD", path)
    assert (answer.status_code, answer.content) == (404, b"")


def test_pulling_blobs_from_another_origin(start_registry: Callable[..., RunningRegistry]) -> None:
    """With an origin for signed links blobs come from there, by a 307 as from nvcr.io; ranges work there too."""
    registry = start_registry("--files-url", "http://localhost:1/")
    registry.options = ("--files-url", registry.url.replace("127.0.0.1", "localhost"))
    registry.restart()
    org = registry.org()
    repository = Distribution(registry.url, f"{org}/net", registry.key(org=org))
    one = image("hello")
    repository.push(one, "v1")
    content = one.blobs[1]
    answer = repository.send("GET", f"blobs/{content.digest}")
    location = answer.headers["Location"]
    assert (answer.status_code, location.startswith("http://localhost:")) == (307, True)
    assert requests.get(location, timeout=30).content == content.data
    part = requests.get(location, headers={"Range": "bytes=3-"}, timeout=30)
    assert (part.status_code, part.content) == (206, content.data[3:])
    assert repository.send("HEAD", f"blobs/{content.digest}").status_code == 200
    refused = requests.get(location, headers={"Authorization": "Bearer x"}, timeout=30)
    assert refused.status_code == 400  # who repeats a token at another origin learns so
