"""`sluicegate sample`: made-up activity of agents, written to the log at a rate."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from engine.brokers.base import Broker
    from engine.records import OutputRecord
    from sluicegate.heartbeat import Heartbeat

TICK = 0.1  # seconds between two batches
LARGEST = 5000  # records a batch
PATIENCE = 60.0  # seconds for which a broker may be away
_LONGEST_STEP = 1.0  # seconds: what is not written while the broker is away is not made up for


@click.command()
@click.option("-c", "--config", required=True, type=click.Path(dir_okay=False, path_type=Path), help="sluicegate.yaml.")
@click.option("--rate", default=100.0, show_default=True, type=click.FloatRange(0.1, 1e6), help="Records a second.")
@click.option("--count", type=click.IntRange(1), help="Stop after so many.  [default: go on until stopped]")
@click.option("--seed", type=click.IntRange(0), help="What the agents do.  [default: something else at each start]")
@click.option("--heartbeat", type=click.Path(dir_okay=False, path_type=Path), help="A file to touch while all is well.")
def sample(config: Path, *, rate: float, count: int | None, seed: int | None, heartbeat: Path | None) -> None:
    """Write what sample agents do to the first activity topic, as if it happened now.

    The agents, and each secret in what they write, are made up; about one record in a hundred asks for
    something that a person should decide on. A broker that is away is waited for, up to a minute; a batch
    whose fate nobody knows is written again, so a record may then be there twice. SIGTERM and SIGINT stop it.

    \b
    Examples:
      sluicegate sample -c sluicegate.yaml --rate 50
      sluicegate sample -c sluicegate.yaml --rate 5000 --count 100000 --seed 1
    """
    import random

    from benchmarks.activity import generate
    from detectors.errors import ConfigError
    from engine.config import load_config
    from engine.connect import connect, reach
    from sluicegate.heartbeat import Heartbeat

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="sluicegate: %(message)s")
    loaded = load_config(config)
    topic = loaded.file.topics[0].activity
    # Not for secrets: it only makes one start differ from another.
    activities = generate(random.SystemRandom().getrandbits(32) if seed is None else seed, count)
    records = _records(topic, ((one.key, one.value) for one in activities))
    with _stopping() as stopped, connect(loaded) as broker:
        beats = Heartbeat(heartbeat)  # it is there for a moment already, so that we can be told to stop from here on
        reach(loaded, broker, stop=stopped.is_set)
        width = broker.partitions([topic]).get(topic)
        if width is None:
            raise ConfigError(f"topic '{topic}' does not exist; create it: sluicegate topics create -c {config}")
        written = _play(broker, records, width, rate, stopped, beats)
    click.echo(f"{written} records written to {topic}", err=True)


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Set once we are told to stop; until then nobody else hears of it."""
    stopped = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _records(topic: str, made: Iterator[tuple[bytes, bytes]]) -> Iterator[OutputRecord]:
    """Records as they are when somebody takes them: with the time of that moment, partition still 0."""
    from engine.records import OutputRecord
    from sluicegate.demo.agents import stamped

    for key, value in made:
        now = time.time_ns() // 1_000_000
        yield OutputRecord(topic, 0, key, stamped(value, now), timestamp=now)


def _play(
    broker: Broker,
    records: Iterator[OutputRecord],
    width: int,
    rate: float,
    stopped: threading.Event,
    beats: Heartbeat,
) -> int:
    """Writes ``records`` at ``rate`` until they end or we are stopped; how many were written."""
    written, owed, last = 0, 1.0, time.monotonic()
    while not stopped.is_set():
        due = min(int(owed), LARGEST)
        # A session's records stay in order: one partition for one key.
        batch = [one._replace(partition=zlib.crc32(one.key or b"") % width) for one in islice(records, due)]
        if due and not batch:
            break
        if batch and not _append(broker, batch, stopped):
            break
        beats.beat()
        written += len(batch)
        stopped.wait(TICK)
        now = time.monotonic()
        owed += min(now - last, _LONGEST_STEP) * rate - len(batch)
        last = now
    return written


def _append(broker: Broker, batch: Sequence[OutputRecord], stopped: threading.Event) -> bool:
    """Writes ``batch``, waiting for a broker that is away; False if we were stopped instead.

    Raises BrokerUnavailable, TransactionAborted when it stays away.
    """
    from engine.brokers.base import BrokerUnavailable, TransactionAborted

    end, pause = time.monotonic() + PATIENCE, 0.5
    while not stopped.is_set():
        try:
            broker.append(batch)
            return True
        except (BrokerUnavailable, TransactionAborted) as error:
            if time.monotonic() + pause > end:
                raise
            logging.getLogger(__name__).warning("%s; trying again", error)
            stopped.wait(pause)
            pause = min(pause * 2, 10.0)
    return False
