"""``ngc registry model``: what models have and model-scripts have not (docs/cli.md#registry-model)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from ngc_cli.api.kinds import MODEL
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
    file_option,
    text_option,
)
from ngc_cli.cli.registry.listing import ListOptions

_NO_KEYS = "keys for encryption belong to NVIDIA's service"


@dataclass(frozen=True)
class ModelOptions(ArtifactOptions):
    """Options of a model."""

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

    link: Annotated[str | None, text_option("--link", "Address of more about this version.", "URL")] = None
    link_type: Annotated[str | None, text_option("--link-type", "NGC, Github or Other.", "TYPE")] = None
    owner_name: Annotated[str | None, text_option("--owner-name", "Who owns it.")] = None
    metrics_file: Annotated[
        list[Path] | None,
        typer.Option("--metrics-file", metavar="FILE", help="JSON file with a metrics table; up to three."),
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


app = typer.Typer(cls=Group, help="Models and their versions.")


@app.command("list", cls=ModelCommand)
@options_from(options=ListOptions)
def list_(ctx: typer.Context, options: ListOptions, target: FilterArg = "") -> None:
    """List models, or the versions of one."""
    artifact_commands.list_(ctx, MODEL, target, options)


@app.command("info", cls=ModelCommand)
def info(ctx: typer.Context, target: TargetArg, files: FilesOpt = False, metrics: MetricsOpt = False) -> None:
    """Show one model, or one version of it."""
    artifact_commands.info(ctx, MODEL, target, files=files, metrics=metrics)


@app.command("create", cls=ModelCommand)
@options_from(description=ModelOptions, options=CreateOptions)
def create(ctx: typer.Context, target: TargetArg, description: ModelOptions, options: CreateOptions) -> None:
    """Create a model, without versions yet."""
    artifact_commands.create(ctx, MODEL, target, description, options)


@app.command("update", cls=ModelCommand)
@options_from(description=ModelOptions, labels=LabelOptions, version=ModelVersionOptions)
def update(
    ctx: typer.Context,
    target: TargetArg,
    description: ModelOptions,
    labels: LabelOptions,
    version: ModelVersionOptions,
    set_latest: SetLatestOpt = False,
    dry_run: DryRunOpt = False,
) -> None:
    """Change a model, or one version of it."""
    artifact_commands.update(
        ctx, MODEL, target, description, labels, version, set_latest=set_latest, dry_run=dry_run
    )


@app.command("remove", cls=ModelCommand)
def remove(ctx: typer.Context, target: TargetArg, dry_run: RemoveDryRunOpt = False) -> None:
    """Remove one version, or a model with all its versions."""
    artifact_commands.remove(ctx, MODEL, target, dry_run=dry_run)


@app.command("upload-version", cls=ModelCommand)
@app.command("upload", cls=ModelCommand, hidden=True)
@options_from(version=ModelUploadOptions, options=UploadOptions)
def upload_version(
    ctx: typer.Context, target: TargetArg, version: ModelUploadOptions, options: UploadOptions
) -> None:
    """Upload one version, going on where an earlier run stopped."""
    artifact_transfers.upload_version(ctx, MODEL, target, version, options)


@app.command("download-version", cls=ModelCommand)
@app.command("download", cls=ModelCommand, hidden=True)
@options_from(options=DownloadOptions)
def download_version(ctx: typer.Context, target: TargetArg, options: DownloadOptions) -> None:
    """Download one version, going on where an earlier run stopped."""
    artifact_transfers.download_version(ctx, MODEL, target, options)
