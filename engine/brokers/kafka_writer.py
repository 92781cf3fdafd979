"""A transactional producer that goes on: it finds out what an error means, and is made anew where it must be.

What is produced is queued in the client; whatever could not be delivered surfaces at `Writer.commit`, which
then has committed nothing. After an answer that never came nobody knows how a transaction ended: the producer
is made anew under the same transactional id, which settles it, and the committed offsets tell.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka import TopicPartition as KafkaPartition

from engine.brokers.base import BrokerError, BrokerUnavailable, TransactionAborted
from engine.brokers.kafka_errors import FENCED, UNREACHABLE, Link, bounded, kafka_error
from engine.brokers.kafka_settings import Settings, log
from engine.brokers.kafka_topics import Topics
from engine.records import OutputRecord, TopicPartition

_PURGED = (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT)
_EARLIEST_TIMESTAMP = 1  # the client takes 0 for "now"


class Writer:
    """Writes in transactions as ``transactional_id``; beginning to, it fences whoever did so before.

    Raises Fenced, BrokerUnavailable. Used by one thread at a time.
    """

    def __init__(self, settings: Settings, topics: Topics, transactional_id: str) -> None:
        self._settings, self._topics, self._id = settings, topics, transactional_id
        self._link = Link(settings.servers)
        self._producer: Producer | None = None
        self._open = False  # whether the client has a transaction
        self._since = 0.0  # when the cluster first heard of it
        self._wrote = False  # whether records were produced in it
        self._failure: tuple[KafkaError, str, int] | None = None  # error, topic, bytes
        self._start()

    def begin(self) -> None:
        """Opens a transaction, unless one is."""
        producer = self._ready()
        if not self._open:
            self._failure, self._since, self._wrote = None, 0.0, False
            self._call("begin", lambda _: producer.begin_transaction())
            self._open = True

    def produce(self, records: Sequence[OutputRecord]) -> None:
        """Queues ``records``, which `Topics.check` has checked. Raises BrokerUnavailable if there is no room."""
        producer = self._ready()
        self._since, self._wrote = self._since or time.monotonic(), True
        produce, end = producer.produce, time.monotonic() + self._settings.timeout
        try:
            for topic, partition, key, value, headers, timestamp in records:
                stamp = 0 if timestamp is None else max(timestamp, _EARLIEST_TIMESTAMP)
                while True:
                    try:
                        # Not produce_batch: it drops headers and takes no timestamps.
                        produce(topic, value, key, partition, None, None, stamp, list(headers) if headers else None)
                        break
                    except BufferError:  # the client's queue is full
                        producer.poll(0.1)
                        if time.monotonic() > end:
                            raise self._link.unavailable("writing") from None
        except KafkaException as caught:
            raise self._judged(caught, "writing") from None
        _serve(producer)

    def commit(self, offsets: Mapping[TopicPartition, int], metadata: Any) -> None:
        """Commits what was produced together with ``offsets`` of the group in ``metadata``, or nothing.

        Raises TransactionAborted, Fenced, BrokerUnavailable, or BrokerError for a record that the broker
        refuses for good.
        """
        producer = self._ready()
        try:
            if offsets:
                self._since = self._since or time.monotonic()
                positions = [KafkaPartition(*partition, offset) for partition, offset in offsets.items()]
                bounded(
                    lambda left: producer.send_offsets_to_transaction(positions, metadata, left),
                    self._settings.timeout,
                )
            bounded(producer.commit_transaction, self._settings.timeout)
        except KafkaException as caught:
            raise self._judged(caught, "committing") from None
        self._open, self._since = False, 0.0

    def verify(self, partition: TopicPartition, metadata: Any) -> None:
        """Asks the cluster whether this identity is still ours. Raises Fenced.

        Only a transaction is checked for that, so one is opened for the purpose, and aborted.
        """
        if self._since:
            return  # its own commit will tell
        self.begin()
        producer, position = self._ready(), [KafkaPartition(*partition, 0)]
        try:
            bounded(lambda left: producer.send_offsets_to_transaction(position, metadata, left), self._settings.timeout)
        except KafkaException as caught:
            error = self._judged(caught, "checking the identity of this worker")
            if not isinstance(error, TransactionAborted):  # which would only be a rebalance under way
                raise error from None
        self.abort()

    def abort(self) -> None:
        """Gives up the open transaction, if there is one. Never raises but Fenced: what fails is made anew."""
        if not self._open or self._producer is None:
            return
        self._open = False
        try:
            bounded(self._producer.abort_transaction, self._settings.timeout)
        except KafkaException as caught:
            error = kafka_error(caught)
            fenced = error is not None and self._fenced(error)
            self._drop()
            if error is not None and fenced:
                raise self._link.error(error, "aborting") from None
        self._since = 0.0
        if self._wrote:
            self._drop()  # what was thrown away leaves a gap in the client's sequence numbers: the next would fail

    def reset(self) -> None:
        """Lets the next use find out how the last transaction ended."""
        self._drop()

    def close(self) -> None:
        """Frees the producer; a transaction that is open never happened."""
        if self._open and self._producer is not None:
            try:
                self._producer.abort_transaction(1.0)
            except KafkaException as caught:
                log.info("leaving a transaction to its time-out: %s", kafka_error(caught))
        self._drop()

    # -- inside

    def _ready(self) -> Producer:
        return self._start() if self._producer is None else self._producer

    def _start(self) -> Producer:
        self._link = Link(self._settings.servers)
        conf = self._settings.producer(self._link, self._id) | {"on_delivery": self._delivered}
        producer = Producer(conf)
        try:
            bounded(producer.init_transactions, self._settings.timeout)
        except KafkaException as caught:
            _serve(producer)
            raise self._error(caught, f"starting as '{self._id}'") from None
        self._producer, self._open, self._since = producer, False, 0.0
        return producer

    def _drop(self) -> None:
        producer, self._producer, self._open, self._since = self._producer, None, False, 0.0
        if producer is not None:
            # Not `close`: it would wait for an abort that nobody needs, since the next of this id makes it.
            producer.purge()
            _serve(producer)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        """Hears of records that could not be delivered, and of those only."""
        if error is not None and self._failure is None and error.code() not in _PURGED:
            self._failure = (error, message.topic() or "", len(message.value() or b""))

    def _call(self, what: str, call: Any) -> None:
        try:
            bounded(call, self._settings.timeout)
        except KafkaException as caught:
            raise self._judged(caught, what) from None

    def _judged(self, caught: KafkaException, what: str) -> BrokerError:
        """What to raise. The transaction is aborted, or the producer given up if that is not enough."""
        error = kafka_error(caught)
        if self._producer is not None:
            _serve(self._producer)
        if error is None:
            self._drop()
            return BrokerError(f"{what}: unexpected answer of the Kafka client")
        if self._fenced(error):
            self._drop()
            return self._link.error(error, what)
        failure = self._failure
        if error.fatal() or error.code() in FENCED:
            # Not another worker: the cluster gave up a transaction that was open for too long.
            self._drop()
            return TransactionAborted(f"{what}: the transaction ran into its time-out, or was lost ({error.name()})")
        if not error.txn_requires_abort():
            self._drop()  # nobody knows how it ended
            return self._link.error(error, what)
        try:
            self.abort()
        except BrokerError as fenced:
            return fenced
        if failure is not None:
            return self._undelivered(*failure)
        if error.code() in UNREACHABLE:
            return self._link.unavailable(what)
        return TransactionAborted(f"{what}: {error.str()}")

    def _undelivered(self, error: KafkaError, topic: str, size: int) -> BrokerError:
        self._topics.forget()
        what = f"a record of {size:,} bytes for topic '{topic}' could not be written"
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            return BrokerError(
                f"{what}: the batch it was in is above the topic's max.message.bytes; raise that, or set the "
                "kafka setting 'batch.size' below it"
            )
        if error.code() == KafkaError.INVALID_TIMESTAMP:
            return BrokerError(f"{what}: its timestamp is outside the topic's message.timestamp.*.max.ms")
        return self._link.error(error, what)

    def _fenced(self, error: KafkaError) -> bool:
        """Whether another took over. A transaction that was open for too long looks the same to the client."""
        if error.code() not in FENCED and (self._link.fatal is None or self._link.fatal.code() not in FENCED):
            return False
        return not self._since or time.monotonic() - self._since < self._settings.transaction_timeout

    def _error(self, caught: KafkaException, what: str) -> BrokerError:
        error = kafka_error(caught)
        return BrokerUnavailable(what) if error is None else self._link.error(error, what)


def _serve(producer: Producer) -> None:
    """Lets the client call back. It raises what is fatal, which the call that failed has said already."""
    with suppress(KafkaException):
        producer.poll(0)
