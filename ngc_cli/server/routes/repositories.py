"""Image repositories in the NGC API: create, describe, list, look at, remove.

The same rows as in ``routes.distribution``: what is pushed or deleted there shows here, and the other way round. Left out,
because there is no scanner, signer or shop behind this registry: scans, signatures, licences, products.

Source: docs/protocol/images.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from ngc_cli.oci import manifest as oci
from ngc_cli.server.artifacts.schema import PUBLISHING, Check, check_members, flag, link, text, texts
from ngc_cli.server.auth.roles import Action
from ngc_cli.server.clock import iso, utc_now
from ngc_cli.server.endpoint import ActionRoute, Call, Endpoint, route
from ngc_cli.server.images import manifests, repositories, tags
from ngc_cli.server.images.names import RepositoryPath
from ngc_cli.server.metadata import ImageManifest, ImageRepository, ImageTag
from ngc_cli.server.paging import Window
from ngc_cli.server.problems import exists, not_found, unprocessable
from ngc_cli.server.routes.artifacts import MEMBER_PLACES, guest_places
from ngc_cli.server.search.terms import index_repository

# Without a wish; as the service has it.
_PAGE_SIZE = 100
_MEMBERS: Mapping[str, Check] = {
    "displayName": text(64, at_least=2),
    "shortDescription": text(),
    "description": text(limit=None),
    "builtBy": text(),
    "publisher": text(),
    "logo": link,
    "isMultinodeEnabled": flag,
    **PUBLISHING,
}


# repositories


def create(call: Call) -> dict[str, Any]:
    """A repository without images."""
    body = call.body
    path = _path(call, text()("name", body.get("name")))
    if not path.is_creatable:
        raise unprocessable(
            f"'{path.name[:255]}' cannot be the name of a repository: use a-z, 0-9 and single '.', '_', '-' between"
        )
    repository = repositories.find_repository(call.db, path)
    if repository is not None and repository.is_published:
        raise exists(f"repository '{path}' already exists")
    if repository is None:
        repository = repositories.add_repository(
            call.db, path, call.the_org, call.team, call.principal.user_id
        )
    repository.is_published = True
    return _describe(call, repository)


def info(call: Call) -> dict[str, Any]:
    """One repository, with the names of its tags."""
    return _repository_object(call.db, _repository(call))


def update(call: Call) -> dict[str, Any]:
    """Change the members that are sent; labels are replaced as a whole.

    ``isPublic`` and ``canGuestPull`` are for administrators.
    """
    return _describe(call, _repository(call))


def _describe(call: Call, repository: ImageRepository) -> dict[str, Any]:
    body = call.body
    repository.details = {**repository.details, **check_members(_MEMBERS, body)}
    if body.get("labelsV2") is not None:
        repository.labels = texts("labelsV2", body["labelsV2"])
    opened = check_members({"isPublic": flag, "canGuestPull": flag}, body)
    if opened:
        call.require(Action.PUBLISH, call.team.id if call.team else None)
        repository.is_public = opened.get("isPublic", repository.is_public)
        repository.guest_access = opened.get("canGuestPull", repository.guest_access)
    repository.updated_at = utc_now()
    index_repository(call.db, repository)
    return _repository_object(call.db, repository)


def remove(call: Call) -> dict[str, Any]:
    """Remove a repository with its images and tags; the collector reclaims the bytes nothing else uses."""
    call.db.delete(_repository(call))
    return {}


# tags


def list_tags(call: Call) -> dict[str, Any]:
    """The tags with what they stand for, newest first, a page at a time."""
    repository = _repository(call)
    window = Window.asked_for(call.query, _PAGE_SIZE)
    of_repository = ImageTag.repository_id == repository.id
    tags = list(
        call.db.scalars(
            select(ImageTag)
            .where(of_repository)
            .options(joinedload(ImageTag.manifest), joinedload(ImageTag.pushed_by))
            .order_by(ImageTag.pushed_at.desc(), ImageTag.id.desc())
            .offset(window.offset)
            .limit(window.size)
        )
    )
    total = call.db.scalar(select(func.count()).where(of_repository)) or 0
    return {"images": _tag_objects(call.db, repository, tags), "paginationInfo": window.info(total)}


def tag_info(call: Call) -> dict[str, Any]:
    """One tag."""
    repository, tag = _tag(call)
    return _tag_objects(call.db, repository, [tag])[0]


def set_latest(call: Call) -> dict[str, Any]:
    """Make a tag the one that stands for the repository, until another is pushed."""
    repository, tag = _tag(call)
    if call.query.get("set-latest", "").lower() != "true":
        raise unprocessable("nothing but 'set-latest=true' can be changed of a tag")
    repositories.lock(call.db, repository)
    repository.latest_tag = tag.name
    index_repository(call.db, repository)
    return _tag_objects(call.db, repository, [tag])[0]


def remove_tag(call: Call) -> dict[str, Any]:
    """Remove a tag."""
    repository, tag = _tag(call)
    repositories.lock(call.db, repository)
    tags.remove_tag(call.db, repository, tag)
    index_repository(call.db, repository)
    return {}


def manifest_view(call: Call) -> dict[str, Any]:
    """An image in the shape of a Docker schema 1 manifest, the newest layer first, whatever was pushed.

    Of an image for several platforms it shows the one that ``main_variant`` says.
    """
    repository, tag = _tag(call)
    variants = manifests.variants(call.db, [tag.manifest])[tag.manifest.id]
    shown = manifests.main_variant(variants) or tag.manifest
    parsed = oci.parse(manifests.content_of(call.db, shown), shown.media_type)
    layers = [item.digest for item in parsed.layers] if isinstance(parsed, oci.Manifest) else []
    config = None
    if isinstance(parsed, oci.Manifest):
        config = manifests.read_config(call.db, call.registry.contents, repository, parsed.config)
    return {
        "schemaVersion": 1,
        "name": repository.path,
        "tag": tag.name,
        "architecture": shown.architecture,
        "fsLayers": [{"blobSum": digest} for digest in reversed(layers)],
        "history": _history(config.history if config else (), len(layers)),
        "signatures": [],
    }


def _history(steps: Sequence[oci.HistoryEntry], layer_count: int) -> list[dict[str, str]]:
    """The build steps, newest first.

    A client takes a layer for each step that is not empty and fails when there are too few: steps that claim more
    layers than the image has are not shown, and an image that tells no steps has one for each layer.
    """
    if sum(not step.empty_layer for step in steps) != layer_count:
        steps = [oci.HistoryEntry()] * layer_count
    return [{"v1Compatibility": json.dumps(_step(step))} for step in reversed(steps)]


def _step(step: oci.HistoryEntry) -> dict[str, Any]:
    value: dict[str, Any] = {"created": step.created, "container_config": {"Cmd": [step.created_by]}}
    return {**value, "empty_layer": True} if step.empty_layer else value


# objects


def _repository_object(db: Session, repository: ImageRepository) -> dict[str, Any]:
    """The JSON object of a repository; what it says of the latest image is left out when there is none."""
    latest = manifests.latest_variants(db, [repository]).get(repository.id, [])
    main = manifests.main_variant(latest)
    value = {
        "isMultinodeEnabled": False,
        **repository.details,
        "name": repository.name,
        "namespace": repository.path.rpartition("/")[0],
        "labels": repository.labels,
        "systemLabels": [],
        "isPublic": repository.is_public,
        "isReadOnly": False,
        "canGuestPull": repository.guest_access,
        "canPublicList": repository.is_public,
        "isMultiArchitecture": len(latest) > 1,
        "latestArchitectureVariants": [_variant_object(item) for item in latest],
        "tags": tags.tag_names(db, repository),
        "hasSignedTag": False,
        "sharedWithOrgs": [],
        "sharedWithTeams": [],
        "createdDate": iso(repository.created_at),
        "updatedDate": iso(repository.updated_at),
    }
    if repository.latest_tag is not None:
        value["latestTag"] = repository.latest_tag
        value["latestImageSize"] = main.layers_size_bytes if main else 0
    return value


def _tag_objects(db: Session, repository: ImageRepository, tags: Sequence[ImageTag]) -> list[dict[str, Any]]:
    """The JSON objects of tags; their size is that of the main variant."""
    variants = manifests.variants(db, [tag.manifest for tag in tags])
    return [_tag_object(tag, variants[tag.manifest_id]) for tag in tags]


def _tag_object(tag: ImageTag, variants: Sequence[ImageManifest]) -> dict[str, Any]:
    main = manifests.main_variant(variants)
    value = {
        "tag": tag.name,
        "digest": tag.manifest.digest,
        "size": main.layers_size_bytes if main else 0,
        "isMultiArchitecture": len(variants) > 1,
        "isSigned": False,
        "pushedDate": iso(tag.manifest.pushed_at),
        "updatedDate": iso(tag.pushed_at),
        "architectureVariants": [_variant_object(item) for item in variants],
    }
    return {**value, "user": tag.pushed_by.client_id} if tag.pushed_by is not None else value


def _variant_object(manifest: ImageManifest) -> dict[str, Any]:
    value = {
        "architecture": manifest.architecture,
        "os": manifest.os,
        "digest": manifest.digest,
        "compressedSize": manifest.layers_size_bytes,
        "createdDate": iso(manifest.pushed_at),
    }
    return {**value, "variant": manifest.variant} if manifest.variant else value


# what every request needs


def _path(call: Call, name: str) -> RepositoryPath:
    return RepositoryPath(call.the_org.name, call.team.name if call.team else "", name)


def _repository(call: Call) -> ImageRepository:
    """The repository in the path, if the caller may do the route's action to it."""
    path = _path(call, call.path["name"])
    found = repositories.find_repository(call.db, path)
    if found is not None and not found.is_published:
        found = None
    call.authorize(repositories.access_resource(found) if found is not None else None, f"repository '{path}'")
    assert found is not None  # authorize refuses what does not exist
    return found


def _tag(call: Call) -> tuple[ImageRepository, ImageTag]:
    repository = _repository(call)
    found = tags.find_tag(call.db, repository, call.path["tag"])
    if found is None:
        raise not_found(f"'{repository.path}' has no tag '{call.path['tag']}'")
    return repository, found


_TABLE: list[tuple[str, str, Endpoint, Action]] = [
    ("{name}/images", "GET", list_tags, Action.VIEW),
    ("{name}/images/{tag}", "GET", manifest_view, Action.VIEW),
    ("{name}/images/{tag}", "DELETE", remove_tag, Action.DELETE_IMAGE),
    ("{name}/tags/{tag}", "GET", tag_info, Action.VIEW),
    ("{name}/tags/{tag}", "PATCH", set_latest, Action.PUSH),
    ("{name}", "GET", info, Action.VIEW),
    ("{name}", "PATCH", update, Action.PUSH),
    ("{name}", "DELETE", remove, Action.DELETE_IMAGE),
]


def _routes() -> list[ActionRoute]:
    """Of the guests' forms that without a team comes first: ``images`` in ``/v2/repos/a/b/images`` is no name."""
    team_form, org_form = guest_places("repos")
    made = [route(f"{place}repos", ["POST"], create, action=Action.PUSH) for place in MEMBER_PLACES]
    return made + [
        route(place + path, [method], endpoint, action=action)
        for place in (*(f"{place}repos/" for place in MEMBER_PLACES), org_form, team_form)
        for path, method, endpoint, action in _TABLE
    ]


ROUTES = _routes()
