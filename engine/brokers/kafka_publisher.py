"""An outbox on Kafka, exactly once: the sequence number is an offset, committed in the records' transaction.

The group that it is an offset of has the publisher's name and no members. It is kept for every topic that was
written, at partition 0, and read back as the highest of them; so it needs no topic of its own, and there is
none to get lost. Kafka forgets the offsets of a group without members after ``offsets.retention.minutes`` (a
week by default) without a commit: a publisher commits its number again when it starts.
"""

from __future__ import annotations

from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from engine.brokers.base import BrokerError
from engine.brokers.kafka_consumer import make_consumer
from engine.brokers.kafka_errors import Link, kafka_error, persist
from engine.brokers.kafka_settings import Settings
from engine.brokers.kafka_topics import Topics
from engine.brokers.kafka_writer import Writer
from engine.records import OutputRecord, TopicPartition


class KafkaPublisher:
    """Writes an outbox exactly once (see `engine.brokers.base.Publisher`)."""

    def __init__(self, settings: Settings, topics: Topics, name: str) -> None:
        self._settings, self._topics, self._name = settings, topics, name
        self._link = Link(settings.servers)
        self._writer = Writer(settings, topics, name)  # fences an older one; what it left open is settled now
        self._last: int | None = None
        self._places: set[TopicPartition] = set()
        try:
            self._group: Consumer = make_consumer(settings.consumer(self._link, name))
            if last := self._read_back():
                self._commit((), last)  # so that it is not forgotten
        except BaseException:
            self.close()
            raise

    def last(self) -> int:
        """The highest sequence number that was published; 0 if none was."""
        return self._read_back() if self._last is None else self._last

    def publish(self, records: Iterable[OutputRecord], sequence: int) -> None:
        """Writes ``records`` and moves to ``sequence``, both or neither."""
        checked = self._topics.check(records)
        last = self.last()
        if sequence <= last:
            raise ValueError(f"sequence {sequence} is not above {last}")
        self._places |= {TopicPartition(record.topic, 0) for record in checked}
        if not self._places:
            raise BrokerError(f"publisher '{self._name}' has no topic yet to keep its sequence number with")
        self._commit(checked, sequence)

    def close(self) -> None:
        """Closes the publisher's connections."""
        if hasattr(self, "_group"):
            self._group.close()
        self._writer.close()

    def _read_back(self) -> int:
        offsets = self._offsets()
        self._places |= offsets.keys()
        self._last = max(offsets.values(), default=0)
        return self._last

    def _offsets(self) -> dict[TopicPartition, int]:
        """All that the group has committed, once no transaction of it is open.

        Asked of each topic that there is. The admin client could list them, but in librdkafka 2.16 it crashes the
        process if the group's coordinator is moving: it looks for a consumer group, and an admin client has none.
        """
        try:
            known = self._group.list_topics(timeout=self._settings.timeout).topics
            asked = [KafkaPartition(name, 0) for name in known if not name.startswith("__")]
            timeout = self._settings.timeout
            answered = persist(lambda left: self._group.committed(asked, left), timeout) if asked else []
        except KafkaException as caught:
            error, what = kafka_error(caught), f"offsets of group '{self._name}'"
            raise self._link.unavailable(what) if error is None else self._link.error(error, what) from None
        for one in answered:
            if one.error is not None and one.error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise self._link.error(one.error, f"offset of {one.topic}/{one.partition}")
        return {TopicPartition(one.topic, one.partition): one.offset for one in answered if one.offset >= 0}

    def _commit(self, records: Iterable[OutputRecord], sequence: int) -> None:
        """All or nothing. If nobody can say which, `last` asks again."""
        self._last = None
        self._writer.begin()
        try:
            self._writer.produce(list(records))
        except BrokerError:
            self._writer.abort()
            raise
        self._writer.commit(dict.fromkeys(self._places, sequence), self._group.consumer_group_metadata())
        self._last = sequence
