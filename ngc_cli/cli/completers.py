"""What the TAB key offers as values of options and arguments: they are declared with these (``autocompletion=``).

Whatever fails here stays silent: a shell has no place for an error.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import typer

from ngc_cli.completion import OfShell, Open
from ngc_cli.errors import NgcError

if TYPE_CHECKING:
    from ngc_cli.config.profiles import Settings

Offer = str | tuple[str, str]
Completer = Callable[[typer.Context, str], list[Offer]]


def words(*values: str, texts: Mapping[str, str] | None = None, at_end: str = "") -> Completer:
    """A completer of fixed words, with help from ``texts``; those that end in ``at_end`` may go on."""

    def offer(ctx: typer.Context, incomplete: str) -> list[Offer]:
        return [
            (Open(value) if at_end and value.endswith(at_end) else value, (texts or {}).get(value, ""))
            for value in values
        ]

    return offer


def files_here(ctx: typer.Context, incomplete: str) -> list[Offer]:
    """The files of this machine, for an option that is not a path to Typer."""
    return [OfShell("files")]


def folders_here(ctx: typer.Context, incomplete: str) -> list[Offer]:
    """The folders of this machine."""
    return [OfShell("folders")]


def columns(ctx: typer.Context, incomplete: str) -> list[Offer]:
    """The columns of the list that a command shows."""
    from ngc_cli.cli.help import column_names

    return list(dict.fromkeys(name for names in column_names(ctx.command).values() for name in names))


def profiles(ctx: typer.Context, incomplete: str) -> list[Offer]:
    """The profiles of the configuration file."""
    from ngc_cli.config.store import config_path, load

    return list(load(config_path(os.environ)).profiles)


def live(kind: str) -> Completer:
    """A completer of names that the server knows, one of ``ngc_cli.services.suggestions.KINDS``."""

    def offer(ctx: typer.Context, incomplete: str) -> list[Offer]:
        return list(_known(ctx, kind))

    return offer


def targets(kind: str, parts: str) -> Completer:
    """A completer of ``ORG/[TEAM/]NAME[:PART]``: names of a ``kind``, and behind the colon its ``parts``."""

    def offer(ctx: typer.Context, incomplete: str) -> list[Offer]:
        path, colon, _ = incomplete.partition(":")
        settings = _settings(ctx)
        context = "/".join(part for part in (settings.org, settings.team) if part)
        if colon:
            full = path if "/" in path or not context else f"{context}/{path}"
            return [f"{path}:{part}" for part in _known(ctx, parts, full)]
        org, slash, _ = path.partition("/")
        names = _known(ctx, kind, f"{org}/*" if slash else "")
        short = [name.removeprefix(f"{context}/") for name in names] if context and not slash else []
        return [Open(name) for name in dict.fromkeys([*(item for item in short if "/" not in item), *names])]

    return offer


def files(ctx: typer.Context, incomplete: str) -> list[Offer]:
    """The files of the version that the line names."""
    target = str((ctx.params.get("target") or [""])[-1])
    noun = "model" if ctx.parent is not None and ctx.parent.info_name == "model" else "model-script"
    return list(_known(ctx, f"{noun} files", target)) if ":" in target else []


def _settings(ctx: typer.Context) -> Settings:
    from ngc_cli.config.profiles import resolve

    return resolve(ctx.obj.flags, os.environ)


def _known(ctx: typer.Context, kind: str, of: str = "") -> Iterable[str]:
    """Names from the cache, renewed in time or not at all."""
    from ngc_cli.cli.completion_cache import names

    try:
        return names(_settings(ctx), ctx.obj.flags, kind, of)
    except NgcError:
        return []
