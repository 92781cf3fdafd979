"""Topics as they are on the cluster: how wide, how large a message, kept how long; and how to make them."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import Future, wait
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from engine.brokers.base import BrokerError, TopicSpec
from engine.brokers.kafka_checks import DEFAULT_LIMIT, FOREVER, Description
from engine.brokers.kafka_errors import BACK_OFF, Link, kafka_error
from engine.brokers.kafka_settings import Settings, log
from engine.brokers.limits import MessageTooLarge, message_bytes
from engine.records import OutputRecord, TopicPartition

T = TypeVar("T")
_SETTLES = 5.0  # seconds within which all brokers have heard of a new topic
# What a batch of one record adds to key, value and headers: 61 bytes of batch, varints for the record.
_BATCH_OVERHEAD, _HEADER_OVERHEAD = 100, 10


class Topics:
    """What a client has to know about topics, asked once. May be used by several threads."""

    def __init__(self, settings: Settings) -> None:
        self._timeout = settings.timeout
        self._link = Link(settings.servers)
        self.admin = AdminClient(settings.admin(self._link))
        self._known: dict[str, tuple[int, int]] = {}  # partitions, bytes a batch
        self._made: dict[str, float] = {}  # topics made here -> when all brokers know of them
        self._lock = threading.Lock()

    # -- asking

    def partitions(self, topics: Iterable[str]) -> dict[str, int]:
        """How many partitions each of ``topics`` has; a topic that does not exist is left out."""
        names = set(topics)
        found = self._widths(names)
        # The brokers hear of a new topic one after the other, and any of them may have been asked.
        while any(time.monotonic() < self._made.get(name, 0.0) for name in names - found.keys()):
            time.sleep(BACK_OFF)
            found = self._widths(names)
        return found

    def _widths(self, topics: Collection[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        if not topics:
            return found
        names = sorted(topics)
        for name, future in self.admin.describe_topics(TopicCollection(names), request_timeout=self._timeout).items():
            description = self._result(future, f"topic '{name}'", but=KafkaError.UNKNOWN_TOPIC_OR_PART)
            if description is not None:
                found[name] = len(description.partitions)
        return found

    def describe(self, topics: Iterable[str]) -> dict[str, Description]:
        """Each of ``topics`` that exists, with its configuration."""
        found = self.partitions(topics)
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in found]
        if not resources:
            return {}
        described = {}
        for resource, future in self.admin.describe_configs(resources, request_timeout=self._timeout).items():
            entries = self._result(future, f"configuration of topic '{resource.name}'")
            values = {key: entry.value for key, entry in entries.items()}
            retention = int(values.get("retention.ms", -1))
            described[resource.name] = Description(
                resource.name,
                found[resource.name],
                values.get("cleanup.policy", "delete"),
                int(values.get("max.message.bytes", DEFAULT_LIMIT)),
                None if retention < 0 else retention,
                values.get("message.timestamp.type", "CreateTime"),
                int(values.get("message.timestamp.after.max.ms", FOREVER)),
            )
        return described

    def all_of(self, topics: Sequence[str]) -> list[TopicPartition]:
        """Every partition of ``topics``. Raises BrokerError if one does not exist."""
        found = self.partitions(topics)
        for topic in topics:
            if topic not in found:
                raise BrokerError(f"topic '{topic}' does not exist")
        return [TopicPartition(topic, n) for topic, count in found.items() for n in range(count)]

    # -- making

    def create(self, specs: Iterable[TopicSpec]) -> None:
        """Creates what does not exist. Raises BrokerError if one exists with other partitions."""
        wanted = {spec.name: spec for spec in specs}
        found = self.partitions(wanted)
        for name, count in found.items():
            _check_width(wanted[name], count)
        missing = [spec for name, spec in wanted.items() if name not in found]
        if not missing:
            return
        new = [NewTopic(spec.name, spec.partitions, spec.copies or -1, config=topic_config(spec)) for spec in missing]
        futures = self.admin.create_topics(new, request_timeout=self._timeout, operation_timeout=self._timeout)
        for name, future in futures.items():
            self._result(future, f"creating topic '{name}'", but=KafkaError.TOPIC_ALREADY_EXISTS)
        self._made |= {spec.name: time.monotonic() + _SETTLES for spec in missing}
        found = self.partitions(spec.name for spec in missing)
        for spec in missing:
            if spec.name not in found:
                raise self._link.unavailable(f"topic '{spec.name}' was created, but is not to be seen")
            _check_width(spec, found[spec.name])

    # -- checking what is to be written

    def check(self, records: Iterable[OutputRecord]) -> list[OutputRecord]:
        """``records``, if each can be written. Raises BrokerError, MessageTooLarge."""
        checked = list(records)
        known = self._known
        for record in checked:
            topic, partition, key, value, headers, _ = record
            width, limit = known.get(topic) or self._look_up(topic)
            if not 0 <= partition < width:
                width, limit = self._look_up(topic)  # it may have grown
                if not 0 <= partition < width:
                    raise BrokerError(f"topic '{topic}' has no partition {partition}")
            if headers or len(value or b"") + len(key or b"") > limit - _BATCH_OVERHEAD:
                room = limit - _BATCH_OVERHEAD - _HEADER_OVERHEAD * len(headers)
                if message_bytes(record) > room:
                    raise MessageTooLarge(record, room)
        return checked

    def forget(self) -> None:
        """Asks anew about every topic: they may have been made anew, or their configuration changed."""
        with self._lock:
            self._known = {}

    def limit(self, topic: str) -> int:
        """Bytes a batch that ``topic`` takes."""
        return (self._known.get(topic) or self._look_up(topic))[1]

    def _look_up(self, topic: str) -> tuple[int, int]:
        with self._lock:
            count = self.partitions([topic]).get(topic)
            if count is None:
                self._known.pop(topic, None)
                raise BrokerError(f"topic '{topic}' does not exist")
            limit = DEFAULT_LIMIT
            try:
                limit = self.describe([topic])[topic].max_message_bytes
            except (BrokerError, KeyError):  # DESCRIBE_CONFIGS may not be allowed; the broker then says no
                log.warning("cannot see max.message.bytes of topic '%s'; taking %d", topic, limit)
            self._known[topic] = (count, limit)
            return self._known[topic]

    def _result(self, future: Future[T], what: str, *, but: int | None = None) -> Any:
        """The result; None if the error is ``but``."""
        end = time.monotonic() + self._timeout + 1
        self._link.refused = None
        while not wait([future], 0.1).done and time.monotonic() < end:
            self.admin.poll(0)  # hears why there is no answer yet
            if (refusal := self._link.refusal(what)) is not None:
                raise refusal
        try:
            return future.result(0)
        except (KafkaException, FutureTimeout) as caught:
            error = kafka_error(caught)
            if error is not None and error.code() == but:
                return None
            raise self._error(caught, what) from None

    def _error(self, caught: BaseException, what: str) -> BrokerError:
        error = kafka_error(caught)
        return self._link.unavailable(what) if error is None else self._link.error(error, what)


def topic_config(spec: TopicSpec) -> dict[str, str]:
    """The configuration of a new topic: records are kept as they are, with their own time, then deleted."""
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(-1 if spec.retention_ms is None else spec.retention_ms),
        "message.timestamp.type": "CreateTime",
        "message.timestamp.after.max.ms": str(FOREVER),  # a record's time is its source's, right or wrong
    }


def _check_width(spec: TopicSpec, partitions: int) -> None:
    if partitions != spec.partitions:
        raise BrokerError(f"topic '{spec.name}' exists with {partitions} partitions, not {spec.partitions}")
