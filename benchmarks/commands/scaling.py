"""`sluicegate bench scaling`: how cost grows with workers, rules, sizes and hits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from benchmarks import cli

if TYPE_CHECKING:
    from benchmarks.corpora import Corpus
    from benchmarks.growth import Series
    from benchmarks.measurement import Row
    from benchmarks.streams import Stage

AXES = ("workers", "rules", "size", "hits")
REPETITIONS = 3
WORK = 2.0  # seconds of each repetition of processes side by side
ENOUGH = 8.0  # seconds for which several workers have records: partitions have to be shared out first
STREAMED = 40_000
STREAMED_KAFKA = 200_000


@click.command()
@click.argument("axes", nargs=-1, type=click.Choice(AXES))
@cli.seed_option
@cli.rules_option
@cli.policy_option
@click.option("--repetitions", default=REPETITIONS, show_default=True, type=click.IntRange(1, 100))
@click.option(
    "--volume",
    default=2.0,
    show_default=True,
    type=click.FloatRange(0.01, 1000),
    help="MB that a point is measured on.",
)
@click.option("--workers", type=click.IntRange(1, 256), help="Up to so many.  [default: as many as there are cores]")
@click.option("--stream/--no-stream", default=True, show_default=True, help="Also workers of one group on a broker.")
@click.option("--stream-records", type=click.IntRange(1), help="How many go through the broker for each worker.")
@cli.broker_option
@cli.json_option
def scaling(
    axes: tuple[str, ...],
    seed: int,
    rules: int,
    policy: Path | None,
    repetitions: int,
    volume: float,
    workers: int | None,
    stream: bool,
    stream_records: int | None,
    broker: str | None,
    as_json: bool,
) -> None:
    """Measure how cost grows along AXES: workers, rules, size, hits (all of them if none is named).

    Growth is a fitted exponent: 0 is free, 1 is in proportion. Rules go from 10 to 1,000, records from 100 B to
    100 kB, records with findings from 0 to 100 %, workers from 1 to the number of cores: the core alone, and a group
    on a broker, which shares the machine with them.

    \b
    Examples:
      sluicegate bench scaling rules size
      sluicegate bench scaling workers --workers 4 --broker kafka://localhost:9092
    """
    from benchmarks.core import Core, GateAlone
    from benchmarks.corpora import generated
    from benchmarks.growth import HITS, RULES, SIZES, by_hits, by_rules, by_size
    from benchmarks.machine import cores
    from benchmarks.measurement import steps
    from benchmarks.padding import padded_policy
    from benchmarks.tables import header, write_json

    chosen, troubles = axes or AXES, cli.Troubles()
    size, records = int(volume * 1e6), max(1, int(volume * 1e6) // 500)
    counts = _up_to(workers or cores())
    points = {"workers": len(counts) * (2 if stream else 1), "rules": len(RULES), "size": 2 * len(SIZES)}
    total = sum(steps(2 * points.get(axis, len(HITS)), repetitions) for axis in chosen)
    found: list[Series] = []
    with padded_policy(policy, rules) as (path, loaded), cli.progress("measuring", total) as advance:
        core, gate = Core(loaded), GateAlone(loaded)
        if "workers" in chosen:
            corpus = generated(seed, records)
            with _stored(corpus) as file:
                found.append(_core_workers(path, file, corpus, counts, repetitions, advance))
            if stream:
                found += _stream_workers(
                    path, corpus.records, counts, broker, stream_records, repetitions, troubles, advance
                )
        if "rules" in chosen:
            found.append(by_rules(policy, generated(seed, records), RULES, repetitions=repetitions, advance=advance))
        if "size" in chosen:
            for hits in (0.0, 0.44):
                found.append(
                    by_size(
                        core, gate, SIZES, seed=seed, hits=hits, volume=size, repetitions=repetitions, advance=advance
                    )
                )
        if "hits" in chosen:
            found.append(by_hits(core, gate, HITS, seed=seed, volume=size, repetitions=repetitions, advance=advance))
    if as_json:
        count = len(loaded.detector.rules)
        write_json({**header(), "rules": count, "series": [{"name": one.name, **one.as_json()} for one in found]})
    else:
        for one in found:
            _show(one)
    troubles.exit()


def _core_workers(
    policy: Path | None, records: Path, corpus: Corpus, counts: list[int], repetitions: int, advance: Callable[[], None]
) -> Series:
    from benchmarks.crew import core_crew
    from benchmarks.growth import Series
    from benchmarks.measurement import Task, Took, measure

    share = 1_000_000  # records; only the rate counts, and it is that of all processes together

    def task(count: int) -> Task:
        size = corpus.size * share // len(corpus.records)
        return Task(str(count), lambda: Took(share / core_crew(policy, records, count, WORK)), share, size, once=True)

    rows = measure([task(count) for count in counts], repetitions=repetitions, advance=advance)
    points = [(float(count), rows[str(count)]) for count in counts]
    return Series("workers", "workers, the core alone", "processes", points, rising=True)


def _stream_workers(
    policy: Path | None,
    records: tuple[bytes, ...],
    counts: list[int],
    broker: str | None,
    streamed: int | None,
    repetitions: int,
    troubles: cli.Troubles,
    advance: Callable[[], None],
) -> list[Series]:
    from benchmarks.growth import Series
    from benchmarks.measurement import Measurement, Task, measure
    from benchmarks.streams import PARTITIONS, failed_with, staged
    from detectors.errors import SluicegateError

    kafka = (broker or "").startswith("kafka:")
    each = streamed or (STREAMED_KAFKA if kafka else STREAMED)
    title = f"workers of one group, {'Kafka' if kafka else 'embedded broker'} on the same machine"
    points: list[tuple[float, Row]] = []
    try:
        for count in counts:
            with staged(broker, partitions=max(PARTITIONS, 2 * counts[-1])) as stage:
                stage.fill(records, each * count)
                size = stage.bytes // stage.records
                task = Task(str(count), _group_run(stage, policy, count), each, each * size, once=True)
                row = measure([task], repetitions=repetitions, advance=advance)[str(count)]
                points.append((float(count), row))
                if streamed is None and isinstance(row, Measurement):
                    each = max(each, int(row.records_per_s / count * ENOUGH))
    except SluicegateError as error:
        troubles.note(failed_with(error, broker))
        return []
    return [Series("workers", title, "processes", points, rising=True)]


def _group_run(stage: Stage, policy: Path | None, count: int) -> Callable[[], object]:
    """One run of ``count`` workers over all that is in ``stage``, brought to the time for its share of one worker."""
    from benchmarks.crew import engine_crew
    from benchmarks.measurement import Took

    def run() -> Took:
        records, took = engine_crew(stage.members(policy, count))
        return Took(took.wall * (stage.records / count) / records)

    return run


def _show(series: Series) -> None:
    import sys

    from rich.table import Table

    from benchmarks.measurement import Skipped
    from benchmarks.tables import console_for

    console = console_for(sys.stdout)
    table = Table(title=series.title, title_justify="left", title_style="bold")
    limits = dict(series.limit)
    for name in (series.unit, "records/s", "MB/s", "µs/record", "spread", *(["gate µs"] if limits else [])):
        table.add_column(name, justify="right")
    for x, row in series.points:
        shown = f"{x:.0%}" if series.unit == "share" else f"{x:,.0f}"
        if isinstance(row, Skipped):
            table.add_row(shown, row.reason)
            continue
        gate = limits.get(x)
        table.add_row(
            shown,
            f"{row.records_per_s:,.0f}",
            f"{row.mb_per_s:,.1f}",
            f"{row.us_per_record:,.2f}",
            f"±{row.spread / 2:.1%}",
            *([f"{gate.us_per_record:,.2f}"] if gate is not None and not isinstance(gate, Skipped) else []),
        )
    console.print(table, crop=False)
    console.print(f"{series.told()}\n", highlight=False, soft_wrap=True)


def _up_to(most: int) -> list[int]:
    """1, 2, 4 … and the number itself."""
    return sorted({*(2**n for n in range(most.bit_length()) if 2**n <= most), most})


@contextmanager
def _stored(corpus: Corpus) -> Iterator[Path]:
    from benchmarks.corpora import store

    with TemporaryDirectory(prefix="sluicegate-bench-") as folder:
        path = Path(folder) / "records"
        store(corpus.records, path)
        yield path
