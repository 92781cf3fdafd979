"""One self-contained HTML page: figures, tables, and how they came about. Nothing is fetched and nothing runs in it."""

from __future__ import annotations

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


def page(title: str, found: Mapping[str, Any], parts: Sequence[Part], *, method: str) -> str:
    """The page for what a command has found: `benchmarks.tables.header` gives its command, time and machine.

    ``method`` tells how it was measured: paragraphs, an empty line between them.
    """
    return _ENVIRONMENT.get_template("page.html").render(
        title=title, found=found, parts=parts, method=[one for one in method.split("\n\n") if one.strip()]
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    """A table whose first column are names; the others are figures."""
    return Markup(_ENVIRONMENT.get_template("table.html").render(head=head, rows=rows))  # noqa: S704 (the template escapes)


_ENVIRONMENT = Environment(
    loader=PackageLoader("benchmarks"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
