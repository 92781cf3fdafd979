"""A call to the Kafka client comes back, whatever the client does."""

from __future__ import annotations

import threading

import pytest
from confluent_kafka import KafkaError, KafkaException

from engine.brokers import kafka_errors
from engine.brokers.kafka_errors import bounded


def test_result_and_error_come_through() -> None:
    """What the call gives or raises is given or raised."""
    assert bounded(lambda left: left <= 5, 5) is True
    with pytest.raises(ZeroDivisionError):
        bounded(lambda _: 1 // 0, 5)


def test_what_may_help_is_tried_again() -> None:
    """An error that the client calls retriable is tried again."""
    errors = [KafkaException(KafkaError(KafkaError._WAIT_COORD, retriable=True))]

    def call(_: float) -> str:
        if errors:
            raise errors.pop()
        return "done"

    assert bounded(call, 5) == "done"


def test_client_that_does_not_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that hangs is given up soon after its time-out, as one that timed out."""
    monkeypatch.setattr(kafka_errors, "_HANGS", 0.05)
    release = threading.Event()
    with pytest.raises(KafkaException) as caught:
        bounded(lambda _: release.wait(60), 0.05)
    release.set()
    assert caught.value.args[0].code() == KafkaError._TIMED_OUT
