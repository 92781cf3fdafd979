"""`sluicegate bench hostile`: texts that were made to be dear."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks import cli


@click.command()
@click.option("--bytes", "size", default=100_000, show_default=True, type=click.IntRange(1_000), help="Of each text.")
@click.option("--passes", default=3, show_default=True, type=click.IntRange(1, 1000), help="The shortest counts.")
@cli.policy_option
@cli.json_option
def hostile(size: int, passes: int, policy: Path | None, as_json: bool) -> None:
    """Measure what texts take that were made to be dear, as multiples of plain prose of the same length.

    \b
    Examples:
      sluicegate bench hostile
      sluicegate bench hostile --bytes 1000000 --json
    """
    from rich.console import Console
    from rich.table import Table

    from benchmarks.hostile import prices, texts
    from benchmarks.tables import header, write_json
    from engine.policy import load_policy

    loaded = load_policy(policy)
    with cli.progress("measuring", 2 * len(texts(size))) as advance:
        found = sorted(prices(loaded, size, passes, advance), key=lambda price: -price.core)
    if as_json:
        rules = len(loaded.detector.rules)
        write_json({**header(), "rules": rules, "bytes": size, "texts": [price.as_json() for price in found]})
        return
    table = Table("text", "form", *("ms", "times prose", "gate alone"), "outcome", "findings", box=None)
    for column in (2, 3, 4, 6):
        table.columns[column].justify = "right"
    for one in found:
        row = (one.text, one.form, f"{one.ms:,.2f}", f"{one.core:,.1f}", f"{one.gate:,.1f}", one.outcome)
        table.add_row(*row, f"{one.findings:,}")
    Console().print(table)
