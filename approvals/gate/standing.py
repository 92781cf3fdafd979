"""Where a request of the gate stands, for the agent that made it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from approvals.lifecycle import Review, State
from approvals.person import Identity


class Outcome(StrEnum):
    """What was done about what an agent asked for."""

    ALLOWED = "allowed"  # by the policy, at once
    DENIED = "denied"  # by the policy, at once
    ASKED = "asked"  # people decide


@dataclass(frozen=True, slots=True)
class Kept:
    """A request as the gate keeps it: whose, bound to what, and whether its approval was used. Times in ms."""

    request_id: str
    agent: Identity
    audience: str
    environment: str
    outcome: Outcome
    likeness: str
    digest: str
    rule_id: str
    reason: str  # of the policy
    created: int
    expires: int  # until when people are asked; of what the policy decided, when it did
    redeemed: int | None = None


class Stand(StrEnum):
    """What an agent is told."""

    WAITING = "waiting"
    CLARIFICATION_ASKED = "clarification_asked"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"  # nobody decided in time
    LAPSED = "lapsed"  # approved, and not used in time
    REDEEMED = "redeemed"  # approved, and used
    WITHDRAWN = "withdrawn"
    FOLDED = "folded"  # it repeated a request that has ended


OPEN = frozenset({Stand.WAITING, Stand.CLARIFICATION_ASKED})

_STANDS = {
    State.PENDING: Stand.WAITING,
    State.REPEAT: Stand.WAITING,
    State.CLARIFICATION_ASKED: Stand.CLARIFICATION_ASKED,
    State.DENIED: Stand.DENIED,
    State.EXPIRED: Stand.EXPIRED,
    State.FOLDED: Stand.FOLDED,
    State.WITHDRAWN: Stand.WITHDRAWN,
}


@dataclass(frozen=True, slots=True)
class Standing:
    """Where it stands. ``by`` is ``policy``, ``people`` or empty; ``usable`` are the ms from and until when an
    approval can be used, if it is one.
    """

    kept: Kept
    stand: Stand
    version: int
    reason: str
    by: str
    question: str | None = None
    usable: tuple[int, int] | None = None


def standing(kept: Kept, review: Review | None, *, at: int, usable_ms: int) -> Standing:
    """Where ``kept`` stands at ``at``; ``review`` is None until the service has read the request from the log.

    An approval can be used for ``usable_ms`` after it was given.
    """
    if kept.outcome is Outcome.DENIED:
        return Standing(kept, Stand.DENIED, 1, kept.reason, "policy")
    if kept.outcome is Outcome.ALLOWED:
        return _approved(kept, 1, kept.reason, "policy", kept.created, at, usable_ms)
    if review is None:
        return Standing(kept, Stand.WAITING if at < kept.expires else Stand.EXPIRED, 1, "", "")
    verdict, version = review.verdict, review.request.version
    if review.state in (State.APPROVED, State.RELEASED) and verdict is not None:
        return _approved(kept, version, verdict.reason, "people", verdict.decided, at, usable_ms)
    stand = _STANDS[review.state]
    asked = review.clarifications[-1].question if stand is Stand.CLARIFICATION_ASKED else None
    by = "people" if stand in (Stand.DENIED, Stand.WITHDRAWN) else ""
    return Standing(kept, stand, version, verdict.reason if verdict else "", by, asked)


def _approved(kept: Kept, version: int, reason: str, by: str, given: int, at: int, usable_ms: int) -> Standing:
    until = given + usable_ms
    stand = Stand.REDEEMED if kept.redeemed is not None else Stand.LAPSED if at >= until else Stand.APPROVED
    return Standing(kept, stand, version, reason, by, usable=(given, until) if stand is Stand.APPROVED else None)
