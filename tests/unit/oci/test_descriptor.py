"""Digests, platforms and descriptors (image-spec descriptor.md, image-index.md)."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngc_cli.errors import IntegrityError, UsageError
from ngc_cli.oci.descriptor import (
    OCI_EMPTY,
    OCI_LAYER_GZIP,
    Descriptor,
    InvalidContent,
    Platform,
    check_content,
    digest_of,
    is_digest,
    new_hash,
)

DIGEST = "sha256:" + "ab" * 32


def test_a_digest_is_an_algorithm_we_check_and_lower_case_hex() -> None:
    assert is_digest(DIGEST)
    assert is_digest("sha512:" + "0" * 128)
    for text in ("sha256:" + "AB" * 32, "sha256:ab", "md5:" + "0" * 32, "ab" * 32, DIGEST + "\n", None, 7):
        assert not is_digest(text), text


def test_content_is_checked_by_size_then_by_digest() -> None:
    check_content(b"abc", digest_of(b"abc"), 3)
    check_content(b"abc", digest_of(b"abc", "sha512"))
    with pytest.raises(IntegrityError, match="3 bytes, not the promised 4"):
        check_content(b"abc", digest_of(b"abc"), 4)
    with pytest.raises(IntegrityError, match="have the digest sha256:"):
        check_content(b"abd", digest_of(b"abc"), 3)
    with pytest.raises(InvalidContent):
        new_hash("sha1:00")


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("linux/amd64", Platform("linux", "amd64")),
        ("amd64", Platform("linux", "amd64")),
        ("linux/x86_64", Platform("linux", "amd64")),
        ("LINUX/aarch64", Platform("linux", "arm64")),
        ("linux/arm64/v8", Platform("linux", "arm64", "v8")),
        ("armv7l", Platform("linux", "arm", "v7")),
        ("linux/ppc64le", Platform("linux", "ppc64le")),
    ],
)
def test_platforms_are_read_in_the_forms_people_type(text: str, platform: Platform) -> None:
    assert Platform.parse(text) == platform


@pytest.mark.parametrize("text", ["", "/", "linux/", "a/b/c/d", "linux amd64", "../x"])
def test_what_is_no_platform_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="is not a platform"):
        Platform.parse(text)


@pytest.mark.parametrize(
    ("mine", "offered", "rank"),
    [
        ("linux/amd64", "linux/amd64", 0),
        ("linux/amd64", "linux/arm64", None),
        ("linux/amd64", "windows/amd64", None),
        ("linux/amd64", "linux/amd64/v2", None),
        ("linux/amd64/v3", "linux/amd64", 2),
        ("linux/arm64", "linux/arm64/v8", 0),
        ("linux/arm64/v8", "linux/arm64", 0),
        ("linux/arm/v7", "linux/arm/v7", 0),
        ("linux/arm/v7", "linux/arm/v6", 1),
        ("linux/arm/v7", "linux/arm/v5", 2),
        ("linux/arm/v6", "linux/arm/v7", None),
        ("linux/arm", "linux/arm/v7", 0),
        ("linux/ppc64le", "linux/ppc64le", 0),
        ("linux/arm/v4", "linux/arm/v4", None),
    ],
)
def test_a_machine_runs_its_own_variant_and_lower_ones(mine: str, offered: str, rank: int | None) -> None:
    assert Platform.parse(mine).rank(Platform.parse(offered)) == rank


def test_a_descriptor_is_read_and_written_unchanged() -> None:
    value = {
        "mediaType": OCI_LAYER_GZIP,
        "digest": DIGEST,
        "size": 12,
        "platform": {"architecture": "arm", "os": "linux", "variant": "v7"},
        "artifactType": "application/x.test+json",
        "annotations": {"org.example": "x"},
    }
    item = Descriptor.parse(value)
    assert item.as_json() == value
    assert item.platform == Platform("linux", "arm", "v7")


def test_embedded_data_must_be_what_the_descriptor_says() -> None:
    value = {
        "mediaType": OCI_EMPTY,
        "digest": digest_of(b"{}"),
        "size": 2,
        "data": base64.b64encode(b"{}").decode(),
    }
    assert Descriptor.parse(value).data == b"{}"
    assert Descriptor.parse(value).as_json() == value
    with pytest.raises(IntegrityError):
        Descriptor.parse({**value, "data": base64.b64encode(b"[]").decode()})
    with pytest.raises(InvalidContent):
        Descriptor.parse({**value, "data": "***"})


@pytest.mark.parametrize(
    "change",
    [
        {"digest": None},
        {"digest": "sha256:../../etc/passwd"},
        {"size": -1},
        {"size": "12"},
        {"size": True},
        {"size": 2**70},
        {"mediaType": ""},
        {"mediaType": "no slash"},
        {"mediaType": 5},
        {"platform": "linux/amd64"},
        {"platform": {"os": 5}},
        {"annotations": {"a": 1}},
        {"urls": "http://x"},
    ],
)
def test_a_descriptor_that_breaks_the_specification_is_refused(change: dict[str, object]) -> None:
    good = {"mediaType": OCI_LAYER_GZIP, "digest": DIGEST, "size": 12}
    assert Descriptor.parse(good).size_bytes == 12
    with pytest.raises(InvalidContent):
        Descriptor.parse({**good, **change})


@given(st.binary(max_size=200))
def test_the_digest_of_any_content_holds_for_it(content: bytes) -> None:
    item = Descriptor.of(content, OCI_LAYER_GZIP)
    assert item.digest == "sha256:" + hashlib.sha256(content).hexdigest()
    check_content(content, item.digest, item.size_bytes)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda x: (
            st.lists(x)
            | st.dictionaries(
                st.sampled_from(["mediaType", "digest", "size", "platform", "data", "annotations"]), x
            )
        ),
    )
)
def test_anything_else_is_an_invalid_content_and_nothing_worse(value: object) -> None:
    with pytest.raises(IntegrityError):
        Descriptor.parse(value)
