"""What ``--dry-run`` shows of a command that changes things by calls of the API: the calls it has not sent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ngc_cli.cli.output import Output
from ngc_cli.errors import NgcError

if TYPE_CHECKING:
    from ngc_cli.api.client import PlannedCall


class PlanComplete(NgcError):
    """A dry run has come to where the command would tell what it has done."""


class PlanningOutput(Output):
    """Writes as always until a change has been planned; then the next result ends the command."""

    def __init__(self, planned: Sequence[PlannedCall], format_type: str, **options: Any) -> None:
        super().__init__(format_type, **options)
        self._planned = planned

    def headline(self, text: str) -> None:
        """A line about what was done; raises PlanComplete when it was only planned."""
        self._end_if_planned()
        super().headline(text)

    def raw(self, text: str) -> None:
        """A result; raises PlanComplete when it is that of a planned change."""
        self._end_if_planned()
        super().raw(text)

    def _end_if_planned(self) -> None:
        if self._planned:
            raise PlanComplete("nothing was changed: this is a dry run")


def plan_text(calls: Sequence[PlannedCall]) -> str:
    """The calls for people."""
    lines = ["Nothing was changed. Without --dry-run this would be sent:"]
    for call in calls:
        body = f" {json.dumps(call.body, sort_keys=True, ensure_ascii=False)}" if call.body else ""
        lines.append(f"  {call.method} {call.path}{body}")
    return "\n".join(lines)


def plan_facts(calls: Sequence[PlannedCall]) -> dict[str, Any]:
    """The calls for programs."""
    return {
        "dry_run": True,
        "would_send": [{"method": call.method, "path": call.path, "body": call.body or {}} for call in calls],
    }
