"""The commands that models and model-scripts share: list, info, create, update, remove and the transfers.

``artifact_verbs`` makes the commands of one kind; what differs comes in as option records and in ``Kind``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ngc_cli.cli.groups import Spelling, Verbs
from ngc_cli.cli.options import ColumnOpt, FilterArg, LimitOpt, TargetArg, takes
from ngc_cli.cli.registry.fields import (
    ArtifactOptions,
    LabelOptions,
    VersionOptions,
    choice,
    given,
    option_names,
)
from ngc_cli.cli.runtime import Runtime
from ngc_cli.errors import UsageError

if TYPE_CHECKING:
    from ngc_cli.records import Artifact
    from ngc_cli.services.artifacts.catalog import Kind

OVERVIEW_SPELLINGS = {name: Spelling("--overview-filename") for name in ("--overview-file", "--overview")}
_STRICT = ("application", "framework", "model_format", "precision", "short_description")
_RELEASE_TYPES = {
    "BETA": "beta",
    "GA": "consumer",
    "EA": "early_access",
    "FEATURE": "feature",
    "PRODUCTION": "production",
    "LTSB": "ltsb",
}


@dataclass(frozen=True)
class ListFilters:
    """Options of ``list`` that the search of the server understands."""

    access_type: Annotated[
        str | None, typer.Option("--access-type", help="LISTED, EXCLUSIVE or NOT_LISTED.")
    ] = None
    product_name: Annotated[list[str] | None, typer.Option("--product-name", help="May be repeated.")] = None
    policy: Annotated[list[str] | None, typer.Option("--policy", help="May be repeated.")] = None
    release_type: Annotated[str | None, typer.Option("--release-type", help=", ".join(_RELEASE_TYPES))] = None
    signed: Annotated[bool, typer.Option("--signed", help="Only those with a signed version.")] = False

    def pairs(self, signed_field: str) -> list[tuple[str, str | bool]]:
        """Search fields and values (contract/models-and-transfers.md 2.6)."""
        access = choice("--access-type", self.access_type, ("LISTED", "EXCLUSIVE", "NOT_LISTED"))
        release = choice("--release-type", self.release_type, tuple(_RELEASE_TYPES))
        pairs: list[tuple[str, str | bool]] = [("accessType", access)] if access else []
        pairs += [("productNames", name) for name in self.product_name or ()]
        pairs += [("policy", name.lower()) for name in self.policy or ()]
        pairs += [("releaseType", f"release_type_{_RELEASE_TYPES[release]}")] if release else []
        return [*pairs, (signed_field, True)] if self.signed else pairs


@dataclass(frozen=True)
class Family:
    """What one kind brings to the shared commands: its option records and its other spellings of options."""

    kind: Kind
    artifact: type[ArtifactOptions]
    version: type[VersionOptions]
    upload: type[VersionOptions]
    spellings: Mapping[str, Spelling]


def artifact_verbs(family: Family, help: str) -> Verbs:
    """The commands of one kind."""
    verbs = Verbs(help)
    for register in (_reading, _writing):
        register(verbs, family)
    from ngc_cli.cli.registry.transfers import transfer_verbs

    transfer_verbs(verbs, family)
    return verbs


def _reading(verbs: Verbs, family: Family) -> None:
    kind = family.kind

    @verbs.command("list")
    @takes(filters=ListFilters)
    def list_(
        ctx: typer.Context,
        target: FilterArg = "",
        column: ColumnOpt = None,
        limit: LimitOpt = None,
        wide: Annotated[bool, typer.Option("--wide", help="Show more columns.")] = False,
        *,
        filters: ListFilters,
    ) -> None:
        """List what there is, or the versions of one entry."""
        from ngc_cli.cli.registry import artifact_views as views
        from ngc_cli.services.artifacts import catalog as artifacts

        run = Runtime.of(ctx)
        ref = run.artifact(target, pattern=True) if target else None
        if ref is None or artifacts.is_pattern_of_artifacts(ref):
            pattern, org, team = run.searched(ref)
            pairs = filters.pairs("signedModels" if kind.is_model else "signedResources")
            found = artifacts.list_artifacts(run.api, kind, pattern, org, team, filters=pairs, limit=limit)
            run.tell_guest(found)
            run.output.show(views.artifact_table(found, column or (), wide=wide))
        else:
            versions = artifacts.list_versions(run.api, kind, ref, limit=limit)
            run.output.show(views.version_table(versions, column or (), wide=wide))

    @verbs.command("info")
    def info(
        ctx: typer.Context,
        target: TargetArg,
        files: Annotated[bool, typer.Option("--files", help="List the files of the version.")] = False,
        metrics: Annotated[
            bool, typer.Option("--metrics", "--credentials", help="Metrics are always shown.", hidden=True)
        ] = False,
    ) -> None:
        """Show one entry, or one version of it."""
        from ngc_cli.cli.registry import artifact_views as views
        from ngc_cli.services.artifacts import catalog as artifacts

        run = Runtime.of(ctx)
        ref = run.artifact(target, version=True if files or metrics else None)
        if not ref.version:
            found, item = artifacts.info(run.api, kind, ref)
            view = views.artifact_block(found.kind, _noun(ctx, kind, found.kind), item)
        else:
            found, version = artifacts.version_info(run.api, kind, ref)
            listed = artifacts.version_files(run.api, found.kind, found.ref) if files else None
            view = views.version_block(found.kind, _noun(ctx, kind, found.kind), version, listed)
        if found.note:
            run.output.note(found.note)
        run.output.show(view)


def _writing(verbs: Verbs, family: Family) -> None:
    kind = family.kind

    @verbs.command("create", spellings=family.spellings)
    @takes(options=family.artifact)
    def create(
        ctx: typer.Context,
        target: TargetArg,
        options: ArtifactOptions,
        source: Annotated[
            str | None, typer.Option("--from", metavar="TARGET", help="Copy what is not given from this one.")
        ] = None,
        strict: Annotated[bool, typer.Option("--strict", help="Insist on all descriptions.")] = False,
    ) -> None:
        """Create an entry, without versions yet."""
        from ngc_cli.cli.registry import artifact_views as views
        from ngc_cli.services.artifacts import catalog as artifacts

        run = Runtime.of(ctx)
        ref = run.artifact(target, version=False)
        record = options.record()
        if source is not None:
            record = artifacts.fill_from(
                record, artifacts.info(run.api, kind, run.artifact(source, version=False))[1]
            )
        _tell_unspecified(run, family.artifact, record, strict=strict or not kind.is_model)
        item = artifacts.create(run.api, kind, ref, record)
        noun = _noun(ctx, kind, kind)
        run.output.show(
            views.artifact_block(kind, noun, item), head=f"Successfully created {noun} '{ref.path}'."
        )

    @verbs.command("update", spellings=family.spellings)
    @takes(options=family.artifact, labels=LabelOptions, version=family.version)
    def update(
        ctx: typer.Context,
        target: TargetArg,
        options: ArtifactOptions,
        labels: LabelOptions,
        version: VersionOptions,
        set_latest: Annotated[
            bool, typer.Option("--set-latest", help="Make this version the latest.")
        ] = False,
    ) -> None:
        """Change an entry, or one version of it."""
        from ngc_cli.cli.registry import artifact_views as views
        from ngc_cli.services.artifacts import catalog as artifacts

        run = Runtime.of(ctx)
        ref = run.artifact(target)
        noun = _noun(ctx, kind, kind)
        if ref.version:
            _refuse_misplaced(f"version {ref}", version, [options, labels], allow_none=set_latest)
            record = version.record(ref.version)
            changed = artifacts.update_version(run.api, kind, ref, record, set_latest=set_latest)
            run.output.show(
                views.version_block(kind, noun, changed), head=f"Successfully updated {noun} version '{ref}'."
            )
            return
        if set_latest:
            raise UsageError("--set-latest needs a version", hint=f"Write {ref.path}:VERSION.")
        _refuse_misplaced(f"{noun} {ref}", options, [version], allow_none=bool(given(labels)))
        if given(labels) and (options.label or options.label_set):
            raise UsageError("--label replaces all labels and excludes --add-label and --remove-label")
        edit = artifacts.LabelEdit(tuple(labels.add_label or ()), tuple(labels.remove_label or ()))
        item = artifacts.update(run.api, kind, ref, options.record(), edit)
        run.output.show(
            views.artifact_block(kind, noun, item), head=f"Successfully updated {noun} '{ref.path}'."
        )

    @verbs.command("remove")
    def remove(
        ctx: typer.Context,
        target: TargetArg,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Say what would go, and remove nothing.")
        ] = False,
    ) -> None:
        """Remove one version, or an entry with all its versions."""
        from ngc_cli.cli.formats import Field, Summary
        from ngc_cli.services.artifacts import catalog as artifacts

        run = Runtime.of(ctx)
        ref = run.artifact(target)
        actual = artifacts.kind_of(run.api, kind, ref)
        if actual is not kind and (run.flags.yes or not run.interactive):
            raise artifacts.wrong_kind(kind, actual, ref)
        noun = _noun(ctx, kind, actual)
        what = f"{noun} version '{ref}'" if ref.version else f"{noun} '{ref}'"
        if dry_run:
            run.output.head(f"Would remove {what}.")
        else:
            run.confirm(f"Remove {what}{'' if ref.version else ' with all versions'}?")
            artifacts.remove(run.api, actual, ref)
            run.output.head(f"Successfully removed {what}.")
        if run.format_type != "ascii":
            removed = [] if dry_run else [{"kind": what.partition(" '")[0], "target": str(ref)}]
            run.output.show(Summary("", [Field("removed", str(ref))], {"removed": removed}))


def _noun(ctx: typer.Context, kind: Kind, found: Kind) -> str:
    """The name of the group that was typed: model, model-script or resource."""
    typed = ctx.parent.info_name if ctx.parent is not None else None
    return str(typed) if typed and found is kind else found.noun


def _tell_unspecified(run: Runtime, options: type, record: Artifact, *, strict: bool) -> None:
    """Say which of the official client's required options are missing; an error with --strict (G-17), and for
    model-scripts, which no server takes without (contract/models-and-transfers.md 4)."""
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
