"""A real engine on Kafka that stops at a chosen place of a chosen commit and says so, to be killed right there.

    python killed_worker.py CONFIG PLACE NUMBER

``PLACE`` is where it waits in its commit number ``NUMBER`` (from 1; 0 for never): ``produced``, the outputs having
reached the log in the open transaction; ``offsets``, the offsets too, and only the commit missing; ``committed``,
before the engine hears of it. It then prints how many records it had produced. SIGTERM ends it in good order.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path

from engine.config import load_config
from engine.startup import run_worker


class Halting:
    """The client's producer, which halts before it commits."""

    def __init__(self, producer, halt) -> None:
        self._producer, self._halt = producer, halt

    def __getattr__(self, name: str):
        return getattr(self._producer, name)

    def commit_transaction(self, *timeout) -> None:
        self._producer.flush(30)
        self._halt()


class Waits:
    """A session that waits at one place; otherwise the session it is around."""

    def __init__(self, session, place: str, number: int) -> None:
        self._session, self._place, self._left, self._produced = session, place, number, 0

    def __getattr__(self, name: str):
        return getattr(self._session, name)

    def produce(self, records) -> None:
        records = list(records)
        self._produced = len(records)
        self._session.produce(records)

    def commit(self, offsets) -> None:
        self._left -= 1
        writer = self._session._writer
        if self._left == 0 and self._place == "produced":
            writer._producer.flush(30)
            self._wait()
        elif self._left == 0 and self._place == "offsets":
            writer._producer = Halting(writer._producer, self._wait)
        self._session.commit(offsets)
        if self._left == 0:
            self._wait()

    def _wait(self) -> None:
        print(self._produced, flush=True)
        time.sleep(600)


if __name__ == "__main__":
    path, place, number = sys.argv[1:]
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    run_worker(load_config(Path(path)), stop=asked.is_set, wrap=lambda one: Waits(one, place, int(number)))
