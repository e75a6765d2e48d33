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
from ngc_cli.cli.options import DryRunOpt, FilterArg, TargetArg, options_from
from ngc_cli.cli.registry import artifact_commands, artifact_transfers
from ngc_cli.cli.registry.artifact_commands import (
    CreateOptions,
    FilesOpt,
    MetricsOpt,
    RemoveDryRunOpt,
    SetLatestOpt,
)
from ngc_cli.cli.registry.artifact_transfers import DownloadOptions, UploadOptions
from ngc_cli.cli.registry.fields import (
    OVERVIEW_ALIASES,
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


app = typer.Typer(cls=Group, help="Model-scripts and their versions.")


@app.command("list", cls=ModelScriptCommand)
@options_from(options=ListOptions)
def list_(ctx: typer.Context, options: ListOptions, target: FilterArg = "") -> None:
    """List model-scripts, or the versions of one."""
    artifact_commands.list_(ctx, MODEL_SCRIPT, target, options)


@app.command("info", cls=ModelScriptCommand)
def info(ctx: typer.Context, target: TargetArg, files: FilesOpt = False, metrics: MetricsOpt = False) -> None:
    """Show one model-script, or one version of it."""
    artifact_commands.info(ctx, MODEL_SCRIPT, target, files=files, metrics=metrics)


@app.command("create", cls=ModelScriptCommand)
@options_from(description=ModelScriptOptions, options=CreateOptions)
def create(
    ctx: typer.Context, target: TargetArg, description: ModelScriptOptions, options: CreateOptions
) -> None:
    """Create a model-script, without versions yet."""
    artifact_commands.create(ctx, MODEL_SCRIPT, target, description, options)


@app.command("update", cls=ModelScriptCommand)
@options_from(description=ModelScriptOptions, labels=LabelOptions, version=ModelScriptUpdateOptions)
def update(
    ctx: typer.Context,
    target: TargetArg,
    description: ModelScriptOptions,
    labels: LabelOptions,
    version: ModelScriptUpdateOptions,
    set_latest: SetLatestOpt = False,
    dry_run: DryRunOpt = False,
) -> None:
    """Change a model-script, or one version of it."""
    artifact_commands.update(
        ctx, MODEL_SCRIPT, target, description, labels, version, set_latest=set_latest, dry_run=dry_run
    )


@app.command("remove", cls=ModelScriptCommand)
def remove(ctx: typer.Context, target: TargetArg, dry_run: RemoveDryRunOpt = False) -> None:
    """Remove one version, or a model-script with all its versions."""
    artifact_commands.remove(ctx, MODEL_SCRIPT, target, dry_run=dry_run)


@app.command("upload-version", cls=ModelScriptCommand)
@app.command("upload", cls=ModelScriptCommand, hidden=True)
@options_from(version=ModelScriptVersionOptions, options=UploadOptions)
def upload_version(
    ctx: typer.Context, target: TargetArg, version: ModelScriptVersionOptions, options: UploadOptions
) -> None:
    """Upload one version, going on where an earlier run stopped."""
    artifact_transfers.upload_version(ctx, MODEL_SCRIPT, target, version, options)


@app.command("download-version", cls=ModelScriptCommand)
@app.command("download", cls=ModelScriptCommand, hidden=True)
@options_from(options=DownloadOptions)
def download_version(ctx: typer.Context, target: TargetArg, options: DownloadOptions) -> None:
    """Download one version, going on where an earlier run stopped."""
    artifact_transfers.download_version(ctx, MODEL_SCRIPT, target, options)
