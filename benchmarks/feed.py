"""Writes records on a schedule: ``python -m benchmarks.feed URL TOPIC PARTITIONS RECORDS BASE FIRST COUNT RATE START``.

The n-th of COUNT records is due at START + n / RATE, of the monotonic clock. Its timestamp is BASE + FIRST + n, its
value that record of RECORDS (see `benchmarks.corpora.store`), counted round and round. A process of its own: what
reads the answers must not wait for it, nor it for them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

from benchmarks.corpora import restore
from engine.brokers import open_broker
from engine.records import OutputRecord

_KAFKA_TICK = 0.001  # seconds; what is due by then is sent together
_EMBEDDED_TICK = 0.01  # each is a commit to the disk

Send = Callable[[list[OutputRecord]], None]


def main(
    url: str, topic: str, partitions: str, records: str, base: str, first: str, count: str, rate: str, start: str
) -> None:
    """Until all are written."""
    stored = restore(Path(records))
    values = islice(cycle(stored), int(first) % len(stored), None)
    send, finish, tick = _kafka(url) if url.startswith("kafka:") else _embedded(url)
    begin, per_second, total, width = float(start), float(rate), int(count), int(partitions)
    number, stamp = 0, int(base) + int(first)
    time.sleep(max(0.0, begin - time.monotonic()))
    while number < total:
        due = min(total, int((time.monotonic() - begin) * per_second) + 1)
        if due > number:
            send([OutputRecord(topic, n % width, None, next(values), (), stamp + n) for n in range(number, due)])
            number = due
        next_due = begin + number / per_second
        time.sleep(max(0.0, min(next_due - time.monotonic(), tick)) if per_second < 1 / tick else tick)
    finish()


def _embedded(url: str) -> tuple[Send, Callable[[], None], float]:
    broker = open_broker(url)
    return broker.append, broker.close, _EMBEDDED_TICK


def _kafka(url: str) -> tuple[Send, Callable[[], None], float]:
    """A plain producer, as those of activity are: acknowledged by all, and sent within the client's usual 5 ms."""
    from confluent_kafka import Producer

    from engine.brokers.kafka_settings import parse

    settings = parse(url.removeprefix("kafka:"))
    common = settings.producer(lambda _: None, "feed")
    del common["transactional.id"]
    producer = Producer(common | {"enable.idempotence": False})

    def send(records: list[OutputRecord]) -> None:
        for topic, partition, _, value, _, timestamp in records:
            while True:
                try:
                    producer.produce(topic, value, None, partition, None, None, timestamp or 0)
                    break
                except BufferError:
                    producer.poll(0.01)
        producer.poll(0)

    return send, lambda: None if producer.flush(30) == 0 else sys.exit(1), _KAFKA_TICK


if __name__ == "__main__":
    main(*sys.argv[1:])
