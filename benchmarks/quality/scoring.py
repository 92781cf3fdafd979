"""The figures. What a tool did is told from its output alone (`benchmarks.quality.alignment`), so all are judged alike.

Of each labelled span of a positive row:

- *found, exactly*: one replacement covers it and nothing else; *overlapping*: one touches it. *Typed* ones have to
  bear a label that means the same (`benchmarks.quality.labels`).
- *leaked*: its text can still be read in the output, as it stands or in an encoding (`benchmarks.quality.leaks`).
- *clean*: its text is gone, at least `COVERED` of its letters and digits were replaced, and the row lost at most
  `HARM` of its text outside all spans. Blanking a whole message is not hiding a secret.

*Precision* is the share of replacements that find something, on rows whose spans are known; *recall* the share of
spans that are found. On positive rows without spans, negative and raw rows a record counts as *changed* if anything
of it was replaced. *Alarms* are raw rows where something was replaced that is no e-mail address, IP or MAC address or
phone number: these are really there, and replaced on purpose.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from benchmarks.quality.alignment import Edit, edits
from benchmarks.quality.credentials import no_credential
from benchmarks.quality.labels import Labels, label_of
from benchmarks.quality.leaks import readings
from benchmarks.quality.rows import Labelled, Span

COVERED = 0.8  # of a value's letters and digits
HARM = 0.2  # of the text outside all spans
SHORTEST = 4  # characters of a value that is looked for in encodings
SHORTEST_SECRET = 6  # characters; scanners' spans may be shorter where they miss their secret

Trouble = Literal["missed", "leaked", "harmed", "negative", "alarm", "lost"]
TROUBLES: dict[Trouble, str] = {
    "lost": "no output",
    "leaked": "can still be read",
    "missed": "not found",
    "harmed": "too much was lost around it",
    "negative": "changed, and is not what it looks like",
    "alarm": "false alarm on a raw line",
}

_EXPECTED = re.compile(
    r"""[\W_]*(?:
        [\w.+%-]+@[\w.-]+                                                               # an e-mail address
      | (?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:[:/]\d+)?  # IP, version 4
      | (?=[0-9a-f.:]*::|(?:[0-9a-f]+:){7})(?:[0-9a-f]{0,4}:){2,7}[0-9a-f.]*(?:%\w+|/\d+)?  # and 6
      | (?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}                                               # MAC
      | \+\d[\d() .-]{6,18}\d | \(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}                        # a phone number
    )[\W_]*""",
    re.IGNORECASE | re.VERBOSE,
)
_USERINFO = re.compile(r"://[^/\s:@]*:([^/\s@]+)@")
_ASSIGNED = re.compile(r"[\"']?[\w.-]{1,40}[\"']?\s*(?::=|=>|[:=])\s*[\"']?(\S{6,}?)[\"']?;?")


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool made of a row. ``output`` is None where there is none; ``rules`` are those that it says fired."""

    output: str | None
    rules: tuple[str, ...] = ()

    def __repr__(self) -> str:  # never the text
        return f"Result({'lost' if self.output is None else 'text'}, {self.rules})"


@dataclass(frozen=True, slots=True)
class Offender:
    """A row to look at: where it is, what went wrong, and which rules fired. ``start`` and ``end`` are in its text."""

    trouble: Trouble
    line: int
    label: str
    start: int
    end: int
    rules: tuple[str, ...]


@dataclass
class Found:
    """Counts of labelled spans and of replacements that match them."""

    spans: int = 0
    exact: int = 0
    overlapping: int = 0
    typed: int = 0  # overlapping, by a label that means the same
    clean: int = 0
    leaked: int = 0
    replaced: int = 0  # replacements that bear its label: all of them in a total
    replaced_exact: int = 0
    replaced_overlapping: int = 0
    replaced_typed: int = 0

    def add(self, other: Found) -> None:
        """Adds the counts of another."""
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def as_json(self) -> dict[str, Any]:
        """Shares from 0 to 1; None where there is nothing to take a share of."""
        return {
            "spans": self.spans,
            "exact": _prf(self.replaced_exact, self.replaced, self.exact, self.spans),
            "overlapping": _prf(self.replaced_overlapping, self.replaced, self.overlapping, self.spans),
            "typed": _prf(self.replaced_typed, self.replaced, self.typed, self.spans),
            "clean": share(self.clean, self.spans),
            "leaked": self.leaked,
        }


@dataclass
class Score:
    """All figures of one tool over some rows."""

    labels: Labels
    secrets: bool = False  # of a span that covers an assignment or a URL, only the secret counts; short ones do not
    credentials: bool = False  # spans that hold no credential are left out
    rows: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    total: Found = field(default_factory=Found)
    entities: dict[str, Found] = field(default_factory=lambda: defaultdict(Found))
    alarms: int = 0
    lost: int = 0
    left_out: Counter[str] = field(default_factory=Counter)  # spans that hold no credential, by what they are
    named: int = 0  # replacements that bear a label at all
    offenders: list[Offender] = field(default_factory=list)

    def add(self, row: Labelled, result: Result) -> None:
        """Counts one row."""
        kind = "unspanned" if row.kind == "positive" and not row.spans else row.kind
        self.rows[kind] += 1
        if result.output is None:
            self.lost += 1
            self._blame("lost", row, result, 0, len(row.text))
            return
        cuts = edits(row.text, result.output)
        self.changed[kind] += bool(cuts)
        if kind == "positive":
            self._spans(row, result, result.output, cuts)
        elif kind == "unspanned" and not cuts and row.label not in self.labels.ignored:
            self._blame("missed", row, result, 0, len(row.text))
        elif kind == "negative" and cuts:
            self._blame("negative", row, result, cuts[0].start, cuts[0].end)
        elif kind == "raw":
            odd = next((cut for cut in cuts if not _EXPECTED.fullmatch(row.text[cut.start : cut.end])), None)
            if odd is not None:
                self.alarms += 1
                self._blame("alarm", row, result, odd.start, odd.end)

    def _spans(self, row: Labelled, result: Result, output: str, cuts: Sequence[Edit]) -> None:
        spans = [self._core(row.text, span) for span in row.spans or ()]
        covered = bytearray(len(row.text))
        for start, end, _ in (*(row.spans or ()), *row.elsewhere):
            covered[start:end] = b"\1" * (end - start)
        outside = covered.count(0)
        harm = sum(covered[cut.start : cut.end].count(0) for cut in cuts) / outside if outside else 0.0
        blank = "".join("\0" if inside else letter for letter, inside in zip(row.text, covered, strict=True))
        without, after = readings(blank), readings(output)
        left = {row.text[start:end] for start, end, _ in spans if not _touching(cuts, start, end)}
        hits: Counter[Edit] = Counter()
        exact: set[Edit] = set()
        typed: set[Edit] = set()
        for span in spans:
            start, end, label = span
            touching = _touching(cuts, start, end)
            hits.update(touching)
            if label in self.labels.ignored or (self.secrets and end - start < SHORTEST_SECRET):
                continue
            if self.credentials and (reason := no_credential(row.text, start, end)) is not None:
                self.left_out[reason] += 1
                continue
            same = [cut for cut in touching if self._agree(label, cut)]
            whole = [cut for cut in touching if (cut.start, cut.end) == (start, end)]
            exact.update(whole)
            typed.update(same)
            value = row.text[start:end]
            leaked = not touching or (value not in left and _readable(value, after, without))
            solid = [n for n in range(start, end) if row.text[n].isalnum()] or list(range(start, end))
            cut_off = sum(any(cut.start <= n < cut.end for cut in touching) for n in solid) / len(solid)
            hidden = not leaked and cut_off >= COVERED
            one = Found(1, bool(whole), bool(touching), bool(same), hidden and harm <= HARM, leaked)
            self.total.add(one)
            self.entities[label].add(one)
            if not touching:
                self._blame("missed", row, result, start, end, label)
            elif leaked:
                self._blame("leaked", row, result, start, end, label)
            elif harm > HARM:
                self._blame("harmed", row, result, start, end, label)
        self._replacements([cut for cut in cuts if cut.end > cut.start], spans, hits, exact, typed)

    def _replacements(
        self, cuts: Sequence[Edit], spans: Sequence[Span], hits: Counter[Edit], exact: set[Edit], typed: set[Edit]
    ) -> None:
        """For precision: how many replacements find something, in all and by the label that they bear."""
        ignored = [(start, end) for start, end, label in spans if label in self.labels.ignored]
        wanted = {label for _, _, label in spans} - self.labels.ignored
        for cut in cuts:
            if any(cut.start < end and start < cut.end for start, end in ignored):
                continue
            one = Found(
                replaced=1,
                replaced_exact=cut in exact,
                replaced_overlapping=hits[cut] > 0,
                replaced_typed=cut in typed,
            )
            self.total.add(one)
            self.named += label_of(cut.new) is not None
            for label in self.entities.keys() | wanted:
                if self._agree(label, cut):
                    self.entities[label].add(one)

    def _agree(self, label: str, cut: Edit) -> bool:
        name = label_of(cut.new)
        return name is not None and self.labels.agree(label, name)

    def _core(self, text: str, span: Span) -> Span:
        start, end, label = span
        found = None
        if self.secrets:
            found = _USERINFO.search(text, start, end) or _ASSIGNED.fullmatch(text, start, end)
        return (found.start(1), found.end(1), label) if found else span

    def _blame(
        self, trouble: Trouble, row: Labelled, result: Result, start: int, end: int, label: str | None = None
    ) -> None:
        self.offenders.append(Offender(trouble, row.line, label or row.label, start, end, result.rules))

    def families(self) -> dict[str, Found]:
        """The counts by family."""
        out: dict[str, Found] = {}
        for label, found in self.entities.items():
            out.setdefault(self.labels.family(label), Found()).add(found)
        return out

    def as_json(self) -> dict[str, Any]:
        """For files. Shares are from 0 to 1; None where there is nothing to take a share of."""
        return {
            "rows": self.rows.total(),
            "lost": self.lost,
            **self.total.as_json(),
            "left_out": dict(sorted(self.left_out.items())),
            "unspanned": self.rows["unspanned"],
            "unspanned_changed": share(self.changed["unspanned"], self.rows["unspanned"]),
            "negatives": self.rows["negative"],
            "negatives_changed": share(self.changed["negative"], self.rows["negative"]),
            "raw": self.rows["raw"],
            "raw_changed_per_10k": _per_10k(self.changed["raw"], self.rows["raw"]),
            "false_alarms_per_10k": _per_10k(self.alarms, self.rows["raw"]),
            "tells_labels": self.named > 0,
            "families": {name: found.as_json() for name, found in sorted(self.families().items())},
            "entities": {name: found.as_json() for name, found in sorted(self.entities.items())},
        }

    def first(self, count: int) -> Iterator[Offender]:
        """The first ``count`` offenders of each trouble, the worst trouble first."""
        for trouble in TROUBLES:
            yield from [one for one in self.offenders if one.trouble == trouble][:count]


def share(part: int, whole: int) -> float | None:
    """``part`` of ``whole``, from 0 to 1."""
    return round(part / whole, 4) if whole else None


def _per_10k(part: int, whole: int) -> float | None:
    return round(10_000 * part / whole, 1) if whole else None


def _prf(right: int, replaced: int, found: int, spans: int) -> dict[str, float | None]:
    precision, recall = share(right, replaced), share(found, spans)
    f1 = None
    if precision is not None and recall is not None:
        f1 = round(2 * precision * recall / (precision + recall), 4) if precision + recall else 0.0
    return {"precision": precision, "recall": recall, "f1": f1}


def _readable(value: str, after: set[str], without: set[str]) -> bool:
    """Whether a value stands in some reading of the output, and in none of the text around the values."""
    if len(value) < SHORTEST:
        return False
    return any(value in one for one in after) and not any(value in one for one in without)


def _touching(cuts: Sequence[Edit], start: int, end: int) -> list[Edit]:
    return [cut for cut in cuts if cut.start < end and start < cut.end]
