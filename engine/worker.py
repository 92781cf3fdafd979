"""The loop: poll, sanitize, write, commit. What decides is pure and elsewhere; this is the shell around it.

Everything that a batch writes is committed with the offsets that it read, or not at all. Whatever goes wrong
on the way there goes back to the last commit and reads again: a failure costs time and never a record.

A commit mostly waits for the cluster. So the records that are there by then are read before it, and looked at while a
thread of its own waits: that is all that happens beside it, since only the core is pure. What follows a commit that
failed is thrown away and read again with it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Protocol

from detectors.errors import SluicegateError
from engine.attempts import Attempts
from engine.brokers import MessageTooLarge
from engine.brokers.base import BrokerError, BrokerUnavailable, Session, TransactionAborted
from engine.brokers.limits import message_bytes
from engine.config import Batch, TopicSet
from engine.outcomes import Outcome, Quarantined
from engine.progress import Progress
from engine.records import ActivityRecord, OutputRecord, Position, TopicPartition
from engine.routing import DECISIONS_LIMIT, Encode, EntryTooLarge, accounted, route, routed

log = logging.getLogger(__name__)

PART = 1000  # records that are worked on and handed to the client in one go: it sends them during the next
IDLE_POLL = 0.25  # seconds: how soon an idle worker hears that it is to stop
RETRIES = 8  # of a broker that cannot be reached, in a row
BACK_OFF = 0.1  # seconds before the first of them, doubled each time
LONGEST_BACK_OFF = 5.0


class EngineError(SluicegateError):
    """The engine found itself breaking a promise, and stopped before anything was committed."""


class Sanitizes(Protocol):
    """The pure core. ``digest`` names the policy that it decides by."""

    @property
    def digest(self) -> str:
        """The digest of the policy."""
        ...

    def sanitize(self, records: Sequence[ActivityRecord], now: int) -> Sequence[Outcome]:
        """Exactly one outcome for each record, in their order. ``now`` is in ms since the epoch."""
        ...


class Worker:
    """One member of the group, in one thread, and one for its commits.

    ``topics`` by the name of their activity topic; ``name`` is the worker's, for decision batches; ``clock``
    gives seconds since the epoch; ``progress`` is where it counts.
    """

    def __init__(
        self,
        session: Session,
        sanitizer: Sanitizes,
        topics: Mapping[str, TopicSet],
        encode: Encode,
        *,
        attempts: Attempts,
        name: str,
        batch: Batch | None = None,
        progress: Progress | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._session, self._sanitizer, self._topics, self._encode = session, sanitizer, topics, encode
        self._attempts, self._name, self._batch = attempts, name, batch or Batch()
        self._clock, self._sleep = clock, sleep
        self.progress = progress or Progress(name)
        self.counters = self.progress.counters
        self._open = False  # whether a transaction is
        self._dirty = False  # whether it has to be given up before anything else
        self._ahead: list[ActivityRecord] = []  # read before the last commit: of the next batch, the first
        self._ahead_since = 0.0  # when that was, by the monotonic clock
        self._foretold: list[Outcome] = []  # of the first of them
        self._aside = ThreadPoolExecutor(1, f"commits-{name}")
        self._limit = DECISIONS_LIMIT
        self._refused: dict[Position, str] = {}  # what cannot be written, and why: it is quarantined when read again
        self._mean = max(4096, self._batch.bytes // 500)  # bytes a record, until some have been seen
        self._done: dict[TopicPartition, int] = {}  # committed offsets, as far as they are known here
        self._idle = True  # whether the last poll came back empty
        self._looked = time.monotonic()

    def run(self, *, stop: Callable[[], bool], drain: bool = False) -> None:
        """Works until ``stop()``, asked between batches, or with ``drain`` until what is there now is done.

        Raises Fenced, BrokerUnavailable after bounded retries, EngineError and any other BrokerError.
        """
        try:
            self._loop(stop, drain=drain)
        except SluicegateError:
            self._attempts.end()
            raise
        except Exception:
            # Nobody foresaw this one, so it counts as a death: the note stays, and the record is found by it.
            log.error("worker %s stops at an unexpected error", self._name)
            self._attempts.close()
            raise
        else:
            self._attempts.end()
        finally:
            if self._open:
                with suppress(BrokerError):
                    self._session.abort()
            self._aside.shutdown()
            log.info("worker %s ends: %s", self._name, self.counters)

    def _loop(self, stop: Callable[[], bool], *, drain: bool) -> None:
        failures = aborts = 0
        started = False
        targets: Mapping[TopicPartition, int] | None = None
        while not stop():
            try:
                if not started:
                    self._done.update(self._session.committed())
                    self._attempts.went_on(self._done)
                    targets = self._session.end_offsets() if drain else None
                    started = True
                elif targets is not None and self._drained(targets):
                    return
                self._step()
                failures = aborts = 0
            except TransactionAborted as error:
                self._dirty = True
                self.counters.aborted += 1
                log.info("nothing of the batch was committed, reading it again: %s", error)
                if aborts:  # once is a rebalance; again and again must not become a busy loop
                    self._pause(aborts - 1, stop)
                aborts += 1
            except BrokerUnavailable as error:
                self._dirty = True
                failures += 1
                if failures > RETRIES:
                    raise
                log.warning("try %d of %d: %s", failures, RETRIES, error)
                self._pause(failures - 1, stop)

    # -- one batch

    def _step(self) -> None:
        """One transaction, or nothing if no record came. Open while polling, so that `abort` rewinds."""
        if self._dirty:
            self._begin()  # what was read ahead of a commit is of no transaction yet, and has to go back as well
            self._session.abort()
            self._dirty = self._open = False
            self._ahead, self._foretold = [], []
        self._begin()
        alone = self._attempts.cautious(self._session.assignment())
        records = self._gather(1 if alone else self._batch.records)
        self._idle = not records
        if records:
            started = time.monotonic()
            self._process(records, alone=alone)
            self.counters.seconds += time.monotonic() - started
        if not self._dirty:
            self.progress.step(self._session, self._done, idle=self._idle)

    def _gather(self, limit: int) -> list[ActivityRecord]:
        """Records until there are enough of them, or of their bytes, or the interval since the first ends."""
        records, since, self._ahead = self._ahead, self._ahead_since, []
        if not records:
            records, since = self._poll(limit, self._batch.bytes, IDLE_POLL), time.monotonic()
        if not records:
            return records
        end, left = since + self._batch.interval_ms / 1000, 1.0
        size = sum(len(record.value or b"") for record in records)
        while len(records) < limit and size < self._batch.bytes and left > 0:
            left = end - time.monotonic()  # none, after a commit that took longer: then what has come since
            more = self._poll(limit - len(records), self._batch.bytes - size, max(left, 0))
            records += more
            size += sum(len(record.value or b"") for record in more)
        self._mean = max(1, size // len(records))
        return records

    def _poll(self, most: int, room: int, timeout: float) -> list[ActivityRecord]:
        """At most so many records, and so few that their bytes do not go far beyond ``room``."""
        return list(self._session.poll(max(1, min(most, room // self._mean)), timeout))

    def _process(self, records: Sequence[ActivityRecord], *, alone: bool) -> None:
        spans = _spans(records)
        try:
            self._attempts.begin(spans, alone=alone)
        except OSError as error:
            log.warning("cannot note what is in flight: %s", error.strerror)
        started, now = time.monotonic(), int(self._clock() * 1000)
        outcomes = self._write(records, now)
        if outcomes is None:
            self._dirty = True
            return
        offsets = {partition: last + 1 for partition, (_, last) in spans.items()}
        if self._session.commit_waits and self._attempts.quiet:
            self._ahead, self._ahead_since = self._poll(self._batch.records, self._batch.bytes, 0), time.monotonic()
        self._commit(offsets)
        for record in records if self._refused else ():
            self._refused.pop(record.position, None)
        self.progress.committed(offsets)
        self.counters.count(records, outcomes, time.monotonic() - started)

    def _begin(self) -> None:
        if not self._open:
            self._session.begin()
            self._open = True

    def _commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        if self._ahead:
            self._look_ahead(self._aside.submit(self._session.commit, offsets))
        else:
            self._session.commit(offsets)
        self._open = False
        self._done.update(offsets)
        self._attempts.went_on(offsets)

    def _look_ahead(self, commit: Future[None]) -> None:
        """Outcomes for what was read ahead, as far as that gets until ``commit`` ends. Raises what that raises."""
        now = int(self._clock() * 1000)
        try:
            while len(self._foretold) < len(self._ahead) and not commit.done():
                at = len(self._foretold)
                self._foretold += self._judge(self._ahead[at : at + PART], now)
        finally:
            wait([commit])  # nobody else touches the session before
        commit.result()

    def _judge(self, records: Sequence[ActivityRecord], now: int) -> list[Outcome]:
        """One outcome for each record; the sanitizer never sees those that must not be tried again."""
        if not self._refused and not self._attempts.condemned:
            return self._sanitize(records, now)
        known: dict[Position, Outcome] = {}
        for record in records:
            if record.position in self._attempts.condemned:
                known[record.position] = Quarantined(record, "attempts")
            elif (reason := self._refused.get(record.position)) is not None:
                known[record.position] = Quarantined(record, reason)
        fresh = [record for record in records if record.position not in known]
        known.update((outcome.record.position, outcome) for outcome in self._sanitize(fresh, now))
        return [known[record.position] for record in records]

    def _sanitize(self, records: Sequence[ActivityRecord], now: int) -> list[Outcome]:
        """The core's outcomes. If it fails on a batch, each record goes alone; what fails is quarantined."""
        if not records:
            return []
        outcomes = None
        try:
            outcomes = list(self._sanitizer.sanitize(records, now))
        except Exception as error:
            # The type and the place only: the message of an exception may hold the record.
            log.error("%s in %d records from %s", type(error).__name__, len(records), records[0].position)
        if outcomes is None:  # outside the handler, so that nothing is chained to that exception
            if len(records) == 1:
                return [Quarantined(records[0], "detector-error")]
            return [outcome for record in records for outcome in self._sanitize([record], now)]
        if [outcome.record.position for outcome in outcomes] != [record.position for record in records]:
            raise EngineError(
                f"{len(records)} records from {records[0].position} on did not get one outcome each; "
                "nothing of them was committed"
            )
        return outcomes

    def _write(self, records: Sequence[ActivityRecord], now: int) -> list[Outcome] | None:
        """The outcomes, written; None if some cannot be: that is noted, and all has to be read again."""
        outcomes: list[Outcome] = []
        foretold, self._foretold = self._foretold, []
        try:
            for at in range(0, len(records), PART):
                part, known = records[at : at + PART], foretold[at : at + PART]
                judged, out = self._routed(part, known + self._judge(part[len(known) :], now))
                outcomes += judged
                self._session.produce(out)
            accounts = self._accounts(outcomes, now)
            if accounts is not None:
                self._session.produce(accounts)
        except MessageTooLarge as error:
            self._note_too_large(error, outcomes)
            return None
        return None if accounts is None else outcomes

    def _routed(
        self, records: Sequence[ActivityRecord], outcomes: list[Outcome]
    ) -> tuple[list[Outcome], list[OutputRecord]]:
        """What is written for ``outcomes``; those that cannot be written down become quarantined ones."""
        with suppress(Exception):  # seen again below, one by one
            return outcomes, routed(outcomes, self._topics, self._encode)
        outcomes = [self._routable(*pair) for pair in zip(records, outcomes, strict=True)]
        return outcomes, routed(outcomes, self._topics, self._encode)

    def _routable(self, record: ActivityRecord, outcome: Outcome) -> Outcome:
        try:
            route(outcome, self._topics, self._encode)
            return outcome
        except Exception as error:
            log.error("%s in writing %s down", type(error).__name__, record.position)
            return Quarantined(record, "detector-error")

    def _accounts(self, outcomes: Sequence[Outcome], now: int) -> list[OutputRecord] | None:
        """The decision entries; None if there are outcomes whose entries cannot be written, which is noted."""
        try:
            return self._accounted(outcomes, now)
        except Exception:
            for outcome in outcomes:
                try:
                    self._accounted([outcome], now)
                except EntryTooLarge:
                    self._refused[outcome.record.position] = "output-too-large"
                except Exception as error:
                    log.error("%s in accounting for %s", type(error).__name__, outcome.record.position)
                    self._refused[outcome.record.position] = "detector-error"
            if not any(outcome.record.position in self._refused for outcome in outcomes):
                raise
        return None

    def _accounted(self, outcomes: Sequence[Outcome], now: int) -> list[OutputRecord]:
        return accounted(
            outcomes,
            self._topics,
            self._encode,
            policy=self._sanitizer.digest,
            worker=self._name,
            now=now,
            limit=self._limit,
        )

    def _note_too_large(self, error: MessageTooLarge, outcomes: Sequence[Outcome]) -> None:
        """Finds the inputs whose outputs the broker does not take. Raises ``error`` if there are none."""
        found = {
            outcome.record.position
            for outcome in outcomes
            if not isinstance(outcome, Quarantined)
            and any(
                one == error.record or message_bytes(one) > error.limit
                for one in route(outcome, self._topics, self._encode)
            )
        }
        limit = min(self._limit, error.limit - error.limit // 10)
        if not found and limit == self._limit:
            raise error
        if not found:  # then it was a message of decision entries
            self._limit = limit
        self._refused.update(dict.fromkeys(found, "output-too-large"))

    # -- waiting

    def _drained(self, targets: Mapping[TopicPartition, int]) -> bool:
        """Whether each partition has come to where its end was when this began."""
        if self._ahead:
            return False
        now = time.monotonic()
        rest = {partition for partition, end in targets.items() if self._done.get(partition, 0) < end}
        if rest and (self._idle or now - self._looked > 1):  # others may have done it; not asked each batch
            self._looked = now
            self._done.update(self._session.committed())
            rest = {partition for partition in rest if self._done.get(partition, 0) < targets[partition]}
        # What is left of own partitions may be gone for good: deleted by retention, or only markers. That is committed
        # for the others of the group: each waits for all partitions, and can see the end of its own only.
        ends = {} if self._dirty else self._session.at_end()
        passed = {partition: targets[partition] for partition in rest if ends.get(partition, -1) >= targets[partition]}
        if passed:
            self._begin()
            self._commit(passed)
            rest -= passed.keys()
        return not rest

    def _pause(self, failures: int, stop: Callable[[], bool]) -> None:
        """Backs off, longer each time, and not longer than a stop can wait."""
        left = min(BACK_OFF * 2**failures, LONGEST_BACK_OFF)
        while left > 0 and not stop():
            self._sleep(min(left, IDLE_POLL))
            left -= IDLE_POLL


def _spans(records: Sequence[ActivityRecord]) -> dict[TopicPartition, tuple[int, int]]:
    """The first and last offset of each partition. Raises TransactionAborted if one goes back.

    That happens when a partition is lost and comes back while a batch is gathered: it is then read again from
    its last commit, and the batch holds records twice.
    """
    spans: dict[tuple[str, int], tuple[int, int]] = {}
    topic, partition, first, last = "", -1, -1, -1
    for (to, number, offset), _, _, _, _ in records:
        if number != partition or to != topic:  # a client gives many of one partition in a row
            if partition >= 0:
                spans[topic, partition] = first, last
            topic, partition = to, number
            first, last = spans.get((topic, partition), (offset, -1))
        if offset <= last:
            raise TransactionAborted(f"{topic}/{partition} was read again from its last commit")
        last = offset
    if partition >= 0:
        spans[topic, partition] = first, last
    return {TopicPartition(*where): span for where, span in spans.items()}
