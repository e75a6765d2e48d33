"""``list``, ``info``, ``create``, ``update`` and ``remove``: what models and model-scripts share.

``model.py`` and ``model_script.py`` declare the commands; each calls the function of its name here with its ``ArtifactKind``.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ngc_cli.api.kinds import MODEL_SCRIPT
from ngc_cli.cli import completers, targets
from ngc_cli.cli.options import DryRunOpt
from ngc_cli.cli.registry.fields import (
    AccessOptions,
    ArtifactOptions,
    LabelOptions,
    VersionOptions,
    given,
    option_names,
    text_option,
)
from ngc_cli.cli.registry.listing import ListOptions, refuse_filters, search_for, tell_found, tell_parts
from ngc_cli.cli.runtime import Runtime
from ngc_cli.errors import UsageError

if TYPE_CHECKING:
    from ngc_cli.api.kinds import ArtifactKind
    from ngc_cli.records import Artifact
    from ngc_cli.refs import ArtifactRef

# What the official client wants of every new model; here only --strict does (docs/guide.md, G-17).
_STRICT = ("application", "framework", "model_format", "precision", "short_description")


def target_argument(noun: str, what: str, form: str = "[:VERSION]", *, optional: bool = False) -> Any:
    """The argument that names an artifact: ``what`` it is, and the ``form`` of what may follow its name."""
    metavar = f"ORG/[TEAM/]NAME{form}"
    offered = completers.targets(f"{noun}s", f"{noun} versions")
    return typer.Argument(metavar=f"[{metavar}]" if optional else metavar, autocompletion=offered, help=what)


FilesOpt = Annotated[bool, typer.Option("--files", help="List the files of the version.")]
SetLatestOpt = Annotated[bool, typer.Option("--set-latest", help="Make this version the latest.")]
MetricsOpt = Annotated[
    bool, typer.Option("--metrics", "--credentials", help="Metrics are always shown.", hidden=True)
]
RemoveDryRunOpt = Annotated[bool, typer.Option("--dry-run", help="Say what would go, and remove nothing.")]


@dataclass(frozen=True)
class CreateOptions:
    """Options of ``create`` that describe nothing."""

    source: Annotated[
        str | None, text_option("--from", "Copy what is not given from this one.", "ORG/[TEAM/]NAME")
    ] = None
    strict: Annotated[
        bool, typer.Option("--strict", help="Insist on what NVIDIA's own service asks for.")
    ] = False
    dry_run: DryRunOpt = False


def list_(ctx: typer.Context, kind: ArtifactKind, target: str, options: ListOptions) -> None:
    """List what matches, or the versions of one artifact."""
    from ngc_cli.cli.registry import artifact_views as views
    from ngc_cli.services.artifacts import catalog as artifacts
    from ngc_cli.services.listing import Instead

    run = Runtime.of(ctx)
    pattern = options.pattern(target)
    ref = targets.artifact(run, pattern, pattern=True) if pattern else None
    if ref is not None and not artifacts.is_pattern_of_artifacts(ref):
        refuse_filters(ref, options)
        versions = artifacts.list_versions(run.api, kind, pattern, ref, limit=options.fetch_limit)
        if not isinstance(versions, Instead):
            versions = options.select(versions, views.VERSION_COLUMNS)
            tell_parts(run, versions, "versions", ref)
            view = views.version_table(versions.items, options.column or (), wide=options.wide)
            run.output.show(view, ids=[f"{ref.path}:{item.version_id}" for item in versions.items])
            return
        run.output.note(versions.note)
        ref = targets.artifact(run, versions.pattern, pattern=True)
    search = search_for(run, ref, options, kind.signed_filter)
    found = artifacts.list_artifacts(
        run.api, kind, *search[:3], filters=search.filters, limit=options.fetch_limit
    )
    found = options.select(found, views.ARTIFACT_COLUMNS)
    tell_found(run, found, f"{kind.noun}s", search)
    view = views.artifact_table(found.items, options.column or (), wide=options.wide)
    run.output.show(view, ids=[artifacts.artifact_path(item) for item in found.items])


def info(ctx: typer.Context, kind: ArtifactKind, target: str, *, files: bool, metrics: bool) -> None:
    """Show one artifact, or one version of it."""
    from ngc_cli.cli.registry import artifact_views as views
    from ngc_cli.services.artifacts import catalog as artifacts

    run = Runtime.of(ctx)
    ref = targets.artifact(run, target, version=True if files or metrics else None)
    if not ref.version:
        found, item = artifacts.info(run.api, kind, ref)
        view = views.artifact_block(found.kind, _noun(ctx, kind, found.kind), item)
    else:
        found, version = artifacts.version_info(run.api, kind, ref)
        listed = artifacts.version_files(run.api, found.kind, found.ref) if files else None
        view = views.version_block(found.kind, _noun(ctx, kind, found.kind), version, listed)
    run.output.note(found.note)
    run.output.show(view)


def create(
    ctx: typer.Context, kind: ArtifactKind, target: str, description: ArtifactOptions, options: CreateOptions
) -> None:
    """Create an artifact, without versions yet."""
    from ngc_cli.cli.registry import artifact_views as views
    from ngc_cli.services.artifacts import catalog as artifacts

    run = Runtime.of(ctx)
    run.only_plan(options.dry_run)
    ref = targets.artifact(run, target, version=False)
    record = description.record()
    if options.source is not None:
        source = targets.artifact(run, options.source, version=False)
        record = artifacts.fill_from(record, artifacts.info(run.api, kind, source)[1])
    _check_unspecified(run, type(description), record, strict=options.strict or kind is MODEL_SCRIPT)
    item = artifacts.create(run.api, kind, ref, record)
    noun = _noun(ctx, kind, kind)
    run.output.show(
        views.artifact_block(kind, noun, item), headline=f"Successfully created {noun} '{ref.path}'."
    )


def update(
    ctx: typer.Context,
    kind: ArtifactKind,
    target: str,
    description: ArtifactOptions,
    labels: LabelOptions,
    access: AccessOptions,
    version: VersionOptions,
    *,
    set_latest: bool,
    dry_run: bool,
) -> None:
    """Change an artifact, or one version of it."""
    from ngc_cli.cli.registry import artifact_views as views
    from ngc_cli.services.artifacts import catalog as artifacts

    run = Runtime.of(ctx)
    run.only_plan(dry_run)
    ref = targets.artifact(run, target)
    noun = _noun(ctx, kind, kind)
    if ref.version:
        _refuse_misplaced(f"version {ref}", version, [description, labels, access], allow_none=set_latest)
        changed = artifacts.update_version(
            run.api, kind, ref, version.record(ref.version), set_latest=set_latest
        )
        run.output.show(
            views.version_block(kind, noun, changed), headline=f"Successfully updated {noun} version '{ref}'."
        )
        return
    if set_latest:
        raise UsageError("--set-latest needs a version", hint=f"Write {ref.path}:VERSION.")
    others = bool(given(labels) or given(access))
    _refuse_misplaced(f"{noun} {ref}", description, [version], allow_none=others)
    record = dataclasses.replace(
        description.record(), is_public=access.public, can_guest_download=access.guest_access
    )
    item = artifacts.update(run.api, kind, ref, record, labels.edit(description))
    run.output.show(
        views.artifact_block(kind, noun, item), headline=f"Successfully updated {noun} '{ref.path}'."
    )
    run.output.note(access.note(is_public=bool(item.is_public)))


def remove(ctx: typer.Context, kind: ArtifactKind, target: str, *, dry_run: bool) -> None:
    """Remove one version, or an artifact with all its versions."""
    from ngc_cli.services.artifacts import catalog as artifacts

    run = Runtime.of(ctx)
    ref = targets.artifact(run, target)
    actual = _removable_kind(run, kind, ref)
    noun = f"{_noun(ctx, kind, actual)}{' version' if ref.version else ''}"
    gone = {"kind": noun, "target": str(ref)}
    if dry_run:
        run.output.done(f"Would remove {noun} '{ref}'.", removed=[], would_remove=[gone])
        return
    run.confirm(f"Remove {noun} '{ref}'{'' if ref.version else ' with all versions'}?")
    artifacts.remove(run.api, actual, ref)
    run.output.done(f"Successfully removed {noun} '{ref}'.", removed=[gone])


def _removable_kind(run: Runtime, kind: ArtifactKind, ref: ArtifactRef) -> ArtifactKind:
    """The kind that the target really is; raises NotFound for the other one where nobody can be asked."""
    from ngc_cli.services.artifacts import catalog as artifacts

    actual = artifacts.kind_of(run.api, kind, ref)
    if actual is not kind and (run.flags.yes or not run.interactive):
        raise artifacts.wrong_kind(kind, actual, ref)
    return actual


def _noun(ctx: typer.Context, kind: ArtifactKind, found: ArtifactKind) -> str:
    """The name of the group that was typed: model, model-script or resource."""
    typed = ctx.parent.info_name if ctx.parent is not None else None
    return str(typed) if typed and found is kind else found.noun


def _check_unspecified(run: Runtime, options: type, record: Artifact, *, strict: bool) -> None:
    """Note which of the official client's required options are missing (docs/guide.md, G-17); raises
    UsageError if strict.

    Model-scripts are always strict: no server takes one without (docs/protocol/artifacts.md#model-scripts).
    """
    missing = [
        name
        for name in _STRICT
        if getattr(record, name) is None and not (name == "framework" and record.training_framework)
    ]
    if not missing:
        return
    names = option_names(options, missing)
    if strict:
        raise UsageError(f"missing: {names}", hint="Give them, or copy them from another one with --from.")
    run.output.note(f"Not specified: {names}. NVIDIA's own service asks for them.")


def _refuse_misplaced(what: str, used: Any, others: list[Any], *, allow_none: bool) -> None:
    """Raise UsageError for options that do not belong to the target, or when none is given."""
    own = {field.name for field in dataclasses.fields(used)}
    for other in others:
        wrong = [name for name in given(other) if name not in own]
        if wrong:
            raise UsageError(
                f"{option_names(type(other), wrong)} cannot change {what}",
                hint="Name a version for version options, and none for the others.",
            )
    if not given(used) and not allow_none:
        raise UsageError(f"nothing to update in {what}", hint="Give at least one option; -h lists them.")
