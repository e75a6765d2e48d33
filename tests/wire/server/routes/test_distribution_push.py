"""OCI Distribution 1.1, section "Push": one test per requirement, named after its subsection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urljoin

import pytest
from support.distribution import (
    DOCKER_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    UNKNOWN_DIGEST,
    Content,
    Distribution,
    as_json,
    error_code,
    image,
    index,
    sha256,
    sha512,
    with_digest,
)

BLOB = Content(bytes(range(256)) * 400)


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    """A body of unknown length: requests sends it with chunked transfer encoding."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


def assert_created(repository: Distribution, answer: object, content: Content = BLOB) -> None:
    """201 with a Location from which the blob can be pulled."""
    assert answer.status_code == 201, answer.text  # type: ignore[attr-defined]
    assert answer.headers["Docker-Content-Digest"] == content.digest  # type: ignore[attr-defined]
    pulled = repository.send("GET", answer.headers["Location"])  # type: ignore[attr-defined]
    assert (pulled.status_code, pulled.content) == (200, content.data)


# -- Pushing a blob monolithically ------------------------------------------------------------------------


def test_pushing_a_blob_monolithically_post_then_put(repository: Distribution) -> None:
    started = repository.send("POST", "blobs/uploads/")
    assert started.status_code == 202
    assert started.headers["Range"] == "0-0"
    assert started.headers["Docker-Upload-UUID"] in started.headers["Location"]
    location = with_digest(started.headers["Location"], BLOB.digest)
    assert_created(repository, repository.send("PUT", location, data=BLOB.data))


def test_pushing_a_blob_monolithically_with_chunked_transfer_encoding(repository: Distribution) -> None:
    location = with_digest(repository.start_upload(), BLOB.digest)
    assert_created(repository, repository.send("PUT", location, data=pieces(BLOB.data, 7000)))


def test_pushing_a_blob_monolithically_single_post(repository: Distribution) -> None:
    answer = repository.send("POST", f"blobs/uploads/?digest={BLOB.digest}", data=BLOB.data)
    assert_created(repository, answer)


def test_pushing_a_blob_monolithically_the_empty_blob(repository: Distribution) -> None:
    empty = Content(b"")
    assert_created(repository, repository.put_blob(empty), empty)


def test_pushing_a_blob_monolithically_twice(repository: Distribution) -> None:
    assert_created(repository, repository.put_blob(BLOB))
    assert_created(repository, repository.put_blob(BLOB))


@pytest.mark.parametrize("digest", [UNKNOWN_DIGEST, sha512(b"something else")])
def test_pushing_a_blob_monolithically_with_a_wrong_digest(repository: Distribution, digest: str) -> None:
    location = repository.start_upload()
    answer = repository.send("PUT", with_digest(location, digest), data=BLOB.data)
    assert answer.status_code == 400
    assert error_code(answer) == "DIGEST_INVALID"
    assert repository.send("HEAD", f"blobs/{digest}").status_code == 404
    assert repository.send("HEAD", f"blobs/{BLOB.digest}").status_code == 404


def test_pushing_a_blob_monolithically_single_post_with_a_wrong_digest(repository: Distribution) -> None:
    answer = repository.send("POST", f"blobs/uploads/?digest={UNKNOWN_DIGEST}", data=BLOB.data)
    assert answer.status_code == 400
    assert error_code(answer) == "DIGEST_INVALID"


@pytest.mark.parametrize("digest", ["sha256:short", "md5:" + "0" * 32, "nothing", "sha256:" + "G" * 64])
def test_pushing_a_blob_with_something_that_is_no_digest(repository: Distribution, digest: str) -> None:
    answer = repository.send("PUT", with_digest(repository.start_upload(), digest), data=BLOB.data)
    assert answer.status_code == 400
    assert error_code(answer) == "DIGEST_INVALID"


def test_pushing_a_blob_without_a_digest(repository: Distribution) -> None:
    answer = repository.send("PUT", repository.start_upload(), data=BLOB.data)
    assert answer.status_code == 400
    assert error_code(answer) == "DIGEST_INVALID"


# -- Pushing a blob in chunks -----------------------------------------------------------------------------


def test_pushing_a_blob_in_chunks_with_content_range(repository: Distribution) -> None:
    location = repository.start_upload()
    step = 40_000
    for start in range(0, len(BLOB.data), step):
        part = BLOB.data[start : start + step]
        answer = repository.send(
            "PATCH",
            location,
            data=part,
            headers={
                "Content-Range": f"{start}-{start + len(part) - 1}",
                "Content-Type": "application/octet-stream",
            },
        )
        assert answer.status_code == 202
        assert answer.headers["Range"] == f"0-{start + len(part) - 1}"
        location = answer.headers["Location"]
    assert_created(repository, repository.send("PUT", with_digest(location, BLOB.digest)))


def test_pushing_a_blob_in_chunks_the_last_one_in_the_put(repository: Distribution) -> None:
    first, last = BLOB.data[:50_000], BLOB.data[50_000:]
    location = repository.start_upload()
    answer = repository.send("PATCH", location, data=first, headers={"Content-Range": "0-49999"})
    closing = repository.send(
        "PUT",
        with_digest(answer.headers["Location"], BLOB.digest),
        data=last,
        headers={"Content-Range": f"50000-{len(BLOB.data) - 1}"},
    )
    assert_created(repository, closing)


def test_pushing_a_blob_in_one_streamed_patch(repository: Distribution) -> None:
    """As Docker does it: chunked transfer encoding, no Content-Range, an empty PUT."""
    answer = repository.send("PATCH", repository.start_upload(), data=pieces(BLOB.data, 9999))
    assert answer.status_code == 202
    assert answer.headers["Range"] == f"0-{len(BLOB.data) - 1}"
    closing = with_digest(answer.headers["Location"], BLOB.digest)
    assert_created(repository, repository.send("PUT", closing, headers={"Content-Length": "0"}))


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("wanted", ["10-19", "50-59", "0-9"], ids=["gap", "far", "again"])
def test_pushing_a_blob_in_chunks_out_of_order(repository: Distribution, method: str, wanted: str) -> None:
    location = repository.start_upload()
    if wanted == "0-9":
        started = repository.send("PATCH", location, data=b"0123456789", headers={"Content-Range": wanted})
        location = started.headers["Location"]
    target = with_digest(location, BLOB.digest) if method == "PUT" else location
    answer = repository.send(method, target, data=b"0123456789", headers={"Content-Range": wanted})
    assert answer.status_code == 416
    assert answer.headers["Range"] == ("0-9" if wanted == "0-9" else "0-0")
    assert answer.headers["Location"]


@pytest.mark.parametrize("wanted", ["bytes 0-9/10", "0-", "ten", "9-0", "-5"])
def test_pushing_a_blob_in_chunks_with_a_malformed_range(repository: Distribution, wanted: str) -> None:
    answer = repository.send(
        "PATCH", repository.start_upload(), data=b"0123456789", headers={"Content-Range": wanted}
    )
    assert answer.status_code == 416


def test_pushing_a_blob_in_chunks_whose_length_is_not_the_range(repository: Distribution) -> None:
    answer = repository.send(
        "PATCH", repository.start_upload(), data=b"0123456789", headers={"Content-Range": "0-19"}
    )
    assert answer.status_code == 400
    assert error_code(answer) == "SIZE_INVALID"


def test_pushing_a_blob_in_chunks_status_after_each_step(repository: Distribution) -> None:
    location = repository.start_upload()
    fresh = repository.send("GET", location)
    assert (fresh.status_code, fresh.headers["Range"]) == (204, "0-0")
    answer = repository.send("PATCH", location, data=BLOB.data[:1000])
    status = repository.send("GET", answer.headers["Location"])
    assert (status.status_code, status.headers["Range"]) == (204, "0-999")
    resumed = repository.send(
        "PATCH",
        status.headers["Location"],
        data=BLOB.data[1000:],
        headers={"Content-Range": f"1000-{len(BLOB.data) - 1}"},
    )
    closing = with_digest(resumed.headers["Location"], BLOB.digest)
    assert_created(repository, repository.send("PUT", closing))


def test_pushing_a_blob_in_chunks_a_wrong_digest_leaves_the_session(repository: Distribution) -> None:
    answer = repository.send("PATCH", repository.start_upload(), data=BLOB.data)
    location = answer.headers["Location"]
    wrong = repository.send("PUT", with_digest(location, UNKNOWN_DIGEST))
    assert (wrong.status_code, error_code(wrong)) == (400, "DIGEST_INVALID")
    assert_created(repository, repository.send("PUT", with_digest(location, BLOB.digest)))


def test_pushing_a_blob_in_chunks_the_session_ends_with_the_put(repository: Distribution) -> None:
    location = repository.start_upload()
    assert repository.send("PUT", with_digest(location, BLOB.digest), data=BLOB.data).status_code == 201
    answer = repository.send("GET", location)
    assert (answer.status_code, error_code(answer)) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_pushing_a_blob_cancelled(repository: Distribution) -> None:
    location = repository.start_upload()
    answer = repository.send("PATCH", location, data=BLOB.data[:1000])
    assert repository.send("DELETE", answer.headers["Location"]).status_code == 204
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        after = repository.send(method, with_digest(location, BLOB.digest))
        assert (after.status_code, error_code(after)) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_pushing_a_blob_to_the_session_of_another_repository(
    repository: Distribution, other_repository: Distribution
) -> None:
    location = repository.start_upload()
    other_repository.start_upload()
    session = location.split("?")[0].rsplit("/", 1)[-1]
    answer = other_repository.send("PATCH", f"blobs/uploads/{session}", data=b"x")
    assert answer.status_code == 404


# -- Mounting a blob from another repository --------------------------------------------------------------


def mount(repository: Distribution, source: str, *, token: str | None = None) -> object:
    return repository.send("POST", f"blobs/uploads/?mount={BLOB.digest}&from={source}", token=token)


def test_mounting_a_blob_from_another_repository(
    repository: Distribution, other_repository: Distribution
) -> None:
    other_repository.put_blob(BLOB)
    token = repository.token(repository.scope, f"repository:{other_repository.repository}:pull")
    answer = mount(repository, other_repository.repository, token=token)
    assert_created(repository, answer)


def test_mounting_a_blob_that_is_not_there_begins_an_upload(
    repository: Distribution, other_repository: Distribution
) -> None:
    other_repository.push(image("hello"), "v1")
    token = repository.token(repository.scope, f"repository:{other_repository.repository}:pull")
    answer = mount(repository, other_repository.repository, token=token)
    assert answer.status_code == 202  # type: ignore[attr-defined]
    location = answer.headers["Location"]  # type: ignore[attr-defined]
    assert_created(repository, repository.send("PUT", with_digest(location, BLOB.digest), data=BLOB.data))


def test_mounting_a_blob_needs_pull_on_its_source(
    repository: Distribution, other_repository: Distribution
) -> None:
    other_repository.put_blob(BLOB)
    answer = mount(repository, other_repository.repository)  # the token names one repository only
    assert answer.status_code == 202  # type: ignore[attr-defined]
    assert repository.send("HEAD", f"blobs/{BLOB.digest}").status_code == 404


def test_mounting_a_blob_without_a_source_begins_an_upload(
    repository: Distribution, other_repository: Distribution
) -> None:
    other_repository.put_blob(BLOB)
    answer = repository.send("POST", f"blobs/uploads/?mount={BLOB.digest}")
    assert answer.status_code == 202


def test_mounting_a_blob_from_the_same_repository(repository: Distribution) -> None:
    repository.put_blob(BLOB)
    assert_created(repository, mount(repository, repository.repository))


# -- Pushing manifests ------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["tag", "digest"])
def test_pushing_manifests(repository: Distribution, by: str) -> None:
    one = image("hello")
    answer = repository.push(one, "v1" if by == "tag" else "")
    assert answer.headers["Docker-Content-Digest"] == one.digest
    pulled = repository.send("GET", urljoin(answer.request.url or "", answer.headers["Location"]))
    assert (pulled.status_code, pulled.content) == (200, one.manifest.data)


def test_pushing_manifests_keeps_every_byte(repository: Distribution) -> None:
    one = image("hello")
    odd = Content(
        b"\n\t" + one.manifest.data.replace(b'"schemaVersion"', b'"x": "\xc3\xa9\\u00e9", "schemaVersion"')
    )
    repository.push(one)
    answer = repository.send(
        "PUT", "manifests/odd", data=odd.data, headers={"Content-Type": OCI_MANIFEST + "; charset=utf-8"}
    )
    assert answer.status_code == 201
    pulled = repository.send("GET", "manifests/odd")
    assert pulled.content == odd.data
    assert pulled.headers["Content-Type"] == OCI_MANIFEST
    assert pulled.headers["Docker-Content-Digest"] == odd.digest


def test_pushing_manifests_moves_a_tag(repository: Distribution) -> None:
    first, second = image("first"), image("second")
    repository.push(first, "v1")
    repository.push(second, "v1")
    repository.assert_holds(second, "v1")
    repository.assert_holds(first)


def test_pushing_manifests_without_layers(repository: Distribution) -> None:
    repository.push(image(), "empty")
    assert repository.send("GET", "manifests/empty").status_code == 200


def test_pushing_manifests_by_sha512(repository: Distribution) -> None:
    one = image("hello")
    repository.push(one)
    digest = sha512(one.manifest.data)
    answer = repository.put_manifest(one.manifest, digest)
    assert (answer.status_code, answer.headers["Docker-Content-Digest"]) == (201, digest)
    pulled = repository.send("GET", f"manifests/{digest}")
    assert (pulled.content, pulled.headers["Docker-Content-Digest"]) == (one.manifest.data, digest)


def test_pushing_manifests_of_four_mebibytes(repository: Distribution) -> None:
    one = image("hello")
    padding = "x" * (4 * 1024 * 1024 - len(one.manifest.data) - 100)
    document = json.loads(one.manifest.data)
    big = Content(as_json({**document, "annotations": {"padding": padding}}), OCI_MANIFEST)
    repository.push(one)
    assert repository.put_manifest(big, "big").status_code == 201
    assert repository.send("GET", "manifests/big").content == big.data


def test_pushing_manifests_beyond_the_limit(repository: Distribution) -> None:
    one = image("hello")
    repository.push(one)
    document = {**json.loads(one.manifest.data), "annotations": {"padding": "x" * (4 * 1024 * 1024)}}
    answer = repository.put_manifest(Content(as_json(document), OCI_MANIFEST), "big")
    assert answer.status_code == 413
    assert error_code(answer) == "SIZE_INVALID"
    assert repository.send("HEAD", "manifests/big").status_code == 404


@pytest.mark.parametrize("missing", ["config", "layer", "child"])
def test_pushing_manifests_with_unknown_content(repository: Distribution, missing: str) -> None:
    one = image("hello")
    config, only_layer = one.blobs
    if missing == "child":
        answer = repository.put_manifest(index(one).manifest, "v1")
        absent = one.digest
    else:
        there, absent_blob = (only_layer, config) if missing == "config" else (config, only_layer)
        repository.put_blob(there)
        answer = repository.put_manifest(one.manifest, "v1")
        absent = absent_blob.digest
    assert answer.status_code == 400
    assert error_code(answer) == "MANIFEST_BLOB_UNKNOWN"
    assert [error["detail"] for error in answer.json()["errors"]] == [{"digest": absent}]
    assert repository.send("HEAD", "manifests/v1").status_code == 404


def test_pushing_manifests_with_foreign_layers_that_stay_elsewhere(repository: Distribution) -> None:
    config = Content(b'{"architecture": "amd64", "os": "windows"}', DOCKER_CONFIG)
    foreign = {
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "digest": UNKNOWN_DIGEST,
        "size": 5,
        "urls": ["https://example.com/layer"],
    }
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config.descriptor,
        "layers": [foreign],
    }
    repository.put_blob(config)
    assert repository.put_manifest(Content(as_json(document), OCI_MANIFEST), "v1").status_code == 201


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"not json", OCI_MANIFEST),
        (b"[]", OCI_MANIFEST),
        (b'{"schemaVersion": 2}', OCI_MANIFEST),
        (b'{"schemaVersion": 1, "name": "a", "fsLayers": []}', OCI_MANIFEST),
        (b'{"schemaVersion": 2, "mediaType": "' + OCI_INDEX.encode() + b'", "manifests": []}', OCI_MANIFEST),
        (b'{"schemaVersion": 2, "manifests": []}', "text/plain"),
        (b'{"schemaVersion": 2, "manifests": [{"digest": "sha256:zz", "size": 1}]}', OCI_INDEX),
        (b"\xff\xfe", OCI_MANIFEST),
        (b'{"schemaVersion": 2, "manifests": [], "annotations": {"a": "\\ud800"}}', OCI_INDEX),
        (b"[" * 100_000, OCI_MANIFEST),
    ],
)
def test_pushing_manifests_that_are_none(repository: Distribution, body: bytes, media_type: str) -> None:
    repository.start_upload()
    answer = repository.put_manifest(Content(body, media_type), "bad")
    assert answer.status_code == 400
    assert error_code(answer) == "MANIFEST_INVALID"


def test_pushing_manifests_under_another_digest(repository: Distribution) -> None:
    one = image("hello")
    repository.push(one)
    answer = repository.put_manifest(one.manifest, sha256(b"other"))
    assert (answer.status_code, error_code(answer)) == (400, "DIGEST_INVALID")


@pytest.mark.parametrize("tag", ["-dash", ".dot", "a" * 129, "a%20b", "a+b"])
def test_pushing_manifests_under_something_that_is_no_tag(repository: Distribution, tag: str) -> None:
    one = image("hello")
    repository.push(one)
    answer = repository.put_manifest(one.manifest, tag)
    assert (answer.status_code, error_code(answer)) == (400, "MANIFEST_INVALID")


# -- Pushing manifests with subject -----------------------------------------------------------------------


@pytest.mark.parametrize("subject_first", [True, False])
def test_pushing_manifests_with_subject(repository: Distribution, subject_first: bool) -> None:
    one = image("hello")
    reference = image("signature", subject=one.manifest.descriptor)
    if subject_first:
        repository.push(one, "v1")
    answer = repository.push(reference)
    assert answer.headers["OCI-Subject"] == one.digest


def test_pushing_manifests_without_subject_says_nothing_of_one(repository: Distribution) -> None:
    assert "OCI-Subject" not in repository.push(image("hello"), "v1").headers
