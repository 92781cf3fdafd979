"""The gate: Hyperscan passes over raw bytes that say which patterns may match there.

Most records pass the gate in silence, and that is all that they cost. Patterns that are dear to look for and never
match without something cheap (a run of digits, a word) have a pass of their own, behind that trigger.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import compress, repeat
from typing import Any, NamedTuple

import hyperscan as hs

from detectors import gatecache
from detectors.glance import Helper, Hidden, Plan, Told, Trigger
from detectors.runs import within_stretches
from detectors.shapes import Shapes
from detectors.words import Words

Numbered = tuple[int, bytes]
"""A pattern and its id."""

_FLAGS = hs.HS_FLAG_DOTALL | hs.HS_FLAG_SINGLEMATCH
_MANY, _LONG = 5, 4000
"""So many patterns, or bytes of them, are kept. Less compiles in a moment, and a check of rules, one by one, would push
all else out."""


class Stage(NamedTuple):
    """Patterns that have a pass of their own, since each matches only in data that one of ``triggers`` matches in.

    What a glance has ``told`` says the same as the triggers, quicker; they are not looked for then.
    """

    triggers: Sequence[bytes]
    ids: Collection[int]
    told: Trigger | None = None


class _Pass(NamedTuple):
    """A pass behind a trigger, or where a glance ``told`` that it is worth it."""

    trigger: int
    told: Trigger | None
    database: hs.Database | None


class Gate:
    """Patterns compiled together. A pattern's id is its place in ``patterns``.

    ``patterns`` and the triggers of ``stages`` are regular expressions over bytes as Hyperscan reads them (no
    lookaround); what several ids share is looked for once. With a ``helper``, the ids of ``words`` hit by those lists
    of words and not by their patterns, and ``hidden`` and ``keyed`` are looked for as well, see `detectors.glance`.

    Raises ValueError naming the first pattern that does not compile. Usable from several threads.
    """

    def __init__(
        self,
        patterns: Sequence[bytes],
        stages: Sequence[Stage] = (),
        words: Mapping[int, Sequence[str]] | None = None,
        *,
        helper: Helper | None = None,
        hidden: Hidden | None = None,
        keyed: bytes | None = None,
    ) -> None:
        self.patterns = tuple(patterns)
        self._helper = helper
        numeric = frozenset[int]().union(*(stage.ids for stage in stages if stage.told == "numeric"))
        self._words = Words((words or {}) if helper is not None else {}, numeric)
        by_words = self._words.ids
        later = by_words.union(*(stage.ids for stage in stages))
        self._same: dict[int, list[int]] = {}  # further ids of a pattern, by the first
        first = dict(self._once([number for number in range(len(patterns)) if number not in later]))
        behind = [dict(self._once(sorted(set(stage.ids) - by_words))) for stage in stages]
        tokens = within_stretches(first) if helper is not None else frozenset()
        self._tokens = _database([(number, first.pop(number)) for number in sorted(tokens)])
        shapeable = first | {n: text for group in behind for n, text in group.items() if n in numeric}
        self._shapes = Shapes(shapeable if helper is not None and helper.shapes else {}, numeric)
        for group in (first, *behind):
            for number in self._shapes.ids.intersection(group):
                del group[number]
        self._later: list[_Pass] = []
        triggers: list[Numbered] = []
        for number, (stage, group) in enumerate(zip(stages, behind, strict=True), len(patterns)):
            told = stage.told if helper is not None else None
            self._later.append(_Pass(number, told, _database(group.items())))
            triggers += [(number, text) for text in stage.triggers if told is None]
        self._first = _database([*first.items(), *triggers])
        self._plan = Plan(
            bool(tokens),
            hidden.id if hidden is not None else None,
            hidden.rows if hidden is not None else None,
            keyed,
            *self._shapes.programs,
            *self._words.automata,
        )
        self._plain = helper is None and not self._later and not self._same  # one pass tells all
        self._local = threading.local()

    def _once(self, ids: Iterable[int]) -> Iterable[tuple[int, bytes]]:
        first: dict[bytes, int] = {}
        for number in ids:
            one = first.setdefault(self.patterns[number], number)
            if one != number:
                self._same.setdefault(one, []).append(number)
        return ((number, text) for text, number in first.items())

    @property
    def shaped(self) -> frozenset[int]:
        """The ids that `detectors.shapes` looks for."""
        return self._shapes.ids

    def hits(self, data: bytes) -> Sequence[int]:
        """Which patterns match somewhere in ``data``, each once."""
        if not self._plain:
            return self.hits_of_each((data,))[0]
        hits: list[int] = []
        scan, scratch = self._scans()[0]
        scan(data, _add, 0, hits, scratch)
        return hits

    def hits_of_each(self, texts: Sequence[bytes]) -> list[list[int]]:
        """`hits` of each of ``texts``.

        Pass by pass and not text by text: the tables of two passes do not fit into a processor's cache together.
        """
        found: list[list[int]] = [[] for _ in texts]
        (scan, scratch), (scan_token, token_scratch), *later = self._scans()
        _run(map(scan, texts, repeat(_add), repeat(0), found, repeat(scratch)))
        told = Told()
        if self._helper is not None:
            told = Told(*self._helper.glance(texts, found, self._plan))  # type: ignore[arg-type]
            cut = filter(None, told.stretches)
            hit = compress(found, told.stretches)
            _run(map(scan_token, cut, repeat(_add), repeat(0), hit, repeat(token_scratch)))
            self._words.add(found, told)
        for one, (scan, scratch) in zip(self._later, later, strict=True):
            worth = getattr(told, one.told) if one.told else [one.trigger in hits for hits in found]
            if any(worth):
                hit = compress(found, worth)
                _run(map(scan, compress(texts, worth), repeat(_add), repeat(0), hit, repeat(scratch)))
        self._tidy(filter(None, found))
        return found

    def _tidy(self, found: Iterable[list[int]]) -> None:
        """Takes the triggers out, and adds the ids that share a pattern with one."""
        count, same = len(self.patterns), self._same
        for hits in found:
            if max(hits) >= count:
                hits[:] = [number for number in hits if number < count]
            for number in same.keys() & hits if same else ():
                hits += same[number]

    def _scans(self) -> Sequence[tuple[Callable[..., object], hs.Scratch | None]]:
        """How this thread scans, and where it may scratch: for the first pass, that over tokens, and the later ones."""
        try:
            return self._local.scans  # type: ignore[no-any-return]
        except AttributeError:
            databases = [self._first, self._tokens, *(one.database for one in self._later)]
            scans = [(_nothing, None) if one is None else (one.scan, hs.Scratch(one)) for one in databases]
            self._local.scans = scans
            return scans


def _run(calls: Iterator[object]) -> None:
    """Makes the calls of a `map`, without a step of Python's for each."""
    deque(calls, maxlen=0)


def _nothing(*_: object) -> None:
    """Scans for no pattern."""


def _add(number: int, _start: int, _end: int, _flags: int, hits: Any) -> None:
    hits.append(number)


def _database(patterns: Iterable[Numbered]) -> hs.Database | None:
    """None without patterns: Hyperscan knows no empty database."""
    patterns = list(patterns)
    if not patterns:
        return None
    if len(patterns) < _MANY and sum(len(text) for _, text in patterns) < _LONG:
        return _compile(patterns)
    database = gatecache.load(patterns, _FLAGS)
    if database is None:
        database = _compile(patterns)
        gatecache.save(patterns, _FLAGS, database)
    return database


def _compile(patterns: Sequence[Numbered]) -> hs.Database:
    try:
        return _together(patterns)
    except hs.HyperscanError:
        for one in patterns:  # name the one that fails alone
            try:
                _together([one])
            except hs.HyperscanError as error:
                raise ValueError(f"pattern {one[0]} does not compile: {error}") from None
        raise ValueError("the patterns compile alone, but not together") from None


def _together(patterns: Sequence[Numbered]) -> hs.Database:
    database = hs.Database(mode=hs.HS_MODE_BLOCK)
    count = len(patterns)
    ids, texts = [i for i, _ in patterns], [text for _, text in patterns]
    database.compile(expressions=texts, ids=ids, elements=count, flags=[_FLAGS] * count)
    return database
