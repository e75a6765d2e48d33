"""On whose behalf a signed link was made, so that it ends with what allowed it.

A link takes no credentials, but it names the key of whoever asked for it, the place it leads to and the decision that
let them. When it is followed, the same decision is made again: a key that was revoked or has expired, a user who was
removed and a role that was taken away end their links at once, whatever time is left.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from ngc_cli.server.auth.keys import key_of_claims, principal_of
from ngc_cli.server.auth.roles import GUEST, Action, Decision, Principal, decide, reaches
from ngc_cli.server.problems import Problem


@dataclass(frozen=True)
class LinkGrant:
    """What allowed a link; ``key_id`` 0 is a guest, ``team_id`` 0 no team.

    As text ``KEY.ORG.TEAM.ACTION.DECISION``, all of it free of characters that an address would quote.
    """

    key_id: int
    org_id: int
    team_id: int
    action: Action
    decision: Decision

    def __str__(self) -> str:
        return f"{self.key_id}.{self.org_id}.{self.team_id}.{self.action.name}.{self.decision.name}"

    @classmethod
    def parse(cls, text: str) -> LinkGrant:
        """Read what ``str`` made; only for text whose signature is good."""
        key_id, org_id, team_id, action, decision = text.split(".")
        return cls(int(key_id), int(org_id), int(team_id), Action[action], Decision[decision])

    def principal(self, db: Session) -> Principal | None:
        """Who made the link, if they could make it now as well; else None."""
        principal = GUEST
        if self.key_id:
            try:
                principal = principal_of(key_of_claims(db, {"sub": self.key_id}))
            except Problem:
                return None
        now = decide(principal, self.action, self.org_id, self.team_id or None)
        return principal if reaches(now, self.decision) else None
