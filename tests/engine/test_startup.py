"""From a configuration to a running worker, and the command around it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from detectors.errors import ConfigError
from engine.brokers import open_broker
from engine.brokers.base import Broker, TopicSpec
from engine.config import load_config
from engine.ledger.codec import decode
from engine.ledger.model import DecisionBatch, PolicySnapshot
from engine.records import ActivityRecord, OutputRecord
from engine.startup import run_worker

ROOT = Path(__file__).parents[2]
CONFIG = """\
broker: embedded:./log.db
topics:
  - activity: agents
binding_key: {file: binding.key}
create_topics: {partitions: 3}
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "sluicegate.yaml").write_text(CONFIG)
    (tmp_path / "binding.key").write_text("ab" * 32 + "\n")
    return tmp_path


def edit(directory: Path, old: str, new: str) -> None:
    path = directory / "sluicegate.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


@pytest.fixture
def broker(directory: Path):
    with open_broker(f"embedded:{directory}/log.db") as broker:
        yield broker


def drain(directory: Path):
    return run_worker(load_config(directory / "sluicegate.yaml"), stop=lambda: False, drain=True)


def read(broker: Broker, topic: str) -> list[ActivityRecord]:
    reader = broker.reader([topic])
    records = list(reader.poll(10_000, 0))
    reader.close()
    return records


def snapshots(broker: Broker) -> list[PolicySnapshot]:
    found = [decode(record.value) for record in read(broker, "agents.decisions")]
    return [one for one in found if isinstance(one, PolicySnapshot)]


def test_topics_are_created(directory: Path, broker: Broker) -> None:
    """Topics that do not exist are created; outputs get as many partitions as the activity topic has."""
    broker.create_topics([TopicSpec("agents", 2)])
    edit(directory, "agents\n", "agents\n  - activity: audit\n")
    drain(directory)
    outputs = ("sanitized", "approvals", "decisions", "quarantine")
    names = [f"{topic}.{role}" for topic in ("agents", "audit") for role in outputs]
    counts = broker.partitions(["agents", "audit", *names])
    assert {name: count for name, count in counts.items() if "agents" in name} == dict.fromkeys(
        ["agents", *names[:4]], 2
    )
    assert {name: count for name, count in counts.items() if "audit" in name} == dict.fromkeys(["audit", *names[4:]], 3)


def test_shared_output_is_wide_enough(directory: Path, broker: Broker) -> None:
    """An output of two activity topics gets as many partitions as the wider of them."""
    broker.create_topics([TopicSpec("agents", 2), TopicSpec("audit", 5)])
    topics = "agents\n    sanitized: clean\n  - {activity: audit, sanitized: clean}\n"
    edit(directory, "agents\n", topics)
    drain(directory)
    assert broker.partitions(["clean"]) == {"clean": 5}


def test_missing_topic(directory: Path) -> None:
    """Without leave to create them, topics that do not exist stop the start, all in one line with what to do."""
    edit(directory, "create_topics: {partitions: 3}\n", "")
    with pytest.raises(ConfigError, match=r":3: topics\[0\]\.activity: topics 'agents', 'agents\.sanit") as caught:
        drain(directory)
    assert str(caught.value).endswith(
        f"do not exist; make them: sluicegate topics create -c {directory}/sluicegate.yaml"
    )


def test_narrow_topic(directory: Path, broker: Broker) -> None:
    """An output with fewer partitions than its input stops the start."""
    broker.create_topics([TopicSpec("agents", 3), TopicSpec("agents.approvals", 2)])
    with pytest.raises(ConfigError, match=r"'agents\.approvals' has 2 partitions and needs 3"):
        drain(directory)


def test_all_that_is_wrong_is_said_at_once(directory: Path, broker: Broker) -> None:
    """Several topics that are wrong make one message with a line for each, and nothing is created."""
    broker.create_topics([TopicSpec("agents", 3), TopicSpec("agents.approvals", 2), TopicSpec("agents.decisions", 1)])
    with pytest.raises(ConfigError) as caught:
        drain(directory)
    first, *lines = str(caught.value).splitlines()
    assert first.endswith(":2: topics: 2 things are wrong with the topics:")
    assert [line.split("'")[1] for line in lines] == ["agents.approvals", "agents.decisions"]
    assert "agents.sanitized" not in broker.partitions(["agents.sanitized"])


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("embedded:./log.db", "nats://x", ":1: broker: unknown broker scheme 'nats'"),
        ("embedded:./log.db", "embedded:./nowhere/log.db", ":1: broker: "),
        ("binding.key", "other.key", ":4: binding_key.file: cannot be read; make one with: openssl rand"),
        ("create_topics", "policy: other.yaml\ncreate_topics", "other.yaml: No such file"),
        ("create_topics", "state_dir: binding.key\ncreate_topics", ":5: state_dir: "),
    ],
)
def test_what_stops_the_start(directory: Path, old: str, new: str, says: str) -> None:
    """What the configuration names and cannot be used stops the start with file, line and key."""
    edit(directory, old, new)
    with pytest.raises(ConfigError) as caught:
        drain(directory)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_policy_is_published_before_its_decisions(directory: Path, broker: Broker) -> None:
    """The text behind the policy's digest is in the decisions topic when the first decision names it."""
    drain(directory)
    [snapshot] = snapshots(broker)
    broker.append([OutputRecord("agents", 0, None, b"{}")])
    drain(directory)
    last = decode(read(broker, "agents.decisions")[-1].value)
    assert isinstance(last, DecisionBatch)
    assert last.policy == snapshot.digest


def test_another_policy_is_published_too(directory: Path, broker: Broker) -> None:
    """A changed policy has another digest and a snapshot of its own."""
    drain(directory)
    (directory / "policy.yaml").write_text("name: other\n")
    edit(directory, "create_topics", "policy: policy.yaml\ncreate_topics")
    drain(directory)
    assert len({snapshot.digest for snapshot in snapshots(broker)}) == 2


def test_formats_by_topic(directory: Path, broker: Broker) -> None:
    """Topics may be read in different formats; their records stay in order."""
    (directory / "policy.yaml").write_text("topics: [{match: agents, format: json}, {match: web, format: text}]\n")
    edit(directory, "agents\n", "agents\n  - {activity: web}\n")
    edit(directory, "create_topics", "policy: policy.yaml\ncreate_topics")
    broker.create_topics([TopicSpec("agents", 3), TopicSpec("web", 3)])
    broker.append([OutputRecord("agents", 0, None, b'{"a":"jane@example.com","n":%d}' % n) for n in range(5)])
    broker.append([OutputRecord("web", 0, None, b"jane@example.com %d" % n) for n in range(5)])
    assert drain(directory).records == 10
    assert [r.value for r in read(broker, "web.sanitized")] == [b"[EMAIL_ADDRESS] %d" % n for n in range(5)]
    assert [r.value for r in read(broker, "agents.sanitized")] == [
        b'{"a":"[EMAIL_ADDRESS]","n":%d}' % n for n in range(5)
    ]


def test_released_to_the_topic_that_is_configured(directory: Path, broker: Broker) -> None:
    """A held record names the sanitized topic of the configuration as its target."""
    edit(directory, "agents\n", "agents\n    sanitized: clean\n")
    broker.create_topics([TopicSpec("agents", 3)])
    held = b'{"actor":"local:ada","action":"db.drop_table","resource":"prod.users"}'
    broker.append([OutputRecord("agents", 2, None, held)])
    drain(directory)
    [record] = read(broker, "agents.approvals")
    request = decode(record.value)
    assert (request.held.topic, request.held.partition) == ("clean", 2)


# --- the command


def command(directory: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "sluicegate", "run", "-c", str(directory / "sluicegate.yaml"), *options]


def test_run_drain(directory: Path, broker: Broker) -> None:
    """``run --drain`` processes what is there and exits with 0."""
    broker.create_topics([TopicSpec("agents", 3)])
    broker.append([OutputRecord("agents", 0, None, b"jane@example.com hunter2")])
    done = subprocess.run(
        command(directory, "--drain"), cwd=ROOT, timeout=60, check=False, stderr=subprocess.PIPE, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "1 records (1 redacted)" in done.stderr
    assert "hunter2" not in done.stderr
    assert [record.value for record in read(broker, "agents.sanitized")] == [b"[EMAIL_ADDRESS] hunter2"]


def test_run_with_a_bad_configuration(directory: Path) -> None:
    """A bad configuration is exit code 2 and one line."""
    edit(directory, "broker:", "brokr:")
    done = subprocess.run(command(directory), cwd=ROOT, timeout=60, check=False, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "sluicegate.yaml:1: brokr: unknown key 'brokr' (did you mean 'broker'?)" in line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_until_a_signal(directory: Path, broker: Broker, number: signal.Signals) -> None:
    """SIGTERM and SIGINT end the command with 0; it has left its group and no note of a death behind."""
    broker.create_topics([TopicSpec("agents", 3)])
    with subprocess.Popen(command(directory), cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        broker.append([OutputRecord("agents", 0, None, b"a")])
        _until(lambda: "agents.sanitized" in broker.partitions(["agents.sanitized"]))
        _until(lambda: bool(read(broker, "agents.sanitized")))
        process.send_signal(number)
        assert process.wait(30) == 0
    session = broker.join("sluicegate", ["agents"], worker="1")
    assert len(session.assignment()) == 3
    assert session.committed()[("agents", 0)] == 1
    session.close()
    assert os.listdir(directory / ".sluicegate") == []


def test_fenced_run_ends_with_an_error(directory: Path, broker: Broker) -> None:
    """A second engine with the same worker name takes over; the first exits with 1 and says why."""
    broker.create_topics([TopicSpec("agents", 3)])
    with subprocess.Popen(command(directory), cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        broker.append([OutputRecord("agents", 0, None, b"a")])
        _until(lambda: "agents.sanitized" in broker.partitions(["agents.sanitized"]))
        _until(lambda: bool(read(broker, "agents.sanitized")))
        drain(directory)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "give each worker a name of its own" in errors
    assert "Traceback" not in errors


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
