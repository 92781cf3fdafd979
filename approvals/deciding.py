"""What people and time do to a request, made to last: each function is part of one write transaction of the store.

What may happen is decided by `approvals.votes` and `approvals.lifecycle`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import select

from approvals import tables as t
from approvals import votes
from approvals.after_review import after_review
from approvals.journal import Journal
from approvals.lifecycle import (
    FOLDABLE_INTO,
    RefusalCode,
    Refused,
    Review,
    close_repeat,
    escalate,
    expire,
)
from approvals.person import Identity, Person
from approvals.rows import WHOLE, keep_clarification, keep_vote, load_all, move, repeats_of
from approvals.votes import Ballot
from engine.ledger.model import Step

_EVIDENCE = frozenset({RefusalCode.CONFLICT, RefusalCode.NOT_ENTITLED})  # refusals that an auditor asks for

Act = Callable[[Journal], Review | Refused]


def vote(
    journal: Journal,
    request_id: str,
    person: Person,
    ballot: Ballot,
    people: Mapping[Identity, Person],
    *,
    at: int,
    channel: str,
) -> Review | Refused:
    """Casts ``ballot``; see `approvals.votes.cast`."""
    before = journal.load(request_id)
    if before is None:
        return _unknown()
    after = votes.cast(before, person, ballot, people, at=at, channel=channel)
    actor = str(person.identity)
    if isinstance(after, Refused):
        what = "break glass" if ballot.break_glass else str(ballot.decision)
        return _refused(journal, before, after, what, at=at, actor=actor, channel=channel)
    mine = next(v for v in reversed(after.votes) if Identity(v.issuer, v.subject) == person.identity)
    keep_vote(journal.connection, before, mine)
    event = f"vote {mine.decision}"
    journal.note(before.request, event, at, actor=actor, channel=channel, detail=mine.reason, vote=mine)
    if after.verdict is not None:
        end(journal, before, after, at)
    return after


def ask(
    journal: Journal,
    request_id: str,
    person: Person,
    question: str,
    people: Mapping[Identity, Person],
    *,
    version: int,
    at: int,
    channel: str,
) -> Review | Refused:
    """Asks for a clarification; see `approvals.votes.ask`."""
    before = journal.load(request_id)
    if before is None:
        return _unknown()
    after = votes.ask(before, person, question, people, version=version, at=at)
    actor = str(person.identity)
    if isinstance(after, Refused):
        return _refused(journal, before, after, "ask", at=at, actor=actor, channel=channel)
    move(journal.connection, before, after)
    keep_clarification(journal.connection, request_id, after.clarifications[-1])
    journal.note(before.request, "asked", at, actor=actor, channel=channel, detail=question)
    return after


def answer(
    journal: Journal,
    request_id: str,
    by: Person | Identity,
    text: str,
    people: Mapping[Identity, Person],
    *,
    version: int,
    at: int,
    channel: str,
) -> Review | Refused:
    """Answers what was asked; see `approvals.votes.answer`."""
    before = journal.load(request_id)
    if before is None:
        return _unknown()
    after = votes.answer(before, by, text, people, version=version, at=at)
    actor = str(by.identity if isinstance(by, Person) else by)
    if isinstance(after, Refused):
        return _refused(journal, before, after, "answer", at=at, actor=actor, channel=channel)
    move(journal.connection, before, after)
    keep_clarification(journal.connection, request_id, after.clarifications[-1])
    journal.note(after.request, "answered", at, actor=actor, channel=channel, detail=text)
    return after


def withdraw(
    journal: Journal,
    request_id: str,
    by: Person | Identity,
    reason: str,
    people: Mapping[Identity, Person],
    *,
    at: int,
    channel: str,
) -> Review | Refused:
    """Takes a request back; see `approvals.votes.withdraw`."""
    before = journal.load(request_id)
    if before is None:
        return _unknown()
    after = votes.withdraw(before, by, reason, people, at=at)
    actor = str(by.identity if isinstance(by, Person) else by)
    if isinstance(after, Refused):
        return _refused(journal, before, after, "withdraw", at=at, actor=actor, channel=channel)
    end(journal, before, after, at, actor=actor, channel=channel)
    return after


def expire_due(journal: Journal, *, at: int, limit: int) -> int:
    """Ends what nobody decided in time, ``limit`` requests at most; how many these were."""
    rows = t.requests.c
    due = select(*WHOLE).where(rows.state.in_(FOLDABLE_INTO), rows.expires <= at).order_by(rows.expires).limit(limit)
    ended = 0
    for before in load_all(journal.connection, due):
        after = expire(before, at=at)
        if isinstance(after, Review):
            end(journal, before, after, at)
            ended += 1
    return ended


def escalate_due(journal: Journal, *, at: int, limit: int) -> int:
    """Notes who is asked from now on, of ``limit`` requests at most; how many steps were taken."""
    due = select(*WHOLE).where(t.requests.c.next_step <= at).order_by(t.requests.c.next_step).limit(limit)
    taken = 0
    for before in load_all(journal.connection, due):
        after = escalate(before, at=at)
        if isinstance(after, Review):
            move(journal.connection, before, after)
            for step in after.request.requirement.steps[before.escalated : after.escalated]:
                journal.note(after.request, "escalated", at, detail=_named(step))
                taken += 1
    return taken


def end(
    journal: Journal, before: Review, after: Review, at: int, *, actor: str | None = None, channel: str | None = None
) -> None:
    """Ends a request, if it still is what we read, and its repeats with it."""
    move(journal.connection, before, after)
    journal.end(after, at, actor=actor, channel=channel)
    if after.verdict is not None and after.verdict.break_glass:
        journal.open(after_review(after, at), after.request.request_id)
    for repeat in repeats_of(journal.connection, after.request.request_id):
        closed = close_repeat(repeat, after)
        if isinstance(closed, Review):
            end(journal, repeat, closed, at)


def _refused(
    journal: Journal, before: Review, refused: Refused, what: str, *, at: int, actor: str, channel: str
) -> Refused:
    if refused.code in _EVIDENCE:
        detail = f"{what}: {refused.code}"
        journal.note(before.request, "refused", at, actor=actor, channel=channel, detail=detail)
    return refused


def _unknown() -> Refused:
    return Refused(RefusalCode.UNKNOWN, "there is no such request")


def _named(step: Step) -> str:
    asked = " or ".join((*step.groups, *step.people))
    return f"to {asked}, the last resort" if step.fallback else f"to {asked}"
