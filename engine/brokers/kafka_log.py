"""The Kafka client's log, made bearable: while a broker is down it would say so ten times a second."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable

EVERY = 30.0  # seconds between two lines that say the same
_MOST = 1000  # lines that are remembered
_VARIES = re.compile(r" \(after \d+ms.*")  # how long it took, and how often it was not said


class Sparing(logging.Filter):
    """Lets a line pass once in `EVERY` seconds, and what the client's error callback hears of anyway not at all."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._told: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether ``record`` is worth a line."""
        message = record.getMessage()
        if message.startswith("FAIL ["):
            return False
        key, now = _VARIES.sub("", message), self._clock()
        if now - self._told.get(key, -EVERY) < EVERY:
            return False
        if len(self._told) >= _MOST:
            self._told.clear()
        self._told[key] = now
        return True
