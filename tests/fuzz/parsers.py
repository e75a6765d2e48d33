"""Every function that reads bytes from outside, with valid inputs to start from.

A parser takes bytes and either accepts them or raises what its callers expect: NgcError in the client, Problem in the
registry. Each has a folder to write into.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import requests
import urllib3

from ngc_cli.api import wire
from ngc_cli.api.client import _json_object
from ngc_cli.api.kinds import MODEL
from ngc_cli.byte_range import ByteRange
from ngc_cli.config import store
from ngc_cli.file_names import name_fault
from ngc_cli.http import redact
from ngc_cli.http.auth import _jwt_claims
from ngc_cli.http.ranges import open_range
from ngc_cli.http.session import Http
from ngc_cli.http.status import error_from_response, retry_after_s
from ngc_cli.oci import challenge, layout, manifest
from ngc_cli.oci.archive import Archive, docker_images, find_docker_image
from ngc_cli.oci.descriptor import Descriptor, Platform
from ngc_cli.records import ArtifactVersion
from ngc_cli.refs import ArtifactRef, ImageRef
from ngc_cli.server.auth.keys import key_in_basic
from ngc_cli.server.auth.scopes import Scope
from ngc_cli.server.auth.signing import Signer
from ngc_cli.server.images.manifests import parse_manifest
from ngc_cli.server.images.names import RepositoryPath, is_tag
from ngc_cli.services.artifacts.documents import read_metrics
from ngc_cli.services.artifacts.upload_state import UploadState
from ngc_cli.services.images import login
from ngc_cli.services.people.csv_import import read_rows
from ngc_cli.services.people.members import Addition
from ngc_cli.terminal_text import visible_lines
from ngc_cli.transfer.finished import FinishedFiles
from ngc_cli.transfer.journal import Content, StateFolder
from ngc_cli.units import format_moment, parse_size
from ngc_cli.urls import is_loopback, may_carry_secret, origin, parse_service_url


@dataclass(frozen=True)
class Parser:
    """A function that reads bytes from outside, and inputs that it accepts."""

    name: str
    parse: Callable[[bytes, Path], object]
    seeds: tuple[bytes, ...]


def _text(parse: Callable[[str], object]) -> Callable[[bytes, Path], object]:
    """A parser of text: what arrives in arguments and JSON may hold any character, halves of surrogate pairs too."""
    return lambda data, _folder: parse(data.decode("utf-8", "surrogateescape"))


def _header(parse: Callable[[str], object]) -> Callable[[bytes, Path], object]:
    """A parser of a header value, which HTTP libraries read as latin-1."""
    return lambda data, _folder: parse(data.decode("latin-1"))


def _response(data: bytes, status: int = 200, **headers: str) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response.headers.update(headers)
    response.raw = urllib3.HTTPResponse(
        io.BytesIO(data), headers=headers, status=status, preload_content=False
    )
    response.url = "https://api.example/v2/x"
    response.request = requests.Request("GET", response.url).prepare()
    return response


def _answer(data: bytes, _folder: Path) -> None:
    """A JSON answer of the NGC API to every kind of record."""
    answer = _json_object(_response(data), "GET", "/v2/x", 1 << 20)
    for member, decode in (
        ("model", wire.artifact),
        ("modelVersion", wire.artifact_version),
        ("file", wire.file_entry),
    ):
        if member in answer:
            decode(answer[member])
    wire.decode_list(ArtifactVersion, answer.get("modelVersions"))
    for hit in wire.search_hits(answer, "MODEL"):
        wire.hit_path(hit)
        wire.found_artifact(hit, MODEL)
        wire.found_image(hit)


def _refusal(data: bytes, _folder: Path) -> None:
    for status in (400, 401, 403, 404, 429, 500, 503):
        str(error_from_response(_response(data, status, **{"Content-Type": "application/json"})))


def _range(data: bytes, _folder: Path) -> None:
    """An answer to a range request with this Content-Range."""
    header = data.decode("latin-1").replace("\r", "").replace("\n", "")
    raw = urllib3.HTTPResponse(
        io.BytesIO(b""),
        headers={"Content-Range": header, "Content-Length": header.replace(",", "")},
        status=206,
        preload_content=False,
    )
    http = SimpleNamespace(get_once=lambda url, headers: raw)
    open_range(cast(Http, http), "https://files.example/x", ByteRange(10, 20)).close()


def _manifest(data: bytes, _folder: Path) -> None:
    parsed = manifest.parse(data)
    if isinstance(parsed, manifest.Index):
        parsed.choose(Platform("linux", "amd64"))
    else:
        manifest.layers_of([parsed])
    parsed.encode()


def _file(data: bytes, folder: Path, name: str = "file") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _archive(data: bytes, folder: Path) -> None:
    archive = Archive(_file(data, folder))
    if archive.is_docker:
        find_docker_image(docker_images(archive), ["busybox:1"])
    if archive.is_layout:
        layout.find(archive)


def _layout(data: bytes, _folder: Path) -> None:
    layout.parse_index(data, "index.json")


def _config(data: bytes, folder: Path) -> None:
    store.load(_file(data, folder))


def _journal(data: bytes, folder: Path) -> None:
    """The log of files in the making as a dead process may have left it."""
    state = StateFolder(folder / ".ngc-transfer" / "key")
    state.open()
    log = state.own_folder.path / "log.jsonl"
    state.partial("a", Content(5), resume=True).set_etag("x")
    log.write_bytes(data)
    state.close(complete=False)
    left = StateFolder(state.path)
    left.resumable_bytes({"a": Content(5)})
    left.open()
    left.partial("a", Content(5), resume=True)
    left.close(complete=True)


def _memory(data: bytes, folder: Path) -> None:
    """What is remembered of finished files."""
    folder.chmod(0o700)
    name = "0123456789abcdef.jsonl"
    _file(data, folder, name).chmod(0o600)
    FinishedFiles(folder / name).load()


def _upload_state(data: bytes, folder: Path) -> None:
    UploadState(_file(data, folder)).close()


def _docker_config(data: bytes, folder: Path) -> None:
    path = _file(data, folder, "config.json")
    login.add_helper(path, "nvcr.io")
    login.remove_helper(path, "nvcr.io")


def _metrics(data: bytes, folder: Path) -> None:
    read_metrics([_file(data, folder, "metrics.json")])


def _people(data: bytes, folder: Path) -> None:
    read_rows(_file(data, folder, "people.csv"), Addition("", ()), [])


def _server_manifest(data: bytes, _folder: Path) -> None:
    parse_manifest(data, manifest_type)


def _service_url(text: str) -> None:
    with contextlib.suppress(ValueError):  # which says in words what is wrong
        parse_service_url(text)


def _token(text: str) -> None:
    signer = Signer(b"secret")
    assert signer.claims(text) is None
    assert signer.link_grant("GET", "/x", {"expires": text, "signature": text, "grant": text}) is None


def _tar(**members: bytes) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name, content in members.items():
            item = tarfile.TarInfo(name.replace("__", "/").replace("_json", ".json").replace("_tar", ".tar"))
            item.size = len(content)
            tar.addfile(item, io.BytesIO(content))
    return target.getvalue()


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


manifest_type = "application/vnd.oci.image.manifest.v1+json"
_DIGEST = "sha256:" + "ab" * 32
_DESCRIPTOR = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": _DIGEST, "size": 5}
_MANIFEST = _json(
    {
        "schemaVersion": 2,
        "mediaType": manifest_type,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": _DIGEST, "size": 2},
        "layers": [_DESCRIPTOR, {**_DESCRIPTOR, "annotations": {"a": "b"}, "urls": ["https://x.example"]}],
        "annotations": {"org.opencontainers.image.title": "é"},
        "subject": _DESCRIPTOR,
    }
)
_INDEX = _json(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [
            {
                "mediaType": manifest_type,
                "digest": _DIGEST,
                "size": 400,
                "platform": {"os": "linux", "architecture": "amd64", "variant": "v2"},
                "annotations": {"org.opencontainers.image.ref.name": "1"},
            }
        ],
    }
)
_IMAGE_CONFIG = _json(
    {
        "architecture": "amd64",
        "os": "linux",
        "created": "2026-01-02T03:04:05Z",
        "rootfs": {"type": "layers", "diff_ids": [_DIGEST]},
        "history": [{"created_by": "RUN true", "empty_layer": True, "created": "2026-01-02T03:04:05Z"}],
        "config": {"ExposedPorts": {"5000/tcp": {}}, "Env": ["A=b"]},
    }
)
_ANSWER = _json(
    {
        "requestStatus": {"statusCode": "SUCCESS", "requestId": "r"},
        "model": {
            "name": "bert",
            "orgName": "acme",
            "teamName": "nlp",
            "labels": ["a", "release_type:GA"],
            "createdDate": "2026-01-02T03:04:05.123Z",
            "latestVersionSizeInBytes": 5,
            "isPublic": True,
            "displayName": "BERT",
        },
        "modelVersion": {"versionId": "1", "id": 1, "status": "UPLOAD_COMPLETE", "totalSizeInBytes": "12"},
        "modelVersions": [
            {
                "versionId": "2",
                "totalFileCount": 2,
                "customMetrics": [{"name": "m", "attributes": [{"key": "k", "value": "v"}]}],
                "createdDate": "2026-01-02T03:04:05Z",
            }
        ],
        "file": {"path": "a/b.txt", "sizeInBytes": 5, "sha256_base64": base64.b64encode(b"x" * 32).decode()},
        "results": [
            {
                "groupValue": "MODEL",
                "resources": [
                    {
                        "resourceId": "acme/nlp/bert",
                        "name": "bert",
                        "orgName": "acme",
                        "attributes": [{"key": "latestVersionIdStr", "value": "1"}],
                        "labels": [{"key": "general", "values": ["a"]}],
                        "dateCreated": "2026-01-02T03:04:05Z",
                    }
                ],
            }
        ],
    }
)
_PART = hashlib.sha256(b"a").hexdigest()[:24]
_JOURNAL = b"".join(
    _json(line) + b"\n" for line in ([_PART, 5, ""], [_PART, "etag"], [_PART, 0, 3], [_PART, 3, 5], [_PART])
)

PARSERS = (
    Parser(
        "artifact reference",
        _text(ArtifactRef.parse),
        (b"acme/nlp/bert:1", b"bert", b"acme/*", b"a/b:1.0-rc"),
    ),
    Parser("image reference", _text(ImageRef.parse), (b"nvcr.io/acme/net:1", f"acme/net@{_DIGEST}".encode())),
    Parser("platform", _text(Platform.parse), (b"linux/amd64", b"linux/arm/v7")),
    Parser("file name", _text(name_fault), (b"a/b.txt", b"nul", b"C:x")),
    Parser("text for a terminal", _text(visible_lines), (b"a\nb\x1b[0m", "\u202e".encode())),
    Parser("size", _text(parse_size), (b"10M", b"1.5 GiB", b"7")),
    Parser("moment", _text(format_moment), (b"2026-01-02T03:04:05Z", b"2026-01-02T03:04:05.123+02:00")),
    Parser("service address", _text(_service_url), (b"https://api.example:8443/v2", b"http://[::1]:80")),
    Parser(
        "host",
        _text(lambda text: (is_loopback(text), may_carry_secret(text))),
        (b"127.0.0.1", b"http://[::1]/"),
    ),
    Parser(
        "debug text",
        _text(lambda text: (redact.redact_url(text), redact.redact_text(text))),
        (b"https://u:p@h/x?signature=1&a=b#c", b"Bearer abc.def.ghi", b"http://["),
    ),
    Parser("jwt", _text(_jwt_claims), (b"eyJhIjoxfQ.eyJhIjoxfQ.c2ln", b"e30.e30.e30")),
    Parser("API answer", _answer, (_ANSWER, b"", b"{}")),
    Parser(
        "refusal",
        _refusal,
        (
            _json(
                {"requestStatus": {"statusCode": "NOT_FOUND", "statusDescription": "no", "requestId": "1"}}
            ),
            _json({"errors": [{"code": "DENIED", "message": "no", "detail": None}]}),
            b"<html><title>502 Bad Gateway</title></html>",
        ),
    ),
    Parser("Retry-After", _header(retry_after_s), (b"120", b"Fri, 31 Dec 2027 23:59:59 GMT")),
    Parser("Content-Range", _range, (b"bytes 10-19/100", b"bytes 10-19/*")),
    Parser(
        "challenge",
        _header(
            lambda text: [
                challenge.token_url(c, ["a:b:c"], "u")
                for c in challenge.parse_challenges(text)
                if origin(c.params.get("realm", ""))[0]
            ]
        ),
        (
            b'Bearer realm="https://x/token",service="x",scope="repository:a/b:pull,push"',
            b"Basic realm=x, Bearer realm=y",
        ),
    ),
    Parser("manifest", _manifest, (_MANIFEST, _INDEX)),
    Parser("image configuration", lambda data, _folder: manifest.parse_config(data), (_IMAGE_CONFIG,)),
    Parser(
        "descriptor",
        lambda data, _folder: (
            Descriptor.parse(json.loads(data)) if data.startswith(b"{") and _is_json(data) else None
        ),
        (
            _json(_DESCRIPTOR),
            _json({**_DESCRIPTOR, "data": "aGVsbG8=", "platform": {"os": "linux", "architecture": "x"}}),
        ),
    ),
    Parser("layout index", _layout, (_INDEX,)),
    Parser(
        "layout version",
        lambda data, _folder: layout.check_layout_version(data, "x"),
        (b'{"imageLayoutVersion": "1.0.0"}',),
    ),
    Parser(
        "archive",
        _archive,
        (
            _tar(
                manifest_json=_json([{"Config": "c.json", "RepoTags": ["busybox:1"], "Layers": ["l.tar"]}]),
                c_json=_IMAGE_CONFIG,
                l_tar=b"x" * 512,
            ),
            _tar(**{"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index_json": _INDEX}),
        ),
    ),
    Parser(
        "configuration file",
        _config,
        (
            b"; ngc\n[CURRENT]\nprofile = a\n[a]\napikey = K\norg = acme\nformat_type = json\n",
            b"WARNING - this is a machine generated file\n;x\n[CURRENT]\napikey=K\norg=acme\n",
        ),
    ),
    Parser("journal of a download", _journal, (_JOURNAL,)),
    Parser("memory of downloads", _memory, (b'["a", 5, 1000, "ab"]\n["b", 5, 1000, ""]\n',)),
    Parser(
        "journal of an upload",
        _upload_state,
        (
            b'{"source": "/a", "size": 5, "mtime_ns": 7, "sha256": "ab"}\n{"sha256": "ab", "upload": "u", '
            b'"part_size": 5}\n{"upload": "u", "part": 1}\n',
        ),
    ),
    Parser("docker's config.json", _docker_config, (b'{"auths": {}, "credHelpers": {"x": "y"}}', b"")),
    Parser(
        "metrics file", _metrics, (_json({"name": "acc", "attributes": [{"key": "top1", "value": "0.9"}]}),)
    ),
    Parser("people file", _people, (b"email,role,team,name\na@example.com,USER_READ;REGISTRY_USER,t,A B\n",)),
    Parser("registry: manifest", _server_manifest, (_MANIFEST,)),
    Parser("registry: repository path", _text(RepositoryPath.parse), (b"acme/net", b"acme/nlp/net")),
    Parser("registry: tag", _text(is_tag), (b"1.0", b"latest")),
    Parser("registry: scope", _text(Scope.parse), (b"repository:acme/net:pull,push", b"registry:catalog:*")),
    Parser("registry: token", _header(_token), (Signer(b"other").token({"sub": "1"}, 60).encode(), b"a.b.c")),
    Parser("registry: Basic", _header(key_in_basic), (b"Basic " + base64.b64encode(b"$oauthtoken:KEY"),)),
)


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True
