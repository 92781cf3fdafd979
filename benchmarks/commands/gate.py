"""`sluicegate bench gate`: agents that wait for people, and how soon they go on."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from benchmarks import cli

if TYPE_CHECKING:
    from benchmarks.gate import Waited

LIMIT = 0.250  # seconds from click to return, at p95


@click.command()
@click.option("--agents", default=1_000, show_default=True, type=click.IntRange(1, 4_000), help="Who wait at once.")
@click.option("--decisions", default=200, show_default=True, type=click.IntRange(1), help="On how many one decides.")
@click.option("--seconds", default=60.0, show_default=True, type=click.FloatRange(1), help="That memory is watched.")
@cli.json_option
def gate(agents: int, decisions: int, seconds: float, as_json: bool) -> None:
    """Measure the gate: many agents wait on one instance, and each goes on when somebody has decided.

    The service runs in a process of its own, on the embedded broker. A time runs from the click, when the vote is
    sent, until the waiting agent's call has returned its approval. Memory is that of the service, while all wait.

    \b
    Examples:
      sluicegate bench gate
      sluicegate bench gate --agents 100 --decisions 20 --seconds 5 --json
    """
    from benchmarks.measurement import MeasuringFailed
    from benchmarks.tables import header, write_json

    try:
        from benchmarks.gate import measure
    except ImportError:
        raise click.UsageError("this needs the gate's client: pip install sluicegate-client") from None
    troubles = cli.Troubles()
    found: Waited | None = None
    try:
        with TemporaryDirectory(prefix="sluicegate-bench-") as folder:
            found = measure(Path(folder), agents=agents, decisions=decisions, seconds=seconds)
    except MeasuringFailed as error:
        troubles.note(str(error))
    if as_json:
        write_json({**header(), "gate": found.as_json(LIMIT) if found else None})
    elif found:
        _show(found)
    troubles.exit()


def _show(found: Waited) -> None:
    from statistics import median

    from rich.table import Table

    from benchmarks.tables import console_for

    late = found.at(0.95) > LIMIT
    table = Table(title=f"{found.agents:,} agents wait", title_justify="left", title_style="bold")
    table.add_column("")
    table.add_column("", justify="right")
    for name, value in (
        ("click to return, p50", f"{found.at(0.5) * 1000:,.0f} ms"),
        ("click to return, p95", f"{found.at(0.95) * 1000:,.0f} ms{' MISSED' if late else ''} < {LIMIT * 1000:,.0f}"),
        ("click to return, max", f"{found.at(1.0) * 1000:,.0f} ms"),
        ("vote answered, p50", f"{median(found.votes) * 1000:,.0f} ms"),
        ("memory before, MB", f"{found.before_mb:,.1f}"),
        ("memory while all wait, MB", f"{found.samples[-1][1]:,.1f}"),
        ("its growth, MB", f"{found.growth:+.2f}"),
        ("threads of the service", f"{found.threads}"),
        ("share of a core while all wait", f"{found.busy:.3f}"),
    ):
        table.add_row(name, value)
    console_for(sys.stdout).print(table, crop=False)
