"""Memory over many records: what is flat, and the log that a worker is soaked on."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.endless import EndlessLog
from benchmarks.memory import Soak
from engine.attempts import Attempts
from engine.config import Batch, TopicSet
from engine.ledger.codec import encode
from engine.policy import load_policy
from engine.records import TopicPartition
from engine.sanitizer import Sanitizer
from engine.worker import Worker


def soaked(*mb: float) -> Soak:
    return Soak([(100_000 * (number + 1), one) for number, one in enumerate(mb)], 10.0)


def test_level_memory_is_flat() -> None:
    """However much there was of it while it warmed up; noise is no growth."""
    one = soaked(10, 50, *[100, 101, 99, 100] * 5)
    assert one.flat
    assert one.level == pytest.approx(100, abs=0.5)
    assert one.peak == 101


def test_a_leak_is_found() -> None:
    """A megabyte for a hundred thousand records is ten for a million."""
    one = soaked(*(100 + number for number in range(20)))
    assert not one.flat
    assert one.growth == pytest.approx(10)
    assert one.as_json()["flat"] is False


def test_a_short_soak_tells_nothing() -> None:
    """Neither flat nor growing."""
    assert soaked(100, 101, 120).flat is None


def test_the_endless_log_is_read_to_its_end(tmp_path: Path) -> None:
    """A worker reads each of its records once, on all partitions, and is done."""
    session = EndlessLog("activity", [b'{"a": "jane@example.com"}', b"{}"], 1001, partitions=3)
    worker = Worker(
        session,
        Sanitizer(load_policy(), secret=bytes(32)),
        {"activity": TopicSet(activity="activity")},
        encode,
        attempts=Attempts(tmp_path / "attempts.json"),
        name="0",
        batch=Batch(records=100),
    )
    worker.run(stop=lambda: False, drain=True)
    assert session.done
    assert worker.counters.records == 1001
    assert worker.counters.outcomes == {"redacted": 501, "clean": 500}
    assert session.committed() == session.end_offsets()
    assert sum(session.end_offsets().values()) == 1001
    assert session.assignment() == {TopicPartition("activity", number) for number in range(3)}
