"""Real engines that stop at a chosen place of a chosen commit and say so, to be killed right there.

Reads lines ``CONFIG PLACE NUMBER`` and forks an engine for each. ``PLACE`` is where it waits in its commit number
``NUMBER`` (from 1): ``produced``, the outputs being in the open transaction and not yet in the file; ``step-3`` and so
on, before the third kind of statement in a row that it gives to SQLite; ``written``, only the last of them, COMMIT,
missing; ``committed``, before the engine hears of it. It then prints its process id, ``open`` or ``committed``, and
how many records it had produced. Once it is dead, its exit status is printed. Forked, so that loading the policy does
not take most of the test's time.
"""

from __future__ import annotations

import os
import sys
import time
from functools import cache, partial
from pathlib import Path

import engine.startup
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
            self._wait("open")
        elif self._left == 0 and self._place != "committed":
            self._session._store.db.set_trace_callback(self._trace)
        self._session.commit(offsets)
        if self._left == 0:
            self._wait("committed")

    def _trace(self, statement: str) -> None:
        if statement[:20] != self._last:
            self._last = statement[:20]
            self._steps += 1
        if self._place == f"step-{self._steps}" or (self._place == "written" and statement == "COMMIT"):
            self._wait("open")

    def _wait(self, where: str) -> None:
        print(os.getpid(), where, self._produced, flush=True)
        time.sleep(600)


def main() -> None:
    """One engine for each line, one after the other."""
    engine.startup.load_policy = cache(engine.startup.load_policy)
    for line in sys.stdin:
        path, place, number = line.split()
        config = load_config(Path(path))
        engine.startup.load_policy(config.policy)
        child = os.fork()
        if child == 0:
            run_worker(config, stop=lambda: False, wrap=partial(Waits, place=place, number=int(number)))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
