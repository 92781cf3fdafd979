"""`sluicegate bench approvals`: the reviewer's pages and votes over a database with many requests."""

from __future__ import annotations

import secrets
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from benchmarks import cli

if TYPE_CHECKING:
    from benchmarks.reviews import Figures

LIST_LIMIT, VOTE_LIMIT, LIVE_LIMIT = 0.150, 0.300, 1.0  # seconds, at p95
PAGE_LIMIT = 50_000  # bytes
_STEP = 2_000


@click.command()
@click.option(
    "--requests", default=100_000, show_default=True, type=click.IntRange(100), help="How many the database holds."
)
@click.option("--waiting", default=1_000, show_default=True, type=click.IntRange(1), help="How many of them wait.")
@click.option("--people", "crew", default=20, show_default=True, type=click.IntRange(1, 100), help="Who vote at once.")
@click.option("--votes", default=400, show_default=True, type=click.IntRange(1), help="Votes in all.")
@click.option("--samples", default=100, show_default=True, type=click.IntRange(5), help="Of each page; half for live.")
@click.option(
    "--database",
    help="URL of a PostgreSQL on which a database may be made for the time of the run.  [default: SQLite]",
)
@cli.broker_option
@cli.json_option
def approvals(
    requests: int,
    waiting: int,
    crew: int,
    votes: int,
    samples: int,
    database: str | None,
    broker: str | None,
    as_json: bool,
) -> None:
    """Measure the reviewer service over many requests: pages, votes of many people at once, live updates.

    The service runs in a process of its own. A vote counts as committed when its answer is there. Live is the time from
    a review request on the broker until an open page has it: told by its stream, fetched, and in what it shows.
    Processor is what the service used for each in the mean, whatever else the machine does.

    \b
    Examples:
      sluicegate bench approvals
      sluicegate bench approvals --requests 10000 --json
      sluicegate bench approvals --database postgresql://me@localhost/postgres --broker kafka://localhost:9092
    """
    from benchmarks.measurement import MeasuringFailed
    from benchmarks.reviews import fill, own_database, served
    from benchmarks.streams import failed_with
    from benchmarks.tables import header, write_json
    from detectors.errors import SluicegateError

    troubles = cli.Troubles()
    found: list[Figures] = []
    waiting, topic = min(waiting, requests), f"sluicegate-bench-{secrets.token_hex(4)}"
    now = time.time_ns() // 1_000_000
    try:
        with TemporaryDirectory(prefix="sluicegate-bench-") as name, own_database(database, Path(name)) as store:
            folder = Path(name)
            with cli.progress("filling", -(-requests // _STEP)) as advance:
                asked = fill(store, requests=requests, waiting=waiting, now=now, topic=topic, advance=advance)
            with served(store, broker, folder, crew=crew, topic=topic) as site, cli.progress("measuring", 6) as advance:
                for title, paths, limit in (
                    ("queue", ["/"], LIST_LIMIT),
                    ("history", ["/history"], LIST_LIMIT),
                    ("one request", [f"/requests/{one.request_id}" for one in asked[:50]], None),
                ):
                    site.pages(title, paths[:1])  # the first one warms up what every next one finds warm
                    found.append(site.pages(title, (paths * samples)[:samples], limit=limit))
                    advance()
                found.append(site.live(max(5, samples // 2), limit=LIVE_LIMIT))
                advance()
                found.append(site.votes(asked[:votes], crew=crew, limit=VOTE_LIMIT))
                advance()
    except (SluicegateError, MeasuringFailed) as error:
        troubles.note(failed_with(error, broker) if isinstance(error, SluicegateError) else str(error))
    size = {"requests": requests, "waiting": waiting, "database": "postgresql" if database else "sqlite"}
    if as_json:
        write_json({**header(), **size, "approvals": [one.as_json() for one in found]})
    elif found:
        _show(found, f"{requests:,} requests on {size['database']}, {waiting:,} of them waiting")
    troubles.exit()


def _show(found: list[Figures], title: str) -> None:
    from rich.table import Table

    from benchmarks.tables import console_for

    table = Table(title=f"{title}: ms", title_justify="left", title_style="bold")
    table.add_column("")
    for name in ("times", "p50", "p95", "max", "p95 wanted", "processor", "largest page"):
        table.add_column(name, justify="right")
    for one in found:
        late = one.limit is not None and one.at(0.95) > one.limit
        table.add_row(
            one.name,
            f"{len(one.seconds):,}",
            *(f"{one.at(q) * 1000:,.0f}" for q in (0.5, 0.95, 1.0)),
            "" if one.limit is None else f"{'MISSED, ' if late else ''}< {one.limit * 1000:,.0f}",
            "" if one.processor is None else f"{one.processor * 1000:,.1f}",
            "" if not one.bytes else f"{one.bytes:,} B{'' if one.bytes < PAGE_LIMIT else ', TOO LARGE'}",
        )
    console_for(sys.stdout).print(table, crop=False)
