"""``upload-version`` and ``download-version``: what models and model-scripts share.

See docs/cli.md#registry-model.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from ngc_cli.cli import targets
from ngc_cli.cli.completers import files, folders_here, words
from ngc_cli.cli.options import TRANSFER, DryRunOpt, LimitOptions
from ngc_cli.cli.runtime import Runtime
from ngc_cli.errors import TransferFailed, UsageError
from ngc_cli.terminal_text import visible

if TYPE_CHECKING:
    from ngc_cli.api.kinds import ArtifactKind
    from ngc_cli.cli.registry.fields import VersionOptions
    from ngc_cli.services.artifacts.download import Request
    from ngc_cli.services.artifacts.upload import Request as UploadRequest
    from ngc_cli.services.transfers import Outcome, Plan

ExcludeOpt = Annotated[
    list[str] | None, typer.Option("--exclude", help="No files that match; may be repeated.")
]
"""Option of both directions."""
_FAILED_SHOWN = 20  # about a screenful; json has them all


@dataclass(frozen=True)
class UploadOptions(LimitOptions):
    """What to upload, and how."""

    heading: ClassVar = TRANSFER

    source: Annotated[Path, typer.Option("--source", metavar="PATH", help="Folder or file to upload.")] = (
        Path()
    )
    base_version: Annotated[
        str, typer.Option("--base-version", metavar="VERSION", help="Take over the files of this version.")
    ] = ""
    no_commit: Annotated[bool, typer.Option("--no-commit", help="Leave the version open for more files.")] = (
        False
    )
    strip_top: Annotated[bool, typer.Option("--strip-top", help="Leave out the one folder at the top.")] = (
        False
    )
    include: Annotated[
        list[str] | None,
        typer.Option(
            "--include", help="Only files that match, also those left out otherwise; may be repeated."
        ),
    ] = None
    exclude: ExcludeOpt = None
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Send files outside of the folder that links point to.")
    ] = False
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Make a version without files if there are none.")
    ] = False
    dry_run: DryRunOpt = False


@dataclass(frozen=True)
class DownloadOptions(LimitOptions):
    """What to download, where to, and how."""

    heading: ClassVar = TRANSFER

    dest: Annotated[
        Path,
        typer.Option(
            "--dest", "-d", metavar="FOLDER", autocompletion=folders_here, help="Folder to download into."
        ),
    ] = Path()
    file: Annotated[
        list[str] | None,
        typer.Option(
            "--file",
            "--include",
            metavar="GLOB",
            autocompletion=files,
            help="Only files whose path matches, such as '*.onnx'; may be repeated.",
        ),
    ] = None
    exclude: ExcludeOpt = None
    dest_exact: Annotated[bool, typer.Option("--dest-exact", help="No folder of its own below --dest.")] = (
        False
    )
    no_resume: Annotated[bool, typer.Option("--no-resume", help="Begin again from nothing.")] = False
    verify_only: Annotated[
        bool, typer.Option("--verify-only", help="Check files on disk, fetch nothing.")
    ] = False
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="-",
            autocompletion=words("-"),
            help="With -, write the one file that --file names to standard output, once it is verified.",
        ),
    ] = None
    no_space_check: Annotated[
        bool, typer.Option("--no-space-check", help="Begin even if the disk seems too small.")
    ] = False
    dry_run: DryRunOpt = False


def upload_version(
    ctx: typer.Context, kind: ArtifactKind, target: str, version: VersionOptions, options: UploadOptions
) -> None:
    """Upload one version, or say what would be uploaded."""
    from ngc_cli.services.artifacts import upload as uploads

    run = Runtime.of(ctx)
    request = upload_request(run, kind, target, version, options)
    if options.dry_run:
        show_plan(run, uploads.plan(request, run.output.note))
        return
    with run.transfer() as (progress, cancel):
        outcome = uploads.upload(run.api, request, progress, cancel)
    finish(run, outcome)


def upload_request(
    run: Runtime, kind: ArtifactKind, target: str, version: VersionOptions, options: UploadOptions
) -> UploadRequest:
    """What the options of an upload ask for."""
    from ngc_cli.services.artifacts import upload as uploads

    ref = targets.artifact(run, target, version=True)
    return uploads.Request(
        kind=kind,
        ref=ref,
        source=options.source,
        version=version.record(ref.version),
        base_version=options.base_version,
        commit=not options.no_commit,
        strip_top=options.strip_top,
        include=tuple(options.include or ()),
        exclude=tuple(options.exclude or ()),
        follow_links=options.follow_links,
        allow_empty=options.allow_empty,
        limits=run.limits(options.threads, options.limit_rate, upload=True),
        state_folder=run.state_folder(),
    )


def download_version(ctx: typer.Context, kind: ArtifactKind, target: str, options: DownloadOptions) -> None:
    """Download one version, compare it with what is on disk, or say what would be downloaded."""
    from ngc_cli.services.artifacts import download as downloads

    run = Runtime.of(ctx)
    request = downloads.Request(
        kind=kind,
        ref=targets.artifact(run, target),
        dest=options.dest,
        include=tuple(options.file or ()),
        exclude=tuple(options.exclude or ()),
        exact=options.dest_exact,
        resume=not options.no_resume,
        check_space=not options.no_space_check,
        limits=run.limits(options.threads, options.limit_rate),
        memory_folder=run.state_folder("downloads"),
    )
    if options.output is not None:
        _write_out(run, request, options.output)
        return
    with run.transfer() as (progress, cancel):
        if options.dry_run:
            show_plan(run, downloads.plan(run.api, request, progress))
            return
        transfer = downloads.verify if options.verify_only else downloads.download
        outcome = transfer(run.api, request, progress, cancel)
    finish(run, outcome)


def _write_out(run: Runtime, request: Request, output: str) -> None:
    """Write one file to standard output, by way of a folder of its own: no byte is shown that is not verified."""
    from tempfile import TemporaryDirectory

    from ngc_cli.services.artifacts import download as downloads

    if output != "-":
        raise UsageError(f"--output takes '-', not '{output}'", hint="Use --dest FOLDER to write files.")
    with TemporaryDirectory(prefix="ngc-") as folder, run.transfer() as (progress, cancel):
        request = dataclasses.replace(request, dest=Path(folder), exact=True)
        paths = downloads.plan(run.api, request, progress).paths
        if len(paths) != 1:
            raise UsageError(
                f"--output - writes one file, and {len(paths)} match", hint="Name it with --file."
            )
        outcome = downloads.download(run.api, request, progress, cancel)
        if outcome.error is not None or outcome.failed:
            raise outcome.error or TransferFailed("; ".join(outcome.failed.values()))
        run.output.file(Path(folder, paths[0]))


def show_plan(run: Runtime, plan: Plan) -> None:
    """What a transfer would move."""
    from ngc_cli.cli.registry import artifact_views as views

    run.output.text(views.plan_text(plan))
    run.output.data(lambda: views.plan_summary(plan))


def finish(run: Runtime, outcome: Outcome) -> None:
    """Show the summary and raise the error that gives the exit code, if files failed."""
    from ngc_cli.cli.registry import artifact_views as views

    run.output.show(views.transfer_summary(outcome))
    if not outcome.failed:
        return
    shown = [
        f"  {visible(name)}: {visible(reason)}"
        for name, reason in list(outcome.failed.items())[:_FAILED_SHOWN]
    ]
    more = len(outcome.failed) - len(shown)
    run.output.warn("\n".join(["these files failed:", *shown, *([f"  and {more} more"] if more else [])]))
    if outcome.error is not None:
        raise outcome.error
    raise TransferFailed(
        f"{len(outcome.failed)} of {outcome.files_total} files failed",
        hint="Run the same command again: finished files are not transferred twice.",
    )
