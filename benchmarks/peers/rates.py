"""How fast peers are, beside us: the same bytes, JSON in and JSON out, in the same run, taking turns.

A record that is not JSON is put into one, ``{"message": …}``, for all. Records are shuffled by seed, so that a slow
peer, which is given only the first of them, works on a fair sample. A peer times its own loop, in its own process, on
one core; what it costs to talk to it is not in its time. Ours is `benchmarks.core`: the whole catalogue, decisions on.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from benchmarks.core import PAIRS, Composition, Core, GateAlone, parse_task
from benchmarks.corpora import Corpus
from benchmarks.measurement import Measurement, MeasuringFailed, Row, Skipped, Task, Took, measure
from benchmarks.peers.known import DOZEN, PUBLISHED, NotInstalled, Peer
from benchmarks.peers.program import Program, write_corpus
from benchmarks.peers.published import dozen, published, write_peer_rules, write_policy
from benchmarks.tables import Section
from engine.policy import load_policy
from engine.policy.compiled import Policy

FIRST = 50  # records that tell about how fast a peer is
SECONDS = 0.5  # that a pass of a slow peer takes at most, about
COMPARED = 2000  # records whose output is looked at


def json_records(corpus: Corpus, seed: int) -> Corpus:
    """The records as JSON, shuffled."""
    records = [record if _is_json(record) else _wrapped(record) for record in corpus.records]
    random.Random(seed).shuffle(records)  # noqa: S311 (nothing here is to be kept from anybody)
    return Corpus(corpus.name, tuple(records), corpus.origin)


@dataclass(frozen=True)
class Effect:
    """What a tool did to records: how many it was given, changed, and failed on."""

    records: int
    changed: int
    failed: int

    @classmethod
    def of(cls, before: Sequence[bytes], after: Sequence[bytes | None]) -> Effect:
        """Compares JSON by its value: how it is written does not count, nor do digits that a float does not hold."""
        pairs = [(old, new) for old, new in zip(before, after, strict=True) if new is not None]
        changed = sum(old != new and _value(old) != _value(new) for old, new in pairs)
        return cls(len(before), changed, len(before) - len(pairs))

    def __str__(self) -> str:
        told = f"changes {self.changed / self.records:.1%}"
        return f"{told}, fails on {self.failed / self.records:.1%}" if self.failed else told


class Contestants:
    """Peers that run on one corpus: `tasks`, and `tools` by name. Those that cannot are `rows` that say why."""

    def __init__(self, corpus: Corpus, folder: Path) -> None:
        self.corpus = corpus
        self.rows: dict[str, Row] = {}
        self.tasks: list[Task] = []
        self.tools: dict[str, dict[str, Any]] = {}
        self._folder = folder
        self._file = folder / "corpus"
        write_corpus(self._file, corpus.records)

    def enter(self, peer: Peer, rules: Mapping[str, Path | NotInstalled], stack: ExitStack) -> None:
        """Starts it and finds out how much it can do, or notes why not."""
        try:
            given = rules.get(peer.rules, rules[DOZEN])
            if isinstance(given, NotInstalled):
                raise given
            program = stack.enter_context(Program(peer.command(), given, self._file, "json"))
            count = self._count(program)
            effect = None
            if not peer.detects:
                some = self.corpus.records[: min(count, COMPARED)]
                effect = Effect.of(some, program.write(len(some), self._folder / "out"))
        except MeasuringFailed as error:
            self.rows[peer.name] = Skipped(peer.name, str(error))
            return
        self.tools[peer.name] = {
            "tool": program.tool, "rules": program.rules, "refused": program.refused, "effect": effect
        }  # fmt: skip
        size = sum(map(len, self.corpus.records[:count]))

        def run() -> Took:
            worked = program.run(count)
            return Took(worked.seconds, worked.cpu)

        self.tasks.append(Task(peer.name, run, count, size))

    def _count(self, program: Program) -> int:
        """How many records it can work through in about `SECONDS`."""
        total = len(self.corpus.records)
        some = min(FIRST, total)
        program.run(some)
        seconds = program.run(some).seconds
        return max(some, min(total, int(some / max(seconds, 1e-9) * SECONDS)))

    def note(self, name: str) -> str:
        """With how many rules, and to what effect."""
        told = self.tools[name]
        return f"{_counted(told['rules'], told['refused'])}, {told['effect'] or 'detects only'}"


@contextmanager
def contestants(corpus: Corpus, peers: Sequence[Peer], advance: Callable[[], None]) -> Iterator[Contestants]:
    """All of ``peers``, running on ``corpus``, until the end of the context."""
    with TemporaryDirectory(prefix="sluicegate-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        entered = Contestants(corpus, folder)
        rules = peer_rules(folder)
        for peer in peers:
            entered.enter(peer, rules, stack)
            advance()
        yield entered


def peer_rules(folder: Path) -> dict[str, Path | NotInstalled]:
    """The rule files of peers; or why there is none."""
    out: dict[str, Path | NotInstalled] = {DOZEN: folder / "dozen.json"}
    write_peer_rules(folder / "dozen.json", dozen())
    try:
        rules = published()
    except NotInstalled as error:
        out[PUBLISHED] = error
    else:
        write_peer_rules(folder / "published.json", rules)
        out[PUBLISHED] = folder / "published.json"
    return out


class Ours:
    """What stands beside the peers: our core with ``policy`` and with the published rules alone, and the limits."""

    def __init__(self, policy: Policy) -> None:
        self._core, self._gate, self._rules = Core(policy), GateAlone(policy), len(policy.detector.rules)
        self._published: Core | NotInstalled
        self._published_rules = ""
        try:
            rules = published()
        except NotInstalled as error:
            self._published = error
            return
        with TemporaryDirectory(prefix="sluicegate-bench-") as name:
            path, refused = write_policy(Path(name), rules)
            self._published = Core(load_policy(path, prove=False))
        self._published_rules = _counted(len(rules) - len(refused), refused)

    def tasks(self, corpus: Corpus) -> tuple[list[Task], dict[str, Row]]:
        """What is timed, and the rows that cannot be."""
        tasks = [self._core.task("core", corpus), self._gate.task("gate", corpus)]
        skipped: dict[str, Row] = {}
        if isinstance(self._published, Core):
            tasks.append(self._published.task(OURS_PUBLISHED, corpus))
        else:
            skipped[OURS_PUBLISHED] = Skipped(OURS_PUBLISHED, str(self._published))
        parse = parse_task("parse", corpus)
        return [*tasks, *([parse] if parse else [])], skipped

    def notes(self, corpus: Corpus) -> dict[str, str]:
        """With how many rules, and how many records are not clean."""
        told = {"core": f"{self._rules} rules, {_share(self._core, corpus)}"}
        if isinstance(self._published, Core):
            told[OURS_PUBLISHED] = f"{self._published_rules}, {_share(self._published, corpus)}"
        return told


OURS_TASKS = 4
OURS_PUBLISHED = "core-published"
LABELS = {
    "core": "Sluicegate, JSON in, outcomes out",
    OURS_PUBLISHED: "Sluicegate, the published rules alone",
    "gate": "gate: Hyperscan alone",
    "parse": "parse: orjson loads + dumps",
}


@dataclass(frozen=True)
class Contest:
    """What came of one corpus: its figures, what each row is, and the tools by name."""

    section: Section
    labels: dict[str, str]
    tools: dict[str, dict[str, Any]]

    @classmethod
    def held(
        cls, ours: Ours, peers: Sequence[Peer], corpus: Corpus, *, repetitions: int, advance: Callable[[], None]
    ) -> Contest:
        """Times ours and all ``peers`` on ``corpus``, taking turns."""
        tasks, rows = ours.tasks(corpus)
        notes = ours.notes(corpus)
        with contestants(corpus, peers, advance) as entered:
            measured = measure([*tasks, *entered.tasks], repetitions=repetitions, advance=advance)
            notes |= {name: entered.note(name) for name in entered.tools}
        every = entered.rows | {
            name: replace(row, note=notes.get(name, "")) if isinstance(row, Measurement) else row
            for name, row in measured.items()
        }
        pairs = [("core", f"peer:{peer.name}") for peer in peers]
        pairs += [(OURS_PUBLISHED, f"peer:{peer.name}") for peer in peers if peer.rules == PUBLISHED or peer.detects]
        section = Section.on(
            corpus,
            rows | {task.name: every[task.name] for task in tasks},
            peers={peer.name: every[peer.name] for peer in peers},
            pairs=(*PAIRS, *pairs),
        )
        whats = LABELS | {peer.name: f"{peer.name}: {peer.what}" for peer in peers}
        labels = {name: f"{what}\n[dim]{notes[name]}[/dim]" if name in notes else what for name, what in whats.items()}
        return cls(section, labels, entered.tools)


def _share(core: Core, corpus: Corpus) -> str:
    return f"changes {Composition.of(core, corpus).as_json()['hits']:.1%}"


def _counted(used: int, refused: Sequence[str]) -> str:
    told = f"{used} rule{'s' if used != 1 else ''}"
    return f"{told} ({len(refused)} refused)" if refused else told


def _is_json(record: bytes) -> bool:
    try:
        orjson.loads(record)
    except orjson.JSONDecodeError:
        return False
    return True


def _wrapped(record: bytes) -> bytes:
    return orjson.dumps({"message": record.decode("utf-8", "replace")})


def _value(record: bytes) -> Any:
    try:
        return orjson.loads(record)
    except orjson.JSONDecodeError:
        return record
