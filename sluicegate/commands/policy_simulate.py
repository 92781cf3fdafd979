"""`sluicegate policy simulate`: what a policy would have done with the requests of the past."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

if TYPE_CHECKING:
    from approvals.simulate import Trial
    from engine.ledger.codec import LedgerMessage

_EMPTY = 3  # times that a reader has nothing more, until that is believed


@click.command()
@click.argument("file", metavar="POLICY", type=click.Path(dir_okay=False, path_type=Path))
@click.option("-c", "--config", type=click.Path(dir_okay=False, path_type=Path), help="Read the topics it names.")
@click.option(
    "--messages",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Or a file of requests and verdicts, one JSON record a line.",
)
@click.option("--people", type=click.Path(dir_okay=False, path_type=Path), help="To count the votes that were cast.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a request, unchanged ones too.")
def simulate(file: Path, config: Path | None, messages: Path | None, people: Path | None, *, as_json: bool) -> None:
    """Run a POLICY over past requests, and show what would have been different.

    Requests are sanitized: a condition on text that was redacted may decide otherwise on the record itself.
    What the policy in force let pass was never a request, and is not looked at.

    \b
    Examples:
      sluicegate policy simulate stricter.yaml -c sluicegate.yaml
      sluicegate policy simulate stricter.yaml -c sluicegate.yaml --people people.yaml --json | jq .changes
    """
    from approvals.people import load_people
    from approvals.simulate import pasts
    from approvals.simulate import simulate as simulated
    from approvals.web.text import plain
    from engine.policy.load import load_policy

    if (config is None) == (messages is None):
        raise click.UsageError("say where to look: -c CONFIG or --messages FILE")
    policy = load_policy(file)
    roster = load_people(people) if people is not None else None
    found = pasts(_in_file(messages) if messages is not None else _in_topics(config))  # type: ignore[arg-type]
    trials = [simulated(past, policy, roster) for past in found]
    for trial in trials:
        if as_json:
            click.echo(orjson.dumps(_as_json(trial)))
        elif trial.changes:
            request = trial.past.request
            click.echo(plain(f"{request.request_id[:12]}  {request.action} on {request.resource or 'nothing named'}"))
            for change in trial.changes:
                click.echo(plain(f"  {change}"))
    click.echo(_summary(trials), err=as_json)


def _summary(trials: list[Trial]) -> str:
    effects = Counter(trial.effect for trial in trials if trial.changes)
    changed = sum(effects.values())
    told = {"review": "reviewed otherwise", "deny": "denied at once", "allow": "let pass"}
    parts = [f"{effects[effect]} {told[effect]}" for effect in sorted(effects)]
    return f"{len(trials)} requests, {changed} would be different" + (f": {', '.join(parts)}" if parts else "")


def _as_json(trial: Trial) -> dict[str, object]:
    request, verdict = trial.past
    return {
        "request_id": request.request_id,
        "created": request.created,
        "action": request.action,
        "was": {"rule_id": request.rule_id, "verdict": verdict.verdict if verdict else None},
        "would": {"effect": trial.effect, "rule_id": trial.rule_id},
        "changes": list(trial.changes),
    }


def _in_file(path: Path) -> Iterator[LedgerMessage]:
    from engine.ledger.codec import LedgerError, decode

    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if b'"ReviewRequest"' in line or b'"Verdict"' in line:
                try:
                    yield decode(line.strip())
                except LedgerError as error:
                    raise click.ClickException(f"{path}, line {number}: {error}") from None


def _in_topics(config: Path) -> Iterator[LedgerMessage]:
    from engine.config import load_config
    from engine.connect import connect
    from engine.ledger.codec import LedgerError, decode

    loaded = load_config(config)
    topics = sorted({name for topic in loaded.file.topics for name in (topic.approvals, topic.decisions)})
    with connect(loaded) as broker:
        reader = broker.reader(topics)
        empty = 0
        try:
            while empty < _EMPTY:
                records = reader.poll(1000, 0.2)
                empty = 0 if records else empty + 1
                for record in records:
                    if record.value:
                        try:
                            yield decode(record.value)
                        except LedgerError as error:
                            click.echo(f"sluicegate: passed over {record.position}: {error}", err=True)
        finally:
            reader.close()
