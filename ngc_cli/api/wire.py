"""JSON of the NGC API to records and back: the only client module that knows the wire's member names.

The rules of docs/protocol/conventions.md#json-values: unknown members are dropped, null is absent, a
number in a text member becomes text, a numeric text in a number member is parsed. Anything else that does not fit
is a ServerError, so that nothing of a wrong shape gets further.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from ngc_cli.api.kinds import MODEL_SCRIPT, ArtifactKind
from ngc_cli.errors import ServerError
from ngc_cli.records import Artifact, ArtifactVersion, FileEntry, ImageRepository, as_json, json_name

Record = TypeVar("Record")


def decode(cls: type[Record], value: Any) -> Record:
    """The record of a JSON object; raises ServerError when the object does not fit."""
    if not isinstance(value, dict):
        raise ServerError(f"the server sent no object where {cls.__name__} was expected")
    members = {}
    for name, member, hint in _plan(typing.cast(type, cls)):
        raw = value.get(member)
        if raw is not None:
            members[name] = _convert(hint, raw, member)
    try:
        return cls(**members)
    except TypeError as error:
        raise ServerError(f"the server sent an incomplete {cls.__name__}") from error


def decode_list(cls: type[Record], value: Any) -> list[Record]:
    """The records of a JSON array; an absent array is an empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise ServerError(f"the server sent no list where {cls.__name__} records were expected")
    return [decode(cls, item) for item in value]


def artifact(value: Any) -> Artifact:
    """An artifact of an info answer; labels that carry the release type are left out.

    See docs/protocol/artifacts.md#models.
    """
    found = decode(Artifact, value)
    if found.labels is None:
        return found
    labels = tuple(label for label in found.labels if not label.startswith("release_type:"))
    return dataclasses.replace(found, labels=labels)


def artifact_version(value: Any) -> ArtifactVersion:
    """A version; the deprecated numeric ``id`` stands in for an absent ``versionId``."""
    if isinstance(value, dict) and "versionId" not in value and "id" in value:
        value = {**value, "versionId": value["id"]}
    return decode(ArtifactVersion, value)


def search_hits(answer: Mapping[str, Any], search_type: str) -> list[dict[str, Any]]:
    """The resource objects of a search answer that are of this type."""
    return [
        item
        for group in _list(answer.get("results"))
        if isinstance(group, dict) and group.get("groupValue") == search_type
        for item in _list(group.get("resources"))
        if isinstance(item, dict)
    ]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def hit_path(hit: Mapping[str, Any]) -> str:
    """``org/[team/]name`` of a search hit."""
    return "/".join(str(part) for name in ("orgName", "teamName", "name") if (part := hit.get(name)))


def found_artifact(hit: Mapping[str, Any], kind: ArtifactKind) -> Artifact:
    """The artifact of a search hit."""
    attributes = _attributes(hit)
    value = {
        **attributes,
        **_common(hit),
        "orgName": hit.get("orgName"),
        "teamName": hit.get("teamName"),
        "canGuestDownload": hit.get("guestAccess"),
        "modelFormat": attributes.get("format"),
    }
    if kind is MODEL_SCRIPT:
        value["trainingFramework"] = value.pop("framework", None)
    return decode(Artifact, value)


def found_image(hit: Mapping[str, Any]) -> ImageRepository:
    """The image repository of a search hit (docs/protocol/artifacts.md#search)."""
    attributes = _attributes(hit)
    value = {
        **attributes,
        **_common(hit),
        "namespace": hit_path(hit).rpartition("/")[0],
        "canGuestPull": hit.get("guestAccess"),
        "latestImageSize": attributes.get("size"),
        "sharedWithOrgs": hit.get("sharedWithOrgs"),
        "sharedWithTeams": hit.get("sharedWithTeams"),
    }
    return decode(ImageRepository, value)


def _attributes(hit: Mapping[str, Any]) -> dict[str, Any]:
    return {
        item["key"]: item.get("value")
        for item in _list(hit.get("attributes"))
        if isinstance(item, dict) and isinstance(item.get("key"), str)
    }


def _common(hit: Mapping[str, Any]) -> dict[str, Any]:
    """Members of a hit that every kind has, under the names of the records."""
    groups = hit.get("labels")
    labels = [
        label for group in _list(groups) if isinstance(group, dict) for label in _list(group.get("values"))
    ]
    return {
        "name": hit.get("name"),
        "displayName": hit.get("displayName"),
        "isPublic": hit.get("isPublic"),
        "shortDescription": hit.get("description"),
        "createdDate": hit.get("dateCreated"),
        "updatedDate": hit.get("dateModified"),
        "labels": labels if isinstance(groups, list) else None,
    }


def file_entry(value: Any) -> FileEntry:
    """A file of a version; its digest comes as padded standard base64."""
    entry = decode(FileEntry, value)
    return dataclasses.replace(entry, sha256=hex_digest(value.get("sha256_base64")))


def hex_digest(encoded: Any) -> str | None:
    """The hex form of a base64 sha256, or None when there is none; ServerError when it is not a sha256."""
    if encoded is None:
        return None
    try:
        raw = base64.b64decode(str(encoded), validate=True)
    except ValueError as error:
        raise ServerError("the server sent a digest that is not base64") from error
    if len(raw) != 32:
        raise ServerError("the server sent a digest that is not a sha256")
    return raw.hex()


def base64_digest(hex_digest: str) -> str:
    """The base64 form of a hex sha256, as the wire wants it."""
    return base64.b64encode(bytes.fromhex(hex_digest)).decode()


def encode(
    record: Any, *, rename: Mapping[str, str] | None = None, drop: Iterable[str] = ()
) -> dict[str, Any]:
    """The JSON object to send for a record: absent members left out, some renamed or dropped."""
    rename, dropped = rename or {}, frozenset(drop)
    return {rename.get(name, name): value for name, value in as_json(record).items() if name not in dropped}


def encode_artifact(record: Artifact, *, create: bool) -> dict[str, Any]:
    """Body of a create or update: labels go as ``labelsV2``, the dataset is always present.

    See docs/protocol/artifacts.md.
    """
    body = encode(record, rename={"labels": "labelsV2"}, drop=() if create else ("name",))
    body.setdefault("publicDatasetUsed", {})
    if create:
        body.setdefault("labelsV2", [])
    return body


@functools.cache
def _plan(cls: type) -> tuple[tuple[str, str, Any], ...]:
    """Field name, member name and type of each field of a record class."""
    hints = typing.get_type_hints(cls)
    fields: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(cls)
    return tuple((field.name, json_name(field), hints[field.name]) for field in fields)


def _convert(hint: Any, value: Any, member: str) -> Any:
    """The value as the field's type, by the rules above."""
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    for option in options:
        if option is type(None):
            continue
        converted = _convert_one(option, value)
        if converted is not None:
            return converted
    raise ServerError(f"the server sent a wrong value for '{member}'")


def _convert_one(kind: Any, value: Any) -> Any:
    """The value as this type, or None when it does not fit."""
    if typing.get_origin(kind) is tuple:
        inner = typing.get_args(kind)[0]
        if not isinstance(value, list):
            return None
        return tuple(_convert(inner, item, "an item of a list") for item in value)
    if dataclasses.is_dataclass(kind):
        return decode(typing.cast(type, kind), value) if isinstance(value, dict) else None
    if kind is bool:
        return value if isinstance(value, bool) else {"true": True, "false": False}.get(str(value).lower())
    if kind in (int, float):
        try:
            number = kind(value)
        except (TypeError, ValueError, OverflowError):  # infinity is no integer
            return None
        return None if isinstance(value, bool) or (kind is int and isinstance(value, float)) else number
    if kind is str and isinstance(value, (str, int, float)):
        return str(value)
    return None
