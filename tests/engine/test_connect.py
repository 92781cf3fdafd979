"""From a configuration to an open broker: settings, secrets, and what an error may show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

import engine.connect
from detectors.errors import ConfigError
from engine.brokers.base import BrokerUnavailable
from engine.config import Config, load_config
from engine.connect import TRIES, connect, reach

BASE = """\
broker: kafka://localhost:9092?timeout=1
topics:
  - activity: agents
binding_key: {env: KEY}
"""
SECRET = "hunter2"


def load(directory: Path, text: str) -> Config:
    (directory / "sluicegate.yaml").write_text(BASE + text)
    return load_config(directory / "sluicegate.yaml")


def fails(directory: Path, text: str, environ: Mapping[str, str] | None = None) -> str:
    """The error of opening the broker, without the path of the file; it never shows a value."""
    with pytest.raises(ConfigError) as caught:
        connect(load(directory, text), environ or {})
    message = str(caught.value)
    assert "\n" not in message
    assert SECRET not in message
    return message.removeprefix(str(directory / "sluicegate.yaml"))


def test_settings(tmp_path: Path) -> None:
    """Settings are text, numbers and truth values as Kafka writes them; secrets come from where they are kept."""
    (tmp_path / "key.pem").write_text("-----BEGIN\nkey\n")
    config = load(
        tmp_path,
        """\
kafka:
  security.protocol: sasl_ssl
  session.timeout.ms: 6000
  socket.keepalive.enable: true
  ssl.ca.location: ca.pem
  sasl.kerberos.keytab: /etc/engine.keytab
  sasl.password: {env: PASSWORD}
  ssl.key.pem: {file: key.pem}
""",
    )
    settings = config.kafka_settings({"PASSWORD": SECRET})
    assert settings == {
        "security.protocol": "sasl_ssl",
        "session.timeout.ms": "6000",
        "socket.keepalive.enable": "true",
        "ssl.ca.location": str(tmp_path / "ca.pem"),
        "sasl.kerberos.keytab": "/etc/engine.keytab",
        "sasl.password": SECRET,
        "ssl.key.pem": "-----BEGIN\nkey",
    }
    assert SECRET not in repr(config)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kafka: {acks: 1}\n", ":5: kafka.acks: cannot be set: outputs and offsets are committed together"),
        ("kafka:\n  a.b: 1\n  isolation.level: x\n", ":7: kafka.isolation.level: cannot be set: only committed"),
        (f"kafka: {{sasl.password: {SECRET}}}\n", ":5: kafka.sasl.password: a secret does not stand here; write {env:"),
        (f"kafka: {{ssl.key.pem: {SECRET}}}\n", ":5: kafka.ssl.key.pem: a secret does not stand here"),
        (f"kafka: {{sasl.oauthbearer.client.secret: {SECRET}}}\n", "a secret does not stand here"),
        ("kafka: {linger.ms: 1.5}\n", ":5: kafka.linger.ms: must be a text, a number, true or false"),
        ("kafka: {linger.ms: null}\n", ":5: kafka.linger.ms: must be a text"),
        ("kafka: {linger.ms: [1]}\n", ":5: kafka.linger.ms: must be a text"),
        ("kafka: {sasl.password: {env: A, file: b}}\n", ":5: kafka.sasl.password: give either env or file"),
        ("kafka: {sasl.password: {enw: A}}\n", "kafka.sasl.password.enw: unknown key 'enw' (did you mean 'env'?)"),
        ("kafka: {sasl.password: {env: NOT_SET}}\n", ":5: kafka.sasl.password.env: the environment variable NOT_SET"),
        ("kafka: {sasl.password: {file: gone}}\n", ":5: kafka.sasl.password.file: cannot be read"),
        ("kafka: {sesion.timeout.ms: 1}\n", ':5: kafka.sesion.timeout.ms: No such configuration property: "sesion'),
        ("kafka: {timeout: soon}\n", ":5: kafka.timeout: "),
        ("kafka: {security.protocol: {env: SECRET}}\n", ':5: kafka.security.protocol: Invalid value "***"'),
        ("kafka: {compression.codec: zip}\n", ':5: kafka.compression.codec: Invalid value "zip"'),
        ("kafka: {linger.ms: soon}\n", ":5: kafka: Invalid value for configuration property"),
        ("kafka: {session.timeout.ms: soon}\n", ":5: kafka.session.timeout.ms: Invalid value"),
        ("kafka: {security.protocol: ssl, ssl.ca.location: gone}\n", ":5: kafka.ssl.ca.location: "),
    ],
)
def test_mistakes(tmp_path: Path, text: str, says: str) -> None:
    """What cannot be used, breaks a promise or is a secret in the open is refused: file, line, key, no value."""
    assert says in fails(tmp_path, text, {"SECRET": SECRET})


def test_secret_in_the_url(tmp_path: Path) -> None:
    """A password in the URL stands in the file too, and is refused as well."""
    text = BASE.replace("timeout=1", f"sasl.password={SECRET}")
    (tmp_path / "sluicegate.yaml").write_text(text)
    with pytest.raises(
        ConfigError, match=r":1: broker: 'sasl\.password' is a secret and does not stand here"
    ) as caught:
        load_config(tmp_path / "sluicegate.yaml")
    assert SECRET not in str(caught.value)


def test_settings_for_another_broker(tmp_path: Path) -> None:
    """Settings of Kafka beside an embedded broker are a mistake."""
    text = BASE.replace("kafka://localhost:9092?timeout=1", "embedded:./log.db")
    (tmp_path / "sluicegate.yaml").write_text(text + "kafka: {linger.ms: 5}\n")
    with pytest.raises(ConfigError, match=":5: kafka: these settings need a kafka:// broker"):
        load_config(tmp_path / "sluicegate.yaml")


class Down:
    """A broker that answers after ``failures`` calls."""

    def __init__(self, failures: int) -> None:
        self.left, self.calls = failures, 0

    def partitions(self, topics: Iterable[str]) -> dict[str, int]:
        self.calls += 1
        self.left -= 1
        if self.left >= 0:
            raise BrokerUnavailable("nobody there")
        return dict.fromkeys(topics, 1)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited, in all, instead of waiting."""
    total = [0.0]

    def sleep(seconds: float) -> None:
        total[0] += seconds

    monkeypatch.setattr(engine.connect, "time", SimpleNamespace(sleep=sleep))  # other threads go on sleeping
    return total


def test_a_broker_that_comes_up(tmp_path: Path, slept: list[float]) -> None:
    """A broker that is not there yet is waited for, longer each time."""
    broker = Down(TRIES - 1)
    assert reach(load(tmp_path, ""), broker)  # type: ignore[arg-type]
    assert slept[0] == engine.connect.BACK_OFF * (2 ** (TRIES - 1) - 1)


def test_a_broker_that_stays_away(tmp_path: Path, slept: list[float]) -> None:
    """After a few tries it is over, with the broker's own words."""
    broker = Down(99)
    with pytest.raises(BrokerUnavailable, match="nobody there"):
        reach(load(tmp_path, ""), broker)  # type: ignore[arg-type]
    assert broker.calls == TRIES
    assert slept[0] < 10


def test_a_stop_ends_the_wait(tmp_path: Path, slept: list[float]) -> None:
    """Who is told to stop while waiting does, and does not call that a failure."""
    broker = Down(99)
    assert not reach(load(tmp_path, ""), broker, stop=lambda: True)  # type: ignore[arg-type]
    assert (broker.calls, slept) == (1, [0.0])
