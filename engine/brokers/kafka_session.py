"""A worker's place in a Kafka consumer group: cooperative, static membership, outputs and offsets together.

The worker's name is its ``group.instance.id`` and part of its transactional id. Started again after a death it
has its partitions back at once, and what it left open is aborted at once; started twice, the older one is
fenced, as a member and as a producer. A worker that closes leaves the group, which static members do not do by
themselves.

What was read of a partition before it went cannot be committed after it came back: `KafkaSession` remembers what
was handed out under which assignment. The group's generation travels with the offsets, so the cluster refuses them
from a member that was taken for dead before it could notice. It is noted when partitions come or go: a commit is
of the assignment that this session knows of, not of one that the client has taken up behind its back.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as KafkaPartition

from engine.brokers.base import BrokerError, Fenced, TransactionAborted
from engine.brokers.kafka_consumer import find_ends, in_order, make_consumer
from engine.brokers.kafka_errors import FENCED, UNREACHABLE, Link, kafka_error, persist
from engine.brokers.kafka_settings import Settings, log
from engine.brokers.kafka_topics import Topics
from engine.brokers.kafka_writer import Writer
from engine.records import ActivityRecord, OutputRecord, TopicPartition

LEAVE_TIMEOUT = 5.0  # seconds in which a worker that closes gives its partitions back
_FENCED_IN_WORDS = KafkaError(KafkaError.FENCED_INSTANCE_ID).str()
_MOST = 1_000_000  # messages that the client gives at a time


class KafkaSession:
    """A worker's place in a consumer group (see `engine.brokers.base.Session`)."""

    def __init__(self, settings: Settings, topics: Topics, group: str, names: Sequence[str], *, worker: str) -> None:
        self._settings, self._topics = settings, topics
        self._group, self._worker = group, worker
        self._partitions = topics.all_of(names)
        self._assigned: dict[TopicPartition, int] = {}  # partition -> the number of its assignment
        self._rebalances = 0  # told by the client
        self._assignments = 0
        # partition -> the assignment under which records were handed out that are not committed yet
        self._handed: dict[TopicPartition, int] = {}
        self._next: dict[TopicPartition, int] = {}  # the offset behind the last record that was handed out
        self._buffer: list[ActivityRecord] = []  # fetched, not handed out
        self._removed: set[TopicPartition] = set()  # during the present call of the client
        self._stale: set[TopicPartition] = set()  # have to go back to the last commit
        self._ended: dict[TopicPartition, int] = {}  # where, of those of which all was fetched that there was then
        self._generation: Any = None  # the client's note of who we are in the group, and since which rebalance
        self._unverified = False  # whether partitions came since the identity was checked
        self._open = self._closed = False
        self._fenced = False
        self._link = Link(settings.servers)
        self._writer = Writer(settings, topics, f"{group}.{worker}")
        try:
            self._consumer = make_consumer(settings.consumer(self._link, group, worker))
            self._consumer.subscribe(
                list(names), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
            )
        except BaseException:
            self._writer.close()
            raise

    # -- reading

    def poll(self, max_records: int, timeout: float) -> Sequence[ActivityRecord]:
        """The next records, in order within each partition; empty when none came in ``timeout`` seconds."""
        self._check()
        self._rewind()
        if self._link.down:
            self._look_for_brokers()
        room = max(1, min(max_records - len(self._buffer), _MOST))  # one at least: it also keeps us a member
        end = time.monotonic() + timeout
        self._fetch(room, 0 if self._buffer else timeout)
        while not self._buffer and (left := end - time.monotonic()) > 0:  # it was an event
            self._fetch(room, left)
        if self._unverified:
            self._verify()
        records, self._buffer = self._buffer[:max_records], self._buffer[max_records:]
        last = {record.position[:2]: record.position.offset for record in records}
        for where, offset in last.items():
            partition = TopicPartition(*where)
            self._next[partition] = offset + 1
            self._handed.setdefault(partition, self._assigned[partition])
        return records

    @property
    def commit_waits(self) -> bool:
        """It does, for the cluster: some 10 ms on the same machine, 20 to 50 with copies on others."""
        return True

    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions that this worker owned when it last polled."""
        return frozenset(self._assigned)

    def at_end(self) -> Mapping[TopicPartition, int]:
        """The partitions owned of which every record has been given, and where they ended."""
        waiting = {record.position[:2] for record in self._buffer} | self._stale
        return {partition: end for partition, end in self._ended.items() if partition not in waiting}

    def end_offsets(self) -> Mapping[TopicPartition, int]:
        """For every partition of the subscribed topics: where it ends for a read-committed reader."""
        return find_ends(self._consumer, self._partitions, self._link, self._settings.timeout)

    def committed(self) -> Mapping[TopicPartition, int]:
        """For every partition of the subscribed topics: the group's committed offset (0 if none)."""
        return {partition: max(0, offset) for partition, offset in self._committed(self._partitions).items()}

    # -- transactions

    def begin(self) -> None:
        """Opens a transaction. The cluster hears of it with its first record."""
        self._check()
        if self._open:
            raise BrokerError("a transaction is open already")
        self._open = True

    def produce(self, records: Iterable[OutputRecord]) -> None:
        """Writes into the open transaction. Raises BrokerError, MessageTooLarge."""
        self._check_open()
        checked = self._topics.check(records)
        if not checked:
            return
        try:
            self._writer.begin()
            self._writer.produce(checked)
        except BrokerError as error:
            raise self._failed(error) from None

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commits what was produced together with ``offsets``, or nothing."""
        self._check_open()
        self._open = False
        try:
            for partition in offsets:
                self._check_owned(partition)
            self._writer.begin()
            self._writer.commit(offsets, self._generation)
        except BrokerError as error:
            self._give_up()
            raise self._failed(error) from None
        for partition, offset in offsets.items():
            if self._next.get(partition, offset) == offset:
                self._handed.pop(partition, None)

    def abort(self) -> None:
        """Gives up the open transaction and goes back to the last commit."""
        if self._open:
            self._open = False
            self._give_up()

    def close(self) -> None:
        """Leaves the group at once; what cannot be reached now runs out by its time-out."""
        if self._closed:
            return
        self._closed, self._open = True, False
        try:
            if not self._fenced and not self._link.down:
                self._leave()
        finally:
            self._assigned.clear()
            with suppress(KafkaException):
                self._consumer.close()
            self._writer.close()

    # -- membership

    def _on_assign(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        """Partitions come; the client begins at their committed offsets, once these are settled."""
        self._rebalances += 1
        for one in partitions:
            self._assignments += 1
            self._assigned[TopicPartition(one.topic, one.partition)] = self._assignments
        self._unverified = self._unverified or bool(partitions)
        if not self._closed:
            self._generation = consumer.consumer_group_metadata()

    def _on_revoke(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        """Partitions go to others."""
        self._rebalances += 1
        self._remove(partitions)
        if not self._closed:  # a client that is closing has no answer
            self._generation = consumer.consumer_group_metadata()

    def _on_lost(self, _consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        """Partitions have gone already, and the membership with them."""
        self._rebalances += 1
        self._remove(partitions)

    def _remove(self, partitions: list[KafkaPartition]) -> None:
        for one in partitions:
            where = TopicPartition(one.topic, one.partition)
            self._assigned.pop(where, None)
            self._next.pop(where, None)
            self._stale.discard(where)
            self._ended.pop(where, None)
            self._removed.add(where)

    def _fetch(self, count: int, timeout: float) -> None:
        """Up to ``count`` records more for the buffer; waits for the first of them only."""
        self._removed.clear()
        try:
            messages = self._consumer.consume(count, 0)
            if not messages and timeout > 0:
                messages = self._consumer.consume(1, timeout)
                if messages and count > 1:
                    messages += self._consumer.consume(count - 1, 0)
        except KafkaException as caught:
            error = kafka_error(caught)
            raise BrokerError("reading failed") if error is None else self._judged(error) from None
        if self._removed:
            # What was fetched of them before they went must not be taken for what comes if they come back.
            self._buffer = [r for r in self._buffer if r.position[:2] not in self._removed]
            self._stale |= self._removed & self._assigned.keys()
        if self._link.fatal is not None:
            raise self._judged(self._link.fatal)
        for found in in_order(messages):
            if isinstance(found, list):
                self._take(found)
            else:
                self._hear(found)

    def _take(self, records: list[ActivityRecord]) -> None:
        """Puts records into the buffer, those aside of partitions that are not ours, or go back first."""
        places = {record.position[:2] for record in records}
        if not places <= self._assigned.keys() - self._removed - self._stale:
            passed_over = self._removed | self._stale
            records = [r for r in records if r.position[:2] in self._assigned and r.position[:2] not in passed_over]
            places = {record.position[:2] for record in records}
        for one in self._ended.keys() & places:
            del self._ended[one]
        self._buffer += records

    def _hear(self, message: Message) -> None:
        """An event among the messages."""
        error = message.error()
        if error is None:
            return
        code = error.code()
        if code == KafkaError._PARTITION_EOF:
            where = TopicPartition(str(message.topic()), int(message.partition() or 0))
            if where in self._assigned and where not in self._removed | self._stale:
                self._ended[where] = message.offset() or 0
        elif code == KafkaError._MAX_POLL_EXCEEDED:
            log.warning("worker '%s' did not poll for longer than max.poll.interval.ms", self._worker)
        elif code == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise BrokerError(f"topic '{message.topic()}' does not exist any more")
        elif error.fatal() or code == KafkaError._FATAL or not (error.retriable() or code in UNREACHABLE):
            raise self._judged(self._link.fatal or error)

    def _verify(self) -> None:
        """Whether the name is still ours. A member that comes back to a group may have been replaced meanwhile."""
        owned = next(iter(self._assigned), None)
        if owned is not None:
            try:
                self._writer.verify(owned, self._generation)
            except BrokerError as error:
                raise self._failed(error) from None
        self._unverified = False

    def _leave(self) -> None:
        """Says goodbye: a static member that only closes keeps its partitions until its session times out.

        A rebalance must not be on its way while the client closes, or it never returns (librdkafka 2.16: what is told
        of it asks a group that has ended, and waits for the answer). So a join is waited for, and then silence.
        """
        end = time.monotonic() + min(LEAVE_TIMEOUT, self._settings.timeout)
        with suppress(KafkaException):
            while not self._rebalances and time.monotonic() < end:
                self._consumer.consume(1, 0.05)
            self._consumer.unsubscribe()
            heard = -1
            while (self._consumer.assignment() or heard != self._rebalances) and time.monotonic() < end:
                heard = self._rebalances
                self._consumer.consume(1, 0.05)

    def _look_for_brokers(self) -> None:
        """Raises BrokerUnavailable until one of the brokers answers again."""
        try:
            self._consumer.list_topics(self._partitions[0].topic, timeout=min(2.0, self._settings.timeout))
        except KafkaException as caught:
            error = kafka_error(caught)
            raise self._link.unavailable("reading") if error is None else self._link.error(error, "reading") from None
        self._link.down = False

    # -- positions

    def _give_up(self) -> None:
        """Aborts, and goes back to the last commit when the next poll begins."""
        self._stale |= self._assigned.keys()
        self._ended.clear()
        self._handed.clear()
        self._buffer.clear()
        try:
            self._writer.abort()
        except Fenced:
            self._fenced = True

    def _rewind(self) -> None:
        """Back to the last commit, where that has to be."""
        where = [partition for partition in self._stale if partition in self._assigned]
        if where:
            self._buffer = [r for r in self._buffer if r.position[:2] not in self._stale]
            for partition, offset in self._committed(where).items():
                try:
                    self._consumer.seek(KafkaPartition(*partition, offset if offset >= 0 else OFFSET_BEGINNING))
                except KafkaException as caught:
                    # It is on its way out, or not quite in yet: nothing is read before this has worked.
                    log.info("cannot go back on %s/%d yet: %s", *partition, kafka_error(caught))
                    return
                self._handed.pop(partition, None)
                self._next.pop(partition, None)
                self._stale.discard(partition)
        self._stale.clear()

    def _committed(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """What the group has committed, settled; negative if nothing."""
        asked = [KafkaPartition(*partition) for partition in partitions]
        try:
            answered = persist(lambda left: self._consumer.committed(asked, left), self._settings.timeout)
        except KafkaException as caught:
            error = kafka_error(caught)
            what = f"offsets of group '{self._group}'"
            raise self._link.unavailable(what) if error is None else self._link.error(error, what) from None
        for one in answered:
            if one.error is not None:
                raise self._link.error(one.error, f"offset of {one.topic}/{one.partition}")
        return {TopicPartition(one.topic, one.partition): one.offset for one in answered}

    # -- errors

    def _check(self) -> None:
        if self._closed:
            raise BrokerError("the session is closed")
        if self._fenced:
            raise self._fence()

    def _check_open(self) -> None:
        self._check()
        if not self._open:
            raise BrokerError("no transaction is open")

    def _check_owned(self, partition: TopicPartition) -> None:
        held = self._assigned.get(partition)
        if held is None or self._handed.get(partition, held) != held:
            raise TransactionAborted(f"{partition.topic}/{partition.partition} went to another worker")

    def _judged(self, error: KafkaError) -> BrokerError:
        """An error of the consumer; it is for good if it says so."""
        fatal = self._link.fatal or error
        # A consumer is told that it is fenced by a message, which gives the reason in words only.
        in_words = fatal.code() == KafkaError._FATAL and _FENCED_IN_WORDS in fatal.str()
        if fatal.code() in FENCED or in_words:
            return self._failed(self._fence())
        return self._link.error(fatal, f"reading as worker '{self._worker}'")

    def _failed(self, error: BrokerError) -> BrokerError:
        if isinstance(error, Fenced):
            self._fenced = True
            self._assigned.clear()
            self._buffer.clear()
            return self._fence()
        return error

    def _fence(self) -> Fenced:
        return Fenced(
            f"another process joined group '{self._group}' as worker '{self._worker}'; give each worker a name "
            "of its own"
        )
