"""Time is taken fairly: warm-up, turns, medians, spread; what fails alone fails alone."""

from __future__ import annotations

import pytest

from benchmarks.measurement import Measurement, MeasuringFailed, Skipped, Task, Took, combined, measure, ratio, steps


def row(*wall: float, records: int = 100) -> Measurement:
    return Measurement("x", records, 50_000, wall)


def test_figures_are_of_the_median() -> None:
    """Records and megabytes a second, and the range over the median."""
    one = row(1.0, 2.0, 4.0)
    assert (one.records_per_s, one.mb_per_s, one.median_of, one.spread) == (50.0, 0.025, 3, 1.5)
    assert one.us_per_record == pytest.approx(20_000)
    assert one.as_json().keys() >= {"records_per_s", "mb_per_s", "median_of", "spread", "wall_s"}


def test_tasks_take_turns_after_a_warm_up() -> None:
    """One round to warm up, then one repetition of each in each round."""
    order: list[str] = []
    moved: list[int] = []
    tasks = [Task(name, lambda name=name: order.append(name), 1, 1, once=True) for name in "ab"]  # type: ignore[misc]
    found = measure(tasks, repetitions=3, advance=lambda: moved.append(1))
    assert "".join(order) == "abababab"
    assert [one.median_of for one in found.values() if isinstance(one, Measurement)] == [3, 3]
    assert len(moved) == steps(2, 3)


def test_short_passes_fill_a_repetition() -> None:
    """What takes no time is run many times, and the figure is for one of them."""
    runs: list[int] = []
    found = measure([Task("x", lambda: runs.append(1), 10, 10)], repetitions=1, seconds=0.01)["x"]
    assert isinstance(found, Measurement)
    assert len(runs) > 100
    assert found.seconds < 0.001


def test_a_task_may_have_its_own_watch() -> None:
    """What it says it took is what counts."""
    found = measure([Task("x", lambda: Took(2.0, 1.0), 10, 10, once=True)], repetitions=2)["x"]
    assert isinstance(found, Measurement)
    assert (found.wall, found.cpu) == ((2.0, 2.0), (1.0, 1.0))
    unknown = measure([Task("x", lambda: Took(2.0), 10, 10, once=True)], repetitions=2)["x"]
    assert isinstance(unknown, Measurement)
    assert unknown.cpu_us_per_record is None


def test_what_fails_is_a_row_with_its_reason() -> None:
    """The others are measured."""

    def fail() -> None:
        raise MeasuringFailed("not here; install it")

    found = measure([Task("bad", fail, 1, 1), Task("good", lambda: None, 1, 1, once=True)], repetitions=2)
    assert found["bad"] == Skipped("bad", "not here; install it")
    assert isinstance(found["good"], Measurement)


def test_ratios_compare_neighbours_in_time() -> None:
    """A machine that becomes twice as slow half-way leaves a ratio what it is."""
    rows = {"a": row(1.0, 1.0, 2.0, 2.0), "b": row(3.0, 3.0, 6.0, 6.0), "gone": Skipped("gone", "x")}
    assert ratio(rows, "a", "b") == 3.0
    assert ratio(rows, "a", "gone") is None
    assert ratio({"a": row(1.0), "b": row(1.0, records=200)}, "a", "b") == 0.5


def test_corpora_add_up() -> None:
    """Their records and times do; a row that one of them lacks is not made up."""
    both = combined("x", [row(1.0, 2.0), row(3.0, 4.0)])
    assert isinstance(both, Measurement)
    assert (both.records, both.wall) == (200, (4.0, 6.0))
    assert combined("x", [row(1.0), Skipped("x", "no")]) is None
