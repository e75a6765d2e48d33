"""Models and model-scripts: list, look at, create, change and remove.

Imported by the command modules at their top, so records are imported for type checking only.
Both kinds are one implementation; ``Kind`` holds every difference that a use case needs to know.
Source: contract/cli-surface.md sections 5 and 6, contract/models-and-transfers.md sections 2 to 4.
"""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from ngc_cli.errors import NotFound
from ngc_cli.refs import ArtifactRef, has_wildcard

if TYPE_CHECKING:
    from ngc_cli.api.artifacts import ArtifactApi
    from ngc_cli.api.client import ApiClient
    from ngc_cli.records import Artifact, ArtifactVersion, FileEntry

Found = TypeVar("Found")
KIND_WORDS = frozenset({"model", "models", "model-script", "model-scripts", "resource", "resources"})


@dataclass(frozen=True)
class Kind:
    """One kind of artifact: its noun, its command group, and whether its wire names are those of models."""

    noun: str
    group: str
    is_model: bool

    def api(self, client: ApiClient) -> ArtifactApi:
        """The endpoints of this kind."""
        from ngc_cli.api.artifacts import ArtifactApi
        from ngc_cli.api.wire import MODEL as MODEL_NAMES
        from ngc_cli.api.wire import MODEL_SCRIPT as MODEL_SCRIPT_NAMES

        return ArtifactApi(client, MODEL_NAMES if self.is_model else MODEL_SCRIPT_NAMES)

    @property
    def other(self) -> Kind:
        """The other kind, for the two commands of the guide that name the wrong one."""
        return MODEL_SCRIPT if self.is_model else MODEL


MODEL = Kind("model", "model", True)
MODEL_SCRIPT = Kind("model-script", "model-script", False)


@dataclass(frozen=True)
class Located:
    """Where a target was really found: its kind, its path, and what to tell the user about it."""

    kind: Kind
    ref: ArtifactRef
    note: str = ""


def list_artifacts(
    client: ApiClient,
    kind: Kind,
    pattern: str,
    org: str,
    team: str,
    *,
    filters: Sequence[tuple[str, str | bool]] = (),
    limit: int | None = None,
) -> list[Artifact]:
    """Artifacts whose path matches the pattern (all when empty), sorted by path unless limited.

    ``filters`` are pairs of search field and value (contract 2.6).
    """
    api = kind.api(client)
    wanted = full_pattern(pattern, org, team)
    found = (
        item for item in api.search(wanted, org, team, filters) if matches_path(artifact_path(item), wanted)
    )
    if limit is not None:
        return list(islice(found, limit))
    return sorted(found, key=artifact_path)


def artifact_path(item: Artifact) -> str:
    """``org/[team/]name`` of an artifact."""
    return "/".join(part for part in (item.org_name, item.team_name, item.name) if part)


def full_pattern(pattern: str, org: str, team: str) -> str:
    """A pattern of paths; one of names alone means names in this org, or team of it."""
    if not pattern or "/" in pattern or not org:
        return pattern
    return "/".join(part for part in (org, team, pattern) if part)


def matches_path(path: str, pattern: str) -> bool:
    """Whether a search hit is what was asked for: a server's search may be more generous than the pattern."""
    return not pattern or fnmatch.fnmatchcase(path, pattern)


def list_versions(
    client: ApiClient, kind: Kind, ref: ArtifactRef, *, limit: int | None = None
) -> list[ArtifactVersion]:
    """Versions of one artifact, the highest first, those that match when ``ref.version`` is a pattern."""
    found: Iterator[ArtifactVersion] = kind.api(client).versions(ref)
    if ref.version:
        found = (item for item in found if fnmatch.fnmatchcase(item.version_id, ref.version))
    return list(islice(found, limit))


def read(
    client: ApiClient, kind: Kind, ref: ArtifactRef, get: Callable[[ArtifactApi, ArtifactRef], Found]
) -> tuple[Located, Found]:
    """Read a target, also where the guide's own lines point beside it; one request when they do not.

    Tries, in order: the target as given; without a team part that is a word for a kind (guide, G-10); as the
    other kind (G-4). Raises NotFound, with how to list what there is, when none of them exists.
    """
    tries = [Located(kind, ref)]
    if ref.team in KIND_WORDS:
        plain = dataclasses.replace(ref, team="")
        tries.append(Located(kind, plain, f"'{ref.team}' in {ref} is not a team: using {plain}."))
    tries += [
        Located(kind.other, item.ref, f"{item.ref.path} is a {kind.other.noun}, not a {kind.noun}.")
        for item in tries
    ]
    first_error: NotFound | None = None
    for item in tries:
        try:
            return item, get(item.kind.api(client), item.ref)
        except NotFound as error:
            first_error = first_error or error
    assert first_error is not None
    raise not_found(kind, ref, first_error) from first_error


def info(client: ApiClient, kind: Kind, ref: ArtifactRef) -> tuple[Located, Artifact]:
    """One artifact."""
    return read(client, kind, ref, lambda api, target: api.get(target))


def version_info(client: ApiClient, kind: Kind, ref: ArtifactRef) -> tuple[Located, ArtifactVersion]:
    """One version."""
    return read(client, kind, ref, lambda api, target: api.version(target))


def version_files(client: ApiClient, kind: Kind, ref: ArtifactRef) -> list[FileEntry]:
    """The files of one version, sorted by path."""
    return sorted(kind.api(client).files(ref), key=lambda entry: entry.path)


def create(client: ApiClient, kind: Kind, ref: ArtifactRef, record: Artifact) -> Artifact:
    """Create an artifact and return it as the server has it."""
    ref.require_creatable_name()
    return kind.api(client).create(ref, dataclasses.replace(record, name=ref.name))


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
    return dataclasses.replace(record, **copied)


@dataclass(frozen=True)
class LabelEdit:
    """Labels to add to and to remove from those an artifact has."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


def update(client: ApiClient, kind: Kind, ref: ArtifactRef, record: Artifact, labels: LabelEdit) -> Artifact:
    """Change an artifact. Without new labels the present ones are sent again, edited: the wire wants them all."""
    api = kind.api(client)
    if record.labels is None:
        present = _get(api, kind, ref).labels or ()
        kept = [label for label in present if label not in labels.remove]
        record = dataclasses.replace(record, labels=(*kept, *(x for x in labels.add if x not in kept)))
    try:
        api.update(ref, record)
    except NotFound as error:
        raise not_found(kind, ref, error) from error
    return _get(api, kind, ref)


def _get(api: ArtifactApi, kind: Kind, ref: ArtifactRef) -> Artifact:
    try:
        return api.get(ref)
    except NotFound as error:
        raise not_found(kind, ref, error) from error


def update_version(
    client: ApiClient, kind: Kind, ref: ArtifactRef, record: ArtifactVersion, *, set_latest: bool = False
) -> ArtifactVersion:
    """Change one version and return it as the server has it."""
    try:
        return kind.api(client).update_version(ref, record, set_latest=set_latest)
    except NotFound as error:
        raise not_found(kind, ref, error) from error


def kind_of(client: ApiClient, kind: Kind, ref: ArtifactRef) -> Kind:
    """The kind that a target to be removed really is; raises NotFound when it is neither."""
    first_error: NotFound | None = None
    for candidate in (kind, kind.other):
        api = candidate.api(client)
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
    raise not_found(kind, ref, first_error) from first_error


def wrong_kind(kind: Kind, actual: Kind, ref: ArtifactRef) -> NotFound:
    """The refusal to remove something of another kind than was said (guide, G-3)."""
    return NotFound(
        f"there is no {kind.noun} {ref}: it is a {actual.noun}, and nothing was removed",
        hint=f"Type: ngc registry {actual.group} remove {ref}",
    )


def remove(client: ApiClient, kind: Kind, ref: ArtifactRef) -> None:
    """Remove an artifact with all versions, or one version."""
    kind.api(client).remove(ref)


def not_found(kind: Kind, ref: ArtifactRef, error: NotFound) -> NotFound:
    """The NotFound of a target in words, with the next command to type."""
    if ref.version:
        hint = f"'ngc registry {kind.group} list {ref.path}:*' lists the versions."
    else:
        scope = "/".join(part for part in (ref.org, ref.team) if part)
        hint = f"'ngc registry {kind.group} list {scope}/*' lists what there is."
    return NotFound.like(error, f"{kind.noun} {ref} was not found", hint=hint)


def is_pattern_of_artifacts(ref: ArtifactRef | None) -> bool:
    """Whether ``list`` shows artifacts, not versions: no target, or a pattern in the name."""
    return ref is None or has_wildcard(ref.path)
