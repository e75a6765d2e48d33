"""Targets as they are typed, ``ORG/[TEAM/]NAME[:VERSION]``, with org and team of the configuration filled in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from ngc_cli.errors import UsageError
from ngc_cli.refs import ArtifactRef, ImageRef

if TYPE_CHECKING:
    from ngc_cli.cli.runtime import Runtime

Ref = TypeVar("Ref", ArtifactRef, ImageRef)


def artifact(run: Runtime, text: str, *, version: bool | None = None, pattern: bool = False) -> ArtifactRef:
    """A model or model-script, or a version of one.

    ``version`` True wants one, False forbids one; ``pattern`` allows wildcards. Raises UsageError for what the
    command cannot work on.
    """
    ref = ArtifactRef.parse(text)
    if ref.has_wildcard and not pattern:
        raise UsageError(f"'{text}' has wildcards", hint="Give one name; 'list' takes wildcards.")
    if version and not ref.version:
        raise UsageError(f"'{text}' names no version", hint=f"Write {ref.path}:VERSION.")
    if version is False and ref.version:
        raise UsageError(f"'{text}' names a version where none may be", hint=f"Write {ref.path}.")
    return _in_context(run, ref, text, pattern)


def image(
    run: Runtime,
    text: str,
    *,
    tag: bool | None = None,
    digest: bool = False,
    pattern: bool = False,
    changes: bool = False,
) -> ImageRef:
    """An image repository, or an image of it; the host of our own registry may stand before it, or its alias, which a
    command that ``changes`` the registry asks about.

    ``tag`` True wants one, False forbids one; ``digest`` and ``pattern`` allow them. Raises UsageError for what
    the command cannot work on.
    """
    host = run.settings.registry_host
    ref = ImageRef.parse(text.removeprefix("https://").removeprefix(f"{host}/"))
    if ref.host and ref.host == run.settings.registry_alias:
        if changes:
            run.confirm(f"{ref.host} stands for {host} here. Change {ref.path} there?")
        ref = replace(ref, host="")
    if ref.host:
        raise UsageError(
            f"'{text}' is not in the registry {host}",
            hint="Choose another registry with NGC_CLI_REGISTRY_SERVICE_URL or a profile of its own.",
        )
    if ref.has_wildcard and not pattern:
        raise UsageError(f"'{text}' has wildcards", hint="Name one image; 'list' takes wildcards.")
    if tag and not ref.tag:
        raise UsageError(f"'{text}' names no tag", hint=f"Write {ref.path}:TAG.")
    if ref.digest and not digest:
        raise UsageError(f"'{text}' names a digest, which only 'pull' takes", hint=f"Write {ref.path}:TAG.")
    if tag is False and ref.tag:
        raise UsageError(f"'{text}' names a tag where none may be", hint=f"Write {ref.path}.")
    return _in_context(run, ref, text, pattern)


def _in_context(run: Runtime, ref: Ref, text: str, pattern: bool) -> Ref:
    """The target with org and team of the configuration where it names none; only a pattern may do without."""
    _warn_of_ignored_context(run, ref.org, ref.team)
    ref = ref.within(run.settings.org, run.settings.team)
    if not ref.org and not pattern:
        raise UsageError(
            f"'{text}' names no org and none is configured",
            hint=f"Write ORG/{text}, or choose an org with 'ngc config set'.",
        )
    return ref


def _warn_of_ignored_context(run: Runtime, org: str, team: str) -> None:
    """Warn when an option names another org or team than the target does; the target wins."""
    for option, given, named in (("--org", run.flags.org, org), ("--team", run.flags.team, team)):
        if org and given and given != named and not given.startswith("no-"):
            run.output.warn(f"{option} {given} is ignored: the target names {named or 'no team'}")
