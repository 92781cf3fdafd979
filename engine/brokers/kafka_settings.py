"""What may be set of the Kafka client, what may not because a promise hangs on it, and what is set by default.

Settings are librdkafka's own, by its own names, so that TLS, SASL and tuning need no words of ours. A value
never shows in an error: it may be a password.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from detectors.errors import ConfigError
from engine.brokers.kafka_log import Sparing

log = logging.getLogger("engine.kafka")
log.addFilter(Sparing())

DEFAULT_TIMEOUT = 30.0
APPEND_TRANSACTION_TIMEOUT_MS = 15_000

_EXACTLY_ONCE = "outputs and offsets are committed together, exactly once"
_OURS = "it follows from the configuration"
REFUSED: Mapping[str, str] = {
    "acks": _EXACTLY_ONCE,
    "allow.auto.create.topics": "a misspelt topic is to be an error; 'create_topics' makes topics",
    "api.version.request": _EXACTLY_ONCE,
    "auto.commit.enable": _EXACTLY_ONCE,
    "auto.offset.reset": "a group that has not committed yet begins at the first record, or it would lose some",
    "bootstrap.servers": "the brokers are in the URL",
    "broker.version.fallback": _EXACTLY_ONCE,
    "delivery.report.only.error": _OURS,
    "enable.auto.commit": _EXACTLY_ONCE,
    "enable.auto.offset.store": _EXACTLY_ONCE,
    "enable.gapless.guarantee": _EXACTLY_ONCE,
    "enable.idempotence": _EXACTLY_ONCE,
    "enable.partition.eof": _OURS,
    "group.id": "it is 'group' of the configuration",
    "group.instance.id": "it is 'worker' of the configuration",
    "group.protocol": "partitions move one by one, by the cooperative-sticky strategy",
    "group.protocol.type": _OURS,
    "group.remote.assignor": "partitions move one by one, by the cooperative-sticky strategy",
    "isolation.level": "only committed records are read",
    "message.send.max.retries": _EXACTLY_ONCE,
    "metadata.broker.list": "the brokers are in the URL",
    "offset.store.method": _EXACTLY_ONCE,
    "offset.store.path": _EXACTLY_ONCE,
    "partition.assignment.strategy": "partitions move one by one, by the cooperative-sticky strategy",
    "plugin.library.paths": "it would load other code into this process",
    "produce.offset.report": _OURS,
    "queuing.strategy": "records of a partition keep their order",
    "request.required.acks": _EXACTLY_ONCE,
    "retries": _EXACTLY_ONCE,
    "test.mock.num.brokers": "a mock cluster loses records",
    "transactional.id": "it is made of 'group' and 'worker' of the configuration",
}
"""Settings that are refused, and why."""

# By how their names begin. What is neither is for every client.
_CONSUMER_ONLY: tuple[str, ...] = (
    *("auto.commit.", "check.crcs", "coordinator.", "fetch.", "heartbeat."),
    *("max.partition.", "max.poll.", "queued.", "session.timeout.ms"),
)
_PRODUCER_ONLY: tuple[str, ...] = (
    *("batch.", "compression.", "delivery.timeout.ms", "linger.ms", "message.timeout.ms"),
    *("partitioner", "queue.buffering.", "request.timeout.ms", "sticky.", "transaction.timeout.ms"),
)

_CONSUMER = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "earliest",
    "isolation.level": "read_committed",
    "allow.auto.create.topics": False,
}
_GROUP = {"partition.assignment.strategy": "cooperative-sticky", "group.protocol": "classic"}
_PRODUCER = {
    "acks": "all",
    "enable.idempotence": True,
    "delivery.report.only.error": True,  # no callback for what went well
}
# May be set otherwise. A fetch that waits holds up partitions that have just come, and what was just written.
_CONSUMER_DEFAULTS: dict[str, Any] = {"fetch.wait.max.ms": 100, "fetch.queue.backoff.ms": 50}
_PRODUCER_DEFAULTS: dict[str, Any] = {
    "linger.ms": 5,
    # A broker refuses a whole batch that is above its topic's max.message.bytes, and the client does not split
    # it: so a batch stays well below what any topic takes. One record above this travels alone.
    "batch.size": 256 * 1024,
    "message.max.bytes": 1_000_000_000,  # each topic's own limit is checked instead
    "transaction.timeout.ms": 60_000,
    # A transaction that begins while the cluster still ends the one before is refused, and tried again after this. By
    # the client's default, of 100 ms, that was most of the longest time from end to end.
    "retry.backoff.ms": 10,
}


@dataclass(frozen=True)
class Settings:
    """Where the cluster is and how to talk to it. ``timeout`` (seconds): how long a call waits for it."""

    servers: str
    extra: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout: float = DEFAULT_TIMEOUT

    def admin(self, error: Callable[[Any], None]) -> dict[str, Any]:
        """For a client that neither reads nor writes."""
        return self._common(error) | self._only(self.extra, without=(*_CONSUMER_ONLY, *_PRODUCER_ONLY))

    def consumer(self, error: Callable[[Any], None], group: str, worker: str | None = None) -> dict[str, Any]:
        """For a consumer, a member of ``group`` if it has a name in it."""
        conf = _CONSUMER_DEFAULTS | self._only(self.extra, without=_PRODUCER_ONLY) | _CONSUMER
        conf |= self._common(error) | {"group.id": group, "enable.partition.eof": True}
        return conf if worker is None else conf | _GROUP | {"group.instance.id": worker}

    def producer(self, error: Callable[[Any], None], transactional_id: str) -> dict[str, Any]:
        """For a transactional producer."""
        conf = _PRODUCER_DEFAULTS | self._only(self.extra, without=_CONSUMER_ONLY) | _PRODUCER
        return conf | self._common(error) | {"transactional.id": transactional_id}

    @property
    def transaction_timeout(self) -> float:
        """Seconds after which the cluster gives up an open transaction."""
        given = self.extra.get("transaction.timeout.ms", _PRODUCER_DEFAULTS["transaction.timeout.ms"])
        return int(given) / 1000

    def _common(self, error: Callable[[Any], None]) -> dict[str, Any]:
        return {"bootstrap.servers": self.servers, "error_cb": error, "logger": log, "log_level": 4}

    @staticmethod
    def _only(settings: Mapping[str, str], without: tuple[str, ...]) -> dict[str, Any]:
        return {name: value for name, value in settings.items() if not name.startswith(without)}


def parse(rest: str, settings: Mapping[str, str] | None = None) -> Settings:
    """What a ``kafka:`` URL and the settings beside it say. ``rest`` is the URL after its scheme.

    Raises ConfigError for what cannot be used or is refused; a setting in both places is one too.
    """
    servers, _, query = rest.removeprefix("//").partition("?")
    servers = servers.rstrip("/")
    hosts = servers.split(",")
    if not rest.startswith("//") or not all(_is_address(host) for host in hosts):
        raise ConfigError("kafka: needs the brokers' addresses, such as kafka://host:9092,other:9092")
    extra: dict[str, str] = {}
    timeout = DEFAULT_TIMEOUT
    for name, value in [*parse_qsl(query, keep_blank_values=True), *(settings or {}).items()]:
        if name == "timeout":
            timeout = _seconds(value)
        elif name in REFUSED:
            raise ConfigError(f"kafka setting '{name}' cannot be set: {REFUSED[name]}")
        elif name.endswith("_cb"):
            raise ConfigError(f"kafka setting '{name}' cannot be set: {_OURS}")
        elif name in extra:
            raise ConfigError(f"kafka setting '{name}' is given twice")
        else:
            extra[name] = str(value)
    _check_number(extra, "transaction.timeout.ms")
    return Settings(servers, extra, timeout)


def _is_address(text: str) -> bool:
    host, colon, port = text.rpartition(":")
    return bool(host and colon and port.isascii() and port.isdigit() and 0 < int(port) < 65536 and "/" not in host)


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ConfigError("kafka option 'timeout' must be a number of seconds above 0")
    return seconds


def _check_number(extra: Mapping[str, str], name: str) -> None:
    if not extra.get(name, "1").isdigit():
        raise ConfigError(f"kafka setting '{name}' must be a number")
