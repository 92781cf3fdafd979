"""The engine on a cluster with TLS, SASL/SCRAM and access control: a real one."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import click
import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)
from kafka_cluster.fixture import running
from kafka_cluster.secure import SecureCluster

from approvals.service import PUBLISHER
from engine.brokers import open_broker
from engine.brokers.base import BrokerError
from engine.config import load_config
from engine.connect import connect
from engine.records import OutputRecord

ROOT = Path(__file__).parents[2]
ENGINE, REVIEWER, STRANGER, PASSWORD = "sluicegate-engine", "sluicegate-reviewer", "stranger", "correct horse"
WRONG = "tr0ub4dor"
TIMEOUT = 60.0
CONFIG = """\
broker: kafka://{servers}?timeout=15
kafka:
  security.protocol: sasl_ssl
  ssl.ca.location: ca.pem
  sasl.mechanism: SCRAM-SHA-512
  sasl.username: sluicegate-engine
  sasl.password: {{env: KAFKA_PASSWORD}}
  session.timeout.ms: 6000
topics:
  - activity: agents
binding_key: {{file: binding.key}}
"""


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureCluster]:
    """Started once; it is always our own, since its certificates are."""
    with running(SecureCluster(tmp_path_factory.mktemp("secure")), request) as cluster:
        for user in (ENGINE, REVIEWER, STRANGER):
            cluster.add_user(user, PASSWORD)
        yield cluster


@pytest.fixture
def directory(tmp_path: Path, cluster: SecureCluster) -> Path:
    (tmp_path / "sluicegate.yaml").write_text(CONFIG.format(servers=cluster.servers))
    (tmp_path / "ca.pem").write_bytes(cluster.authority.read_bytes())
    (tmp_path / "binding.key").write_text("ab" * 32)
    return tmp_path


def run(directory: Path, *arguments: str, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
    """``sluicegate …`` with the configuration of ``directory``."""
    command = [sys.executable, "-m", "sluicegate", *arguments, "-c", str(directory / "sluicegate.yaml")]
    environ = {**os.environ, "KAFKA_PASSWORD": password}
    return subprocess.run(command, cwd=ROOT, env=environ, timeout=TIMEOUT, check=False, capture_output=True, text=True)


def edit(directory: Path, old: str, new: str) -> None:
    path = directory / "sluicegate.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


@click.command()
@click.option("--bootstrap-server", required=True)
@click.option("--add", is_flag=True, required=True)
@click.option("--allow-principal", required=True)
@click.option("--operation", "operations", multiple=True, required=True)
@click.option("--topic", "topics", multiple=True)
@click.option("--group", "groups", multiple=True)
@click.option("--transactional-id", "ids", multiple=True)
@click.option("--resource-pattern-type", default="literal")
def kafka_acls(
    bootstrap_server: str,
    *,
    add: bool,
    allow_principal: str,
    operations: Sequence[str],
    topics: Sequence[str],
    groups: Sequence[str],
    ids: Sequence[str],
    resource_pattern_type: str,
) -> list[AclBinding]:
    """What ``kafka-acls.sh`` makes of a line."""
    words = {"Read": "READ", "Write": "WRITE", "DescribeConfigs": "DESCRIBE_CONFIGS", "Create": "CREATE"}
    kinds = ((ResourceType.TOPIC, topics), (ResourceType.GROUP, groups), (ResourceType.TRANSACTIONAL_ID, ids))
    pattern = ResourcePatternType[resource_pattern_type.upper()]
    return [
        AclBinding(kind, name, pattern, allow_principal, "*", AclOperation[words[operation]], AclPermissionType.ALLOW)
        for kind, names in kinds
        for name in names
        for operation in operations
    ]


def grant(cluster: SecureCluster, printed: str) -> None:
    """Does what the printed lines say."""
    bindings = []
    for line in printed.splitlines():
        program, *arguments = shlex.split(line) or [""]
        if program == "kafka-acls.sh":
            bindings += kafka_acls.main(arguments, standalone_mode=False)
    assert bindings
    for future in cluster.admin.create_acls(bindings).values():
        future.result(TIMEOUT)


@pytest.fixture(scope="module")
def granted(cluster: SecureCluster, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Topics, and for engine and reviewer the ACLs that 'topics create' prints, and no others."""
    inner = tmp_path_factory.mktemp("inner")
    (inner / "sluicegate.yaml").write_text(
        f"broker: kafka://{cluster.inner}\ntopics:\n  - activity: agents\nbinding_key: {{env: K}}\n"
    )
    made = run(inner, "topics", "create", "--partitions", "2")
    assert made.returncode == 0, made.stderr
    grant(cluster, made.stdout)


def test_what_is_not_allowed_is_named(directory: Path) -> None:
    """Without ACLs the start ends with exit code 1 and one line that says so; the password is not in it."""
    edit(directory, ENGINE, STRANGER)
    done = run(directory, "run", "--drain")
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-1] == (
        "sluicegate: topic 'agents': this user may not use the topic; it needs READ or WRITE on it "
        "(TOPIC_AUTHORIZATION_FAILED)"
    )
    assert PASSWORD not in done.stderr


@pytest.mark.usefixtures("granted")
def test_engine_over_tls_and_scram(directory: Path, cluster: SecureCluster) -> None:
    """With the ACLs that were printed for it, and no others, the engine does its work over TLS and SCRAM."""
    with open_broker(f"kafka://{cluster.inner}") as broker:
        broker.append([OutputRecord("agents", 1, b"k", b"jane@example.com")])
        checked = run(directory, "topics", "check")
        assert (checked.returncode, checked.stderr) == (0, "")
        done = run(directory, "run", "--drain")
        assert done.returncode == 0, done.stderr
        reader = broker.reader(["agents.sanitized"])
        assert [(one.key, one.value) for one in reader.poll(10, 10)] == [(b"k", b"[EMAIL_ADDRESS]")]
        reader.close()


@pytest.mark.usefixtures("granted")
def test_reviewer_over_tls_and_scram(directory: Path, cluster: SecureCluster) -> None:
    """With the ACLs that were printed for it, the reviewer reads requests and decisions, publishes and starts again."""
    edit(directory, ENGINE, REVIEWER)
    config = load_config(directory / "sluicegate.yaml")
    outputs = [OutputRecord(topic, 0, None, b"x") for topic in ("agents.decisions", "agents.sanitized")]
    with connect(config, {"KAFKA_PASSWORD": PASSWORD}) as broker:
        for sequence in (1, 2):
            with closing(broker.publisher(PUBLISHER)) as publisher:
                assert publisher.last() == sequence - 1
                publisher.publish(outputs, sequence)
        with closing(broker.reader(["agents.approvals", "agents.decisions"])) as reader:
            values: list[bytes | None] = []
            while records := reader.poll(100, 2):
                values += [one.value for one in records]
            assert values.count(b"x") == 2
        with pytest.raises(BrokerError, match="may not use the topic"):
            broker.partitions(["agents"])


@pytest.mark.parametrize("command", [("run",), ("topics", "check")])
def test_wrong_password(directory: Path, command: tuple[str, ...]) -> None:
    """A wrong password ends the command with 1 and one line that says so, without the password."""
    done = run(directory, *command, password=WRONG)
    assert done.returncode == 1, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("sluicegate: topic 'agents': the broker does not accept the credentials; check the sasl")
    assert WRONG not in done.stderr
    assert "Traceback" not in done.stderr


def test_broker_that_cannot_be_trusted(directory: Path) -> None:
    """A broker whose certificate is not from our authority is refused, in one line that names the certificate."""
    edit(directory, "  ssl.ca.location: ca.pem\n", "")
    done = run(directory, "topics", "check")
    assert done.returncode == 1, done.stderr
    assert "certificate" in done.stderr.splitlines()[-1]


@pytest.mark.usefixtures("granted")
def test_credentials_that_expire(directory: Path, cluster: SecureCluster) -> None:
    """Credentials that a running engine had and that are good no more end it with 1 and one line; nothing is lost."""
    command = [sys.executable, "-m", "sluicegate", "run", "-c", str(directory / "sluicegate.yaml")]
    environ = {**os.environ, "KAFKA_PASSWORD": PASSWORD}
    lines: list[str] = []
    with (
        open_broker(f"kafka://{cluster.inner}") as broker,
        subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True) as process,
    ):
        assert process.stderr is not None
        too_long = threading.Timer(TIMEOUT, process.kill)
        too_long.start()
        try:
            for line in process.stderr:
                lines.append(line)
                if "is up" in line:
                    cluster.withdraw_user(ENGINE)
                    broker.append([OutputRecord("agents", 0, b"later", b"kept")])
        finally:
            too_long.cancel()
            cluster.add_user(ENGINE, PASSWORD)
        assert process.wait(TIMEOUT) == 1
        assert "the broker does not accept the credentials" in lines[-1]
        assert "a token that has expired" in lines[-1]
        done = run(directory, "run", "--drain")
        assert done.returncode == 0, done.stderr
        with closing(broker.reader(["agents.sanitized"])) as reader:
            values = []
            while records := reader.poll(100, 2):
                values += [one.value for one in records if one.key == b"later"]
        assert values == [b"kept"]
