"""`sluicegate topics` on an embedded log, and what it says of large messages."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from engine.brokers import open_broker
from engine.brokers.base import TopicSpec
from engine.brokers.kafka_checks import Description
from engine.config import load_config
from engine.topics import _hard_to_read
from sluicegate.cli import main

OUTPUTS = ("agents.sanitized", "agents.approvals", "agents.decisions", "agents.quarantine")
CONFIG = """\
broker: embedded:./log.db
topics:
  - activity: agents
binding_key: {env: KEY}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "sluicegate.yaml"
    path.write_text(CONFIG)
    return path


def topics(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["topics", *arguments, "-c", str(config)])


def test_create_and_check(config: Path) -> None:
    """What is missing is said with the command that makes it, told by a dry run, made, and then fine."""
    before = topics(config, "check")
    assert before.exit_code == 1
    assert f"do not exist; make them: sluicegate topics create -c {config}" in before.stderr
    dry = topics(config, "create", "--dry-run")
    assert "would create agents: 6 partitions, records kept for ever" in dry.stdout
    assert topics(config, "check").exit_code == 1
    made = topics(config, "create", "--partitions", "3")
    assert made.exit_code == 0
    assert [line.split(":")[0] for line in made.stdout.splitlines()] == [
        f"created {name}" for name in ("agents", *OUTPUTS)
    ]
    assert "kafka" not in made.stdout
    assert topics(config, "create").stdout == "all topics are there\n"
    assert topics(config, "check").stdout == "the topics are fine\n"
    with open_broker(f"embedded:{config.parent}/log.db") as broker:
        assert set(broker.partitions(["agents", *OUTPUTS]).values()) == {3}


def test_what_is_there_decides_the_width(config: Path) -> None:
    """Outputs get as many partitions as the activity topic has; one of them that is too narrow is told, with exit code 1."""
    with open_broker(f"embedded:{config.parent}/log.db") as broker:
        broker.create_topics([TopicSpec("agents", 2), TopicSpec("agents.approvals", 1)])
        done = topics(config, "create", "--partitions", "5")
        assert done.exit_code == 1
        assert "'agents.approvals' has 1 partitions and needs 2" in done.stderr
        assert broker.partitions(["agents.sanitized"]) == {"agents.sanitized": 2}


def test_partitions_of_the_configuration(config: Path) -> None:
    """Without --partitions, what 'create_topics' says counts."""
    config.write_text(CONFIG + "create_topics: {partitions: 4}\n")
    assert "created agents: 4 partitions" in topics(config, "create").stdout


def test_bad_usage(config: Path) -> None:
    """Copies mean nothing in one file; a bad configuration is exit code 2."""
    refused = topics(config, "create", "--replication-factor", "3")
    assert refused.exit_code == 2
    assert "--replication-factor is for Kafka" in refused.stderr
    config.write_text("broker: x\n")
    assert topics(config, "check").exit_code == 2


@pytest.mark.parametrize(("more", "hinted"), [("", True), ("kafka: {receive.message.max.bytes: 300000000}\n", False)])
def test_messages_larger_than_the_client_reads(config: Path, more: str, hinted: bool) -> None:
    """A topic that takes messages larger than the client reads is hinted at, until the client reads them."""
    config.write_text(CONFIG.replace("embedded:./log.db", "kafka://h:9092") + more)
    there = {"agents": Description("agents", 1, max_message_bytes=200_000_000), "b": Description("b", 1)}
    hints = _hard_to_read(load_config(config), there)
    assert len(hints) == hinted
    assert all("set kafka: {receive.message.max.bytes: 201000000}" in hint for hint in hints)
