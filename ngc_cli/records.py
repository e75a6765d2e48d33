"""Frozen records of the nouns of the NGC API, shared by every layer. Leaf module.

A field's JSON name is its own name in camelCase unless ``_named`` gives another; ``as_json`` writes a record the
way ``--format_type json`` shows it. Absent values are None and are left out, never written as null.
Source of the names: docs/protocol/README.md. Times are the server's ISO 8601 UTC texts.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any


def _named(json_name: str, default: Any = None) -> Any:
    """A field whose JSON name is not its own name in camelCase."""
    return dataclasses.field(default=default, metadata={"json": json_name})


def json_name(field: dataclasses.Field[Any]) -> str:
    """The JSON member that holds this field."""
    explicit = field.metadata.get("json")
    if explicit:
        return str(explicit)
    head, *tail = field.name.split("_")
    return head + "".join(word.capitalize() for word in tail)


def as_json(value: Any) -> Any:
    """A record, or a list of records, as plain JSON values without absent members."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        pairs = ((json_name(field), getattr(value, field.name)) for field in dataclasses.fields(value))
        return {name: as_json(member) for name, member in pairs if member is not None}
    if isinstance(value, (list, tuple)):
        return [as_json(member) for member in value]
    return value


@dataclass(frozen=True)
class KeyValue:
    """One attribute of a metrics table, or one link (``key`` is the link type)."""

    key: str
    value: str


@dataclass(frozen=True)
class MetricsTable:
    """A custom metrics table of a model version: 1 to 12 attributes, order kept, keys may repeat."""

    name: str
    attributes: tuple[KeyValue, ...]


@dataclass(frozen=True)
class PublicDataset:
    """The public dataset a model was trained on."""

    name: str | None = None
    link: str | None = None
    license: str | None = None


@dataclass(frozen=True)
class Artifact:
    """A model or a model-script (also named resource), without its versions.

    ``description`` holds the overview text. ``framework`` is used by models, ``training_framework`` by
    model-scripts; ``bias`` to ``owner_name`` are a model's, ``advanced`` to ``setup`` a model-script's.
    """

    name: str
    org_name: str | None = None
    team_name: str | None = None
    display_name: str | None = None
    application: str | None = None
    framework: str | None = None
    training_framework: str | None = None
    model_format: str | None = None
    precision: str | None = None
    short_description: str | None = None
    description: str | None = None
    built_by: str | None = None
    publisher: str | None = None
    logo: str | None = None
    labels: tuple[str, ...] | None = None
    public_dataset_used: PublicDataset | None = None
    owner_name: str | None = None
    bias: str | None = None
    explainability: str | None = None
    privacy: str | None = None
    safety_and_security: str | None = None
    advanced: str | None = None
    performance: str | None = None
    quick_start_guide: str | None = None
    setup: str | None = None
    created_date: str | None = None
    updated_date: str | None = None
    is_public: bool | None = None
    is_read_only: bool | None = None
    can_guest_download: bool | None = None
    has_signed_version: bool | None = None
    access_type: str | None = None
    product_names: tuple[str, ...] | None = None
    policy_labels: tuple[str, ...] | None = None
    latest_version_id_str: str | None = None
    latest_version_size_in_bytes: int | None = None


@dataclass(frozen=True)
class ArtifactVersion:
    """One version of a model or model-script; ``accuracy_reached`` may be a word (docs/guide.md, G-14)."""

    version_id: str
    status: str | None = None
    description: str | None = None
    accuracy_reached: float | str | None = None
    batch_size: int | None = None
    number_of_epochs: int | None = None
    gpu_model: str | None = None
    memory_footprint: str | None = None
    owner_name: str | None = None
    custom_metrics: tuple[MetricsTable, ...] | None = None
    other_contents: tuple[KeyValue, ...] | None = None
    performance: str | None = None
    quick_start_guide: str | None = None
    release_notes: str | None = None
    setup: str | None = None
    created_by_user: str | None = None
    created_date: str | None = None
    updated_date: str | None = None
    total_file_count: int | None = None
    total_size_in_bytes: int | None = None
    storage_version: str | None = None
    is_signed: bool | None = None
    policy: tuple[str, ...] | None = None
    release_type: str | None = None


@dataclass(frozen=True)
class FileEntry:
    """A file of a version: relative ``/``-separated path, size, and the hex sha256 when the server tells it."""

    path: str
    size_bytes: int = _named("sizeInBytes", 0)
    sha256: str | None = None
    created_date: str | None = None


@dataclass(frozen=True)
class Org:
    """An organization; ``name`` is the unique one that paths use."""

    name: str
    id: int | None = None
    display_name: str | None = None
    description: str | None = None
    type: str | None = None
    nca_account_number: str | None = None
    billing_account_id: str | None = None


@dataclass(frozen=True)
class Team:
    """A team of an organization."""

    name: str
    id: int | None = None
    description: str | None = None
    is_deleted: bool | None = None


@dataclass(frozen=True)
class RoleGrant:
    """What a user may do in an org (``org_roles``) or in one of its teams (``team``, ``team_roles``)."""

    org: Org | None = None
    org_roles: tuple[str, ...] | None = None
    team: Team | None = None
    team_roles: tuple[str, ...] | None = None


@dataclass(frozen=True)
class User:
    """A person with an account."""

    id: int | None = None
    name: str | None = None
    email: str | None = None
    created_date: str | None = None
    first_login_date: str | None = None
    last_login_date: str | None = None
    idp_type: str | None = None
    starfleet_id: str | None = None
    is_active: bool | None = None
    roles: tuple[RoleGrant, ...] | None = None


@dataclass(frozen=True)
class Invitation:
    """A person invited to an org, or to a team of it when ``team_name`` is set, who has no key yet.

    The real service gives invitations no id: there ``id`` is the position in the list of all of them, from 1.
    """

    user_email: str
    id: int | None = None
    user_name: str | None = None
    user_roles: tuple[str, ...] | None = None
    org_name: str | None = None
    team_name: str | None = None
    created_date: str | None = None
    expiration_date: str | None = None


@dataclass(frozen=True)
class ArchitectureVariant:
    """One platform of an image tag; size is that of the compressed layers."""

    architecture: str | None = None
    os: str | None = None
    variant: str | None = None
    digest: str | None = None
    compressed_size: int | None = None
    created_date: str | None = None


@dataclass(frozen=True)
class ImageRepository:
    """A container image repository of the NGC registry."""

    name: str
    namespace: str | None = None
    display_name: str | None = None
    short_description: str | None = None
    description: str | None = None
    built_by: str | None = None
    publisher: str | None = None
    logo: str | None = None
    labels: tuple[str, ...] | None = None
    is_public: bool | None = None
    can_guest_pull: bool | None = None
    is_multinode_enabled: bool | None = None
    is_multi_architecture: bool | None = None
    latest_tag: str | None = None
    latest_image_size: int | None = None
    tags: tuple[str, ...] | None = None
    shared_with_orgs: tuple[str, ...] | None = None
    shared_with_teams: tuple[str, ...] | None = None
    has_signed_tag: bool | None = None
    access_type: str | None = None
    product_names: tuple[str, ...] | None = None
    policy_labels: tuple[str, ...] | None = None
    release_type: str | None = None
    created_date: str | None = None
    updated_date: str | None = None


@dataclass(frozen=True)
class ImageTag:
    """A tag of an image repository."""

    tag: str
    digest: str | None = None
    size: int | None = None
    description: str | None = None
    is_multi_architecture: bool | None = None
    is_signed: bool | None = None
    pushed_date: str | None = None
    updated_date: str | None = None
    user: str | None = None
    architecture_variants: tuple[ArchitectureVariant, ...] | None = None


@dataclass(frozen=True)
class BlobSum:
    """A layer of an image as the manifest view names it."""

    blob_sum: str


@dataclass(frozen=True)
class BuildStep:
    """A step of an image's build; ``v1_compatibility`` is a JSON text."""

    v1_compatibility: str = _named("v1Compatibility", "")


@dataclass(frozen=True)
class ImageManifest:
    """What the NGC API says of an image's content, in the shape of a Docker schema 1 manifest: newest layer first."""

    name: str | None = None
    tag: str | None = None
    schema_version: int | None = None
    architecture: str | None = None
    fs_layers: tuple[BlobSum, ...] | None = None
    history: tuple[BuildStep, ...] | None = None
