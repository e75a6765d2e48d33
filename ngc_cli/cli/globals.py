"""Global options, accepted anywhere on the command line (contract/cli-surface.md section 1.1).

They are taken out of argv before the command tree sees it, so that ``ngc user who --format_type json`` and
``ngc user --format_type json who`` are the same command. Imports nothing heavy.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ngc_cli.config.variables import FORMATS
from ngc_cli.errors import UsageError

_DASHES = str.maketrans({"\u2013": "-", "\u2014": "--", "\u2212": "-"})


@dataclass(frozen=True)
class GlobalFlags:
    """Values of the global options; None or False when not given."""

    format_type: str | None = None
    org: str | None = None
    team: str | None = None
    profile: str | None = None
    ace: str | None = None
    api_url: str | None = None
    ca_bundle: str | None = None
    timeout: str | None = None
    retries: str | None = None
    debug: bool = False
    quiet: bool = False
    no_progress: bool = False
    no_color: bool = False
    yes: bool = False
    version: bool = False


_VALUED = {
    "--format_type": "format_type",
    "--format-type": "format_type",
    "--org": "org",
    "--team": "team",
    "--profile": "profile",
    "--config-profile": "profile",
    "--ace": "ace",
    "--api-url": "api_url",
    "--ca-bundle": "ca_bundle",
    "--timeout": "timeout",
    "--retries": "retries",
}
_SWITCHES = {
    "--debug": "debug",
    "--quiet": "quiet",
    "-q": "quiet",
    "--no-progress": "no_progress",
    "--no-color": "no_color",
    "--yes": "yes",
    "-y": "yes",
    "--version": "version",
}


def hoist(argv: Sequence[str]) -> tuple[GlobalFlags, list[str]]:
    """The global options of a command line, and the line without them.

    Typographic dashes at the start of a word become hyphens: commands are pasted from PDF guides. What follows
    ``--`` is left alone. Raises UsageError for a missing, repeated or bad value.
    """
    flags = GlobalFlags()
    rest: list[str] = []
    given: set[str] = set()
    words = iter(argv)
    for word in words:
        if word == "--":
            rest += [word, *words]
            break
        if word[:1] in "\u2013\u2014\u2212" and len(word) > 1:
            word = word.translate(_DASHES)
        name, equals, value = word.partition("=")
        if name in _VALUED:
            dest = _VALUED[name]
            if not equals:
                try:
                    value = next(words)
                except StopIteration:
                    raise UsageError(f"{name} needs a value") from None
            if dest in given:
                raise UsageError(f"{name} is given twice", hint="Give it once.")
            given.add(dest)
            flags = replace(flags, **{dest: value})  # type: ignore[arg-type]
        elif word in _SWITCHES:
            flags = replace(flags, **{_SWITCHES[word]: True})  # type: ignore[arg-type]
        else:
            rest.append(word)
    if flags.format_type is not None and flags.format_type not in FORMATS:
        near = difflib.get_close_matches(flags.format_type.lower(), FORMATS, 1, 0.5)
        raise UsageError(
            f"'{flags.format_type}' is not an output format",
            hint=f"Did you mean '{near[0]}'?" if near else f"Use one of: {', '.join(FORMATS)}.",
        )
    return flags, rest
