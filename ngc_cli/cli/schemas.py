"""What ``--format_type json`` prints, as JSON Schemas (draft 2020-12): one for each command, made from the records.

Members may be added without a new ``VERSION``; one that goes away, or changes its meaning, makes a new one. A test
runs every example of the help pages and compares what it prints.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from ngc_cli.errors import UsageError
from ngc_cli.similar import did_you_mean

VERSION = "1"
"""Stands in the ``$id`` of every schema."""
Schema = dict[str, Any]
_BASE = "https://github.com/ngc-cli/ngc-cli/blob/main/docs/reference/schemas"
_PLAIN: Mapping[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}


def schema(words: str) -> Schema:
    """The schema of a command's result, by the words of the command; raises UsageError when it has none."""
    make = RESULTS.get(words)
    if make is None:
        hint = did_you_mean(words, RESULTS) or "'ngc schema' lists all."
        raise UsageError(f"there is no schema for '{words}'", hint=hint)
    name = words.replace(" ", "-")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{_BASE}/{name}.json?version={VERSION}",
        "title": f"ngc {words}" if words != "error" else "The last line of stderr when a command fails",
        **make(),
    }


def record(kind: Any) -> Schema:
    """The schema of a record as ``ngc_cli.records.as_json`` writes it: absent members are left out."""
    from ngc_cli.records import json_name

    hints = typing.get_type_hints(kind)
    members = {json_name(field): hints[field.name] for field in dataclasses.fields(kind)}
    always = [name for name, hint in members.items() if type(None) not in typing.get_args(hint)]
    found: Schema = {"type": "object", "properties": {name: _of_hint(hint) for name, hint in members.items()}}
    return {**found, "required": always} if always else found


def array(items: Schema) -> Schema:
    """A list of such values."""
    return {"type": "array", "items": items}


def members(optional: Mapping[str, Schema] | None = None, **required: Schema) -> Schema:
    """An object with these members."""
    return {"type": "object", "properties": {**required, **(optional or {})}, "required": [*required]}


def either(*choices: Schema) -> Schema:
    """One of these."""
    return {"anyOf": [*choices]}


def _each(*choices: Schema) -> Schema:
    """One of these, and for several targets a list of them."""
    return either(*choices, array(either(*choices)))


def _of_hint(hint: Any) -> Schema:
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        choices = [_of_hint(item) for item in typing.get_args(hint) if item is not type(None)]
        return choices[0] if len(choices) == 1 else either(*choices)
    if typing.get_origin(hint) in (tuple, list):
        return array(_of_hint(typing.get_args(hint)[0]))
    return record(hint) if dataclasses.is_dataclass(hint) else {"type": _PLAIN[hint]}


def _transfer(way: str) -> Schema:
    """A plan, or how an upload or download of a version ended."""
    done = members(
        {"version_status": TEXT},
        **{
            "transfer_id": TEXT,
            "target": TEXT,
            "status": {"enum": ["Completed", "Failed"]},
            "local_path": TEXT,
            f"files_{way}ed": COUNT,
            f"size_{way}ed": TEXT,
            f"{way}_start": TEXT,
            f"{way}_end": TEXT,
            f"{way}_time": TEXT,
            f"bytes_{way}ed": COUNT,
            "bytes_total": COUNT,
            "files_total": COUNT,
            "files_skipped": COUNT,
            "files_failed": array(members(path=TEXT, error=TEXT)),
            "speed_bytes_per_s": NUMBER,
        },
    )
    return either(done, members(transfer_size=COUNT, file_count=COUNT))


def _image_transfer() -> Schema:
    names = ("digest", "index_digest", "media_type", "platform", "output", "source", "run_command")
    sizes = ("bytes_downloaded", "bytes_uploaded", "bytes_missing")
    optional = {**dict.fromkeys(names, TEXT), **dict.fromkeys(sizes, COUNT)}
    return members(optional, image=TEXT, tag=TEXT, layers=COUNT, size_bytes=COUNT)


def _records() -> Any:
    """The module of records, imported when a schema is asked for."""
    from ngc_cli import records

    return records


def _version() -> Schema:
    """A version alone, or with its files."""
    alone = record(_records().ArtifactVersion)
    return either(alone, members(version=alone, file_list=array(record(_records().FileEntry))))


def _image() -> Schema:
    tag, manifest = record(_records().ImageTag), record(_records().ImageManifest)
    found = {**manifest["properties"], **tag["properties"]}
    found["architectureDetails"] = found.pop("architectureVariants")
    return {"type": "object", "properties": found, "required": ["name", "tag"]}


def _change() -> Schema:
    """What became of one person."""
    user = record(_records().User)
    invitation = either({"type": "null"}, members({"id": COUNT, "expires": TEXT}))
    result = {"enum": ["added", "updated", "invited", "unchanged"]}
    return members(
        {"team": TEXT}, result=result, org=TEXT, roles=array(TEXT), user=user, invitation=invitation
    )


def _rows() -> Schema:
    from ngc_cli.services.people.csv_import import RowResult

    return array(record(RowResult))


def _removed(item: Schema) -> Schema:
    return members(removed=array(item))


def _settings() -> Schema:
    return array({"type": "object", "additionalProperties": either(TEXT, FLAG), "required": ["key"]})


def _local() -> Schema:
    return members(url=TEXT, registry_host=TEXT, data_dir=TEXT, pid=COUNT, profile=TEXT, org=TEXT)


def _user() -> Schema:
    return members(user=record(_records().User))


Make = Callable[[], Schema]


def _artifact_commands(group: str) -> dict[str, Make]:
    artifact: Make = lambda: record(_records().Artifact)  # noqa: E731
    version: Make = lambda: record(_records().ArtifactVersion)  # noqa: E731
    return {
        f"{group} list": lambda: either(array(artifact()), array(version())),
        f"{group} info": lambda: _each(artifact(), _version()),
        f"{group} create": artifact,
        f"{group} update": lambda: either(artifact(), version()),
        f"{group} remove": lambda: _each(_removed(members(kind=TEXT, target=TEXT))),
        f"{group} upload-version": lambda: _transfer("upload"),
        f"{group} download-version": lambda: _each(_transfer("download")),
    }


def _people_commands(group: str) -> dict[str, Make]:
    person = {"id": COUNT, "team": TEXT}
    return {
        f"{group} list-users": lambda: array(either(record(_records().Invitation), record(_records().User))),
        f"{group} add-user": lambda: either(_change(), _rows()),
        f"{group} update-user": _change,
        f"{group} remove-user": lambda: _removed(members(person, kind=TEXT, email=TEXT, org=TEXT)),
        f"{group} delete-invitation": lambda: _removed(members(person, kind=TEXT, email=TEXT, org=TEXT)),
    }


RESULTS: Mapping[str, Make] = {
    "error": lambda: members(
        {"hint": TEXT, "context": TEXT, "request_id": TEXT}, error=TEXT, code=TEXT, exit_code=COUNT
    ),
    **_artifact_commands("registry model"),
    **_artifact_commands("registry model-script"),
    "registry image list": lambda: either(
        array(record(_records().ImageRepository)), array(record(_records().ImageTag))
    ),
    "registry image info": lambda: _each(_image(), record(_records().ImageRepository)),
    "registry image create": lambda: record(_records().ImageRepository),
    "registry image update": lambda: record(_records().ImageRepository),
    "registry image remove": lambda: _each(_removed(members(kind=TEXT, target=TEXT))),
    "registry image pull": _image_transfer,
    "registry image push": _image_transfer,
    "registry image run-line": lambda: members(
        run_command=TEXT, steps=array(members(command=array(TEXT), environment={"type": "object"}))
    ),
    "registry model check-store": lambda: members(
        ok=FLAG, models=array(TEXT), problems=array(members(path=TEXT, rule=TEXT, section=TEXT, hint=TEXT))
    ),
    "registry image set-latest": lambda: members(repository=TEXT, latestTag=TEXT),
    "registry image login": lambda: members({"config": TEXT, "helper": TEXT, "program": TEXT}, registry=TEXT),
    "registry image logout": lambda: members(registry=TEXT, config=TEXT),
    **_people_commands("org"),
    **_people_commands("team"),
    "org list": lambda: array(record(_records().Org)),
    "org info": lambda: record(_records().Org),
    "org add-team": lambda: record(_records().Team),
    "org update-team": lambda: record(_records().Team),
    "org remove-team": lambda: _removed(members(kind=TEXT, name=TEXT, org=TEXT)),
    "team list": lambda: array(record(_records().Team)),
    "team info": lambda: record(_records().Team),
    "user who": _user,
    "user info": lambda: either(_user(), members(invitation=record(_records().Invitation))),
    "user update": _user,
    "config set": _settings,
    "config current": _settings,
    "config list": lambda: array({"type": "object"}),
    "config use": lambda: members(profile=TEXT),
    "config get": lambda: members({"display_name": TEXT}, key=TEXT, value=TEXT, source=TEXT),
    "config unset": lambda: members(key=TEXT, profile=TEXT),
    "config path": lambda: members(path=TEXT),
    "config clear": lambda: either(members(profile=TEXT), _removed(TEXT)),
    "config clear-cache": lambda: _removed(TEXT),
    **{
        f"diag {form}": lambda: members({"server": array({"type": "object"})}, ok=FLAG)
        for form in ("all", "client", "install", "server", "user")
    },
    "local start": _local,
    "local status": lambda: either(
        members(**_local()["properties"], running=FLAG), members(running=FLAG, data_dir=TEXT)
    ),
    "local stop": lambda: members(stopped=FLAG),
    "local env": lambda: {"type": "object", "additionalProperties": TEXT},
    "local key create": lambda: members(email=TEXT, key=TEXT),
    "version": lambda: members(version=TEXT),
    "completion": lambda: members(shell=TEXT, files=array(TEXT)),
}
"""The results by the words of the command; ``error`` is what stderr ends with."""
