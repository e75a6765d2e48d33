"""Transfers of images: the options of ``pull`` and ``push``, and what describes an image repository.

See docs/cli.md#registry-image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from ngc_cli.cli import completers, targets
from ngc_cli.cli.options import TRANSFER, DryRunOpt, LimitOptions
from ngc_cli.cli.registry.fields import (
    DescriptionOptions,
    PolicyOpt,
    ReleaseTypeOpt,
    choice,
    given,
    text_option,
)
from ngc_cli.cli.runtime import Runtime
from ngc_cli.errors import UsageError

if TYPE_CHECKING:
    from ngc_cli.records import ImageRepository

_PLACES = "oci:FOLDER, oci-archive:FILE, docker-archive:FILE or docker-daemon:"
_PLACE_WORDS = ("oci:", "oci-archive:", "docker-archive:", "docker-daemon:")


@dataclass(frozen=True)
class ImageOptions(DescriptionOptions):
    """Options that describe an image repository."""

    heading: ClassVar = "Description"

    short_description: Annotated[str | None, text_option("--desc", "One line about it.")] = None
    is_multinode_enabled: Annotated[
        bool | None, typer.Option("--multinode/--no-multinode", help="Whether it runs on several nodes.")
    ] = None

    def record(self) -> ImageRepository:
        """The repository these options describe, without a name."""
        from ngc_cli.records import ImageRepository

        return ImageRepository(name="", **self.members())


@dataclass(frozen=True)
class ImageUpdateOptions(ImageOptions):
    """Options that only ``update`` has."""

    heading: ClassVar = "Description"

    policy_labels: PolicyOpt = None
    release_type: ReleaseTypeOpt = None


@dataclass(frozen=True)
class PullOptions(LimitOptions):
    """What to pull, where to, and how."""

    heading: ClassVar = TRANSFER

    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PLACE",
            autocompletion=completers.words("sif:", *_PLACE_WORDS, at_end=":"),
            help=f"Where to put it: sif:FILE, {_PLACES}; else the daemon, or ./IMAGE_TAG.",
        ),
    ] = None
    platform: Annotated[
        str,
        typer.Option(
            "--platform",
            metavar="OS/ARCH",
            autocompletion=completers.words("linux/amd64", "linux/arm64"),
            help="Platform to pull, such as linux/amd64 or linux/arm64; this machine's by default.",
        ),
    ] = ""
    all_platforms: Annotated[bool, typer.Option("--all-platforms", help="Pull every platform.")] = False
    run_hint: Annotated[
        str,
        typer.Option(
            "--run-hint",
            metavar="auto|none",
            autocompletion=completers.words("auto", "none"),
            help="Whether to end with how to run the image.",
        ),
    ] = "auto"
    dry_run: DryRunOpt = False


@dataclass(frozen=True)
class PushOptions(LimitOptions):
    """What to push, and how."""

    heading: ClassVar = TRANSFER

    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            metavar="PLACE",
            autocompletion=completers.words(*_PLACE_WORDS, at_end=":"),
            help=f"Where it is: {_PLACES}; else the daemon, or ./IMAGE_TAG.",
        ),
    ] = None
    dry_run: DryRunOpt = False


def pull(ctx: typer.Context, target: str, options: PullOptions) -> None:
    """Pull an image, or say what would be pulled."""
    from ngc_cli.cli.registry import image_views as views
    from ngc_cli.services.images import pull as image_pull
    from ngc_cli.services.images.places import Place

    run = Runtime.of(ctx)
    if options.platform and options.all_platforms:
        raise UsageError("--platform excludes --all-platforms", hint="Give one of them.")
    wants_hint = choice("--run-hint", options.run_hint, ("auto", "none")) == "auto"
    request = image_pull.PullRequest(
        ref=targets.image(run, target, digest=True),
        platform=options.platform,
        all_platforms=options.all_platforms,
        output=Place.parse(options.output) if options.output is not None else None,
        limits=run.limits(options.threads, options.limit_rate),
        state_folder=run.state_folder("downloads"),
    )
    with run.transfer() as (progress, cancel):
        if options.dry_run:
            plan = image_pull.plan(run.images, request, progress)
            run.output.show(views.plan_view(plan.outcome, plan.missing_bytes, pulled=True))
            return
        outcome = image_pull.pull(run.images, request, progress, cancel)
    _show_pulled(run, outcome, wants_hint)


def _show_pulled(run: Runtime, outcome: Any, wants_hint: bool) -> None:
    """What was pulled, and how to run it."""
    from ngc_cli.cli.registry import image_views as views
    from ngc_cli.services.images.places import Place
    from ngc_cli.services.images.run_line import RunHint, run_hint

    hint = RunHint("")
    if wants_hint:
        place = Place.parse(outcome.place)
        hint = run_hint(place, outcome.image, outcome.tag, run.images.environ, outcome.config)
    run.output.show(views.outcome_view(outcome, pulled=True, run_command=hint.command))
    if hint.command:
        run.output.headline(f"Run it with:\n  {hint.command}")
    run.output.note(hint.note)


def push(ctx: typer.Context, target: str, description: ImageOptions, options: PushOptions) -> None:
    """Push an image, or say what would be pushed."""
    from ngc_cli.cli.registry import image_views as views
    from ngc_cli.services.images import push as image_push
    from ngc_cli.services.images.places import Place

    run = Runtime.of(ctx)
    request = image_push.PushRequest(
        ref=targets.image(run, target, changes=True),
        source=Place.parse(options.source) if options.source is not None else None,
        record=description.record() if given(description) else None,
        limits=run.limits(options.threads, options.limit_rate, upload=True),
        state_folder=run.state_folder(),
        confirm=run.confirm,
    )
    with run.transfer() as (progress, cancel):
        if options.dry_run:
            plan = image_push.plan(run.images, request, progress)
            run.output.show(views.plan_view(plan.outcome, plan.missing_bytes, pulled=False))
            return
        outcome = image_push.push(run.images, request, progress, cancel)
    run.output.show(
        views.outcome_view(outcome, pulled=False), headline=f"Successfully pushed {outcome.image}."
    )
