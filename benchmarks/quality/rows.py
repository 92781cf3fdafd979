"""Labelled texts: NDJSON, a row a line, ``{"text", "spans": [[start, end, label], …], "kind", "label", "source"}``.

Offsets count code points; ``end`` is behind the last one. ``kind`` says what the row is good for:

- ``positive``: what is labelled is to be found. With ``spans`` (all there is to find) each span counts; without, the
  row counts as found where anything of it was replaced.
- ``negative``: looks like ``label`` and is not.
- ``raw``: a line of a real log, with nothing in it that is known.

Without ``kind`` a row with spans is positive, one with an empty list negative, any other raw.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from detectors.errors import ConfigError

Span = tuple[int, int, str]
KINDS = ("positive", "negative", "raw")


@dataclass(frozen=True, slots=True)
class Labelled:
    """One row. ``line`` is where it stands in its file, from 1; ``spans`` is None where they are not known.

    ``elsewhere`` are the spans that other rows of the file label in the same text: nothing to be found here, and no
    loss where it is replaced.
    """

    line: int
    text: str
    kind: str
    label: str
    spans: tuple[Span, ...] | None
    elsewhere: tuple[Span, ...] = ()

    def __repr__(self) -> str:  # never the text
        return f"Labelled(line {self.line}, {self.kind}, {self.label})"


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """The rows of one file."""

    name: str
    path: str
    rows: tuple[Labelled, ...]


def read(path: Path, *, sample: int | None = None, seed: int = 1) -> LabelledSet:
    """The rows of a file, or ``sample`` of them by ``seed``, in order. Raises ConfigError that names the line."""
    try:
        lines = [(n, line) for n, line in enumerate(path.read_bytes().split(b"\n"), 1) if line.strip()]
    except OSError as error:
        raise ConfigError(f"cannot be read: {(error.strerror or 'failed').lower()}", file=str(path)) from None
    if not lines:
        raise ConfigError("is empty: there is no row in it", file=str(path))
    if sample is not None and sample < len(lines):
        chosen = random.Random(seed).sample(range(len(lines)), sample)  # noqa: S311 (nothing is to be kept from anybody)
        lines = [lines[n] for n in sorted(chosen)]
    return LabelledSet(path.stem, str(path), tuple(_together([_row(path, number, line) for number, line in lines])))


def _together(rows: list[Labelled]) -> Iterator[Labelled]:
    """The rows, each with what others label in the same text."""
    by_text: dict[str, list[Span]] = {}
    for row in rows:
        by_text.setdefault(row.text, []).extend(row.spans or ())
    for row in rows:
        others = tuple(span for span in by_text[row.text] if span not in (row.spans or ()))
        yield replace(row, elsewhere=others) if others else row


def _row(path: Path, number: int, line: bytes) -> Labelled:
    def wrong(what: str) -> ConfigError:
        return ConfigError(f"line {number} {what}", file=str(path))

    try:
        row = json.loads(line)
    except ValueError:  # nothing of the line: it may hold anything
        raise wrong('is not JSON; a row is {"text": …, "spans": [[start, end, label], …]}') from None
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        raise wrong('has no "text"')
    text, spans = row["text"], row.get("spans")
    if spans is not None and not (isinstance(spans, list) and all(_is_span(one, len(text)) for one in spans)):
        raise wrong("has spans that are not [start, end, label] within its text, in code points")
    kind = row.get("kind") or ("raw" if spans is None else "positive" if spans else "negative")
    if kind not in KINDS:
        raise wrong(f"has a kind that is none of {', '.join(KINDS)}")
    label = row.get("label")
    found = None if spans is None else tuple((start, end, name) for start, end, name in spans)
    return Labelled(number, text, kind, label if isinstance(label, str) else "", found)


def _is_span(span: Any, size: int) -> bool:
    return (
        isinstance(span, list)
        and len(span) == 3
        and all(isinstance(offset, int) for offset in span[:2])
        and isinstance(span[2], str)
        and 0 <= span[0] < span[1] <= size
    )
