"""What the tests share that only Kafka can pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from kafka_cluster.admin import Janitor

from engine.brokers import open_broker
from engine.brokers.base import TopicSpec
from engine.brokers.kafka import KafkaBroker

# A member that dies is missed soon; one that waits for its turn in a test is not.
TIMES = {"session.timeout.ms": "1500", "heartbeat.interval.ms": "300", "max.poll.interval.ms": "30000"}


@pytest.fixture
def janitor(kafka_servers: str) -> Iterator[Janitor]:
    janitor = Janitor(kafka_servers)
    janitor.clean()
    yield janitor
    janitor.clean()


@pytest.fixture
def connect(kafka_servers: str, janitor: Janitor) -> Iterator[Callable[..., KafkaBroker]]:
    """Opens a broker with settings of the test's own; closed at its end."""
    opened: list[KafkaBroker] = []

    def connect(**settings: str) -> KafkaBroker:
        given = TIMES | {name.replace("_", "."): value for name, value in settings.items()}
        broker = open_broker(f"kafka://{kafka_servers}", given)
        assert isinstance(broker, KafkaBroker)
        opened.append(broker)
        return broker

    yield connect
    for broker in opened:
        broker.close()


@pytest.fixture
def broker(connect: Callable[..., KafkaBroker]) -> KafkaBroker:
    """A broker with the topics ``in`` and ``out``, of two partitions each."""
    broker = connect()
    broker.create_topics([TopicSpec("in", 2), TopicSpec("out", 2)])
    return broker
