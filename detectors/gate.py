"""The gate: Hyperscan passes over raw bytes that say which patterns may match there.

Most records pass the gate in silence, and that one call is all that they cost. Patterns that are dear to look for
and never match without something cheap (a run of digits, a word) have a pass of their own, behind that trigger.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

import hyperscan as hs

from detectors import gatecache

Hits = Callable[[bytes], Sequence[int]]
Numbered = tuple[int, bytes]
"""A pattern and its id."""

_FLAGS = hs.HS_FLAG_DOTALL | hs.HS_FLAG_SINGLEMATCH


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


class Gate:
    """Patterns compiled together. A pattern's id is its place in ``patterns``. An id hits by ``probe`` too.

    ``patterns`` and the triggers of ``stages`` are regular expressions over bytes as Hyperscan reads them (no
    lookaround); what several ids share is looked for once. Raises ValueError naming the first that does not
    compile. Usable from several threads.
    """

    def __init__(self, patterns: Sequence[bytes], stages: Iterable[Stage] = (), probe: Probe | None = None) -> None:
        self.patterns = tuple(patterns)
        self._probe = probe
        count = len(patterns)
        self._same: dict[int, list[int]] = {}  # further ids of a pattern, by the first
        later: set[int] = set()
        triggers: list[tuple[int, bytes]] = []
        self._later: list[tuple[int, hs.Database]] = []
        self._probed: list[tuple[Callable[[bytes], bool], hs.Database]] = []
        for number, (texts, ids, tells) in enumerate(stages):
            database = _database(self._once(sorted(ids)))
            if tells is not None:
                self._probed.append((tells, database))
            else:
                triggers += [(count + number, text) for text in texts]
                self._later.append((count + number, database))
            later.update(ids)
        self._first = _database([*self._once([i for i in range(count) if i not in later]), *triggers])
        self._local = threading.local()

    def _once(self, ids: Iterable[int]) -> list[Numbered]:
        first: dict[bytes, int] = {}
        for number in ids:
            one = first.setdefault(self.patterns[number], number)
            if one != number:
                self._same.setdefault(one, []).append(number)
        return [(number, text) for text, number in first.items()]

    @property
    def hits(self) -> Hits:
        """Tells which patterns match somewhere in given data, each once. To be used in this thread only."""
        try:
            return self._local.hits  # type: ignore[no-any-return]
        except AttributeError:
            hits = self._local.hits = self._scanner()
            return hits

    def _scanner(self) -> Hits:
        found: list[int] = []
        add = found.append
        scan, scratch, count = self._first.scan, hs.Scratch(self._first), len(self.patterns)
        same, shared = self._same, self._same.keys()
        probed, probe = self._probe or (0, lambda _: False)
        later = [(trigger, database.scan, hs.Scratch(database)) for trigger, database in self._later]
        probed_stages = [(tells, database.scan, hs.Scratch(database)) for tells, database in self._probed]

        def on_match(number: int, start: int, end: int, flags: int, context: object) -> None:
            add(number)

        def hits(data: bytes) -> Sequence[int]:
            try:
                scan(data, on_match, 0, None, scratch)
                if probe(data) and probed not in found:
                    add(probed)
                for tells, scan_more, its_scratch in probed_stages:
                    if tells(data):
                        scan_more(data, on_match, 0, None, its_scratch)
                if not found:
                    return ()
                if max(found) >= count:
                    for trigger, scan_more, its_scratch in later:
                        if trigger in found:
                            scan_more(data, on_match, 0, None, its_scratch)
                    found[:] = [number for number in found if number < count]
                for number in shared & found if shared else ():
                    found.extend(same[number])
                return found.copy()
            finally:
                found.clear()

        return hits


def _database(patterns: Sequence[Numbered]) -> hs.Database:
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
