"""How long a worker takes to be ready, and the memory that it then has.

Each repetition is a process of its own, `benchmarks.ready`: it loads the policy (its gate from the cache), sanitizes
records once in the engine's batches, and tells how long it took and how large it has become.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import orjson

from benchmarks.corpora import Corpus, store
from benchmarks.measurement import MeasuringFailed


@dataclass(frozen=True, slots=True)
class Startup:
    """Medians. ``seconds``: from starting the process to being ready for the first record; ``policy_seconds``: of
    these, compiling policy and rules, the gate being in the cache; ``mb``: of memory after work, without a broker.
    """

    rules: int
    seconds: float
    policy_seconds: float
    mb: float | None
    median_of: int

    def as_json(self) -> dict[str, object]:
        """For files."""
        return asdict(self)


def startup(policy: Path | None, corpus: Corpus, *, repetitions: int) -> Startup:
    """Measured in ``repetitions`` processes, after one that fills the cache. Raises MeasuringFailed."""
    with TemporaryDirectory(prefix="sluicegate-bench-") as name:
        path = Path(name) / "records"
        store(corpus.records[:20_000], path)
        runs = [_run(policy, path) for _ in range(repetitions + 1)][1:]
    sizes = [run["mb"] for run in runs if run["mb"] is not None]
    return Startup(
        rules=int(runs[0]["rules"] or 0),
        seconds=round(median(run["seconds"] or 0.0 for run in runs), 3),
        policy_seconds=round(median(run["policy_seconds"] or 0.0 for run in runs), 3),
        mb=round(median(sizes), 1) if sizes else None,
        median_of=repetitions,
    )


def _run(policy: Path | None, records: Path) -> dict[str, float | None]:
    command = [sys.executable, "-P", "-m", "benchmarks.ready", str(policy or ""), str(records), str(time.time())]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 (our own interpreter and module)
    if done.returncode:
        raise MeasuringFailed("a worker's process did not come up")
    found: dict[str, float | None] = orjson.loads(done.stdout)
    return found
