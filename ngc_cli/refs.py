"""Names of things as people type them: artifact targets and image references. Leaf module, pure.

Sources: docs/cli.md#targets, docs/protocol/images.md#names and docs/protocol/distribution.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ngc_cli.errors import UsageError

_WILDCARD = re.compile(r"[*?\[\]]")
_NAME = re.compile(r"[a-z][a-z\d._-]{0,127}")
# docs/cli.md#targets.
_VERSION_MAX = 255
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_IMAGE_PART = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")


def has_wildcard(text: str) -> bool:
    """Whether the text holds one of the wildcards ``* ? [ ]``."""
    return _WILDCARD.search(text) is not None


@dataclass(frozen=True)
class ArtifactRef:
    """``[org/[team/]]name[:version]`` of a model or model-script; parts not given are empty."""

    name: str
    org: str = ""
    team: str = ""
    version: str = ""

    @classmethod
    def parse(cls, text: str) -> ArtifactRef:
        """Read a target; raises UsageError when it cannot be one.

        An empty team part (``org//name``) counts as none, a trailing ``:`` as no version.
        """
        path, colon, version = text.partition(":")
        if ":" in version:
            raise UsageError(f"'{text}' has more than one ':'", hint="Write org/[team/]name[:version].")
        if path.endswith("/"):
            raise UsageError(
                f"'{text}' ends in '/' where a name should follow",
                hint="If the command was pasted from a document, join the line with the next one.",
            )
        first, *rest = path.split("/")
        parts = [first, *(part for part in rest if part)]
        if not first or len(parts) > 3:
            raise UsageError(f"'{text}' is not a target", hint="Write org/[team/]name[:version].")
        name = parts[-1]
        if (has_wildcard(path) and has_wildcard(version)) or (has_wildcard(path) and version):
            raise UsageError(
                f"'{text}' has wildcards on both sides of ':'", hint="Use them in the name or in the version."
            )
        if len(version) > _VERSION_MAX or "/" in version:
            raise UsageError(
                f"'{version}' is not a version", hint="A version has up to 255 characters, no '/'."
            )
        org = parts[0] if len(parts) > 1 else ""
        team = parts[1] if len(parts) > 2 else ""
        return cls(name=name, org=org, team=team, version=version if colon else "")

    def within(self, org: str, team: str) -> ArtifactRef:
        """The same target with org and team filled in from the configuration when it names no org."""
        return self if self.org else replace(self, org=org, team=team)

    def require_creatable_name(self) -> None:
        """Raise UsageError unless the name may be given to something new."""
        if _NAME.fullmatch(self.name) is None:
            raise UsageError(
                f"'{self.name}' cannot be a name",
                hint="Use 1 to 128 of a-z, 0-9, '.', '_' and '-', beginning with a letter.",
            )

    @property
    def has_wildcard(self) -> bool:
        """Whether the name or the version is a pattern."""
        return has_wildcard(self.name) or has_wildcard(self.version)

    @property
    def path(self) -> str:
        """``org/[team/]name``, without the version."""
        return "/".join(part for part in (self.org, self.team, self.name) if part)

    @property
    def folder(self) -> str:
        """Name of the download folder: ``<name>_v<version>``, the version taken literally."""
        return f"{self.name}_v{self.version}"

    def __str__(self) -> str:
        return f"{self.path}:{self.version}" if self.version else self.path


@dataclass(frozen=True)
class ImageRef:
    """``[host/]org/[team/]name[:tag][@digest]``; parts not given are empty. ``tag`` may be a pattern."""

    name: str
    org: str = ""
    team: str = ""
    tag: str = ""
    digest: str = ""
    host: str = ""

    @classmethod
    def parse(cls, text: str) -> ImageRef:
        """Read an image reference; raises UsageError when it cannot be one.

        A first part with a dot, a colon or the word localhost is a registry host, as in Docker's references.
        """
        hint = "Write [host/]org/[team/]name[:tag][@sha256:...]."
        rest, at, digest = text.removeprefix("https://").partition("@")
        if at and _DIGEST.fullmatch(digest) is None:
            raise UsageError(f"'{digest}' is not a digest", hint=hint)
        host, slash, path = rest.partition("/")
        if not (slash and (":" in host or "." in host or host == "localhost")):
            host, path = "", rest
        path, colon, tag = path.partition(":")
        first, *more = path.split("/")
        parts = [first, *(part for part in more if part)]
        if not first or len(parts) > 3 or ":" in tag or path.endswith("/"):
            raise UsageError(f"'{text}' is not an image reference", hint=hint)
        if has_wildcard(path) and tag:
            raise UsageError(
                f"'{text}' has a pattern before the tag", hint="Use wildcards in the name or in the tag."
            )
        for part in parts:
            if not has_wildcard(part) and _IMAGE_PART.fullmatch(part) is None:
                raise UsageError(f"'{part}' cannot be part of an image name", hint=hint)
        if colon and tag and not has_wildcard(tag) and _TAG.fullmatch(tag) is None:
            raise UsageError(f"'{tag}' is not a tag", hint=hint)
        org = parts[0] if len(parts) > 1 else ""
        team = parts[1] if len(parts) > 2 else ""
        return cls(name=parts[-1], org=org, team=team, tag=tag, digest=digest, host=host)

    def within(self, org: str, team: str) -> ImageRef:
        """The same image with org and team filled in from the configuration when it names no org."""
        return self if self.org else replace(self, org=org, team=team)

    @property
    def has_wildcard(self) -> bool:
        """Whether the name or the tag is a pattern."""
        return has_wildcard(self.path) or has_wildcard(self.tag)

    @property
    def path(self) -> str:
        """``org/[team/]name``: the repository in the NGC API, in ``/v2/<path>/...`` and in token scopes."""
        return "/".join(part for part in (self.org, self.team, self.name) if part)

    def __str__(self) -> str:
        text = f"{self.host}/{self.path}" if self.host else self.path
        text = f"{text}:{self.tag}" if self.tag else text
        return f"{text}@{self.digest}" if self.digest else text
