"""What consumers have in common: how one is made, what its messages are, where partitions end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from operator import itemgetter

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as KafkaPartition

from detectors.errors import ConfigError
from engine.brokers.kafka_errors import UNREACHABLE, Link, kafka_error, persist
from engine.records import ActivityRecord, Position, TopicPartition

_SECOND = itemgetter(1)
_new = tuple.__new__  # a named tuple made by its own name runs a function of Python


def make_consumer(conf: dict[str, object]) -> Consumer:
    """A consumer. Raises ConfigError if the client does not take a setting."""
    try:
        return Consumer(conf)
    except KafkaException as caught:
        error = kafka_error(caught)
        raise ConfigError(f"kafka: {caught if error is None else error.str()}") from None


def to_records(messages: Sequence[Message]) -> list[ActivityRecord]:
    """Messages that were read, as records.

    Field by field and not message by message: the calls are made by `map`, and hardly a step of Python's for each.
    """
    places = zip(
        map(Message.topic, messages), map(Message.partition, messages), map(Message.offset, messages), strict=True
    )
    positions = map(_new, repeat(Position), places)
    headers = [tuple(some) if some else () for some in map(Message.headers, messages)]
    times = map(_SECOND, map(Message.timestamp, messages))
    fields = zip(positions, map(Message.key, messages), map(Message.value, messages), headers, times, strict=True)
    return list(map(_new, repeat(ActivityRecord), fields))


def in_order(messages: Sequence[Message]) -> Iterator[list[ActivityRecord] | Message]:
    """Records and events as they came: records in lists, an event as the message that tells of it."""
    if not any(map(Message.error, messages)):  # mostly
        yield to_records(messages)
        return
    for message in messages:
        yield to_records([message]) if message.error() is None else message


def find_ends(
    consumer: Consumer, partitions: Sequence[TopicPartition], link: Link, timeout: float
) -> dict[TopicPartition, int]:
    """Where each partition ends for a read-committed reader: before the first transaction still open.

    Asked as the offset at the time that the protocol takes for "the end". The admin client has a call for it, but in
    librdkafka 2.16 that spins for its whole time-out once a partition has a new leader, and then gives -1001.
    """
    if not partitions:
        return {}
    asked = [KafkaPartition(*partition, OFFSET_END) for partition in partitions]

    def ask(left: float) -> dict[TopicPartition, int]:
        found = consumer.offsets_for_times(asked, left)
        for one in found:
            if one.error is not None or one.offset < 0:
                code = KafkaError._WAIT_COORD if one.error is None else one.error.code()
                what = f"end of {one.topic}/{one.partition}"
                raise KafkaException(KafkaError(code, what, retriable=code in UNREACHABLE))
        return {TopicPartition(one.topic, one.partition): one.offset for one in found}

    try:
        return persist(ask, timeout)
    except KafkaException as caught:
        error = kafka_error(caught)
        raise link.unavailable("ends") if error is None else link.error(error, "ends of partitions") from None
