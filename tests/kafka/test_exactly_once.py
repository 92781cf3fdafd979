"""On a real Kafka of three brokers, whatever dies: nothing is lost, nothing is doubled."""

from __future__ import annotations

import logging
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from itertools import count
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer
from confluent_kafka import TopicPartition as KafkaPartition
from every_input import OUTPUTS, POLICY, TOPIC, TOPICS, check, decide, key, make_service, number, read, review, value
from kafka_cluster import Cluster
from kafka_cluster.admin import Janitor
from kafka_cluster.fixture import running
from victims import ROOT, Victims

from engine.brokers.base import BrokerUnavailable, TopicSpec
from engine.brokers.kafka import KafkaBroker
from engine.config import load_config
from engine.startup import run_worker

SETTINGS = "timeout=4&session.timeout.ms=3000&heartbeat.interval.ms=300&transaction.timeout.ms=6000"
TRANSACTION = 6.0  # seconds that one may take, by these settings
CONFIG = """\
broker: kafka://{servers}?{settings}
worker: {worker}
topics:
  - activity: agents
policy: policy.yaml
binding_key: {{file: binding.key}}
batch: {{records: 1000, interval_ms: 100}}
"""
PARTITIONS = 4
RECORDS = 100_000
RATE = 2000  # records/s: so slow that the kills fall amid the work
PLACES = ("produced", "inside", "produced", "inside", "committed")  # see killed_engine.py
REVIEWER_PLACES = ("before", "produced", "inside", "after")  # see killed_reviewer.py


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three brokers, our own: they are to be stopped."""
    # A broker that hangs is given up after a while that is shorter than it hangs here.
    given_up = {"broker.session.timeout.ms": "4000", "broker.heartbeat.interval.ms": "500"}
    properties = {"min.insync.replicas": "2", **given_up}
    with running(Cluster(tmp_path_factory.mktemp("three"), nodes=3, properties=properties), request) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def kafka_servers(cluster: Cluster) -> str:
    return cluster.servers


@pytest.fixture
def directory(tmp_path: Path, kafka_servers: str, connect: Callable[..., KafkaBroker]) -> Path:
    """A configuration for each of two workers, and their topics."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "binding.key").write_text("ab" * 32)
    for worker in "01":
        text = CONFIG.format(worker=worker, servers=kafka_servers, settings=SETTINGS)
        (tmp_path / f"{worker}.yaml").write_text(text)
    connect().create_topics([TopicSpec(name, PARTITIONS) for name in TOPICS])
    return tmp_path


class Feed(threading.Thread):
    """Writes at ``rate`` records/s, as any producer does: at least ``records``, and until it has been enough."""

    def __init__(self, servers: str, records: int, rate: int) -> None:
        super().__init__(daemon=True)
        conf = {"bootstrap.servers": servers, "enable.idempotence": True, "linger.ms": 5}
        # After an outage it would wait a minute for an answer that is lost, and five for new leaders that it missed.
        soon = {"socket.timeout.ms": 10_000, "topic.metadata.refresh.interval.ms": 5_000}
        self._producer = Producer(conf | soon | {"logger": logging.getLogger("feed")})
        self._records, self._rate = records, rate
        self.enough = threading.Event()
        self.sent = self.written = 0

    def __str__(self) -> str:
        return f"{self.sent} sent, {len(self._producer)} of them not delivered"

    def run(self) -> None:
        start = time.monotonic()
        number = 0
        while number < self._records or (not self.enough.is_set()):
            for n in range(number, number + 100):
                self._producer.produce(TOPIC, value(n), key(n), n % PARTITIONS)
            self.sent = number = number + 100
            self._producer.poll(0)
            time.sleep(max(0.0, start + number / self._rate - time.monotonic()))  # the rate is what is wanted
        self.written = number - self._producer.flush(60)


def in_the_log(servers: str, topics: list[str]) -> int:
    """How many records there are, those of aborted transactions included."""
    conf = {"bootstrap.servers": servers, "group.id": "dirty", "isolation.level": "read_uncommitted"}
    consumer = Consumer(conf | {"enable.partition.eof": True})
    places = [KafkaPartition(topic, n, OFFSET_BEGINNING) for topic in topics for n in range(PARTITIONS)]
    consumer.assign(places)
    found = ends = 0
    while ends < len(places):
        for message in consumer.consume(10_000, 0.2):
            if message.error() is None:
                found += 1
            else:
                assert message.error().code() == KafkaError._PARTITION_EOF
                ends += 1
    consumer.close()
    return found


class Deaths:
    """Two engines and a reviewer, each killed and started again, for as long as it goes on."""

    def __init__(self, directory: Path, servers: str, janitor: Janitor, stack: ExitStack) -> None:
        self._directory, self._servers, self._janitor = directory, servers, janitor
        self._selector = stack.enter_context(selectors.DefaultSelector())
        self._victims = {
            name: Victims("killed_reviewer.py" if name == "reviewer" else "killed_engine.py", directory / f"{name}.log")
            for name in ("0", "1", "reviewer")
        }
        for name, victims in self._victims.items():
            stack.callback(victims.close)
            self._selector.register(victims, selectors.EVENT_READ, name)
        self._lives = {name: count() for name in self._victims}
        self._away = ""  # the worker that is dead for so long that the other takes over
        self.lost: list[int] = []  # for each open transaction of an engine, how many records it had written
        self.moves = self.reviewers = 0
        for name in self._victims:
            self._start(name)

    @property
    def database(self) -> Path:
        return self._directory / "approvals.db"

    def step(self) -> None:
        """Kills who waits for it; starts the next."""
        for chosen, _ in self._selector.select(0.25):
            name: str = chosen.data
            halt = self._victims[name].reached()
            self._victims[name].kill(halt)
            assert halt.produced > 0
            if name == "reviewer":
                self.reviewers += 1
                if self.reviewers % 3 == 0:  # it has to be made again from the topics
                    for file in self._directory.glob("approvals.db*"):
                        file.unlink()
            elif halt.where == "open":
                self.lost.append(halt.produced)
                if len(self.lost) % 8 == 0 and not self._away:
                    self._away = name
                    continue
            self._start(name)
        if self._away and self._janitor.owners() == ["0" if self._away == "1" else "1"]:
            self.moves += 1
            self._start(self._away)
            self._away = ""

    def _start(self, name: str) -> None:
        life = next(self._lives[name])
        if name == "reviewer":
            url = f"kafka://{self._servers}"
            self._victims[name].start(url, self.database, REVIEWER_PLACES[life % len(REVIEWER_PLACES)], 1 + life % 3)
        else:
            # Not at the first commit again and again: three deaths at one place make it go record by record.
            config = self._directory / f"{name}.yaml"
            self._victims[name].start(config, PLACES[(life + int(name)) % len(PLACES)], 1 + life % 4)


def test_kills_lose_and_double_nothing(
    directory: Path, connect: Callable[..., KafkaBroker], janitor: Janitor, kafka_servers: str
) -> None:
    """Open transactions die with their process, partitions move, the reviewer dies too: each input is there once."""
    feed = Feed(kafka_servers, RECORDS, RATE)
    with ExitStack() as stack:
        deaths = Deaths(directory, kafka_servers, janitor, stack)
        feed.start()
        while feed.is_alive():
            deaths.step()
            if (len(deaths.lost) >= 20 and deaths.moves >= 2 and deaths.reviewers >= 8) or feed.sent > 4 * RECORDS:
                feed.enough.set()
    assert feed.written >= RECORDS
    assert len(deaths.lost) >= 20
    assert deaths.moves >= 2
    assert deaths.reviewers >= 8
    for worker in "01":
        run_worker(load_config(directory / f"{worker}.yaml"), stop=lambda: True)  # settles what it left open
    run_worker(load_config(directory / "0.yaml"), stop=lambda: False, drain=True)
    broker = connect()
    review(deaths.database, broker)

    outputs = [f"{TOPIC}.{role}" for role in OUTPUTS]
    aborted = in_the_log(kafka_servers, outputs) - sum(len(read(broker, topic)) for topic in outputs)
    assert aborted >= sum(deaths.lost), "what the killed had written is in the log, and aborted"
    check(broker, feed.written)


class Command:
    """``sluicegate run`` with two workers, as a service manager runs it: started again if it ends with 1."""

    def __init__(self, directory: Path) -> None:
        self._command = [sys.executable, "-m", "sluicegate", "run", "-c", str(directory / "0.yaml"), "--workers", "2"]
        self.log = directory / "engine.log"
        self._start()

    def step(self) -> None:
        code = self._process.poll()
        if code is not None:
            assert code == 1, self.log.read_text()[-3000:]
            self._start()

    def stop(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(60)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def _start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, cwd=ROOT, stderr=log)


def hang(cluster: Cluster, nodes: Sequence[int]) -> None:
    """Stops brokers as they are, for longer than a transaction may take."""
    for node in nodes:
        cluster.send(signal.SIGSTOP, node)
    time.sleep(TRANSACTION + 2)
    for node in nodes:
        cluster.send(signal.SIGCONT, node)


def restart(cluster: Cluster, nodes: Sequence[int]) -> None:
    """Ends brokers in order, and starts them again after longer than a transaction may take."""
    for node in nodes:
        cluster.send(signal.SIGTERM, node)
    time.sleep(TRANSACTION + 2)
    for node in nodes:
        cluster.end(node, signal.SIGKILL)  # without a quorum a broker waits long for leave to end
        cluster.launch(node)
    for node in nodes:
        cluster.wait(node)


def test_outages_lose_and_double_nothing(
    directory: Path, connect: Callable[..., KafkaBroker], kafka_servers: str, cluster: Cluster
) -> None:
    """Brokers hang and end, one or all, for longer than a transaction may take: work goes on, each input is there once."""
    feed = Feed(kafka_servers, 0, 200)
    broker = connect(timeout="4")
    service = make_service(directory / "approvals.db", broker)
    seen = [0] * PARTITIONS  # the latest input that came through
    with ExitStack() as stack:
        engine = Command(directory)
        stack.callback(engine.close)
        stack.callback(service.store.close)
        stack.callback(service.stop)
        service.start()
        reader = stack.enter_context(closing(broker.reader([f"{TOPIC}.sanitized"])))
        feed.start()
        stack.callback(feed.enough.set)

        def await_progress() -> None:
            """Returns when what is fed now has come through, in all partitions."""
            target, end = feed.sent + 200, time.monotonic() + 180
            while min(seen) < target:
                with suppress(BrokerUnavailable):
                    for record in reader.poll(10_000, 0.2):
                        seen[record.position.partition] = max(seen[record.position.partition], number(record))
                decide(service)
                engine.step()
                assert not service.health.problem.startswith("stopped"), service.health.problem
                assert time.monotonic() < end, f"{feed}; seen {seen}, up to {target}\n{engine.log.read_text()[-3000:]}"

        await_progress()
        for outage in (hang, restart):
            for nodes in ([1], [1, 2, 3]):
                outage(cluster, nodes)
                await_progress()
                assert min(reader.end_offsets().values()) > 0, "new leaders are asked"
        feed.enough.set()
        feed.join()
        assert engine.stop() in (0, 1), engine.log.read_text()[-3000:]  # 1: a worker was about to start again
    run_worker(load_config(directory / "0.yaml"), stop=lambda: False, drain=True)
    review(directory / "approvals.db", broker)
    check(broker, feed.written)
