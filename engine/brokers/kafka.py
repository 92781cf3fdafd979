"""The broker on Apache Kafka: consumer groups, transactions, as many workers as there are partitions.

Loaded only when a ``kafka://`` URL is opened. The words that hold are those of `engine.brokers.base`; what Kafka
adds to them:

- Offsets grow, with gaps: a commit leaves a marker, an abort leaves what no reader sees.
- A record's time is in ms since the epoch and at least 1: the client takes 0 for "now".
- The time-out of a silent worker is Kafka's ``session.timeout.ms``; one that does not poll for
  ``max.poll.interval.ms`` is silent too.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType

from confluent_kafka import KafkaException

from detectors.errors import ConfigError
from engine.brokers.base import BrokerError, Publisher, Reader, Session, TopicSpec
from engine.brokers.kafka_errors import kafka_error
from engine.brokers.kafka_publisher import KafkaPublisher
from engine.brokers.kafka_reader import KafkaReader
from engine.brokers.kafka_session import KafkaSession
from engine.brokers.kafka_settings import APPEND_TRANSACTION_TIMEOUT_MS, Settings
from engine.brokers.kafka_topics import Topics
from engine.brokers.kafka_writer import Writer
from engine.records import OutputRecord, TopicPartition


class KafkaBroker:
    """A Kafka cluster. Opening it asks nothing of it yet; raises ConfigError for settings that cannot be.

    Its own methods may be called from several threads; a session, reader or publisher belongs to one at a
    time.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._appender: Writer | None = None
        try:
            self.topics = Topics(settings)
        except KafkaException as caught:
            error = kafka_error(caught)
            raise ConfigError(f"kafka: {caught if error is None else error.str()}") from None

    def __enter__(self) -> KafkaBroker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def partitions(self, topics: Iterable[str]) -> Mapping[str, int]:
        """How many partitions each of ``topics`` has; a topic that does not exist is left out."""
        return self.topics.partitions(topics)

    def create_topics(self, topics: Iterable[TopicSpec]) -> None:
        """Creates what does not exist. Raises BrokerError if one exists with other partitions."""
        self.topics.create(topics)

    def join(self, group: str, topics: Sequence[str], *, worker: str) -> Session:
        """Joins ``group``. Raises BrokerError if a topic does not exist."""
        return KafkaSession(self._settings, self.topics, group, topics, worker=worker)

    def reader(self, topics: Sequence[str], *, start: Mapping[TopicPartition, int] | None = None) -> Reader:
        """Follows ``topics`` from ``start``. Raises BrokerError if a topic does not exist."""
        return KafkaReader(self._settings, self.topics, topics, start or {})

    def publisher(self, name: str) -> Publisher:
        """The one publisher called ``name``; a second one fences the first."""
        return KafkaPublisher(self._settings, self.topics, name)

    def append(self, records: Iterable[OutputRecord]) -> None:
        """Writes records outside any group, all or none.

        All or none needs a transaction, and any number of processes may append: so each has an id of its own,
        ``sluicegate-append-…``, and a short time-out for the case that it dies in between.
        """
        checked = self.topics.check(records)
        with self._lock:
            if self._appender is None:
                limits = {"transaction.timeout.ms": str(APPEND_TRANSACTION_TIMEOUT_MS)}
                settings = replace(self._settings, extra={**self._settings.extra, **limits})
                self._appender = Writer(settings, self.topics, f"sluicegate-append-{uuid.uuid4().hex}")
            self._appender.begin()
            try:
                self._appender.produce(checked)
            except BrokerError:
                self._appender.abort()
                raise
            self._appender.commit({}, None)

    def close(self) -> None:
        """Frees the broker's own connections; sessions, readers and publishers have theirs."""
        with self._lock:
            if self._appender is not None:
                self._appender.close()
                self._appender = None
