"""The brokers that records travel on: one protocol (`engine.brokers.base`), found by URL."""

from __future__ import annotations

from collections.abc import Callable
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


def open_broker(url: str) -> Broker:
    """The broker at ``url``: ``embedded:PATH``, a relative path being relative to the working directory.

    Options follow a ``?``: ``embedded:./log.db?session_timeout=5`` (also ``max_message_bytes``,
    ``busy_timeout``). Raises ConfigError if the URL cannot be used, BrokerError if the broker cannot be
    opened.
    """
    scheme, colon, rest = url.partition(":")
    if not colon or scheme != "embedded":
        raise ConfigError(
            f"unknown broker scheme '{scheme}'; this version has embedded:PATH "
            "(a SQLite file, such as embedded:./sluicegate.db)"
        )
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
