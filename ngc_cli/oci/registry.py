"""The OCI distribution API of one registry: manifests, blobs, tags, referrers and upload sessions.

Source: distribution-spec v1.1.1, docs/protocol/distribution.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from ngc_cli.byte_range import ByteRange
from ngc_cli.errors import IntegrityError, NotAuthenticated, NotFound, ServerError
from ngc_cli.http.ranges import RangeBody, open_range, read_body
from ngc_cli.http.redact import redact_url
from ngc_cli.http.session import Http
from ngc_cli.json_text import parse_json
from ngc_cli.oci import manifest
from ngc_cli.oci.challenge import RegistryAuth, RegistryLogin
from ngc_cli.oci.descriptor import (
    ACCEPT,
    OCI_INDEX,
    Descriptor,
    check_content,
    digest_of,
    is_digest,
)
from ngc_cli.oci.manifest import MANIFEST_MAX_BYTES, Index
from ngc_cli.urls import keeps_tls, origin

if TYPE_CHECKING:
    import requests

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?')
_RANGE = re.compile(r"(?:bytes=)?0-([0-9]{1,18})")
_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
# What the larger registries grant at most; a smaller answer is followed by its Link header.
_TAGS_PER_PAGE = 1000
# An endless chain of Link headers must end.
_PAGES_MAX = 10_000
_SLOW_S = 300.0  # a registry may read a large blob again before it answers
# A thousand tags or referrers with their annotations.
_PAGE_MAX_BYTES = 16 * 1024 * 1024

Body = bytes | Callable[[], Any]


@dataclass(frozen=True)
class UploadSession:
    """An upload under way: where to go on, how much the registry has, and the smallest chunk it takes."""

    location: str
    received_bytes: int = 0
    min_chunk_bytes: int = 0


class Registry:
    """A registry as seen by one login; ``on_warning`` gets the warnings that it sends, each once."""

    def __init__(self, http: Http, login: RegistryLogin, on_warning: Callable[[str], None]) -> None:
        self.http = http
        self.login = login
        self.url = login.registry_url
        self._on_warning = on_warning
        self._warnings: set[str] = set()

    @property
    def host(self) -> str:
        """Host, and port if it is not the usual one."""
        return urlsplit(self.url).netloc

    def ping(self) -> None:
        """Log in at the registry itself; raises NotAuthenticated when the key is not good."""
        self.send("GET", "/v2/", self.login.scoped()).close()

    def repository(self, path: str, *, push: bool = False, mount_from: str = "") -> Repository:
        """A repository to pull from, or to push to, perhaps with blobs of another one."""
        scopes = [f"repository:{path}:{'pull,push' if push else 'pull'}"]
        if mount_from:
            scopes.append(f"repository:{mount_from}:pull")
        return Repository(self, path, self.login.scoped(*scopes))

    def send(
        self,
        method: str,
        target: str,
        auth: RegistryAuth,
        *,
        headers: Mapping[str, str] | None = None,
        data: Body | None = None,
        expect: Collection[int] = (),
        retry: bool | None = None,
        timeout_s: float | None = None,
    ) -> requests.Response:
        """Send to a path of the registry, or to a URL that it gave; raises the NgcError of the status."""
        url = target if "://" in target else self.url + target
        try:
            response = self.http.send(
                method,
                url,
                headers=headers,
                data=data,
                auth=auth,
                expect=expect,
                retry=retry,
                timeout_s=timeout_s,
            )
        except NotAuthenticated as error:
            if self.login.withheld_from:
                raise self.login.key_withheld(error) from error
            raise
        for text in _WARNING.findall(response.headers.get("Warning", "")):
            if text not in self._warnings and text.isprintable():
                self._warnings.add(text)
                self._on_warning(f"{self.host} says: {text[:300]}")
        return response


class Repository:
    """One repository of a registry."""

    def __init__(self, registry: Registry, path: str, auth: RegistryAuth) -> None:
        self.registry = registry
        self.path = path
        self._auth = auth

    def manifest(self, reference: str) -> tuple[Descriptor, bytes]:
        """A manifest or index by tag or digest, its bytes checked against every digest that is known.

        Raises NotFound, IntegrityError, InvalidContent.
        """
        target = f"/v2/{self.path}/manifests/{reference}"
        with self._send("GET", target, headers={"Accept": ACCEPT}) as response:
            content = read_body(response, MANIFEST_MAX_BYTES)
            told = response.headers.get("Docker-Content-Digest", "")
            content_type = response.headers.get("Content-Type", "")
        if is_digest(reference):
            check_content(content, reference)
        elif is_digest(told):
            check_content(content, told)
        item = manifest.parse(content, content_type)
        digest = reference if is_digest(reference) else told if is_digest(told) else digest_of(content)
        return Descriptor(item.media_type, digest, len(content)), content

    def put_manifest(self, reference: str, content: bytes, media_type: str) -> None:
        """Store a manifest under a tag or its digest; raises IntegrityError when the registry took another."""
        target = f"/v2/{self.path}/manifests/{reference}"
        headers = {"Content-Type": media_type}
        with self._send("PUT", target, headers=headers, data=content, timeout_s=_SLOW_S) as response:
            told = response.headers.get("Docker-Content-Digest", "")
        if told and told != digest_of(content, told.partition(":")[0] if is_digest(told) else "sha256"):
            raise IntegrityError(
                f"{self.registry.host} stored the manifest as {told}, which is not its digest"
            )

    def tags(self) -> Iterator[str]:
        """All tags, page after page, in the order of the registry."""
        target = f"/v2/{self.path}/tags/list?n={_TAGS_PER_PAGE}"
        for _ in range(_PAGES_MAX):
            with self._send("GET", target) as response:
                page = _json(response)
                following = _NEXT.search(response.headers.get("Link", ""))
                url = response.url
            names = page.get("tags") or []
            yield from (name for name in names if isinstance(name, str) and _TAG.fullmatch(name))
            if following is None or not names:
                return
            target = urljoin(url, following[1])
            if origin(target) != origin(self.registry.url):
                raise ServerError(f"{self.registry.host} has its tags go on at another host")

    def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """What refers to a manifest (signatures, attestations), from the API or else from the fallback tag."""
        target = f"/v2/{self.path}/referrers/{digest}"
        with self._send("GET", target, headers={"Accept": OCI_INDEX}, expect=(404,)) as response:
            found = response.status_code == 200
            content = read_body(response, MANIFEST_MAX_BYTES)
        if not found:
            try:
                _, content = self.manifest(digest.replace(":", "-"))
            except NotFound:
                return ()
        index = manifest.parse(content)
        return index.manifests if isinstance(index, Index) else ()

    # blobs

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether the repository has a blob; raises IntegrityError when it has one of another size."""
        with self._send("HEAD", self._blob(descriptor), expect=(404,)) as response:
            if response.status_code == 404:
                return False
            length = response.headers.get("Content-Length", "")
        if length.isdigit() and int(length) != descriptor.size_bytes:
            raise IntegrityError(
                f"{self.registry.host} has {descriptor.digest} with {length} bytes, not {descriptor.size_bytes}"
            )
        return True

    def open_blob(self, descriptor: Descriptor, wanted: ByteRange) -> RangeBody:
        """Open bytes of a blob with one try; a redirect to another host carries no token."""
        return open_range(
            self.registry.http, self.registry.url + self._blob(descriptor), wanted, auth=self._auth
        )

    def small_blob(self, descriptor: Descriptor) -> bytes:
        """A config, read whole and checked."""
        if descriptor.data is not None:
            return descriptor.data
        if descriptor.size_bytes > 2 * MANIFEST_MAX_BYTES:
            raise ServerError(f"{descriptor.digest} is larger than a config can be")
        with self._send("GET", self._blob(descriptor)) as response:
            content = read_body(response, descriptor.size_bytes)
        check_content(content, descriptor.digest, descriptor.size_bytes)
        return content

    # uploads

    def start_upload(self, digest: str, mount_from: str = "") -> UploadSession | None:
        """Begin an upload; None when the blob was mounted from the other repository and nothing is to be sent."""
        query = f"?{urlencode({'mount': digest, 'from': mount_from})}" if mount_from else ""
        target = f"/v2/{self.path}/blobs/uploads/{query}"
        with self._send("POST", target, headers={"Content-Length": "0"}, retry=True) as response:
            if response.status_code == 201:
                return None
            least = response.headers.get("OCI-Chunk-Min-Length", "")
            return UploadSession(self._location(response), 0, int(least) if least.isdigit() else 0)

    def upload_status(self, location: str) -> UploadSession:
        """How far an upload is; raises NotFound when the registry has given it up."""
        with self._send("GET", location) as response:
            return UploadSession(self._location(response, location), _received(response))

    def send_chunk(self, session: UploadSession, body: Body, chunk: ByteRange) -> UploadSession:
        """Send the next bytes; one try. The answer says where to go on."""
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Range": str(chunk),
            "Content-Length": str(chunk.size_bytes),
        }
        with self._send("PATCH", session.location, headers=headers, data=body, retry=False) as response:
            return UploadSession(self._location(response), _received(response), session.min_chunk_bytes)

    def finish_upload(
        self, session: UploadSession, digest: str, body: Body | None = None, size_bytes: int = 0
    ) -> None:
        """Send the last bytes, or all of them, and name the digest; one try."""
        parts = urlsplit(session.location)
        query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), ("digest", digest)])
        headers = {"Content-Length": str(size_bytes), "Content-Type": "application/octet-stream"}
        target = urlunsplit(parts._replace(query=query))
        with self._send(
            "PUT", target, headers=headers, data=body, retry=False, timeout_s=_SLOW_S
        ) as response:
            told = response.headers.get("Docker-Content-Digest", digest)
        if told != digest:
            raise IntegrityError(f"{self.registry.host} stored {digest} as {told}")

    def cancel_upload(self, session: UploadSession) -> None:
        """Cancel an upload session. Registries without DELETE answer 404 or 405, which is ignored."""
        self._send("DELETE", session.location, expect=(404, 405)).close()

    def _blob(self, descriptor: Descriptor) -> str:
        return f"/v2/{self.path}/blobs/{descriptor.digest}"

    def _location(self, response: requests.Response, otherwise: str = "") -> str:
        """Where an answer says to go on; it may be another host, which gets no token, but not without TLS."""
        given = response.headers.get("Location", "")
        if not given and not otherwise:
            raise ServerError(f"{self.registry.host} does not say where to send the blob")
        location = urljoin(response.url, given) if given else otherwise
        if not keeps_tls(self.registry.url, location):
            raise ServerError(f"{self.registry.host} wants the blob without TLS, at {redact_url(location)}")
        return location

    def _send(self, method: str, target: str, **more: Any) -> requests.Response:
        return self.registry.send(method, target, self._auth, **more)


def _received(response: requests.Response) -> int:
    """How many bytes a registry has, by the ``Range`` of its answer; both 0-0 and no header can mean nothing."""
    match = _RANGE.fullmatch(response.headers.get("Range", "").strip())
    return int(match[1]) + 1 if match and int(match[1]) else 0


def _json(response: requests.Response) -> dict[str, Any]:
    try:
        value = parse_json(read_body(response, _PAGE_MAX_BYTES))
    except ValueError as error:
        raise ServerError("the registry's list is not JSON") from error
    if not isinstance(value, dict):
        raise ServerError("the registry's list is not a JSON object")
    return value
