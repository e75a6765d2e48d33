"""Uploads: what is here already, parts, completion, and the commit that binds paths to contents.

Source: docs/protocol/transfers.md#upload. Our extensions: ``customPartSize`` is honoured, and the answer
to a start lists the ``receivedParts`` so that a client that comes back sends only what is missing.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, insert, literal, or_, select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from ngc_cli.file_names import name_fault
from ngc_cli.server import uploads
from ngc_cli.server.artifacts.queries import base64_sha256, find_artifact, find_version, permitted_artifact
from ngc_cli.server.artifacts.schema import KINDS, Kind
from ngc_cli.server.auth.roles import Action
from ngc_cli.server.clock import utc_now
from ngc_cli.server.config import COMMIT_LIMIT_BYTES
from ngc_cli.server.content.store import DigestMismatch, Part
from ngc_cli.server.endpoint import Call, StreamCall, route
from ngc_cli.server.metadata import (
    Artifact,
    Content,
    File,
    Org,
    Team,
    UploadSession,
    Version,
    chunked,
)
from ngc_cli.server.paging import Window
from ngc_cli.server.problems import conflict, not_found, unprocessable
from ngc_cli.server.routes.artifacts import MEMBER_PLACES, of_kind

# The part size of the service.
PART_BYTES = 500_000_000
# About what object stores take; smaller parts cost a request each.
_SMALLEST_PART_BYTES = 5_000_000
# What object stores take.
_MOST_PARTS = 10_000
# 1 TiB: a slip of a client may not reserve more.
_LARGEST_FILE_BYTES = 2**40
# What the columns hold; files of models are shorter by far.
_LONGEST_PATH = 1023
# Ten times what our client asks for at once.
_MOST_HASHES = 1000
# What the service takes in one commit.
_MOST_FILES = 4000
# An error names the first of many.
_LISTED_IN_MESSAGE = 5


def known_hashes(kind: Kind, call: Call) -> dict[str, Any]:
    """Which contents the artifact has already, in a version or uploaded to it.

    Only its own: knowing the hash of somebody else's file must not be a way to get the file.
    """
    artifact = permitted_artifact(kind, call)
    asked = [_sha256_of(item) for item in _objects(call.body, "files", _MOST_HASHES)]
    known = _contents_of(call.db, artifact, asked)
    files = []
    for sha256 in asked:
        entry: dict[str, Any] = {"sha256": base64_sha256(sha256), "exists": sha256 in known}
        if sha256 in known:
            entry["size"] = known[sha256]
        files.append(entry)
    return {"files": files, "paginationInfo": Window(0, max(1, len(files))).info(len(files))}


def _contents_of(db: Session, artifact: Artifact, digests: Sequence[str]) -> dict[str, int]:
    """Sizes of those of these contents that the artifact has, by hex sha256."""
    in_version = select(File.sha256).join(Version).where(Version.artifact_id == artifact.id)
    uploaded = select(UploadSession.content_sha256).where(UploadSession.artifact_id == artifact.id)
    found: dict[str, int] = {}
    for some in chunked(list(dict.fromkeys(digests))):
        rows = db.execute(
            select(Content.sha256, Content.size_bytes).where(
                Content.sha256.in_(some),
                or_(
                    Content.sha256.in_(in_version.where(File.sha256.in_(some))),
                    Content.sha256.in_(uploaded.where(UploadSession.content_sha256.in_(some))),
                ),
            )
        )
        found.update(row.tuple() for row in rows)
    return found


def start(call: Call) -> dict[str, Any]:
    """Start an upload, or go on with one: links for its parts, or for those asked for."""
    body = call.body
    artifact, version = _target(call.db, call.the_org, call.team, body)
    _require_pending(version)
    require_path(body.get("filePath"))
    sha256, size_bytes = _sha256_of(body), _file_size(body.get("size"))
    upload = _upload_to_resume(call.db, artifact, body, sha256, size_bytes)
    resumed = upload is not None
    if upload is None:
        part_size_bytes = _part_size(body.get("customPartSize"), size_bytes)
        upload = uploads.begin(
            call.db,
            UploadSession(
                artifact_id=artifact.id, sha256=sha256, size_bytes=size_bytes, part_size_bytes=part_size_bytes
            ),
        )
    upload.touched_at = utc_now()
    count = upload.part_count
    numbers = _part_numbers(body.get("partNumberList"), count) if resumed else range(1, count + 1)
    path = f"/links/parts/{upload.id}"
    return {
        "uploadID": upload.id,
        "partSize": upload.part_size_bytes,
        "urls": [call.link("PUT", f"{path}/{number}") for number in numbers],
        "receivedParts": _received(call.db, upload, count) if resumed else [],
    }


def _received(db: Session, upload: UploadSession, count: int) -> list[dict[str, int]]:
    """The parts that need not be sent again; all of them once the upload is complete."""
    if upload.content_sha256 is not None:
        return [{"partNumber": n, "size": upload.size_of_part(n)} for n in range(1, count + 1)]
    return [{"partNumber": part.number, "size": part.size_bytes} for part in uploads.parts_of(db, upload.id)]


def _upload_to_resume(
    db: Session, artifact: Artifact, body: Mapping[str, Any], sha256: str, size_bytes: int
) -> UploadSession | None:
    """The upload a body wants to go on with; None when it names none, or one that is not this file's."""
    upload_id = body.get("uploadID")
    upload = db.get(UploadSession, upload_id) if isinstance(upload_id, str) else None
    if upload is None or upload.artifact_id != artifact.id:
        return None
    return upload if (upload.sha256, upload.size_bytes) == (sha256, size_bytes) else None


def _part_size(asked: Any, size_bytes: int) -> int:
    """The part size that holds: what was asked for within the limits, and never more than 10,000 parts."""
    if asked is None:
        asked = PART_BYTES
    if isinstance(asked, bool) or not isinstance(asked, int):
        raise unprocessable("'customPartSize' is not a whole number")
    needed = -(-size_bytes // _MOST_PARTS)
    return max(_SMALLEST_PART_BYTES, needed, min(asked, PART_BYTES))


def _part_numbers(asked: Any, count: int) -> Sequence[int]:
    if asked is None:
        return range(1, count + 1)
    if not isinstance(asked, list) or len(asked) > count:
        raise unprocessable("'partNumberList' is not a list of part numbers")
    for number in asked:
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= count:
            raise unprocessable(f"'partNumberList' must hold numbers from 1 to {count}")
    return asked


async def complete(call: StreamCall) -> Response:
    """Put the parts together and keep the content. Once more is no error. Never answers 400.

    See docs/protocol/transfers.md#completion.
    """
    body = await call.json_body()
    return await run_in_threadpool(_complete, call, body)


def _complete(call: StreamCall, body: Mapping[str, Any]) -> Response:
    """Complete an upload; no transaction is open while its bytes are hashed, which may take minutes."""
    upload_id, sha256 = body.get("uploadID"), _sha256_of(body)
    if not isinstance(upload_id, str):
        raise unprocessable("'uploadID' is not a text")

    with call.registry.database.reading() as db:
        parts = _parts_to_assemble(db, _upload_of(db, call, body, upload_id), sha256)
    if parts is None:
        return call.success()
    try:
        uploads.finish_file(call.registry, upload_id, parts, sha256)
    except (DigestMismatch, FileNotFoundError) as error:
        uploads.restart(call.registry, upload_id)
        reason = str(error) if isinstance(error, DigestMismatch) else "parts have been lost"
        raise unprocessable(f"the file must be sent again: {reason}") from error
    return call.success()


def _upload_of(db: Session, call: StreamCall, body: Mapping[str, Any], upload_id: str) -> UploadSession:
    """The upload of this id, if it belongs to the artifact the body names in the place the path names."""
    upload = db.scalar(
        select(UploadSession)
        .join(Artifact)
        .where(
            UploadSession.id == upload_id,
            Artifact.org_id == call.the_org.id,
            Artifact.team_id == (call.team.id if call.team else None),
            Artifact.kind == str(body.get("artifactType")),
            Artifact.name == str(body.get("name")),
        )
    )
    if upload is None:
        raise not_found("there is no such upload")
    return upload


def _parts_to_assemble(db: Session, upload: UploadSession, sha256: str) -> list[Part] | None:
    """All parts of an upload in order, or None when it is complete; raises a 422 Problem when some are missing."""
    if upload.sha256 != sha256:
        raise unprocessable("'sha256' is not the one this upload was started with")
    if upload.content_sha256 is not None:
        return None
    parts = uploads.parts_of(db, upload.id)
    missing = set(range(1, upload.part_count + 1)) - {part.number for part in parts}
    if missing:
        listed = ", ".join(map(str, sorted(missing)[:_LISTED_IN_MESSAGE]))
        raise unprocessable(f"{len(missing)} parts have not arrived, the first are {listed}")
    return [part.stored for part in parts]


def commit(call: Call) -> dict[str, Any]:
    """Bind paths to contents in a version that is not complete; first, if asked, all files of a base version."""
    body = call.body
    artifact, version = _target(call.db, call.the_org, call.team, body, lock=True)
    _require_pending(version)
    base = body.get("baseVersion")
    if base is not None:
        _copy_files(call.db, artifact, str(base), version)
    added, removed = _changes(_objects(body, "files", _MOST_FILES))
    sizes = _contents_of(call.db, artifact, list(added.values()))
    missing = [path for path, sha256 in added.items() if sha256 not in sizes]
    if missing:
        listed = ", ".join(repr(path) for path in missing[:_LISTED_IN_MESSAGE])
        raise unprocessable(
            f"the contents of {len(missing)} files have not been uploaded, the first are {listed}"
        )
    for some in chunked([*added, *removed]):
        call.db.execute(delete(File).where(File.version_id == version.id, File.path.in_(some)))
    now = utc_now()
    rows = [
        {
            "version_id": version.id,
            "path": path,
            "sha256": sha256,
            "size_bytes": sizes[sha256],
            "created_at": now,
        }
        for path, sha256 in added.items()
    ]
    if rows:
        call.db.execute(insert(File), rows)
    counted = select(func.count(), func.coalesce(func.sum(File.size_bytes), 0))
    version.file_count, version.size_bytes = call.db.execute(
        counted.where(File.version_id == version.id)
    ).one()
    version.updated_at = now
    return {}


def _changes(entries: Iterable[Mapping[str, Any]]) -> tuple[dict[str, str], set[str]]:
    """Hex sha256 by path of what is to be added, and the paths to be removed; of one path the last entry counts."""
    added: dict[str, str] = {}
    removed: set[str] = set()
    for entry in entries:
        path = require_path(entry.get("filePath"))
        verb = entry.get("commitType", "ADDITION")
        if verb == "ADDITION":
            added[path] = _sha256_of(entry)
            removed.discard(path)
        elif verb == "DELETION":
            removed.add(path)
            added.pop(path, None)
        else:
            raise unprocessable("'commitType' must be ADDITION or DELETION")
    return added, removed


def _copy_files(db: Session, artifact: Artifact, base_name: str, version: Version) -> None:
    base = find_version(db, artifact, base_name)
    if base is None:
        raise not_found(f"base version '{base_name}' not found")
    if not base.is_complete:
        raise conflict(f"base version '{base_name}' is not complete")
    there = select(File.path).where(File.version_id == version.id)
    source = select(literal(version.id), File.path, File.sha256, File.size_bytes, File.created_at).where(
        File.version_id == base.id, File.path.not_in(there)
    )
    columns = ["version_id", "path", "sha256", "size_bytes", "created_at"]
    db.execute(insert(File).from_select(columns, source, include_defaults=False))


def _target(
    db: Session, org: Org, team: Team | None, body: Mapping[str, Any], *, lock: bool = False
) -> tuple[Artifact, Version]:
    """The artifact and version a body names; raises a 404 or 422 Problem."""
    kind = KINDS.get(str(body.get("artifactType")))
    name, version_name = body.get("name"), body.get("version")
    if kind is None:
        raise unprocessable(f"'artifactType' must be one of {', '.join(KINDS)}")
    if not isinstance(name, str) or not isinstance(version_name, str):
        raise unprocessable("'name' and 'version' must be texts")
    artifact = find_artifact(db, kind, org, team, name)
    if artifact is None:
        raise not_found(f"{kind.noun} '{name}' not found")
    version = find_version(db, artifact, version_name, lock=lock)
    if version is None:
        raise not_found(f"version '{version_name}' of {kind.noun} '{name}' not found")
    return artifact, version


def _require_pending(version: Version) -> None:
    if version.is_complete:
        raise conflict(f"version '{version.name}' is complete and takes no more files")


def require_path(value: Any) -> str:
    """A path that every client can write below a folder (``ngc_cli.file_names``); raises a 422 Problem."""
    if not isinstance(value, str) or not 1 <= len(value) <= _LONGEST_PATH:
        raise unprocessable(f"'filePath' must be a text of 1 to {_LONGEST_PATH} characters")
    if fault := name_fault(value):
        raise unprocessable(f"the file name '{value}' {fault}")
    return value


def _file_size(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST_FILE_BYTES:
        raise unprocessable(f"'size' is not a whole number from 0 to {_LARGEST_FILE_BYTES}")
    return value


def _sha256_of(entry: Mapping[str, Any]) -> str:
    """The hex form of the padded standard base64 in ``sha256``; raises a 422 Problem."""
    try:
        raw = base64.b64decode(entry["sha256"], validate=True)
    except (KeyError, TypeError, ValueError):
        raw = b""
    if len(raw) != 32:
        raise unprocessable("'sha256' is not the base64 of a sha256")
    return raw.hex()


def _objects(body: Mapping[str, Any], member: str, most: int) -> list[dict[str, Any]]:
    """A list of at most so many objects; raises a 422 Problem."""
    entries = body.get(member)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise unprocessable(f"'{member}' is not a list of objects")
    if len(entries) > most:
        raise unprocessable(f"'{member}' has more than {most} entries")
    return entries


ROUTES = [
    *(
        route(
            f"{place}{kind.segment}/{{name}}/files",
            ["POST"],
            of_kind(known_hashes, kind),
            action=Action.UPLOAD,
        )
        for kind in KINDS.values()
        for place in MEMBER_PLACES
    ),
    *(
        made
        for place in MEMBER_PLACES
        for made in (
            route(f"{place}files/multipart", ["POST"], start, action=Action.UPLOAD),
            route(f"{place}files/multipart", ["PUT"], complete, action=Action.UPLOAD),
            route(
                f"{place}files/commit",
                ["POST"],
                commit,
                action=Action.UPLOAD,
                body_limit_bytes=COMMIT_LIMIT_BYTES,
            ),
        )
    ),
]
