"""Several workers under one command, on a real Kafka."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest
from kafka_cluster.admin import Janitor

from engine.attempts import Attempts
from engine.brokers.base import Broker, TopicSpec
from engine.brokers.kafka import KafkaBroker
from engine.config import TopicSet
from engine.ledger.codec import encode
from engine.outcomes import Outcome, Sanitized
from engine.records import ActivityRecord, OutputRecord, TopicPartition
from engine.worker import Worker

ROOT = Path(__file__).parents[2]
PARTITIONS = 4
CONFIG = """\
broker: kafka://{servers}?session.timeout.ms=6000&heartbeat.interval.ms=300
worker: node
topics:
  - activity: agents
policy: policy.yaml
binding_key: {{file: binding.key}}
batch: {{records: 50}}
"""


@pytest.fixture
def config(tmp_path: Path, kafka_servers: str, janitor: Janitor) -> Path:
    (tmp_path / "policy.yaml").write_text("name: ours\n")
    (tmp_path / "binding.key").write_text("ab" * 32)
    (tmp_path / "sluicegate.yaml").write_text(CONFIG.format(servers=kafka_servers))
    return tmp_path / "sluicegate.yaml"


def feed(broker: Broker, numbers: range) -> None:
    broker.append([OutputRecord("agents", n % PARTITIONS, None, b'{"n":%d}' % n) for n in numbers])


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_killed_worker_comes_back(config: Path, connect: Callable[..., KafkaBroker]) -> None:
    """It has its partitions back under its name; nothing is lost or doubled, and a signal ends all in order."""
    broker = connect()
    names = ("agents", *(f"agents.{role}" for role in ("sanitized", "approvals", "decisions", "quarantine")))
    broker.create_topics([TopicSpec(name, PARTITIONS) for name in names])
    reader = broker.reader(["agents.sanitized"])
    numbers: list[int] = []

    def read() -> int:
        numbers.extend(orjson.loads(record.value or b"")["n"] for record in reader.poll(10_000, 0.05))
        return len(numbers)

    log = config.with_name("log.txt")
    command = [sys.executable, "-m", "sluicegate", "run", "-c", str(config), "--workers", "2"]
    with log.open("w") as stderr, subprocess.Popen(command, cwd=ROOT, stderr=stderr) as process:
        try:
            until(lambda: log.read_text().count("is up") == 2)
            feed(broker, range(200))
            until(lambda: read() == 200)
            [first] = (one for one in Path("/proc").iterdir() if _is_worker(one, process.pid, 0))
            os.kill(int(first.name), signal.SIGKILL)
            feed(broker, range(200, 1000))
            until(lambda: read() >= 1000)
            until(lambda: log.read_text().count("is up") == 3)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0, log.read_text()
        finally:
            process.kill()
    assert read() == 1000
    assert sorted(numbers) == list(range(1000))
    assert re.search(r"worker node\.0 ended with signal SIGKILL", log.read_text())
    assert log.read_text().count(" ends: ") == 2
    session = broker.join("sluicegate", ["agents"], worker="other")
    assert sum(session.committed()[TopicPartition("agents", n)] for n in range(PARTITIONS)) >= 1000
    session.close()


class Passes:
    """A core that finds nothing."""

    digest = "sha256:test"

    def sanitize(self, records: Sequence[ActivityRecord], now: int) -> list[Outcome]:
        return [Sanitized(record) for record in records]


def test_two_drain_what_ends_in_a_marker(connect: Callable[..., KafkaBroker], tmp_path: Path) -> None:
    """Two workers that drain end together, neither waits for the other: each sees the end of its own partitions only."""
    broker, topic = connect(), TopicSet(activity="agents")
    broker.create_topics([TopicSpec(name, PARTITIONS) for name in ("agents", *topic.outputs())])
    sessions = [broker.join("drain", ["agents"], worker=name) for name in "01"]
    until(lambda: [session.poll(1, 0.05) or len(session.assignment()) for session in sessions] == [2, 2])
    feed(broker, range(100))  # in a transaction, whose marker is what each partition ends with
    started, late = time.monotonic(), []

    def stop() -> bool:
        if time.monotonic() - started > 30:
            late.append(threading.current_thread().name)
        return bool(late)

    def work(name: str) -> int:
        attempts = Attempts(tmp_path / name)
        worker = Worker(sessions[int(name)], Passes(), {"agents": topic}, encode, attempts=attempts, name=name)
        worker.run(stop=stop, drain=True)
        return worker.counters.records

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(work, "01")) == [50, 50]
    assert late == []
    for session in sessions:
        session.close()


def _is_worker(entry: Path, parent: int, ordinal: int) -> bool:
    try:
        words = (entry / "cmdline").read_bytes().split(b"\0")
        status = (entry / "status").read_text()
    except OSError:
        return False
    return f"PPid:\t{parent}\n" in status and words[-3:-1] == [b"--ordinal", b"%d" % ordinal]
