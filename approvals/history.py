"""What the topics say of every request, added up: where each stands, who voted, what happened. Pure.

The events come in one order, so nothing is guessed: the same requests, events and verdicts always give the same
state, and it is the one that the database had when the last of them was published.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from approvals.gate.events import GATE_EVENTS
from approvals.lifecycle import Clarification, Event, Refused, Review, State, advance, answer, ask, fold, revise, unfold
from detectors.errors import SluicegateError
from engine.ledger.model import ReviewEvent, ReviewRequest, Verdict, VerdictKind, Vote
from engine.records import Position, TopicPartition

BEGAN = "began"
_ENDINGS = {
    VerdictKind.APPROVED: (Event.QUORUM, State.APPROVED),
    VerdictKind.DENIED: (Event.DENIAL, State.DENIED),
    VerdictKind.EXPIRED: (Event.DEADLINE, State.EXPIRED),
    VerdictKind.FOLDED: (Event.FIRST_DECIDED, State.FOLDED),
    VerdictKind.WITHDRAWN: (Event.WITHDRAWAL, State.WITHDRAWN),
}


class Contradiction(SluicegateError):
    """The topics say two things that cannot both be true: nobody can tell what was decided."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A request as it stands, the position where it was first read, and when it was first opened."""

    review: Review
    position: Position
    created: int


@dataclass(frozen=True, slots=True)
class History:
    """Everything that the topics remember.

    ``votes`` are the standing ones, by request, version, issuer and subject; ``untold`` are requests that were
    read once and of which no event and no verdict is left; ``gone`` the ids whose request is not in the topic
    any more.
    """

    requests: Mapping[str, Remembered]
    votes: Mapping[tuple[str, int, str, str], Vote]
    events: tuple[ReviewEvent, ...]
    untold: Mapping[Position, ReviewRequest]
    gone: frozenset[str]


def read_up_to(events: Iterable[ReviewEvent]) -> Mapping[TopicPartition, int]:
    """The last offset of each approvals partition that the events tell of: all before it was read as well."""
    last: dict[TopicPartition, int] = {}
    for event in events:
        if event.position is not None:
            place = TopicPartition(event.position.topic, event.position.partition)
            last[place] = max(event.position.offset, last.get(place, -1))
    return last


def remember(
    events: Iterable[ReviewEvent], verdicts: Iterable[Verdict], requests: Mapping[Position, ReviewRequest]
) -> History:
    """What was, as ``events`` (in any order) and ``verdicts`` say; ``requests`` by where they were read.

    Raises Contradiction.
    """
    ordered = sorted((event for event in events if event.event != BEGAN), key=lambda event: event.sequence)
    for one, next_one in pairwise(ordered):
        if one.sequence == next_one.sequence:
            raise Contradiction(f"two events have the number {one.sequence}: two reviewers have written this log")
    teller = _Teller(_by_id(verdicts), requests)
    for event in ordered:
        teller.tell(event)
    teller.end_the_rest()
    known = teller.reviews.keys() | teller.gone
    return History(
        requests={i: Remembered(r, *teller.first[i]) for i, r in teller.reviews.items()},
        votes=teller.votes,
        events=tuple(ordered),
        untold={p: r for p, r in requests.items() if r.request_id not in known},
        gone=frozenset(teller.gone),
    )


def _by_id(verdicts: Iterable[Verdict]) -> dict[str, Verdict]:
    found: dict[str, Verdict] = {}
    for verdict in verdicts:
        other = found.setdefault(verdict.request_id, verdict)
        if other is not verdict:
            raise Contradiction(
                f"the log has two verdicts for {verdict.request_id}: {other.verdict} and {verdict.verdict}"
            )
    return found


@dataclass(slots=True)
class _Teller:
    """Tells the events one after the other."""

    verdicts: Mapping[str, Verdict]
    requests: Mapping[Position, ReviewRequest]
    reviews: dict[str, Review] = field(default_factory=dict)
    first: dict[str, tuple[Position, int]] = field(default_factory=dict)
    votes: dict[tuple[str, int, str, str], Vote] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    partial: set[str] = field(default_factory=set)  # whose first events retention took
    _versions: dict[tuple[str, int], Position] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for position, request in self.requests.items():
            self._versions.setdefault((request.request_id, request.version), position)

    def tell(self, event: ReviewEvent) -> None:
        """Adds ``event``, which comes after all that were told so far."""
        request_id = event.request_id
        if event.event in GATE_EVENTS:
            return
        if event.event == "received" and request_id in self.reviews:
            raise Contradiction(f"{request_id} was received twice")
        if event.event != "received" and request_id not in self.reviews:
            self.partial.add(request_id)
        review = self._review(request_id, event.version, event.position)
        if review is None:
            return
        after: Review | Refused = review
        match event.event:
            case "received" | "refused":
                pass
            case "asked":
                after = ask(review, event.detail, by=event.actor or "", at=event.at)
            case "answered":
                after = self._answered(review, event)
            case "escalated":
                after = replace(review, escalated=review.escalated + 1)
            case "revised":
                # The first event that retention left may be this one: the review then has this version already.
                content = self._content(request_id, event.version, event.position)
                if content is not None and content.version + review.answers != review.request.version:
                    after = revise(review, content)
                if isinstance(after, Review) and after.request.version != event.version:
                    raise Contradiction(f"{event.position} is not version {event.version} of {request_id}")
            case "repeat":
                after = self._fold(review, event.folded_into or "")
            case "unfolded":
                after = unfold(review) if review.state is State.REPEAT else review
            case "vote approve" | "vote deny":
                after = self._vote(review, event)
            case kind if kind in _ENDINGS:
                after = self._end(review, VerdictKind(kind))
            case _:
                raise Contradiction(f"{request_id}: what '{event.event}' means is not known; is its writer newer?")
        if isinstance(after, Refused):
            raise Contradiction(f"'{event.event}' cannot have happened to {request_id}: {after.message}")
        self.reviews[request_id] = after

    def end_the_rest(self) -> None:
        """Ends what has a verdict whose event is not there any more."""
        for request_id, verdict in self.verdicts.items():
            review = self._review(request_id, verdict.version, None)
            if review is not None and review.verdict is None:
                self.reviews[request_id] = _ended(review, verdict)

    def _review(self, request_id: str, version: int, position: Position | None) -> Review | None:
        """The review so far; a fresh one if this is the first that is told of it, None if its request is gone."""
        if request_id in self.gone or request_id in self.reviews:
            return self.reviews.get(request_id)
        content = self._content(request_id, version, position)
        if content is None:
            self.gone.add(request_id)
            return None
        where = self._versions[request_id, content.version] if position is None else position
        self.first[request_id] = (where, content.created)
        review = Review(replace(content, version=version), clarifications=_forgotten(content.version, version))
        self.reviews[request_id] = review
        return review

    def _content(self, request_id: str, version: int, position: Position | None) -> ReviewRequest | None:
        """What was asked as ``version``: each answer to a clarification makes one more, of the same content."""
        where = position
        if position is None:
            below = (self._versions.get((request_id, number)) for number in range(version, 0, -1))
            where = next((one for one in below if one is not None), None)
        content = None if where is None else self.requests.get(where)
        if content is not None and (content.request_id != request_id or content.version > version):
            raise Contradiction(f"{where} is not version {version} of {request_id}: this is another approvals topic")
        return content

    def _answered(self, review: Review, event: ReviewEvent) -> Review | Refused:
        if review.request.version == event.version and event.request_id in self.partial:
            return review  # this is the first that retention left of it
        after = answer(review, event.detail, by=event.actor or "", at=event.at)
        if isinstance(after, Review) and after.request.version != event.version:
            raise Contradiction(f"an answer made version {event.version} of {event.request_id} out of another")
        return after

    def _fold(self, review: Review, first: str) -> Review | Refused:
        into = self.reviews.get(first)
        if into is None:
            return replace(review, state=State.REPEAT, votes=(), folded_into=first)
        return fold(review, into)

    def _vote(self, review: Review, event: ReviewEvent) -> Review | Refused:
        vote = event.vote
        if vote is None:
            raise Contradiction(f"a vote on {event.request_id} does not say what it was")
        if event.version != review.request.version:
            raise Contradiction(f"a vote on {event.request_id} is for version {event.version}, which it did not have")
        state = advance(review.state, Event.VOTE if event.event == "vote approve" else Event.DENIAL)
        if isinstance(state, Refused):
            return state
        key = (event.request_id, event.version, vote.issuer, vote.subject)
        self.votes[key] = vote
        others = tuple(v for v in review.votes if (v.issuer, v.subject) != (vote.issuer, vote.subject))
        return replace(review, votes=(*others, vote))

    def _end(self, review: Review, kind: VerdictKind) -> Review | Refused:
        request_id = review.request.request_id
        verdict = self.verdicts.get(request_id)
        if verdict is None or verdict.verdict is not kind:
            raise Contradiction(f"{request_id} ended as {kind}, and the log has no such verdict")
        if request_id in self.partial and review.verdict is None:
            return _ended(review, verdict)
        state = advance(review.state, _ENDINGS[kind][0])
        return state if isinstance(state, Refused) else _ended(review, verdict)


def _forgotten(first: int, version: int) -> tuple[Clarification, ...]:
    """What must have been answered to make ``version`` of ``first``, where the log has forgotten what it was."""
    return tuple(Clarification(n, "", "", 0, answered_at=0) for n in range(first, version))


def _ended(review: Review, verdict: Verdict) -> Review:
    """``review`` with the ``verdict`` that the log has. Raises Contradiction if that is for something else."""
    request = review.request
    if (verdict.version, verdict.binding) != (request.version, request.binding):
        raise Contradiction(f"the verdict for {request.request_id} is bound to something else than the request")
    state = State.RELEASED if verdict.released else _ENDINGS[verdict.verdict][1]
    return replace(review, state=state, folded_into=verdict.folded_into, verdict=verdict)
