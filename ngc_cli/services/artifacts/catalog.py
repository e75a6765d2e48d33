"""Models and model-scripts: list, look at, create, change and remove.

Both kinds are one implementation; ``ArtifactKind`` holds every difference that a use case needs to know.
Source: docs/cli.md, docs/protocol/artifacts.md.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from ngc_cli.api.artifacts import ArtifactApi
from ngc_cli.api.client import ApiClient
from ngc_cli.api.kinds import ArtifactKind
from ngc_cli.errors import AlreadyExists, Forbidden, NgcError, NotFound
from ngc_cli.records import Artifact, ArtifactVersion, FileEntry
from ngc_cli.refs import ArtifactRef, has_wildcard
from ngc_cli.services.listing import Instead, LabelEdit, Listing, first, full_pattern, matching
from ngc_cli.services.missing import Catalog, Part

Found = TypeVar("Found")
KIND_WORDS = frozenset({"model", "models", "model-script", "model-scripts", "resource", "resources"})


@dataclass(frozen=True)
class Located:
    """Where a target was really found: its kind, its path, and what to tell the user about it."""

    kind: ArtifactKind
    ref: ArtifactRef
    note: str = ""


def list_artifacts(
    client: ApiClient,
    kind: ArtifactKind,
    pattern: str,
    org: str,
    team: str,
    *,
    filters: Sequence[tuple[str, str | bool]] = (),
    limit: int | None = None,
) -> Listing[Artifact]:
    """Artifacts whose path matches the pattern (all when empty), sorted by path.

    ``filters`` are pairs of search field and value (docs/protocol/artifacts.md#search). Raises Forbidden or NotFound
    for an org or team that does not exist or may not be seen.
    """
    wanted = full_pattern(pattern, org, team)
    found = ArtifactApi(client, kind).search(wanted, org, team, filters)
    try:
        listing = matching(found, artifact_path, wanted, limit)
    except (Forbidden, NotFound) as error:
        raise _catalog(client, kind).explained_place(error, org, team) from error
    _catalog(client, kind).require_place(org, team, map(artifact_path, listing.items))
    return listing


def artifact_path(item: Artifact) -> str:
    """``org/[team/]name`` of an artifact."""
    return "/".join(part for part in (item.org_name, item.team_name, item.name) if part)


def list_versions(
    client: ApiClient, kind: ArtifactKind, typed: str, ref: ArtifactRef, *, limit: int | None = None
) -> Listing[ArtifactVersion] | Instead:
    """Versions of one artifact, the highest first, those that match when ``ref.version`` is a pattern.

    What is ``typed`` may also be an org, a team or a part of names: then it is the pattern that lists these.
    """
    found: Iterator[ArtifactVersion] = ArtifactApi(client, kind).versions(ref)
    if ref.version:
        found = (item for item in found if fnmatch.fnmatchcase(item.version_id, ref.version))
    try:
        return first(found, limit)
    except (Forbidden, NotFound) as error:
        if ref.version:
            raise explained(client, kind, replace(ref, version=""), error) from error
        return _catalog(client, kind).instead(typed, ref, ref.path, error)


def read(
    client: ApiClient, kind: ArtifactKind, ref: ArtifactRef, get: Callable[[ArtifactApi, ArtifactRef], Found]
) -> tuple[Located, Found]:
    """Read a target, also where the guide's own lines point beside it; one request when they do not.

    Tries, in order: the target as given; without a team part that is a word for a kind (docs/guide.md, G-10);
    as the other kind (G-4). Raises NotFound, with how to list what there is, when none of them exists.
    """
    tries = [Located(kind, ref)]
    if ref.team in KIND_WORDS:
        plain = replace(ref, team="")
        tries.append(Located(kind, plain, f"'{ref.team}' in {ref} is not a team: using {plain}."))
    tries += [
        Located(kind.other, item.ref, f"{item.ref.path} is a {kind.other.noun}, not a {kind.noun}.")
        for item in tries
    ]
    first_error: NgcError | None = None
    for item in tries:
        try:
            return item, get(ArtifactApi(client, item.kind), item.ref)
        except NotFound as error:
            first_error = first_error or error
        except Forbidden as error:
            first_error = first_error or error
            break
    assert first_error is not None
    raise explained(client, kind, ref, first_error) from first_error


def info(client: ApiClient, kind: ArtifactKind, ref: ArtifactRef) -> tuple[Located, Artifact]:
    """One artifact."""
    return read(client, kind, ref, lambda api, target: api.get(target))


def version_info(client: ApiClient, kind: ArtifactKind, ref: ArtifactRef) -> tuple[Located, ArtifactVersion]:
    """One version."""
    return read(client, kind, ref, lambda api, target: api.version(target))


def version_files(client: ApiClient, kind: ArtifactKind, ref: ArtifactRef) -> list[FileEntry]:
    """The files of one version, sorted by path."""
    return sorted(ArtifactApi(client, kind).files(ref), key=lambda entry: entry.path)


def create(client: ApiClient, kind: ArtifactKind, ref: ArtifactRef, record: Artifact) -> Artifact:
    """Create an artifact and return it as the server has it."""
    ref.require_creatable_name()
    try:
        return ArtifactApi(client, kind).create(ref, replace(record, name=ref.name))
    except AlreadyExists as error:
        hint = f"Change it with 'ngc registry {kind.noun} update', or add a version with 'upload-version'."
        raise AlreadyExists.like(error, f"{kind.noun} {ref.path} already exists", hint=hint) from error


def fill_from(record: Artifact, source: Artifact) -> Artifact:
    """The record with what it leaves open taken from another artifact; only what people may set."""
    settable = [
        "display_name",
        "application",
        "framework",
        "training_framework",
        "model_format",
        "precision",
        "short_description",
        "description",
        "built_by",
        "publisher",
        "logo",
        "labels",
        "public_dataset_used",
        "owner_name",
        "bias",
        "explainability",
        "privacy",
        "safety_and_security",
        "advanced",
        "performance",
        "quick_start_guide",
        "setup",
    ]
    copied = {name: getattr(source, name) for name in settable if getattr(record, name) is None}
    return replace(record, **copied)


def update(
    client: ApiClient, kind: ArtifactKind, ref: ArtifactRef, record: Artifact, labels: LabelEdit
) -> Artifact:
    """Change an artifact. Without new labels the present ones are sent again, edited: the wire wants them all."""
    api = ArtifactApi(client, kind)
    if record.labels is None:
        record = replace(record, labels=labels.applied_to(_get(client, kind, ref).labels))
    try:
        api.update(ref, record)
    except NotFound as error:
        raise explained(client, kind, ref, error) from error
    return _get(client, kind, ref)


def _get(client: ApiClient, kind: ArtifactKind, ref: ArtifactRef) -> Artifact:
    try:
        return ArtifactApi(client, kind).get(ref)
    except NotFound as error:
        raise explained(client, kind, ref, error) from error


def update_version(
    client: ApiClient,
    kind: ArtifactKind,
    ref: ArtifactRef,
    record: ArtifactVersion,
    *,
    set_latest: bool = False,
) -> ArtifactVersion:
    """Change one version and return it as the server has it."""
    try:
        return ArtifactApi(client, kind).update_version(ref, record, set_latest=set_latest)
    except NotFound as error:
        raise explained(client, kind, ref, error) from error


def kind_of(client: ApiClient, kind: ArtifactKind, ref: ArtifactRef) -> ArtifactKind:
    """The kind that a target to be removed really is; raises NotFound when it is neither."""
    first_error: NotFound | None = None
    for candidate in (kind, kind.other):
        api = ArtifactApi(client, candidate)
        try:
            if ref.version:
                api.version(ref)
            else:
                api.get(ref)
        except NotFound as error:
            first_error = first_error or error
        else:
            return candidate
    assert first_error is not None
    raise explained(client, kind, ref, first_error) from first_error


def wrong_kind(kind: ArtifactKind, actual: ArtifactKind, ref: ArtifactRef) -> NotFound:
    """The refusal to remove something of another kind than was said (docs/guide.md, G-3)."""
    return NotFound(
        f"there is no {kind.noun} {ref}: it is a {actual.noun}, and nothing was removed",
        hint=f"Type: ngc registry {actual.noun} remove {ref}",
    )


def remove(client: ApiClient, kind: ArtifactKind, ref: ArtifactRef) -> None:
    """Remove an artifact with all versions, or one version."""
    ArtifactApi(client, kind).remove(ref)


def explained(client: ApiClient, kind: ArtifactKind, ref: ArtifactRef, error: NgcError) -> NgcError:
    """The NotFound or Forbidden of an artifact or a version in words, with the next command to type."""
    version = Part(
        ref.version, "versions", lambda: (item.version_id for item in ArtifactApi(client, kind).versions(ref))
    )
    return _catalog(client, kind).explained(error, ref, ref.path, version if ref.version else None)


def _catalog(client: ApiClient, kind: ArtifactKind) -> Catalog:
    api = ArtifactApi(client, kind)
    return Catalog(kind.noun, client, lambda *search: map(artifact_path, api.search(*search)))


def is_pattern_of_artifacts(ref: ArtifactRef | None) -> bool:
    """Whether ``list`` shows artifacts, not versions: no target, or a pattern in the name."""
    return ref is None or has_wildcard(ref.path)
