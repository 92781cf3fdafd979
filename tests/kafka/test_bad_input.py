"""What should not come and does: each is named, and nothing of it or around it is lost."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from every_input import TOPIC, TOPICS, read
from victims import ROOT

from engine.brokers.base import TopicSpec
from engine.brokers.kafka import KafkaBroker
from engine.config import load_config
from engine.ledger.codec import decode
from engine.ledger.model import ReviewRequest
from engine.records import OutputRecord
from engine.startup import run_worker

CONFIG = """\
broker: kafka://{servers}?session.timeout.ms=3000&heartbeat.interval.ms=300
topics:
  - activity: agents
binding_key: {{file: binding.key}}
"""
LONG_AGO, FAR_AHEAD = 1, 4_102_444_800_000  # ms since the epoch: 1970, 2100
DAY = 86_400_000


@pytest.fixture
def config(tmp_path: Path, kafka_servers: str, connect: Callable[..., KafkaBroker]) -> Path:
    (tmp_path / "binding.key").write_text("ab" * 32)
    (tmp_path / "sluicegate.yaml").write_text(CONFIG.format(servers=kafka_servers))
    connect().create_topics([TopicSpec(name, 1) for name in TOPICS])
    return tmp_path / "sluicegate.yaml"


def test_larger_than_the_output_takes(config: Path, connect: Callable[..., KafkaBroker]) -> None:
    """A held record that its topic takes, and that a review request around it makes too large, is quarantined by name."""
    asked = b'{"id":%d,"actor":"local:ada","action":"db.drop_table","resource":"prod.users","note":"%s"}'
    broker = connect()
    limit = broker.topics.limit(TOPIC)
    large = asked % (1, b"x" * (limit - 400))
    for value in (b"before", large, b"after"):
        broker.append([OutputRecord(TOPIC, 0, None, value)])
    run_worker(load_config(config), stop=lambda: False, drain=True)
    assert [record.value for record in read(broker, f"{TOPIC}.sanitized")] == [b"before", b"after"]
    assert read(broker, f"{TOPIC}.approvals") == []
    (pointer,) = (orjson.loads(record.value or b"") for record in read(broker, f"{TOPIC}.quarantine"))
    large_one = read(broker, TOPIC)[1]
    assert (pointer["reason"], pointer["offset"]) == ("output-too-large", large_one.position.offset)


def test_larger_than_the_policy_reads(
    config: Path, connect: Callable[..., KafkaBroker], caplog: pytest.LogCaptureFixture
) -> None:
    """Where a topic takes more than the policy reads, the start says so; such a record is quarantined by name."""
    (config.parent / "policy.yaml").write_text("limits: {bytes: 100000}\n")
    config.write_text(config.read_text() + "policy: policy.yaml\n")
    broker = connect()
    broker.append([OutputRecord(TOPIC, 0, None, value) for value in (b"small", b"x" * 200_000)])
    with caplog.at_level(logging.WARNING):
        run_worker(load_config(config), stop=lambda: False, drain=True)
    assert "topic 'agents' takes messages of 1048588 bytes, and the policy reads records of 100000" in caplog.text
    assert [record.value for record in read(broker, f"{TOPIC}.sanitized")] == [b"small"]
    (pointer,) = (orjson.loads(record.value or b"") for record in read(broker, f"{TOPIC}.quarantine"))
    assert (pointer["reason"], pointer["offset"]) == ("budget.bytes", 1)


def test_clocks_that_are_wrong(config: Path, connect: Callable[..., KafkaBroker]) -> None:
    """A record keeps the time that it came with, however wrong; a review's deadline goes by the engine's clock."""
    asked = b'{"id":%d,"actor":"local:ada","action":"db.drop_table","resource":"prod.t%d"}'
    times = (LONG_AGO, FAR_AHEAD)
    broker = connect()
    broker.append([OutputRecord(TOPIC, 0, b"clean", b"clean", timestamp=one) for one in times])
    broker.append([OutputRecord(TOPIC, 0, b"held", asked % (one, one), timestamp=one) for one in times])
    now = time.time() * 1000
    run_worker(load_config(config), stop=lambda: False, drain=True)
    assert tuple(record.timestamp for record in read(broker, f"{TOPIC}.sanitized")) == times
    requests = [decode(record.value or b"") for record in read(broker, f"{TOPIC}.approvals")]
    assert len(requests) == len(times)
    for request, timestamp in zip(requests, times, strict=True):
        assert isinstance(request, ReviewRequest)
        assert request.held is not None
        assert request.held.timestamp == timestamp
        assert abs(request.created - now) < DAY
        assert now < request.expires < now + 365 * DAY


def test_second_engine_with_the_same_name(config: Path, connect: Callable[..., KafkaBroker]) -> None:
    """The first ends with 1 and names the worker; the second does the work, and each record is there once."""
    broker = connect()
    command = [sys.executable, "-m", "sluicegate", "run", "-c", str(config)]
    engines: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        with (config.parent / f"{len(engines)}.log").open("w") as log:
            engines.append(subprocess.Popen(command, cwd=ROOT, stderr=log))

    def feed(numbers: range) -> None:
        broker.append([OutputRecord(TOPIC, 0, None, b"%d" % n) for n in numbers])

    def await_records(count: int) -> None:
        end = time.monotonic() + 60
        while len(read(broker, f"{TOPIC}.sanitized")) < count:
            assert time.monotonic() < end

    try:
        start()
        feed(range(10))
        await_records(10)  # or it might not have joined yet, and would be the second
        start()
        assert engines[0].wait(60) == 1
        last = (config.parent / "0.log").read_text().splitlines()[-1]
        assert "another process joined group 'sluicegate' as worker '0'" in last
        feed(range(10, 20))
        await_records(20)
        engines[1].terminate()
        assert engines[1].wait(60) == 0
    finally:
        for engine in engines:
            engine.kill()
            engine.wait()
    assert [record.value for record in read(broker, f"{TOPIC}.sanitized")] == [b"%d" % n for n in range(20)]
