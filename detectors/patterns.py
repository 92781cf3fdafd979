"""The pattern detector: a gate finds candidates, an exact engine their spans, checks decide.

Hyperscan reads the raw bytes in one pass and names the rules that may match. Those are looked for by
google-re2, in linear time: first where in the raw bytes, so that only the scalars there are decoded, then the exact
span in the decoded text. Then the rule's context, allow-list, entropy and validator have their say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from detectors.anchors import Anchor, Scan, Span, Table, scan_pure, table
from detectors.compiled import MAX_CANDIDATES, Budget, CompiledRule
from detectors.finding import Finding, Text
from detectors.gate import Gate, Stage
from detectors.gateform import DIGITS
from detectors.glance import Helper, Hidden
from detectors.rule import Rule

_KNOWN_TABLES = 512  # of a detector, at most: 2 kB each, mostly
_KNOWN_READERS = 4096  # of a detector, at most
_ANCHORS = 64  # in one table
_KNOWN_TEXTS = 10_000  # of a batch, at most
_LONG = 256  # bytes; longer texts seldom come twice
_MOST_ANCHORS = 8_000  # in one text; beyond, the rules' own patterns say more narrowly where to read
_FEW_ANCHORS = 2_000  # in any text, however short
_DENSE = 12  # bytes for each anchor: so many and no more, or the text says less than it costs
_LONG_KEY = 1024  # bytes, beyond which a key is looked at once, and its end with each value
_SPARSE = 256  # bytes for each sign that may separate scalars
_FEW = 32  # scalars; rather are so many read in vain than places looked for


class PatternDetector:
    """All rules compiled together.

    ``extra`` are patterns of the caller, in Hyperscan's syntax, that ride along in the same gate: their ids
    follow those of the rules; ``stages`` says which of them come behind a trigger. ``scan`` looks for anchors, the
    ``helper`` for what Hyperscan would be slower at, ``hidden`` and ``keyed`` included: see `detectors.gate`. Raises
    ValueError naming what does not compile.
    """

    def __init__(
        self,
        rules: Sequence[Rule | CompiledRule],
        *,
        extra: Sequence[bytes] = (),
        stages: Sequence[Stage] = (),
        hidden: Hidden | None = None,
        keyed: bytes | None = None,
        max_candidates: int = MAX_CANDIDATES,
        scan: Scan = scan_pure,
        helper: Helper | None = None,
    ) -> None:
        self.rules = [rule if isinstance(rule, CompiledRule) else CompiledRule(rule) for rule in rules]
        self.by_key = frozenset(number for number, rule in enumerate(self.rules) if rule.rule.key)
        spoken = {number: rule.words for number, rule in enumerate(self.rules) if rule.words}
        numeric = {number for number, rule in enumerate(self.rules) if rule.numeric}
        self.gate = Gate(
            [rule.gate for rule in self.rules] + list(extra),
            [stage for stage in (Stage([DIGITS], numeric, "numeric"), *stages) if stage.ids],
            spoken,
            helper=helper,
            hidden=hidden,
            keyed=keyed,
        )
        self._max_candidates = max_candidates
        self._anchored = scan
        self._remembers = False
        self._long_key: tuple[bytes, Sequence[int]] = b"", ()  # and what hits on it: thousands may stand under it
        self.known: dict[tuple[Text, frozenset[int]], list[Finding]] = {}
        self._readers: dict[tuple[frozenset[int], bytes], frozenset[int]] = {}
        self._tables: dict[tuple[int, ...], tuple[Table | None, list[int]]] = {}

    def scan(self, texts: Sequence[Text]) -> list[list[Finding]]:
        """The findings of each text, as found: they may overlap. Raises BudgetExceeded."""
        budget = Budget(self._max_candidates)
        return [self.read(text, rules, budget) for text, rules in zip(texts, self.gated(texts), strict=True)]

    def readers(self, rules: frozenset[int], key: bytes) -> frozenset[int]:
        """Those of ``rules`` that read what stands under ``key`` at all."""
        known = self._readers.get((rules, key))
        if known is None:
            known = frozenset([rule for rule in rules if self.rules[rule].reads(key)])
            if len(self._readers) >= _KNOWN_READERS:
                self._readers.clear()
            if len(key) <= _LONG:
                self._readers[rules, key] = known
        return known

    def read_once(self, text: Text, rules: frozenset[int]) -> list[Finding]:
        """What these rules find in ``text``, which may stand in many records of a batch. Raises BudgetExceeded.

        What was found is known from `remember` to `forget`.
        """
        if not self._remembers or len(text.value) > _LONG:
            return self.read(text, rules)
        found = self.known.get((text, rules))
        if found is None:
            if len(self.known) >= _KNOWN_TEXTS:
                self.known.clear()
            found = self.known[text, rules] = self.read(text, rules)
        return found

    def remember(self) -> None:
        """From here on `read_once` keeps texts: to be called when a batch begins."""
        self._remembers = True

    def forget(self) -> None:
        """Forgets them, and keeps no more: to be called when the batch is done."""
        self._remembers = False
        self._long_key = b"", ()
        self.known.clear()

    def read(self, text: Text, rules: Iterable[int], budget: Budget | None = None) -> list[Finding]:
        """What these rules find in ``text``. Raises BudgetExceeded."""
        budget = budget or Budget(self._max_candidates)
        found: list[Finding] = []
        for rule in rules:
            found += self.rules[rule].findings(text, budget)
        return found

    def gated(self, texts: Sequence[Text]) -> Iterator[list[int]]:
        """For each text the rules whose gate hits on it, in order.

        A text is read as ``key":value``, so that a rule on keys has its key before it.
        """
        count = len(self.rules)
        for text in texts:
            yield sorted([hit for hit in self.hits(text) if hit < count])

    def hits(self, text: Text) -> Sequence[int]:
        """What of the gate hits on ``text``: rules, and the caller's own patterns."""
        value, key = text
        if len(key) <= _LONG_KEY:
            return self.gate.hits(key + b'":' + value if key else value)
        known, hits = self._long_key
        if known != key:
            hits = self.gate.hits(key + b'":')
            self._long_key = key, hits
        return [*{*hits, *self.gate.hits(key[-_LONG_KEY:] + b'":' + value)}]

    def hits_of_each(self, texts: Sequence[Text]) -> Sequence[Sequence[int]]:
        """`hits` of each of ``texts``."""
        if any(len(key) > _LONG_KEY for _, key in texts):
            return [self.hits(text) for text in texts]
        return self.gate.hits_of_each([key + b'":' + value if key else value for value, key in texts])

    def places(self, raw: bytes, rules: Iterable[int]) -> list[Span]:
        """Where in raw, still escaped bytes these rules may find something, by the start.

        Each finding, or the key that it stands under, touches a span of its rule, in the scalar or key that it is in.
        Raises BudgetExceeded.
        """
        rules = tuple(rules)
        anchors, others = self._table(rules)
        found: list[Span] = []
        if anchors is not None:
            words, masks, owners = anchors
            most = _FEW_ANCHORS if len(raw) <= _FEW_ANCHORS * _DENSE else _most_anchors(raw)
            spans = self._anchored(raw, words, masks, owners, min(most, self._max_candidates))
            if spans is None and _is_sparse(raw):
                return [(0, len(raw), rule) for rule in rules]
            if spans is None:
                others = list(rules)
            else:
                found = spans
        if others:
            budget = Budget(self._max_candidates)
            for rule in others:
                found += self._places_of(rule, raw, budget)
            found.sort()
        return found

    def may_find(self, raw: bytes, rules: tuple[int, ...]) -> bool:
        """Whether `places` gives any: mostly it does not, and that is quicker told than where they are."""
        anchors, others = self._table(rules)
        if anchors is not None:
            words, masks, owners = anchors
            if self._anchored(raw, words, masks, owners, 0) is None:
                return True
        return bool(others) and any(self.rules[rule].place(raw, 0) is not None for rule in others)

    def _places_of(self, rule: int, raw: bytes, budget: Budget) -> Iterator[Span]:
        """The places of one rule, as its own pattern tells; all of the text, once there are more than scalars in it.

        Each reaches to the next quote: until there, the scalar is the same, and is read in any case.
        """
        most, place = self._max_candidates, self.rules[rule].place
        count = at = 0
        while (span := place(raw, at)) is not None:
            budget.take()
            start, at = span
            if count == _FEW and (scalars := _separators(raw)) * 2 < most:
                most = scalars + _FEW
            if count > most:
                yield start, len(raw), rule
                return
            count += 1
            at = max(at, raw.find(b'"', at))
            yield start, at, rule

    def _table(self, rules: tuple[int, ...]) -> tuple[Table | None, list[int]]:
        """The anchors of ``rules``, which come together again and again, and those of the rules that have none."""
        known = self._tables.get(rules)
        if known is None:
            if len(self._tables) >= _KNOWN_TABLES:
                self._tables.clear()
            anchors: dict[int, tuple[Anchor, ...]] = {}
            room = _ANCHORS
            for rule in rules:
                some = self.rules[rule].anchors
                if 0 < len(some) <= room:
                    anchors[rule] = some
                    room -= len(some)
            others = [rule for rule in rules if rule not in anchors]
            known = self._tables[rules] = (table(anchors) if anchors else None), others
        return known


def _most_anchors(raw: bytes) -> int:
    """How many anchors are worth more than what they cost: in a long text more, if it can hold so many scalars."""
    most = len(raw) // _DENSE
    return _FEW_ANCHORS if most <= _FEW_ANCHORS or _is_sparse(raw) else min(most, _MOST_ANCHORS)


def _is_sparse(raw: bytes) -> bool:
    """Whether a text can hold but a few scalars and pairs for its length, so that most of it is read in any case."""
    return _separators(raw) * _SPARSE < len(raw)


def _separators(raw: bytes) -> int:
    """How many signs stand in a text of which scalars and pairs have at least one each, but for the first."""
    return raw.count(b'"') + raw.count(b",") + raw.count(b"=")
