"""How results look, whole: every view in every format, compared with the files in tests/golden."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from support.golden import FOLDER, assert_golden

from ngc_cli.api.kinds import MODEL, MODEL_SCRIPT
from ngc_cli.cli import members_views
from ngc_cli.cli.formats import OUTPUT_FORMATS, View, facts_view
from ngc_cli.cli.registry import artifact_views, image_views
from ngc_cli.records import (
    ArchitectureVariant,
    Artifact,
    ArtifactVersion,
    FileEntry,
    ImageManifest,
    ImageRepository,
    ImageTag,
    Invitation,
    KeyValue,
    MetricsTable,
    Org,
    PublicDataset,
    RoleGrant,
    Team,
    User,
)
from ngc_cli.services.images.connection import ImageOutcome
from ngc_cli.services.people.members import Change
from ngc_cli.services.transfers import COMPLETED, Outcome

DAY = "2026-03-04T05:06:07.890Z"
DIGEST = "sha256:" + "ab" * 32
MODEL_ITEM = Artifact(
    name="bert",
    org_name="acme",
    team_name="nlp",
    display_name="BERT large",
    application="LANGUAGE_MODELING",
    framework="PyTorch",
    model_format="ONNX",
    precision="FP16",
    short_description="Understands text",
    description="# BERT\nReads text.",
    owner_name="Ada",
    labels=("text", "large"),
    public_dataset_used=PublicDataset("Wikipedia", "www.example.com", "CC-BY"),
    created_date=DAY,
    updated_date=DAY,
    can_guest_download=True,
    latest_version_id_str="2",
    latest_version_size_in_bytes=440_473_133,
)
VERSION = ArtifactVersion(
    version_id="2",
    status="UPLOAD_COMPLETE",
    description="Trained longer",
    accuracy_reached=91.5,
    batch_size=32,
    number_of_epochs=100,
    gpu_model="A100",
    memory_footprint="16GB",
    custom_metrics=(MetricsTable("Scores", (KeyValue("f1", "0.9"),)),),
    other_contents=(KeyValue("Github", "www.example.com/bert"),),
    created_date=DAY,
    total_file_count=2,
    total_size_in_bytes=440_473_133,
    policy=("GOV_READY",),
    release_type="GA",
)
FILES = [FileEntry("model.onnx", 440_473_100, "ab" * 32), FileEntry("vocab/words.txt", 33)]
REPOSITORY = ImageRepository(
    name="net",
    namespace="acme/nlp",
    display_name="Net",
    short_description="A network",
    labels=("a", "b"),
    is_public=False,
    is_multi_architecture=True,
    latest_tag="1.0",
    latest_image_size=123_456_789,
    tags=("1.0", "0.9"),
    updated_date=DAY,
)
TAG = ImageTag(
    "1.0",
    DIGEST,
    123_456_789,
    updated_date=DAY,
    architecture_variants=(ArchitectureVariant("amd64", "linux", None, DIGEST, 123_456_789),),
)
USER = User(
    id=7,
    name="Ada",
    email="ada@example.com",
    created_date=DAY,
    roles=(
        RoleGrant(org=Org("acme"), org_roles=("REGISTRY_USER",)),
        RoleGrant(org=Org("acme"), team=Team("nlp"), team_roles=("REGISTRY_ADMIN", "REGISTRY_READ")),
    ),
)
INVITATION = Invitation("bob@example.com", 3, "Bob", ("REGISTRY_USER",), "acme", "nlp", DAY, DAY)
TRANSFER = Outcome(
    direction="download",
    transfer_id="bert_v2",
    target="acme/nlp/bert:2",
    status=COMPLETED,
    local_path=Path("/models/bert_v2"),
    files_total=2,
    files_done=2,
    files_skipped=0,
    size_bytes=440_473_133,
    done_bytes=440_473_133,
    kept_bytes=0,
    bytes_moved=440_473_133,
    started_at_s=1_772_600_000.0,
    ended_at_s=1_772_600_038.0,
)
IMAGE_OUTCOME = ImageOutcome(
    image="nvcr.example.com/acme/nlp/net:1.0",
    tag="1.0",
    digest=DIGEST,
    index_digest="",
    media_type="application/vnd.oci.image.manifest.v1+json",
    platform="linux/amd64",
    layers=4,
    size_bytes=123_456_789,
    bytes_moved=1024,
    place="oci:out",
)
VIEWS: dict[str, View] = {
    "model-list": artifact_views.artifact_table([MODEL_ITEM], (), wide=False),
    "model-list-wide": artifact_views.artifact_table([MODEL_ITEM], (), wide=True),
    "model-versions": artifact_views.version_table([VERSION], (), wide=False),
    "model-info": artifact_views.artifact_block(MODEL, "model", MODEL_ITEM),
    "model-script-info": artifact_views.artifact_block(MODEL_SCRIPT, "resource", MODEL_ITEM),
    "model-version-info": artifact_views.version_block(MODEL, "model", VERSION, FILES),
    "model-script-version-info": artifact_views.version_block(MODEL_SCRIPT, "model-script", VERSION),
    "image-list": image_views.repository_table([REPOSITORY], (), wide=False),
    "image-tags": image_views.tag_table([TAG], (), wide=True),
    "image-repository-info": image_views.repository_block(REPOSITORY, details=True),
    "image-info": image_views.image_view(
        "acme/nlp/net", TAG, ImageManifest(schema_version=1), layers=False, history=False
    ),
    "image-pull": image_views.outcome_view(IMAGE_OUTCOME, pulled=True, run_command="docker run net"),
    "user-who": members_views.user_table(USER),
    "user-invited": members_views.invitation_table(INVITATION),
    "user-added": members_views.change_table(
        Change("added", "acme", "nlp", ("REGISTRY_USER",), USER, invitation=None)
    ),
    "removed": facts_view({"removed": [{"kind": "model", "target": "acme/bert"}]}),
}


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


@pytest.mark.parametrize("format_type", OUTPUT_FORMATS)
@pytest.mark.parametrize("name", VIEWS)
def test_view(name: str, format_type: str) -> None:
    assert_golden(f"{name}.{format_type}", OUTPUT_FORMATS[format_type].render(VIEWS[name]))


@pytest.mark.parametrize("format_type", OUTPUT_FORMATS)
def test_transfer_summary(format_type: str) -> None:
    view = artifact_views.transfer_summary(TRANSFER)
    assert_golden(f"download-summary.{format_type}", OUTPUT_FORMATS[format_type].render(view))


def test_every_golden_file_is_compared_with_something() -> None:
    names = [*VIEWS, "download-summary"]
    expected = {f"{name}.{format_type}" for name in names for format_type in OUTPUT_FORMATS}
    assert {path.name for path in FOLDER.iterdir() if path.is_file()} == expected
