"""How often somebody may ask: a bucket of tokens for each caller, filled at a steady rate."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

_CALLERS = 10_000  # remembered at most: who was quiet longest is forgotten first, which gives them a full bucket


class RateLimit:
    """``burst`` requests at once, then ``rate`` a second, each caller. ``now`` gives s.

    Safe to use from several threads.
    """

    def __init__(self, *, rate: float, burst: int, now: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._now = rate, burst, now
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, caller: str) -> int:
        """Takes one from the bucket of ``caller``; 0, or if it is empty the whole seconds until there is one."""
        now = self._now()
        with self._lock:
            left, then = self._buckets.pop(caller, (float(self._burst), now))
            left = min(self._burst, left + (now - then) * self._rate)
            allowed = left >= 1
            self._buckets[caller] = (left - 1 if allowed else left, now)
            if len(self._buckets) > _CALLERS:
                self._buckets.popitem(last=False)
        return 0 if allowed else max(1, math.ceil((1 - left) / self._rate))
