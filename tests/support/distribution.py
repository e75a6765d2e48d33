"""Small images and a plain-HTTP registry client for tests; shares no code with ngc_cli on purpose."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import itertools
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

import pytest
import requests
from support.registry import RunningRegistry

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
UNKNOWN_DIGEST = "sha256:" + "0123456789abcdef" * 4


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def sha512(data: bytes) -> str:
    return "sha512:" + hashlib.sha512(data).hexdigest()


@dataclass(frozen=True)
class Content:
    """Bytes with a media type: a layer, a config, a manifest or an index."""

    data: bytes
    media_type: str = "application/octet-stream"

    @property
    def digest(self) -> str:
        return sha256(self.data)

    @property
    def descriptor(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data)}


@dataclass(frozen=True)
class Image:
    """A manifest with the blobs it names, or an index with its images."""

    manifest: Content
    blobs: tuple[Content, ...] = ()
    children: tuple[Image, ...] = field(default=())

    @property
    def digest(self) -> str:
        return self.manifest.digest


def as_json(document: dict[str, Any]) -> bytes:
    """Bytes no serializer would produce by itself: whoever re-serializes them changes the digest."""
    return json.dumps(document, indent=3).encode() + b"\n"


def layer(text: str, docker: bool = False) -> Content:
    """A gzipped tar holding one file with this text."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        member = tarfile.TarInfo(f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.txt")
        member.size = len(text.encode())
        tar.addfile(member, io.BytesIO(text.encode()))
    return Content(gzip.compress(raw.getvalue(), mtime=0), DOCKER_LAYER if docker else OCI_LAYER)


def image(
    *texts: str,
    architecture: str = "amd64",
    variant: str = "",
    docker: bool = False,
    **extra: Any,
) -> Image:
    """A single-platform image with one layer per text; ``extra`` goes into the manifest (subject, annotations)."""
    layers = [layer(text, docker) for text in texts]
    diff_ids = [sha256(gzip.decompress(one.data)) for one in layers]
    history: list[dict[str, Any]] = [
        {"created": f"2026-03-04T05:0{n}:00Z", "created_by": f"ADD file-{n} /"} for n in range(len(layers))
    ]
    history.append({"created": "2026-03-04T05:09:00Z", "created_by": "ENV A=b", "empty_layer": True})
    described: dict[str, Any] = {
        "created": "2026-03-04T05:09:00Z",
        "architecture": architecture,
        "os": "linux",
        "config": {"Cmd": ["/bin/sh"], "Env": ["A=b"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": history,
    }
    if variant:
        described["variant"] = variant
    config = Content(as_json(described), DOCKER_CONFIG if docker else OCI_CONFIG)
    media_type = DOCKER_MANIFEST if docker else OCI_MANIFEST
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": config.descriptor,
        "layers": [one.descriptor for one in layers],
        **extra,
    }
    return Image(Content(as_json(manifest), media_type), (config, *layers))


def artifact(artifact_type: str, subject: Content | None, *, note: str = "", typed: bool = True) -> Image:
    """An OCI artifact that refers to ``subject``; ``typed=False`` names its type by the config's media type."""
    config = Content(b"{}", OCI_EMPTY if typed else artifact_type)
    body = Content(f"{artifact_type} {note}".encode())
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config.descriptor,
        "layers": [body.descriptor],
        "annotations": {"note": note},
    }
    if typed:
        manifest["artifactType"] = artifact_type
    if subject is not None:
        manifest["subject"] = subject.descriptor
    return Image(Content(as_json(manifest), OCI_MANIFEST), (config, body))


def index(*children: Image, docker: bool = False, **extra: Any) -> Image:
    """A multi-platform image; the platform of each entry is read from the child's config."""
    entries = []
    for child in children:
        config = json.loads(child.blobs[0].data)
        platform = {name: config[name] for name in ("architecture", "os", "variant") if name in config}
        entries.append({**child.manifest.descriptor, "platform": platform})
    media_type = DOCKER_LIST if docker else OCI_INDEX
    document = {"schemaVersion": 2, "mediaType": media_type, "manifests": entries, **extra}
    return Image(Content(as_json(document), media_type), (), children)


class Distribution:
    """One repository of a registry seen by one key (None: anonymous); every answer is returned as it is."""

    def __init__(self, base_url: str, repository: str, key: str | None, verify: str | bool = True) -> None:
        self.base_url = base_url
        self.repository = repository
        self.key = key
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = verify
        self.scope = f"repository:{repository}:pull,push,delete"
        self._token = ""

    def ask_token(self, *scopes: str, **params: str) -> requests.Response:
        """GET /proxy_auth for these scopes with the key as Basic password."""
        auth = ("$oauthtoken", self.key) if self.key else None
        query = [("scope", scope) for scope in scopes] + list(params.items())
        return self.session.get(f"{self.base_url}/proxy_auth", params=query, auth=auth, timeout=30)

    def token(self, *scopes: str) -> str:
        answer = self.ask_token(*scopes)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["token"])

    def send(self, method: str, path: str, *, token: str | None = None, **options: Any) -> requests.Response:
        """One request under /v2/<repository>/ (or an absolute path or URL) with a token for this repository.

        ``token=""`` sends none.
        """
        if token is None:
            self._token = self._token or self.token(self.scope)
            token = self._token
        headers = dict(options.pop("headers", {}))
        if token:
            headers["Authorization"] = f"Bearer {token}"
        url = urljoin(f"{self.base_url}/v2/{self.repository}/", path)
        options.setdefault("allow_redirects", False)
        return self.session.request(method, url, headers=headers, timeout=60, **options)

    # -- what most tests need before they begin ------------------------------------------------------------

    def start_upload(self) -> str:
        """The location of a fresh upload session."""
        answer = self.send("POST", "blobs/uploads/", headers={"Content-Length": "0"})
        assert answer.status_code == 202, answer.text
        return str(answer.headers["Location"])

    def put_blob(self, content: Content) -> requests.Response:
        return self.send("PUT", with_digest(self.start_upload(), content.digest), data=content.data)

    def put_manifest(self, content: Content, reference: str = "") -> requests.Response:
        return self.send(
            "PUT",
            f"manifests/{reference or content.digest}",
            data=content.data,
            headers={"Content-Type": content.media_type},
        )

    def push(self, what: Image, tag: str = "") -> requests.Response:
        """Blobs, children by digest, then the manifest under its tag (or digest): the answer to the last PUT."""
        for content in what.blobs:
            answer = self.put_blob(content)
            assert answer.status_code == 201, answer.text
        for child in what.children:
            self.push(child)
        answer = self.put_manifest(what.manifest, tag)
        assert answer.status_code == 201, answer.text
        return answer

    def assert_holds(self, what: Image, tag: str = "") -> None:
        """Everything of the image comes back byte by byte."""
        answer = self.send("GET", f"manifests/{tag or what.digest}")
        assert (answer.status_code, answer.content) == (200, what.manifest.data)
        for content in what.blobs:
            answer = self.send("GET", f"blobs/{content.digest}")
            assert (answer.status_code, answer.content) == (200, content.data)
        for child in what.children:
            self.assert_holds(child)


def with_digest(location: str, digest: str) -> str:
    """The upload location completed by ``digest=``, as clients do it."""
    return f"{location}{'&' if '?' in location else '?'}digest={digest}"


def error_code(answer: requests.Response) -> str:
    """The code of the first error of an OCI error body; asserts the form the specification asks for."""
    assert answer.headers["Content-Type"].split(";")[0] == "application/json"
    errors = answer.json()["errors"]
    assert isinstance(errors, list) and errors
    code = errors[0]["code"]
    assert code and set(code) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ_")
    return str(code)


def basic(key: str) -> str:
    return "Basic " + base64.b64encode(f"$oauthtoken:{key}".encode()).decode()


@pytest.fixture
def image_org(registry: RunningRegistry) -> str:
    return registry.org()


@pytest.fixture
def new_repository(registry: RunningRegistry, image_org: str) -> Callable[..., Distribution]:
    """A repository that is not there yet, seen by a new user of the org with this role ("" is a guest)."""
    numbers = itertools.count(1)

    def make(role: str = "REGISTRY_USER", *, team: str = "", name: str = "") -> Distribution:
        key = registry.key(org=image_org, role=role) if role else None
        path = "/".join(part for part in (image_org, team, name or f"net-{next(numbers)}") if part)
        return Distribution(registry.url, path, key)

    return make


@pytest.fixture
def repository(new_repository: Callable[..., Distribution]) -> Distribution:
    """A repository that is not there yet, for someone who may push to it."""
    return new_repository()


@pytest.fixture
def other_repository(repository: Distribution) -> Distribution:
    """Another repository, for the same person."""
    return Distribution(repository.base_url, f"{repository.repository}-other", repository.key)
