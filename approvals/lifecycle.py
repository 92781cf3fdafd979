"""The life of a review request: a table of states and events, and nothing else can happen.

Pure: no clock, no database. Every function gives the next `Review`, or a `Refused` that says why not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from engine.binding import view_digest
from engine.ledger.model import ActionKind, ReviewRequest, Verdict, VerdictKind, Vote


class State(StrEnum):
    """Where a request stands."""

    PENDING = "pending"  # waits for votes
    CLARIFICATION_ASKED = "clarification_asked"  # waits for the one who asked; only a denial counts meanwhile
    REPEAT = "repeat"  # waits with an older like request, which decides for it
    APPROVED = "approved"  # decided; a held record is on its way out
    RELEASED = "released"  # approved, and the held record is in the log
    DENIED = "denied"
    EXPIRED = "expired"  # nobody decided: silence is a denial
    FOLDED = "folded"  # ended with the request that it repeated; never released
    WITHDRAWN = "withdrawn"  # a party to it took it back; never released


OPEN = frozenset({State.PENDING, State.CLARIFICATION_ASKED, State.REPEAT})
FINAL = frozenset(State) - OPEN
# A later like request folds into one of these. A repeat is not among them: nothing folds into a fold.
FOLDABLE_INTO = frozenset({State.PENDING, State.CLARIFICATION_ASKED})


class Event(StrEnum):
    """What can happen to a request."""

    VOTE = "vote"  # an approval that does not yet decide
    QUORUM = "quorum"  # the approval that decides
    BREAK_GLASS = "break_glass"  # the approval of one, in an emergency, which decides
    OBJECTION = "objection"  # a denial that does not yet decide
    DENIAL = "denial"  # the denial that decides
    WITHDRAWAL = "withdrawal"
    DEADLINE = "deadline"
    ESCALATION = "escalation"  # others are asked too
    ASK = "ask"
    ANSWER = "answer"
    REVISION = "revision"  # what is asked has changed
    FOLD = "fold"  # a like request already waits
    UNFOLD = "unfold"  # that one has become something else
    FIRST_DECIDED = "first_decided"  # the one that it repeats has ended
    RELEASE = "release"  # the held record is in the log


TRANSITIONS: Mapping[tuple[State, Event], State] = MappingProxyType(
    {
        (State.PENDING, Event.VOTE): State.PENDING,
        (State.PENDING, Event.QUORUM): State.APPROVED,
        (State.PENDING, Event.BREAK_GLASS): State.APPROVED,
        (State.PENDING, Event.OBJECTION): State.PENDING,
        (State.PENDING, Event.DENIAL): State.DENIED,
        (State.PENDING, Event.WITHDRAWAL): State.WITHDRAWN,
        (State.PENDING, Event.DEADLINE): State.EXPIRED,
        (State.PENDING, Event.ESCALATION): State.PENDING,
        (State.PENDING, Event.ASK): State.CLARIFICATION_ASKED,
        (State.PENDING, Event.REVISION): State.PENDING,
        (State.PENDING, Event.FOLD): State.REPEAT,
        (State.CLARIFICATION_ASKED, Event.ESCALATION): State.CLARIFICATION_ASKED,
        (State.CLARIFICATION_ASKED, Event.ANSWER): State.PENDING,
        (State.CLARIFICATION_ASKED, Event.REVISION): State.PENDING,
        (State.CLARIFICATION_ASKED, Event.OBJECTION): State.CLARIFICATION_ASKED,
        (State.CLARIFICATION_ASKED, Event.DENIAL): State.DENIED,
        (State.CLARIFICATION_ASKED, Event.WITHDRAWAL): State.WITHDRAWN,
        (State.CLARIFICATION_ASKED, Event.DEADLINE): State.EXPIRED,
        (State.REPEAT, Event.REVISION): State.PENDING,
        (State.REPEAT, Event.WITHDRAWAL): State.WITHDRAWN,
        (State.REPEAT, Event.UNFOLD): State.PENDING,
        (State.REPEAT, Event.FIRST_DECIDED): State.FOLDED,
        (State.APPROVED, Event.RELEASE): State.RELEASED,
    }
)


class RefusalCode(StrEnum):
    """Why something was refused."""

    CONFLICT = "conflict"  # a principal of the action
    NOT_ENTITLED = "not_entitled"  # not among those who are asked
    DECIDED = "decided"  # it has ended
    REPEAT = "repeat"  # another request decides for it
    STALE = "stale"  # the vote is for another version
    DEADLINE_PASSED = "deadline_passed"
    TOO_EARLY = "too_early"
    OUTSIDE_HOURS = "outside_hours"  # the policy lets approvals be given at other times only
    REASON_REQUIRED = "reason_required"
    REASON_TOO_LONG = "reason_too_long"
    WRONG_STATE = "wrong_state"
    UNKNOWN = "unknown"  # no such request


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing happened, and why. ``message`` is a sentence to the one who tried, without a full stop.

    ``version`` and ``current`` are set when the vote was for another version than the request has now.
    """

    code: RefusalCode
    message: str
    version: int | None = None
    current: int | None = None


@dataclass(frozen=True, slots=True)
class Clarification:
    """What a reviewer asked of ``version``, by ``issuer:subject`` at ms since the epoch, and the answer, if any."""

    version: int
    question: str
    asked_by: str
    asked_at: int
    answer: str = ""
    answered_by: str | None = None
    answered_at: int | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """A request, where it stands, the votes on its present version, and, once it has ended, its verdict.

    Its version is the one that whoever asks gave it, and one more for each clarification that was answered.
    """

    request: ReviewRequest
    state: State = State.PENDING
    votes: tuple[Vote, ...] = ()
    folded_into: str | None = None
    verdict: Verdict | None = None
    clarifications: tuple[Clarification, ...] = ()
    escalated: int = 0  # steps of the escalation that were told

    @property
    def answers(self) -> int:
        """How many clarifications were answered."""
        return sum(one.answered_at is not None for one in self.clarifications)


_ENDED = {
    State.APPROVED: "it was approved already",
    State.RELEASED: "it was approved already",
    State.DENIED: "it was denied already",
    State.EXPIRED: "its deadline passed, which denied it",
    State.FOLDED: "it ended with the request that it repeats",
    State.WITHDRAWN: "it was withdrawn",
}


def advance(state: State, event: Event) -> State | Refused:
    """The state after ``event``, or why the event cannot happen in ``state``."""
    after = TRANSITIONS.get((state, event))
    if after is not None:
        return after
    if state in FINAL:
        return Refused(RefusalCode.DECIDED, _ENDED[state])
    if state is State.REPEAT:
        return Refused(RefusalCode.REPEAT, "it repeats an older request, which decides for it")
    if state is State.CLARIFICATION_ASKED:
        return Refused(RefusalCode.WRONG_STATE, "it waits for a clarification; it can only be denied meanwhile")
    return Refused(RefusalCode.WRONG_STATE, f"'{event}' cannot happen while it is {state}")


def end(  # the one place where a verdict is made
    review: Review,
    event: Event,
    kind: VerdictKind,
    *,
    at: int,
    reason: str,
    votes: tuple[Vote, ...] = (),
) -> Review | Refused:
    """``review`` with its verdict, given by ``event`` at ``at`` (ms since the epoch)."""
    state = advance(review.state, event)
    if isinstance(state, Refused):
        return state
    request = review.request
    verdict = Verdict(
        request_id=request.request_id,
        version=request.version,
        verdict=kind,
        position=request.position,
        decided=at,
        reason=reason,
        votes=votes,
        policy=request.policy,
        binding=request.binding,
        view_digest=request.view_digest,
        folded_into=review.folded_into if kind is VerdictKind.FOLDED else None,
        released=kind is VerdictKind.APPROVED and request.held is not None,
        break_glass=event is Event.BREAK_GLASS,
    )
    return replace(review, state=state, votes=votes, verdict=verdict)


def expire(review: Review, *, at: int) -> Review | Refused:
    """Silence is a denial: ends ``review`` if its deadline has come at ``at`` (ms since the epoch)."""
    state = advance(review.state, Event.DEADLINE)
    if isinstance(state, Refused):
        return state
    if at < review.request.expires:
        return Refused(RefusalCode.TOO_EARLY, "its deadline has not come")
    return end(
        review,
        Event.DEADLINE,
        VerdictKind.EXPIRED,
        at=at,
        reason="nobody decided before the deadline: silence is a denial",
        votes=review.votes,
    )


def escalate(review: Review, *, at: int) -> Review | Refused:
    """Others are asked too, if their time has come at ``at`` (ms since the epoch)."""
    state = advance(review.state, Event.ESCALATION)
    if isinstance(state, Refused):
        return state
    due = sum(review.request.created + step.after <= at for step in review.request.requirement.steps)
    if due <= review.escalated:
        return Refused(RefusalCode.TOO_EARLY, "the time of its next step has not come")
    return replace(review, state=state, escalated=due)


def ask(review: Review, question: str, *, by: str, at: int) -> Review | Refused:
    """``review`` waits for an answer to ``question``, which has been scrubbed."""
    state = advance(review.state, Event.ASK)
    if isinstance(state, Refused):
        return state
    asked = Clarification(review.request.version, question, by, at)
    return replace(review, state=state, clarifications=(*review.clarifications, asked))


def answer(review: Review, text: str, *, by: str, at: int) -> Review | Refused:
    """A clarification was answered: a new version of the same request, and earlier votes are void.

    The digest of what is shown covers question and answer from now on.
    """
    state = advance(review.state, Event.ANSWER)
    if isinstance(state, Refused):
        return state
    *earlier, asked = review.clarifications
    told = replace(asked, answer=text, answered_by=by, answered_at=at)
    request = replace(
        review.request,
        version=review.request.version + 1,
        view_digest=view_digest([review.request.view_digest, told.question, told.answer]),
    )
    return replace(review, request=request, state=state, votes=(), clarifications=(*earlier, told))


def withdraw(review: Review, *, at: int, reason: str) -> Review | Refused:
    """A party to it took it back. It has been decided then, and is never released."""
    return end(review, Event.WITHDRAWAL, VerdictKind.WITHDRAWN, at=at, reason=reason, votes=review.votes)


def revise(review: Review, request: ReviewRequest) -> Review | Refused:
    """What is asked has changed to ``request``, of a higher version: earlier votes are void.

    Whoever asks counts its versions alone; answers count on top, so that no version is ever used twice.
    """
    state = advance(review.state, Event.REVISION)
    if isinstance(state, Refused):
        return state
    version = request.version + review.answers
    if version <= review.request.version:
        return Refused(
            RefusalCode.STALE,
            f"version {version} is not newer than version {review.request.version}",
            version=version,
            current=review.request.version,
        )
    request = replace(request, version=version)
    return replace(review, request=request, state=state, votes=(), folded_into=None, escalated=0)


def may_fold(request: ReviewRequest, into: Review) -> bool:
    """Whether ``request`` is a repeat of ``into``: the same proposal, asked again while the first one waits.

    Facts never fold: each of them happened, and each is to be looked at.
    """
    return (
        request.kind is ActionKind.PROPOSAL
        and into.request.kind is ActionKind.PROPOSAL
        and into.state in FOLDABLE_INTO
        and into.request.request_id != request.request_id
        and into.request.likeness == request.likeness
        and request.likeness != ""
    )


def fold(review: Review, into: Review) -> Review | Refused:
    """``review`` waits with ``into`` from now on. Its votes, if any, are void."""
    state = advance(review.state, Event.FOLD)
    if isinstance(state, Refused):
        return state
    if not may_fold(review.request, into):
        return Refused(RefusalCode.WRONG_STATE, "it is not a repeat of that request")
    return replace(review, state=state, votes=(), folded_into=into.request.request_id)


def unfold(review: Review) -> Review | Refused:
    """The request that this one repeated has become something else: it waits by itself again."""
    state = advance(review.state, Event.UNFOLD)
    return state if isinstance(state, Refused) else replace(review, state=state, folded_into=None)


def close_repeat(review: Review, first: Review) -> Review | Refused:
    """``first`` has ended, so its repeat ends too, unreleased: one approval never runs an action twice."""
    if first.verdict is None or review.folded_into != first.request.request_id:
        return Refused(RefusalCode.WRONG_STATE, "the request that it repeats has not ended")
    return end(
        review,
        Event.FIRST_DECIDED,
        VerdictKind.FOLDED,
        at=first.verdict.decided,
        reason=f"a repeat of {first.request.request_id}, which was {first.verdict.verdict}: never released",
    )


def release(review: Review) -> Review | Refused:
    """The held record of an approved request is in the log."""
    if review.request.held is None:
        return Refused(RefusalCode.WRONG_STATE, "it holds no record")
    state = advance(review.state, Event.RELEASE)
    return state if isinstance(state, Refused) else replace(review, state=state)
