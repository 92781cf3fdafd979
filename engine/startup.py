"""From a configuration to a worker that runs: everything is checked before the first record is read."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from detectors.errors import ConfigError
from engine.attempts import Attempts
from engine.brokers import open_broker
from engine.brokers.base import Broker, BrokerError, Session, TopicSpec
from engine.config import ROLES, Config
from engine.ledger.codec import encode
from engine.ledger.model import PolicySnapshot
from engine.policy import Policy, load_policy
from engine.records import OutputRecord
from engine.sanitizer import Sanitizer
from engine.worker import Counters, Worker


def run_worker(
    config: Config,
    *,
    stop: Callable[[], bool],
    drain: bool = False,
    wrap: Callable[[Session], Session] | None = None,
) -> Counters:
    """Runs one worker until ``stop()``, or with ``drain`` until all that is there now is done.

    ``wrap`` may put something around the session. Raises ConfigError, BrokerError (Fenced, BrokerUnavailable),
    EngineError.
    """
    policy = load_policy(config.policy)
    sanitizer = make_sanitizer(config, policy)
    attempts = Attempts(_state_file(config, f"attempts-{config.file.group}-{config.file.worker}.json"))
    with _open(config) as broker:
        prepare_topics(broker, config)
        publish_policy(broker, config, policy)
        topics = {topic.activity: topic for topic in config.file.topics}
        session = broker.join(config.file.group, list(topics), worker=config.file.worker)
        try:
            worker = Worker(
                session if wrap is None else wrap(session),
                sanitizer,
                topics,
                partial(encode, format=config.file.decisions_format),
                attempts=attempts,
                name=config.file.worker,
                batch=config.file.batch,
            )
            worker.run(stop=stop, drain=drain)
        finally:
            session.close()
    return worker.counters


def make_sanitizer(config: Config, policy: Policy) -> Sanitizer:
    """The pure core for these topics. Raises ConfigError if the binding key cannot be used."""
    release_to = {topic.activity: topic.sanitized for topic in config.file.topics}
    return Sanitizer(policy, secret=config.binding_key(), release_to=release_to)


def prepare_topics(broker: Broker, config: Config) -> None:
    """Checks that all topics are there and wide enough, or creates them if the configuration says so.

    Raises ConfigError that names what is missing, BrokerError if a topic cannot be created.
    """
    create = config.file.create_topics
    there = broker.partitions({name for t in config.file.topics for name in (t.activity, *t.outputs())})
    needed: dict[str, int] = {}
    missing: dict[str, int] = {}
    for index, topic in enumerate(config.file.topics):
        width = there.get(topic.activity, create.partitions if create else 0)
        for role in ("activity", *ROLES):
            name = getattr(topic, role)
            # An output takes the partition of its input, so it needs as many as the widest of its inputs.
            needed[name] = max(needed.get(name, 0), width)
            loc = ("topics", index, role if role in config.source.data["topics"][index] else "activity")
            if name not in there and not create:
                raise config.source.error(
                    f"topic '{name}' does not exist; create it, or set create_topics: {{partitions: 6}}", loc
                )
            if name not in there:
                missing[name] = needed[name]
            elif there[name] < needed[name]:
                raise config.source.error(
                    f"topic '{name}' has {there[name]} partitions and needs {needed[name]}, as many as its "
                    "activity topic",
                    loc,
                )
    if missing:
        broker.create_topics([TopicSpec(name, count) for name, count in missing.items()])


def publish_policy(broker: Broker, config: Config, policy: Policy) -> None:
    """Writes the text behind the policy's digest to the decisions topics.

    At each start: retention may have taken an earlier one, and the decisions that follow name it.
    """
    now = int(time.time() * 1000)
    snapshot = encode(PolicySnapshot(policy.digest, policy.text, now), config.file.decisions_format)
    topics = sorted({topic.decisions for topic in config.file.topics})
    broker.append(OutputRecord(topic, 0, policy.digest.encode(), snapshot, timestamp=now) for topic in topics)


def _open(config: Config) -> Broker:
    try:
        return open_broker(config.file.broker)
    except ConfigError as error:
        raise config.source.error(error.message, ("broker",)) from None
    except BrokerError as error:
        raise config.source.error(str(error), ("broker",)) from error


def _state_file(config: Config, name: str) -> Path:
    try:
        config.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = config.state_dir / f".{name}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        reason = (error.strerror or "cannot be used").lower()
        raise config.source.error(f"{config.state_dir}: {reason}", ("state_dir",)) from None
    return config.state_dir / name
