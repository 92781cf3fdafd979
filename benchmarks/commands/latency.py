"""`sluicegate bench latency`: end to end, from the moment a record was due, at fixed rates."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from benchmarks import cli

if TYPE_CHECKING:
    from benchmarks.corpora import Corpus
    from benchmarks.delays import Delay
    from benchmarks.measurement import Skipped

SLOW = 1_000.0  # records/s, where there is hardly any load
INTERVALS = (0, 25, 100)  # ms
CALIBRATED, CALIBRATED_KAFKA = 40_000, 200_000  # records that tell what full load is


@click.command()
@cli.inputs_option
@cli.seed_option
@cli.records_option
@cli.rules_option
@cli.policy_option
@click.option(
    "--rate", "rates", multiple=True, type=click.FloatRange(1, 1e6), help="Records/s.  [default: 1,000 and half load]"
)
@click.option(
    "--commit-interval",
    "intervals",
    multiple=True,
    type=click.IntRange(0, 60_000),
    help=f"batch.interval_ms of the engine.  [default: {', '.join(map(str, INTERVALS))} ms]",
)
@click.option("--seconds", default=5.0, show_default=True, type=click.FloatRange(0.1, 3600), help="Of a repetition.")
@click.option("--repetitions", default=3, show_default=True, type=click.IntRange(1, 100))
@cli.broker_option
@cli.json_option
def latency(
    inputs: tuple[Path, ...],
    seed: int,
    records: int | None,
    rules: int,
    policy: Path | None,
    rates: tuple[float, ...],
    intervals: tuple[int, ...],
    seconds: float,
    repetitions: int,
    broker: str | None,
    as_json: bool,
) -> None:
    """Measure how long a record takes from end to end, at fixed rates, without coordinated omission.

    A record's time runs from the moment when it was due, not from when it was sent, until a read-committed reader has
    it. direct is the same without the engine. Half load is half of what comes through one worker at most while records
    are written and read on the same machine, which is measured first. What the engine adds depends on how often it
    commits: batch.interval_ms of its configuration.

    \b
    Examples:
      sluicegate bench latency
      sluicegate bench latency --rate 5000 --commit-interval 10 --commit-interval 50
      sluicegate bench latency --broker kafka://localhost:9092
    """
    from benchmarks.core import Composition, Core
    from benchmarks.corpora import store
    from benchmarks.delays import Course
    from benchmarks.measurement import MeasuringFailed, Skipped
    from benchmarks.padding import padded_policy
    from benchmarks.streams import failed_with, staged
    from detectors.errors import SluicegateError

    troubles = cli.Troubles()
    corpus = _one(cli.chosen(inputs, troubles, seed=seed, records=records))
    chosen = intervals or INTERVALS
    found: list[Delay | Skipped] = []
    full: float | None = None

    def noted(make: Callable[[], Delay]) -> None:
        try:
            one = make()
            found.append(replace(one, half=full is not None and one.rate == full / 2))
        except MeasuringFailed as error:
            found.append(Skipped("latency", str(error)))

    with padded_policy(policy, rules) as (path, loaded), TemporaryDirectory(prefix="sluicegate-bench-") as folder:
        passes = Composition.of(Core(loaded), corpus).passes
        store(corpus.records, Path(folder) / "records")
        steps = (len(rates) or 2) * (1 + len(chosen)) + (0 if rates else 1)
        try:
            with cli.progress("measuring", steps) as advance:
                if not rates:
                    drained = _drained(corpus, path, broker)
                    with staged(broker) as stage:
                        course = Course(stage, corpus, passes, Path(folder) / "records")
                        full = course.most(path, drained, seconds, repetitions)
                    rates = tuple(sorted((min(SLOW, full / 4), full / 2)))
                    advance()
                with staged(broker) as stage:
                    course = Course(stage, corpus, passes, Path(folder) / "records")
                    for rate in rates:
                        noted(lambda rate=rate: course.direct(rate, seconds, repetitions))  # type: ignore[misc]
                        advance()
                with staged(broker) as stage:
                    course = Course(stage, corpus, passes, Path(folder) / "records")
                    for interval in chosen:
                        for rate in rates:
                            noted(
                                lambda rate=rate, interval=interval: course.through(  # type: ignore[misc]
                                    path, rate, interval, seconds, repetitions
                                )
                            )
                            advance()
        except SluicegateError as error:
            troubles.note(failed_with(error, broker))
    if as_json:
        _write(corpus, found, len(loaded.detector.rules), full)
    elif found:
        _show(corpus, found, full)
    troubles.exit()


def _one(corpora: list[Corpus]) -> Corpus:
    """All inputs in one stream."""
    from benchmarks.corpora import Corpus

    if len(corpora) == 1:
        return corpora[0]
    records = tuple(record for one in corpora for record in one.records)
    return Corpus("+".join(one.name for one in corpora), records, ", ".join(one.origin for one in corpora))


def _drained(corpus: Corpus, policy: Path | None, broker: str | None) -> float:
    """Records a second that the engine does, the topic being full and nobody else at work: the median of three runs."""
    from benchmarks.measurement import Measurement, MeasuringFailed, Task, measure
    from benchmarks.streams import staged

    count = CALIBRATED_KAFKA if (broker or "").startswith("kafka:") else CALIBRATED
    with staged(broker) as stage:
        stage.fill(corpus.records, count)
        task = Task("engine", lambda: stage.engine(policy), stage.records, stage.bytes, once=True)
        row = measure([task], repetitions=3)["engine"]
    if not isinstance(row, Measurement):
        raise MeasuringFailed(row.reason)
    return row.records_per_s


def added(one: Delay, others: list[Delay | Skipped], quantile: float) -> float | None:
    """Seconds that the engine adds to the way without it, at the same rate; None if that was not measured."""
    from benchmarks.delays import Delay

    for other in others:
        if isinstance(other, Delay) and other.interval_ms is None and other.rate == one.rate:
            return one.at(quantile) - other.at(quantile)
    return None


def _write(corpus: Corpus, found: list[Delay | Skipped], rules: int, full: float | None) -> None:
    from benchmarks.delays import QUANTILES, Delay
    from benchmarks.tables import header, write_json

    rows = []
    for one in found:
        row = one.as_json()
        if isinstance(one, Delay) and one.interval_ms is not None:
            more = {f"added_{name}_ms": added(one, found, quantile) for name, quantile in QUANTILES.items()}
            row |= {name: None if value is None else round(value * 1000, 2) for name, value in more.items()}
        rows.append(row)
    full_load = None if full is None else round(full, 1)
    write_json(
        {**header(), "rules": rules, "corpus": corpus.as_json(), "full_load_records_per_s": full_load, "latency": rows}
    )


def _show(corpus: Corpus, found: list[Delay | Skipped], full: float | None) -> None:
    from rich.table import Table

    from benchmarks.delays import QUANTILES, Delay
    from benchmarks.tables import console_for

    console = console_for(sys.stdout)
    table = Table(title=f"{corpus.name}: ms from end to end", title_justify="left", title_style="bold")
    table.add_column("")
    for name in ("records/s", *QUANTILES, "max", "p99 added"):
        table.add_column(name, justify="right")
    for one in found:
        if not isinstance(one, Delay):
            table.add_row(one.reason)
            continue
        more = None if one.interval_ms is None else added(one, found, 0.99)
        table.add_row(
            "direct: no engine" if one.interval_ms is None else f"engine, commit interval {one.interval_ms} ms",
            f"{one.rate:,.0f}{' (half load)' if one.half else ''}",
            *(f"{one.at(quantile) * 1000:,.1f}" for quantile in QUANTILES.values()),
            f"{one.largest * 1000:,.1f}",
            "" if more is None else f"{more * 1000:,.1f}",
        )
    console.print(table, crop=False)
    if full is not None:
        console.print(f"full load: {full:,.0f} records/s", highlight=False)
