"""How models and model-scripts look: lists, blocks and transfer summaries (docs/cli.md).

Pure functions from records to views.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ngc_cli.api.kinds import MODEL, ArtifactKind
from ngc_cli.cli.formats import Block, Column, Field, Summary, Table, table
from ngc_cli.records import Artifact, ArtifactVersion, FileEntry, PublicDataset, as_json
from ngc_cli.services.artifacts.catalog import artifact_path
from ngc_cli.terminal_text import visible
from ngc_cli.units import format_day, format_duration, format_moment, format_size

if TYPE_CHECKING:
    from ngc_cli.services.transfers import Outcome, Plan

_PRECISION_SHOWN = {"FPBOTH": "FP16, FP32", "ALL": "FP16, FP32, TF32"}


def _joined(values: Sequence[str] | None) -> str:
    return ", ".join(values or ())


def _permission(item: Artifact) -> str:
    return "unlocked" if item.can_guest_download else "locked"


ARTIFACT_COLUMNS: tuple[Column[Artifact], ...] = (
    Column("name", "Name", lambda item: item.display_name or item.name),
    Column("repository", "Repository", artifact_path),
    Column("version", "Latest Version", lambda item: item.latest_version_id_str),
    Column("latest_version", "Latest Version", lambda item: item.latest_version_id_str),
    Column("application", "Application", lambda item: item.application),
    Column("framework", "Framework", lambda item: item.framework or item.training_framework),
    Column("precision", "Precision", lambda item: _PRECISION_SHOWN.get(item.precision or "", item.precision)),
    Column(
        "updated", "Last Modified", lambda item: format_day(item.updated_date), lambda item: item.updated_date
    ),
    Column("permission", "Permission", _permission),
    Column("created", "Created", lambda item: format_day(item.created_date), lambda item: item.created_date),
    Column("org", "Org", lambda item: item.org_name),
    Column("team", "Team", lambda item: item.team_name),
    Column("description", "Description", lambda item: item.short_description),
    Column("labels", "Labels", lambda item: _joined(item.labels)),
    Column(
        "size",
        "File Size",
        lambda item: format_size(item.latest_version_size_in_bytes or 0),
        lambda item: item.latest_version_size_in_bytes or 0,
    ),
    Column("shared", "Shared", lambda item: "Yes" if item.is_public else "No"),
    Column("access", "Access Type", lambda item: item.access_type),
    Column("products", "Associated Products", lambda item: _joined(item.product_names)),
    Column("signed", "Has Signed Version", lambda item: "Yes" if item.has_signed_version else "No"),
)
_ARTIFACT_DEFAULT = [
    "name",
    "repository",
    "version",
    "application",
    "framework",
    "precision",
    "updated",
    "permission",
]
_ARTIFACT_WIDE = [*_ARTIFACT_DEFAULT, "access", "products", "signed"]

VERSION_COLUMNS: tuple[Column[ArtifactVersion], ...] = (
    Column("version", "Version", lambda item: item.version_id),
    Column("accuracy", "Accuracy", lambda item: item.accuracy_reached),
    Column("epochs", "Epochs", lambda item: item.number_of_epochs),
    Column("batch", "Batch Size", lambda item: item.batch_size),
    Column("gpu", "GPU Model", lambda item: item.gpu_model),
    Column("memory", "Memory Footprint", lambda item: item.memory_footprint),
    Column(
        "size",
        "File Size",
        lambda item: format_size(item.total_size_in_bytes or 0),
        lambda item: item.total_size_in_bytes or 0,
    ),
    Column("status", "Status", lambda item: item.status),
    Column(
        "created", "Created Date", lambda item: format_day(item.created_date), lambda item: item.created_date
    ),
    Column(
        "updated", "Updated Date", lambda item: format_day(item.updated_date), lambda item: item.updated_date
    ),
    Column("description", "Description", lambda item: item.description),
    Column("signed", "Signed", lambda item: "Yes" if item.is_signed else "No"),
)
_VERSION_DEFAULT = ["version", "accuracy", "epochs", "batch", "gpu", "memory", "size", "status", "created"]


def artifact_table(items: Sequence[Artifact], chosen: Sequence[str], *, wide: bool) -> Table:
    """Models or model-scripts, one a row."""
    default = _ARTIFACT_WIDE if wide else _ARTIFACT_DEFAULT
    return table(items, ARTIFACT_COLUMNS, default, "repository", chosen, wide=wide)


def version_table(items: Sequence[ArtifactVersion], chosen: Sequence[str], *, wide: bool) -> Table:
    """Versions, one a row."""
    default = [*_VERSION_DEFAULT, "signed"] if wide else _VERSION_DEFAULT
    return table(items, VERSION_COLUMNS, default, "version", chosen, wide=wide)


def artifact_block(kind: ArtifactKind, noun: str, item: Artifact) -> Block:
    """The block of one model or model-script; ``noun`` is the name of the command group that was typed."""
    model = kind is MODEL
    precision = item.precision if model else _PRECISION_SHOWN.get(item.precision or "", item.precision)
    day = str if model else format_moment
    about_dataset = _dataset_field(item.public_dataset_used)
    fields = [
        Field("Name", item.name),
        Field("Application", item.application),
        Field("Framework" if model else "Training Framework", item.framework or item.training_framework),
        Field("Model Format", item.model_format),
        Field("Precision", precision),
        Field("Short Description", item.short_description),
        *([] if model else [about_dataset]),
        Field("Display Name", item.display_name),
        Field("Logo", item.logo),
        Field("Org", item.org_name),
        Field("Team", item.team_name),
        Field("Built By", item.built_by),
        *([Field("Owner Name", item.owner_name)] if model else []),
        Field("Publisher", item.publisher),
        Field("Created Date", day(item.created_date or "")),
        Field("Updated Date", day(item.updated_date or "")),
        *([] if model else [Field("Can Guest Download", _yes_no(item.can_guest_download))]),
        *([] if model else [Field("Read Only", _yes_no(item.is_read_only))]),
        Field("Labels", None, item.labels or ()),
        Field("Latest Version ID", item.latest_version_id_str),
        Field("Latest Version Size (bytes)", item.latest_version_size_in_bytes),
        *([about_dataset] if model else []),
        Field("Overview", None, [item.description] if item.description else ()),
    ]
    texts = (
        ("Bias", item.bias),
        ("Explainability", item.explainability),
        ("Privacy", item.privacy),
        ("Safety And Security", item.safety_and_security),
        ("Setup", item.setup),
        ("Quick Start Guide", item.quick_start_guide),
        ("Advanced Guide", item.advanced),
        ("Performance", item.performance),
    )
    fields += [Field(label, None, [text]) for label, text in texts if text]
    return Block(f"{_title(noun)} Information", fields, _artifact_json(item, precision))


def _dataset_field(dataset: PublicDataset | None) -> Field:
    known = dataset or PublicDataset()
    nested = [Field("Name", known.name), Field("Link", known.link), Field("License", known.license)]
    return Field("Public Dataset Used", None, nested)


def _artifact_json(item: Artifact, precision: str | None) -> dict[str, Any]:
    value: dict[str, Any] = as_json(item)
    return value if precision is None else {**value, "precision": precision}


def version_block(
    kind: ArtifactKind,
    noun: str,
    item: ArtifactVersion,
    files: Sequence[FileEntry] | None = None,
    *,
    data: Any = None,
) -> Block:
    """The block of one version; with ``files`` also its file list."""
    model = kind is MODEL
    fields = [
        Field("Id", item.version_id),
        Field("Batch Size", item.batch_size),
        Field("Memory Footprint", item.memory_footprint),
        Field("Number Of Epochs", item.number_of_epochs),
        Field("Accuracy Reached", item.accuracy_reached),
        Field("GPU Model", item.gpu_model),
        Field("Owner Name", item.owner_name) if model else Field("Created By", item.created_by_user),
        Field("Created Date", item.created_date if model else format_moment(item.created_date)),
        *([Field("Description", None, [item.description] if item.description else ())] if model else []),
        Field("Status", item.status),
        *([Field("Policy", _joined(item.policy))] if item.policy else []),
        *([Field("Release Type", item.release_type)] if item.release_type else []),
        Field("Total File Count", item.total_file_count),
        Field("Total Size", format_size(item.total_size_in_bytes or 0)),
    ]
    texts = [] if model else [("Description", item.description)]
    texts += [
        ("Performance", item.performance),
        ("Quick Start Guide", item.quick_start_guide),
        ("Release Notes", item.release_notes),
        ("Setup", item.setup),
    ]
    fields += [Field(label, None, [text]) for label, text in texts if text]
    if files is not None:
        fields.append(
            Field("File List", None, [f"{file.path} - {format_size(file.size_bytes)}" for file in files])
        )
    if model:
        fields += _link_and_metrics_fields(item)
    value = as_json(item)
    if files is not None:
        value = {"version": value, "file_list": as_json(files)}
    return Block(f"{_title(noun)} Version Information", fields, value if data is None else data)


def _link_and_metrics_fields(item: ArtifactVersion) -> list[Field]:
    links = [f"{pair.key}: {pair.value}" for pair in item.other_contents or ()]
    tables = [
        Field(f"Metrics '{table.name}'", None, [f"{pair.key}: {pair.value}" for pair in table.attributes])
        for table in item.custom_metrics or ()
    ]
    return [Field("Additional Resources", None, links), *tables]


def _title(noun: str) -> str:
    """``Model``, ``Model-script`` or ``Resource``."""
    return noun[:1].upper() + noun[1:]


def _yes_no(value: bool | None) -> str:
    return "" if value is None else str(value)


def transfer_summary(outcome: Outcome) -> Summary:
    """The block that ends a transfer: the labels of the guide (6.1.5), one a line and one unit.

    Numbers are those of this run; what was there before is told apart. See docs/guide.md, G-28.
    """
    verb = "Download" if outcome.direction == "download" else "Upload"
    word, done = f"{verb}ed", f"{verb.lower()}ed"
    size_bytes, files = outcome.new_bytes, outcome.new_files
    if outcome.only_verified:
        verb, word, done = "Verification", "Verified", "verified"
        size_bytes, files = outcome.done_bytes, outcome.files_done
    fields = [
        Field("Transfer id", outcome.transfer_id),
        Field(f"{verb} status", outcome.status),
        Field(f"{word} local path", str(outcome.local_path)),
        Field(f"Total files {done}", files),
        Field(f"Total {done} size", format_size(size_bytes)),
        Field("Started at", _local(outcome.started_at_s)),
        Field("Completed at", _local(outcome.ended_at_s)),
        Field("Duration taken", format_duration(outcome.duration_s)),
    ]
    if outcome.kept_bytes and not outcome.only_verified:
        kept = f"{outcome.files_skipped} files, {format_size(outcome.kept_bytes)}"
        fields.insert(5, Field("There before", kept))
    if outcome.version_status:
        fields.append(Field("Version Status", outcome.version_status))
    return Summary(_first_line(outcome, word, verb, size_bytes), fields, _summary_json(outcome))


def _first_line(outcome: Outcome, word: str, verb: str, size_bytes: int) -> str:
    """What became of the transfer in a line."""
    size, duration = format_size(size_bytes), format_duration(outcome.duration_s)
    if outcome.failed:
        done = f"{outcome.files_done} of {outcome.files_total} files are complete"
        of = f"{format_size(outcome.done_bytes)} of {format_size(outcome.size_bytes)}"
        return f"{word} {size} in {duration}: {done}, {of}"
    if outcome.only_verified:
        return f"Verified {size} in {duration}"
    if outcome.files_skipped == outcome.files_total:
        files = "1 file was" if outcome.files_total == 1 else f"all {outcome.files_total} files were"
        return f"Nothing to {verb.lower()}: {files} there before, {format_size(outcome.size_bytes)}"
    line = f"{word} {size} in {duration}, {verb} speed: {format_size(outcome.speed_bytes_per_s)}/s"
    return f"{line}; {format_size(outcome.kept_bytes)} were there before" if outcome.kept_bytes else line


def _summary_json(outcome: Outcome) -> dict[str, Any]:
    """Today's keys of the official client, and ours (docs/protocol/transfers.md#how-a-transfer-ends)."""
    way = outcome.direction
    value = {
        "transfer_id": outcome.transfer_id,
        "target": outcome.target,
        "status": outcome.status,
        "local_path": str(outcome.local_path),
        f"files_{way}ed": outcome.new_files,
        f"size_{way}ed": format_size(outcome.new_bytes),
        f"{way}_start": _iso(outcome.started_at_s),
        f"{way}_end": _iso(outcome.ended_at_s),
        f"{way}_time": format_duration(outcome.duration_s),
        f"bytes_{way}ed": outcome.bytes_moved,
        "bytes_done": outcome.done_bytes,
        "bytes_kept": outcome.kept_bytes,
        "bytes_total": outcome.size_bytes,
        "files_done": outcome.files_done,
        "files_total": outcome.files_total,
        "files_skipped": outcome.files_skipped,
        "files_failed": [{"path": name, "error": reason} for name, reason in outcome.failed.items()],
        "speed_bytes_per_s": round(outcome.speed_bytes_per_s),
    }
    return {**value, "version_status": outcome.version_status} if outcome.version_status else value


def plan_text(plan: Plan) -> str:
    """What a dry run shows to people: the paths, then size and number."""
    totals = "".join(f"{field.label}: {field.value}\n" for field in _plan_fields(plan))
    return "".join(f"/{visible(path)}\n" for path in plan.paths) + totals


def plan_summary(plan: Plan) -> Summary:
    """What a dry run shows to programs: the numbers."""
    data = {"transfer_size": plan.size_bytes, "file_count": len(plan.paths), **plan.extra}
    return Summary("", _plan_fields(plan), data)


def _plan_fields(plan: Plan) -> list[Field]:
    return [Field("Total Size", format_size(plan.size_bytes)), Field("Number of Files", len(plan.paths))]


def _local(moment_s: float) -> str:
    return datetime.fromtimestamp(moment_s).strftime("%Y-%m-%d %H:%M:%S")


def _iso(moment_s: float) -> str:
    return (
        datetime.fromtimestamp(moment_s, timezone.utc)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )
