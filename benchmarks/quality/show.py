"""Figures of quality as tables, and offenders as lines."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click
from rich.table import Table

from benchmarks.quality.rows import LabelledSet
from benchmarks.quality.scoring import TROUBLES, Score
from benchmarks.quality.tools import OURS
from benchmarks.tables import console_for

CONTEXT = 30  # characters shown on each side of an offender


@dataclass(frozen=True)
class Judged:
    """One tool on one set: its figures and how long it took, or why there are none."""

    tool: str
    score: Score | None
    seconds: float = 0.0
    skipped: str = ""

    def as_json(self) -> dict[str, Any]:
        """For files."""
        if self.score is None:
            return {"skipped": self.skipped}
        rows = self.score.rows.total()
        return {**self.score.as_json(), "records_per_s": round(rows / max(self.seconds, 1e-9), 1)}


Column = tuple[str, Callable[[Mapping[str, Any]], str]]

COLUMNS: tuple[Column, ...] = (
    ("precision", lambda f: percent(f["overlapping"]["precision"])),
    ("recall", lambda f: percent(f["overlapping"]["recall"])),
    ("F1", lambda f: percent(f["overlapping"]["f1"])),
    ("exact", lambda f: percent(f["exact"]["f1"])),
    ("typed", lambda f: percent(f["typed"]["f1"]) if f.get("tells_labels", True) else "–"),
    ("clean", lambda f: percent(f["clean"])),
    ("leaked", lambda f: f"{f['leaked']:,}" if f["spans"] else "–"),
)
MORE: tuple[Column, ...] = (
    ("no spans", lambda f: percent(f["unspanned_changed"])),
    ("negatives", lambda f: percent(f["negatives_changed"])),
    ("raw/10k", lambda f: _number(f["raw_changed_per_10k"])),
    ("alarms/10k", lambda f: _number(f["false_alarms_per_10k"])),
    ("lost", lambda f: f"{f['lost']:,}"),
    ("rec/s", lambda f: f"{f['records_per_s']:,.0f}"),
)
"""What the table shows, and how; the JSON holds more. The first three are of replacements that touch a value; exact and
typed are F1; no spans, negatives and raw are the rows of that kind that were changed."""


def show(judged_set: LabelledSet, judged: Sequence[Judged], *, by: str | None) -> None:
    """A table of all tools on one set; ``by`` entity or family, one of ours in parts as well."""
    rows = judged_set.rows
    spans = sum(len(row.spans or ()) for row in rows if row.kind == "positive")
    title = f"{judged_set.name}: {len(rows):,} rows, {spans:,} labelled values"
    found = {one.tool: one.as_json() for one in judged}
    _print(title, "", found, (*COLUMNS, *MORE))
    ours = found.get(OURS, {})
    if left_out := ours.get("left_out"):
        click.echo("left out, no credential: " + ", ".join(f"{n:,} {what}" for what, n in left_out.items()))
    if by and "skipped" not in ours:
        parts = ours["entities" if by == "entity" else "families"]
        values: tuple[Column, ...] = (("values", lambda f: f"{f['spans']:,}"), *COLUMNS)
        _print(f"{judged_set.name}, {OURS} by {by}", by, parts, values)


def offenders(judged_set: LabelledSet, judged: Judged, *, count: int, text: bool) -> None:
    """The first rows to look at: where, which label, which rules; their text only if asked for."""
    if judged.score is None or not count:
        return
    by_line = {row.line: row for row in judged_set.rows}
    last = ""
    for one in judged.score.first(count):
        if one.trouble != last:
            total = sum(other.trouble == one.trouble for other in judged.score.offenders)
            click.echo(f"{judged.tool} on {judged_set.name}: {TROUBLES[one.trouble]}, {min(count, total)} of {total:,}")
            last = one.trouble
        rules = f"; fired: {', '.join(one.rules)}" if one.rules else ""
        click.echo(f"  {judged_set.path}:{one.line} at {one.start}-{one.end} {one.label}{rules}")
        if text:
            row = by_line[one.line].text
            shown = row[max(0, one.start - CONTEXT) : one.start], row[one.start : one.end], row[one.end :][:CONTEXT]
            click.echo("    {}«{}»{}".format(*(repr(part)[1:-1] for part in shown)))
    click.echo("")


def _print(title: str, head: str, found: Mapping[str, Mapping[str, Any]], columns: Sequence[Column]) -> None:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column(head, min_width=14)
    for name, _ in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for name, figures in found.items():
        if "skipped" in figures:
            table.add_row(f"{name}\n[dim]{figures['skipped']}[/dim]", *["–"] * len(columns))
        else:
            table.add_row(name, *(shown(figures) for _, shown in columns))
    console = console_for(sys.stdout)
    console.width = max(console.width, 150)
    console.print(table, crop=False)


def percent(value: float | None) -> str:
    """A share as people write it."""
    return "–" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"
