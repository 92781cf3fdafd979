"""`sluicegate bench peers`: other tools beside ours."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks import cli
from benchmarks.peers.known import PEERS

NAMES = [peer.name for peer in PEERS]


@click.command()
@cli.inputs_option
@cli.seed_option
@cli.records_option
@cli.repetitions_option
@cli.rules_option
@cli.policy_option
@click.option("--only", multiple=True, type=click.Choice(NAMES), help="This peer; may be given several times.")
@click.option("--build", "wanted", is_flag=True, help="First make what is missing: takes minutes, and a network.")
@click.option("--jobs", type=click.IntRange(1), help="How many compilers run at once while building.")
@cli.json_option
def peers(
    inputs: tuple[Path, ...],
    seed: int,
    records: int | None,
    repetitions: int,
    rules: int,
    policy: Path | None,
    only: tuple[str, ...],
    wanted: bool,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Measure other redactors and scanners on the same bytes, taking turns with ours.

    Peers are programs in other languages and Python packages; none is needed. --build makes them in a cache folder,
    with cargo, go and pip, as far as these are there; a peer that is missing says how to have it. core is ours with
    the whole catalogue and decisions on; core-published is ours with the rules that gitleaks publishes.

    \b
    Examples:
      sluicegate bench peers --build
      sluicegate bench peers --only vrl --only dd-sds --input activity.ndjson --json
    """
    from benchmarks.measurement import steps
    from benchmarks.padding import padded_policy
    from benchmarks.peers.build import build
    from benchmarks.peers.rates import OURS_TASKS, Contest, Ours, json_records
    from benchmarks.tables import document, show, write_json

    troubles = cli.Troubles()
    if wanted:
        for part, error in build(jobs=jobs):
            if error is None:
                click.echo(f"{part}: built", err=True)
            else:
                troubles.note(f"{part}: {error}")
    chosen = [peer for peer in PEERS if not only or peer.name in only]
    corpora = [json_records(one, seed) for one in cli.chosen(inputs, troubles, seed=seed, records=records)]
    with padded_policy(policy, rules) as (_, loaded):
        ours = Ours(loaded)
        total = len(corpora) * (len(chosen) + steps(OURS_TASKS + len(chosen), repetitions))
        with cli.progress("measuring", total) as advance:
            contests = [
                Contest.held(ours, chosen, corpus, repetitions=repetitions, advance=advance) for corpus in corpora
            ]
    if as_json:
        found = document([one.section for one in contests], rules=len(loaded.detector.rules))
        for one, contest in zip(found["corpora"], contests, strict=True):
            one["tools"] = contest.tools
        write_json(found)
    else:
        for contest in contests:
            show([contest.section], labels=contest.labels)
    troubles.exit()
