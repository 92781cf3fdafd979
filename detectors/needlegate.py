"""The gate by needles: what `detectors.gate.Gate` says, several times as quickly, where the compiled helper is.

One pass of the helper over the data finds the needles of all patterns. Of most patterns these are all that there is to
find; of the others that are announced so, each is asked by itself, by Hyperscan. So what a record costs depends on what
is in it, and hardly on how many rules there are.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import hyperscan as hs
import orjson

from detectors import cachefile
from detectors.gate import FLAGS, Gate, Hits, Probe, compiled
from detectors.needles import Needles, needles_of
from detectors.needletable import Packed, Seeker, packed

MOST_PATTERNS = 8_000  # that the compiled helper can look for
_KNOWN_PLANS = 4096  # of a thread, at most


class Digits(NamedTuple):
    """Patterns that match only where there are digits close together, and a function that tells whether there are."""

    ids: Collection[int]
    function: Callable[[bytes], bool]


class _Plan(NamedTuple):
    """What follows from the needles that were found: ids that hit, and texts that Hyperscan is to be asked about.

    ``numeric`` and ``asked_numeric`` are those that count only where there are digits.
    """

    hit: tuple[int, ...]
    numeric: tuple[int, ...]
    asked: tuple[int, ...]
    asked_numeric: tuple[int, ...]


class NeedleGate(Gate):
    """A gate of at most `MOST_PATTERNS`, found by what ``seeker`` makes; those of ``digits`` only where there are some.

    ``probe`` is that of `Gate`. Raises ValueError naming the first pattern that does not compile.
    """

    def __init__(
        self, patterns: Sequence[bytes], seeker: Seeker, digits: Digits | None = None, probe: Probe | None = None
    ) -> None:
        self.patterns = tuple(patterns)
        self._probe = probe
        self._digits = digits or Digits((), lambda _: True)
        texts = tuple(dict.fromkeys(self.patterns))  # what several ids share is looked for once
        number = {text: at for at, text in enumerate(texts)}
        self._ids: list[list[int]] = [[] for _ in texts]  # by text
        self._numeric: list[list[int]] = [[] for _ in texts]
        for one, text in enumerate(self.patterns):
            (self._numeric if one in self._digits.ids else self._ids)[number[text]].append(one)
        self._kept = _Kept.load(texts) or _Kept.make(texts)
        self._find = seeker(self._kept.table)
        self._local = threading.local()

    def _scanner(self) -> Hits:
        find, kept, ids, numeric_ids = self._find, self._kept, self._ids, self._numeric
        has_digits = self._digits.function
        probed, probe = self._probe or (-1, lambda _: False)
        plans: dict[tuple[int, ...], _Plan] = {}
        scans: dict[int, tuple[Callable[..., None], hs.Scratch]] = {}
        matched: list[int] = []

        def on_match(number: int, start: int, end: int, flags: int, context: object) -> None:
            matched.append(number)

        def ask(texts: Iterable[int], data: bytes) -> None:
            for text in texts:
                known = scans.get(text)
                if known is None:
                    database = kept.database(text)
                    known = scans[text] = database.scan, hs.Scratch(database)
                known[0](data, on_match, 0, None, known[1])

        def more(plan: _Plan, data: bytes) -> Sequence[int]:
            """What hits beside what hits for sure."""
            digits = has_digits(data)
            try:
                ask(plan.asked, data)
                if digits:
                    ask(plan.asked_numeric, data)
                found = [*plan.hit, *plan.numeric] if digits else [*plan.hit]
                for text in matched:
                    found += ids[text]
                    if digits:
                        found += numeric_ids[text]
                return found
            finally:
                matched.clear()

        def hits(data: bytes) -> Sequence[int]:
            hidden = probe(data)
            key = find(data)
            if not key:
                return (probed,) if hidden else ()
            plan = plans.get(key)
            if plan is None:
                if len(plans) >= _KNOWN_PLANS:
                    plans.clear()
                plan = plans[key] = self._plan(key)
            found = more(plan, data) if plan.numeric or plan.asked or plan.asked_numeric else plan.hit
            return [*found, probed] if hidden and probed not in found else found

        return hits

    def _plan(self, found: tuple[int, ...]) -> _Plan:
        count, ids, numeric = len(self._ids), self._ids, self._numeric
        sure = [number for number in found if number < count]
        asked = [number - count for number in found if number >= count and number - count not in sure]
        return _Plan(
            tuple(one for text in sure for one in ids[text]),
            tuple(one for text in sure for one in numeric[text]),
            tuple(text for text in asked if ids[text]),
            tuple(text for text in asked if not ids[text]),
        )


class _Kept(NamedTuple):
    """What is worked out of the texts of patterns once, and kept on disk: their needles, and a database of each.

    ``ends`` tells where the database of a text ends in ``databases``; those of texts that are never asked are empty.
    """

    texts: tuple[bytes, ...]
    table: Packed
    ends: list[int]
    databases: bytes

    @classmethod
    def make(cls, texts: tuple[bytes, ...]) -> _Kept:
        needles = [_needles(text) for text in texts]
        table, asked = packed(needles)
        parts: list[bytes] = []
        ends, end = [], 0
        for number, text in enumerate(texts):
            parts.append(hs.dumpb(compiled([(number, text)])) if number in asked else b"")
            end += len(parts[-1])
            ends.append(end)
        made = cls(texts, table, ends, b"".join(parts))
        header = orjson.dumps([[*map(len, table)], ends])
        cachefile.save(_name(texts), b"".join([len(header).to_bytes(8, "big"), header, *table, made.databases]))
        return made

    @classmethod
    def load(cls, texts: tuple[bytes, ...]) -> _Kept | None:
        data = cachefile.load(_name(texts))
        if data is None:
            return None
        at = 8 + int.from_bytes(data[:8], "big")
        sizes, ends = orjson.loads(data[8:at])
        parts = []
        for size in sizes:
            parts.append(data[at : at + size])
            at += size
        return cls(texts, Packed(*parts), ends, data[at:])

    def database(self, text: int) -> hs.Database:
        data = self.databases[self.ends[text - 1] if text else 0 : self.ends[text]]
        with suppress(RuntimeError, hs.HyperscanError):  # compiling anew is always possible
            return hs.loadb(data, hs.HS_MODE_BLOCK)
        return compiled([(text, self.texts[text])])


def _needles(text: bytes) -> Needles:
    try:
        return needles_of(text.decode("ascii"))
    except ValueError:  # it is asked of any data
        return Needles((), ((),))


def _name(texts: Iterable[bytes]) -> str:
    about = f"{version('hyperscan')} {platform.machine()} {FLAGS}".encode()
    return f"needles-{cachefile.digest([cachefile.code(Path(__file__).parent), about, *texts])}.bin"
