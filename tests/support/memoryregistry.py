"""A registry in memory that does what the distribution specification says, for the client's tests."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from support.tokenproxy import Reply, TokenProxy, serving

from ngc_cli.oci.descriptor import digest_of


@dataclass
class MemoryRegistry:
    """Repositories by path. ``knows_referrers`` and ``min_chunk`` are what registries differ in."""

    blobs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, str], tuple[bytes, str]] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    knows_referrers: bool = True
    min_chunk: int = 0
    page: int = 1000
    warning: str = ""
    digest_header: bool = True

    def tag(self, path: str, tag: str, digest: str) -> None:
        """Point a tag at a manifest that is there."""
        self.manifests[path, tag] = self.manifests[path, digest]

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: Iterator[bytes]) -> Reply:
        """One request."""
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        match = re.fullmatch(r"/v2/(?:(.+)/(blobs|manifests|tags|referrers)/(.*))?", parts.path)
        if match is None:
            return _error(404, "NAME_UNKNOWN")
        if match[1] is None:
            return _reply(200, b"{}")
        name, kind, rest = match[1], match[2], match[3]
        if kind == "tags":
            return self._tags(name, query)
        if kind == "referrers":
            return self._referrers(name, rest)
        if kind == "manifests":
            return self._manifest(method, name, rest, headers, b"".join(body))
        if rest.startswith("uploads/"):
            return self._upload(method, name, rest.removeprefix("uploads/"), query, headers, body)
        content = self.blobs.get((name, rest))
        if content is None:
            return _error(404, "BLOB_UNKNOWN")
        return _ranged(content, next((v for k, v in headers.items() if k.lower() == "range"), ""))

    def _manifest(
        self, method: str, name: str, reference: str, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        if method == "PUT":
            digest = digest_of(body)
            value = json.loads(body)
            for child in [*value.get("layers", []), *([value["config"]] if "config" in value else [])]:
                if (name, child["digest"]) not in self.blobs:
                    return _error(400, "MANIFEST_BLOB_UNKNOWN")
            self.manifests[name, digest] = self.manifests[name, reference] = (body, headers["Content-Type"])
            return _reply(
                201, b"", {"Location": f"/v2/{name}/manifests/{digest}", "Docker-Content-Digest": digest}
            )
        found = self.manifests.get((name, reference))
        if found is None:
            return _error(404, "MANIFEST_UNKNOWN")
        told = {"Docker-Content-Digest": digest_of(found[0])} if self.digest_header else {}
        if self.warning:
            told["Warning"] = f'299 - "{self.warning}"'
        return _reply(200, found[0], {"Content-Type": found[1], **told})

    def _upload(
        self,
        method: str,
        name: str,
        upload_id: str,
        query: dict[str, str],
        headers: Mapping[str, str],
        body: Any,
    ) -> Reply:
        if method == "POST":
            source = self.blobs.get((query.get("from", ""), query.get("mount", "")))
            if source is not None:
                self.blobs[name, query["mount"]] = source
                return _reply(201, b"", {"Location": f"/v2/{name}/blobs/{query['mount']}"})
            upload_id = uuid.uuid4().hex
            self.uploads[upload_id] = bytearray()
            least = {"OCI-Chunk-Min-Length": str(self.min_chunk)} if self.min_chunk else {}
            return _reply(
                202,
                b"",
                {"Location": f"/v2/{name}/blobs/uploads/{upload_id}?state=0", "Range": "0-0", **least},
            )
        held = self.uploads.get(upload_id)
        if held is None:
            return _error(404, "BLOB_UPLOAD_UNKNOWN")
        place = {"Location": f"/v2/{name}/blobs/uploads/{upload_id}?state={len(held)}"}
        if method == "GET":
            return _reply(204, b"", {**place, "Range": f"0-{max(len(held) - 1, 0)}"})
        if method == "DELETE":
            del self.uploads[upload_id]
            return _reply(204, b"")
        given = headers.get("Content-Range", "")
        if given and int(given.partition("-")[0]) != len(held):
            return _error(416, "BLOB_UPLOAD_INVALID")
        for block in body:
            held += block
        if method == "PATCH":
            place = {"Location": f"/v2/{name}/blobs/uploads/{upload_id}?state={len(held)}"}
            return _reply(202, b"", {**place, "Range": f"0-{len(held) - 1}"})
        digest = query["digest"]
        if digest_of(bytes(held), digest.partition(":")[0]) != digest:
            return _error(400, "DIGEST_INVALID")
        self.blobs[name, digest] = bytes(held)
        del self.uploads[upload_id]
        return _reply(201, b"", {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest})

    def _tags(self, name: str, query: dict[str, str]) -> Reply:
        tags = sorted(tag for path, tag in self.manifests if path == name and ":" not in tag)
        if not tags:
            return _error(404, "NAME_UNKNOWN")
        after = [tag for tag in tags if tag > query.get("last", "")]
        shown = after[: min(int(query.get("n", self.page)), self.page)]
        more = {}
        if len(shown) < len(after):
            more["Link"] = f'</v2/{name}/tags/list?n={self.page}&last={shown[-1]}>; rel="next"'
        return _reply(200, json.dumps({"name": name, "tags": shown}).encode(), more)

    def _referrers(self, name: str, digest: str) -> Reply:
        if not self.knows_referrers:
            return Reply(404, {"Content-Length": "9"}, [b"not found"])
        found = []
        for (path, reference), (content, kind) in self.manifests.items():
            value = json.loads(content)
            if path == name and ":" in reference and value.get("subject", {}).get("digest") == digest:
                found.append({"mediaType": kind, "digest": reference, "size": len(content)})
        index = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": found,
        }
        return _reply(200, json.dumps(index).encode())


def _ranged(content: bytes, asked: str) -> Reply:
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", asked)
    if match is None:
        return _reply(200, content, {"Accept-Ranges": "bytes"})
    start, end = int(match[1]), min(int(match[2] or len(content)) + 1, len(content))
    if start >= len(content):
        return _error(416, "RANGE")
    return _reply(206, content[start:end], {"Content-Range": f"bytes {start}-{end - 1}/{len(content)}"})


def _reply(status: int, content: bytes, headers: dict[str, str] | None = None) -> Reply:
    return Reply(
        status, {**(headers or {}), "Content-Length": str(len(content))}, [content] if content else []
    )


def _error(status: int, code: str) -> Reply:
    return _reply(status, json.dumps({"errors": [{"code": code, "message": code.lower()}]}).encode())


@pytest.fixture
def memory() -> MemoryRegistry:
    """A registry in memory."""
    return MemoryRegistry()


@pytest.fixture
def front(memory: MemoryRegistry) -> Iterator[TokenProxy]:
    """What clients see of it: the token service of nvcr.io, and another host for blobs."""
    with serving(TokenProxy(memory)) as proxy:
        yield proxy
