"""Endpoints of models and model-scripts: the artifacts, their versions, files, uploads and the search.

Source: docs/protocol/conventions.md, docs/protocol/artifacts.md and docs/protocol/transfers.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ngc_cli.api.client import LIST_MAX_BYTES, SLOW_CALL_S, ApiClient, org_segments, path_of, scope_of
from ngc_cli.api.kinds import ArtifactKind
from ngc_cli.api.search import search
from ngc_cli.api.wire import (
    artifact,
    artifact_version,
    base64_digest,
    encode,
    encode_artifact,
    file_entry,
    found_artifact,
    hex_digest,
)
from ngc_cli.errors import NotFound, ServerError
from ngc_cli.records import Artifact, ArtifactVersion, FileEntry
from ngc_cli.refs import ArtifactRef

# What the service takes in one request (docs/protocol/transfers.md).
_HASHES_PER_CALL = 100
_FILES_PER_COMMIT = 4000
# The part size of the service, whatever is asked for (docs/protocol/transfers.md).
SERVICE_PART_BYTES = 500_000_000


@dataclass(frozen=True)
class FileUrl:
    """A link to the bytes of one file; it needs no credentials and expires."""

    path: str
    url: str


@dataclass(frozen=True)
class PartUpload:
    """A started multipart upload: the part size that holds, links by part number counted from 1, and the sizes
    of the parts that the server says it has already (an extension of our registry)."""

    upload_id: str
    part_size_bytes: int
    urls: dict[int, str]
    received: dict[int, int]


class ArtifactApi:
    """The endpoints of one kind of artifact."""

    def __init__(self, client: ApiClient, kind: ArtifactKind) -> None:
        self._client = client
        self._kind = kind

    # artifacts

    def get(self, ref: ArtifactRef) -> Artifact:
        """The artifact itself; raises NotFound."""
        answer = self._client.call(
            "GET",
            self._client.path(self._kind.segment, ref),
            params={"resolve-labels": "false"},
            scope=scope_of(ref),
        )
        return artifact(answer.get(self._kind.member))

    def create(self, ref: ArtifactRef, record: Artifact) -> Artifact:
        """Create an artifact; raises AlreadyExists."""
        self._client.require_key(f"create a {self._kind.noun}")
        path = path_of(*org_segments(ref.org, ref.team), self._kind.segment)
        body = encode_artifact(record, create=True)
        answer = self._client.call("POST", path, body=body, scope=scope_of(ref), timeout_s=SLOW_CALL_S)
        return artifact(answer.get(self._kind.member))

    def update(self, ref: ArtifactRef, record: Artifact) -> Artifact:
        """Change the given members of an artifact; ``labels`` is the whole new list."""
        self._client.require_key(f"update a {self._kind.noun}")
        body = encode_artifact(record, create=False)
        answer = self._client.call(
            "PATCH", self._client.path(self._kind.segment, ref), body=body, scope=scope_of(ref), retry=True
        )
        return artifact(answer.get(self._kind.member))

    def remove(self, ref: ArtifactRef) -> None:
        """Remove an artifact with all versions, or the one version named."""
        self._client.require_key(f"remove a {self._kind.noun}")
        path = (
            self._client.path(self._kind.segment, ref, "versions", ref.version)
            if ref.version
            else self._client.path(self._kind.segment, ref)
        )
        self._client.call("DELETE", path, scope=scope_of(ref), timeout_s=SLOW_CALL_S)

    def search(
        self, pattern: str, org: str, team: str, filters: Sequence[tuple[str, str | bool]] = ()
    ) -> Iterator[Artifact]:
        """Artifacts whose ``org/[team/]name`` matches the pattern; pages are fetched when they are asked for."""
        for hit in search(self._client, self._kind.search_type, pattern, org, team, filters):
            yield found_artifact(hit, self._kind)

    # versions

    def versions(self, ref: ArtifactRef) -> Iterator[ArtifactVersion]:
        """All versions, the highest first."""
        path = self._client.path(self._kind.segment, ref, "versions")
        for page in self._client.pages(path, params={"sort-order": "SEMVER_DESC"}, scope=scope_of(ref)):
            for item in page.get(self._kind.versions_member) or []:
                yield artifact_version(item)

    def version(self, ref: ArtifactRef) -> ArtifactVersion:
        """One version; raises NotFound."""
        answer = self._client.call(
            "GET", self._client.path(self._kind.segment, ref, "versions", ref.version), scope=scope_of(ref)
        )
        return artifact_version(answer.get(self._kind.version_member))

    def create_version(self, ref: ArtifactRef, record: ArtifactVersion) -> ArtifactVersion:
        """Create an empty version that waits for its files; raises AlreadyExists."""
        self._client.require_key(f"upload a {self._kind.noun}")
        answer = self._client.call(
            "POST",
            self._client.path(self._kind.segment, ref, "versions"),
            body=encode(record),
            scope=scope_of(ref),
        )
        return artifact_version(answer.get(self._kind.version_member))

    def update_version(
        self, ref: ArtifactRef, record: ArtifactVersion, *, set_latest: bool = False, retry: bool = True
    ) -> ArtifactVersion:
        """Change the given members of a version; ``retry`` as in ``Http.send``."""
        self._client.require_key(f"update a {self._kind.noun}")
        self._client.call(
            "PATCH",
            self._client.path(self._kind.segment, ref, "versions", ref.version),
            params={"set-latest": "true"} if set_latest else None,
            body=encode(record, drop=("versionId",)),
            scope=scope_of(ref),
            retry=retry,
        )
        return self.version(ref)

    # files

    def files(self, ref: ArtifactRef) -> Iterator[FileEntry]:
        """Every file of a version."""
        for page in self._client.pages(
            self._client.path(self._kind.segment, ref, "versions", ref.version, "files"), scope=scope_of(ref)
        ):
            for item in page.get(self._kind.files_member) or []:
                yield file_entry(item)

    def file_urls(self, ref: ArtifactRef) -> Iterator[FileUrl]:
        """Links to the files of a version, a page at a time.

        See docs/protocol/conventions.md#paging and docs/protocol/transfers.md#links.
        """
        path = self._urls_path(ref)
        page = 0
        while True:
            params = {"page-number": page} if page else None
            answer = self._client.call("GET", path, params=params, limit_bytes=LIST_MAX_BYTES)
            urls, paths = answer.get("urls") or [], answer.get("filepath") or []
            if len(urls) != len(paths):
                raise ServerError("the server sent links that do not match their files")
            yield from (FileUrl(str(name), str(url)) for name, url in zip(paths, urls, strict=True))
            page += 1
            info = answer.get("paginationInfo") or {}
            if not paths or page * int(info.get("size") or 0) >= int(info.get("totalResults") or 0):
                return

    def file_url(self, ref: ArtifactRef, path: str) -> str:
        """A link to one file."""
        answer = self._client.call("GET", self._urls_path(ref), params={"path": path})
        urls = answer.get("urls")
        if not isinstance(urls, list) or not urls:
            raise NotFound(f"the server gives no link for '{path}' of {ref}")
        return str(urls[0])

    # uploads

    def known_hashes(self, ref: ArtifactRef, digests: Iterable[str]) -> set[str]:
        """Which of these hex sha256 the server holds already."""
        wanted = sorted(set(digests))
        known: set[str] = set()
        for start in range(0, len(wanted), _HASHES_PER_CALL):
            batch = [{"sha256": base64_digest(item)} for item in wanted[start : start + _HASHES_PER_CALL]]
            answer = self._client.call(
                "POST",
                self._client.path(self._kind.segment, ref, "files"),
                params={"page-size": _HASHES_PER_CALL},
                body={"files": batch},
                scope=scope_of(ref),
                retry=True,
            )
            known |= {
                hex_digest(item.get("sha256")) or ""
                for item in answer.get("files") or []
                if isinstance(item, dict) and item.get("exists") is True
            }
        return known

    def start_upload(
        self,
        ref: ArtifactRef,
        path: str,
        size_bytes: int,
        sha256: str,
        *,
        part_size_bytes: int,
        upload_id: str = "",
        part_numbers: Sequence[int] = (),
    ) -> PartUpload:
        """Start the upload of one file, or with an id go on with the given parts of it
        (docs/protocol/transfers.md#start).

        The server may not grant the asked part size: the number of links tells which size holds. Raises
        ServerError for an answer that cannot be followed.
        """
        body: dict[str, Any] = {
            **self._upload_body(ref, path, sha256),
            "size": size_bytes,
            "customPartSize": part_size_bytes,
        }
        if upload_id:
            body |= {"uploadID": upload_id, "partNumberList": list(part_numbers)}
        answer = self._client.call(
            "POST",
            self._files_path(ref, "multipart"),
            body=body,
            scope=scope_of(ref),
            retry=True,
            limit_bytes=LIST_MAX_BYTES,
        )
        urls = answer.get("urls")
        given_id = str(answer.get("uploadID") or "")
        if not isinstance(urls, list) or not given_id:
            raise ServerError(f"the server did not say where to send '{path}'")
        resumed = given_id == upload_id and len(urls) == len(part_numbers)
        numbers = part_numbers if resumed else range(1, len(urls) + 1)
        if not resumed and len(urls) != _part_count(size_bytes, part_size_bytes):
            part_size_bytes = SERVICE_PART_BYTES
            if len(urls) != _part_count(size_bytes, part_size_bytes):
                raise ServerError(f"the server gave {len(urls)} links for '{path}', which fits no part size")
        received = {
            int(item["partNumber"]): int(item["size"])
            for item in answer.get("receivedParts") or []
            if isinstance(item, dict) and "partNumber" in item and "size" in item
        }
        return PartUpload(
            given_id, part_size_bytes, {n: str(url) for n, url in zip(numbers, urls, strict=True)}, received
        )

    def complete_upload(self, ref: ArtifactRef, path: str, sha256: str, upload_id: str) -> None:
        """Tell that all parts are sent. 400 means that it was complete before.

        See docs/protocol/transfers.md#completion.
        """
        body = {**self._upload_body(ref, path, sha256), "uploadID": upload_id}
        self._client.call(
            "PUT",
            self._files_path(ref, "multipart"),
            body=body,
            scope=scope_of(ref),
            expect=(400,),
            timeout_s=SLOW_CALL_S,
        )

    def commit(self, ref: ArtifactRef, files: Sequence[tuple[str, str]], *, base_version: str = "") -> None:
        """Bind paths to contents, ``files`` being pairs of path and hex sha256."""
        if base_version:
            self._commit_call(ref, [], base_version)
        for start in range(0, len(files), _FILES_PER_COMMIT):
            self._commit_call(ref, files[start : start + _FILES_PER_COMMIT], None)

    def _commit_call(
        self, ref: ArtifactRef, files: Sequence[tuple[str, str]], base_version: str | None
    ) -> None:
        body = {
            "name": ref.name,
            "artifactType": self._kind.segment,
            "version": ref.version,
            "baseVersion": base_version,
            "files": [
                {"commitType": "ADDITION", "filePath": path, "sha256": base64_digest(digest)}
                for path, digest in files
            ],
        }
        self._client.call(
            "POST",
            self._files_path(ref, "commit"),
            params={"upload-pending": "True"},
            body=body,
            retry=True,
            timeout_s=SLOW_CALL_S,
        )

    # paths

    def _upload_body(self, ref: ArtifactRef, path: str, sha256: str) -> dict[str, Any]:
        return {
            "name": ref.name,
            "version": ref.version,
            "artifactType": self._kind.segment,
            "filePath": path,
            "sha256": base64_digest(sha256),
        }

    def _urls_path(self, ref: ArtifactRef) -> str:
        """Path of the link list: no ``versions`` segment, and for guests with ``org`` and ``team`` words."""
        org = org_segments(ref.org, ref.team)
        if self._client.credentials.is_guest:
            return path_of("v2", self._kind.segment, *org[1:], ref.name, ref.version, "files")
        return path_of(*org, self._kind.segment, ref.name, ref.version, "files")

    def _files_path(self, ref: ArtifactRef, verb: str) -> str:
        return path_of(*org_segments(ref.org, ref.team), "files", verb)


def _part_count(size_bytes: int, part_size_bytes: int) -> int:
    return max(1, -(-size_bytes // part_size_bytes))
