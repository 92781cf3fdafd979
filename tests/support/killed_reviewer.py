"""Real reviewers that decide on what waits, stop at a chosen place of a chosen publication, and are killed there.

Reads lines ``BROKER DATABASE PLACE NUMBER`` and forks a reviewer for each (see `victims`). ``PLACE`` is where it waits
in its publication number ``NUMBER`` (from 1): ``before`` it begins; ``produced`` and ``inside`` (see `halting`);
``after``, before the database hears of it.
"""

from __future__ import annotations

import logging
import sys
import time
from functools import partial
from pathlib import Path

from every_input import decide, make_service
from halting import Halting
from victims import await_death, serve

from engine.brokers import open_broker


class Waits:
    """A publisher that waits at one place; otherwise the publisher it is around."""

    def __init__(self, publisher, place: str, number: int) -> None:
        self._publisher, self._place, self._left = publisher, place, number

    def __getattr__(self, name: str):
        return getattr(self._publisher, name)

    def publish(self, records, sequence: int) -> None:
        records = list(records)
        wait = partial(await_death, self._place, len(records))
        if self._left == 1 and self._place == "before":
            wait()
        elif self._left == 1 and self._place != "after":
            writer = self._publisher._writer
            writer._producer = Halting(writer._producer, self._place, wait)
        self._publisher.publish(records, sequence)
        self._left -= 1
        if self._left == 0:
            wait()


class Broker:
    """A broker whose publishers wait; otherwise the broker it is around."""

    def __init__(self, broker, place: str, number: int) -> None:
        self._broker, self._place, self._number = broker, place, number

    def __getattr__(self, name: str):
        return getattr(self._broker, name)

    def publisher(self, name: str) -> Waits:
        return Waits(self._broker.publisher(name), self._place, self._number)


def run(url: str, database: str, place: str, number: str) -> None:
    """One reviewer, until it is killed."""
    with open_broker(url) as broker:
        service = make_service(Path(database), Broker(broker, place, int(number)))
        service.start()
        while not service.health.problem.startswith("stopped"):
            decide(service)
            time.sleep(0.1)
        sys.exit(service.health.problem)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(name)s %(message)s")
    serve(run)
