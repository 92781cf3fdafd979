"""What only Kafka has: time-outs of the cluster, fencing by epoch, failed deliveries, hanging transactions."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from kafka_cluster.admin import Janitor
from kafka_cluster.cluster import free_port

from engine.brokers import open_broker
from engine.brokers.base import BrokerError, BrokerUnavailable, Fenced, TopicSpec, TransactionAborted
from engine.brokers.kafka import KafkaBroker
from engine.brokers.kafka_checks import Wanted, problems
from engine.brokers.kafka_session import KafkaSession
from engine.records import ActivityRecord, OutputRecord, TopicPartition

PATIENCE = 30.0
IN, OUT = TopicPartition("in", 0), TopicPartition("out", 0)


def out(value: bytes | None, partition: int = 0, topic: str = "out", **more) -> OutputRecord:
    return OutputRecord(topic, partition, more.pop("key", None), value, **more)


def take(source, count: int) -> list[ActivityRecord]:
    records: list[ActivityRecord] = []
    end = time.monotonic() + PATIENCE
    while len(records) < count and time.monotonic() < end:
        records += source.poll(count - len(records), 0.1)
    assert len(records) == count
    return records


def committed_values(broker: KafkaBroker, topic: str = "out") -> list[bytes | None]:
    """All that a read-committed reader sees, to the end of the topic."""
    with closing(broker.reader([topic])) as reader:
        found: list[bytes | None] = []
        while records := reader.poll(1000, 0):
            found += [record.value for record in records]
        return found


def nexts(records: Sequence[ActivityRecord]) -> dict[TopicPartition, int]:
    return {TopicPartition(*r.position[:2]): r.position.offset + 1 for r in records}


@contextmanager
def session(broker: KafkaBroker, worker: str = "0") -> Iterator[KafkaSession]:
    one = broker.join("g", ["in"], worker=worker)
    assert isinstance(one, KafkaSession)
    try:
        yield one
    finally:
        with suppress(BrokerError):
            one.close()


def alter(broker: KafkaBroker, topic: str, **settings: object) -> None:
    """Sets a topic's configuration, and returns when the cluster says so."""
    entries = [
        ConfigEntry(name.replace("_", "."), str(value), incremental_operation=AlterConfigOpType.SET)
        for name, value in settings.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
    [future] = broker.topics.admin.incremental_alter_configs([resource]).values()
    future.result(PATIENCE)


# --- not there


def test_broker_that_is_not_there() -> None:
    """Opening asks nothing; each call to a cluster that is not there fails in bounded time and says where it looked."""
    address = f"127.0.0.1:{free_port()}"
    with open_broker(f"kafka://{address}?timeout=1") as broker:
        calls: list[Callable[[], object]] = [
            lambda: broker.partitions(["in"]),
            lambda: broker.create_topics([TopicSpec("in", 1)]),
            lambda: broker.join("g", ["in"], worker="0"),
            lambda: broker.reader(["in"]),
            lambda: broker.publisher("outbox"),
            lambda: broker.append([out(b"x")]),
        ]
        for call in calls:
            start = time.monotonic()
            with pytest.raises(BrokerUnavailable, match=address):
                call()
            assert time.monotonic() - start < 10


# --- topics


def test_created_topics_keep_records_as_they_are(broker: KafkaBroker) -> None:
    """Topics are made with their retention, never compacted, and keep the time that records come with."""
    broker.create_topics([TopicSpec("kept", 3, retention_ms=86_400_000)])
    kept, in_ = (broker.topics.describe(["kept", "in"])[name] for name in ("kept", "in"))
    assert (kept.partitions, kept.cleanup_policy, kept.retention_ms) == (3, "delete", 86_400_000)
    assert (in_.retention_ms, in_.timestamp_type) == (None, "CreateTime")
    assert problems({"in": in_, "kept": kept._replace(partitions=2)}, [Wanted("kept", ("in",), 86_400_000)]) == []


def test_problems_of_real_topics(broker: KafkaBroker) -> None:
    """What was set on the cluster is what the check sees."""
    settings = {"cleanup_policy": "compact", "max_message_bytes": 5000, "message_timestamp_type": "LogAppendTime"}
    alter(broker, "out", **settings)
    end = time.monotonic() + PATIENCE
    while len(problems(found := broker.topics.describe(["in", "out"]), [Wanted("out", ("in",))])) < 3:
        assert time.monotonic() < end, found


# --- records


def test_records_pass_exactly(broker: KafkaBroker) -> None:
    """Through a transaction: partition, key, value, headers in order with duplicates and nulls, time, tombstones."""
    headers = (("b", b"1"), ("a", None), ("b", b"1"), ("", b"\x00\xff"))
    records = [
        out(b"v", 1, "in", key=b"k", headers=headers, timestamp=1234),
        out(None, 1, "in", key=b"gone", timestamp=4_102_444_800_123),
    ]
    broker.append(records)
    with session(broker) as one:
        read = take(one, 2)
        one.begin()
        one.produce(OutputRecord("out", r.position.partition, r.key, r.value, r.headers, r.timestamp) for r in read)
        one.commit(nexts(read))
    with closing(broker.reader(["out"])) as reader:
        written = take(reader, 2)
    for record, got in zip(records, written, strict=True):
        assert got.position.partition == record.partition
        assert (got.key, got.value, got.headers) == (record.key, record.value, record.headers)
        assert got.timestamp == record.timestamp


def test_the_earliest_time(broker: KafkaBroker) -> None:
    """A record of 1970-01-01T00:00:00.000 becomes one of a millisecond later, not one of now."""
    broker.append([out(b"x", timestamp=0)])
    with closing(broker.reader(["out"])) as reader:
        assert take(reader, 1)[0].timestamp == 1


def test_more_than_the_clients_queue_holds(connect: Callable[..., KafkaBroker], broker: KafkaBroker) -> None:
    """When the client's queue is full, writing waits for room; nothing is lost."""
    small = connect(queue_buffering_max_messages="10")
    small.append([out(b"%d" % n) for n in range(500)])
    assert committed_values(broker) == [b"%d" % n for n in range(500)]


def test_reader_does_not_miss_what_is_there(broker: KafkaBroker) -> None:
    """A reader that is asked with no time at all still gives what was there when it began, to the end."""
    broker.append([out(b"%d" % n, n % 2) for n in range(2000)])
    assert len(committed_values(broker)) == 2000


# --- transactions


def test_aborted_records_are_never_seen(broker: KafkaBroker, kafka_servers: str) -> None:
    """What an aborted transaction wrote is in the log, and no reader of ours ever sees it."""
    broker.append([out(b"x", topic="in")])
    with session(broker) as one:
        records = take(one, 1)
        one.begin()
        one.produce([out(b"never")])
        one._writer._producer.flush(PATIENCE)  # it has reached the log
        one.abort()
        again = take(one, 1)
        assert again == records
        one.begin()
        one.produce([out(b"once")])
        one.commit(nexts(again))
    assert committed_values(broker) == [b"once"]
    dirty = Consumer({"bootstrap.servers": kafka_servers, "group.id": "dirty", "isolation.level": "read_uncommitted"})
    from confluent_kafka import TopicPartition as KafkaPartition

    dirty.assign([KafkaPartition("out", 0, 0)])
    assert [message.value() for message in dirty.consume(2, PATIENCE)] == [b"never", b"once"]
    dirty.close()


def test_open_transaction_holds_up_the_end(broker: KafkaBroker) -> None:
    """The end of a partition, as readers see it, is before the first transaction that is still open."""
    with session(broker) as one, closing(broker.reader(["out"])) as reader:
        one.begin()
        one.produce([out(b"a")])
        one._writer._producer.flush(PATIENCE)
        assert reader.end_offsets()[OUT] == 0
        one.commit({})
        take(reader, 1)
        assert reader.end_offsets()[OUT] > 0


def test_rebalance_during_a_transaction_aborts_it(broker: KafkaBroker) -> None:
    """A batch of which a partition went to another worker is not committed; together the two write it once."""
    broker.append([out(b"%d" % n, n, "in") for n in range(2)])
    with session(broker, "0") as one:
        records = take(one, 2)
        one.begin()
        one.produce([out(b"stale") for _ in records])
        with session(broker, "1") as two:
            end = time.monotonic() + PATIENCE
            while len(one.assignment()) != 1 or len(two.assignment()) != 1:
                one.poll(0, 0.01)
                two.poll(0, 0.01)
                assert time.monotonic() < end
            with pytest.raises(TransactionAborted):
                one.commit(nexts(records))
            for member in (one, two):
                mine = take(member, 1)
                member.begin()
                member.produce([out(b"once")])
                member.commit(nexts(mine))
    assert committed_values(broker) == [b"once", b"once"]


def test_zombie_is_fenced(broker: KafkaBroker) -> None:
    """A worker that was replaced in the middle of its transaction can do nothing any more; nothing is written twice."""
    broker.append([out(b"x", topic="in")])
    with session(broker) as zombie:
        records = take(zombie, 1)
        zombie.begin()
        zombie.produce([out(b"zombie")])
        with session(broker) as successor:
            for call in (
                lambda: zombie.commit(nexts(records)),
                lambda: zombie.poll(1, 0),
                zombie.begin,
                lambda: zombie.produce([out(b"zombie")]),
            ):
                with pytest.raises(Fenced, match="worker '0'"):
                    call()
            again = take(successor, 1)
            successor.begin()
            successor.produce([out(b"once")])
            successor.commit(nexts(again))
    assert committed_values(broker) == [b"once"]


def test_idle_zombie_is_fenced(broker: KafkaBroker) -> None:
    """A worker that has nothing to do hears that it was replaced when it polls."""
    with session(broker) as zombie:
        while not zombie.assignment():
            zombie.poll(1, 0.1)
        with session(broker), pytest.raises(Fenced, match="worker '0'"):
            take(zombie, 1)


def test_leaving_while_joining(broker: KafkaBroker) -> None:
    """A worker that leaves before it has heard of its partitions does so at once, as does the one it replaced."""
    for n in range(10):
        with closing(broker.join(f"g{n}", ["in"], worker="0")) as zombie:
            while not zombie.assignment():
                zombie.poll(1, 0.1)
            with closing(broker.join(f"g{n}", ["in"], worker="0")), pytest.raises(Fenced):
                take(zombie, 1)


def test_transaction_that_timed_out_is_read_again(connect: Callable[..., KafkaBroker], broker: KafkaBroker) -> None:
    """A transaction that was open for longer than its time-out is aborted by the cluster; its worker goes on."""
    quick = connect(transaction_timeout_ms="1000")
    quick.append([out(b"x", topic="in")])
    with session(quick) as one:
        records = take(one, 1)
        one.begin()
        one.produce([out(b"late")])
        one._writer._producer.flush(PATIENCE)
        with closing(broker.reader(["out"])) as reader:
            broker.append([out(b"behind")])  # is seen when the cluster has given up the one before it
            take(reader, 1)
        with pytest.raises(TransactionAborted):
            one.commit(nexts(records))
        again = take(one, 1)
        one.begin()
        one.produce([out(b"once")])
        one.commit(nexts(again))
    assert committed_values(broker) == [b"behind", b"once"]


# --- records that the cluster does not take


def test_message_above_the_topics_limit(broker: KafkaBroker) -> None:
    """A message above its topic's own limit is refused by name before it is sent, and the next batch goes through."""
    from engine.brokers import MessageTooLarge

    alter(broker, "out", max_message_bytes=5000)
    end = time.monotonic() + PATIENCE
    while broker.topics.describe(["out"])["out"].max_message_bytes != 5000:
        assert time.monotonic() < end
    huge = out(os.urandom(5000))
    with session(broker) as one:
        one.begin()
        with pytest.raises(MessageTooLarge) as caught:
            one.produce([out(b"a"), huge])
        assert caught.value.record is huge
        one.abort()
        one.begin()
        one.produce([out(b"b")])
        one.commit({})
    assert committed_values(broker) == [b"b"]


def test_failed_delivery_surfaces_at_commit(broker: KafkaBroker) -> None:
    """A record that the cluster refuses after it was taken fails the commit: nothing of it is committed, nothing lost."""
    broker.append([out(b"x", topic="in")])
    with session(broker) as one:
        assert broker.topics.limit("out") > 5000  # as the worker knows it
        alter(broker, "out", max_message_bytes=5000)
        records = take(one, 1)
        one.begin()
        one.produce([out(b"a", 1), out(os.urandom(50_000))])
        with pytest.raises(BrokerError, match=r"for topic 'out' could not be written.*max\.message\.bytes") as caught:
            one.commit(nexts(records))
        assert type(caught.value) is BrokerError
        assert one.committed()[IN] == 0
        assert take(one, 1) == records  # and the session goes on
        one.begin()
        one.produce([out(b"b", 1)])
        one.commit(nexts(records))
    assert committed_values(broker) == [b"b"]


def test_refused_timestamp_surfaces_at_commit(broker: KafkaBroker) -> None:
    """A record whose time the topic does not take fails the commit, and the error says which setting refuses it."""
    alter(broker, "out", message_timestamp_after_max_ms=1000)
    with pytest.raises(BrokerError, match=r"message\.timestamp"):
        broker.append([out(b"x", timestamp=4_102_444_800_123)])
    broker.append([out(b"y")])
    assert committed_values(broker) == [b"y"]


# --- publishers


def test_publisher_says_how_far_it_got_wherever_it_wrote(broker: KafkaBroker) -> None:
    """The sequence is that of the last batch, whichever topics the batches went to; an empty batch counts too."""
    with closing(broker.publisher("outbox")) as publisher:
        with pytest.raises(BrokerError, match="no topic yet"):
            publisher.publish([], 1)
        publisher.publish([out(b"a")], 3)
        publisher.publish([out(b"b", topic="in")], 5)
        publisher.publish([], 6)
    with closing(broker.publisher("outbox")) as publisher:
        assert publisher.last() == 6
        publisher.publish([out(b"c")], 7)
        assert publisher.last() == 7
    assert committed_values(broker) == [b"a", b"c"]


# --- real deaths

_DIES = """
import sys, time
from engine.brokers import open_broker
from engine.records import OutputRecord, TopicPartition
broker = open_broker(sys.argv[1])
session = broker.join("g", ["in"], worker="0")
records = []
while len(records) < 1:
    records += session.poll(10, 0.1)
session.begin()
session.produce([OutputRecord("out", 0, None, b"never")])
session._writer._producer.flush(30)
if sys.argv[2] == "offsets":
    producer, metadata = session._writer._producer, session._consumer.consumer_group_metadata()
    from confluent_kafka import TopicPartition
    producer.send_offsets_to_transaction([TopicPartition("in", 0, 1)], metadata, 30)
print("ready", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("stage", ["produced", "offsets"])
def test_hanging_transaction_is_settled_by_the_next_start(broker: KafkaBroker, kafka_servers: str, stage: str) -> None:
    """A process killed inside its transaction leaves it open; the next start under its name settles it at once."""
    broker.append([out(b"x", topic="in")])
    url = f"kafka://{kafka_servers}?session.timeout.ms=45000"
    with subprocess.Popen([sys.executable, "-c", _DIES, url, stage], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
        finally:
            process.send_signal(signal.SIGKILL)
    broker.append([out(b"behind")])
    with closing(broker.reader(["out"])) as reader:
        assert reader.end_offsets()[OUT] == 0  # readers are held up
        start = time.monotonic()
        with session(broker) as one:
            records = take(one, 1)
            one.begin()
            one.produce([out(b"once")])
            one.commit(nexts(records))
        assert time.monotonic() - start < 20  # not the session's time-out, nor the transaction's
        assert [record.value for record in take(reader, 2)] == [b"behind", b"once"]


def test_the_end_is_not_seen_before_what_a_dead_worker_left_is_settled(broker: KafkaBroker, kafka_servers: str) -> None:
    """While nobody knows where to go on, since another died committing that, the end has not been reached."""
    broker.append([out(b"x", topic="in")])
    url = f"kafka://{kafka_servers}?session.timeout.ms=1500&heartbeat.interval.ms=300&transaction.timeout.ms=4000"
    with subprocess.Popen([sys.executable, "-c", _DIES, url, "offsets"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
        finally:
            process.send_signal(signal.SIGKILL)
    with session(broker, "other") as other:
        records: Sequence[ActivityRecord] = []
        end = time.monotonic() + PATIENCE
        while not records:
            assert IN not in other.at_end()
            assert time.monotonic() < end
            records = other.poll(1, 0.1)
        while IN not in other.at_end():
            assert other.poll(1, 0.1) == []
            assert time.monotonic() < end


def test_members_of_a_killed_test_are_missed(janitor: Janitor) -> None:
    """The tests themselves: what a killed worker left in its group is gone before the next test."""
    janitor.clean()
    assert janitor.owners() == []


def test_raw_producer_is_read_too(broker: KafkaBroker, kafka_servers: str) -> None:
    """Records of any other producer, compressed and without transactions, are read in order."""
    other = Producer({"bootstrap.servers": kafka_servers, "compression.type": "zstd"})
    for n in range(100):
        other.produce("in", b"%d" % n, partition=1)
    other.flush(PATIENCE)
    with session(broker) as one:
        assert [record.value for record in take(one, 100)] == [b"%d" % n for n in range(100)]
