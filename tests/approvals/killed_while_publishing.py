"""A real reviewer that votes, stops at a chosen place of publishing that, and says so, to be killed right there.

    python killed_while_publishing.py URL FOLDER PLACE [DATABASE]

``PLACE`` is where it waits: ``before`` it publishes; ``produced``, the records being in the open transaction;
``inside``, only its commit missing; ``after``, before the database hears of it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from approval_makers import ADA, APPROVALS, DECISIONS, NOW
from approval_site import Site

from engine.ledger.model import Decision


def wait() -> None:
    print("here", flush=True)
    time.sleep(600)


class Producer:
    """The Kafka client's producer, which waits at one place of a transaction."""

    def __init__(self, producer, place: str) -> None:
        self._producer, self._place = producer, place

    def __getattr__(self, name: str):
        return getattr(self._producer, name)

    def send_offsets_to_transaction(self, *given) -> None:
        if self._place == "produced":
            self._producer.flush(30)
            wait()
        self._producer.send_offsets_to_transaction(*given)

    def commit_transaction(self, *timeout) -> None:
        self._producer.flush(30)
        wait()


class Publisher:
    """A publisher that waits at one place; otherwise the publisher it is around."""

    def __init__(self, publisher, place: str) -> None:
        self._publisher, self._place = publisher, place

    def __getattr__(self, name: str):
        return getattr(self._publisher, name)

    def publish(self, records, sequence: int) -> None:
        if self._place == "before":
            wait()
        if self._place in ("produced", "inside"):
            self._stop_inside()
        self._publisher.publish(records, sequence)
        wait()

    def _stop_inside(self) -> None:
        if hasattr(self._publisher, "_writer"):
            writer = self._publisher._writer
            writer._producer = Producer(writer._producer, self._place)
            return
        last = {"produced": "UPDATE publishers", "inside": "COMMIT"}[self._place]
        self._publisher._store.db.set_trace_callback(lambda statement: wait() if statement.startswith(last) else None)


if __name__ == "__main__":
    url, folder, place, *database = sys.argv[1:]
    site = Site(Path(folder), lambda: NOW, url, *database)
    site.step()
    assert site.store.decisions_topics([APPROVALS]) == [DECISIONS]
    site.service.vote("a", ADA, Decision.APPROVE, version=1, reason="fine", channel="page")
    site.service.publish(Publisher(site.publisher, place))
