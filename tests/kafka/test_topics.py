"""Topics on a real Kafka: made, checked, and mended by the very commands that the checks print."""

from __future__ import annotations

import os
import resource
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)
from kafka_cluster import Cluster
from kafka_cluster.admin import Janitor
from kafka_cluster.cluster import free_port
from kafka_cluster.fixture import running

from engine.brokers import open_broker
from engine.brokers.base import BrokerError
from engine.brokers.kafka import KafkaBroker
from engine.records import OutputRecord

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
DAY = 86_400_000
OUTPUTS = ("agents.sanitized", "agents.approvals", "agents.decisions", "agents.quarantine")
POLICY = """\
expires: 20d
actions:
  - id: any
    effect: review
    match: {action: '*'}
    reason: Everything is looked at.
    approvers: {people: ['local:ada']}
"""
CONFIG = """\
broker: kafka://{servers}?timeout={timeout}
topics:
  - activity: agents
policy: policy.yaml
binding_key: {{file: binding.key}}
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "binding.key").write_text("ab" * 32)
    return tmp_path


@pytest.fixture
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    """A broker of the test's own, which makes topics that are asked for, as brokers do by default."""
    if os.environ.get("SLUICEGATE_TEST_KAFKA"):
        pytest.skip("it needs a broker of its own")
    with running(Cluster(tmp_path / "cluster", properties={"auto.create.topics.enable": "true"}), request) as cluster:
        yield cluster


def configure(directory: Path, servers: str, timeout: int = 15, more: str = "") -> None:
    (directory / "sluicegate.yaml").write_text(CONFIG.format(servers=servers, timeout=timeout) + more)


def command(directory: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "sluicegate", *arguments, "-c", str(directory / "sluicegate.yaml")]


def run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``sluicegate …`` with the configuration of ``directory``."""
    return subprocess.run(
        command(directory, *arguments), cwd=ROOT, timeout=120, check=False, capture_output=True, text=True
    )


def alter(broker: KafkaBroker, topic: str, setting: str) -> None:
    """What ``kafka-configs.sh --alter --add-config`` does."""
    entry = ConfigEntry(*setting.split("="), incremental_operation=AlterConfigOpType.SET)
    changed = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    [future] = broker.topics.admin.incremental_alter_configs([changed]).values()
    future.result(30)


def mend(broker: KafkaBroker, line: str, servers: str) -> None:
    """Does what the command at the end of ``line`` says."""
    program, *words = shlex.split(line.split("mend it: ")[1])
    options = dict(pairwise(words))
    assert options["--bootstrap-server"] == servers
    assert "--alter" in words
    if program == "kafka-configs.sh":
        assert options["--entity-type"] == "topics"
        alter(broker, options["--entity-name"], options["--add-config"])
    else:
        assert program == "kafka-topics.sh"
        wider = NewPartitions(options["--topic"], int(options["--partitions"]))
        [future] = broker.topics.admin.create_partitions([wider]).values()
        future.result(30)


def test_create(directory: Path, broker: KafkaBroker, kafka_servers: str) -> None:
    """Missing topics are made, with the partitions of their input, for as long as they are needed; nothing twice."""
    broker.topics.admin.delete_topics(["in", "out", "other"])
    configure(directory, kafka_servers)
    missing = run(directory, "topics", "check")
    assert missing.returncode == 1
    assert "make them: sluicegate topics create -c" in missing.stderr
    dry = run(directory, "topics", "create", "--dry-run", "--partitions", "3")
    assert dry.returncode == 0, dry.stderr
    assert "would create agents.approvals: 3 partitions, records kept for 40 days" in dry.stdout
    assert broker.partitions(["agents", *OUTPUTS]) == {}
    made = run(directory, "topics", "create", "--partitions", "3", "--replication-factor", "1")
    assert made.returncode == 0, made.stderr
    assert "created agents: 3 partitions, 1 copies, records kept for 7 days" in made.stdout
    described = broker.topics.describe(["agents", *OUTPUTS])
    assert {one.partitions for one in described.values()} == {3}
    assert described["agents.approvals"].retention_ms == 40 * DAY
    assert described["agents.decisions"].retention_ms is None
    again = run(directory, "topics", "create")
    assert again.stdout.startswith("all topics are there\n")
    assert "kafka-acls.sh" in again.stdout
    fine = run(directory, "topics", "check")
    assert (fine.returncode, fine.stdout) == (0, "the topics are fine\n"), fine.stderr


def test_created_at_the_start(directory: Path, broker: KafkaBroker, kafka_servers: str) -> None:
    """With 'create_topics' the engine makes what is missing, as 'topics create' would."""
    configure(directory, kafka_servers, more="create_topics: {partitions: 2}\n")
    done = run(directory, "run", "--drain")
    assert done.returncode == 0, done.stderr
    described = broker.topics.describe(["agents", *OUTPUTS])
    assert {one.partitions for one in described.values()} == {2}
    assert described["agents.approvals"].retention_ms == 40 * DAY


def test_all_that_is_wrong_and_what_mends_it(directory: Path, broker: KafkaBroker, kafka_servers: str) -> None:
    """One message names everything that is wrong, with exit code 2; the commands in it mend it all."""
    configure(directory, kafka_servers)
    made = [NewTopic(name, 3, 1) for name in ("agents", "agents.approvals", "agents.decisions")]
    made += [NewTopic("agents.sanitized", 3, 1, config={"cleanup.policy": "compact"}), NewTopic(OUTPUTS[3], 2, 1)]
    for future in broker.topics.admin.create_topics(made, operation_timeout=30).values():
        future.result(30)
    alter(broker, "agents.sanitized", "max.message.bytes=1000")
    alter(broker, "agents.approvals", "retention.ms=3600000")
    alter(broker, "agents.decisions", "message.timestamp.type=LogAppendTime")
    alter(broker, "agents.decisions", "min.insync.replicas=2")
    alter(broker, "agents", "message.timestamp.after.max.ms=9223372036854775807")
    done = run(directory, "run", "--drain")
    assert done.returncode == 2, done.stderr
    told = done.stderr[done.stderr.index("sluicegate: ") :]
    for part in (
        "topic 'agents.quarantine' has 2 partitions and its input 'agents' 3",
        "topic 'agents.sanitized' is compacted",
        "topic 'agents.sanitized' takes messages of 1000 bytes",
        f"topic 'agents.approvals' keeps records for 3600000 ms, and they are needed for {20 * DAY}",
        "topic 'agents.decisions' overwrites the time of records",
        "topic 'agents.decisions' asks for 2 copies in sync and has 1",
    ):
        assert part in told
    checked = run(directory, "topics", "check")
    assert checked.returncode == 1
    lines = [line for line in checked.stderr.splitlines() if "mend it: " in line]
    assert len(lines) == told.count("mend it: ") >= 6
    for line in lines:
        mend(broker, line, kafka_servers)
    fine = run(directory, "topics", "check")
    assert (fine.returncode, fine.stderr) == (0, "")
    assert run(directory, "run", "--drain").returncode == 0


# --- a broker that is down


def test_broker_down_at_the_start(directory: Path) -> None:
    """Where nobody listens, 'run' tries again a few times, longer apart, then exits with 1 and says where it looked."""
    servers = f"127.0.0.1:{free_port()}"
    configure(directory, servers, timeout=1)
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = run(directory, "run")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 1
    assert f"no answer from Kafka at {servers}" in done.stderr.splitlines()[-1]
    assert "Connection refused" in done.stderr.splitlines()[-1]
    assert done.stderr.count("WARNING") == 3
    assert len(done.stderr.splitlines()) < 12  # the client's own complaints are not repeated
    assert 7 < time.monotonic() - started < 60
    assert after.ru_utime - before.ru_utime < 5  # no busy loop


def test_stop_while_the_broker_is_down(directory: Path) -> None:
    """SIGTERM is heard while 'run' waits for a broker."""
    configure(directory, f"127.0.0.1:{free_port()}", timeout=1)
    with subprocess.Popen(command(directory, "run"), cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "try 1 of" in line:
                break
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 0


def test_asking_creates_nothing(cluster: Cluster) -> None:
    """A misspelt topic is not created by asking for it, though brokers do so by default."""
    with closing(open_broker(f"kafka://{cluster.servers}")) as broker:
        assert isinstance(broker, KafkaBroker)
        for call in (
            lambda: broker.join("g", ["nowhere"], worker="0"),
            lambda: broker.reader(["nowhere"]),
            lambda: broker.append([OutputRecord("nowhere", 0, None, b"x")]),
        ):
            with pytest.raises(BrokerError, match="'nowhere' does not exist"):
                call()
        assert "nowhere" not in broker.topics.admin.list_topics(timeout=PATIENCE).topics


def test_broker_goes_down(directory: Path, cluster: Cluster) -> None:
    """A broker that goes and stays away ends a running engine with 1, in bounded time, after it tried again."""
    configure(directory, cluster.servers, more="create_topics: {partitions: 1}\n")
    assert run(directory, "run", "--drain").returncode == 0
    configure(directory, cluster.servers, timeout=1)
    janitor, end = Janitor(cluster.servers), time.monotonic() + PATIENCE
    with subprocess.Popen(command(directory, "run"), cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        while not janitor.owners():
            assert time.monotonic() < end, "it does not begin"
            time.sleep(0.1)
        cluster.stop()
        _, errors = process.communicate(timeout=150)
    print(errors)
    assert process.returncode == 1
    assert f"no answer from Kafka at {cluster.servers}" in errors.splitlines()[-1]
    assert "Traceback" not in errors
    assert 1 < errors.count("WARNING") < 20
