"""The broker that a configuration names, opened with its settings: for every command that needs one."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping

from detectors.errors import ConfigError
from detectors.yamlfile import Loc
from engine.brokers import open_broker
from engine.brokers.base import Broker, BrokerError, BrokerUnavailable
from engine.config import Config

log = logging.getLogger(__name__)

TRIES = 4  # to reach a broker, at the start; each waits for as long as one call may (``timeout`` of the URL)
BACK_OFF = 1.0  # seconds before the second, doubled each time
_TICK = 0.25  # seconds: how soon a wait hears that it is to stop


def connect(config: Config, environ: Mapping[str, str] = os.environ) -> Broker:
    """The broker of ``config``. Raises ConfigError that names file, line and key, and shows no secret."""
    settings = config.kafka_settings(environ)
    try:
        if config.on_kafka:
            _try_clients(config.file.broker, settings)
        return open_broker(config.file.broker, settings or None)
    except ConfigError as error:
        message = error.message
    except BrokerError as error:
        message = str(error)
    for secret in filter(None, config.kafka_secrets(environ)):
        message = message.replace(secret, "***")
    raise config.source.error(message.removeprefix("kafka: "), _blamed(message, settings))


def reach(config: Config, broker: Broker, *, stop: Callable[[], bool] = lambda: False) -> bool:
    """Whether ``broker`` answered before it was time to stop. Raises BrokerUnavailable after bounded retries."""
    for failures in range(TRIES):
        try:
            broker.partitions([config.file.topics[0].activity])
            return True
        except BrokerUnavailable as error:
            if failures == TRIES - 1:
                raise
            log.warning("try %d of %d: %s", failures + 1, TRIES, error)
        left = BACK_OFF * 2**failures
        while left > 0 and not stop():
            time.sleep(min(left, _TICK))
            left -= _TICK
        if stop():
            break
    return False


def _try_clients(url: str, settings: Mapping[str, str]) -> None:
    """Makes each kind of client once, which asks nothing of a cluster: or the first to read or to write would tell.

    Raises ConfigError for a setting that one of them does not take.
    """
    from confluent_kafka import KafkaException, Producer

    from engine.brokers.kafka_consumer import make_consumer
    from engine.brokers.kafka_errors import kafka_error
    from engine.brokers.kafka_settings import parse

    parsed = parse(url.removeprefix("kafka:"), settings)
    make_consumer(parsed.consumer(lambda _: None, "check")).close()
    try:
        Producer(parsed.producer(lambda _: None, "check"))
    except KafkaException as caught:
        error = kafka_error(caught)
        raise ConfigError(str(caught) if error is None else error.str()) from None


def _blamed(message: str, settings: Mapping[str, str]) -> Loc:
    """The key that ``message`` is about: the client names the setting that it does not take."""
    if named := [name for name in settings if name in message]:
        return ("kafka", max(named, key=len))
    return ("kafka",) if settings and "configuration property" in message else ("broker",)
