"""A real engine that stops at a chosen place of a chosen commit and says so, to be killed right there.

    python killed_engine.py CONFIG PLACE NUMBER

``PLACE`` is where it waits in its commit number ``NUMBER`` (from 1): ``produced``, the outputs being in the open
transaction and not yet in the file; ``step-3`` and so on, before the third kind of statement in a row that it
gives to SQLite; ``written``, only the last of them, COMMIT, missing; ``committed``, before the engine hears of it.
It then prints how many records it had produced.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from engine.config import load_config
from engine.startup import run_worker


class Waits:
    """A session that waits at one place; otherwise the session it is around."""

    def __init__(self, session, place: str, number: int) -> None:
        self._session, self._place, self._left, self._produced = session, place, number, 0
        self._steps, self._last = 0, ""

    def __getattr__(self, name: str):
        return getattr(self._session, name)

    def produce(self, records) -> None:
        records = list(records)
        self._produced = len(records)
        self._session.produce(records)

    def commit(self, offsets) -> None:
        self._left -= 1
        if self._left == 0 and self._place == "produced":
            self._wait()
        elif self._left == 0 and self._place != "committed":
            self._session._store.db.set_trace_callback(self._trace)
        self._session.commit(offsets)
        if self._left == 0:
            self._wait()

    def _trace(self, statement: str) -> None:
        if statement[:20] != self._last:
            self._last = statement[:20]
            self._steps += 1
        if self._place == f"step-{self._steps}" or (self._place == "written" and statement == "COMMIT"):
            self._wait()

    def _wait(self) -> None:
        print(self._produced, flush=True)
        time.sleep(600)


if __name__ == "__main__":
    path, place, number = sys.argv[1:]
    run_worker(load_config(Path(path)), stop=lambda: False, wrap=lambda session: Waits(session, place, int(number)))
