"""Reads a record scalar by scalar, and knows those that it read before: see `engine.parts`."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Sequence
from operator import itemgetter
from typing import Protocol

from detectors.anchors import Span
from detectors.errors import BudgetExceeded
from detectors.finding import Finding, Text
from detectors.patterns import PatternDetector
from engine.candidates import handed_down
from engine.escapes import BACKSLASH, Unescaped, escape, unescape_bytes, unescaped
from engine.hidden import HIDDEN, Hides, escaped_in, hidden_in
from engine.layers.characters import breaks_softly, is_one, plain_key
from engine.layers.model import Purse
from engine.ledger.model import Redaction
from engine.memory import remembered, sought
from engine.neighbours import Scalar, names_of
from engine.parts import NOT_ALONE, NOTHING, Found, Part, Parts, Spelling, Spliced
from engine.policy.compiled import GateIds
from engine.reading import TRIES, beginning, may_spell, spelled
from engine.redaction import KEYED, Method, redact
from engine.tokens import TenantKey
from engine.touched import Readers, Touched, holds_more, last_name, touched, touched_all
from engine.views import Edit, Limits, View, apply, merged
from engine.written import within

_UNPACKED = 64  # bytes that each of a scalar may unpack to in all
_DOCUMENTS = 2  # in each other in what is spelled, which are not read if nothing is in them
_DEEP = b"\\\\\\"
"""What stands in a text with JSON that holds JSON in strings which holds it again."""
_HIDDEN_ONLY = frozenset({HIDDEN})
_KNOWN = -2  # in place of a rule: all scalars, each of which may name another
_KNOWN_ONLY = frozenset({_KNOWN})
_NOBODY = frozenset[int]()
_LAYER = itemgetter(0)
_new = tuple.__new__  # a named tuple made by its own name runs a function of Python


class Judge(Protocol):
    """What a policy says of findings, and what it has them found by."""

    @property
    def detector(self) -> PatternDetector: ...  # noqa: D102
    @property
    def ids(self) -> GateIds: ...  # noqa: D102
    @property
    def entities(self) -> Collection[str]: ...  # noqa: D102
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


class PartReader:
    """Reads one record by the ``rules`` whose gate hits. ``tenant`` is the key that writes its tokens.

    With ``signs``, a value may be named by what stands beside or above it.
    """

    __slots__ = (
        "_detector",
        "_hides",
        "_how",
        "_judge",
        "_limits",
        "_parts",
        "_readers",
        "_rules",
        "_signs",
        "_tenant",
        "_untouched",
    )

    def __init__(
        self, judge: Judge, rules: Sequence[int], hides: Hides, tenant: TenantKey | None, *, signs: bool
    ) -> None:
        self._judge = judge
        self._detector = judge.detector
        self._limits = judge.limits
        self._parts = judge.parts
        self._readers = judge.readers
        self._rules = rules
        self._hides = hides
        self._signs = signs
        self._untouched = hides is not Hides.NOTHING  # else, what rules find deep in a text touches it here
        self._how = frozenset(rules), int(hides), signs  # an `Enum` is hashed by a function of Python
        self._tenant = tenant

    def read(self, data: bytes) -> Spliced | None:
        """What comes of a record that is a JSON document: no text and no redactions if nothing is redacted in it.

        None where it takes more than its scalars one by one, or if it is no JSON. Raises BudgetExceeded.
        """
        detector, limits = self._detector, self._limits
        spans = self._places(data)
        if not spans:
            return NOTHING
        if self._hides is Hides.SOMETHING and len(data) * _UNPACKED * limits.layers > limits.decoded:
            return None  # what is decoded has to be counted
        most = limits.candidates if not self._signs else sys.maxsize
        scalars = touched_all(
            self._readers, data, limits.depth, spans, most, detector.by_key, untouched=self._untouched
        )
        if scalars is not None and self._signs:
            scalars = self._named(scalars, b"")
        if scalars is None:
            return None
        pieces: list[bytes] = []
        told: list[tuple[int, Redaction]] = []
        forms: list[tuple[bytes, bytes]] = []
        shown: list[bytes] = []
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
            shown += part.shown
        if not told:
            return NOTHING
        pieces.append(data[end:])
        if any(map(_LAYER, told)):  # one layer after the other
            told.sort(key=_LAYER)
        return _new(Spliced, (b"".join(pieces), [redaction for _, redaction in told], forms, shown))

    def _places(self, text: bytes) -> list[Span]:
        spans = self._detector.places(text, self._rules)
        if self._hides is Hides.SOMETHING:
            spans = sorted(spans + hidden_in(text))
        elif self._hides is Hides.ESCAPED:
            spans = sorted(spans + escaped_in(text, self._rules))
        return [(0, len(text), _KNOWN), *spans] if self._signs else spans

    def _named(self, scalars: Sequence[Touched], outer: bytes) -> list[Touched] | None:
        """All ``scalars`` of a document in the member ``outer``, under the names that `engine.neighbours` gives them.

        Without those that no rule reads. None where the name tells something of more than the scalar itself.
        """
        values: list[Scalar | None] = []
        for kind, _, raw, path, _, _, _ in scalars:
            if not path:
                return None
            text = unescape_bytes(raw) if BACKSLASH in raw and kind != "number" else raw
            values.append((0, (outer, *path) if outer else path, text) if kind != "key" else None)
        names = names_of(values)
        told = [at for at, name in enumerate(names) if name and name != scalars[at][5]]
        hits = self._detector.hits_of_each([Text(value[2], names[at]) for at in told if (value := values[at])])
        renamed, count = dict(zip(told, hits, strict=True)), len(self._detector.rules)
        out: list[Touched] = []
        for at, (kind, start, raw, path, member, key, rules) in enumerate(scalars):
            rules -= _KNOWN_ONLY
            more = kind != "number" and holds_more(raw)
            if at in renamed:
                if more or (HIDDEN in rules and names_of([values[at]])[0]):
                    return None
                key = names[at]
                rules = (rules & _HIDDEN_ONLY).union([hit for hit in renamed[at] if hit < count])
            if rules or more:
                out.append((kind, start, raw, path, member, key, rules))
        return out

    def _part(self, one: Touched, layer: int, above: bytes) -> Part | None:
        """What comes of a scalar that stands so many texts deep, in the value of the member ``above``."""
        kind, _, raw, path, _, key, rules = one
        more = kind != "number" and holds_more(raw)
        hidden = HIDDEN in rules and kind != "number"
        beyond = None  # what else it depends on, if it may hold other texts
        if more or hidden:
            beyond = layer, last_name(path, above), self._how
        scalar = kind, raw, key, rules, self._tenant, beyond
        known = self._parts.known
        if scalar in known:
            return known[scalar]
        escaped = BACKSLASH in raw and kind != "number"
        text = unescape_bytes(raw) if escaped else raw
        found: list[Finding] | None = None
        if beyond is None:
            found = self._flat(text, key, rules)
            if found is not None and not found:  # most often, and nothing is made of it
                self._parts.put(scalar, len(raw), None)
                return None
        out = Found()
        try:
            if beyond is None:
                alone = found is not None and self._redacted(text, found, out)
            elif kind == "key" or layer >= self._limits.layers:
                alone = False
            elif hidden:
                alone = self._hiding(raw, text, key, rules, beyond[1], layer, out)
            else:
                alone = self._nested(text, key, rules, beyond[1], layer, out)
        except BudgetExceeded:
            alone = False
        part: Part | None = None
        if not alone or (kind == "key" and out.told):  # to keep keys apart, all of them must be known
            part = NOT_ALONE
        elif out.told or out.shown:
            if kind == "number":
                edits = [Edit(0, len(raw), b'"' + escape(apply(text, out.edits)) + b'"')]
            else:
                edits = _lifted(out.edits, unescaped(text, raw) if escaped else None)
            if layer == 1 and len(edits) > 1:
                edits = merged(edits)
            part = _new(Part, (edits, out.told, out.forms, out.shown, {}))
        self._parts.put(scalar, len(raw) + (sum(map(len, out.shown)) if out.shown else 0), part)
        return part

    def _add(self, scalars: Iterable[Touched], layer: int, above: bytes, found: Found) -> bool:
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
                found.edits.append(Edit(start + low, start + high, text, anew))
            for below, names, finding, method in part.told:
                found.told.append((below + 1, path + names, finding, method))
            found.forms += part.forms
            found.shown += part.shown
        return True

    def _flat(self, text: bytes, key: bytes, rules: frozenset[int]) -> list[Finding] | None:
        """What is found in a text that holds no other; None where that takes more than itself."""
        if self._hides is Hides.ESCAPED and b"\\u" in text:  # it spells another text
            return None
        try:
            return self._detector.read(_new(Text, (text, key)), rules - _HIDDEN_ONLY if HIDDEN in rules else rules)
        except BudgetExceeded:
            return None

    def _nested(self, text: bytes, key: bytes, rules: frozenset[int], name: bytes, layer: int, out: Found) -> bool:
        """The same for one that may hold documents, in the member ``name``."""
        below = Found()
        readable = self._documents(text, key, rules, name, layer, below)
        if readable is None or (self._hides is Hides.ESCAPED and b"\\u" in readable):
            return False
        found = self._detector.read(Text(readable, key), rules) if rules and readable else []
        if found and not self._redacted(text, found, out):
            return False
        out.extend(below)
        return True

    def _hiding(
        self, raw: bytes, text: bytes, key: bytes, rules: frozenset[int], name: bytes, layer: int, out: Found
    ) -> bool:
        """The same for one in which escapes or layers stand."""
        if is_one(text):  # perhaps of a text that is spread over an array
            return False
        # The gate saw it in the record, but for what is escaped, or a document next to the key.
        seen = b"\\u" not in raw and text.lstrip()[:1] not in (b"{", b"[", b'"')
        hits = () if seen else self._detector.hits(Text(text, key))
        root, purse = Spelling(View("text", text, None)), Purse(len(raw) * _UNPACKED)
        if not self._spelled(root, key, hits, rules - _HIDDEN_ONLY, name, layer, purse):
            return False
        root.gather(0, out)
        return True

    def _spelled(
        self,
        root: Spelling,
        key: bytes,
        hits: Sequence[int],
        rules: frozenset[int],
        name: bytes,
        layer: int,
        purse: Purse,
    ) -> bool:
        """Reads ``root``, by ``rules`` and those that hit, and all that it spells; False where that takes more."""
        above, known = [root], dict[View, Sequence[tuple[int, int]]]()
        if not self._read_spelled(root, key, hits, rules, name, layer, known):
            return False
        key = plain_key(name)  # what stands beside it names it alone, and not what it spells
        while above := [one for one in above if may_spell(one.view.readable)]:
            layer += 1
            if layer >= self._limits.layers - _DOCUMENTS:
                return False
            for one in above:
                one.below = [Spelling(view) for view in spelled(one.view, purse)]
            above = [one for some in above for one in some.below]
            hits_of = self._detector.hits_of_each([Text(one.view.text, key) for one in above])
            for one, some in zip(above, hits_of, strict=True):
                if not self._read_spelled(one, key, some, _NOBODY, name, layer, known):
                    return False
        return True

    def _read_spelled(
        self,
        one: Spelling,
        key: bytes,
        hits: Sequence[int],
        rules: frozenset[int],
        name: bytes,
        layer: int,
        known: dict[View, Sequence[tuple[int, int]]],
    ) -> bool:
        """Reads a text ``layer`` texts deep, by ``rules`` and those that hit; False where that takes more."""
        view, count = one.view, len(self._detector.rules)
        if not self._signs and any(count < hit < self._judge.ids.paths for hit in hits):
            return False
        rules = rules.union([hit for hit in hits if hit < count])
        text = view.text
        if holds_more(text) and (self._signs or view.parent is None or rules or _DEEP in text or may_spell(text)):
            reader = self
            if not rules <= self._how[0]:
                reader = PartReader(
                    self._judge, sorted(rules.union(self._rules)), self._hides, self._tenant, signs=self._signs
                )
            readable = reader._documents(text, key, rules, name, layer, one.documents)
            if readable is None:
                return False
            view.readable = readable
        found = self._detector.read_once(Text(view.readable, key), rules) if rules and view.readable else []
        return not found or within(view, self._judge.entities, known) or self._redacted(text, found, one.own)

    def _documents(
        self, text: bytes, key: bytes, rules: frozenset[int], name: bytes, layer: int, found: Found
    ) -> bytes | None:
        """Adds what comes of the documents in ``text``, and gives it without them; None as `_add` says False.

        ``text`` stands under ``key``, in the member ``name``, and is read by ``rules``.
        """
        detector, limits = self._detector, self._limits
        spans = self._places(text)
        if handed := handed_down(detector, text, key, rules):
            spans = sorted(handed + spans)
        blank, at = bytearray(), 0
        most = limits.candidates if not self._signs else sys.maxsize
        for _ in range(TRIES if spans else 0):
            start = beginning(text, at)
            if start < 0:
                break
            document = touched(
                self._readers, text, start, limits.depth, spans, most, detector.by_key, name, self._untouched
            )
            if document is None or text.find(b'"', start, document[0]) < 0:  # it holds no string
                at = start + 1
                continue
            at = document[0]
            if self._hides is Hides.SOMETHING and breaks_softly(text, start, at):
                return None
            scalars = self._named(document[1], name) if self._signs else document[1]
            if scalars is None or not self._add(scalars, layer + 1, name, found):
                return None
            blank = blank or bytearray(text)
            blank[start:at] = b" " * (at - start)
        return bytes(blank) if blank else text

    def _redacted(self, text: bytes, found: list[Finding], out: Found) -> bool:
        """Adds what is redacted of what was ``found`` in ``text``; False if that needs all of the record."""
        judge, tenant = self._judge, self._tenant
        certain: list[Finding] = []
        for finding in judge.wanted(text, found):
            method = judge.method(finding)
            if method is Method.KEEP:
                continue
            if method is Method.DROP:
                return False
            if tenant is None and method in KEYED:
                method = Method.REPLACE
            start, end = finding.start, finding.end
            out.edits.append(_new(Edit, (start, end, redact(method, finding.entity, text[start:end], tenant), False)))
            out.told.append((0, (), finding, method))
            if finding.rule_id in judge.certain:
                certain.append(finding)
        if certain:
            out.forms += sought(remembered([(text, certain)], judge.certain))
        return True


def _lifted(edits: Iterable[Edit], source: Unescaped | None) -> list[Edit]:
    """Edits of a string's text, as edits of its raw form."""
    if source is None:
        return [_new(Edit, (start, end, escape(text), anew)) for start, end, text, anew in edits]
    place = source.place
    return [
        _new(Edit, (place(start, end=False), place(end, end=True), escape(text), anew))
        for start, end, text, anew in edits
    ]
