"""The core alone, and its limits on the same bytes in the same process.

- *core*: bytes in, outcomes out, with decisions on. Values become records, `engine.sanitizer` gives an outcome for
  each, and the decision entries that account for them are encoded as they are for Kafka. Batches are those of the
  engine. No broker.
- *gate*: Hyperscan alone, as the core calls it: all patterns over the same bytes, in the form that costs least
  (each pattern reported once, no start of match). What a record without hits cannot cost less than.
- *parse*: `orjson.loads` and `orjson.dumps` of each record: what reading structure costs at least.

The core and the gate are measured a second time on the records without findings, where their ratio says how much
of the time is ours.
"""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, repeat
from typing import Any

import orjson

from benchmarks.corpora import Corpus
from benchmarks.measurement import Row, Skipped, Task
from engine.config import Batch
from engine.ledger.codec import encode
from engine.ledger.model import DecisionBatch, OutcomeKind
from engine.outcomes import Outcome
from engine.policy.compiled import Policy
from engine.records import ActivityRecord, Position
from engine.routing import entries, kind
from engine.sanitizer import Sanitizer
from engine.startup import GC_THRESHOLD

TOPIC = "activity"
KEY = bytes(range(32))  # binds decisions; a benchmark has nothing to protect
BATCH = Batch().records
_new = tuple.__new__  # a named tuple made by its own name runs a function of Python

CLEAN, GATE_CLEAN = "core_clean", "gate_clean"
LABELS = {
    "core": "core: bytes in, outcomes out",
    "gate": "gate: Hyperscan alone",
    "parse": "parse: orjson loads + dumps",
    CLEAN: "core, records without findings",
    GATE_CLEAN: "gate, records without findings",
}
PAIRS = (("core", "gate"), (CLEAN, GATE_CLEAN), ("core", "parse"))


class Core:
    """The pure core under ``policy``."""

    def __init__(self, policy: Policy) -> None:
        self._sanitizer = Sanitizer(policy, secret=KEY)
        gc.set_threshold(*GC_THRESHOLD)  # as a worker does

    def sanitize(self, values: Sequence[bytes], first: int = 0) -> list[Outcome]:
        """Outcomes for one batch; ``first`` is its first offset."""
        now = time.time_ns() // 1_000_000
        # Field by field, as from Kafka.
        positions = map(_new, repeat(Position), zip(repeat(TOPIC), repeat(0), count(first)))
        fields = zip(positions, repeat(None), values, repeat(()), repeat(now))
        return self._sanitizer.sanitize(list(map(_new, repeat(ActivityRecord), fields)), now)

    def accounted(self, values: Sequence[bytes], first: int = 0) -> int:
        """One batch, decisions and all: how many bytes its decision entries have."""
        outcomes = self.sanitize(values, first)
        batch = DecisionBatch(self._sanitizer.digest, "bench", 0, tuple(entries(outcomes)))
        return len(encode(batch))

    def task(self, name: str, corpus: Corpus) -> Task:
        """One pass of the core over ``corpus``."""
        batches = [(number * BATCH, list(values)) for number, values in enumerate(_batched(corpus.records))]

        def run() -> None:
            for first, values in batches:
                self.accounted(values, first)

        return Task(name, run, len(corpus.records), corpus.size)


@dataclass(frozen=True)
class Composition:
    """What the core makes of a corpus: records by outcome, those without findings, and whether each goes on."""

    outcomes: dict[str, int]
    clean: Corpus
    passes: tuple[bool, ...]

    @classmethod
    def of(cls, core: Core, corpus: Corpus) -> Composition:
        """By running it once."""
        kinds = [kind(one) for values in _batched(corpus.records) for one in core.sanitize(list(values))]
        clean = [value for value, one in zip(corpus.records, kinds, strict=True) if one is OutcomeKind.CLEAN]
        passes = tuple(one in (OutcomeKind.CLEAN, OutcomeKind.REDACTED) for one in kinds)
        return cls(dict(Counter(map(str, kinds))), Corpus(f"{corpus.name}, clean", tuple(clean), corpus.origin), passes)

    def as_json(self) -> dict[str, Any]:
        """For files: also the share of records that were not clean."""
        total = sum(self.outcomes.values())
        return {"outcomes": self.outcomes, "hits": round(1 - self.outcomes.get("clean", 0) / total, 4)}


class GateAlone:
    """The gate of a policy, and nothing else."""

    def __init__(self, policy: Policy) -> None:
        self._gate = policy.detector.gate

    def task(self, name: str, corpus: Corpus) -> Task:
        """``corpus``, in the batches of the core."""
        gate = self._gate
        batches = [list(values) for values in _batched(corpus.records)]

        def run() -> None:
            for values in batches:
                gate.hits_of_each(values)

        return Task(name, run, len(corpus.records), corpus.size)


def parse_task(name: str, corpus: Corpus) -> Task | None:
    """Parsing and writing the records that are JSON; None if none is."""
    documents = corpus.only(corpus.name, _is_json)
    if not documents.records:
        return None

    def run() -> None:
        loads, dumps = orjson.loads, orjson.dumps
        for record in documents.records:
            dumps(loads(record))

    return Task(name, run, len(documents.records), documents.size)


def tasks(core: Core, gate: GateAlone, corpus: Corpus, clean: Corpus) -> tuple[list[Task], dict[str, Row]]:
    """What is timed on ``corpus`` and on its ``clean`` records, and the rows that cannot be."""
    found, skipped = [core.task("core", corpus), gate.task("gate", corpus)], dict[str, Row]()
    if (parse := parse_task("parse", corpus)) is not None:
        found.append(parse)
    else:
        skipped["parse"] = Skipped("parse", "no record of this corpus is JSON")
    if clean.records:
        found += [core.task(CLEAN, clean), gate.task(GATE_CLEAN, clean)]
    return found, skipped


def _is_json(record: bytes) -> bool:
    try:
        orjson.dumps(orjson.loads(record))
    except (orjson.JSONDecodeError, TypeError):
        return False
    return True


def _batched(records: Sequence[bytes]) -> list[Sequence[bytes]]:
    return [records[at : at + BATCH] for at in range(0, len(records), BATCH)]
