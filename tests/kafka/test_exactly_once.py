"""Two engines on a real Kafka are killed inside open transactions, again and again: nothing is lost or doubled."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer
from confluent_kafka import TopicPartition as KafkaPartition
from kafka_cluster.admin import Janitor

from engine.brokers.base import TopicSpec
from engine.brokers.kafka import KafkaBroker
from engine.config import load_config
from engine.ledger.accounting import account
from engine.ledger.codec import decode
from engine.ledger.model import DecisionBatch, DecisionEntry, OutcomeKind, ReviewRequest
from engine.records import ActivityRecord, Position, TopicPartition
from engine.startup import run_worker

CONFIG = """\
broker: kafka://{servers}?session.timeout.ms=1500&heartbeat.interval.ms=300
worker: {worker}
topics:
  - activity: agents
policy: policy.yaml
binding_key: {{file: binding.key}}
batch: {{records: 1000, interval_ms: 100}}
"""
POLICY = "redaction: {entities: {CREDIT_CARD: drop}}\n"
OUTPUTS = ("sanitized", "approvals", "decisions", "quarantine")
PARTITIONS = 4
RECORDS = 100_000
RATE = 1200  # records/s: so slow that the kills fall amid the work
PLACES = ("produced", "offsets", "produced", "offsets", "committed")
OPEN = ("produced", "offsets")
KILLS = 24  # inside open transactions


def value(number: int) -> bytes:
    """Input ``number``. Most are clean; of each other kind there are many."""
    if number % 41 == 7:
        return b'{"id":%d,"actor":"local:ada","action":"db.drop_table","resource":"prod.users"}' % number
    if number % 41 == 14:
        return b'{"id":%d,"actor":"local:ada","action":"audit.disable","resource":"prod"}' % number
    if number % 41 == 21:
        return b"id %d paid with 4111 1111 1111 1111" % number
    if number % 41 == 28:
        return b'{"id":%d,"deep":%s"jane@example.com"%s}' % (number, b"[" * 300, b"]" * 300)
    if number % 11 == 3:
        return b'{"id":%d,"user":"jane@example.com"}' % number
    return b'{"id":%d,"text":"nothing of note"}' % number


class Feed(threading.Thread):
    """Writes records at a steady rate, as any producer does: at least so many, and until it has been enough."""

    def __init__(self, servers: str) -> None:
        super().__init__(daemon=True)
        self._producer = Producer({"bootstrap.servers": servers, "enable.idempotence": True, "linger.ms": 5})
        self.enough = threading.Event()
        self.written = 0

    def run(self) -> None:
        start = time.monotonic()
        number = 0
        while number < RECORDS or not self.enough.is_set():
            for n in range(number, number + 200):
                self._producer.produce("agents", value(n), b"key-%d" % n, n % PARTITIONS)
            number += 200
            self._producer.poll(0)
            time.sleep(max(0.0, start + number / RATE - time.monotonic()))  # the rate is what is wanted here
        assert self._producer.flush(60) == 0
        self.written = number


class Engine:
    """One engine process, which waits somewhere in one of its commits to be killed there."""

    def __init__(self, directory: Path, worker: str, place: str, number: int) -> None:
        self.worker, self.place = worker, place
        script = Path(__file__).with_name("killed_worker.py")
        command = [sys.executable, str(script), str(directory / f"{worker}.yaml"), place, str(number)]
        log = (directory / f"{worker}.log").open("ab")
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, env=os.environ | {"PYTHONPATH": str(script.parents[2])}
        )
        log.close()

    def kill(self) -> int:
        """Kills it where it waits; how many records it had produced."""
        produced = int(self.process.stdout.readline() or -1)
        self.end()
        return produced

    def end(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.stdout.close()
        self.process.wait(60)


@pytest.fixture
def directory(tmp_path: Path, kafka_servers: str, janitor: Janitor) -> Path:
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "binding.key").write_text("ab" * 32)
    for worker in "01":
        (tmp_path / f"{worker}.yaml").write_text(CONFIG.format(worker=worker, servers=kafka_servers))
    return tmp_path


@pytest.fixture
def feed(kafka_servers: str, directory: Path, connect: Callable[..., KafkaBroker]) -> Iterator[Feed]:
    names = ("agents", *(f"agents.{role}" for role in OUTPUTS))
    connect().create_topics([TopicSpec(name, PARTITIONS) for name in names])
    run_worker(load_config(directory / "0.yaml"), stop=lambda: True)  # publishes the policy, and no more
    feed = Feed(kafka_servers)
    feed.start()
    yield feed
    feed.enough.set()
    feed.join()


@pytest.fixture
def engines() -> Iterator[dict[str, Engine]]:
    """The engines that run, by worker; none is left behind."""
    engines: dict[str, Engine] = {}
    yield engines
    for engine in engines.values():
        engine.end()


def test_kills_lose_and_double_nothing(
    directory: Path,
    feed: Feed,
    engines: dict[str, Engine],
    connect: Callable[..., KafkaBroker],
    janitor: Janitor,
    kafka_servers: str,
) -> None:
    """At least 20 open transactions die with their process while partitions move; a reader sees each input once."""
    kills = lost = moves = 0
    with selectors.DefaultSelector() as selector:

        def start(worker: str, number: int) -> None:
            engines[worker] = Engine(directory, worker, PLACES[number % len(PLACES)], 1 + number % 7)
            selector.register(engines[worker].process.stdout, selectors.EVENT_READ, engines[worker])

        start("0", 0)
        start("1", 1)
        while kills < KILLS:
            for key, _ in selector.select(60):
                engine: Engine = key.data
                selector.unregister(engine.process.stdout)
                produced = engine.kill()
                assert produced > 0, (directory / f"{engine.worker}.log").read_text()[-2000:]
                if engine.place in OPEN:
                    kills += 1
                    lost += produced
                if kills % 6 == 5:  # dead for so long that the other takes over
                    janitor.await_end_of(engine.worker)
                    moves += 1
                start(engine.worker, kills + len(PLACES))
    feed.enough.set()
    feed.join()
    for engine in engines.values():
        engine.end()
    run_worker(load_config(directory / "0.yaml"), stop=lambda: False, drain=True)

    assert kills >= 20
    assert moves >= 2
    broker = connect()
    written = {topic: read(broker, topic) for topic in ("agents", *(f"agents.{role}" for role in OUTPUTS))}
    assert len(written["agents"]) == feed.written >= RECORDS
    visible = sum(len(records) for topic, records in written.items() if topic != "agents")
    aborted = in_the_log(kafka_servers, [f"agents.{role}" for role in OUTPUTS]) - visible
    assert aborted >= lost > 0, "what the killed had written is in the log, and aborted"
    check(written, feed.written)


def read(broker: KafkaBroker, topic: str) -> list[ActivityRecord]:
    """All that a read-committed reader sees."""
    with closing(broker.reader([topic])) as reader:
        found: list[ActivityRecord] = []
        while records := reader.poll(100_000, 0):
            found += records
        return found


def in_the_log(servers: str, topics: list[str]) -> int:
    """How many records there are, those of aborted transactions included."""
    conf = {"bootstrap.servers": servers, "group.id": "dirty", "isolation.level": "read_uncommitted"}
    consumer = Consumer(conf | {"enable.partition.eof": True})
    places = [KafkaPartition(topic, n, OFFSET_BEGINNING) for topic in topics for n in range(PARTITIONS)]
    consumer.assign(places)
    count = ends = 0
    while ends < len(places):
        for message in consumer.consume(10_000, 0.2):
            if message.error() is None:
                count += 1
            else:
                assert message.error().code() == KafkaError._PARTITION_EOF
                ends += 1
    consumer.close()
    return count


def check(written: dict[str, list[ActivityRecord]], count: int) -> None:
    """Every input is in exactly one place, as its decision entry says, and the entries add up."""
    inputs = {record.position: number(record) for record in written["agents"]}
    where: dict[int, list[str]] = defaultdict(list)
    order: dict[int, list[int]] = defaultdict(list)
    for record in written["agents.sanitized"]:
        n = number(record)
        where[n].append("sanitized")
        order[record.position.partition].append(n)
        assert (record.key, record.position.partition) == (b"key-%d" % n, n % PARTITIONS)
    for record in written["agents.approvals"]:
        request = decode(record.value)
        assert isinstance(request, ReviewRequest)
        where[inputs[request.position]].append("held")
    for record in written["agents.quarantine"]:
        pointer = orjson.loads(record.value)
        at = Position(pointer["topic"], pointer["partition"], pointer["offset"])
        where[inputs[at]].append("quarantined")

    decisions = [decode(record.value) for record in written["agents.decisions"]]
    entries = [entry for batch in decisions if isinstance(batch, DecisionBatch) for entry in batch.entries]
    offsets: dict[TopicPartition, list[int]] = defaultdict(list)
    for position in sorted(inputs):
        offsets[TopicPartition(*position[:2])].append(position.offset)
    accounted = account(entries, offsets)
    assert accounted.adds_up, accounted.faults[:3]
    outcomes = {inputs[at]: entry.outcome for entry in entries for at in positions(entry, inputs)}
    for n in range(count):
        match outcomes[n]:
            case OutcomeKind.CLEAN | OutcomeKind.REDACTED:
                assert where[n] == ["sanitized"], n
            case OutcomeKind.DENIED | OutcomeKind.DROPPED:
                assert where[n] == [], n
            case kind:
                assert where[n] == [str(kind)], n
    assert Counter(outcomes.values()) == accounted.totals
    assert set(accounted.totals) == set(OutcomeKind), "the stream is to have records of every kind"
    assert all(mine == sorted(mine) for mine in order.values()), "order within a partition"


def positions(entry: DecisionEntry, inputs: dict[Position, int]) -> list[Position]:
    span = range(entry.first_offset, entry.last_offset + 1)
    every = [Position(entry.topic, entry.partition, offset) for offset in span]
    return [position for position in every if position in inputs]


def number(record: ActivityRecord) -> int:
    """Which input this is, by the id that no rule touches."""
    text = record.value.decode()
    return int(orjson.loads(text)["id"]) if text.startswith("{") else int(text.split()[1])
