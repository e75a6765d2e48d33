"""The client of the distribution API against a registry in memory, with the token flow of nvcr.io before it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import responses
from support.images import add_image, add_index, add_platforms, noise
from support.memoryregistry import MemoryRegistry
from support.tokenproxy import KEY, TokenProxy, change_answer, cut_request, status

from ngc_cli.byte_range import ByteRange
from ngc_cli.errors import (
    IntegrityError,
    LocalFileError,
    NetworkError,
    NotAuthenticated,
    NotFound,
    ServerError,
)
from ngc_cli.http.session import Http, HttpSettings
from ngc_cli.oci import copy, manifest
from ngc_cli.oci.challenge import RegistryLogin
from ngc_cli.oci.copy import BlobUpload
from ngc_cli.oci.descriptor import (
    OCI_EMPTY,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
    Descriptor,
    InvalidContent,
    Platform,
)
from ngc_cli.oci.layout import Layout, Section, reachable, read_content
from ngc_cli.oci.manifest import Index, Manifest
from ngc_cli.oci.registry import Registry, Repository

AMD64 = Platform("linux", "amd64")


@pytest.fixture
def http() -> Iterator[Http]:
    client = Http(HttpSettings(timeout_s=10, retries=2, backoff_s=0.01))
    yield client
    client.close()


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout.create(tmp_path / "layout")


def registry_of(front: TokenProxy, http: Http, key: str = KEY, warnings: list[str] | None = None) -> Registry:
    return Registry(
        http, RegistryLogin(http, front.url, key), (warnings if warnings is not None else []).append
    )


@pytest.fixture
def pushing(front: TokenProxy, http: Http) -> Repository:
    return registry_of(front, http).repository("org/net", push=True)


class Sending:
    """A blob on its way, driven as the upload engine does: ``attempt`` until it returns whether bytes were sent."""

    def __init__(self, upload: BlobUpload, content: Path) -> None:
        self.upload = upload
        self._content = content
        self._parts: list[ByteRange] | None = None

    def attempt(self) -> bool:
        if self._parts is None:
            self._parts = self.upload.start()
        for part in self._parts:
            self.upload.put(part, lambda wanted: self._content.read_bytes()[wanted.start : wanted.end])
        return bool(self._parts)


def upload(repository: Repository, layout: Layout, item: Descriptor, **more: Any) -> Sending:
    section = layout.locate(item)
    return Sending(BlobUpload(repository, item, section, **more), section.path)


def push(repository: Repository, layout: Layout, root: Descriptor, tag: str) -> None:
    parts = reachable(layout, root)
    for item in parts:
        if not (item.is_manifest or item.is_index):
            upload(repository, layout, item).attempt()
    copy.push_manifests(repository, layout, parts, root, tag)


def blob(layout: Layout, size: int, seed: str = "blob") -> Descriptor:
    content = noise(seed, size)
    item = Descriptor.of(content, OCI_LAYER_GZIP)
    layout.add(content, item.digest)
    return item


# login


def test_a_key_is_exchanged_once_and_the_token_used_from_then_on(front: TokenProxy, http: Http) -> None:
    repository = registry_of(front, http).repository("org/net")
    for _ in range(3):
        with pytest.raises(NotFound):
            repository.manifest("1")
    (asked,) = front.requests("GET /proxy_auth")
    assert "account=%24oauthtoken" in asked.path
    assert "scope=repository:org/net:pull" in asked.path
    assert asked.authorization.startswith("Basic ")
    manifests = front.requests("GET /v2/org/net/manifests/1")
    assert [item.status for item in manifests] == [401, 404, 404, 404]
    assert manifests[0].authorization == ""


def test_a_guest_gets_public_images_and_a_clear_answer_for_others(front: TokenProxy, http: Http) -> None:
    with pytest.raises(NotAuthenticated, match="gives nothing to guests"):
        registry_of(front, http, "").repository("org/net").manifest("1")
    front.public = True
    with pytest.raises(NotFound):
        registry_of(front, http, "").repository("org/net").manifest("1")
    assert all(item.authorization in ("",) or item.authorization.startswith("Bearer") for item in front.seen)


def test_a_bad_key_is_told_in_the_words_of_the_registry(front: TokenProxy, http: Http) -> None:
    with pytest.raises(NotAuthenticated, match="does not accept the API key: bad key"):
        registry_of(front, http, "another-key").ping()
    assert len(front.requests("GET /proxy_auth")) == 2


def test_a_401_of_the_token_service_in_passing_is_survived(front: TokenProxy, http: Http) -> None:
    front.fail("GET /proxy_auth", status(401), status(502))
    registry_of(front, http).ping()


@pytest.mark.parametrize(
    "challenge",
    [
        'Bearer realm="{url}/proxy_auth?scope={scope}"',
        'Bearer realm="{url}/proxy_auth",service="registry",scope="{scope}"',
        'Bearer realm="{url}/proxy_auth"',
        'Basic realm="x, y", Bearer scope="{scope}", realm="{url}/proxy_auth"',
    ],
)
def test_every_form_of_challenge_leads_to_a_token(front: TokenProxy, http: Http, challenge: str) -> None:
    front.challenge = lambda proxy, scope: challenge.format(url=proxy.url, scope=scope)
    with pytest.raises(NotFound):
        registry_of(front, http).repository("org/net").manifest("1")


def test_an_expired_token_is_dropped_and_the_challenge_of_a_bare_request_followed(
    front: TokenProxy, http: Http
) -> None:
    """nvcr.io answers an expired token with the challenge of another endpoint.

    See docs/protocol/distribution.md#token-endpoint.
    """
    repository = registry_of(front, http).repository("org/net")
    with pytest.raises(NotFound):
        repository.manifest("1")
    front.expire_tokens()
    usual = front.challenge

    def challenge(proxy: TokenProxy, scope: str) -> str:
        return (
            usual(proxy, scope)
            if not scope
            else 'Bearer realm="https://127.0.0.1:1/token",service="registry"'
        )

    front.challenge = challenge
    with pytest.raises(NotFound):
        repository.manifest("1")
    (bare,) = front.requests("GET /v2/$")
    assert (bare.status, bare.authorization) == (401, "")


def test_a_token_is_renewed_before_it_runs_out(
    front: TokenProxy, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("ngc_cli.oci.challenge.time.monotonic", lambda: now[0])
    repository = registry_of(front, http).repository("org/net")
    for wait_s in (0, 500, 100):
        now[0] += wait_s
        with pytest.raises(NotFound):
            repository.manifest("1")
    assert len(front.requests("GET /proxy_auth")) == 2
    assert len([item for item in front.seen if item.status == 401]) == 1


def test_many_threads_fetch_one_token(front: TokenProxy, http: Http) -> None:
    repository = registry_of(front, http).repository("org/net")
    item = Descriptor.of(b"none", OCI_LAYER_GZIP)
    threads = [threading.Thread(target=repository.has_blob, args=(item,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(front.requests("GET /proxy_auth")) == 1


@pytest.mark.parametrize(
    ("registry", "realm"),
    [
        ("https://nvcr.io", "http://registry.example/token"),
        ("https://nvcr.io", "https://evil.example/token"),
        ("https://nvcr.io", "https://nvcr.io.evil.example/"),
        ("https://nvcr.io", "https://nvcr.io:8443/token"),
        ("https://nvcr.io", "http://127.0.0.1:5000/token"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:6000/token"),
        ("http://127.0.0.1:5000", "http://localhost:5000/token"),
    ],
)
def test_the_key_goes_to_no_token_service_that_is_not_trusted(registry: str, realm: str) -> None:
    """The registry's own or the paired authentication origin only; others are asked as a guest."""
    http = Http(HttpSettings(retries=0))
    with responses.RequestsMock() as mock:
        mock.get(f"{registry}/v2/", status=401, headers={"WWW-Authenticate": f'Bearer realm="{realm}"'})
        mock.get(realm, json={"token": "guest-token"})
        login = RegistryLogin(http, registry, KEY, auth_url="https://authn.nvidia.com")
        with pytest.raises(NotAuthenticated, match="which is not trusted: the key was not sent"):
            Registry(http, login, print).ping()
        calls = [call.request for call in mock.calls if call.request.url.startswith(realm)]  # type: ignore[union-attr]
        assert calls
        assert all("Authorization" not in call.headers and "account" not in str(call.url) for call in calls)


@pytest.mark.parametrize("realm", ["https://nvcr.io/proxy_auth", "https://authn.nvidia.com/token"])
def test_the_key_goes_to_the_registry_and_its_authentication_host(realm: str) -> None:
    http = Http(HttpSettings(retries=0))
    with responses.RequestsMock() as mock:
        mock.get("https://nvcr.io/v2/", status=401, headers={"WWW-Authenticate": f'Bearer realm="{realm}"'})
        mock.get(realm, json={"access_token": "t0ken"})
        mock.get(
            "https://nvcr.io/v2/",
            match=[responses.matchers.header_matcher({"Authorization": "Bearer t0ken"})],
        )
        login = RegistryLogin(http, "https://nvcr.io", KEY, auth_url="https://authn.nvidia.com")
        Registry(http, login, print).ping()
        assert mock.calls[1].request.headers["Authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    "answer", ["[]", "{}", '{"token": 5}', '{"token": "a b"}', "<html>", '{"token": ""}']
)
def test_a_token_answer_without_a_token_is_a_fault_of_the_server(answer: str) -> None:
    http = Http(HttpSettings(retries=0))
    with responses.RequestsMock() as mock:
        mock.get(
            "https://nvcr.io/v2/",
            status=401,
            headers={"WWW-Authenticate": 'Bearer realm="https://nvcr.io/t"'},
        )
        mock.get("https://nvcr.io/t", body=answer)
        with pytest.raises(ServerError, match="token"):
            Registry(http, RegistryLogin(http, "https://nvcr.io", KEY), print).ping()


# pull


def test_pushed_images_are_resolved_byte_for_byte(
    pushing: Repository, layout: Layout, memory: MemoryRegistry
) -> None:
    index = add_platforms(layout, ["linux/amd64", "linux/arm64"])
    push(pushing, layout, index, "1")
    found = copy.resolve(pushing, "1", Platform("linux", "arm64", "v8"))
    assert found.named == index
    assert found.root.platform == Platform("linux", "arm64")
    assert found.platform == Platform("linux", "arm64")
    assert len(found.blobs) == 3
    for item, content in found.manifests:
        assert content == read_content(layout, item)
    every = copy.resolve(pushing, "1", None)
    assert (every.root, every.platform, len(every.blobs), len(every.manifests)) == (index, None, 6, 3)
    assert every.manifests[-1][0] == index
    assert copy.resolve(pushing, index.digest, None).root == index


def test_a_child_that_differs_from_its_index_is_refused(
    pushing: Repository, layout: Layout, memory: MemoryRegistry
) -> None:
    image = add_image(layout)
    push(pushing, layout, image, "child")
    wrong = Descriptor(image.media_type, image.digest, image.size_bytes + 1, AMD64)
    body = Index("application/vnd.oci.image.index.v1+json", (wrong,)).encode()
    pushing.put_manifest("1", body, "application/vnd.oci.image.index.v1+json")
    with pytest.raises(IntegrityError, match="not what its index says"):
        copy.resolve(pushing, "1", AMD64)


def test_a_manifest_that_is_not_what_was_asked_for_is_refused(
    pushing: Repository, front: TokenProxy, layout: Layout
) -> None:
    image = add_image(layout)
    push(pushing, layout, image, "1")
    for reference in ("1", image.digest):
        front.fail(
            "GET /manifests/",
            change_answer(lambda body: body.replace(b"linux", b"linus").replace(b"layers", b"layerz")),
        )
        with pytest.raises(IntegrityError):
            pushing.manifest(reference)
    assert pushing.manifest(image.digest)[0].digest == image.digest


def test_a_registry_that_tells_no_digest_is_believed_by_the_bytes(
    pushing: Repository, layout: Layout, memory: MemoryRegistry
) -> None:
    image = add_image(layout)
    push(pushing, layout, image, "1")
    memory.digest_header = False
    assert pushing.manifest("1")[0].digest == image.digest


def test_a_manifest_without_end_is_not_read_to_its_end(
    pushing: Repository, layout: Layout, memory: MemoryRegistry
) -> None:
    memory.manifests["org/net", "big"] = (b" " * (5 * 1024 * 1024), OCI_MANIFEST)
    with pytest.raises(ServerError, match="more than"):
        pushing.manifest("big")


def test_blob_content_comes_from_another_host_which_sees_no_token(
    pushing: Repository, front: TokenProxy, layout: Layout
) -> None:
    item = blob(layout, 1000)
    assert upload(pushing, layout, item).attempt()
    with pushing.open_blob(item, ByteRange(100, 200)) as body:
        buffer = memoryview(bytearray(200))
        assert body.start == 100
        assert body.readinto(buffer) == 100
    (seen,) = front.requests(place="blob host")
    assert (seen.authorization, seen.range, seen.status) == ("", "bytes=100-199", 206)
    assert bytes(buffer[:100]) == noise("blob", 1000)[100:200]


def test_a_config_is_checked_before_it_is_used(
    pushing: Repository, front: TokenProxy, layout: Layout
) -> None:
    item = blob(layout, 100)
    upload(pushing, layout, item).attempt()
    assert pushing.small_blob(item) == noise("blob", 100)
    front.fail("GET /blobs/.*sig", change_answer(lambda body: b"x" + body[1:]))
    with pytest.raises(IntegrityError):
        pushing.small_blob(item)
    empty = Descriptor.parse(
        {"mediaType": OCI_EMPTY, "digest": Descriptor.of(b"{}", "a/b").digest, "size": 2, "data": "e30="}
    )
    assert pushing.small_blob(empty) == b"{}"
    with pytest.raises(ServerError, match="larger than a config"):
        pushing.small_blob(Descriptor("a/b", item.digest, 10**9))


def test_tags_come_over_several_pages(
    pushing: Repository, layout: Layout, memory: MemoryRegistry, front: TokenProxy
) -> None:
    image = add_image(layout)
    push(pushing, layout, image, "a")
    names = [f"v{number:03}-x_y.z" for number in range(25)]
    for name in names:
        memory.tag("org/net", name, image.digest)
    memory.page = 10
    assert list(pushing.tags()) == sorted(["a", *names])
    assert len(front.requests("GET /tags/list")) == 3
    with pytest.raises(NotFound):
        list(pushing.registry.repository("org/other").tags())


@pytest.mark.parametrize("knows", [True, False])
def test_referrers_come_from_the_api_or_the_fallback_tag(
    pushing: Repository, layout: Layout, memory: MemoryRegistry, knows: bool
) -> None:
    image = add_image(layout)
    push(pushing, layout, image, "1")
    memory.knows_referrers = knows
    assert pushing.referrers(image.digest) == ()
    config = Descriptor.of(b"{}", OCI_EMPTY)
    layout.add(b"{}", config.digest)
    signature = Manifest(OCI_MANIFEST, config, (), subject=image, own_artifact_type="a/sig").encode()
    layout.add(signature, Descriptor.of(signature, OCI_MANIFEST).digest)
    described = Descriptor.of(signature, OCI_MANIFEST)
    push(pushing, layout, described, described.digest)
    if not knows:
        fallback = add_index(layout, [described])
        copy.push_manifests(pushing, layout, [fallback], fallback, image.digest.replace(":", "-"))
    assert [item.digest for item in pushing.referrers(image.digest)] == [described.digest]


def test_a_warning_of_the_registry_is_told_once(
    front: TokenProxy, http: Http, layout: Layout, memory: MemoryRegistry
) -> None:
    warnings: list[str] = []
    repository = registry_of(front, http, warnings=warnings).repository("org/net", push=True)
    push(repository, layout, add_image(layout), "1")
    memory.warning = "this image is deprecated"
    for _ in range(2):
        repository.manifest("1")
    assert warnings == [f"{front.url.removeprefix('http://')} says: this image is deprecated"]


# push


def test_a_blob_that_is_there_is_not_sent_again(
    pushing: Repository, front: TokenProxy, layout: Layout
) -> None:
    item = blob(layout, 1000)
    assert upload(pushing, layout, item).attempt()
    before = len(front.seen)
    assert not upload(pushing, layout, item).attempt()
    assert [seen.method for seen in front.seen[before:]] == ["HEAD"]


def test_a_blob_of_another_repository_is_mounted(front: TokenProxy, http: Http, layout: Layout) -> None:
    registry = registry_of(front, http)
    item = blob(layout, 1000)
    upload(registry.repository("org/base", push=True), layout, item).attempt()
    sent = sum(seen.bytes_received for seen in front.seen)
    target = registry.repository("org/net", push=True, mount_from="org/base")
    assert not upload(target, layout, item, mount_from="org/base").attempt()
    assert sum(seen.bytes_received for seen in front.seen) == sent
    assert "scope=repository:org/base:pull" in front.requests("GET /proxy_auth")[-1].path
    other = blob(layout, 500, "other")
    assert upload(target, layout, other, mount_from="org/base").attempt()


def test_an_empty_blob_can_be_sent(pushing: Repository, layout: Layout) -> None:
    item = blob(layout, 0)
    assert upload(pushing, layout, item).attempt()
    assert pushing.has_blob(item)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(copy, "CHUNK_BYTES", 1000)
    return 1000


def test_a_large_blob_goes_in_chunks_of_the_registrys_least_size(
    pushing: Repository, front: TokenProxy, layout: Layout, memory: MemoryRegistry, small_chunks: int
) -> None:
    item = blob(layout, 2500)
    assert upload(pushing, layout, item).attempt()
    assert [seen.bytes_received for seen in front.requests("PATCH ")] == [1000, 1000, 500]
    memory.min_chunk = 2000
    assert upload(pushing, layout, blob(layout, 4100, "b")).attempt()
    assert [seen.bytes_received for seen in front.requests("PATCH ")[3:]] == [2000, 2000, 100]


def test_an_upload_goes_on_where_it_broke(
    pushing: Repository, front: TokenProxy, layout: Layout, small_chunks: int
) -> None:
    item = blob(layout, 5000)
    locations: list[str] = []
    sending = upload(pushing, layout, item, remember=locations.append)
    front.fail("PATCH /uploads/", status(202))
    front.faults.clear()
    front.fail("PATCH .*state=2000", cut_request(900))
    with pytest.raises(NetworkError):
        sending.attempt()
    assert sending.upload.has_progressed()
    assert not sending.upload.has_progressed()
    assert sending.attempt()
    chunks = [seen.bytes_received for seen in front.requests("PATCH ") if seen.status == 202]
    assert sum(chunks) == 5000 - 900
    assert pushing.has_blob(item)
    assert len(set(locations)) >= 5


def test_a_later_process_goes_on_with_the_upload_of_an_earlier_one(
    pushing: Repository, front: TokenProxy, layout: Layout, small_chunks: int
) -> None:
    item = blob(layout, 3000)
    locations: list[str] = []
    front.fail("PATCH .*state=2000", cut_request(0))
    with pytest.raises(NetworkError):
        upload(pushing, layout, item, remember=locations.append).attempt()
    before = len(front.requests("PATCH "))
    assert upload(pushing, layout, item, location=locations[-1]).attempt()
    assert [seen.bytes_received for seen in front.requests("PATCH ")[before:]] == [1000]


def test_an_upload_that_the_registry_gave_up_begins_again(
    pushing: Repository, layout: Layout, memory: MemoryRegistry, small_chunks: int
) -> None:
    item = blob(layout, 3000)
    gone = f"{pushing.registry.url}/v2/org/net/blobs/uploads/gone"
    assert upload(pushing, layout, item, location=gone).attempt()
    sending = upload(pushing, layout, blob(layout, 3000, "b"))
    original = Repository.send_chunk

    def lose(self: Repository, *args: Any) -> Any:
        memory.uploads.clear()
        return original(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Repository, "send_chunk", lose)
        with pytest.raises(ServerError, match="lost the upload"):
            sending.attempt()
    assert sending.attempt()


def test_a_damaged_local_blob_is_told_from_a_fault_of_the_registry(
    pushing: Repository, front: TokenProxy, layout: Layout
) -> None:
    item = blob(layout, 1000)
    front.fail("PUT /uploads/", status(400))
    with pytest.raises(ServerError, match="lost the upload"):
        upload(pushing, layout, item).attempt()
    layout.blob_path(item.digest).write_bytes(b"\0" * 1000)
    with pytest.raises(LocalFileError, match="is damaged"):
        upload(pushing, layout, item).attempt()


def test_a_token_that_expires_during_a_push_is_renewed(
    pushing: Repository, front: TokenProxy, layout: Layout, small_chunks: int
) -> None:
    item = blob(layout, 3000)
    front.fail("PATCH .*state=1000", lambda handler, reply: (front.expire_tokens(), False)[1])
    assert upload(pushing, layout, item).attempt()
    assert len(front.requests("GET /proxy_auth")) == 2


def test_an_upload_is_not_continued_without_tls() -> None:
    http = Http(HttpSettings(retries=0))
    with responses.RequestsMock() as mock:
        mock.post(
            "https://nvcr.io/v2/org/net/blobs/uploads/",
            status=202,
            headers={"Location": "http://nvcr.io/u/1"},
        )
        repository = Registry(http, RegistryLogin(http, "https://nvcr.io", KEY), print).repository(
            "org/net", push=True
        )
        with pytest.raises(ServerError, match="without TLS"):
            repository.start_upload("sha256:" + "0" * 64)


def test_a_manifest_whose_blobs_are_missing_is_refused_by_the_registry(
    pushing: Repository, layout: Layout
) -> None:
    image = add_image(layout)
    with pytest.raises(Exception, match="manifest_blob_unknown"):
        copy.push_manifests(pushing, layout, [image], image, "1")


def test_a_registry_that_stores_another_digest_is_noticed() -> None:
    http = Http(HttpSettings(retries=0))
    with responses.RequestsMock() as mock:
        mock.put(
            "https://r.example/v2/a/b/manifests/1",
            status=201,
            headers={"Docker-Content-Digest": "sha256:" + "1" * 64},
        )
        repository = Registry(http, RegistryLogin(http, "https://r.example", ""), print).repository("a/b")
        with pytest.raises(IntegrityError, match="not its digest"):
            repository.put_manifest("1", b"{}", OCI_MANIFEST)


def test_keep_refuses_an_image_whose_blobs_are_not_there(
    pushing: Repository, layout: Layout, tmp_path: Path
) -> None:
    push(pushing, layout, add_image(layout), "1")
    found = copy.resolve(pushing, "1", AMD64)
    target = Layout.create(tmp_path / "target")
    with pytest.raises(IntegrityError, match="still lacks"):
        copy.keep(found, target, tag="1", full_name="")
    for item in found.blobs:
        target.add(layout.locate(item).read(), item.digest)
    copy.keep(found, target, tag="1", full_name="nvcr.io/org/net:1")
    assert [item.digest for item in reachable(target, found.root)][-1] == found.root.digest
    assert isinstance(manifest.parse(read_content(target, found.root)), Manifest)


def test_a_schema_1_manifest_is_refused_by_name(pushing: Repository, memory: MemoryRegistry) -> None:
    kind = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    memory.manifests["org/net", "old"] = (b'{"schemaVersion": 1, "fsLayers": []}', kind)
    with pytest.raises(InvalidContent, match="schema 1"):
        pushing.manifest("old")


def test_sections_know_whether_they_hold_what_they_should(layout: Layout) -> None:
    item = blob(layout, 3000)
    path = layout.blob_path(item.digest)
    assert Section(path, ByteRange(0, 3000)).holds(item)
    assert not Section(path, ByteRange(1, 3000)).holds(item)
    assert not Section(path, ByteRange(0, 2999)).holds(item)
