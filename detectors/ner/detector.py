"""Names in texts: a gate, what was read before, and a model for the rest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from detectors.errors import BudgetExceeded
from detectors.finding import Finding, Text
from detectors.ner.gate import NameGate
from detectors.ner.model import Name, NameModel, Spots
from detectors.ner.segments import LONGEST, Segment, around, segments

KEPT = 50_000  # segments whose names are kept in mind, unless told otherwise
_BEFORE = 9  # characters of a cue
_KEYED = 120  # characters of a value that is read together with its key

_DIGIT = re.compile(r"\d")
_HALF = re.compile("[\ud800-\udfff]")


class Passage(NamedTuple):
    """A text for the model, under the key that it stands under. Without ``spots``, all of it is read."""

    value: str
    key: bytes
    spots: Spots | None


class _Ask(NamedTuple):
    """A segment for the model: what it is kept by, and whose text it is a part of."""

    seen: str
    owner: int
    start: int  # where it begins in its text
    skip: int  # characters of the key before it
    since: int  # names that begin from here on
    until: int  # and before
    spots: Spots | None


class NameDetector:
    """Finds names by ``model``. ``thresholds`` has the least score by entity.

    A person's name has a word that ``words`` counts, or a cue before it. So a text without one need not be read for
    persons, and is not if ``gated``: that costs no person, only places and organizations of plain words.

    What it found in some ``kept`` segments is kept in mind. Where the model cannot tell digits apart, segments that
    differ in digits alone count as the same, within a batch, too; with none kept, each is read as it is.
    """

    def __init__(
        self,
        model: NameModel,
        words: NameGate,
        *,
        thresholds: Mapping[str, float],
        gated: bool = True,
        limit: int = 100_000,
        kept: int = KEPT,
    ) -> None:
        self.model = model
        self.words = words
        self.gated = gated
        self._thresholds = dict(thresholds)
        self._limit = limit
        self._kept = kept
        self._rule = f"ner:{model.id}"
        self._new: dict[str, list[Name]] = {}
        self._old: dict[str, list[Name]] = {}

    def forget(self) -> None:
        """Forgets what it found, and what its model keeps of words."""
        self._new, self._old = {}, {}
        self.model.forget()

    def scan(self, texts: Sequence[Text]) -> list[list[Finding]]:
        """The names in each text. Raises BudgetExceeded."""
        [found] = self.scan_records([texts])
        if found is None:
            raise BudgetExceeded("names", self._limit)
        return found

    def scan_records(self, records: Sequence[Sequence[Text]]) -> list[list[list[Finding]] | None]:
        """For the texts of each record the names in each; None for a record that is over its budget."""
        values = [[(text.value.decode("utf-8", "surrogateescape"), text.key) for text in texts] for texts in records]
        return self.read([[self._passage(value, key) for value, key in some] for some in values])

    def passage(self, value: str, key: bytes) -> Passage | None:
        """``value``, if it could hold a name."""
        found = self._passage(value, key)
        return found if found.spots is None or found.spots else None

    def _passage(self, value: str, key: bytes) -> Passage:
        return Passage(value, key, tuple(self.words.spots(value)) if self.gated else None)

    def read(self, records: Sequence[Sequence[Passage]]) -> list[list[list[Finding]] | None]:
        """For the passages of each record the names in each; None for a record that is over its budget.

        The budget is of characters that pass the gate, read before or not, so that a replay ends alike.
        """
        asks: list[_Ask] = []
        found: list[list[Name]] = []
        over: set[int] = set()
        owners: list[tuple[int, Passage]] = []
        for number, passages in enumerate(records):
            cost = 0
            for passage in passages:
                cost += self._collect(passage, len(owners), asks)
                owners.append((number, passage))
                found.append([])
            if cost > self._limit:
                over.add(number)
        self._read([ask for ask in asks if owners[ask.owner][0] not in over], found)
        out: list[list[list[Finding]] | None] = [None if n in over else [] for n in range(len(records))]
        for (number, passage), names in zip(owners, found, strict=True):
            if (mine := out[number]) is not None:
                mine.append([self._finding(passage.value, name) for name in names])
        return out

    def _collect(self, passage: Passage, owner: int, asks: list[_Ask]) -> int:
        """Adds the segments that could hold a name; their characters."""
        value, key, spots = passage
        if not value or spots == ():
            return 0
        clean = _HALF.sub("�", value) if not value.isascii() else value
        head = f"{key.decode('utf-8', 'replace')}: " if key and len(value) <= _KEYED and "\n" not in value else ""
        cost = 0
        for start, end, since, until in _parts(clean, spots):
            part = clean[start:end]
            cost += end - start
            seen = head + part if start == 0 else part
            asks.append(_Ask(seen, owner, start, len(seen) - len(part), since, until, spots))
        return cost

    def _read(self, asks: Sequence[_Ask], found: Sequence[list[Name]]) -> None:
        masked = (
            [_DIGIT.sub("0", ask.seen) for ask in asks]
            if self.model.masks_digits and self._kept
            else [ask.seen for ask in asks]
        )
        known: dict[str, list[Name]] = {}
        unknown: dict[str, Spots | None] = {}
        for seen, ask in zip(masked, asks, strict=True):
            if seen in known or seen in unknown:
                continue
            names = self._new.get(seen)
            if names is None and (names := self._old.get(seen)) is not None:
                self._keep(seen, names)
            if names is None:
                unknown[seen] = _within(ask)
            else:
                known[seen] = names
        if unknown:
            found_in = self.model.find(list(unknown), list(unknown.values()))
            for (seen, spots), names in zip(unknown.items(), found_in, strict=True):
                wanted = [one for name in names if (one := self._wanted(seen, spots or (), name)) is not None]
                known[seen] = wanted
                self._keep(seen, wanted)
        for ask, seen in zip(asks, masked, strict=True):
            for name in known[seen]:
                start, end = name.start - ask.skip + ask.start, name.end - ask.skip + ask.start
                if name.start >= ask.skip and ask.since <= start < ask.until:
                    found[ask.owner].append(Name(start, end, name.entity, name.score))

    def _wanted(self, text: str, spots: Spots, name: Name) -> Name | None:
        """``name`` without signs around it, if it is sure enough and its words are not all plain."""
        start, end, entity, score = name
        if score < self._thresholds.get(entity, 2.0):
            return None
        while start < end and not text[start].isalnum():
            start += 1
        while start < end and not (text[end - 1].isalnum() or text[end - 1] == "."):
            end -= 1
        if start == end:
            return None
        if entity != "PERSON" or any(start <= first < end for first, _ in spots):
            return Name(start, end, entity, score)
        return Name(start, end, entity, score) if self.words(text[max(0, start - _BEFORE) : end]) else None

    def _keep(self, seen: str, names: list[Name]) -> None:
        if len(self._new) >= self._kept // 2:
            self._old, self._new = self._new, {}
        if self._kept:
            self._new[seen] = names

    def _finding(self, text: str, name: Name) -> Finding:
        start, end, entity, score = name
        if not text.isascii():
            start, end = (len(text[:at].encode("utf-8", "surrogateescape")) for at in (start, end))
        return Finding(self._rule, entity, start, end, round(score, 3))


def _parts(text: str, spots: Spots | None) -> Iterable[Segment]:
    """What of ``text`` is read. Of a short one the sentences that could hold a name, of a long one what is near words
    that could be of one.
    """
    if spots is None:
        return segments(text)
    if len(text) > LONGEST:
        return around(text, spots)
    return [part for part in segments(text) if any(part.start <= start < part.end for start, _ in spots)]


def _within(ask: _Ask) -> Spots | None:
    """The spots of a segment, from its own beginning on."""
    if ask.spots is None:
        return None
    by, end = ask.skip - ask.start, ask.start + len(ask.seen) - ask.skip
    return tuple([(first + by, last + by) for first, last in ask.spots if ask.start <= first < end])
