"""``ngc registry image``: container images, with or without a daemon (docs/cli.md#registry-image)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from ngc_cli.cli import completers, targets
from ngc_cli.cli.groups import Command, Group
from ngc_cli.cli.help import columns, examples
from ngc_cli.cli.options import DryRunOpt, for_each_target, options_from
from ngc_cli.cli.output import is_interactive
from ngc_cli.cli.registry import image_run, image_transfers
from ngc_cli.cli.registry.fields import (
    OVERVIEW_ALIASES,
    AccessOptions,
    LabelOptions,
    choice,
    given,
)
from ngc_cli.cli.registry.image_run import CommandArg, RunLineOptions
from ngc_cli.cli.registry.image_transfers import ImageOptions, ImageUpdateOptions, PullOptions, PushOptions
from ngc_cli.cli.registry.listing import (
    ListOptions,
    refuse_filters,
    search_for,
    tell_found,
    tell_parts,
)
from ngc_cli.cli.runtime import Runtime
from ngc_cli.errors import NotAuthenticated, UsageError
from ngc_cli.terminal_text import visible
from ngc_cli.urls import KEY_PAGE_HINT

if TYPE_CHECKING:
    from ngc_cli.refs import ImageRef
    from ngc_cli.services.images.image_config import ImageConfig


def _image_argument(what: str, form: str = "[:TAG]", *, optional: bool = False) -> Any:
    """The argument that names an image: ``what`` it is, and the ``form`` of what may follow its name."""
    metavar = f"ORG/[TEAM/]IMAGE{form}"
    offered = completers.targets("images", "tags")
    return typer.Argument(metavar=f"[{metavar}]" if optional else metavar, autocompletion=offered, help=what)


ImageArg = Annotated[str, _image_argument("The repository, or one image of it.")]
RepositoryArg = Annotated[str, _image_argument("The repository.", "")]
TagArg = Annotated[str, _image_argument("The image.", ":TAG")]
PullArg = Annotated[str, _image_argument("The image; without a tag the latest.", "[:TAG][@DIGEST]")]
PushArg = Annotated[str, _image_argument("What it is called in the registry; without a tag latest.")]
RemoveArg = Annotated[str, _image_argument("The repository, or images of it; the tag may hold * ? [].")]
ImageFilterArg = Annotated[
    str, _image_argument("Images to list, or one to list its tags; may hold * ? [].", optional=True)
]


class _ImageGroup(Group):
    not_supported = (
        "accept-license",
        "deploy",
        "publickey",
        "publish",
        "scan",
        "sign",
        "update-license-terms",
    )


class ImageCommand(Command):
    """A command of images: names of options that old scripts use."""

    aliases: ClassVar = OVERVIEW_ALIASES
    refused: ClassVar = {"--scan": "there is no scan service behind this client"}


app = typer.Typer(cls=_ImageGroup, help="Container images, with or without a Docker daemon.")


@app.command("list", cls=ImageCommand)
@columns(
    images="ngc_cli.cli.registry.image_views:REPOSITORY_COLUMNS",
    tags="ngc_cli.cli.registry.image_views:TAG_COLUMNS",
)
@examples(
    ("ngc registry image list", "Images that you may see."),
    ("ngc registry image list nvidia/myteam/cuda", "The tags of one image, the newest first."),
    ("ngc registry image list 'nvidia/*' --format_type csv --column size", "For a spreadsheet."),
)
@options_from(options=ListOptions)
def list_(ctx: typer.Context, options: ListOptions, target: ImageFilterArg = "") -> None:
    """List images, or the tags of one image."""
    from ngc_cli.cli.registry import image_views as views
    from ngc_cli.services.images import catalog as images
    from ngc_cli.services.listing import Instead

    run = Runtime.of(ctx)
    pattern = options.pattern(target)
    ref = targets.image(run, pattern, pattern=True) if pattern else None
    api = run.images.api
    if ref is not None and not images.is_pattern_of_images(ref):
        refuse_filters(ref, options)
        tags = images.list_tags(api, pattern, ref, limit=options.fetch_limit)
        if not isinstance(tags, Instead):
            tags = options.select(tags, views.TAG_COLUMNS)
            tell_parts(run, tags, "tags", ref)
            view = views.tag_table(tags.items, options.column or (), wide=options.wide)
            run.output.show(view, ids=[f"{ref.path}:{item.tag}" for item in tags.items])
            return
        run.output.note(tags.note)
        ref = targets.image(run, tags.pattern, pattern=True)
    search = search_for(run, ref, options, "signedImages")
    found = images.list_repositories(api, *search[:3], filters=search.filters, limit=options.fetch_limit)
    found = options.select(found, views.REPOSITORY_COLUMNS)
    tell_found(run, found, "images", search)
    view = views.repository_table(found.items, options.column or (), wide=options.wide)
    run.output.show(view, ids=[images.repository_path(item) for item in found.items])


@app.command("info", cls=ImageCommand)
@examples(
    ("ngc registry image info nvidia/myteam/cuda", "The repository."),
    ("ngc registry image info nvidia/myteam/cuda:11.0 --layers", "One image and its layers."),
)
@for_each_target
def info(
    ctx: typer.Context,
    target: ImageArg,
    layers: Annotated[bool, typer.Option("--layers", help="List the layers of the image.")] = False,
    history: Annotated[bool, typer.Option("--history", help="List the steps of its build.")] = False,
    config: Annotated[
        bool, typer.Option("--config", help="Show ports, user, entry point, environment and labels.")
    ] = False,
    details: Annotated[bool, typer.Option("--details", help="Show the overview of the repository.")] = False,
) -> None:
    """Show an image repository, or one image of it."""
    from ngc_cli.cli.registry import image_views as views
    from ngc_cli.services.images import catalog as images

    run = Runtime.of(ctx)
    if history and (layers or details):
        raise UsageError("--history excludes --layers and --details", hint="Give one of them.")
    of_image = layers or history or config
    ref = targets.image(run, target, tag=True if of_image else False if details else None)
    if not ref.tag:
        run.output.show(views.repository_block(images.info(run.images.api, ref), details=details))
        return
    tag, manifest = images.tag_info(run.images.api, ref)
    found = _config_of(run, ref) if config else None
    run.output.show(views.image_view(ref.path, tag, manifest, layers=layers, history=history, config=found))


def _config_of(run: Runtime, ref: ImageRef) -> ImageConfig:
    """How the image wants to be run, as it says to this machine's platform."""
    from ngc_cli.services.images.image_config import config_of
    from ngc_cli.services.images.pull import find, this_machine

    return config_of(find(run.images, ref, this_machine(), run.output.note)[1])


@app.command("pull", cls=ImageCommand)
@examples(
    (
        "ngc registry image pull nvidia/myteam/cuda:11.0 --output oci:cuda_11.0",
        "Into an OCI layout; no daemon is needed.",
    ),
    (
        "ngc registry image pull nvidia/myteam/cuda:11.0 --output docker-archive:cuda.tar",
        "Into a file for 'docker load'.",
    ),
    (
        "ngc registry image pull nvidia/myteam/cuda:11.0 --output oci:cuda_arm --platform linux/arm64 --dry-run",
        "See what another platform would need.",
    ),
)
@options_from(options=PullOptions)
def pull(ctx: typer.Context, target: PullArg, options: PullOptions) -> None:
    """Pull an image, going on where an earlier run stopped."""
    image_transfers.pull(ctx, target, options)


@app.command("run-line", cls=ImageCommand)
@examples(
    ("ngc registry image run-line nvidia/myteam/cuda:11.0 --with docker", "The line for Docker."),
    (
        "ngc registry image run-line nvidia/myteam/cuda:11.0 --with podman --gpus 2 -v model:/models",
        "Two GPUs and a folder, for Podman.",
    ),
)
@options_from(options=RunLineOptions)
def run_line(
    ctx: typer.Context, target: ImageArg, options: RunLineOptions, command: CommandArg = None
) -> None:
    """Print the command line that runs an image on this machine."""
    image_run.print_line(ctx, image_run.line_for(ctx, target, options, command or []))


@app.command("run", cls=ImageCommand)
@examples(
    (
        "ngc registry image run nvidia/myteam/cuda:11.0 --with docker -- nvidia-smi",
        "One command on all GPUs, by Docker.",
    ),
)
@options_from(options=RunLineOptions)
def run_(ctx: typer.Context, target: ImageArg, options: RunLineOptions, command: CommandArg = None) -> None:
    """Run an image on this machine, by the line that 'run-line' prints."""
    line = image_run.line_for(ctx, target, options, command or [], terminal=is_interactive())
    image_run.execute(ctx, line)


@app.command("push", cls=ImageCommand)
@examples(
    ("ngc registry image push nvidia/myteam/cuda:11.1 --source oci:layout", "From an OCI layout."),
    (
        "ngc registry image push nvidia/myteam/cuda:11.1 --source oci:layout --dry-run",
        "See what would be sent.",
    ),
)
@options_from(description=ImageOptions, options=PushOptions)
def push(ctx: typer.Context, target: PushArg, description: ImageOptions, options: PushOptions) -> None:
    """Push an image; what the registry has is not sent again."""
    image_transfers.push(ctx, target, description, options)


@app.command("remove", cls=ImageCommand)
@examples(
    ("ngc registry image remove nvidia/myteam/cuda:11.0 --yes", "One tag, without being asked."),
    ("ngc registry image remove 'nvidia/myteam/cuda:1*' --dry-run", "See which tags a pattern would remove."),
)
@for_each_target
def remove(ctx: typer.Context, target: RemoveArg, dry_run: DryRunOpt = False) -> None:
    """Remove images by tag, which may be a pattern, or a repository with all its images."""
    from ngc_cli.services.images import catalog as images

    run = Runtime.of(ctx)
    chosen = images.to_remove(run.images.api, targets.image(run, target, pattern=True, changes=True))
    names = [f"image {item}" if item.tag else f"image repository {item}" for item in chosen]
    gone = [{"kind": "image" if item.tag else "image repository", "target": str(item)} for item in chosen]
    if dry_run:
        text = "\n".join(f"Would remove {visible(name)}." for name in names)
        run.output.done(text, removed=[], would_remove=gone)
        return
    _confirm_removal(run, names, chosen[0].path if not chosen[0].tag else "")
    for name, item in zip(names, chosen, strict=True):
        images.remove(run.images.api, item)
        run.output.headline(f"Successfully removed {name}.")
    run.output.done("", removed=gone)


def _confirm_removal(run: Runtime, names: list[str], repository: str) -> None:
    """Ask; for a whole repository its name is the answer."""
    if repository:
        run.confirm(f"Remove {names[0]} with all its images?", name=repository)
    elif len(names) == 1:
        run.confirm(f"Remove {names[0]}?")
    else:
        run.confirm(f"Remove these {len(names)} images?\n  " + "\n  ".join(map(visible, names)) + "\n")


@app.command("create", cls=ImageCommand)
@examples(
    (
        "ngc registry image create nvidia/myteam/new_image --desc 'CUDA and tools'",
        "A repository without images yet.",
    ),
)
@options_from(options=ImageOptions)
def create(
    ctx: typer.Context, target: RepositoryArg, options: ImageOptions, dry_run: DryRunOpt = False
) -> None:
    """Create an image repository, without images yet."""
    from ngc_cli.cli.registry import image_views as views
    from ngc_cli.services.images import catalog as images

    run = Runtime.of(ctx)
    run.only_plan(dry_run)
    ref = targets.image(run, target, tag=False, changes=True)
    item = images.create(run.images.api, ref, options.record())
    run.output.show(
        views.repository_block(item), headline=f"Successfully created image repository '{ref.path}'."
    )


@app.command("update", cls=ImageCommand)
@examples(
    (
        "ngc registry image update nvidia/myteam/cuda --desc 'CUDA 11' --add-label stable",
        "Say something else about a repository.",
    ),
)
@options_from(options=ImageUpdateOptions, labels=LabelOptions, access=AccessOptions)
def update(
    ctx: typer.Context,
    target: ImageArg,
    options: ImageUpdateOptions,
    labels: LabelOptions,
    access: AccessOptions,
    dry_run: DryRunOpt = False,
) -> None:
    """Change what is said about an image repository."""
    from ngc_cli.cli.registry import image_views as views
    from ngc_cli.services.images import catalog as images

    run = Runtime.of(ctx)
    run.only_plan(dry_run)
    ref = targets.image(run, target, tag=False, changes=True)
    if not given(options) and not given(labels) and not given(access):
        raise UsageError(f"nothing to update in {ref.path}", hint="Give at least one option; -h lists them.")
    record = replace(options.record(), is_public=access.public, can_guest_pull=access.guest_access)
    item = images.update(run.images.api, ref, record, labels.edit(options))
    run.output.show(
        views.repository_block(item), headline=f"Successfully updated image repository '{ref.path}'."
    )
    run.output.note(access.note(is_public=bool(item.is_public)))


@app.command("set-latest", cls=ImageCommand)
@examples(
    ("ngc registry image set-latest nvidia/myteam/cuda:11.0", "What a pull without a tag gets."),
)
def set_latest(ctx: typer.Context, target: TagArg, dry_run: DryRunOpt = False) -> None:
    """Make a tag the latest of its repository."""
    from ngc_cli.services.images import catalog as images

    run = Runtime.of(ctx)
    run.only_plan(dry_run)
    ref = targets.image(run, target, tag=True, changes=True)
    images.set_latest(run.images.api, ref)
    run.output.done(f"The latest tag of {ref.path} is now {ref.tag}.", repository=ref.path, latestTag=ref.tag)


@app.command("login", cls=ImageCommand)
@examples(
    ("ngc registry image login", "docker, podman, skopeo and buildah ask ngc for the key from now on."),
    ("ngc registry image login --print-env singularity", "Shell lines for singularity; use them with eval."),
)
def login(
    ctx: typer.Context,
    stdin_to: Annotated[
        str | None,
        typer.Option(
            "--stdin-to",
            metavar="docker|podman",
            autocompletion=completers.words("docker", "podman"),
            help="Log this program in; it stores the key itself.",
        ),
    ] = None,
    print_env: Annotated[
        str | None,
        typer.Option(
            "--print-env",
            metavar="singularity|apptainer",
            autocompletion=completers.words("singularity", "apptainer"),
            help="Print shell lines that set the key: for eval, not for the eye.",
        ),
    ] = None,
    shell: Annotated[
        str | None,
        typer.Option(
            "--shell", metavar="sh|csh|fish|powershell", help="Whose lines --print-env prints; else sh."
        ),
    ] = None,
) -> None:
    """Let docker, podman, skopeo and buildah use the API key without storing it."""
    from ngc_cli.services.images import login as logins

    run = Runtime.of(ctx)
    if stdin_to is not None and print_env is not None:
        raise UsageError("--stdin-to excludes --print-env", hint="Give one of them.")
    if shell is not None and print_env is None:
        raise UsageError("--shell is for --print-env", hint="Add --print-env apptainer, or leave it out.")
    choice("--print-env", print_env, ("singularity", "apptainer"))
    lines_of = choice("--shell", shell, logins.SHELLS) or "sh"
    choice("--stdin-to", stdin_to, logins.PROGRAMS)
    if not run.images.key:
        hint = f"Set one with 'ngc config set'. {KEY_PAGE_HINT}"
        raise NotAuthenticated("there is no API key to log in with", hint=hint)
    if print_env is not None:
        run.output.raw(logins.singularity_exports(run.images.key, lines_of))
        return
    run.images.registry.ping()
    if stdin_to is None:
        _log_in_by_helper(run)
        return
    host = run.settings.registry_host
    logins.login_program(stdin_to, run.settings.registry_url, run.images.key, run.images.environ)
    run.output.done(
        f"{stdin_to} is logged in to {host}; it keeps the key itself.", registry=host, program=stdin_to
    )


def _log_in_by_helper(run: Runtime) -> None:
    """Let Docker's configuration name our credential helper for the registry."""
    from ngc_cli.services.images import login as logins

    host = run.settings.registry_host
    change = logins.add_helper(logins.docker_config_path(run.images.environ), host)
    if change.replaced:
        run.output.note(f"This replaces {change.replaced}.")
    if not logins.helper_is_installed(run.images.environ):
        run.output.warn(f"{logins.HELPER_PROGRAM} is not in PATH, so other programs will not find it")
    if run.settings.sources["api_key"] == "environment variable":
        run.output.warn(
            f"the key comes from the {run.settings.origin('api_key')}: other programs get it only where that is set"
        )
    run.output.done(
        f"docker, podman, skopeo and buildah now use the API key for {host} ({change.path}).",
        registry=host,
        config=str(change.path),
        helper=logins.HELPER,
    )


@app.command("logout", cls=ImageCommand)
@examples(
    ("ngc registry image logout", "Take the login back."),
)
def logout(ctx: typer.Context) -> None:
    """Undo 'login': other programs use the API key no longer."""
    from ngc_cli.services.images import login as logins

    run = Runtime.of(ctx)
    host = run.settings.registry_host
    change = logins.remove_helper(logins.docker_config_path(run.images.environ), host)
    text = "no longer use the API key" if change.changed else "did not use the API key"
    run.output.done(
        f"docker, podman, skopeo and buildah {text} for {host}.", registry=host, config=str(change.path)
    )
