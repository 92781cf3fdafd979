"""The brokers that records travel on: one protocol (`engine.brokers.base`), found by URL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from detectors.errors import ConfigError
from engine.brokers.base import Broker
from engine.brokers.embedded import EmbeddedBroker
from engine.brokers.limits import MessageTooLarge

__all__ = ["MessageTooLarge", "open_broker"]

_EMBEDDED_OPTIONS: dict[str, Callable[[str], int | float]] = {
    "session_timeout": float,  # seconds
    "max_message_bytes": int,
    "busy_timeout": float,  # seconds
}


def open_broker(url: str, settings: Mapping[str, str] | None = None) -> Broker:
    """The broker at ``url``: ``embedded:PATH``, a relative path being relative to the working directory, or
    ``kafka://HOST:PORT,HOST:PORT``.

    Options follow a ``?``: ``embedded:./log.db?session_timeout=5`` (also ``max_message_bytes``,
    ``busy_timeout``); for Kafka, ``timeout`` (seconds that a call waits for the cluster) and the client's own
    settings, ``kafka://host:9092?session.timeout.ms=6000``. ``settings`` are the same for Kafka, in a place that
    is fit for passwords. Raises ConfigError if the URL or a setting cannot be used, BrokerError if the broker
    cannot be opened.
    """
    scheme, colon, rest = url.partition(":")
    if colon and scheme == "kafka":
        # The client library takes a moment to load, and not everybody needs it.
        from engine.brokers.kafka import KafkaBroker
        from engine.brokers.kafka_settings import parse

        return KafkaBroker(parse(rest, settings))
    if not colon or scheme != "embedded":
        raise ConfigError(
            f"unknown broker scheme '{scheme}'; this version has embedded:PATH (a SQLite file, such as "
            "embedded:./sluicegate.db) and kafka://HOST:PORT"
        )
    if settings:
        raise ConfigError("the embedded broker takes no kafka settings")
    path, _, query = rest.partition("?")
    if not path:
        raise ConfigError("embedded: needs the path of a file, such as embedded:./sluicegate.db")
    options: dict[str, int | float] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        options[name] = _option(name, value)
    return EmbeddedBroker(path, **options)  # type: ignore[arg-type]


def _option(name: str, value: str) -> int | float:
    kind = _EMBEDDED_OPTIONS.get(name)
    if kind is None:
        raise ConfigError(f"unknown option '{name}' of the embedded broker; it has {', '.join(_EMBEDDED_OPTIONS)}")
    try:
        number = kind(value)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise ConfigError(f"option '{name}' of the embedded broker must be a number above 0")
    return number
