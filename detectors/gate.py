"""The gate: one Hyperscan pass over raw bytes that says which patterns may match, and where.

Most records pass the gate in silence, and that one call is all that they cost.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import hyperscan as hs

from detectors import gatecache
from detectors.errors import BudgetExceeded

_OnMatch = Callable[[int, int, int, int, object], bool | None]
_FLAGS = hs.HS_FLAG_DOTALL


class Gate:
    """Patterns compiled together. A pattern's id is its place in ``patterns``.

    ``patterns`` are regular expressions over bytes as Hyperscan reads them (no lookaround). Raises ValueError
    naming the first that does not compile. Usable from several threads.
    """

    def __init__(self, patterns: Sequence[bytes]) -> None:
        self.patterns = tuple(patterns)
        database = gatecache.load(self.patterns, _FLAGS)
        if database is None:
            database = _compile(self.patterns)
            gatecache.save(self.patterns, _FLAGS, database)
        self._database = database
        self._scratch = threading.local()

    def hits(self, data: bytes) -> set[int]:
        """Which patterns match somewhere in ``data``."""
        found: set[int] = set()
        add = found.add
        self._scan(data, lambda i, start, end, flags, context: add(i))
        return found

    def places(self, data: bytes, limit: int) -> list[tuple[int, int]]:
        """Each match in ``data`` as (pattern id, offset of its end).

        Raises BudgetExceeded("candidates") where there are more than ``limit``.
        """
        found: list[tuple[int, int]] = []

        def add(i: int, start: int, end: int, flags: int, context: object) -> bool:
            found.append((i, end))
            return len(found) > limit  # true stops the scan

        try:
            self._scan(data, add)
        except hs.ScanTerminated:
            raise BudgetExceeded("candidates", limit) from None
        return found

    def _scan(self, data: bytes, callback: _OnMatch) -> None:
        try:
            scratch = self._scratch.value
        except AttributeError:
            scratch = self._scratch.value = hs.Scratch(self._database)
        self._database.scan(data, match_event_handler=callback, scratch=scratch)


def _compile(patterns: Sequence[bytes]) -> hs.Database:
    database = hs.Database(mode=hs.HS_MODE_BLOCK)
    try:
        _into(database, patterns)
    except hs.HyperscanError:
        for number, pattern in enumerate(patterns):  # name the one that fails alone
            try:
                _into(hs.Database(mode=hs.HS_MODE_BLOCK), [pattern])
            except hs.HyperscanError as error:
                raise ValueError(f"pattern {number} does not compile: {error}") from None
        raise ValueError("the patterns compile alone, but not together") from None
    return database


def _into(database: hs.Database, patterns: Sequence[bytes]) -> None:
    count = len(patterns)
    database.compile(expressions=list(patterns), ids=list(range(count)), elements=count, flags=[_FLAGS] * count)
