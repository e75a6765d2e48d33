"""Image repositories and their tags: list, look at, create, change and remove.

Source: docs/cli.md#registry-image, docs/protocol/images.md.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from ngc_cli.errors import Forbidden, NotFound, UsageError
from ngc_cli.refs import ImageRef, has_wildcard
from ngc_cli.services.listing import Instead, LabelEdit, Listing, full_pattern, matching
from ngc_cli.services.missing import Catalog, Part, list_command

if TYPE_CHECKING:
    from ngc_cli.api.images import ImageApi
    from ngc_cli.records import ImageManifest, ImageRepository, ImageTag

Result = TypeVar("Result")

# A registry may need a moment to describe what was pushed a moment ago (docs/protocol/images.md#tags).
APPEARS_WITHIN_S = (1, 2, 4, 8, 15, 15)


def is_pattern_of_images(ref: ImageRef | None) -> bool:
    """Whether ``list`` shows repositories, not tags: no target, or a pattern in the name."""
    return ref is None or has_wildcard(ref.path)


def repository_path(item: ImageRepository) -> str:
    """``org/[team/]name`` of a repository."""
    return f"{item.namespace}/{item.name}" if item.namespace else item.name


def list_repositories(
    api: ImageApi,
    pattern: str,
    org: str,
    team: str,
    *,
    filters: Sequence[tuple[str, str | bool]] = (),
    limit: int | None = None,
) -> Listing[ImageRepository]:
    """Repositories whose path matches the pattern (all when empty), sorted by path.

    Raises Forbidden or NotFound for an org or team that does not exist or may not be seen.
    """
    wanted = full_pattern(pattern, org, team)
    try:
        listing = matching(api.search(wanted, org, team, filters), repository_path, wanted, limit)
    except (Forbidden, NotFound) as error:
        raise _catalog(api).explained_place(error, org, team) from error
    _catalog(api).require_place(org, team, map(repository_path, listing.items))
    return listing


def list_tags(
    api: ImageApi, typed: str, ref: ImageRef, *, limit: int | None = None
) -> Listing[ImageTag] | Instead:
    """Tags of a repository, the newest first; those that match when ``ref.tag`` is a pattern.

    Tags are texts and never taken for version numbers. What is ``typed`` may also be an org, a team or a part of
    names: then it is the pattern that lists these.
    """
    try:
        return _tags(api, ref, limit)
    except (Forbidden, NotFound) as error:
        if ref.tag:
            raise _catalog(api).explained(error, ref, ref.path) from error
        return _catalog(api).instead(typed, ref, ref.path, error)


def _tags(api: ImageApi, ref: ImageRef, limit: int | None = None) -> Listing[ImageTag]:
    found = list(_matching(api, ref))
    found.sort(key=lambda item: (item.updated_date or "", item.tag), reverse=True)
    return Listing(found[:limit], limit is None or len(found) <= limit, len(found))


def info(api: ImageApi, ref: ImageRef) -> ImageRepository:
    """One repository."""
    return _explained(api, ref, lambda: api.repository(ref))


def tag_info(api: ImageApi, ref: ImageRef) -> tuple[ImageTag, ImageManifest]:
    """One image: its tag, and what it consists of."""
    manifest = _explained(api, ref, lambda: api.manifest(ref))
    return api.tag(ref), manifest


def latest_tag(api: ImageApi, ref: ImageRef) -> str:
    """The tag that the registry has recorded as the latest; raises NotFound when there is none."""
    tag = info(api, ref).latest_tag
    if not tag:
        raise NotFound(
            f"{ref.path} has no tag 'latest', and no latest tag is recorded",
            hint=f"Name one of its tags: {list_command('image', f'{ref.path}:*')}",
        )
    return tag


def create(api: ImageApi, ref: ImageRef, record: ImageRepository) -> ImageRepository:
    """Create an empty repository and return it as the server has it."""
    return api.create(ref, replace(record, name=ref.name))


def update(
    api: ImageApi,
    ref: ImageRef,
    record: ImageRepository,
    labels: LabelEdit,
    *,
    appears_within_s: Sequence[float] = (),
    pause: Callable[[float], None] = lambda wait_s: None,
) -> ImageRepository:
    """Change a repository. Without new labels the present ones are sent again, edited: the wire wants them all.

    ``appears_within_s`` are waits before a repository that is not there is looked for again.
    """
    for wait_s in (*appears_within_s, None):
        try:
            present = info(api, ref)
            break
        except NotFound:
            if wait_s is None:
                raise
            pause(wait_s)
    if record.labels is None:
        record = replace(record, labels=labels.applied_to(present.labels))
    _explained(api, ref, lambda: api.update(ref, record))
    return info(api, ref)


def set_latest(api: ImageApi, ref: ImageRef) -> None:
    """Make a tag the latest."""
    _explained(api, ref, lambda: api.set_latest(ref))


def to_remove(api: ImageApi, ref: ImageRef) -> list[ImageRef]:
    """What ``remove`` would remove, checked to be there: the repository, a tag, or every tag that matches.

    The path is taken as it is typed and never searched for, so nothing of another repository can be meant.
    """
    if has_wildcard(ref.path):
        raise UsageError(f"'{ref.path}' is a pattern", hint="Wildcards work in the tag: name one repository.")
    if not ref.tag:
        info(api, ref)
        return [ref]
    if not has_wildcard(ref.tag):
        _explained(api, ref, lambda: api.tag(ref))
        return [ref]
    listed = _explained(api, replace(ref, tag=""), lambda: _tags(api, ref))
    tags = [replace(ref, tag=item.tag) for item in listed.items]
    if not tags:
        raise NotFound(
            f"no tag of {ref.path} matches '{ref.tag}'",
            hint=f"See its tags with: {list_command('image', f'{ref.path}:*')}",
        )
    return tags


def remove(api: ImageApi, ref: ImageRef) -> None:
    """Remove one tag, or a repository with all its images."""
    _explained(api, ref, lambda: api.remove(ref))


def _matching(api: ImageApi, ref: ImageRef) -> Iterator[ImageTag]:
    return (item for item in api.tags(ref) if not ref.tag or fnmatch.fnmatchcase(item.tag, ref.tag))


def _explained(api: ImageApi, ref: ImageRef, call: Callable[[], Result]) -> Result:
    """What the call returns; a NotFound or Forbidden in words, with the next command to type."""
    try:
        return call()
    except (Forbidden, NotFound) as error:
        tag = Part(ref.tag, "tags", lambda: (item.tag for item in api.tags(replace(ref, tag=""))))
        raise _catalog(api).explained(error, ref, ref.path, tag if ref.tag else None) from error


def _catalog(api: ImageApi) -> Catalog:
    return Catalog("image", api.client, lambda *search: map(repository_path, api.search(*search)))
