"""Models in the store of an inference server: the options and what the commands of models do with them.

See docs/guides/inference-server.md.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ngc_cli.api.kinds import MODEL
from ngc_cli.cli import targets
from ngc_cli.cli.completers import words
from ngc_cli.cli.formats import Table
from ngc_cli.cli.registry.artifact_transfers import (
    DownloadOptions,
    UploadOptions,
    finish,
    show_plan,
    upload_request,
)
from ngc_cli.cli.registry.fields import choice, text_option
from ngc_cli.cli.runtime import Runtime
from ngc_cli.errors import NgcError, UsageError

if TYPE_CHECKING:
    from ngc_cli.cli.registry.fields import VersionOptions

_STORE_HELP = "The folder that the server reads its models from."
EraOpt = Annotated[
    str,
    typer.Option(
        "--era",
        metavar="ERA",
        autocompletion=words("triton", "2018"),
        help="Whose rules: those of triton, or of the first server, 2018.",
    ),
]
StoreArg = Annotated[Path, typer.Argument(metavar="FOLDER", help=_STORE_HELP)]
UploadStoreOpt = Annotated[
    Path | None,
    typer.Option(
        "--model-store",
        "--model-repository",
        metavar="STORE/NAME",
        help="Upload the folder with the number VERSION out of this model of a store.",
    ),
]
# What chooses files or a place, which the store does itself.
_NOT_WITH_STORE = {
    "dest": "--dest",
    "dest_exact": "--dest-exact",
    "file": "--file",
    "exclude": "--exclude",
    "verify_only": "--verify-only",
}
_SERVERS = {
    # era: the image with a release to choose, where it reads models, and the program
    "triton": ("nvidia/tritonserver:YY.MM-py3", "/models", ("tritonserver", "--model-repository=/models")),
    "2018": (
        "nvidia/inferenceserver:18.MM-py3",
        "/tmp/models",  # noqa: S108 - a path inside of the container, as the guide has it
        ("/opt/inference_server/bin/inference_server", "--model-store=/tmp/models"),
    ),
}
_NOT_WITH_UPLOAD = {"source": "--source", "strip_top": "--strip-top"}


@dataclass(frozen=True)
class PlacingOptions:
    """Where in a model store a version goes."""

    model_store: Annotated[
        Path | None,
        typer.Option("--model-store", "--model-repository", metavar="FOLDER", help=_STORE_HELP),
    ] = None
    as_: Annotated[str, text_option("--as", "Name of the model in the store.", "NAME")] = ""
    store_version: Annotated[
        str, text_option("--store-version", "Number of the version in the store.", "NUMBER")
    ] = ""
    era: EraOpt = "triton"
    replace_config: Annotated[
        bool, typer.Option("--replace-config", help="Replace config.pbtxt and labels in the store.")
    ] = False
    make_config: Annotated[
        bool, typer.Option("--make-config", help="Make config.pbtxt, of name and platform, if there is none.")
    ] = False

    def refuse_without_store(self) -> None:
        """Raise UsageError for an option that means nothing without a store."""
        if self != PlacingOptions():
            raise UsageError(
                "--as, --store-version, --era, --replace-config and --make-config need a store",
                hint="Name it with --model-store FOLDER.",
            )


def download_version(
    ctx: typer.Context, target: str, options: DownloadOptions, placing: PlacingOptions, store: Path
) -> None:
    """Download a version into a model store, or say what would be fetched."""
    from ngc_cli.services.artifacts import model_placing

    run = Runtime.of(ctx)
    _refuse(options, DownloadOptions(), _NOT_WITH_STORE)
    era = _era(placing.era)
    if placing.make_config and era != "triton":
        raise UsageError("--make-config is for Triton", hint="The server of 2018 needs the tensors as well.")
    request = model_placing.Request(
        ref=targets.artifact(run, target, version=True),
        store=store,
        name=placing.as_,
        store_version=placing.store_version,
        era=era,
        replace_config=placing.replace_config,
        make_config=placing.make_config,
        resume=not options.no_resume,
        check_space=not options.no_space_check,
        limits=run.limits(options.threads, options.limit_rate),
    )
    with run.transfer() as (progress, cancel):
        if options.dry_run:
            show_plan(run, model_placing.plan(run.api, request, progress))
            return
        outcome = model_placing.place(run.api, request, progress, cancel)
    finish(run, outcome)
    run.output.headline(f"Serve it with:\n  {_serving_line(run, store, era)}")


def upload_version(
    ctx: typer.Context, target: str, version: VersionOptions, options: UploadOptions, model: Path, era: str
) -> None:
    """Upload one version of a model in a store."""
    from ngc_cli.services.artifacts import model_placing

    run = Runtime.of(ctx)
    _refuse(options, UploadOptions(), _NOT_WITH_UPLOAD)
    if options.dry_run:
        raise UsageError(
            "--dry-run does not go with --model-store", hint="'check-store' tells what is there."
        )
    request = upload_request(run, MODEL, target, version, options)
    with run.transfer() as (progress, cancel):
        outcome = model_placing.upload(run.api, request, model, _era(era), progress, cancel)
    finish(run, outcome)


def check_store(ctx: typer.Context, store: Path, era: str) -> None:
    """Show what is wrong with the models of a store; raises NgcError when something is."""
    from ngc_cli.services.artifacts import model_store

    run = Runtime.of(ctx)
    report = model_store.check_store(store, _era(era))
    facts: dict[str, Any] = {"ok": not report.problems, "models": list(report.models)}
    facts["problems"] = [dataclasses.asdict(problem) for problem in report.problems]
    if not report.problems:
        run.output.done(f"{len(report.models)} models, and nothing is wrong with them.", **facts)
    else:
        rows = [[item.path, item.rule, item.section, item.hint] for item in report.problems]
        run.output.show(Table(["Path", "Problem", "Section", "Next step"], rows, facts))
        count = len(report.problems)
        raise NgcError(
            f"'{store}' breaks {count} rule{'s' if count > 1 else ''} of the server",
            hint="docs/guides/inference-server.md explains the rules by their sections.",
        )


def _serving_line(run: Runtime, store: Path, era: str) -> str:
    """The line that runs the server on this machine (guide of 2018, chapter 3; Triton's quick start)."""
    from ngc_cli.services.images import run_line as lines
    from ngc_cli.services.images.image_config import ImageConfig

    name, inside, command = _SERVERS[era]
    options = lines.RunOptions(
        ports=("8000:8000", "8001:8001", "8002:8002"),  # HTTP, gRPC, metrics
        volumes=(f"{store.absolute()}:{inside}",),
        command=command,
    )
    try:
        runtime = lines.choose("", os.environ)
    except NgcError:
        runtime = lines.Runtime(lines.DOCKER)
    return lines.run_line(runtime, f"{run.settings.registry_host}/{name}", options, ImageConfig()).text


def _era(text: str) -> str:
    from ngc_cli.services.artifacts.model_store import ERAS

    return str(choice("--era", text, ERAS))


def _refuse(options: Any, defaults: Any, names: dict[str, str]) -> None:
    """Raise UsageError for options that do not go with a store."""
    for field in dataclasses.fields(options):
        if field.name in names and getattr(options, field.name) != getattr(defaults, field.name):
            raise UsageError(
                f"{names[field.name]} does not go with --model-store", hint="Leave one of them out."
            )
