"""Endpoints of image repositories and their tags: the metadata beside the distribution API.

Source: contract/images.md section 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ngc_cli.api.client import SLOW_CALL_S, ApiClient, org_segments, path_of
from ngc_cli.api.search import search
from ngc_cli.api.wire import decode, decode_list, encode, found_image
from ngc_cli.errors import NotAuthenticated
from ngc_cli.http.auth import Scope
from ngc_cli.records import ImageManifest, ImageRepository, ImageTag
from ngc_cli.refs import ImageRef

_TAGS_PER_PAGE = 100


class ImageApi:
    """Image repositories as the NGC API describes them."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    def search(
        self, pattern: str, org: str, team: str, filters: Sequence[tuple[str, str | bool]] = ()
    ) -> Iterator[ImageRepository]:
        """Repositories whose ``org/[team/]name`` matches the pattern; pages are fetched when asked for."""
        for hit in search(self._client, "CONTAINER", pattern, org, team, filters):
            yield found_image(hit)

    def repository(self, ref: ImageRef) -> ImageRepository:
        """One repository; raises NotFound."""
        answer = self._client.call(
            "GET", self._path(ref), params={"resolve-labels": "false"}, scope=self._scope(ref)
        )
        return decode(ImageRepository, answer)

    def tags(self, ref: ImageRef) -> Iterator[ImageTag]:
        """All tags of a repository, page after page; raises NotFound."""
        pages = self._client.pages(
            self._path(ref, "images"), scope=self._scope(ref), page_size=_TAGS_PER_PAGE
        )
        for page in pages:
            yield from decode_list(ImageTag, page.get("images"))

    def tag(self, ref: ImageRef) -> ImageTag:
        """One tag; raises NotFound."""
        return decode(
            ImageTag, self._client.call("GET", self._path(ref, "tags", ref.tag), scope=self._scope(ref))
        )

    def manifest(self, ref: ImageRef) -> ImageManifest:
        """What one tag consists of; raises NotFound."""
        answer = self._client.call("GET", self._path(ref, "images", ref.tag), scope=self._scope(ref))
        return decode(ImageManifest, answer)

    def create(self, ref: ImageRef, record: ImageRepository) -> ImageRepository:
        """Create an empty repository; raises AlreadyExists."""
        self._require_key("create")
        body = {"labelsV2": [], **encode(record, rename={"labels": "labelsV2"})}
        path = path_of(*org_segments(ref.org, ref.team), "repos")
        return decode(ImageRepository, self._client.call("POST", path, body=body, scope=self._scope(ref)))

    def update(self, ref: ImageRef, record: ImageRepository) -> None:
        """Change the given members of a repository; ``labels`` is the whole new list."""
        self._require_key("update")
        body = encode(record, rename={"labels": "labelsV2"}, drop=("name",))
        self._client.call("PATCH", self._path(ref), body=body, scope=self._scope(ref), retry=True)

    def remove(self, ref: ImageRef) -> None:
        """Remove the one tag named, or the repository with all its images."""
        self._require_key("remove")
        path = self._path(ref, "images", ref.tag) if ref.tag else self._path(ref)
        self._client.call("DELETE", path, scope=self._scope(ref), timeout_s=SLOW_CALL_S)

    def set_latest(self, ref: ImageRef) -> None:
        """Make a tag the latest of its repository."""
        self._require_key("change")
        self._client.call(
            "PATCH",
            self._path(ref, "tags", ref.tag),
            params={"set-latest": "true"},
            body={},
            scope=self._scope(ref),
            retry=True,
        )

    def _require_key(self, verb: str) -> None:
        if self._client.credentials.is_guest:
            raise NotAuthenticated(
                f"to {verb} an image needs an API key, and none is set",
                hint="Set one with 'ngc config set', or in NGC_CLI_API_KEY.",
            )

    @staticmethod
    def _scope(ref: ImageRef) -> Scope:
        return Scope(ref.org, ref.team)

    def _path(self, ref: ImageRef, *rest: str) -> str:
        """Path of a repository or of what lies below it; guests use the public form (contract 2.1)."""
        if self._client.credentials.is_guest:
            names = [part for part in (ref.org, ref.team, ref.name) if part]
            return path_of("v2", "repos", *names, *rest)
        return path_of(*org_segments(ref.org, ref.team), "repos", ref.name, *rest)
