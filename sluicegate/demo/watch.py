"""What the demo knows: read back from the log it runs on, like any other reader would."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from typing import NamedTuple

from approvals.outputs import REQUEST_HEADER
from approvals.person import Person, Roster
from approvals.rights import may_vote
from engine.brokers.base import Broker
from engine.ledger.codec import decode
from engine.ledger.model import (
    ActionKind,
    DecisionBatch,
    OutcomeKind,
    PolicySnapshot,
    ReviewRequest,
    Verdict,
    VerdictKind,
)
from engine.records import ActivityRecord
from sluicegate.demo.folder import ACTIVITY, APPROVALS, DECISIONS, SANITIZED
from sluicegate.demo.pairs import Pair, align

RATE_SECONDS = 5.0  # the rate shown is the mean over so many seconds
_POLL = 2000


class Tally:
    """Counts, and the requests that wait, from decisions and requests in any order."""

    def __init__(self) -> None:
        self.outcomes: Counter[OutcomeKind] = Counter()
        self.entities: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.requests: dict[str, ReviewRequest] = {}
        self.verdicts: dict[str, Verdict] = {}
        self.released = 0
        self.policy = ""

    @property
    def accounted(self) -> int:
        """Input records whose outcome is known."""
        return self.outcomes.total()

    def add(self, record: ActivityRecord) -> None:
        """Takes in a record of the decisions or of an approvals topic."""
        message = decode(record.value or b"")
        match message:
            case DecisionBatch(entries=entries):
                for entry in entries:
                    self.outcomes[entry.outcome] += entry.count
                    self.entities.update(redaction.entity for redaction in entry.redactions)
                    if entry.outcome is OutcomeKind.QUARANTINED:
                        self.reasons[entry.reason or "unknown"] += 1
            case ReviewRequest(request_id=request_id):
                self.requests[request_id] = message
            case Verdict(request_id=request_id):
                self.verdicts[request_id] = message
            case PolicySnapshot(digest=digest):
                self.policy = digest

    def count_verdicts(self, kind: VerdictKind) -> int:
        """How many requests ended so."""
        return sum(verdict.verdict is kind for verdict in self.verdicts.values())

    def waiting(self) -> list[ReviewRequest]:
        """The requests that wait for a person, oldest first; one asked again and again stands here once."""
        first: dict[str, ReviewRequest] = {}
        for request in sorted(self.requests.values(), key=lambda one: one.created):
            if request.request_id not in self.verdicts:
                alike = request.likeness if request.kind is ActionKind.PROPOSAL else ""
                first.setdefault(alike or request.request_id, request)
        return list(first.values())

    def repeats(self) -> int:
        """How many open requests repeat another one that waits."""
        return sum(request_id not in self.verdicts for request_id in self.requests) - len(self.waiting())


def able(request: ReviewRequest, people: Iterable[Person]) -> list[Person]:
    """Who of ``people``, who are all there are, may decide on ``request`` as it was opened."""
    roster = Roster(people)
    return [one for one in roster.values() if may_vote(one, request, roster, request.created) is None]


class Flow(NamedTuple):
    """How the stream runs: records that came in, the mean rate of late, and how many wait for the engine."""

    records: int
    rate: float
    lag: int


class Watch:
    """Follows the log. ``raw`` gives what was written at a partition with a timestamp, if it is still known."""

    def __init__(self, broker: Broker, raw: Callable[[int, int], bytes | None]) -> None:
        self._resources = ExitStack()
        self._reader = self._resources.enter_context(closing(broker.reader([DECISIONS, APPROVALS, SANITIZED])))
        self._input = self._resources.enter_context(closing(broker.reader([ACTIVITY])))
        self._raw = raw
        self._marks: deque[tuple[float, int]] = deque()
        self._shown: dict[frozenset[str], int] = {}
        self.tally = Tally()
        self._pairs: dict[frozenset[str], Pair] = {}  # the last record by what was redacted in it

    def look(self, now: float) -> Flow:
        """Takes in what is new; ``now`` in seconds of a clock that never goes back."""
        while records := self._reader.poll(_POLL, 0):
            for record in records:
                if record.position.topic == SANITIZED:
                    self._sanitized(record)
                else:
                    self.tally.add(record)
        # The end is read after the decisions, so that what lags is never below zero.
        end = sum(self._input.end_offsets().values())
        self._marks.append((now, end))
        while now - self._marks[0][0] > RATE_SECONDS and len(self._marks) > 2:
            self._marks.popleft()
        since, before = self._marks[0]
        rate = (end - before) / (now - since) if now > since else 0.0
        return Flow(end, rate, end - self.tally.accounted)

    def next_pair(self) -> Pair | None:
        """A record that was redacted of late, before and after: of the kind that was shown least of late."""
        kind = min(self._pairs, key=lambda one: self._shown.get(one, -1), default=None)
        if kind is None:
            return None
        self._shown[kind] = max(self._shown.values(), default=0) + 1
        return self._pairs.pop(kind)

    def close(self) -> None:
        """Frees the readers."""
        self._resources.close()

    def _sanitized(self, record: ActivityRecord) -> None:
        if any(name == REQUEST_HEADER for name, _ in record.headers):
            self.tally.released += 1
            return
        raw = self._raw(record.position.partition, record.timestamp)
        if raw is not None and record.value is not None and raw != record.value:
            pair = align(raw.decode("utf-8", "replace"), record.value.decode("utf-8", "replace"))
            if pair is not None:
                self._pairs[frozenset(pair.after[start:end] for start, end in pair.after_spans)] = pair
