"""What comes of each scalar of a record by itself: agents repeat themselves, so most of them were read before.

The result of a tool, a profile or an address stands in record after record, JSON in strings included. What is found
and redacted in a scalar depends on its raw form, the key that it stands under and the rules that read it, as long as
nothing else of the record has a say; so it is worked out once a batch, and put into each record at its place. It is
what `engine.cleaning` makes of it by its views, without making them.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Sequence
from operator import itemgetter
from typing import NamedTuple, Protocol

from detectors.anchors import Span
from detectors.errors import BudgetExceeded
from detectors.finding import Finding, Text
from detectors.patterns import PatternDetector
from engine.candidates import handed_down
from engine.escapes import Unescaped, escape, unescape
from engine.ledger.model import Redaction
from engine.memory import Sought, remembered, sought
from engine.policy.paths import written
from engine.reading import BRACE, TRIES
from engine.redaction import KEYED, Method, redact
from engine.tokens import TenantKey
from engine.touched import Readers, Touched, holds_more, last_name, touched, touched_all
from engine.views import Edit, Limits, apply, merged

_MOST = 20_000  # parts that are known at a time
_MOST_BYTES = 8 * 1024 * 1024  # of their raw forms

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
    """What a policy says of findings."""

    def wanted(self, text: bytes, findings: list[Finding]) -> list[Finding]:
        """Those that are to be redacted, in order, none overlapping."""
        ...

    def method(self, finding: Finding) -> Method:
        """How."""
        ...


class PartReader:
    """Reads one record by the ``rules`` whose gate hits. ``tenant`` is the key that writes its tokens."""

    __slots__ = ("_all_rules", "_certain", "_detector", "_judge", "_limits", "_parts", "_readers", "_rules", "_tenant")

    def __init__(
        self,
        detector: PatternDetector,
        judge: Judge,
        certain: Collection[str],
        limits: Limits,
        parts: Parts,
        readers: Readers,
        rules: Sequence[int],
        tenant: TenantKey | None,
    ) -> None:
        self._detector = detector
        self._judge = judge
        self._certain = certain
        self._limits = limits
        self._parts = parts
        self._readers = readers
        self._rules = rules
        self._all_rules = frozenset(rules)
        self._tenant = tenant

    def read(self, data: bytes) -> Spliced | None:
        """What comes of a record that is a JSON document: no text and no redactions if nothing is redacted in it.

        None where it takes more than its scalars one by one, or if it is no JSON. Raises BudgetExceeded.
        """
        detector, limits = self._detector, self._limits
        spans = detector.places(data, self._rules)
        if not spans:
            return _NOTHING
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

    def _part(self, one: Touched, layer: int, above: bytes) -> Part | None:
        """What comes of a scalar that stands so many texts deep, in the value of the member ``above``."""
        kind, _, raw, path, _, key, rules = one
        more = kind != "number" and holds_more(raw)
        name = last_name(path, above) if more else b""
        scalar = kind, raw, key, rules, self._tenant, (layer, name, self._all_rules) if more else None
        known = self._parts.known
        if scalar in known:
            return known[scalar]
        part = self._nested(one, name, layer) if more else self._plain(one)
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

    def _plain(self, one: Touched) -> Part | None:
        """What comes of a scalar that holds no other text."""
        kind, _, raw, _, _, key, rules = one
        source = unescape(raw) if b"\\" in raw and kind != "number" else None
        text = source.text if source else raw
        try:
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
        try:
            readable = self._documents(
                text, name, handed_down(self._detector, text, key, rules), layer, below, told_below, forms
            )
            if readable is None:
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
        spans = detector.places(text, self._rules)
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
            if not self._add(document[1], layer + 1, name, edits, told, forms):
                return None
            blank = blank or bytearray(text)
            blank[start:at] = b" " * (at - start)
        return bytes(blank) if blank else text

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
        return sought(remembered([(text, kept)], self._certain))


def _lifted(edits: Iterable[Edit], source: Unescaped | None) -> list[Edit]:
    """Edits of a string's text, as edits of its raw form."""
    if source is None:
        return [Edit(start, end, escape(text)) for start, end, text, _ in edits]
    place = source.place
    return [Edit(place(start, end=False), place(end, end=True), escape(text)) for start, end, text, _ in edits]
