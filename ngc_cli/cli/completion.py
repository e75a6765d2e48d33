"""Answers the scripts that shells complete ``ngc`` with, and fetches names for them beside the TAB.

Whatever fails here stays silent: a shell has no place for an error.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

import typer

from ngc_cli.cli.globals import GlobalFlags, extract_global_options
from ngc_cli.cli.root import command_tree
from ngc_cli.cli.runtime import Runtime
from ngc_cli.completion import candidates, reply
from ngc_cli.errors import NgcError, UsageError

# The fetching process is out of sight and must not stay.
_FETCH_TIMEOUT_S = "5"


def complete(argv: Sequence[str]) -> int:
    """Answer a completion script."""
    sys.stdout.write(reply(argv, _candidates))
    return 0


def fetch(argv: Sequence[str]) -> int:
    """Fetch names into the cache; ``argv`` is kind, ``of`` and global options."""
    from ngc_cli.cli.completion_cache import store
    from ngc_cli.services import suggestions

    flags, (_, kind, of) = extract_global_options(argv, command_tree().params)
    run = Runtime(dataclasses.replace(flags, timeout=_FETCH_TIMEOUT_S, retries="0", quiet=True))
    try:
        store(run.settings, kind, of, suggestions.names(run, kind, of))
    except (NgcError, OSError):
        return 1
    finally:
        run.close()
    return 0


def _candidates(given: list[str], incomplete: str) -> Sequence[Any]:
    """Completion items of a line: global options stand anywhere, and the tree knows the rest."""
    root = command_tree()
    options: dict[str, Any] = {name: parameter for parameter in root.params for name in parameter.opts}
    name, equals, value = incomplete.partition("=")
    waiting = options.get(given[-1]) if given else None
    if equals and name in options:
        waiting = options[name]
    elif waiting is not None and not waiting.is_flag:
        given, name, value = given[:-1], "", incomplete
    else:
        waiting = None
    try:
        flags, rest = extract_global_options(given, root.params)
    except UsageError:
        flags, rest = GlobalFlags(), given
    runtime = Runtime(flags)
    if waiting is None:
        return candidates(root, rest, incomplete, program="ngc", obj=runtime)
    context = typer.Context(root, info_name="ngc", obj=runtime, resilient_parsing=True)
    items = waiting.shell_complete(context, value)
    for item in items if name else ():
        item.value = f"{name}={item.value}"
    return list(items)
