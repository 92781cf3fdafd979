"""Settings of the Kafka client, and what is found wrong with topics: no cluster is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from detectors.errors import ConfigError
from engine.brokers import open_broker
from engine.brokers.kafka_checks import Description, Wanted, problems
from engine.brokers.kafka_settings import REFUSED, parse


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_promise_hangs_on_is_refused(name: str) -> None:
    """A setting that would break a promise is refused by its name, with the reason; its value is not shown."""
    with pytest.raises(ConfigError, match=f"'{name}' cannot be set: ") as caught:
        open_broker("kafka://localhost:9092", {name: "hunter2"})
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigError, match=f"'{name}' cannot be set: "):
        open_broker(f"kafka://localhost:9092?{name}=hunter2")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("kafka:localhost:9092", "needs the brokers' addresses"),
        ("kafka://", "needs the brokers' addresses"),
        ("kafka://localhost", "needs the brokers' addresses"),
        ("kafka://localhost:0", "needs the brokers' addresses"),
        ("kafka://localhost:9092,", "needs the brokers' addresses"),
        ("kafka://a:1,b:2/topic", "needs the brokers' addresses"),
        ("kafka://localhost:9092?timeout=soon", "'timeout' must be a number"),
        ("kafka://localhost:9092?timeout=0", "'timeout' must be a number"),
        ("kafka://localhost:9092?linger.ms=1&linger.ms=2", "'linger.ms' is given twice"),
        ("kafka://localhost:9092?transaction.timeout.ms=soon", "'transaction.timeout.ms' must be a number"),
        ("kafka://localhost:9092?error_cb=x", "'error_cb' cannot be set"),
        ("kafka://localhost:9092?sesion.timeout.ms=6000", 'No such configuration property: "sesion.timeout.ms"'),
        ("kafka://localhost:9092?security.protocol=tls", "security.protocol"),
    ],
)
def test_bad_urls(url: str, says: str) -> None:
    """A URL or a setting that cannot be used is a ConfigError that says why, before anything is asked of a broker."""
    with pytest.raises(ConfigError) as caught:
        open_broker(url)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_go_where_they_belong() -> None:
    """Settings pass through to the clients that know them; those that make the promises stand."""
    settings = parse(
        "//a:1,b:2?session.timeout.ms=6000&sasl.username=ada", {"linger.ms": "50", "sasl.password": "hunter2"}
    )
    consumer, producer = settings.consumer(print, "g", "0"), settings.producer(print, "g.0")
    assert consumer["bootstrap.servers"] == "a:1,b:2"
    assert (consumer["session.timeout.ms"], producer["linger.ms"]) == ("6000", "50")
    assert "linger.ms" not in consumer
    assert "session.timeout.ms" not in producer
    assert consumer["sasl.password"] == producer["sasl.password"] == settings.admin(print)["sasl.password"]
    assert (consumer["isolation.level"], consumer["enable.auto.commit"]) == ("read_committed", False)
    assert consumer["partition.assignment.strategy"] == "cooperative-sticky"
    assert (producer["enable.idempotence"], producer["transactional.id"]) == (True, "g.0")
    assert producer["retry.backoff.ms"] == 10
    assert parse("//a:1?retry.backoff.ms=50").producer(print, "g.0")["retry.backoff.ms"] == "50"
    assert "hunter2" not in repr(settings)


def test_the_embedded_broker_takes_no_kafka_settings() -> None:
    """Settings for Kafka beside an embedded broker are a mistake, and are said to be one."""
    with pytest.raises(ConfigError, match="no kafka settings"):
        open_broker("embedded:x.db", {"linger.ms": "5"})


def test_the_client_is_loaded_only_when_it_is_used() -> None:
    """Who uses the embedded broker never loads the Kafka client."""
    code = "import sys, engine.brokers, engine.startup; sys.exit('confluent_kafka' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


IN = Description("in", 4, retention_ms=1000)
OUT = Description("out", 4)
WANTED = Wanted("out", ("in",), retention_ms=500)


def test_no_problems() -> None:
    """Topics that are as they have to be give no lines."""
    assert problems({"in": IN, "out": OUT}, [Wanted("in"), WANTED]) == []
    assert problems({"out": OUT._replace(retention_ms=500), "in": IN}, [WANTED]) == []


@pytest.mark.parametrize(
    ("changed", "says", "mends"),
    [
        ({"partitions": 3}, "has 3 partitions and its input 'in' 4", "kafka-topics.sh --bootstrap-server h:1 --alter --topic out --partitions 4"),
        ({"partitions": 5}, "has 5 partitions and its input 'in' 4", "kafka-topics.sh --bootstrap-server h:1 --alter --topic in --partitions 5"),
        ({"cleanup_policy": "compact"}, "is compacted", "--entity-name out --add-config cleanup.policy=delete"),
        ({"cleanup_policy": "compact,delete"}, "is compacted", "--entity-name out --add-config cleanup.policy=delete"),
        ({"max_message_bytes": 1000}, "takes messages of 1000 bytes", "--add-config max.message.bytes=1048588"),
        ({"retention_ms": 499}, "keeps records for 499 ms", "--add-config retention.ms=500"),
        ({"timestamp_type": "LogAppendTime"}, "overwrites the time", "--add-config message.timestamp.type=CreateTime"),
        ({"timestamp_after_max_ms": 3_600_000}, "refuses records", "--add-config message.timestamp.after.max.ms=92"),
    ],
)  # fmt: skip
def test_each_problem_names_its_remedy(changed: dict[str, object], says: str, mends: str) -> None:
    """Each thing that is wrong is one line: the topic, what is wrong, and the command that mends it."""
    [line] = problems({"in": IN, "out": OUT._replace(**changed)}, [WANTED], servers="h:1")
    assert line.startswith(f"topic 'out' {says}")
    assert mends in line
    assert "\n" not in line


def test_all_problems_at_once() -> None:
    """Everything that is wrong is said at once, topics that are missing included; the widest input counts."""
    wide = Description("wide", 6)
    bad = OUT._replace(cleanup_policy="compact", timestamp_type="LogAppendTime")
    lines = problems(
        {"in": IN, "wide": wide, "out": bad},
        [Wanted("in"), Wanted("gone"), Wanted("out", ("in", "wide"))],
        create="make it",
    )
    assert len(lines) == 4
    assert lines[0] == "topic 'gone' does not exist; make it: make it"
    assert "'wide' 6" in lines[1]
