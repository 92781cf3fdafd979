"""What people and time do to a request, made to last: each function is part of one write transaction of the store.

What may happen is decided by `approvals.votes` and `approvals.lifecycle`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

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
from engine.ledger.model import ReviewRequest, Step, Vote

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
    what = "break glass" if ballot.break_glass else str(ballot.decision)
    doing = _Doing(journal, str(person.identity), what, at, channel)

    def keep(before: Review, after: Review) -> None:
        mine = next(v for v in reversed(after.votes) if Identity(v.issuer, v.subject) == person.identity)
        keep_vote(journal.connection, before, mine)
        doing.note(before.request, f"vote {mine.decision}", mine.reason, vote=mine)
        if after.verdict is not None:
            end(journal, before, after, at)

    return doing.run(
        request_id, lambda before: votes.cast(before, person, ballot, people, at=at, channel=channel), keep
    )


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
    doing = _Doing(journal, str(person.identity), "ask", at, channel)

    def keep(before: Review, after: Review) -> None:
        _spoken(journal, before, after)
        doing.note(before.request, "asked", question)

    return doing.run(
        request_id, lambda before: votes.ask(before, person, question, people, version=version, at=at), keep
    )


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
    doing = _Doing(journal, votes.name_of(by), "answer", at, channel)

    def keep(before: Review, after: Review) -> None:
        _spoken(journal, before, after)
        doing.note(after.request, "answered", text)

    return doing.run(request_id, lambda before: votes.answer(before, by, text, people, version=version, at=at), keep)


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
    doing = _Doing(journal, votes.name_of(by), "withdraw", at, channel)
    return doing.run(
        request_id,
        lambda before: votes.withdraw(before, by, reason, people, at=at),
        lambda before, after: end(journal, before, after, at, actor=doing.actor, channel=channel),
    )


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


@dataclass(frozen=True, slots=True)
class _Doing:
    """Somebody does ``what`` to a request, ``at`` ms since the epoch."""

    journal: Journal
    actor: str
    what: str
    at: int
    channel: str

    def run(
        self,
        request_id: str,
        rule: Callable[[Review], Review | Refused],
        keep: Callable[[Review, Review], None],
    ) -> Review | Refused:
        """The request as ``rule`` changes it, once ``keep`` has made that last. Who may not is noted, if it tells."""
        before = self.journal.load(request_id)
        if before is None:
            return Refused(RefusalCode.UNKNOWN, "there is no such request")
        after = rule(before)
        if not isinstance(after, Refused):
            keep(before, after)
        elif after.code in _EVIDENCE:
            self.note(before.request, "refused", f"{self.what}: {after.code}")
        return after

    def note(self, request: ReviewRequest, event: str, detail: str, *, vote: Vote | None = None) -> None:
        """Notes what was done."""
        self.journal.note(request, event, self.at, actor=self.actor, channel=self.channel, detail=detail, vote=vote)


def _spoken(journal: Journal, before: Review, after: Review) -> None:
    """Keeps what was asked or answered last."""
    move(journal.connection, before, after)
    keep_clarification(journal.connection, after.request.request_id, after.clarifications[-1])


def _named(step: Step) -> str:
    asked = " or ".join((*step.groups, *step.people))
    return f"to {asked}, the last resort" if step.fallback else f"to {asked}"
