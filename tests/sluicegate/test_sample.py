"""`sluicegate sample`: records of made-up agents at a rate, on every broker."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from benchmarks.activity import generate
from engine.brokers import open_broker
from engine.brokers.base import BrokerUnavailable, TopicSpec
from engine.brokers.embedded import EmbeddedBroker
from engine.records import ActivityRecord
from sluicegate.cli import main

CONFIG = """
broker: embedded:log.db
topics: [{activity: activity}]
binding_key: {env: SLUICEGATE_TEST_KEY}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose activity topic has three partitions."""
    path = tmp_path / "sluicegate.yaml"
    path.write_text(CONFIG)
    with open_broker(f"embedded:{tmp_path / 'log.db'}") as broker:
        broker.create_topics([TopicSpec("activity", 3)])
    return path


def written(config: Path) -> list[ActivityRecord]:
    with open_broker(f"embedded:{config.parent / 'log.db'}") as broker:
        reader = broker.reader(["activity"])
        found: list[ActivityRecord] = []
        while batch := reader.poll(1000, 0):
            found += batch
        reader.close()
        return found


def sample(config: Path, *arguments: str):
    return CliRunner().invoke(main, ["sample", "-c", str(config), *arguments])


def test_so_many_records_are_written(config: Path) -> None:
    """Those of the seed, as if they happened now: key, order within a key and all but the time as they are made."""
    before = time.time_ns() // 1_000_000
    result = sample(config, "--rate", "10000", "--count", "500", "--seed", "5")
    assert result.exit_code == 0, result.output
    assert result.stderr == "500 records written to activity\n"
    found = written(config)
    assert all(before <= record.timestamp <= time.time_ns() // 1_000_000 for record in found)
    assert len({record.position.partition for record in found}) == 3
    made: dict[bytes, list[bytes]] = {}
    for one in generate(5, 500):
        made.setdefault(one.key, []).append(one.value)
    came: dict[bytes, list[bytes]] = {}
    for record in found:
        came.setdefault(record.key or b"", []).append(record.value or b"")
    assert {key: list(map(untimed, values)) for key, values in came.items()} == {
        key: list(map(untimed, values)) for key, values in made.items()
    }


def untimed(value: bytes) -> dict[str, object]:
    document = orjson.loads(value)
    return {name: content for name, content in document.items() if name != "ts"}


def test_without_a_seed_each_start_is_another(config: Path) -> None:
    """So that a container that starts again does not ask for the same things again."""
    for _ in range(2):
        assert sample(config, "--rate", "10000", "--count", "20").exit_code == 0
    values = [untimed(record.value or b"") for record in written(config)]
    assert len({orjson.dumps(value) for value in values}) == 40


def test_the_rate_is_kept(config: Path) -> None:
    """Within what a busy machine allows: 40 records at 50 a second take most of a second, and not many."""
    started = time.monotonic()
    assert sample(config, "--rate", "50", "--count", "40").exit_code == 0
    assert 0.7 <= time.monotonic() - started < 10


def test_it_stops_when_told(config: Path) -> None:
    """SIGTERM ends it with exit code 0; whatever it says it wrote is there."""
    heartbeat = config.parent / "alive"
    command = [sys.executable, "-m", "sluicegate", "sample", "-c", str(config), "--heartbeat", str(heartbeat)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 90
    while not heartbeat.exists():
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=90)
    assert process.returncode == 0
    assert told == f"{len(written(config))} records written to activity\n"


def test_a_missing_topic_is_named(config: Path) -> None:
    """Exit code 2, and what creates it."""
    config.write_text(CONFIG.replace("activity: activity", "activity: elsewhere"))
    result = sample(config, "--count", "1")
    assert result.exit_code == 2
    assert "topic 'elsewhere' does not exist" in result.stderr
    assert "sluicegate topics create" in result.stderr


def test_a_heartbeat_that_cannot_be_is_refused(config: Path) -> None:
    """Before anything is written."""
    result = sample(config, "--count", "1", "--heartbeat", str(config.parent / "nowhere" / "alive"))
    assert result.exit_code == 2
    assert "no such file or directory" in result.stderr
    assert written(config) == []


def test_a_broker_that_is_away_is_waited_for(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch is written once it is back."""
    real, failures = EmbeddedBroker.append, [BrokerUnavailable("away")]

    def append(self, records) -> None:
        if failures:
            raise failures.pop()
        real(self, records)

    monkeypatch.setattr(EmbeddedBroker, "append", append)
    assert sample(config, "--rate", "10000", "--count", "30").exit_code == 0
    assert len(written(config)) == 30


def test_a_broker_that_stays_away_ends_it(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With exit code 1 and one line that says so, after bounded retries."""

    def append(self, records) -> None:
        raise BrokerUnavailable("no answer from the log")

    monkeypatch.setattr(EmbeddedBroker, "append", append)
    monkeypatch.setattr("sluicegate.commands.sample.PATIENCE", 0.0)
    result = sample(config, "--count", "1")
    assert result.exit_code == 1
    assert result.stderr == "sluicegate: no answer from the log\n"
