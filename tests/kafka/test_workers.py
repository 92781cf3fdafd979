"""Several workers under one command, on a real Kafka."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from kafka_cluster.admin import Janitor

from engine.brokers.base import Broker, TopicSpec
from engine.brokers.kafka import KafkaBroker
from engine.records import OutputRecord, TopicPartition

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


def _is_worker(entry: Path, parent: int, ordinal: int) -> bool:
    try:
        words = (entry / "cmdline").read_bytes().split(b"\0")
        status = (entry / "status").read_text()
    except OSError:
        return False
    return f"PPid:\t{parent}\n" in status and words[-3:-1] == [b"--ordinal", b"%d" % ordinal]
