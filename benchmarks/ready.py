"""A worker's process as far as being ready, and then through some records, for `benchmarks.startup`.

``python -m benchmarks.ready POLICY FILE BEGAN``: what it imports before it is ready is what a worker imports, too.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path


def main(policy: str, records: str, began: str) -> None:
    """Loads ``policy`` (the shipped one if empty), sanitizes the records in the file ``records`` once in the engine's
    batches, and writes one JSON object: how long it took from ``began`` (s since the epoch) on, and its size then.
    """
    from engine.policy import load_policy
    from engine.sanitizer import Sanitizer

    at = time.perf_counter()
    loaded = load_policy(Path(policy) if policy else None)
    Sanitizer(loaded, secret=bytes(32))
    took = time.perf_counter() - at
    seconds = time.time() - float(began)

    import orjson

    from benchmarks.core import BATCH, Core
    from benchmarks.corpora import restore
    from benchmarks.machine import rss_mb

    core, values = Core(loaded), restore(Path(records))
    for first in range(0, len(values), BATCH):
        core.accounted(values[first : first + BATCH], first)
    found = {"seconds": seconds, "policy_seconds": took, "mb": rss_mb(), "rules": len(loaded.detector.rules)}
    sys.stdout.buffer.write(orjson.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
