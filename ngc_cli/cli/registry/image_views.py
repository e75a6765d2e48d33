"""How images look: lists, blocks and the ends of transfers (docs/cli.md#registry-image). Pure functions."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ngc_cli.cli.formats import Block, Blocks, Column, Field, Summary, Table, table
from ngc_cli.json_text import parse_json
from ngc_cli.records import ArchitectureVariant, ImageManifest, ImageRepository, ImageTag, as_json
from ngc_cli.services.images.catalog import repository_path
from ngc_cli.services.images.connection import ImageOutcome
from ngc_cli.services.images.image_config import ImageConfig
from ngc_cli.units import format_day, format_moment, format_size

# What an empty step of the build shows as its layer (docs/protocol/images.md#manifest-view).
_EMPTY_LAYER = "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4"


def _yes_no(value: bool | None) -> str:
    return "Yes" if value else "No"


def _size(size_bytes: int | None) -> str:
    return "" if size_bytes is None else format_size(size_bytes)


def _org_and_team(item: ImageRepository) -> tuple[str, str]:
    org, _, team = (item.namespace or "").partition("/")
    return org, team


REPOSITORY_COLUMNS: tuple[Column[ImageRepository], ...] = (
    Column("name", "Name", lambda item: item.display_name or item.name),
    Column("repository", "Repository", repository_path),
    Column("tag", "Latest Tag", lambda item: item.latest_tag),
    Column(
        "size",
        "Image Size",
        lambda item: _size(item.latest_image_size),
        lambda item: item.latest_image_size or 0,
    ),
    Column(
        "updated", "Updated Date", lambda item: format_day(item.updated_date), lambda item: item.updated_date
    ),
    Column("permission", "Permission", lambda item: "unlocked" if item.can_guest_pull else "locked"),
    Column("created", "Created", lambda item: format_day(item.created_date), lambda item: item.created_date),
    Column("description", "Description", lambda item: item.short_description),
    Column("org", "Org", lambda item: _org_and_team(item)[0]),
    Column("team", "Team", lambda item: _org_and_team(item)[1]),
    Column("shared", "Shared", lambda item: _yes_no(item.is_public)),
    Column("labels", "Labels", lambda item: ", ".join(item.labels or ())),
    Column("signed", "Signed Tag?", lambda item: _yes_no(item.has_signed_tag)),
    Column("access", "Access Type", lambda item: item.access_type),
    Column("products", "Associated Products", lambda item: ", ".join(item.product_names or ())),
)
_REPOSITORY_DEFAULT = ["name", "repository", "tag", "size", "updated", "permission"]
_REPOSITORY_WIDE = [*_REPOSITORY_DEFAULT, "signed", "access", "products"]

TAG_COLUMNS: tuple[Column[ImageTag], ...] = (
    Column("tag", "Tag", lambda item: item.tag),
    Column(
        "updated", "Updated Date", lambda item: format_day(item.updated_date), lambda item: item.updated_date
    ),
    Column("size", "Image Size", lambda item: _size(item.size), lambda item: item.size or 0),
    Column("signed", "Signed?", lambda item: _yes_no(item.is_signed)),
    Column(
        "platforms", "Platforms", lambda item: ", ".join(map(_platform, item.architecture_variants or ()))
    ),
    Column("digest", "Digest", lambda item: item.digest, copied=True),
)
_TAG_DEFAULT = ["tag", "updated", "size", "signed"]
_TAG_WIDE = [*_TAG_DEFAULT, "platforms", "digest"]


def _platform(item: ArchitectureVariant) -> str:
    return "/".join(part for part in (item.os, item.architecture, item.variant) if part)


def repository_table(items: Sequence[ImageRepository], chosen: Sequence[str], *, wide: bool) -> Table:
    """Repositories, one a row."""
    default = _REPOSITORY_WIDE if wide else _REPOSITORY_DEFAULT
    return table(items, REPOSITORY_COLUMNS, default, "repository", chosen, wide=wide)


def tag_table(items: Sequence[ImageTag], chosen: Sequence[str], *, wide: bool) -> Table:
    """Tags, one a row."""
    return table(items, TAG_COLUMNS, _TAG_WIDE if wide else _TAG_DEFAULT, "tag", chosen, wide=wide)


def repository_block(item: ImageRepository, *, details: bool = False) -> Block:
    """The block of one repository; with ``details`` also its overview."""
    fields = [
        Field("Name", repository_path(item)),
        Field("Display Name", item.display_name),
        Field("Short Description", item.short_description),
        Field("Built By", item.built_by),
        Field("Publisher", item.publisher),
        Field("Multinode Support", str(bool(item.is_multinode_enabled))),
        Field("Multi-Arch Support", str(bool(item.is_multi_architecture))),
        Field("Logo", item.logo),
        Field("Labels", ", ".join(item.labels or ())),
        Field("Public", _yes_no(item.is_public)),
        *([Field("Policy Labels", ", ".join(item.policy_labels))] if item.policy_labels else []),
        *([Field("Release Type", item.release_type)] if item.release_type else []),
        Field("Last Updated", format_moment(item.updated_date)),
        Field("Latest Image Size", _size(item.latest_image_size)),
        Field("Latest Tag", item.latest_tag),
        Field("Tags", None, item.tags or ()),
    ]
    if details:
        fields.append(Field("Overview", None, [item.description] if item.description else ()))
    return Block("Image Repository Information", fields, as_json(item))


def image_view(
    path: str,
    tag: ImageTag,
    manifest: ImageManifest,
    *,
    layers: bool,
    history: bool,
    config: ImageConfig | None = None,
) -> Block | Blocks:
    """One image; with ``history`` the table of its build steps goes before the block."""
    variants = tag.architecture_variants or ()
    architectures = [
        Field(
            "Architecture",
            item.architecture,
            [f"Image Size: {_size(item.compressed_size)}", f"Digest: {item.digest}"],
        )
        for item in variants
    ]
    fields = [
        Field("Name", f"{path}:{tag.tag}"),
        *(architectures or [Field("Architecture", manifest.architecture)]),
        Field("Schema Version", manifest.schema_version),
        Field("Last Updated", format_moment(tag.updated_date)),
    ]
    if layers:
        fields.append(Field("Layers", None, [item.blob_sum for item in manifest.fs_layers or ()]))
    data = {**as_json(tag), **as_json(manifest), "name": f"{path}:{tag.tag}"}
    if config is not None:
        fields += _config_fields(config)
        data["config"] = asdict(config)
    data["architectureDetails"] = data.pop("architectureVariants", [])
    block = Block("Image Information", fields, data)
    return Blocks([_history(manifest), block], data) if history else block


def _config_fields(config: ImageConfig) -> list[Field]:
    """How an image wants to be run."""
    return [
        Field("Entry Point", shlex.join(config.entrypoint)),
        Field("Command", shlex.join(config.command)),
        Field("User", config.user),
        Field("Working Folder", config.working_dir),
        Field("Ports", ", ".join(config.exposed_ports)),
        Field("Volumes", ", ".join(config.volumes)),
        Field("Environment", None, config.environment),
        Field("Image Labels", None, [f"{name}={value}" for name, value in config.labels.items()]),
    ]


def _history(manifest: ImageManifest) -> Table:
    """The steps of the build, the newest first, each with its layer."""
    layers = iter(manifest.fs_layers or ())
    rows = []
    for step in manifest.history or ():
        value = _step(step.v1_compatibility)
        layer = None if value.get("empty_layer") is True else next(layers, None)
        config = value.get("container_config")
        command = config.get("Cmd") if isinstance(config, dict) else None
        shown = " ".join(map(str, command)) if isinstance(command, list) else ""
        blob = layer.blob_sum if layer is not None else _EMPTY_LAYER
        rows.append([blob, format_moment(str(value.get("created") or "")), shown])
    return Table(["Layer Blob", "Created", "Command"], rows, None)


def _step(text: str) -> dict[str, Any]:
    try:
        value = parse_json(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def outcome_view(outcome: ImageOutcome, *, pulled: bool, run_command: str = "") -> Summary:
    """The block that ends a pull or a push; json has the members of docs/cli.md#registry-image."""
    moved = "downloaded" if pulled else "uploaded"
    facts = {
        "image": outcome.image,
        "tag": outcome.tag,
        "digest": outcome.digest,
        "index_digest": outcome.index_digest,
        "media_type": outcome.media_type,
        "platform": outcome.platform,
        "layers": outcome.layers,
        "size_bytes": outcome.size_bytes,
        f"bytes_{moved}": outcome.bytes_moved,
        "output" if pulled else "source": outcome.place,
        "run_command": run_command,
    }
    fields = [
        Field("Image", outcome.image),
        Field("Digest", outcome.digest),
        *([Field("Platform", outcome.platform)] if outcome.platform else []),
        Field("Layers", outcome.layers),
        Field("Size", format_size(outcome.size_bytes)),
        Field(f"Total {moved} size", format_size(outcome.bytes_moved)),
        Field("Output" if pulled else "Source", outcome.place),
    ]
    return Summary("", fields, {name: value for name, value in facts.items() if value != ""})


def plan_view(outcome: ImageOutcome, missing_bytes: int, *, pulled: bool) -> Summary:
    """What a pull or push would move."""
    view = outcome_view(outcome, pulled=pulled)
    moved = "downloaded" if pulled else "uploaded"
    fields = [item for item in view.fields if not item.label.startswith("Total ")]
    data = {name: value for name, value in view.data.items() if name != f"bytes_{moved}"}
    missing = Field(f"Would be {moved}", format_size(missing_bytes))
    return Summary("", [*fields, missing], {**data, "bytes_missing": missing_bytes})
