"""``ngc registry model``: what models have and model-scripts have not (docs/cli.md#registry-model)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from ngc_cli.api.kinds import MODEL
from ngc_cli.cli.groups import Command, Group, OptionAlias
from ngc_cli.cli.help import columns, examples
from ngc_cli.cli.options import DryRunOpt, for_each_target, options_from
from ngc_cli.cli.registry import artifact_commands, artifact_transfers, model_store
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
    LINK_TYPES,
    OVERVIEW_ALIASES,
    AccessOptions,
    ArtifactOptions,
    LabelOptions,
    ReleaseOptions,
    VersionOptions,
    file_option,
    text_option,
    word_option,
)
from ngc_cli.cli.registry.listing import ListOptions
from ngc_cli.cli.registry.model_store import EraOpt, PlacingOptions, StoreArg, UploadStoreOpt

_NO_KEYS = "keys for encryption belong to NVIDIA's service"


@dataclass(frozen=True)
class ModelOptions(ArtifactOptions):
    """Options of a model."""

    heading: ClassVar = "Description"

    owner_name: Annotated[str | None, text_option("--owner-name", "Who owns it.")] = None
    bias_filename: Annotated[Path | None, file_option("--bias-filename", "statement on bias")] = None
    explainability_filename: Annotated[
        Path | None, file_option("--explainability-filename", "statement on explainability")
    ] = None
    privacy_filename: Annotated[Path | None, file_option("--privacy-filename", "statement on privacy")] = None
    safety_security_filename: Annotated[
        Path | None, file_option("--safety-security-filename", "statement on safety and security")
    ] = None


@dataclass(frozen=True)
class ModelUploadOptions(VersionOptions):
    """Options of a model version that only its upload can set."""

    heading: ClassVar = "Description of the version"

    link: Annotated[str | None, text_option("--link", "Address of more about this version.", "URL")] = None
    link_type: Annotated[
        str | None, word_option("--link-type", "What the link leads to", LINK_TYPES, "TYPE")
    ] = None
    owner_name: Annotated[str | None, text_option("--owner-name", "Who owns it.")] = None
    metrics_file: Annotated[
        list[Path] | None,
        typer.Option(
            "--metrics-file",
            metavar="FILE",
            help='A table of metrics in JSON, {"name": "Run 1", "attributes": [{"key": "mAP", "value": "0.91"}]}, '
            "with 1 to 12 attributes; up to three files.",
        ),
    ] = None


@dataclass(frozen=True)
class ModelVersionOptions(ReleaseOptions, VersionOptions):
    """Options of a model version that its update can set."""


class ModelCommand(Command):
    """A command of models: names of options that old scripts use."""

    aliases: ClassVar = {
        **OVERVIEW_ALIASES,
        "--credentials-file": OptionAlias("--metrics-file"),
        "--source-path": OptionAlias("--source"),
    }
    refused: ClassVar = {"--encryption-key-id": _NO_KEYS, "--encryption-key-description": _NO_KEYS}


TargetArg = Annotated[str, target_argument("model", "The model, or one version of it.")]
NewArg = Annotated[str, target_argument("model", "The model to create.", "")]
UploadArg = Annotated[
    str, target_argument("model", "The version to make, of a model that exists.", ":VERSION")
]
DownloadArg = Annotated[str, target_argument("model", "The version; without one the latest.")]
FilterArg = Annotated[
    str,
    target_argument("model", "Models to list, or one to list its versions; may hold * ? [].", optional=True),
]

app = typer.Typer(cls=Group, help="Models and their versions.")


@app.command("list", cls=ModelCommand)
@columns(
    models="ngc_cli.cli.registry.artifact_views:ARTIFACT_COLUMNS",
    versions="ngc_cli.cli.registry.artifact_views:VERSION_COLUMNS",
)
@examples(
    ("ngc registry model list", "Models that you may see."),
    ("ngc registry model list 'nvidia/myteam/*'", "Those of one team."),
    (
        "ngc registry model list nvidia/myteam/resnet --column version --column size",
        "The versions of one model, with columns of your choice.",
    ),
)
@options_from(options=ListOptions)
def list_(ctx: typer.Context, options: ListOptions, target: FilterArg = "") -> None:
    """List models, or the versions of one."""
    artifact_commands.list_(ctx, MODEL, target, options)


@app.command("info", cls=ModelCommand)
@examples(
    ("ngc registry model info nvidia/myteam/resnet", "The model."),
    ("ngc registry model info nvidia/myteam/resnet:1 --files", "One version and its files."),
)
@for_each_target
def info(ctx: typer.Context, target: TargetArg, files: FilesOpt = False, metrics: MetricsOpt = False) -> None:
    """Show one model, or one version of it."""
    artifact_commands.info(ctx, MODEL, target, files=files, metrics=metrics)


@app.command("create", cls=ModelCommand)
@examples(
    (
        "ngc registry model create nvidia/myteam/new_model --application OBJECT_DETECTION --framework TensorFlow --format SavedModel --precision FP16 --short-desc 'Finds objects'",
        "A model with the usual descriptions.",
    ),
    (
        "ngc registry model create nvidia/myteam/new_model --from nvidia/myteam/resnet",
        "With the descriptions of another one.",
    ),
)
@options_from(description=ModelOptions, options=CreateOptions)
def create(ctx: typer.Context, target: NewArg, description: ModelOptions, options: CreateOptions) -> None:
    """Create a model, without versions yet."""
    artifact_commands.create(ctx, MODEL, target, description, options)


@app.command("update", cls=ModelCommand)
@examples(
    (
        "ngc registry model update nvidia/myteam/resnet --short-desc 'Finds small objects'",
        "Say something else about the model.",
    ),
    (
        "ngc registry model update nvidia/myteam/resnet:1 --desc 'Trained on more data'",
        "Say something about one version.",
    ),
)
@options_from(
    description=ModelOptions, labels=LabelOptions, access=AccessOptions, version=ModelVersionOptions
)
def update(
    ctx: typer.Context,
    target: TargetArg,
    description: ModelOptions,
    labels: LabelOptions,
    access: AccessOptions,
    version: ModelVersionOptions,
    set_latest: SetLatestOpt = False,
    dry_run: DryRunOpt = False,
) -> None:
    """Change a model, or one version of it."""
    artifact_commands.update(
        ctx, MODEL, target, description, labels, access, version, set_latest=set_latest, dry_run=dry_run
    )


@app.command("remove", cls=ModelCommand)
@examples(
    ("ngc registry model remove nvidia/myteam/resnet:1 --dry-run", "See what would go."),
    ("ngc registry model remove nvidia/myteam/resnet:1 --yes", "Remove one version without being asked."),
)
@for_each_target
def remove(ctx: typer.Context, target: TargetArg, dry_run: RemoveDryRunOpt = False) -> None:
    """Remove one version, or a model with all its versions."""
    artifact_commands.remove(ctx, MODEL, target, dry_run=dry_run)


@app.command("upload-version", cls=ModelCommand)
@app.command("upload", cls=ModelCommand, hidden=True)
@examples(
    (
        "ngc registry model upload-version nvidia/myteam/resnet:2 --source model",
        "Upload a folder as version 2.",
    ),
    (
        "ngc registry model upload-version nvidia/myteam/resnet:2 --source model --num-epochs 100 --metrics-file metrics.json",
        "With facts about the training and a table of metrics.",
    ),
)
@options_from(version=ModelUploadOptions, options=UploadOptions)
def upload_version(
    ctx: typer.Context,
    target: UploadArg,
    version: ModelUploadOptions,
    options: UploadOptions,
    store: UploadStoreOpt = None,
    era: EraOpt = "triton",
) -> None:
    """Upload one version, going on where an earlier run stopped."""
    if store is not None:
        model_store.upload_version(ctx, target, version, options, store, era)
    else:
        artifact_transfers.upload_version(ctx, MODEL, target, version, options)


@app.command("download-version", cls=ModelCommand)
@app.command("download", cls=ModelCommand, hidden=True)
@examples(
    (
        "ngc registry model download-version nvidia/myteam/resnet:1 --dest downloads",
        "Download into downloads/resnet_v1.",
    ),
    (
        "ngc registry model download-version nvidia/myteam/resnet:1 --file '*.txt'",
        "Only the files that match.",
    ),
    (
        "ngc registry model download-version nvidia/myteam/resnet:1 --dest downloads --verify-only",
        "Compare what is on disk with the registry.",
    ),
)
@for_each_target
@options_from(options=DownloadOptions, placing=PlacingOptions)
def download_version(
    ctx: typer.Context, target: DownloadArg, options: DownloadOptions, placing: PlacingOptions
) -> None:
    """Download one version, going on where an earlier run stopped."""
    if placing.model_store is not None:
        model_store.download_version(ctx, target, options, placing, placing.model_store)
    else:
        placing.refuse_without_store()
        artifact_transfers.download_version(ctx, MODEL, target, options)


@app.command("check-store", cls=ModelCommand)
@examples(("ngc registry model check-store store", "Every model in a folder, before a server reads it."))
def check_store(ctx: typer.Context, store: StoreArg, era: EraOpt = "triton") -> None:
    """Check whether an inference server will take the models in a folder."""
    model_store.check_store(ctx, store, era)
