"""What the Kafka client's errors mean to a worker: stop, read the batch again, or try later."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException

from engine.brokers.base import BrokerError, BrokerUnavailable, Fenced, TransactionAborted
from engine.brokers.kafka_settings import log

T = TypeVar("T")
BACK_OFF = 0.1  # seconds before the second try, doubled each time
LONGEST_BACK_OFF = 2.0
_SAME_TROUBLE = 45.0  # seconds; the client repeats itself every 30
_HANGS = 2.0  # seconds beyond its time-out after which a call hangs

FENCED = frozenset(
    {
        KafkaError._FENCED,
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.FENCED_INSTANCE_ID,
    }
)
UNREACHABLE = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._TRANSPORT,
        KafkaError._MSG_TIMED_OUT,
        KafkaError._WAIT_COORD,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.UNSTABLE_OFFSET_COMMIT,
    }
)
# A broker does not tell these apart.
_CREDENTIALS = (
    "the broker does not accept the credentials; check the sasl settings (a wrong password, a user that was "
    "withdrawn, a token that has expired)"
)
# Trying again cannot help before somebody has changed something.
_REFUSALS = {
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "this user may not use the cluster; it needs an ACL",
    KafkaError.DELEGATION_TOKEN_EXPIRED: "the delegation token has expired; get a new one",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "this user may not use the consumer group; it needs READ on it",
    KafkaError.SASL_AUTHENTICATION_FAILED: _CREDENTIALS,
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "this user may not use the topic; it needs READ or WRITE on it",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "this user needs WRITE on its transactional id",
    KafkaError._AUTHENTICATION: _CREDENTIALS,
    KafkaError._SSL: "no TLS connection; check the ssl settings",
}


def kafka_error(error: BaseException) -> KafkaError | None:
    """What the client says, if it is the client that raised ``error``."""
    if isinstance(error, KafkaException) and error.args and isinstance(error.args[0], KafkaError):
        return error.args[0]
    return None


def translate(error: KafkaError, what: str) -> BrokerError:
    """``error`` in the words of `engine.brokers.base`. ``what`` was tried."""
    code, text = error.code(), f"{what}: {error.str()}"
    if code in FENCED:
        return Fenced(f"{what}: another process took over this identity; give each worker a name of its own")
    if code in _REFUSALS:
        return BrokerError(f"{what}: {_REFUSALS[code]} ({error.name()})")
    if error.txn_requires_abort():
        return TransactionAborted(text)
    if code in UNREACHABLE or error.retriable():
        return BrokerUnavailable(text)
    return BrokerError(text)


class Link:
    """Hears what a client has to say about its connections, for an error message that names the cause."""

    def __init__(self, servers: str) -> None:
        self.servers = servers
        self.down = False  # none of the brokers could be reached; who finds one that can resets it
        self.fatal: KafkaError | None = None
        self.refused: KafkaError | None = None  # the last time that a broker did not let us in
        self._refused_at = 0.0
        self._last = ""

    def __call__(self, error: KafkaError) -> None:
        """The client's ``error_cb``."""
        if error.fatal():
            self.fatal = error
        elif error.code() == KafkaError._ALL_BROKERS_DOWN:
            self.down = True
        else:
            if error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL):
                self.refused, self._refused_at = error, time.monotonic()
            self._last = error.str()
        log.info("kafka client: %s", error.str())

    def unavailable(self, what: str) -> BrokerError:
        """The error for a call that did not get through in time."""
        if time.monotonic() - self._refused_at < _SAME_TROUBLE and (refusal := self.refusal(what)) is not None:
            return refusal
        why = f" ({self._last})" if self._last else ""
        return BrokerUnavailable(f"{what}: no answer from Kafka at {self.servers}{why}")

    def refusal(self, what: str) -> BrokerError | None:
        """The error for a call that cannot get through, since the broker does not let us in."""
        if self.refused is None:
            return None
        return BrokerError(f"{what}: {_REFUSALS[self.refused.code()]} ({self.refused.str()})")

    def error(self, error: KafkaError, what: str) -> BrokerError:
        """`translate`, with the cause if the cluster cannot be reached."""
        translated = translate(error, what)
        unheard = error.code() in UNREACHABLE and isinstance(translated, BrokerUnavailable)
        return self.unavailable(what) if unheard else translated


def persist(call: Callable[[float], T], timeout: float) -> T:
    """What ``call(seconds left)`` gives, tried again with back-off while the client says that it may help."""
    end = time.monotonic() + timeout
    pause = BACK_OFF
    while True:
        try:
            return call(max(0.1, end - time.monotonic()))
        except KafkaException as caught:
            error = kafka_error(caught)
            if error is None or not error.retriable() or time.monotonic() + pause >= end:
                raise
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_BACK_OFF)


def bounded(call: Callable[[float], T], timeout: float) -> T:
    """`persist`, which comes back even if the client does not; then the client must not be used any more.

    librdkafka (2.16, its issues 5456 and 5511) waits without end for a group's coordinator that has gone, whatever
    time-out it is given. The thread that waits there is left behind with its client.
    """
    done: list[T | BaseException] = []

    def run() -> None:
        try:
            done.append(persist(call, timeout))
        except BaseException as error:
            done.append(error)

    thread = threading.Thread(target=run, name="kafka-call", daemon=True)
    thread.start()
    thread.join(timeout + _HANGS)
    if not done:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the client does not come back"))
    result = done[0]
    if isinstance(result, BaseException):
        raise result
    return result
