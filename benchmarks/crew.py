"""Several processes that work at the same time: the core alone, or workers of one group on a broker.

Each child is ``python -m benchmarks.crew ROLE …``: it gets ready, says so, waits for a line on its standard input,
works, and writes one JSON object. So all of them begin together, and getting ready is not counted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from benchmarks.measurement import MeasuringFailed, Took
from engine.progress import Progress

_LONGEST = 900.0  # seconds for all that a child does
_READY = b"ready\n"


def core_crew(policy: Path | None, records: Path, workers: int, seconds: float) -> float:
    """Records a second of ``workers`` processes together, each with a core of its own.

    ``records`` is a file as `benchmarks.corpora.store` writes it. Raises MeasuringFailed.
    """
    command = ["core", str(policy or ""), str(records), str(seconds)]
    found = _work([command] * workers)
    return sum(float(one["records"]) / float(one["seconds"]) for one in found)


def engine_crew(configs: Sequence[Path]) -> tuple[int, Took]:
    """Records, and the time for them, while all workers (one by each configuration) were at work.

    The time in which some of them had not begun yet, or were done already, does not count. What is in hand when it
    begins counts, what is in hand when it ends does not. Raises MeasuringFailed.
    """
    found = _work([["engine", str(config)] for config in configs])
    if not all(len(one["commits"]) > 1 for one in found):
        raise MeasuringFailed("some workers had nothing to do; give it more records")
    since = max(one["commits"][0][0] for one in found)
    until = min(one["commits"][-1][0] for one in found)
    records = sum(count for one in found for at, count in one["commits"] if since < at <= until)
    if until <= since or not records:
        raise MeasuringFailed("the workers were never all at work; give it more records")
    return records, Took(until - since)


def _work(roles: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    command = [sys.executable, "-P", "-m", "benchmarks.crew"]
    children = [
        subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            [*command, *role], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for role in roles
    ]
    try:
        for child in children:
            if child.stdout is None or child.stdout.readline() != _READY:
                raise MeasuringFailed(f"a process did not get ready{_last_words(child)}")
        for child in children:
            if child.stdin is not None:
                child.stdin.write(b"go\n")
                child.stdin.flush()
        out = [child.communicate(timeout=_LONGEST)[0] for child in children]
    except subprocess.TimeoutExpired:
        raise MeasuringFailed(f"a process was not done in {_LONGEST:.0f} s") from None
    finally:
        for child in children:
            child.kill()
            child.wait()
    if any(child.returncode for child in children):
        raise MeasuringFailed("a process failed")
    return [orjson.loads(one) for one in out]


def _last_words(child: subprocess.Popen[bytes]) -> str:
    child.kill()
    lines = child.communicate()[1].decode(errors="replace").strip().splitlines()
    return f": {lines[-1]}" if lines else ""


def _get_ready() -> None:
    sys.stdout.buffer.write(_READY)
    sys.stdout.buffer.flush()
    sys.stdin.buffer.readline()


def _core(policy: str, records: str, seconds: str) -> dict[str, Any]:
    from benchmarks.core import Core
    from benchmarks.corpora import Corpus, restore
    from engine.policy import load_policy

    core = Core(load_policy(Path(policy) if policy else None))
    corpus = Corpus("crew", tuple(restore(Path(records))), records)
    run = core.task("core", corpus).run
    run()
    _get_ready()
    passes, started = 0, time.perf_counter()
    while (took := time.perf_counter() - started) < float(seconds):
        run()
        passes += 1
    return {"records": passes * len(corpus.records), "seconds": took}


def _engine(path: str) -> dict[str, Any]:
    from benchmarks.streams import Watch
    from engine.brokers.base import Session
    from engine.config import load_config
    from engine.startup import run_worker

    watches: list[Watch] = []

    def wrap(session: Session) -> Session:
        watches.append(Watch(session))
        return watches[-1]

    config = load_config(Path(path))
    _get_ready()
    parent = os.getppid()
    run_worker(config, stop=lambda: os.getppid() != parent, drain=True, wrap=wrap)  # nobody waits for an orphan
    return {"commits": [(watches[0].started, 0), *watches[0].commits]}


def _serve(path: str) -> dict[str, Any]:
    """A worker until the standard input ends; says how many records it has done."""
    from engine.config import load_config
    from engine.startup import run_worker

    ended, config = threading.Event(), load_config(Path(path))
    progress = _telling(Progress(config.file.worker))

    def listen() -> None:
        sys.stdin.buffer.read()
        ended.set()

    threading.Thread(target=listen, daemon=True).start()
    run_worker(config, stop=ended.is_set, progress=progress)
    return {}


def _soak(policy: str, records: str, total: str) -> dict[str, Any]:
    """A worker on a log that needs no broker; says how many records it has done."""
    from benchmarks.core import KEY, TOPIC
    from benchmarks.corpora import restore
    from benchmarks.endless import EndlessLog
    from engine.attempts import Attempts
    from engine.config import TopicSet
    from engine.ledger.codec import encode
    from engine.policy import load_policy
    from engine.sanitizer import Sanitizer
    from engine.worker import Worker

    session = EndlessLog(TOPIC, restore(Path(records)), int(total))
    sanitizer = Sanitizer(load_policy(Path(policy) if policy else None), secret=KEY)
    with TemporaryDirectory(prefix="sluicegate-bench-") as folder:
        attempts = Attempts(Path(folder) / "attempts.json")
        topics = {TOPIC: TopicSet(activity=TOPIC)}
        progress = _telling(Progress("0"))
        worker = Worker(session, sanitizer, topics, encode, attempts=attempts, name="0", progress=progress)
        worker.run(stop=lambda: session.done)
    sys.stdout.buffer.write(b"%d\n" % progress.counters.records)
    sys.stdout.buffer.flush()
    sys.stdin.buffer.readline()  # stays as it is until it has been looked at
    return {}


def _telling(progress: Progress) -> Progress:
    """``progress``, with its count written out four times a second."""

    def tell() -> None:
        while True:
            time.sleep(0.25)
            sys.stdout.buffer.write(b"%d\n" % progress.counters.records)
            sys.stdout.buffer.flush()

    threading.Thread(target=tell, daemon=True).start()
    return progress


ROLES: dict[str, Callable[..., dict[str, Any]]] = {"core": _core, "engine": _engine, "serve": _serve, "soak": _soak}

if __name__ == "__main__":
    name, *rest = sys.argv[1:]
    sys.stdout.buffer.write(orjson.dumps(ROLES[name](*rest)))
