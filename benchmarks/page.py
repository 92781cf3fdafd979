"""One self-contained HTML page: figures, tables, and how they came about. Nothing is fetched and nothing runs in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class Part:
    """A section of the page. ``note`` says how to read it."""

    title: str
    body: Markup
    note: str = ""

    @property
    def anchor(self) -> str:
        """Where the section is on its page."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure that stands out: ``82``, ``%``, ``of Hyperscan alone``; ``note`` says more about it."""

    value: str
    unit: str
    name: str
    note: str = ""


def page(
    title: str, found: Mapping[str, Any], parts: Sequence[Part], *, method: str, tiles: Sequence[Tile] = ()
) -> str:
    """The page for what a command has found: `benchmarks.tables.header` gives its command, time and machine.

    ``method`` tells how it was measured: paragraphs, an empty line between them.
    """
    return _ENVIRONMENT.get_template("page.html").render(
        title=title, found=found, parts=parts, tiles=tiles, method=[one for one in method.split("\n\n") if one.strip()]
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str | Markup]]) -> Markup:
    """A table whose first column are names; the others are figures."""
    return Markup(_ENVIRONMENT.get_template("table.html").render(head=head, rows=rows))  # noqa: S704 (the template escapes)


def folded(summary: str, body: Markup) -> Markup:
    """What is shown when one asks for it."""
    return Markup("<details><summary>{}</summary>{}</details>").format(summary, body)


def command(words: str) -> Markup:
    """A command line."""
    return Markup("<pre>{}</pre>").format(words)


_ENVIRONMENT = Environment(
    loader=PackageLoader("benchmarks"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
