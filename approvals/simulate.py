"""A policy tried on past requests: what it would have done, and what of that is different. Pure.

It reads what the requests hold, which is sanitized: a condition on text that was redacted may decide otherwise on the
record itself. Of facts, whose record is not in the request, every profile of facts is tried, and the strictest counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from approvals.lifecycle import Review
from approvals.person import Identity, Person
from approvals.rights import approvals_needed
from engine.actions.decide import Decision, Effect
from engine.actions.extract import extract
from engine.actions.model import Action, Json
from engine.actions.tree import parse
from engine.ledger.codec import LedgerMessage
from engine.ledger.model import Decision as Said
from engine.ledger.model import Requirement, ReviewRequest, Verdict, VerdictKind
from engine.policy.compiled import Policy


class Past(NamedTuple):
    """A request in its last version, and how it ended; None if it has not."""

    request: ReviewRequest
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class Trial:
    """What the policy would do with a past request. ``changes`` are phrases, none if all is as it was."""

    past: Past
    effect: Effect
    rule_id: str | None
    changes: tuple[str, ...]


def pasts(messages: Iterable[LedgerMessage]) -> list[Past]:
    """The requests among ``messages`` with their verdicts, in order of time, without those after emergencies."""
    requests: dict[str, ReviewRequest] = {}
    verdicts: dict[str, Verdict] = {}
    for message in messages:
        if isinstance(message, Verdict):
            verdicts[message.request_id] = message
        elif isinstance(message, ReviewRequest) and message.review_of is None:
            known = requests.get(message.request_id)
            if known is None or known.version <= message.version:
                requests[message.request_id] = message
    found = [Past(request, verdicts.get(request.request_id)) for request in requests.values()]
    return sorted(found, key=lambda past: (past.request.created, past.request.request_id))


def simulate(past: Past, policy: Policy, people: Mapping[Identity, Person] | None = None) -> Trial:
    """What ``policy`` would do with ``past``; with ``people``, also whether the votes would be enough for it."""
    request = past.request
    action, decision = _decide(request, policy)
    if decision.effect is not Effect.REVIEW or decision.rule is None:
        word = "denied at once" if decision.effect is Effect.DENY else "let pass without a review"
        rule_id = decision.rule.id if decision.rule else None
        return Trial(past, decision.effect, rule_id, (f"{word}, by {rule_id or 'no rule'}",))
    requirement, waits = policy.review(decision.rule, action, at=request.created)
    changes = []
    if decision.rule.id != request.rule_id:
        changes.append(f"asked by {decision.rule.id} instead of {request.rule_id}")
    if decision.rule.risk is not request.risk:
        changes.append(f"risk {decision.rule.risk} instead of {request.risk}")
    if waits != request.expires - request.created:
        changes.append(f"waits {_minutes(waits)} instead of {_minutes(request.expires - request.created)}")
    if replace(requirement, channels=()) != replace(request.requirement, channels=()):
        changes.append(f"{asked(requirement)} instead of {asked(request.requirement)}")
    if requirement.channels != request.requirement.channels:
        changes.append(f"told {_where(requirement)} instead of {_where(request.requirement)}")
    asked_now = replace(
        request,
        requirement=requirement,
        rule_id=decision.rule.id,
        risk=decision.rule.risk,
        expires=request.created + waits,
    )
    return Trial(past, Effect.REVIEW, decision.rule.id, (*changes, *_ends(past, asked_now, people)))


def asked(requirement: Requirement) -> str:
    """Who must approve, in words: ``2 of local:security``."""
    if requirement.seats:
        names = ", ".join(seat.name for seat in requirement.seats)
        text = f"{requirement.quorum} of the seats {names}"
    else:
        text = f"{requirement.quorum} of {' or '.join((*requirement.groups, *requirement.people)) or 'nobody'}"
    if requirement.denials > 1:
        text += f", {requirement.denials} to deny"
    text += "".join(
        f", after {_minutes(step.after)} also {' or '.join((*step.groups, *step.people))}" for step in requirement.steps
    )
    glass = requirement.break_glass
    return text + (f", or {' or '.join((*glass.groups, *glass.people))} in an emergency" if glass else "")


def _where(requirement: Requirement) -> str:
    return f"in {' and '.join(requirement.channels)}" if requirement.channels else "where channels are routed"


def _ends(past: Past, now: ReviewRequest, people: Mapping[Identity, Person] | None) -> list[str]:
    """What would have become of the votes that were cast."""
    verdict = past.verdict
    if verdict is None or verdict.verdict is not VerdictKind.APPROVED or verdict.break_glass:
        return []
    if verdict.decided >= now.expires:
        return ["its approval would have come too late"]
    if people is None:
        yes = {(v.issuer, v.subject) for v in verdict.votes if v.decision is Said.APPROVE}
        short = len(yes) < now.requirement.quorum
        return [f"{len(yes)} approval{'s' * (len(yes) != 1)} would not have been enough"] if short else []
    missing = approvals_needed(Review(now, votes=verdict.votes), people, verdict.decided)
    return [f"{missing} more approval{'s' if missing > 1 else ''} would have been needed"] if missing else []


def _decide(request: ReviewRequest, policy: Policy) -> tuple[Action, Decision]:
    actions = _actions(request, policy)
    found = policy.actions.strictest(actions)
    if found is None:  # its record tells of no action any more, as redacted
        found = policy.actions.strictest(_shown(request, policy))
    if found is None:
        raise ValueError("a policy has at least one profile")
    return found


def _actions(request: ReviewRequest, policy: Policy) -> list[Action]:
    if request.held is None:
        return _shown(request, policy)
    trees = parse(request.held.value, max_depth=policy.file.limits.depth)
    return extract(trees, policy.profiles, policy.principals)


def _shown(request: ReviewRequest, policy: Policy) -> list[Action]:
    """The action as a reviewer sees it, as each profile of its kind could have read it."""
    params: Json = None
    for root in parse(request.params.encode(), max_depth=policy.file.limits.depth).readings():
        params = root
    return [
        Action(
            kind=request.kind,
            profile=profile.name,
            action=request.action,
            resource=request.resource,
            environment=request.environment,
            reason=request.reason,
            params=params,
            principals=request.principals,
        )
        for profile in policy.profiles
        if profile.kind is request.kind
    ]


def _minutes(ms: int) -> str:
    return f"{ms // 60_000} min" if ms >= 60_000 else f"{ms // 1000} s"
