"""Speaks the artifact part of the wire contract in plain requests, step by step, for tests of the server.

Not the client under test: it knows nothing of retries or parallel parts, and every step can be left out or bent.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

RESOURCE_MEMBERS = {
    "application": "CLASSIFICATION",
    "trainingFramework": "TensorFlow",
    "modelFormat": "F",
    "precision": "FP16",
    "shortDescription": "s",
}


def b64(data: bytes) -> str:
    """The sha256 of some bytes as the wire has it."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


@dataclass
class Wire:
    """One kind of artifact in one org or team, as one caller."""

    session: requests.Session
    org: str
    team: str = ""
    segment: str = "models"

    @property
    def place(self) -> str:
        return f"/v2/org/{self.org}/team/{self.team}" if self.team else f"/v2/org/{self.org}"

    def at(self, name: str, *rest: str) -> str:
        """The member path of an artifact and what lies below it."""
        return "/".join([self.place, self.segment, name, *rest])

    def guest_at(self, name: str, *rest: str) -> str:
        """The guest path."""
        return "/".join(filter(None, ["/v2", self.segment, self.org, self.team, name, *rest]))

    def create(self, name: str, **members: Any) -> requests.Response:
        defaults = RESOURCE_MEMBERS if self.segment == "resources" else {}
        body = {**defaults, "name": name, "labelsV2": [], "publicDatasetUsed": {}, **members}
        return self.session.post(f"{self.place}/{self.segment}", json=body)

    def create_version(self, name: str, version: str, /, **members: Any) -> requests.Response:
        return self.session.post(self.at(name, "versions"), json={"versionId": version, **members})

    def start(self, name: str, version: str, path: str, data: bytes, /, **members: Any) -> requests.Response:
        body = {**self._file(name, version, path, data), "size": len(data), **members}
        return self.session.post(f"{self.place}/files/multipart", json=body)

    def send(self, url: str, part: bytes, **headers: str) -> requests.Response:
        return requests.put(url, data=part, headers=headers, timeout=60, verify=self.session.verify)

    def complete(
        self, name: str, version: str, path: str, data: bytes, upload_id: str, /, **members: Any
    ) -> requests.Response:
        body = {**self._file(name, version, path, data), "uploadID": upload_id, **members}
        return self.session.put(f"{self.place}/files/multipart", json=body)

    def upload(self, name: str, version: str, path: str, data: bytes, /, **members: Any) -> str:
        """Start, send every part, complete; returns the upload id."""
        started = ok(self.start(name, version, path, data, **members))
        size = started["partSize"]
        for number, url in enumerate(started["urls"]):
            assert self.send(url, data[number * size : (number + 1) * size]).status_code == 200
        ok(self.complete(name, version, path, data, started["uploadID"]))
        return str(started["uploadID"])

    def commit(
        self, name: str, version: str, files: Mapping[str, bytes], /, base: str | None = None, **members: Any
    ) -> requests.Response:
        entries = [
            {"commitType": "ADDITION", "filePath": path, "sha256": b64(data)} for path, data in files.items()
        ]
        body = {
            "name": name,
            "artifactType": self.segment,
            "version": version,
            "baseVersion": base,
            "files": entries,
            **members,
        }
        return self.session.post(f"{self.place}/files/commit?upload-pending=True", json=body)

    def finish(self, name: str, version: str) -> requests.Response:
        return self.session.patch(self.at(name, "versions", version), json={"status": "UPLOAD_COMPLETE"})

    def publish_version(self, name: str, version: str, files: Mapping[str, bytes], **members: Any) -> None:
        """A complete version with these files; the artifact is made when it is not there."""
        if self.session.get(self.at(name)).status_code == 404:
            ok(self.create(name))
        ok(self.create_version(name, version, **members))
        for path, data in files.items():
            self.upload(name, version, path, data)
        if files:
            ok(self.commit(name, version, files))
        ok(self.finish(name, version))

    def links(self, name: str, version: str, query: str = "") -> dict[str, str]:
        """Signed links by path."""
        answer = ok(self.session.get(self.at(name, version, "files") + query))
        return dict(zip(answer["filepath"], answer["urls"], strict=True))

    def _file(self, name: str, version: str, path: str, data: bytes) -> dict[str, Any]:
        return {
            "name": name,
            "version": version,
            "artifactType": self.segment,
            "filePath": path,
            "sha256": b64(data),
        }


def ok(response: requests.Response) -> dict[str, Any]:
    """The body of an answer that must be a success."""
    assert response.status_code == 200, f"{response.status_code} {response.text}"
    body = response.json()
    assert body["requestStatus"]["statusCode"] == "SUCCESS"
    return dict(body)


def problem(response: requests.Response, status: int) -> str:
    """What an answer that must be this refusal says; checks the NGC dialect."""
    assert response.status_code == status, f"{response.status_code} {response.text}"
    told = response.json()["requestStatus"]
    assert told["requestId"] == response.headers["X-Request-Id"]
    assert told["statusCode"] != "SUCCESS"
    return str(told["statusDescription"])
