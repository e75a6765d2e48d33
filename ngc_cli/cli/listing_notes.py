"""What a list tells on stderr beside its table: that a limit cut it, or where nothing was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ngc_cli.cli.runtime import Runtime
    from ngc_cli.services.listing import Listing


def note_if_cut_short(run: Runtime, *parts: Listing[Any]) -> None:
    """Note that a list goes on behind --limit, and how many there are if that is known."""
    if all(part.complete for part in parts):
        return
    shown = sum(len(part.items) for part in parts)
    totals = [part.total for part in parts]
    known = [total for total in totals if total is not None]
    which = f"{shown} of {sum(known)}" if len(known) == len(totals) else f"the first {shown}"
    run.output.note(f"Showing {which}; leave out --limit to see all.")


def note_if_empty(run: Runtime, text: str, *parts: Listing[Any]) -> None:
    """Note where nothing was found, or what the list itself knows of why; an empty table alone does not say it."""
    if not any(part.items for part in parts):
        run.output.note(next((part.note for part in parts if part.note), text))
