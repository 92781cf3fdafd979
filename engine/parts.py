"""What comes of each scalar of a record by itself: agents repeat themselves, so most of them were read before.

The result of a tool, a profile or an address stands in record after record, JSON in strings included. What is found
and redacted in a scalar depends on its raw form, the key that it stands under and the rules that read it, as long as
nothing else of the record has a say; so it is worked out once a batch, and put into each record at its place. It is
what `engine.cleaning` makes of it by its views, without making them.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Sequence
from enum import Enum
from operator import itemgetter
from typing import NamedTuple, Protocol

from detectors.anchors import Span
from detectors.errors import BudgetExceeded
from detectors.finding import Finding, Text
from detectors.patterns import PatternDetector
from engine.candidates import handed_down
from engine.escapes import Unescaped, escape, unescape
from engine.hidden import HIDDEN, escaped_in, hidden_in, spells_nothing
from engine.layers.characters import breaks_softly, is_one
from engine.layers.model import Purse
from engine.ledger.model import Redaction
from engine.memory import Sought, remembered, sought
from engine.policy.compiled import GateIds
from engine.policy.paths import written
from engine.reading import BRACE, TRIES
from engine.redaction import KEYED, Method, redact
from engine.tokens import TenantKey
from engine.touched import Readers, Touched, holds_more, last_name, touched, touched_all
from engine.views import Edit, Limits, View, apply, merged

_MOST = 20_000  # parts that are known at a time
_MOST_BYTES = 8 * 1024 * 1024  # of their raw forms
_UNPACKED = 64  # bytes that each of a scalar may unpack to in all
_DOCUMENTS = 2  # in each other in what is spelled, which are not read if nothing is in them
_HIDDEN_ONLY = frozenset({HIDDEN})

Names = tuple[bytes | int, ...]
Told = tuple[int, Names, Finding, Method]
"""What is redacted: how many texts below the scalar, at which path below it, and how."""


class Part(NamedTuple):
    """What is redacted in a scalar. ``forms`` is what is then looked for in all the record."""

    edits: Sequence[Edit]  # of its raw form
    told: Sequence[Told]
    forms: Sought
    redactions: dict[Names, Sequence[tuple[int, Redaction]]]  # and layers, by the path at which it stood in a record

    def at(self, path: Names) -> Sequence[tuple[int, Redaction]]:
        """What its decision entry says where it stands at ``path`` of a record, and in which layer each is."""
        known = self.redactions.get(path)
        if known is None:
            known = self.redactions[path] = [
                (layer, Redaction(written(path + below), f.start, f.end, f.rule_id, f.entity, method.value, f.score))
                for layer, below, f, method in self.told
            ]
        return known


class Spliced(NamedTuple):
    """A record with what is redacted in its scalars. ``forms`` is what must not stand in it any more."""

    text: bytes
    redactions: Sequence[Redaction]
    forms: Sought


NOT_ALONE = Part((), (), (), {})
"""What comes of this scalar depends on more than itself."""


_NOTHING = Spliced(b"", (), ())


class Parts:
    """What is known of the scalars of a batch: None for those in which nothing is redacted."""

    __slots__ = ("_keeps", "_room", "known")

    def __init__(self) -> None:
        self.known: dict[Hashable, Part | None] = {}
        self._keeps = False
        self._room = 0

    def put(self, scalar: Hashable, size: int, part: Part | None) -> None:
        """Keeps what came of ``scalar``, of ``size`` bytes, until the batch is done or there are too many."""
        if not self._keeps:
            return
        self._room -= size
        if self._room < 0 or len(self.known) >= _MOST:
            self.remember()
        self.known[scalar] = part

    def remember(self) -> None:
        """From here on parts are kept: to be called when a batch begins."""
        self.known.clear()
        self._keeps, self._room = True, _MOST_BYTES

    def forget(self) -> None:
        """Forgets them, and keeps no more: to be called when the batch is done."""
        self.known.clear()
        self._keeps = False


class Judge(Protocol):
    """What a policy says of findings, and what it has them found by."""

    @property
    def detector(self) -> PatternDetector: ...  # noqa: D102
    @property
    def ids(self) -> GateIds: ...  # noqa: D102
    @property
    def certain(self) -> Collection[str]: ...  # noqa: D102
    @property
    def limits(self) -> Limits: ...  # noqa: D102
    @property
    def readers(self) -> Readers: ...  # noqa: D102
    @property
    def parts(self) -> Parts: ...  # noqa: D102

    def wanted(self, text: bytes, findings: list[Finding]) -> list[Finding]:
        """Those that are to be redacted, in order, none overlapping."""
        ...

    def method(self, finding: Finding) -> Method:
        """How."""
        ...


class Hides(Enum):
    r"""What of escapes and layers there is in a record, which hide from the gate what they spell."""

    NOTHING = 0
    ESCAPED = 1  # ``\uXXXX`` and nothing else of these, and the gate saw what that spells
    SOMETHING = 2


class PartReader:
    """Reads one record by the ``rules`` whose gate hits. ``tenant`` is the key that writes its tokens."""

    __slots__ = ("_detector", "_hides", "_how", "_judge", "_limits", "_parts", "_readers", "_rules", "_tenant")

    def __init__(self, judge: Judge, rules: Sequence[int], hides: Hides, tenant: TenantKey | None) -> None:
        self._judge = judge
        self._detector = judge.detector
        self._limits = judge.limits
        self._parts = judge.parts
        self._readers = judge.readers
        self._rules = rules
        self._hides = hides
        self._how = frozenset(rules), hides
        self._tenant = tenant

    def read(self, data: bytes) -> Spliced | None:
        """What comes of a record that is a JSON document: no text and no redactions if nothing is redacted in it.

        None where it takes more than its scalars one by one, or if it is no JSON. Raises BudgetExceeded.
        """
        detector, limits = self._detector, self._limits
        spans = self._places(data)
        if not spans:
            return _NOTHING
        if self._hides is Hides.SOMETHING and len(data) * _UNPACKED * limits.layers > limits.decoded:
            return None  # what is decoded has to be counted
        scalars = touched_all(self._readers, data, limits.depth, spans, limits.candidates, detector.by_key)
        if scalars is None:
            return None
        pieces: list[bytes] = []
        told: list[tuple[int, Redaction]] = []
        forms: list[tuple[bytes, bytes]] = []
        end = 0
        for one in scalars:
            part = self._part(one, 1, b"")
            if part is None:
                continue
            if part is NOT_ALONE:
                return None
            start = one[1]
            for low, high, text, _ in part.edits:
                pieces.append(data[end : start + low])
                pieces.append(text)
                end = start + high
            told += part.at(one[3])
            forms += part.forms
        if not told:
            return _NOTHING
        pieces.append(data[end:])
        if any(layer for layer, _ in told):  # one layer after the other
            told.sort(key=itemgetter(0))
        return Spliced(b"".join(pieces), [redaction for _, redaction in told], forms)

    def _places(self, text: bytes) -> list[Span]:
        spans = self._detector.places(text, self._rules)
        if self._hides is Hides.SOMETHING:
            return sorted(spans + hidden_in(text))
        return sorted(spans + escaped_in(text, self._rules)) if self._hides is Hides.ESCAPED else spans

    def _part(self, one: Touched, layer: int, above: bytes) -> Part | None:
        """What comes of a scalar that stands so many texts deep, in the value of the member ``above``."""
        kind, _, raw, path, _, key, rules = one
        more = kind != "number" and holds_more(raw)
        name = last_name(path, above) if more else b""
        scalar = (
            kind,
            raw,
            key,
            rules,
            self._tenant,
            (layer, name, self._how) if more else layer if HIDDEN in rules else 0,
        )
        known = self._parts.known
        if scalar in known:
            return known[scalar]
        part = self._nested(one, name, layer) if more else self._plain(one, layer)
        if layer == 1 and part is not None and len(part.edits) > 1:
            part = part._replace(edits=merged(part.edits))
        self._parts.put(scalar, len(raw), part)
        return part

    def _add(
        self,
        scalars: Iterable[Touched],
        layer: int,
        above: bytes,
        edits: list[Edit],
        told: list[Told],
        forms: list[tuple[bytes, bytes]],
    ) -> bool:
        """Adds what comes of ``scalars``, which stand so many texts deep in the value of the member ``above``.

        False if that depends on more than themselves.
        """
        for one in scalars:
            part = self._part(one, layer, above)
            if part is None:
                continue
            if part is NOT_ALONE:
                return False
            start, path = one[1], one[3]
            for low, high, text, anew in part.edits:
                edits.append(Edit(start + low, start + high, text, anew))
            for below, names, finding, method in part.told:
                told.append((below, path + names, finding, method))
            forms += part.forms
        return True

    def _plain(self, one: Touched, layer: int) -> Part | None:
        """What comes of a scalar that holds no other text."""
        kind, _, raw, _, _, key, rules = one
        source = unescape(raw) if b"\\" in raw and kind != "number" else None
        text = source.text if source else raw
        try:
            if HIDDEN in rules:
                known = self._told(kind, text, key, rules)
                if known is None or not (kind == "number" or self._spells_nothing(text, key, layer, len(raw))):
                    return NOT_ALONE
                rules = known
            elif self._hides is Hides.ESCAPED and b"\\u" in text:  # it spells another text
                return NOT_ALONE
            found = self._detector.read(Text(text, key), rules)
        except BudgetExceeded:
            return NOT_ALONE
        if not found:
            return None
        if kind == "key":  # to keep keys apart, all of them must be known
            return NOT_ALONE
        edits: list[Edit] = []
        told: list[Told] = []
        forms = self._redacted(text, found, edits, told)
        if forms is None:
            return NOT_ALONE
        if not told:
            return None
        if kind == "number":
            edits = [Edit(0, len(raw), b'"' + escape(apply(text, edits)) + b'"')]
        else:
            edits = _lifted(edits, source)
        return Part(edits, told, forms, {})

    def _nested(self, one: Touched, name: bytes, layer: int) -> Part | None:
        """What comes of a scalar that may hold documents, in the member ``name``."""
        kind, _, raw, _, _, key, rules = one
        if kind == "key" or layer >= self._limits.layers:
            return NOT_ALONE
        source = unescape(raw) if b"\\" in raw else None
        text = source.text if source else raw
        below: list[Edit] = []
        told_below: list[Told] = []
        forms: list[tuple[bytes, bytes]] = []
        edits: list[Edit] = []
        told: list[Told] = []
        hidden = HIDDEN in rules
        try:
            if hidden:
                known = self._told(kind, text, key, rules)
                if known is None or not known <= self._how[0]:
                    return NOT_ALONE
                rules = known
            readable = self._documents(
                text, name, handed_down(self._detector, text, key, rules), layer, below, told_below, forms
            )
            if readable is None or (self._hides is Hides.ESCAPED and b"\\u" in readable):
                return NOT_ALONE
            if hidden and not self._spells_nothing(readable, key, layer, len(raw)):
                return NOT_ALONE
            found = self._detector.read(Text(readable, key), rules) if rules and readable else []
        except BudgetExceeded:
            return NOT_ALONE
        if found:
            more = self._redacted(text, found, edits, told)
            if more is None:
                return NOT_ALONE
            forms += more
        told += [(depth + 1, names, finding, method) for depth, names, finding, method in told_below]
        if not told:
            return None
        return Part(_lifted(edits + below, source), told, forms, {})

    def _documents(
        self,
        text: bytes,
        name: bytes,
        handed: list[Span],
        layer: int,
        edits: list[Edit],
        told: list[Told],
        forms: list[tuple[bytes, bytes]],
    ) -> bytes | None:
        """Adds what comes of the documents in ``text``, and gives it without them; None as `_add` says False."""
        detector, limits = self._detector, self._limits
        spans = self._places(text)
        if handed:
            spans = sorted(handed + spans)
        blank, at = bytearray(), 0
        for _ in range(TRIES if spans else 0):
            brace = BRACE.search(text, at)
            if brace is None:
                break
            start = brace.start()
            document = touched(
                self._readers, text, start, limits.depth, spans, limits.candidates, detector.by_key, name
            )
            if document is None or text.find(b'"', start, document[0]) < 0:  # it holds no string
                at = brace.end()
                continue
            at = document[0]
            if self._hides is Hides.SOMETHING and breaks_softly(text, start, at):
                return None
            if not self._add(document[1], layer + 1, name, edits, told, forms):
                return None
            blank = blank or bytearray(text)
            blank[start:at] = b" " * (at - start)
        return bytes(blank) if blank else text

    def _told(self, kind: str, text: bytes, key: bytes, rules: frozenset[int]) -> frozenset[int] | None:
        """The rules that may find something in ``text``, in which something is hidden; None where that takes more."""
        if kind == "number":
            return rules - _HIDDEN_ONLY
        if kind == "key" or is_one(text):  # what stands under it, or beside it in an array, is hidden as well
            return None
        hits, count = self._detector.hits(Text(text, key)), len(self._detector.rules)
        if any(count < hit < self._judge.ids.paths for hit in hits):
            return None
        return (rules - _HIDDEN_ONLY).union([hit for hit in hits if hit < count])

    def _spells_nothing(self, text: bytes, key: bytes, layer: int, size: int) -> bool:
        """Whether what escapes and layers in the ``text`` of a scalar of ``size`` bytes spell holds nothing."""
        layers, purse = self._limits.layers - layer - _DOCUMENTS, Purse(size * _UNPACKED)
        return spells_nothing(self._detector, View("text", text, None), key, self._judge.ids.paths, layers, purse)

    def _redacted(self, text: bytes, found: list[Finding], edits: list[Edit], told: list[Told]) -> Sought | None:
        """Adds what is redacted of what was ``found`` in ``text``; None if that needs all of the record."""
        judge = self._judge
        kept: list[Finding] = []
        for finding in judge.wanted(text, found):
            method = judge.method(finding)
            if method is Method.KEEP:
                continue
            if method is Method.DROP:
                return None
            if method in KEYED and self._tenant is None:
                method = Method.REPLACE
            start, end = finding.start, finding.end
            edits.append(Edit(start, end, redact(method, finding.entity, text[start:end], self._tenant)))
            told.append((0, (), finding, method))
            kept.append(finding)
        return sought(remembered([(text, kept)], self._judge.certain))


def _lifted(edits: Iterable[Edit], source: Unescaped | None) -> list[Edit]:
    """Edits of a string's text, as edits of its raw form."""
    if source is None:
        return [Edit(start, end, escape(text)) for start, end, text, _ in edits]
    place = source.place
    return [Edit(place(start, end=False), place(end, end=True), escape(text)) for start, end, text, _ in edits]
