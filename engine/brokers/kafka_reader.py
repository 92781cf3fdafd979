"""Following Kafka topics without a group, read-committed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as KafkaPartition

from engine.brokers.base import BrokerError
from engine.brokers.kafka_consumer import find_ends, in_order, make_consumer
from engine.brokers.kafka_errors import UNREACHABLE, Link, kafka_error
from engine.brokers.kafka_settings import Settings
from engine.brokers.kafka_topics import Topics
from engine.records import ActivityRecord, TopicPartition

_MOST = 1_000_000
READERS = "sluicegate-reader"  # the client wants a name; no group of it is ever joined or written


class KafkaReader:
    """Follows topics without a group (see `engine.brokers.base.Reader`).

    What was there when it began is not missed by a short ``timeout``: while it has not come to the end of a
    partition for the first time, `poll` waits for the cluster's answer.
    """

    def __init__(
        self, settings: Settings, topics: Topics, names: Sequence[str], start: Mapping[TopicPartition, int]
    ) -> None:
        self._settings, self._topics = settings, topics
        self._partitions = topics.all_of(names)
        self._behind = set(self._partitions)  # whose end has not been seen yet
        self._link = Link(settings.servers)
        self._consumer = make_consumer(settings.consumer(self._link, READERS))
        self._consumer.assign([KafkaPartition(*one, start.get(one, OFFSET_BEGINNING)) for one in self._partitions])

    def poll(self, max_records: int, timeout: float) -> Sequence[ActivityRecord]:
        """The next committed records; empty when none came within ``timeout`` seconds."""
        records: list[ActivityRecord] = []
        end = time.monotonic() + timeout
        latest = time.monotonic() + max(timeout, self._settings.timeout)
        while max_records > 0 and not records:
            left = (latest if self._behind else end) - time.monotonic()
            try:
                messages = self._consumer.consume(min(max_records, _MOST), 0)
                if not messages and left > 0:
                    messages = self._consumer.consume(1, left)
            except KafkaException as caught:
                raise self._error(kafka_error(caught)) from None
            for found in in_order(messages):
                if isinstance(found, list):
                    records += found
                else:
                    self._hear(found)
            if not messages and self._link.down:
                self._look_for_brokers()
            if time.monotonic() >= (latest if self._behind else end):
                break
        return records

    def end_offsets(self) -> Mapping[TopicPartition, int]:
        """For each followed partition: where it ends for a read-committed reader."""
        return find_ends(self._consumer, self._partitions, self._link, self._settings.timeout)

    def close(self) -> None:
        """Closes the reader's connections."""
        self._consumer.close()

    def _hear(self, message: Message) -> None:
        """An event among the messages."""
        error = message.error()
        if error is None:
            return
        if error.code() == KafkaError._PARTITION_EOF:
            self._behind.discard(TopicPartition(str(message.topic()), int(message.partition() or 0)))
        elif error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise BrokerError(f"topic '{message.topic()}' does not exist any more")
        elif error.code() not in UNREACHABLE and not error.retriable():
            raise self._error(error)

    def _look_for_brokers(self) -> None:
        try:
            self._consumer.list_topics(self._partitions[0].topic, timeout=min(2.0, self._settings.timeout))
        except KafkaException as caught:
            raise self._error(kafka_error(caught)) from None
        self._link.down = False

    def _error(self, error: KafkaError | None) -> BrokerError:
        return self._link.unavailable("reading") if error is None else self._link.error(error, "reading")
