"""A relay on Kafka: what an exactly-once stream costs when nothing is done to it.

The client's own consumer and transactional producer with the engine's settings, its batches, and no object of ours in
between: values and timestamps are handed from one to the other.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from benchmarks.measurement import MeasuringFailed, Took
from engine.brokers.base import Broker
from engine.brokers.kafka import KafkaBroker
from engine.brokers.kafka_settings import parse
from engine.config import Batch

_JOIN = 60.0  # seconds until the first record must have come
_QUIET = 15.0  # seconds without a record
_CALL = 30.0  # seconds for one call


def kafka_relay(url: str, group: str, source: str, target: str, total: int) -> Took:
    """Moves ``total`` records from ``source`` to ``target``, with their offsets in the same transactions.

    Raises MeasuringFailed.
    """
    settings = parse(url.removeprefix("kafka:"))
    consumer = Consumer(settings.consumer(_ignore, group, "relay"))
    producer = Producer(settings.producer(_ignore, group))
    try:
        producer.init_transactions(_CALL)
        consumer.subscribe([source])
        return _moved(consumer, producer, target, total)
    except KafkaException as error:
        raise MeasuringFailed(f"the relay failed: {error.args[0]}") from None
    finally:
        with suppress(KafkaException):
            consumer.unsubscribe()
            consumer.close()


def _moved(consumer: Consumer, producer: Producer, target: str, total: int) -> Took:
    batch, produce = Batch(), producer.produce
    done, started = 0, (0.0, 0.0)
    patience = time.monotonic() + _JOIN
    while done < total:
        messages = [one for one in consumer.consume(batch.records, batch.interval_ms / 1000) if one.error() is None]
        if not messages:
            if time.monotonic() > patience:
                raise MeasuringFailed(f"the relay read {done:,} of {total:,} records")
            continue
        patience = time.monotonic() + _QUIET
        if not done:
            started = time.monotonic(), time.process_time()
        producer.begin_transaction()
        ends: dict[tuple[str, int], int] = {}
        for message in messages:
            partition = message.partition() or 0
            ends[message.topic() or "", partition] = (message.offset() or 0) + 1
            while True:
                try:
                    produce(target, message.value(), None, partition, None, None, message.timestamp()[1])
                    break
                except BufferError:
                    producer.poll(0.1)
        offsets = [TopicPartition(topic, partition, end) for (topic, partition), end in ends.items()]
        producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), _CALL)
        producer.commit_transaction(_CALL)
        done += len(messages)
    return Took(time.monotonic() - started[0], time.process_time() - started[1])


def clear_away(broker: Broker, topics: list[str], groups: list[str]) -> None:
    """Deletes what a benchmark made on a Kafka, as far as it can be."""
    if not isinstance(broker, KafkaBroker):
        return
    admin = broker.topics.admin
    futures: list[Any] = [
        *admin.delete_topics(topics, operation_timeout=_CALL).values(),
        *admin.delete_consumer_groups(groups, request_timeout=_CALL).values(),
    ]
    for future in futures:
        with suppress(KafkaException):
            future.result()


def _ignore(*_: object) -> None:
    """The client's own news: what matters fails a call."""
