"""The gate: Hyperscan passes over raw bytes that say which patterns may match there.

Most records pass the gate in silence, and that one call is all that they cost. What is nothing but a shape of
digits (cards, accounts, national ids) is dear to look for and never without a run of digits, so those patterns
have a second pass, which only runs over data that has one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence

import hyperscan as hs

from detectors import gatecache
from detectors.gateform import DIGITS

Hits = Callable[[bytes], Sequence[int]]

_FLAGS = hs.HS_FLAG_DOTALL | hs.HS_FLAG_SINGLEMATCH


class Gate:
    """Patterns compiled together. A pattern's id is its place in ``patterns``.

    ``patterns`` are regular expressions over bytes as Hyperscan reads them (no lookaround); those with an id in
    ``numeric`` match only in data that `DIGITS` matches in. Raises ValueError naming the first that does not
    compile. Usable from several threads.
    """

    def __init__(self, patterns: Sequence[bytes], numeric: Collection[int] = ()) -> None:
        self.patterns = tuple(patterns)
        self._count = len(patterns)
        first = [i for i in range(self._count) if i not in numeric]
        ids, texts = list(first), [patterns[i] for i in first]
        self._second: hs.Database | None = None
        if numeric:
            ids.append(self._count)
            texts.append(DIGITS)
            self._second = _database([patterns[i] for i in sorted(numeric)], sorted(numeric))
        self._first = _database(texts, ids)
        self._local = threading.local()

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
        scan, scratch = self._first.scan, hs.Scratch(self._first)
        second, digits = self._second, self._count
        scan_second = second.scan if second is not None else None
        scratch_second = hs.Scratch(second) if second is not None else None

        def on_match(number: int, start: int, end: int, flags: int, context: object) -> None:
            add(number)

        def hits(data: bytes) -> Sequence[int]:
            try:
                scan(data, on_match, 0, None, scratch)
                if not found:
                    return ()
                if digits in found and scan_second is not None:
                    found.remove(digits)
                    scan_second(data, on_match, 0, None, scratch_second)
                return found.copy()
            finally:
                found.clear()

        return hits


def _database(patterns: Sequence[bytes], ids: Sequence[int]) -> hs.Database:
    database = gatecache.load(patterns, ids, _FLAGS)
    if database is None:
        database = _compile(patterns, ids)
        gatecache.save(patterns, ids, _FLAGS, database)
    return database


def _compile(patterns: Sequence[bytes], ids: Sequence[int]) -> hs.Database:
    database = hs.Database(mode=hs.HS_MODE_BLOCK)
    try:
        _into(database, patterns, ids)
    except hs.HyperscanError:
        for number, pattern in zip(ids, patterns, strict=True):  # name the one that fails alone
            try:
                _into(hs.Database(mode=hs.HS_MODE_BLOCK), [pattern], [number])
            except hs.HyperscanError as error:
                raise ValueError(f"pattern {number} does not compile: {error}") from None
        raise ValueError("the patterns compile alone, but not together") from None
    return database


def _into(database: hs.Database, patterns: Sequence[bytes], ids: Sequence[int]) -> None:
    count = len(patterns)
    database.compile(expressions=list(patterns), ids=list(ids), elements=count, flags=[_FLAGS] * count)
