"""`sluicegate bench soak`: memory over millions of records."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from benchmarks import cli

SOAKED = 1_000_000
_TOLD = {True: "flat", False: "it grows", None: "too short to tell whether it grows"}


@click.command()
@cli.inputs_option
@cli.seed_option
@click.option("--records", default=SOAKED, show_default=True, type=click.IntRange(1), help="How many go through.")
@cli.rules_option
@cli.policy_option
@click.option(
    "--broker", help="kafka://HOST:PORT or embedded: all records stay there until the end.  [default: none at all]"
)
@cli.json_option
def soak(
    inputs: tuple[Path, ...],
    seed: int,
    records: int,
    rules: int,
    policy: Path | None,
    broker: str | None,
    as_json: bool,
) -> None:
    """Measure the memory of a worker while many records go through it, and whether it stays flat.

    Without --broker the worker reads from a log that makes up its records and forgets what is written. The exit code
    is 1 if memory grows.

    \b
    Examples:
      sluicegate bench soak
      sluicegate bench soak --records 10000000
      sluicegate bench soak --broker kafka://localhost:9092
    """
    from benchmarks.corpora import store
    from benchmarks.measurement import MeasuringFailed
    from benchmarks.memory import soak as soaked
    from benchmarks.memory import soak_on
    from benchmarks.padding import padded_policy
    from benchmarks.streams import failed_with, staged
    from benchmarks.tables import header, write_json
    from detectors.errors import SluicegateError

    troubles = cli.Troubles()
    corpora = cli.chosen(inputs, troubles, seed=seed, records=None)
    values = tuple(record for one in corpora for record in one.records)
    with padded_policy(policy, rules) as (path, loaded), cli.progress("soaking", records) as advance:
        try:
            if broker is None:
                with TemporaryDirectory(prefix="sluicegate-bench-") as folder:
                    store(values, Path(folder) / "records")
                    found = soaked(path, Path(folder) / "records", records, advance=advance)
            else:
                with staged(broker) as stage:
                    found = soak_on(stage, path, values, records, advance=advance)
        except MeasuringFailed:
            raise
        except SluicegateError as error:
            raise MeasuringFailed(failed_with(error, broker)) from None
    if as_json:
        names = [one.as_json() for one in corpora]
        count = len(loaded.detector.rules)
        write_json({**header(), "rules": count, "broker": bool(broker), "of": names, "soak": found.as_json()})
    else:
        rate = found.samples[-1][0] / found.seconds
        click.echo(
            f"{found.samples[-1][0]:,} records in {found.seconds:,.0f} s ({rate:,.0f} records/s): "
            f"{found.level:.1f} MB on average, {found.peak:.1f} MB at most, "
            f"{found.growth:+.2f} MB for a million records: {_TOLD[found.flat]}."
        )
    troubles.exit()
    if found.flat is False:
        sys.exit(1)
