"""``ngc registry model``: what models have and model-scripts have not (contract/cli-surface.md 5)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ngc_cli.cli.groups import Spelling
from ngc_cli.cli.registry.artifact import OVERVIEW_SPELLINGS, Family, artifact_verbs
from ngc_cli.cli.registry.fields import ArtifactOptions, VersionOptions, choice, file_option, text_option
from ngc_cli.services.artifacts.catalog import MODEL

if TYPE_CHECKING:
    from ngc_cli.records import ArtifactVersion

_NO_KEYS = Spelling("", "keys for encryption belong to NVIDIA's service")
LINK_TYPES = ("NGC", "Github", "Other")


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

    def record(self, version_id: str) -> ArtifactVersion:
        """The version; metrics tables are read and checked."""
        import dataclasses

        from ngc_cli.services.artifacts.documents import read_metrics

        link_type = choice("--link-type", self.link_type, LINK_TYPES)
        plain = dataclasses.replace(self, metrics_file=None, link_type=link_type)
        record = super(ModelUploadOptions, plain).record(version_id)
        metrics = read_metrics(self.metrics_file or [])
        return dataclasses.replace(record, custom_metrics=metrics or None)


verbs = artifact_verbs(
    Family(
        kind=MODEL,
        artifact=ModelOptions,
        version=VersionOptions,
        upload=ModelUploadOptions,
        spellings={
            **OVERVIEW_SPELLINGS,
            "--credentials-file": Spelling("--metrics-file"),
            "--encryption-key-id": _NO_KEYS,
            "--encryption-key-description": _NO_KEYS,
        },
    ),
    "Models and their versions.",
)
