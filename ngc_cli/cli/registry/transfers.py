"""``upload-version`` and ``download-version`` of both kinds, and the summary block that ends them
(contract/cli-surface.md 5.4 and 5.5)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ngc_cli.cli.groups import Spelling, Verbs
from ngc_cli.cli.options import DryRunOpt, TargetArg, takes
from ngc_cli.cli.registry.fields import VersionOptions
from ngc_cli.cli.runtime import Runtime
from ngc_cli.errors import TransferFailed

if TYPE_CHECKING:
    from ngc_cli.cli.formats import Summary
    from ngc_cli.cli.registry.artifact import Family
    from ngc_cli.services.transfers import Outcome

_FAILED_SHOWN = 20


@dataclass(frozen=True)
class LimitOptions:
    """How hard a transfer may work."""

    threads: Annotated[int | None, typer.Option("--threads", min=1, max=64, help="Connections at most.")] = (
        None
    )
    limit_rate: Annotated[
        str | None,
        typer.Option("--limit-rate", metavar="RATE", help="Bytes per second at most, such as 10M."),
    ] = None


def transfer_verbs(verbs: Verbs, family: Family) -> None:
    """Add the two transfers to the commands of one kind."""
    _uploading(verbs, family)
    _downloading(verbs, family)


def _uploading(verbs: Verbs, family: Family) -> None:
    kind = family.kind

    @verbs.command(
        "upload-version",
        aliases=("upload",),
        spellings={**family.spellings, "--source-path": Spelling("--source")},
    )
    @takes(version=family.upload, limits=LimitOptions)
    def upload_version(
        ctx: typer.Context,
        target: TargetArg,
        version: VersionOptions,
        limits: LimitOptions,
        source: Annotated[Path, typer.Option("--source", help="Folder or file to upload.")] = Path(),
        base_version: Annotated[
            str, typer.Option("--base-version", help="Take over the files of this version.")
        ] = "",
        no_commit: Annotated[
            bool, typer.Option("--no-commit", help="Leave the version open for more files.")
        ] = False,
        strip_top: Annotated[
            bool, typer.Option("--strip-top", help="Leave out the one folder at the top.")
        ] = False,
        dry_run: DryRunOpt = False,
    ) -> None:
        """Upload one version, going on where an earlier run stopped."""
        from ngc_cli.services.artifacts import upload as uploads

        run = Runtime.of(ctx)
        ref = run.artifact(target, version=True)
        request = uploads.Request(
            kind=kind,
            ref=ref,
            source=source,
            version=version.record(ref.version),
            base_version=base_version,
            commit=not no_commit,
            strip_top=strip_top,
            limits=run.limits(limits.threads, limits.limit_rate, upload=True),
            state_folder=run.state_folder(),
        )
        if dry_run:
            _show_dry_run(run, uploads.plan(request))
            return
        with run.progress() as progress, run.cancel_on_signals() as cancel:
            outcome = uploads.upload(run.api, request, progress, cancel)
        _finish(run, outcome)


def _downloading(verbs: Verbs, family: Family) -> None:
    kind = family.kind

    @verbs.command("download-version", aliases=("download",))
    @takes(limits=LimitOptions)
    def download_version(
        ctx: typer.Context,
        target: TargetArg,
        limits: LimitOptions,
        dest: Annotated[Path, typer.Option("--dest", "-d", help="Folder to download into.")] = Path(),
        file: Annotated[
            list[str] | None,
            typer.Option("--file", "--include", help="Only files that match; may be repeated."),
        ] = None,
        exclude: Annotated[
            list[str] | None, typer.Option("--exclude", help="No files that match; may be repeated.")
        ] = None,
        dest_exact: Annotated[
            bool, typer.Option("--dest-exact", help="No folder of its own below --dest.")
        ] = False,
        no_resume: Annotated[bool, typer.Option("--no-resume", help="Begin again from nothing.")] = False,
        verify_only: Annotated[
            bool, typer.Option("--verify-only", help="Check files on disk, fetch nothing.")
        ] = False,
        no_space_check: Annotated[
            bool, typer.Option("--no-space-check", help="Begin even if the disk seems too small.")
        ] = False,
        dry_run: DryRunOpt = False,
    ) -> None:
        """Download one version, going on where an earlier run stopped."""
        from ngc_cli.services.artifacts import download as downloads

        run = Runtime.of(ctx)
        request = downloads.Request(
            kind=kind,
            ref=run.artifact(target),
            dest=dest,
            include=tuple(file or ()),
            exclude=tuple(exclude or ()),
            exact=dest_exact,
            resume=not no_resume,
            check_space=not no_space_check,
            limits=run.limits(limits.threads, limits.limit_rate),
        )
        with run.progress() as progress, run.cancel_on_signals() as cancel:
            if dry_run:
                _show_dry_run(run, downloads.plan(run.api, request, progress))
                return
            transfer = downloads.verify if verify_only else downloads.download
            outcome = transfer(run.api, request, progress, cancel)
        _finish(run, outcome)


def _finish(run: Runtime, outcome: Outcome) -> None:
    """Show the summary and raise the error that gives the exit code, if files failed."""
    run.output.show(_summary(outcome))
    if outcome.failed:
        shown = [f"  {name}: {reason}" for name, reason in list(outcome.failed.items())[:_FAILED_SHOWN]]
        more = len(outcome.failed) - len(shown)
        run.output.warn("\n".join(["these files failed:", *shown, *([f"  and {more} more"] if more else [])]))
        if outcome.error is not None:
            raise outcome.error
        raise TransferFailed(
            f"{len(outcome.failed)} of {outcome.files_total} files failed",
            hint="Run the same command again: finished files are not transferred twice.",
        )


def _summary(outcome: Outcome) -> Summary:
    """The block of the guide (6.1.5) with its labels, one a line and one unit (G-28)."""
    from ngc_cli.cli.formats import Field, Summary
    from ngc_cli.units import format_duration, format_size

    verb = "Downloaded" if outcome.direction == "download" else "Uploaded"
    word = verb.lower()
    size = format_size(outcome.size_bytes)
    duration = format_duration(outcome.duration_s)
    speed = format_size(outcome.speed_bytes_per_s)
    fields = [
        Field("Transfer id", outcome.transfer_id),
        Field(f"{'Download' if word == 'downloaded' else 'Upload'} status", outcome.status),
        Field(f"{verb} local path", str(outcome.local_path)),
        Field(f"Total files {word}", outcome.files_done),
        Field(f"Total {word} size", size),
        Field("Started at", _local(outcome.started_at_s)),
        Field("Completed at", _local(outcome.ended_at_s)),
        Field("Duration taken", duration),
    ]
    if outcome.version_status:
        fields.append(Field("Version Status", outcome.version_status))
    if outcome.only_verified:
        return Summary(f"Verified {size} in {duration}", fields, _summary_json(outcome))
    first_line = f"{verb} {size} in {duration}, {verb.removesuffix('ed')} speed: {speed}/s"
    return Summary(first_line, fields, _summary_json(outcome))


def _summary_json(outcome: Outcome) -> dict[str, Any]:
    """Today's keys of the official client, and ours (contract 5.4, 5.5)."""
    from ngc_cli.units import format_duration, format_size

    way = outcome.direction
    value = {
        "transfer_id": outcome.transfer_id,
        "target": outcome.target,
        "status": outcome.status,
        "local_path": str(outcome.local_path),
        f"files_{way}ed": outcome.files_done,
        f"size_{way}ed": format_size(outcome.size_bytes),
        f"{way}_start": _iso(outcome.started_at_s),
        f"{way}_end": _iso(outcome.ended_at_s),
        f"{way}_time": format_duration(outcome.duration_s),
        f"bytes_{way}ed": outcome.bytes_moved,
        "bytes_total": outcome.size_bytes,
        "files_total": outcome.files_total,
        "files_skipped": outcome.files_skipped,
        "files_failed": [{"path": name, "error": reason} for name, reason in outcome.failed.items()],
        "speed_bytes_per_s": round(outcome.speed_bytes_per_s),
    }
    return {**value, "version_status": outcome.version_status} if outcome.version_status else value


def _show_dry_run(run: Runtime, plan: Any) -> None:
    """Paths, then size and number; json has the numbers (contract 5.4)."""
    from ngc_cli.cli.formats import Field, Summary
    from ngc_cli.units import format_size

    fields = [Field("Total Size", format_size(plan.size_bytes)), Field("Number of Files", len(plan.paths))]
    if run.format_type == "ascii":
        run.output.raw("".join(f"/{path}\n" for path in plan.paths))
        run.output.raw("".join(f"{field.label}: {field.value}\n" for field in fields))
        return
    run.output.show(
        Summary("", fields, {"transfer_size": plan.size_bytes, "file_count": len(plan.paths), **plan.extra})
    )


def _local(moment_s: float) -> str:
    from datetime import datetime

    return datetime.fromtimestamp(moment_s).strftime("%Y-%m-%d %H:%M:%S")


def _iso(moment_s: float) -> str:
    from datetime import datetime, timezone

    return (
        datetime.fromtimestamp(moment_s, timezone.utc)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )
