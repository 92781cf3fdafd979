"""`sluicegate bench quality`: what is found, missed and harmed, on labelled texts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks import cli
from detectors.errors import ConfigError

if TYPE_CHECKING:
    from benchmarks.quality.rows import LabelledSet
    from engine.policy.compiled import Policy


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
@cli.policy_option
@click.option("--peers", "with_peers", is_flag=True, help="Also every peer that is installed; see `bench peers`.")
@click.option(
    "--ner", is_flag=True, help="Names alone: ours in every text, without its gate, and Presidio with our model."
)
@click.option("--labels", type=click.Path(dir_okay=False, path_type=Path), help="YAML: which labels mean the same.")
@click.option(
    "--secrets",
    is_flag=True,
    help="Of a span that covers an assignment or URL, only its secret, of 6 characters or more.",
)
@click.option(
    "--credentials",
    is_flag=True,
    help="The same, and no span that is a host, an id, a user name, an attribute, a reference or a placeholder.",
)
@click.option("--by", type=click.Choice(["entity", "family"]), help="Also a table of ours in parts.")
@click.option("--sample", type=click.IntRange(1), help="So many rows of each file, by seed.  [default: all]")
@cli.seed_option
@click.option("--offenders", "count", default=3, show_default=True, help="Rows listed of each kind of trouble of ours.")
@click.option("--show-text", is_flag=True, help="With their text, which may hold secrets.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Also write a page with plots.")
@cli.json_option
def quality(  # noqa: PLR0915 - a list of steps
    files: tuple[Path, ...],
    policy: Path | None,
    with_peers: bool,
    ner: bool,
    labels: Path | None,
    secrets: bool,
    credentials: bool,
    by: str | None,
    sample: int | None,
    seed: int,
    count: int,
    show_text: bool,
    html: Path | None,
    as_json: bool,
) -> None:
    """Measure what is found, missed and harmed, on labelled NDJSON files.

    A row is {"text": …, "spans": [[start, end, label], …]}, offsets in code points; "kind" positive, negative or raw
    and "label" are optional. precision, recall and F1 are of replacements that touch a labelled value; exact ones
    cover it and no more, typed ones bear a label that means the same. clean values are gone, and little else is;
    leaked ones can still be read, decoded too. False alarms are raw lines in which something other than an e-mail
    address, IP, MAC or phone number was replaced.

    \b
    Examples:
      sluicegate bench quality labelled.ndjson
      sluicegate bench quality --ner labelled.ndjson
      sluicegate bench quality --credentials scanner-cases.ndjson
      sluicegate bench quality --peers --by entity --html quality.html labelled.ndjson other.ndjson
    """
    from benchmarks.measurement import MeasuringFailed
    from benchmarks.quality import rows, tools
    from benchmarks.quality.labels import Labels
    from benchmarks.quality.scoring import Score
    from benchmarks.quality.show import Judged, offenders, show
    from benchmarks.tables import header, write_json
    from engine.policy import load_policy

    troubles = cli.Troubles()
    if html is not None:
        html.touch()  # rather now than after an hour
    meanings = Labels.read(labels)
    loaded = load_policy(policy, ner=True if ner else None)
    sets = []
    for path in files:
        try:
            sets.append(rows.read(path, sample=sample, seed=seed))
        except ConfigError as error:
            if len(files) == 1:
                raise
            troubles.note(error)
    if ner:
        _names(sets, loaded, as_json=as_json)
        troubles.exit()
        return
    chosen = [tools.ours(loaded)]
    missing = []
    for peer in tools.peers() if with_peers else ():
        try:
            chosen.append(tools.tool_of(peer))
        except MeasuringFailed as error:
            missing.append(Judged(peer.name, None, skipped=str(error)))

    found = {}
    with cli.progress("measuring", len(sets) * len(chosen)) as advance:
        for one in sets:
            judged = []
            for tool in chosen:
                try:
                    results, seconds = tool.run([row.text for row in one.rows])
                except MeasuringFailed as error:
                    judged.append(Judged(tool.name, None, skipped=str(error)))
                else:
                    score = Score(meanings, secrets=secrets or credentials, credentials=credentials)
                    for row, result in zip(one.rows, results, strict=True):
                        score.add(row, result)
                    judged.append(Judged(tool.name, score, seconds))
                advance()
            found[one.path] = [*judged, *missing]
    document = header() | {
        "rules": len(loaded.detector.rules),
        "sets": [
            {
                "name": one.name,
                "path": one.path,
                "rows": len(one.rows),
                "tools": {judged.tool: judged.as_json() for judged in found[one.path]},
            }
            for one in sets
        ],
    }
    if html is not None:
        from benchmarks.quality.report import report

        html.write_text(report(document), encoding="utf-8")
    if as_json:
        write_json(document)
    else:
        for one in sets:
            show(one, found[one.path], by=by)
            offenders(one, found[one.path][0], count=count, text=show_text)
    troubles.exit()


def _names(sets: list[LabelledSet], policy: Policy, *, as_json: bool) -> None:
    """Prints the figures on names."""
    from rich.table import Table

    from benchmarks.quality import names
    from benchmarks.tables import console_for, header, write_json

    chosen = names.tools(policy)
    found = []
    with cli.progress("measuring", len(sets) * len(chosen)) as advance:
        for one in sets:
            for tool in chosen:
                found.append({"set": one.name, "tool": tool.name, **names.measure(one, tool)})
                advance()
    if as_json:
        write_json(header() | {"model": policy.names.model.id if policy.names else None, "names": found})
        return
    table = Table(title="Persons", title_justify="left", title_style="bold")
    for number, column in enumerate(names.COLUMNS):
        table.add_column(column, justify="left" if number < 2 else "right")
    for figures in found:
        table.add_row(*names.line(figures))
    console = console_for(sys.stdout)
    console.width = max(console.width, 150)
    console.print(table, crop=False)
