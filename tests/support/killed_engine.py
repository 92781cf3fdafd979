"""Real engines that stop at a chosen place of a chosen commit and say so, to be killed right there.

Reads lines ``CONFIG PLACE NUMBER`` and forks an engine for each (see `victims`). ``PLACE`` is where it waits in its
commit number ``NUMBER`` (from 1, those that fail not counted):

- ``produced``: the outputs are in the open transaction; on Kafka they have reached the log;
- ``inside``, on Kafka: the offsets too, and only the commit is missing;
- ``step-3`` and so on, embedded: before the third kind of statement in a row that it gives to SQLite;
- ``written``, embedded: only the last of them, COMMIT, is missing;
- ``committed``: before the engine hears of it.

It says ``open`` or ``committed``, and how many records it had produced.
"""

from __future__ import annotations

import logging
from functools import cache, partial
from pathlib import Path

from halting import Halting
from victims import await_death, serve

import engine.startup
from engine.config import load_config
from engine.startup import run_worker


class Waits:
    """A session that waits at one place; otherwise the session it is around."""

    def __init__(self, session, place: str, number: int) -> None:
        self._session, self._place, self._left, self._produced = session, place, number, 0
        self._steps, self._last, self._committed = 0, "", False

    def __getattr__(self, name: str):
        return getattr(self._session, name)

    def produce(self, records) -> None:
        records = list(records)
        self._produced = len(records)
        self._session.produce(records)

    def commit(self, offsets) -> None:
        if self._left == 1 and self._place != "committed":
            self._prepare()
        self._session.commit(offsets)  # which may abort, in a rebalance: then it is the next one's turn
        self._left -= 1
        if self._left == 0:
            self._wait("committed")

    def _prepare(self) -> None:
        if hasattr(self._session, "_writer"):
            writer = self._session._writer
            writer._producer = Halting(writer._producer, self._place, partial(self._wait, "open"))
        elif self._place == "produced":
            self._wait("open")
        else:
            self._session._store.db.set_trace_callback(self._trace)

    def _trace(self, statement: str) -> None:
        if self._committed:
            return  # it had fewer steps, and what follows is tidying up
        if statement[:20] != self._last:
            self._last = statement[:20]
            self._steps += 1
        self._committed = statement == "COMMIT"
        if self._place == f"step-{self._steps}" or (self._place == "written" and self._committed):
            self._wait("open")

    def _wait(self, where: str) -> None:
        await_death(where, self._produced)


def run(path: str, place: str, number: str) -> None:
    """One engine, until it is killed."""
    wrap = partial(Waits, place=place, number=int(number))
    run_worker(load_config(Path(path)), stop=lambda: False, wrap=wrap)


def warm(path: str, *_: str) -> None:
    """Loads what all engines of this configuration have in common."""
    engine.startup.load_policy(load_config(Path(path)).policy)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(name)s %(message)s")
    engine.startup.load_policy = cache(engine.startup.load_policy)
    serve(run, warm)
