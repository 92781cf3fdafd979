"""`sluicegate bench throughput`: the core, its limits, and the engine on a broker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks import cli

if TYPE_CHECKING:
    from benchmarks.corpora import Corpus
    from benchmarks.measurement import Row
    from benchmarks.startup import Startup

STREAMED = 40_000  # records a run on the embedded broker
STREAMED_KAFKA = 200_000
STREAM_REPETITIONS = 3  # a run on a broker is long, and what it wrote stays until the end
LABELS = {
    "relay": "relay: consumer and producer alone",
    "engine": "engine: broker in, broker out",
}


@click.command()
@cli.inputs_option
@cli.seed_option
@cli.records_option
@cli.repetitions_option
@cli.rules_option
@cli.policy_option
@cli.broker_option
@click.option("--stream/--no-stream", default=True, show_default=True, help="Also the engine and a relay on a broker.")
@click.option(
    "--ner", is_flag=True, help="Names in free text alone: the core without and with them, and spaCy over all."
)
@click.option("--stream-records", type=click.IntRange(1), help="How many go through the broker in a run.")
@cli.json_option
def throughput(
    inputs: tuple[Path, ...],
    seed: int,
    records: int | None,
    repetitions: int,
    rules: int,
    policy: Path | None,
    broker: str | None,
    stream: bool,
    stream_records: int | None,
    ner: bool,
    as_json: bool,
) -> None:
    """Measure records a second on one core, and what limits them, in the same run.

    core is what Sluicegate does to a record: bytes in, an outcome and its decision entries out. gate is Hyperscan
    alone over the same bytes, parse is orjson loads and dumps. relay and engine read from a broker and write to it in
    transactions: relay does nothing in between. Repetitions take turns; shown are medians, and half the range as
    spread. Without --input, records are made up: see `benchmarks.corpora`.

    \b
    Examples:
      sluicegate bench throughput
      sluicegate bench throughput --input activity.ndjson --rules 1000 --json
      sluicegate bench throughput --ner --input agents.ndjson
      sluicegate bench throughput --broker kafka://localhost:9092
    """
    from benchmarks import core as cores
    from benchmarks.measurement import measure, steps
    from benchmarks.padding import padded_policy
    from benchmarks.startup import startup
    from benchmarks.tables import Section, document, show, write_json

    troubles = cli.Troubles()
    corpora = cli.chosen(inputs, troubles, seed=seed, records=records)
    if ner:
        _names(corpora, policy, repetitions, as_json=as_json)
        troubles.exit()
        return
    with padded_policy(policy, rules) as (path, loaded):
        core, gate = cores.Core(loaded), cores.GateAlone(loaded)
        total = len(corpora) * (steps(5, repetitions) + (steps(2, STREAM_REPETITIONS) if stream else 0))
        sections, composed = [], {}
        with cli.progress("measuring", total) as advance:
            for corpus in corpora:
                made = composed[corpus.name] = cores.Composition.of(core, corpus)
                tasks, rows = cores.tasks(core, gate, corpus, made.clean)
                rows |= measure(tasks, repetitions=repetitions, advance=advance)
                if stream:
                    rows |= streamed(corpus, path, broker, stream_records, troubles, advance)
                sections.append(Section.on(corpus, rows, pairs=(*cores.PAIRS, ("engine", "relay"))))
        begun = startup(path, corpora[0], repetitions=min(repetitions, 5))
    if as_json:
        found = document(sections, rules=len(loaded.detector.rules), startup=begun.as_json())
        for one in found["corpora"]:
            one |= composed[one["name"]].as_json()
        write_json(found)
    else:
        show(sections, labels=cores.LABELS | LABELS)
        click.echo(summary(begun))
    troubles.exit()


def _names(corpora: Sequence[Corpus], policy: Path | None, repetitions: int, *, as_json: bool) -> None:
    """What names in free text cost, each record once."""
    from benchmarks import names
    from benchmarks.measurement import measure, steps
    from benchmarks.tables import Section, document, show, write_json
    from engine.policy import load_policy

    loaded = load_policy(policy, ner=True)
    sections = []
    with cli.progress("measuring", len(corpora) * steps(4, repetitions)) as advance:
        for corpus in map(names.distinct, corpora):
            rows = measure(names.tasks(loaded, corpus), repetitions=repetitions, advance=advance)
            sections.append(Section.on(corpus, rows, pairs=names.PAIRS))
    if as_json:
        write_json(document(sections, rules=len(loaded.detector.rules)))
    else:
        show(sections, labels=names.LABELS)


def streamed(
    corpus: Corpus,
    policy: Path | None,
    broker: str | None,
    count: int | None,
    troubles: cli.Troubles,
    advance: Callable[[], None],
) -> dict[str, Row]:
    """The rows that need a broker; what is wrong with it is noted."""
    from benchmarks.measurement import Skipped, Task, measure
    from benchmarks.streams import failed_with, staged
    from detectors.errors import SluicegateError

    records = count or (STREAMED_KAFKA if (broker or "").startswith("kafka:") else STREAMED)
    try:
        with staged(broker) as stage:
            stage.fill(corpus.records, records)
            tasks = [
                Task("relay", stage.relay, stage.records, stage.bytes, once=True),
                Task("engine", lambda: stage.engine(policy), stage.records, stage.bytes, once=True),
            ]
            return measure(tasks, repetitions=STREAM_REPETITIONS, advance=advance)
    except SluicegateError as error:
        reason = failed_with(error, broker)
        troubles.note(reason)
        return {name: Skipped(name, reason) for name in ("relay", "engine")}


def summary(begun: Startup) -> str:
    """What the tables do not say, in a few lines."""
    memory = "" if begun.mb is None else f"; {begun.mb:.0f} MB of memory after work, without a broker's client"
    return (
        f"{begun.rules} rules. Start-up {begun.seconds:.2f} s with the gate in the cache, of these "
        f"{begun.policy_seconds:.2f} s for policy and rules{memory}."
    )
