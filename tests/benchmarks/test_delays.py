"""Latency is counted from when a record was due."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.core import Composition, Core
from benchmarks.corpora import generated, store
from benchmarks.delays import Course, Delay, percentile
from benchmarks.measurement import MeasuringFailed
from benchmarks.streams import staged
from engine.policy import load_policy


@given(st.lists(st.floats(0, 10), min_size=1, max_size=300), st.floats(0.001, 1))
def test_percentiles_are_exact(values: list[float], quantile: float) -> None:
    """The smallest of the values that is not below that share of them."""
    found = percentile(sorted(values), quantile)
    assert found in values
    assert sum(one <= found for one in values) >= quantile * len(values) - 1e-9
    assert sum(one < found for one in values) < quantile * len(values)


def test_figures_are_medians_of_the_repetitions() -> None:
    """One bad repetition does not decide, but the largest is the largest of all."""
    delay = Delay(100, 25, [[0.01, 0.02], [0.01, 0.04], [0.01, 9.0]])
    assert delay.as_json() == {
        "rate": 100,
        "load": "100 records/s",
        "commit_interval_ms": 25,
        "records": 6,
        "median_of": 3,
        "p50_ms": 10,
        "p95_ms": 40,
        "p99_ms": 40,
        "p99.9_ms": 40,
        "max_ms": 9000,
        "p99_each_ms": [20, 40, 9000],
        "p99_spread": pytest.approx(224.5),
    }


@pytest.fixture
def small(tmp_path):
    corpus = generated(1, 100, privileged=0.2)
    store(corpus.records, tmp_path / "records")
    return corpus, Composition.of(Core(load_policy()), corpus).passes, tmp_path / "records"


def test_each_record_that_goes_on_is_met(small) -> None:
    """Straight, and through the engine, which holds some back; the wait for a commit is in it."""
    corpus, passes, records = small
    assert 0 < sum(passes) < len(passes)
    with staged(None) as stage:
        direct = Course(stage, corpus, passes, records).direct(200, 0.5, 2)
    assert [len(one) for one in direct.samples] == [100, 100]
    with staged(None) as stage:
        through = Course(stage, corpus, passes, records).through(None, 200, 50, 0.5, 2)
    assert [len(one) for one in through.samples] == [sum(passes)] * 2
    assert 0 < direct.at(0.5) < through.at(0.5)


def test_a_slow_writer_is_no_excuse(small, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was due while nothing could be written waited: its latency says so (no coordinated omission).

    The writer begins a second late here, as one that is held up would; at 100 records/s for a second all are late,
    the first by a second.
    """
    corpus, passes, records = small
    monkeypatch.setattr("benchmarks.delays.LEAD", -1.0)
    with staged(None) as stage:
        delay = Course(stage, corpus, passes, records).direct(100, 1, 1)
    assert delay.largest > 1
    assert min(delay.samples[0]) < delay.largest - 0.5


def test_too_high_a_rate_is_said(small, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not measured for ever: the row says that the rate cannot be had."""
    corpus, passes, records = small
    monkeypatch.setattr("benchmarks.delays._LATE", -0.5)
    monkeypatch.setattr("benchmarks.delays._FIRST", -0.5)
    with staged(None) as stage, pytest.raises(MeasuringFailed, match="200 records/s are too many"):
        Course(stage, corpus, passes, records).direct(200, 1, 1)
