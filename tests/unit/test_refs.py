"""Targets and image references."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngc_cli.errors import UsageError
from ngc_cli.refs import ArtifactRef, ImageRef

NAME = st.from_regex(r"[a-z][a-z0-9._-]{0,20}", fullmatch=True)
IMAGE_NAME = st.from_regex(r"[a-z0-9]{1,8}((\.|_|__|-)[a-z0-9]{1,5}){0,2}", fullmatch=True)
TAG = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True)
VERSION = st.text(
    st.characters(blacklist_characters=":/*?[]", blacklist_categories=("Cs",)), min_size=1, max_size=30
)


@given(name=NAME, org=NAME, team=st.one_of(st.just(""), NAME), version=st.one_of(st.just(""), VERSION))
def test_an_artifact_target_reads_back_as_it_was_written(
    name: str, org: str, team: str, version: str
) -> None:
    ref = ArtifactRef(name=name, org=org, team=team, version=version)
    assert ArtifactRef.parse(str(ref)) == ref


@given(text=st.text(max_size=40))
def test_any_text_is_a_target_or_a_usage_error(text: str) -> None:
    try:
        ref = ArtifactRef.parse(text)
    except UsageError:
        return
    assert ref.name
    assert "/" not in ref.name + ref.org + ref.team
    assert ":" not in ref.version


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bert", ArtifactRef("bert")),
        ("acme/bert:", ArtifactRef("bert", "acme")),
        ("acme//bert:1", ArtifactRef("bert", "acme", version="1")),
        ("acme/team//bert", ArtifactRef("bert", "acme", "team")),
        ("nvidia/model/trt_onnx:1", ArtifactRef("trt_onnx", "nvidia", "model", "1")),
    ],
)
def test_forms_of_the_contract(text: str, expected: ArtifactRef) -> None:
    assert ArtifactRef.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/acme/bert",
        "a/b/c/d",
        "acme/bert:1:2",
        "acme/b*:1*",
        "acme/bert:1/2",
        "acme/",
        "acme/bert:" + "v" * 256,
    ],
)
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(UsageError):
        ArtifactRef.parse(text)


def test_a_target_that_a_document_broke_is_explained() -> None:
    with pytest.raises(UsageError) as caught:
        ArtifactRef.parse("nvidia/team_a/")
    assert "join the line" in caught.value.hint


def test_the_download_folder_takes_the_version_literally() -> None:
    assert ArtifactRef.parse("acme/scripts:v1").folder == "scripts_vv1"


@pytest.mark.parametrize("name", ["Bert", "1bert", "b" * 129, "be rt", "-bert"])
def test_names_that_nothing_new_may_have(name: str) -> None:
    with pytest.raises(UsageError):
        ArtifactRef(name, "acme").require_creatable_name()


@given(
    name=IMAGE_NAME, org=IMAGE_NAME, team=st.one_of(st.just(""), IMAGE_NAME), tag=st.one_of(st.just(""), TAG)
)
def test_an_image_reference_reads_back_as_it_was_written(name: str, org: str, team: str, tag: str) -> None:
    ref = ImageRef(
        name=name, org="x" + org.replace(".", ""), team=team, tag=tag, host="registry.example:5000"
    )
    assert ImageRef.parse(str(ref)) == ref


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nvidia/caffe:19.02-py2", ImageRef("caffe", "nvidia", tag="19.02-py2")),
        ("nvcr.io/nvidia/team/caffe", ImageRef("caffe", "nvidia", "team", host="nvcr.io")),
        ("localhost/a/b", ImageRef("b", "a", host="localhost")),
        ("a/b:2*", ImageRef("b", "a", tag="2*")),
        (f"a/b@sha256:{'0' * 64}", ImageRef("b", "a", digest=f"sha256:{'0' * 64}")),
    ],
)
def test_image_forms(text: str, expected: ImageRef) -> None:
    assert ImageRef.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["", "a/b/c/d", "a/B:1", "a/b:ta g", "a/b@sha256:12", "a/b*:1", "a/b:x:y", "a/"]
)
def test_what_is_no_image(text: str) -> None:
    with pytest.raises(UsageError):
        ImageRef.parse(text)
