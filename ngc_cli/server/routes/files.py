"""Files of versions: lists, signed links, the bytes behind them, and the older addresses that wget users know.

Source: docs/protocol/conventions.md and docs/protocol/transfers.md.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from typing import IO, Any, cast

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import RedirectResponse, Response, StreamingResponse

from ngc_cli.server.artifacts.queries import (
    artifact_object,
    base64_sha256,
    file_object,
    latest_versions,
    permitted_version,
    version_object,
)
from ngc_cli.server.artifacts.schema import KINDS, RESOURCE, Kind
from ngc_cli.server.auth.roles import Action
from ngc_cli.server.content.serve import serve_content
from ngc_cli.server.content.store import CHUNK_BYTES, ContentStore
from ngc_cli.server.endpoint import ActionRoute, Call, route
from ngc_cli.server.metadata import File, Version
from ngc_cli.server.paging import PAGE_SIZE_MAX, Window
from ngc_cli.server.problems import not_found
from ngc_cli.server.routes.artifacts import MEMBER_PLACES, KindEndpoint, guest_places, of_kind
from ngc_cli.server.routes.links import attachment


def list_files(kind: Kind, call: Call) -> dict[str, Any]:
    """Path, size and sha256 of the files, a page at a time."""
    version = permitted_version(kind, call)
    window = Window.asked_for(call.query, PAGE_SIZE_MAX)
    artifact = version.artifact
    latest = latest_versions(call.db, [artifact.id]).get(artifact.id)
    return {
        kind.one: artifact_object(kind, artifact, latest),
        kind.version: version_object(version),
        kind.files: [file_object(file) for file in _page(call.db, version, window)],
        "paginationInfo": window.info(version.file_count),
    }


def file_links(kind: Kind, call: Call) -> dict[str, Any] | Response:
    """Signed links to the files: of one with ``?path=``, else a page of all.

    With ``&redirect=true`` the answer is the file itself, or where links have an origin of their own a redirect
    there: a client that follows a redirect on one origin repeats its Authorization, which a signed link refuses.
    """
    version = permitted_version(kind, call)
    wanted = call.query.get("path")
    if wanted is None:
        window = Window.asked_for(call.query, PAGE_SIZE_MAX)
        files, total = _page(call.db, version, window), version.file_count
    else:
        window, files, total = Window(0, PAGE_SIZE_MAX), [_file(call.db, version, wanted)], 1
        if call.query.get("redirect", "").lower() == "true":
            return _file_itself(call, files[0])
    urls = [call.link("GET", f"/links/content/{file.sha256}") for file in files]
    return {
        "urls": urls,
        "filepath": [file.path for file in files],
        "sha256_base64": [base64_sha256(file.sha256) for file in files],
        "paginationInfo": window.info(total),
    }


def one_file(kind: Kind, call: Call) -> Response:
    """A file by its path, the way of 2020."""
    return _file_itself(call, _file(call.db, permitted_version(kind, call), call.path["path"]))


def _file_itself(call: Call, file: File) -> Response:
    path = f"/links/content/{file.sha256}"
    if call.registry.config.files_url:
        return RedirectResponse(call.link("GET", path), status_code=302)
    return serve_content(
        call.registry.contents, call.request, file.sha256, more_headers=attachment(file.path)
    )


def all_files(kind: Kind, call: Call) -> Response:
    """All files of a version in one zip, the way of 2020; made while it is sent."""
    version = permitted_version(kind, call)
    files = list(call.db.scalars(select(File).where(File.version_id == version.id).order_by(File.path)))
    headers = attachment(f"{version.artifact.name}_v{version.name}.zip")
    return StreamingResponse(zip_stream(call.registry.contents, files), 200, headers, "application/zip")


def zip_stream(store: ContentStore, files: Sequence[File]) -> Iterator[bytes]:
    """The bytes of a zip of these files, not compressed, in bounded memory."""
    sink = _Sink()
    with zipfile.ZipFile(cast(IO[bytes], sink), "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            entry = zipfile.ZipInfo(file.path, file.created_at.timetuple()[:6])
            entry.external_attr = 0o100644 << 16
            entry.file_size = file.size_bytes
            reader = store.open_range(file.sha256, 0, file.size_bytes)
            try:
                with archive.open(entry, "w") as target:
                    while chunk := reader.read(CHUNK_BYTES):
                        target.write(chunk)
                        yield sink.drain()
            finally:
                reader.close()
    yield sink.drain()


class _Sink:
    """What zipfile writes to: no seeking, and what was written is taken away piece by piece."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Nothing is held back."""

    def drain(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def _page(db: Session, version: Version, window: Window) -> list[File]:
    query = select(File).where(File.version_id == version.id).order_by(File.path)
    return list(db.scalars(query.offset(window.offset).limit(window.size)))


def _file(db: Session, version: Version, path: str) -> File:
    found = db.scalar(select(File).where(File.version_id == version.id, File.path == path))
    if found is None:
        raise not_found(f"version '{version.name}' has no file '{path}'")
    return found


def _kind_routes(kind: Kind) -> list[ActionRoute]:
    """The routes of one kind; its resources also under the name of 2020, for the older addresses."""
    segment = kind.segment
    members = [f"{place}{segment}/" for place in MEMBER_PLACES]
    old_segments = (segment, "recipes") if kind is RESOURCE else (segment,)
    old_places = members + [place for old in old_segments for place in guest_places(old)]
    link_places = [
        *members,
        *(f"/v2/{old}/org/{place}/" for old in old_segments for place in ("{org}/team/{team}", "{org}")),
    ]
    table: list[tuple[list[str], str, KindEndpoint, Action]] = [
        (link_places, "{name}/{version}/files", file_links, Action.DOWNLOAD),
        (members + list(guest_places(segment)), "{name}/versions/{version}/files", list_files, Action.VIEW),
        (old_places, "{name}/versions/{version}/files/{path:path}", one_file, Action.DOWNLOAD),
        (old_places, "{name}/versions/{version}/zip", all_files, Action.DOWNLOAD),
    ]
    return [
        route(place + path, ["GET"], of_kind(endpoint, kind), action=action)
        for places, path, endpoint, action in table
        for place in places
    ]


ROUTES = [item for kind in KINDS.values() for item in _kind_routes(kind)]
