"""The gate: Hyperscan passes over raw bytes that say which patterns may match there.

Most records pass the gate in silence, and that is all that they cost. Patterns that are dear to look for and never
match without something cheap (a run of digits, a word) have a pass of their own, behind that trigger.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import compress, repeat
from typing import Any, NamedTuple

import hyperscan as hs

from detectors import gatecache
from detectors.runs import Cut, within_stretches
from detectors.shapes import FindShapes, Shapes
from detectors.words import Words

Numbered = tuple[int, bytes]
"""A pattern and its id."""

_FLAGS = hs.HS_FLAG_DOTALL | hs.HS_FLAG_SINGLEMATCH
_WORTH_KEEPING = 5  # patterns; fewer compile in a moment, and a check of rules one by one would push all else out


class Stage(NamedTuple):
    """Patterns that have a pass of their own, since each matches only in data that one of ``triggers`` matches in.

    ``probe`` tells the same as the triggers, quicker; they are not looked for then.
    """

    triggers: Sequence[bytes]
    ids: Collection[int]
    probe: Callable[[bytes], bool] | None = None


class Probe(NamedTuple):
    """A function that tells quicker than a pattern could whether a pattern's id hits."""

    id: int
    function: Callable[[bytes], bool]


class _Pass(NamedTuple):
    """A pass behind a trigger, or where ``tells`` says it is worth it."""

    trigger: int
    tells: Callable[[bytes], bool] | None
    database: hs.Database | None


class Gate:
    """Patterns compiled together. A pattern's id is its place in ``patterns``. An id hits by its ``probes`` too.

    ``patterns`` and the triggers of ``stages`` are regular expressions over bytes as Hyperscan reads them (no
    lookaround); what several ids share is looked for once. The ids of ``words`` hit by those and not by their patterns.
    Those of them that stand behind something stand behind the first of ``stages``, and so do shapes. ``find_shapes``
    and ``cut`` look for what `detectors.shapes` and `detectors.runs` say.

    Raises ValueError naming the first pattern that does not compile. Usable from several threads.
    """

    def __init__(
        self,
        patterns: Sequence[bytes],
        stages: Sequence[Stage] = (),
        probes: Sequence[Probe] = (),
        words: Words | None = None,
        find_shapes: FindShapes | None = None,
        cut: Cut | None = None,
    ) -> None:
        self.patterns = tuple(patterns)
        self._probes = probes
        self._words = words
        by_words = frozenset(words.ids if words is not None else ())
        count = len(patterns)
        later = by_words.union(*(stage.ids for stage in stages))
        self._same: dict[int, list[int]] = {}  # further ids of a pattern, by the first
        first = dict(self._once([number for number in range(count) if number not in later]))
        behind = [dict(self._once(sorted(set(stage.ids) - by_words))) for stage in stages]
        tokens = within_stretches(first) if cut is not None else frozenset()
        self._cut = cut if tokens else None
        self._tokens = _database([(number, first.pop(number)) for number in sorted(tokens)])
        self._shapes: Shapes | None = None
        if find_shapes is not None:
            numbers = behind[0] if behind else {}
            self._shapes = Shapes(first | numbers, find_shapes, numbers)
            for number in self._shapes.ids:
                (first if number in first else numbers).pop(number)
        self._later: list[_Pass] = []
        triggers: list[Numbered] = []
        for number, (stage, group) in enumerate(zip(stages, behind, strict=True), count):
            self._later.append(_Pass(number, stage.probe, _database(group.items())))
            triggers += [(number, text) for text in stage.triggers if stage.probe is None]
        self._first = _database([*first.items(), *triggers])
        self._plain = not (self._later or self._same or probes or words or self._shapes or tokens)  # one pass tells all
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
        return self._shapes.ids if self._shapes is not None else frozenset()

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

        Pass by pass and not text by text: the tables of two passes do not fit into a processor's cache together. And a
        call of the helper takes as long as a hundred bytes of its work, so as little as can be stands around it.
        """
        found: list[list[int]] = [[] for _ in texts]
        (scan, scratch), (scan_token, token_scratch), *later = self._scans()
        _run(map(scan, texts, repeat(_add), repeat(0), found, repeat(scratch)))
        if self._cut is not None:
            cut = list(map(self._cut, texts))
            hit = compress(found, cut)
            _run(map(scan_token, filter(None, cut), repeat(_add), repeat(0), hit, repeat(token_scratch)))
        for probed, probe in self._probes:
            for hits in compress(found, map(probe, texts)):
                if probed not in hits:
                    hits.append(probed)
        behind: Iterable[bool] = ()  # the first of the stages
        for (trigger, tells, _), (scan, scratch) in zip(self._later, later, strict=True):
            told = list(map(tells, texts)) if tells is not None else [trigger in hits for hits in found]
            if any(told):
                _run(map(scan, compress(texts, told), repeat(_add), repeat(0), compress(found, told), repeat(scratch)))
            behind = behind or told
        behind = behind or [False] * len(texts)
        if self._shapes is not None:
            _extend(found, self._shapes.of_each(texts, behind))
        if self._words is not None:
            _extend(found, self._words.of_each(texts, behind))
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


def _extend(found: Iterable[list[int]], more: Iterable[Collection[int]]) -> None:
    for hits, numbers in zip(found, more, strict=True):
        if numbers:
            hits += numbers


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
    if len(patterns) < _WORTH_KEEPING:
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
