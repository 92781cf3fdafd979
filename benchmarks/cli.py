"""``sluicegate bench``: the group, and the options that its commands share. Commands are loaded when they are used."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from benchmarks import corpora
from benchmarks.corpora import Corpus
from benchmarks.measurement import REPETITIONS
from detectors.errors import ConfigError

COMMANDS: dict[str, str] = {
    "throughput": "Records a second: the core, its limits, and the engine on a broker.",
    "latency": "End to end, from the moment a record was due, at fixed rates.",
    "scaling": "How cost grows with workers, rules, sizes and hits.",
    "hostile": "Texts that were made to be dear, against plain prose of the same length.",
    "soak": "Memory over millions of records.",
    "approvals": "The reviewer's pages and votes, over many requests.",
    "gate": "Agents that wait for people: how soon they go on, and what waiting costs.",
    "peers": "Other redactors and scanners on the same bytes.",
    "quality": "What is found, missed and harmed, on labelled texts.",
    "report": "All of it in one HTML page.",
}
"""Each command, whose module in `benchmarks.commands` holds it under its own name, and what it is in one line."""


class Bench(click.Group):
    """Finds a command's module by its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which one needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command called so."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"benchmarks.commands.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Bench)
def bench() -> None:
    """Measure Sluicegate on this machine: speed, latency, growth, quality, memory.

    Needs no server: where records travel, it is on the embedded broker unless --broker names a Kafka. Limits are
    measured in the same run, so that figures are ratios.

    \b
    Examples:
      sluicegate bench throughput
      sluicegate bench throughput --input activity.ndjson --json
      sluicegate bench report --out report.html
    """
    # What clients and workers say on the way is not what was asked for; what fails is said by who fails.
    logging.basicConfig(level=logging.CRITICAL)


# -- options that commands share; each adds its own to these

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

inputs_option: Decorator = click.option(
    "--input",
    "inputs",
    multiple=True,
    type=click.Path(path_type=Path),
    help="An NDJSON file to measure on; may be given several times.  [default: generated activity]",
)
seed_option: Decorator = click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(0), help="Of what is generated."
)
records_option: Decorator = click.option(
    "--records", type=click.IntRange(1), help="How many are generated, or the most that is taken of a file."
)
repetitions_option: Decorator = click.option(
    "--repetitions", default=REPETITIONS, show_default=True, type=click.IntRange(1, 1000), help="Medians are of these."
)
rules_option: Decorator = click.option(
    "--rules",
    default=350,
    show_default=True,
    type=click.IntRange(1, 20_000),
    help="At least so many: a smaller catalogue is padded with generated provider-token rules.",
)
policy_option: Decorator = click.option(
    "--policy", type=click.Path(dir_okay=False, path_type=Path), help="Measure with this policy.  [default: shipped]"
)
broker_option: Decorator = click.option(
    "--broker", help="kafka://HOST:PORT; topics are made there and deleted again.  [default: embedded]"
)
json_option: Decorator = click.option("--json", "as_json", is_flag=True, help="Write one JSON object instead.")


class Troubles:
    """What could not be measured because of how it was asked for: a line on stderr, and the exit code at the end."""

    def __init__(self) -> None:
        self._count = 0

    def note(self, error: object) -> None:
        """Says it, and goes on."""
        click.echo(f"sluicegate: {error}", err=True)
        self._count += 1

    def exit(self) -> None:
        """Ends with 1 if there was any."""
        if self._count:
            sys.exit(1)


def chosen(
    inputs: tuple[Path, ...], troubles: Troubles, *, seed: int, records: int | None, hits: float = corpora.HITS
) -> list[Corpus]:
    """The corpora that can be used; what is wrong with others is noted. Raises ConfigError if none is left."""
    if len(inputs) <= 1:
        return corpora.corpora(inputs, seed=seed, records=records, hits=hits)
    usable: list[Path] = []
    for number, path in enumerate(inputs):
        try:
            corpora.read(path, 1 if records is None else records)
        except ConfigError as error:
            if not usable and number == len(inputs) - 1:
                raise
            troubles.note(error)
        else:
            usable.append(path)
    return corpora.corpora(usable, seed=seed, records=records, hits=hits)


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[..., None]]:
    """A bar on stderr while it is a terminal; gives what moves it on, by one if it is not told by how many."""
    if not sys.stderr.isatty():
        yield lambda by=1: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda by=1: bar.advance(task, by)
