"""``ngc registry model-script``, also ``resource``: what model-scripts have and models have not
(docs/cli.md#registry-model-script)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from ngc_cli.api.kinds import MODEL_SCRIPT
from ngc_cli.cli.groups import Command, Group, OptionAlias
from ngc_cli.cli.help import columns, examples
from ngc_cli.cli.options import DryRunOpt, for_each_target, options_from
from ngc_cli.cli.registry import artifact_commands, artifact_transfers
from ngc_cli.cli.registry.artifact_commands import (
    CreateOptions,
    FilesOpt,
    MetricsOpt,
    RemoveDryRunOpt,
    SetLatestOpt,
    target_argument,
)
from ngc_cli.cli.registry.artifact_transfers import DownloadOptions, UploadOptions
from ngc_cli.cli.registry.fields import (
    OVERVIEW_ALIASES,
    AccessOptions,
    ArtifactOptions,
    LabelOptions,
    ReleaseOptions,
    VersionOptions,
    choice,
    file_option,
)
from ngc_cli.cli.registry.listing import ListOptions

if TYPE_CHECKING:
    from ngc_cli.records import Artifact

APPLICATIONS = (
    "CLASSIFICATION OBJECT_DETECTION SEGMENTATION TRANSLATION TEXT_TO_SPEECH RECOMMENDER SENTIMENT NLP "
    "KUBEFLOW_PIPELINE OTHER SPEAKER_VERIFICATION PUNCTUATION_AND_CAPITALIZATION DIALOG_STATE_TRACKING "
    "SPEAKER_DIARIZATION SPEAKER_RECOGNITION SPEECH_SYNTHESIS VOICE_ACTIVITY_DETECTION SPEECH_RECOGNITION "
    "LANGUAGE_MODELING NAMED_ENTITY_RECOGNITION TEXT_CLASSIFICATION TEXT_PROCESSING QUESTION_ANSWERING "
    "CONTENT_GENERATION"
)
FRAMEWORKS = "TensorFlow Caffe2 CNTK Torch PyTorch MXNet Keras Other TransferLearningToolkit TensorFlow2"
PRECISIONS = "FP16 FP32 INT8 FPBOTH OTHER ALL"


@dataclass(frozen=True)
class ModelScriptOptions(ArtifactOptions):
    """Options of a model-script; three of its texts are of its versions as well."""

    heading: ClassVar = "Description"

    advanced_filename: Annotated[Path | None, file_option("--advanced-filename", "advanced guide")] = None
    performance_filename: Annotated[Path | None, file_option("--performance-filename", "performance")] = None
    quick_start_guide_filename: Annotated[
        Path | None, file_option("--quick-start-guide-filename", "quick start guide")
    ] = None
    setup_filename: Annotated[Path | None, file_option("--setup-filename", "setup instructions")] = None

    def record(self) -> Artifact:
        """The model-script; application, framework and precision are words of a list, in any case."""
        record = super().record()
        return dataclasses.replace(
            record,
            application=choice("--application", record.application, tuple(APPLICATIONS.split())),
            framework=None,
            training_framework=choice("--framework", record.framework, tuple(FRAMEWORKS.split())),
            precision=choice("--precision", record.precision, tuple(PRECISIONS.split())),
        )


@dataclass(frozen=True)
class ModelScriptVersionOptions(VersionOptions):
    """Options of a version of a model-script."""

    heading: ClassVar = "Description of the version"

    performance_filename: Annotated[Path | None, file_option("--performance-filename", "performance")] = None
    quick_start_guide_filename: Annotated[
        Path | None, file_option("--quick-start-guide-filename", "quick start guide")
    ] = None
    release_notes_filename: Annotated[
        Path | None, file_option("--release-notes-filename", "release notes")
    ] = None
    setup_filename: Annotated[Path | None, file_option("--setup-filename", "setup instructions")] = None


@dataclass(frozen=True)
class ModelScriptUpdateOptions(ReleaseOptions, ModelScriptVersionOptions):
    """Options of a version of a model-script that its update can set."""


class ModelScriptCommand(Command):
    """A command of model-scripts: names of options that old scripts use."""

    aliases: ClassVar = {
        **OVERVIEW_ALIASES,
        "--link": OptionAlias("--logo", "--link means the logo here; write --logo"),
        "--source-path": OptionAlias("--source"),
    }


TargetArg = Annotated[str, target_argument("model-script", "The model-script, or one version of it.")]
NewArg = Annotated[str, target_argument("model-script", "The model-script to create.", "")]
UploadArg = Annotated[
    str, target_argument("model-script", "The version to make, of a model-script that exists.", ":VERSION")
]
DownloadArg = Annotated[str, target_argument("model-script", "The version; without one the latest.")]
FilterArg = Annotated[
    str,
    target_argument(
        "model-script", "Model-scripts to list, or one to list its versions; may hold * ? [].", optional=True
    ),
]

app = typer.Typer(cls=Group, help="Model-scripts and their versions.")


@app.command("list", cls=ModelScriptCommand)
@columns(
    **{
        "model-scripts": "ngc_cli.cli.registry.artifact_views:ARTIFACT_COLUMNS",
        "versions": "ngc_cli.cli.registry.artifact_views:VERSION_COLUMNS",
    }
)
@examples(
    ("ngc registry model-script list", "Model-scripts that you may see."),
    ("ngc registry model-script list 'nvidia/myteam/*'", "Those of one team."),
    (
        "ngc registry model-script list nvidia/myteam/unet --column version --column size",
        "The versions of one model-script, with columns of your choice.",
    ),
)
@options_from(options=ListOptions)
def list_(ctx: typer.Context, options: ListOptions, target: FilterArg = "") -> None:
    """List model-scripts, or the versions of one."""
    artifact_commands.list_(ctx, MODEL_SCRIPT, target, options)


@app.command("info", cls=ModelScriptCommand)
@examples(
    ("ngc registry model-script info nvidia/myteam/unet", "The model-script."),
    ("ngc registry model-script info nvidia/myteam/unet:1 --files", "One version and its files."),
)
@for_each_target
def info(ctx: typer.Context, target: TargetArg, files: FilesOpt = False, metrics: MetricsOpt = False) -> None:
    """Show one model-script, or one version of it."""
    artifact_commands.info(ctx, MODEL_SCRIPT, target, files=files, metrics=metrics)


@app.command("create", cls=ModelScriptCommand)
@examples(
    (
        "ngc registry model-script create nvidia/myteam/new_script --application OBJECT_DETECTION --framework TensorFlow --format SavedModel --precision FP16 --short-desc 'Finds objects'",
        "A model-script with the usual descriptions.",
    ),
    (
        "ngc registry model-script create nvidia/myteam/new_script --from nvidia/myteam/unet",
        "With the descriptions of another one.",
    ),
)
@options_from(description=ModelScriptOptions, options=CreateOptions)
def create(
    ctx: typer.Context, target: NewArg, description: ModelScriptOptions, options: CreateOptions
) -> None:
    """Create a model-script, without versions yet."""
    artifact_commands.create(ctx, MODEL_SCRIPT, target, description, options)


@app.command("update", cls=ModelScriptCommand)
@examples(
    (
        "ngc registry model-script update nvidia/myteam/unet --short-desc 'Finds small objects'",
        "Say something else about the model-script.",
    ),
    (
        "ngc registry model-script update nvidia/myteam/unet:1 --desc 'Trained on more data'",
        "Say something about one version.",
    ),
)
@options_from(
    description=ModelScriptOptions,
    labels=LabelOptions,
    access=AccessOptions,
    version=ModelScriptUpdateOptions,
)
def update(
    ctx: typer.Context,
    target: TargetArg,
    description: ModelScriptOptions,
    labels: LabelOptions,
    access: AccessOptions,
    version: ModelScriptUpdateOptions,
    set_latest: SetLatestOpt = False,
    dry_run: DryRunOpt = False,
) -> None:
    """Change a model-script, or one version of it."""
    artifact_commands.update(
        ctx,
        MODEL_SCRIPT,
        target,
        description,
        labels,
        access,
        version,
        set_latest=set_latest,
        dry_run=dry_run,
    )


@app.command("remove", cls=ModelScriptCommand)
@examples(
    ("ngc registry model-script remove nvidia/myteam/unet:1 --dry-run", "See what would go."),
    (
        "ngc registry model-script remove nvidia/myteam/unet:1 --yes",
        "Remove one version without being asked.",
    ),
)
@for_each_target
def remove(ctx: typer.Context, target: TargetArg, dry_run: RemoveDryRunOpt = False) -> None:
    """Remove one version, or a model-script with all its versions."""
    artifact_commands.remove(ctx, MODEL_SCRIPT, target, dry_run=dry_run)


@app.command("upload-version", cls=ModelScriptCommand)
@app.command("upload", cls=ModelScriptCommand, hidden=True)
@examples(
    (
        "ngc registry model-script upload-version nvidia/myteam/unet:2 --source model",
        "Upload a folder as version 2.",
    ),
)
@options_from(version=ModelScriptVersionOptions, options=UploadOptions)
def upload_version(
    ctx: typer.Context, target: UploadArg, version: ModelScriptVersionOptions, options: UploadOptions
) -> None:
    """Upload one version, going on where an earlier run stopped."""
    artifact_transfers.upload_version(ctx, MODEL_SCRIPT, target, version, options)


@app.command("download-version", cls=ModelScriptCommand)
@app.command("download", cls=ModelScriptCommand, hidden=True)
@examples(
    (
        "ngc registry model-script download-version nvidia/myteam/unet:1 --dest downloads",
        "Download into downloads/unet_v1.",
    ),
    (
        "ngc registry model-script download-version nvidia/myteam/unet:1 --file '*.txt'",
        "Only the files that match.",
    ),
    (
        "ngc registry model-script download-version nvidia/myteam/unet:1 --dest downloads --verify-only",
        "Compare what is on disk with the registry.",
    ),
)
@for_each_target
@options_from(options=DownloadOptions)
def download_version(ctx: typer.Context, target: DownloadArg, options: DownloadOptions) -> None:
    """Download one version, going on where an earlier run stopped."""
    artifact_transfers.download_version(ctx, MODEL_SCRIPT, target, options)
