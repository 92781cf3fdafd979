"""Topics of a benchmark's own on a broker, what fills them, and what moves their records: the engine, or a relay.

A `Stage` is on the embedded broker (a file in a temporary folder) or on a Kafka, where its topics are called
``sluicegate-bench-…`` and are deleted at the end. Records travel without key and headers. A run is timed from the
moment when the first records are at hand until the last commit returns, so that joining a group is not counted.
"""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from benchmarks.measurement import MeasuringFailed, Took
from detectors.errors import SluicegateError
from detectors.yamlfile import YamlFile
from engine.brokers import open_broker
from engine.brokers.base import Broker, BrokerUnavailable, Session, TopicSpec
from engine.config import Batch, Config, parse_config
from engine.records import ActivityRecord, OutputRecord, Position, TopicPartition

PARTITIONS = 4
PATIENCE = 15  # seconds that a Kafka may take to answer at first
_CHUNK = 10_000  # records appended at a time
_LONGEST = 600.0  # seconds that one run may take
_QUIET = 15.0  # seconds without a record, after which a run that is not at its end has failed


class Stage:
    """Where a benchmark's records travel. Made by `staged`."""

    def __init__(self, url: str, broker: Broker, folder: Path, partitions: int) -> None:
        self.url, self.broker, self.folder, self.partitions = url, broker, folder, partitions
        self.activity = f"sluicegate-bench-{secrets.token_hex(4)}"
        self._runs = itertools.count(1)
        self.groups: list[str] = []
        self.made: list[str] = []
        self.records = self.bytes = 0
        (folder / "binding.key").write_text(secrets.token_hex(32))
        self._make(self.activity, *(f"{self.activity}.{role}" for role in ("relayed", *ROLES)))

    @property
    def on_kafka(self) -> bool:
        """Whether it is a Kafka."""
        return self.url.startswith("kafka:")

    def fill(self, values: Iterable[bytes], count: int) -> None:
        """Writes ``count`` records to the activity topic, ``values`` over and over, in turn to its partitions."""
        now = time.time_ns() // 1_000_000
        endless = itertools.islice(itertools.cycle(values), count)
        while chunk := list(itertools.islice(endless, _CHUNK)):
            width = self.partitions
            self.broker.append(
                OutputRecord(self.activity, n * width // len(chunk), None, value, timestamp=now)
                for n, value in enumerate(chunk)
            )
            self.records += len(chunk)
            self.bytes += sum(map(len, chunk))

    def config(self, policy: Path | None, *, batch: Mapping[str, int] | None = None, group: str = "") -> Config:
        """A configuration of the engine for these topics, with a group of its own."""
        group = group or self.group()
        data: dict[str, Any] = {
            "broker": self.url,
            "group": group,
            "topics": [{"activity": self.activity}],
            "state_dir": str(self.folder / "state"),
            "binding_key": {"file": "binding.key"},
            "batch": dict(batch or {}),
        }
        if policy is not None:
            data["policy"] = str(policy.absolute())
        path = self.folder / f"{group}.json"
        path.write_bytes(orjson.dumps(data))
        return parse_config(YamlFile.read(path), self.folder)

    def members(self, policy: Path | None, count: int) -> list[Path]:
        """Configurations for ``count`` workers of one new group, as files for their processes."""
        group = self.group()
        self.config(policy, group=group)
        data = orjson.loads((self.folder / f"{group}.json").read_bytes())
        paths = [self.folder / f"{group}.{number}.json" for number in range(count)]
        for number, path in enumerate(paths):
            path.write_bytes(orjson.dumps(data | {"worker": str(number)}))
        return paths

    def group(self) -> str:
        """A new consumer group."""
        name = f"{self.activity}-{next(self._runs)}"
        self.groups.append(name)
        return name

    def engine(self, policy: Path | None, *, batch: Mapping[str, int] | None = None) -> Took:
        """The engine itself, one worker in this process, over all that was filled in. Raises MeasuringFailed."""
        from engine.startup import run_worker

        watches: list[Watch] = []

        def wrap(session: Session) -> Session:
            watches.append(Watch(session))
            return watches[-1]

        end = time.monotonic() + _LONGEST
        counters = run_worker(
            self.config(policy, batch=batch), stop=lambda: time.monotonic() > end, drain=True, wrap=wrap
        )
        if counters.records != self.records:
            raise MeasuringFailed(f"the engine read {counters.records:,} of {self.records:,} records")
        return watches[0].took

    def relay(self) -> Took:
        """The same consumer and transactional producer, moving the same bytes with no work. Raises MeasuringFailed."""
        group = self.group()
        if self.on_kafka:
            from benchmarks.relay import kafka_relay

            return kafka_relay(self.url, group, self.activity, f"{self.activity}.relayed", self.records)
        with_watch = Watch(self.broker.join(group, [self.activity], worker="0"))
        try:
            _relay(with_watch, f"{self.activity}.relayed", self.records)
        finally:
            with_watch.close()
        return with_watch.took

    def _make(self, *topics: str) -> None:
        self.broker.create_topics(TopicSpec(name, self.partitions) for name in topics)
        self.made += topics
        reader, patience = self.broker.reader(topics), time.monotonic() + PATIENCE
        try:
            while True:  # partitions that were made a moment ago may have no leader yet
                try:
                    reader.end_offsets()
                    return
                except BrokerUnavailable:
                    if time.monotonic() > patience:
                        raise
                    time.sleep(0.1)
        finally:
            reader.close()


ROLES = ("sanitized", "approvals", "decisions", "quarantine")


@contextmanager
def staged(url: str | None, *, partitions: int = PARTITIONS) -> Iterator[Stage]:
    """A stage on the broker at ``url`` (an embedded one of its own for "embedded" or None), cleared away at the end.

    Raises ConfigError for a URL that cannot be used, BrokerError if the broker does not answer.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="sluicegate-bench-")))
        where = f"embedded:{folder / 'log.db'}" if url in (None, "embedded") else str(url)
        if where.startswith("kafka:") and "timeout=" not in where:
            where += f"{'&' if '?' in where else '?'}timeout={PATIENCE}"
        broker = stack.enter_context(open_broker(where))
        stage = Stage(where, broker, folder, partitions)
        try:
            yield stage
        finally:
            if stage.on_kafka:
                from benchmarks.relay import clear_away

                clear_away(broker, stage.made, stage.groups)


def failed_with(error: SluicegateError, url: str | None) -> str:
    """Why nothing could be measured on a broker, and what to do, in one line."""
    where = "the embedded broker" if url in (None, "embedded") else url
    return f"{where}: {error}"


class Watch:
    """A session whose time is taken, from the first records at hand to the last commit.

    `commits` are (seconds of the monotonic clock, records) of each commit.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._started: tuple[float, float] | None = None
        self._ended = (0.0, 0.0)
        self._handed: list[tuple[Position, int]] = []  # of each poll: its last record, and how many it gave
        self.commits: list[tuple[float, int]] = []

    @property
    def took(self) -> Took:
        """So far. Raises MeasuringFailed if no record came."""
        if self._started is None or not self.commits:
            raise MeasuringFailed("no record came")
        return Took(self._ended[0] - self._started[0], self._ended[1] - self._started[1])

    @property
    def started(self) -> float:
        """When the first records were at hand, by the monotonic clock; 0 if none were."""
        return 0.0 if self._started is None else self._started[0]

    def poll(self, max_records: int, timeout: float) -> Sequence[ActivityRecord]:
        """See `engine.brokers.base.Session`, here and below."""
        records = self._session.poll(max_records, timeout)
        if records:
            self._handed.append((records[-1].position, len(records)))
            if self._started is None:
                self._started = time.monotonic(), time.process_time()
        return records

    @property
    def commit_waits(self) -> bool:
        """As it is."""
        return self._session.commit_waits

    def assignment(self) -> frozenset[TopicPartition]:
        """As it is."""
        return self._session.assignment()

    def at_end(self) -> Mapping[TopicPartition, int]:
        """What has been read to its end."""
        return self._session.at_end()

    def end_offsets(self) -> Mapping[TopicPartition, int]:
        """As they are."""
        return self._session.end_offsets()

    def committed(self) -> Mapping[TopicPartition, int]:
        """As it is."""
        return self._session.committed()

    def begin(self) -> None:
        """Passed on."""
        self._session.begin()

    def produce(self, records: Iterable[OutputRecord]) -> None:
        """Passed on."""
        self._session.produce(records)

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Passed on; the watch is read when it returns. What was read ahead of it counts with the next."""
        self._session.commit(offsets)
        ahead = [one for one in self._handed if one[0].offset >= offsets.get(TopicPartition(*one[0][:2]), 0)]
        done = sum(count for _, count in self._handed) - sum(count for _, count in ahead)
        if done:  # else it moved beyond what is no record
            self._ended = time.monotonic(), time.process_time()
            self.commits.append((self._ended[0], done))
            self._handed = ahead

    def abort(self) -> None:
        """Passed on; what was handed out comes again."""
        self._handed.clear()
        self._session.abort()

    def close(self) -> None:
        """Passed on."""
        self._session.close()


def _relay(session: Session, topic: str, total: int) -> None:
    """Moves ``total`` records to ``topic``, in batches as the engine's."""
    batch, done, quiet = Batch(), 0, time.monotonic() + _QUIET
    while done < total:
        session.begin()
        records = session.poll(batch.records, 0.25)
        if not records:
            session.abort()
            if time.monotonic() > quiet:
                raise MeasuringFailed(f"the relay read {done:,} of {total:,} records")
            continue
        session.produce(
            OutputRecord(topic, position.partition, key, value, headers, timestamp)
            for position, key, value, headers, timestamp in records
        )
        session.commit({TopicPartition(*one.position[:2]): one.position.offset + 1 for one in records})
        done += len(records)
        quiet = time.monotonic() + _QUIET
