"""Results: a table for people, and one JSON object for everything else.

The object has `core`, `gate`, `parse`, `relay`, `engine`, … (what was measured; each with `records_per_s`, `mb_per_s`,
`median_of`, `spread`, or `skipped` with the reason), `peers` (the same, by name) and `ratios`. With several corpora
it stands for all of them together, and `corpora` holds the same for each.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table

from benchmarks.corpora import Corpus
from benchmarks.machine import machine
from benchmarks.measurement import Measurement, Row, Skipped, combined, ratio

FORMAT = 1  # of the JSON object; raised when a reader of older ones would misread it


@dataclass(frozen=True)
class Section:
    """What was measured on one corpus. ``pairs`` are the ratios wanted, as (upper, lower) names of rows;
    ``peer:NAME`` is the row of a peer.
    """

    corpus: Mapping[str, Any]
    rows: Mapping[str, Row]
    peers: Mapping[str, Row] = field(default_factory=dict)
    pairs: Sequence[tuple[str, str]] = ()

    @classmethod
    def on(cls, corpus: Corpus, rows: Mapping[str, Row], **more: Any) -> Section:
        """The same, for a corpus at hand."""
        return cls(corpus.as_json(), rows, **more)

    @property
    def ratios(self) -> dict[str, float]:
        """By ``UPPER/LOWER``, as far as both were measured."""
        every = {**self.rows, **{f"peer:{name}": row for name, row in self.peers.items()}}
        found = {f"{upper}/{lower}": ratio(every, upper, lower) for upper, lower in self.pairs}
        return {name: round(value, 4) for name, value in found.items() if value is not None}

    def as_json(self) -> dict[str, Any]:
        """For files."""
        return {
            **{name: row.as_json() for name, row in self.rows.items()},
            "peers": {name: row.as_json() for name, row in self.peers.items()},
            "ratios": self.ratios,
        }


def together(sections: Sequence[Section]) -> Section:
    """All corpora as if they were one: what was measured on each of them."""
    if len(sections) == 1:
        return sections[0]

    def all_of(field_name: str) -> dict[str, Row]:
        every: list[Mapping[str, Row]] = [getattr(section, field_name) for section in sections]
        rows = {name: combined(name, [one[name] for one in every if name in one]) for name in every[0]}
        return {name: row for name, row in rows.items() if row is not None and all(name in one for one in every)}

    corpus = {
        "name": "all",
        "records": sum(section.corpus["records"] for section in sections),
        "bytes": sum(section.corpus["bytes"] for section in sections),
    }
    return Section(corpus, all_of("rows"), all_of("peers"), sections[0].pairs)


def document(sections: Sequence[Section], **more: Any) -> dict[str, Any]:
    """The object of ``--json``; ``more`` are the settings and whatever else a command has found."""
    return {
        **header(),
        **together(sections).as_json(),
        **more,
        "corpora": [{**one.corpus, **one.as_json()} for one in sections],
    }


def header() -> dict[str, Any]:
    """How the object of each command begins."""
    return {
        "format": FORMAT,
        "command": shlex.join(["sluicegate", *sys.argv[1:]]),
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine(),
    }


def write_json(found: Mapping[str, Any]) -> None:
    """To stdout, readable by people as well."""
    click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))


def show(sections: Sequence[Section], *, labels: Mapping[str, str] | None = None) -> None:
    """A table for each corpus, with its ratios below, to stdout. ``labels`` say what a row is."""
    console = console_for(sys.stdout)
    for section in sections:
        console.print(rendered(section, labels or {}), crop=False)
        if ratios := section.ratios:
            shown = "   ".join(
                f"{name.replace('peer:', '')} [bold]{value:.2f}[/bold]" for name, value in ratios.items()
            )
            console.print(f"ratios: {shown}\n", highlight=False, soft_wrap=True)


def rendered(section: Section, labels: Mapping[str, str]) -> Table:
    """One table; skipped rows say why."""
    corpus = section.corpus
    table = Table(
        title=f"{corpus['name']}: {corpus['records']:,} records, {corpus['bytes'] / 1e6:.1f} MB",
        title_justify="left",
        title_style="bold",
    )
    for name in ("", "records/s", "MB/s", "µs/record", "CPU µs", "spread"):
        table.add_column(name, justify="right" if name else "left", no_wrap=bool(name))
    for name, row in {**section.rows, **section.peers}.items():
        label = labels.get(name, name)
        if isinstance(row, Skipped):
            table.add_row(f"{label}\n[dim]{row.reason}[/dim]", *["–"] * 5)
        else:
            table.add_row(label, *_figures(row))
    return table


def _figures(row: Measurement) -> list[str]:
    cpu = row.cpu_us_per_record
    return [
        f"{row.records_per_s:,.0f}",
        f"{row.mb_per_s:,.1f}",
        f"{row.us_per_record:,.2f}",
        "–" if cpu is None else f"{cpu:,.2f}",
        f"±{row.spread / 2:.1%}",
    ]


def console_for(stream: Any) -> Console:
    """A terminal as wide as it is; a file is given room."""
    return Console(file=stream, width=None if stream.isatty() else 120)
