"""From a configuration to a worker that runs: everything is checked before the first record is read."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from engine.attempts import Attempts
from engine.brokers.base import Broker, Session
from engine.config import Config
from engine.connect import connect, reach
from engine.ledger.codec import encode
from engine.ledger.model import PolicySnapshot
from engine.policy import Policy, load_policy
from engine.progress import Counters, Progress
from engine.records import OutputRecord
from engine.sanitizer import Sanitizer
from engine.topics import absent, examine, topics_error
from engine.worker import Worker

log = logging.getLogger(__name__)

GC_THRESHOLD = 50_000, 20, 20
"""Objects until Python looks for cycles. A batch makes tens of thousands, none of them in one; see `gc`."""


def run_worker(
    config: Config,
    *,
    stop: Callable[[], bool],
    drain: bool = False,
    wrap: Callable[[Session], Session] | None = None,
    progress: Progress | None = None,
) -> Counters:
    """Runs one worker until ``stop()``, or with ``drain`` until all that is there now is done.

    ``wrap`` may put something around the session; ``progress`` is where the worker counts. Raises ConfigError,
    BrokerError (Fenced, BrokerUnavailable), EngineError.
    """
    policy = load_policy(config.policy)
    sanitizer = make_sanitizer(config, policy)
    gc.set_threshold(*GC_THRESHOLD)
    attempts = Attempts(_state_file(config, f"attempts-{config.file.group}-{config.file.worker}.json"))
    progress = progress or Progress(config.file.worker)
    with _metrics(config, progress, policy), connect(config) as broker:
        if not reach(config, broker, stop=stop):
            return progress.counters
        prepare_topics(broker, config, policy)
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
                progress=progress,
            )
            worker.run(stop=stop, drain=drain)
        finally:
            session.close()
    return progress.counters


def make_sanitizer(config: Config, policy: Policy) -> Sanitizer:
    """The pure core for these topics. Raises ConfigError if the binding key cannot be used."""
    release_to = {topic.activity: topic.sanitized for topic in config.file.topics}
    return Sanitizer(policy, secret=config.binding_key(), release_to=release_to)


def prepare_topics(broker: Broker, config: Config, policy: Policy) -> None:
    """Checks that all topics are there and as they have to be; creates what is not, if the configuration says so.

    Raises ConfigError that names everything that is wrong, BrokerError if a topic cannot be created.
    """
    create = config.file.create_topics
    found = examine(broker, config, policy, partitions=create.partitions if create else 0)
    wrong = [*found.problems, *([] if create else absent(config, found.missing))]
    if wrong:
        raise topics_error(config, wrong)
    for hint in found.hints:
        log.warning("%s", hint)
    if found.missing:
        broker.create_topics(found.missing)


def publish_policy(broker: Broker, config: Config, policy: Policy) -> None:
    """Writes the text behind the policy's digest to the decisions topics.

    At each start: retention may have taken an earlier one, and the decisions that follow name it.
    """
    now = int(time.time() * 1000)
    snapshot = encode(PolicySnapshot(policy.digest, policy.text, now), config.file.decisions_format)
    topics = sorted({topic.decisions for topic in config.file.topics})
    broker.append(OutputRecord(topic, 0, policy.digest.encode(), snapshot, timestamp=now) for topic in topics)


@contextmanager
def _metrics(config: Config, progress: Progress, policy: Policy) -> Iterator[None]:
    """Shows ``progress`` to Prometheus, if the configuration says so. Raises ConfigError if that cannot be."""
    where = config.file.metrics
    if where is None:
        yield
        return
    # Loaded only by those who use it.
    from engine.metrics import WorkerMetrics, serving

    with ExitStack() as stack:
        try:
            shown = WorkerMetrics(progress, group=config.file.group, policy=policy.digest)
            stack.enter_context(serving(shown, where.host, where.port))
        except OSError as error:
            reason = (error.strerror or "cannot be used").lower()
            raise config.source.error(f"{where.host}, port {where.port}: {reason}", ("metrics",)) from None
        yield


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
