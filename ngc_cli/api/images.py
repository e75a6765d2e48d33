"""Endpoints of image repositories and their tags: the metadata beside the distribution API.

Source: docs/protocol/images.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ngc_cli.api.client import SLOW_CALL_S, ApiClient, org_segments, path_of, scope_of
from ngc_cli.api.search import search
from ngc_cli.api.wire import decode, decode_list, encode, found_image
from ngc_cli.records import ImageManifest, ImageRepository, ImageTag
from ngc_cli.refs import ImageRef

# The largest page that the service grants here.
_TAGS_PER_PAGE = 100


class ImageApi:
    """Image repositories as the NGC API describes them."""

    def __init__(self, client: ApiClient) -> None:
        self.client = client

    def search(
        self, pattern: str, org: str, team: str, filters: Sequence[tuple[str, str | bool]] = ()
    ) -> Iterator[ImageRepository]:
        """Repositories whose ``org/[team/]name`` matches the pattern; pages are fetched when asked for."""
        for hit in search(self.client, "CONTAINER", pattern, org, team, filters):
            yield found_image(hit)

    def repository(self, ref: ImageRef) -> ImageRepository:
        """One repository; raises NotFound."""
        answer = self.client.call(
            "GET", self.client.path("repos", ref), params={"resolve-labels": "false"}, scope=scope_of(ref)
        )
        return decode(ImageRepository, answer)

    def tags(self, ref: ImageRef) -> Iterator[ImageTag]:
        """All tags of a repository, page after page; raises NotFound."""
        pages = self.client.pages(
            self.client.path("repos", ref, "images"), scope=scope_of(ref), page_size=_TAGS_PER_PAGE
        )
        for page in pages:
            yield from decode_list(ImageTag, page.get("images"))

    def tag(self, ref: ImageRef) -> ImageTag:
        """One tag; raises NotFound."""
        return decode(
            ImageTag,
            self.client.call("GET", self.client.path("repos", ref, "tags", ref.tag), scope=scope_of(ref)),
        )

    def manifest(self, ref: ImageRef) -> ImageManifest:
        """What one tag consists of; raises NotFound."""
        answer = self.client.call(
            "GET", self.client.path("repos", ref, "images", ref.tag), scope=scope_of(ref)
        )
        return decode(ImageManifest, answer)

    def create(self, ref: ImageRef, record: ImageRepository) -> ImageRepository:
        """Create an empty repository; raises AlreadyExists."""
        self.client.require_key("create an image")
        body = {"labelsV2": [], **encode(record, rename={"labels": "labelsV2"})}
        path = path_of(*org_segments(ref.org, ref.team), "repos")
        return decode(ImageRepository, self.client.call("POST", path, body=body, scope=scope_of(ref)))

    def update(self, ref: ImageRef, record: ImageRepository) -> None:
        """Change the given members of a repository; ``labels`` is the whole new list."""
        self.client.require_key("update an image")
        body = encode(record, rename={"labels": "labelsV2"}, drop=("name",))
        self.client.call("PATCH", self.client.path("repos", ref), body=body, scope=scope_of(ref), retry=True)

    def remove(self, ref: ImageRef) -> None:
        """Remove the one tag named, or the repository with all its images."""
        self.client.require_key("remove an image")
        path = (
            self.client.path("repos", ref, "images", ref.tag) if ref.tag else self.client.path("repos", ref)
        )
        self.client.call("DELETE", path, scope=scope_of(ref), timeout_s=SLOW_CALL_S)

    def set_latest(self, ref: ImageRef) -> None:
        """Make a tag the latest of its repository."""
        self.client.require_key("change an image")
        self.client.call(
            "PATCH",
            self.client.path("repos", ref, "tags", ref.tag),
            params={"set-latest": "true"},
            body={},
            scope=scope_of(ref),
            retry=True,
        )
