"""Of a record only the scalars in which something may be found: the quick way to what `engine.reading` reads.

The gate has said which rules may find something in the record. Each of them has a form for raw bytes that tells
where; only the scalars that such a place touches are decoded, layer by layer, and each is read by those rules alone.
Where escapes or layers stand (`engine.hidden`), the gate cannot see: what they spell is decoded, and the gate asked
again. What comes of it is what reading all scalars with all rules would give, which the tests hold it to.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Container, Iterable, Sequence

from detectors.anchors import Span
from detectors.errors import BudgetExceeded
from detectors.finding import Finding, Text
from detectors.patterns import PatternDetector
from engine.escapes import BACKSLASH, unescape, unescape_bytes
from engine.hidden import HIDDEN, hidden_in
from engine.jsontext import Place, Step, locate, locate_all
from engine.layers.characters import breaks_softly, plain_key
from engine.layers.model import Purse
from engine.reading import TRIES, beginning, may_be_json, may_spell, pairs, spelled, spread
from engine.touched import holds_more
from engine.views import Limits, View, key_of

Candidate = tuple[View, frozenset[int], bytes, list[Finding] | None]
"""A text, the rules that may find something in it, the key that it stands under, and what they found if it was read."""

_HIDDEN_ONLY = frozenset({HIDDEN})
_NAMED = -2  # in place of a rule: a word of a name, which a model found somewhere in the record
_NAMED_ONLY = frozenset({_NAMED})
_MOST_NAMED = 2_000  # places of words in one text; beyond, they are everywhere
_BEYOND = re.compile(rb"[\x80-\xff]+")
_NOBODY = frozenset[int]()


class CandidateReader:
    """Reads one record. ``rules`` are those whose gate hits; ``hidden`` says that there are escapes or layers.

    Where a scalar holds no other text, it is read at once, and is a candidate only if something is found: most are read
    in vain. With ``knows_all``, every scalar is a candidate, most of them with no rule; so is, rules or not, what holds
    one of ``words`` (ASCII, in lower case), however it is written, or, if words are asked for, anything beyond ASCII.
    """

    def __init__(
        self,
        detector: PatternDetector,
        rules: Sequence[int],
        limits: Limits,
        *,
        hidden: bool,
        knows_all: bool = False,
        words: frozenset[bytes] | None = None,
    ) -> None:
        self._detector, self._limits, self._hidden, self._knows_all = detector, limits, hidden, knows_all
        self._rules = set(rules)
        self._words = words
        self._found: list[Candidate] = []
        self._purse = Purse(limits.decoded)
        self._gated: dict[Text, Sequence[int]] = {}
        self._plain: set[bytes] = set()  # texts that spell nothing
        self.spelled: set[int] = set()  # what else of the gate hits on what escapes and layers spell

    def read(self, data: bytes, form: str) -> list[Candidate]:
        """The candidates in ``data``, the record itself first, parents before children. Raises BudgetExceeded.

        ``form`` is json, text, logfmt or auto (whichever it is).
        """
        limits, found = self._limits, self._found
        spans = self._places(data)
        if not spans and not self._knows_all:
            return found
        root = View("root", data, None)
        found.append((root, frozenset([rule for _, _, rule in spans]) - _NAMED_ONLY, b"", None))
        located = None
        if form in ("json", "auto") and may_be_json(data):
            located = locate_all(data, limits.depth, *self._wanted(data, spans))
        if located is not None:
            root.readable = b""
            found[0] = root, _NOBODY, b"", None
            self._add(root, located[1], spans)
        else:
            self._expand(0, spans)
            if form != "text":
                self._pairs(root, spans)
        layer, begin = 1, 1
        while begin < len(found):  # one layer after the other
            end = len(found)
            for number in range(begin, end):
                self._expand(number, None)
            begin, layer = end, layer + 1
            if layer > limits.layers and begin < len(found):
                raise BudgetExceeded("layers", limits.layers)
        return found

    def _wanted(self, text: bytes, spans: Sequence[Span]) -> tuple[Sequence[tuple[int, ...]], int]:
        """The stretches of ``text`` whose scalars are to be located, and how many these may be."""
        if self._knows_all:
            return [(0, len(text))], sys.maxsize
        return spans, self._limits.candidates

    def _places(self, text: bytes) -> list[Span]:
        spans = self._detector.places(text, self._rules)
        if self._hidden:
            spans += hidden_in(text)
            spans.sort()
        if self._words is not None:
            spans += self._named(text, self._words)
            spans.sort()
        return spans

    def _named(self, text: bytes, words: Iterable[bytes]) -> list[Span]:
        """Where the words of names stand, and whatever is beyond ASCII, where case is more than a bit."""
        low = text.lower()
        out = [] if text.isascii() else [(*match.span(), _NAMED) for match in _BEYOND.finditer(text)]
        for word in words:
            at = low.find(word)
            while at >= 0:
                end = at + len(word)
                out.append((at, end, _NAMED))
                at = low.find(word, end)
        return out if len(out) <= _MOST_NAMED else [(0, len(text), _NAMED)]

    def _expand(self, number: int, spans: Sequence[Span] | None) -> None:
        """Adds what a text holds: JSON documents, and what its escapes and layers spell."""
        view, rules, key, findings = self._found[number]
        if findings is not None:
            return
        hidden = HIDDEN in rules
        if hidden:  # what the raw record does not tell of
            hits = self._hits(Text(view.readable, key))
            count = len(self._detector.rules)
            asked = [hit for hit in hits if hit < count]
            self.spelled.update(hits)
            rules = (rules - _HIDDEN_ONLY).union(asked)
            self._found[number] = view, rules, key, None
            self._rules.update(asked)
        if view.kind == "number":
            return
        if holds_more(view.text):
            if spans is None:
                spans = self._places(view.text)
                if handed := handed_down(self._detector, view.text, key, rules):
                    spans = sorted(handed + spans)
            self._documents(view, spans, hidden=hidden)
        if hidden and self._spells(view.readable):
            reads_all = self._knows_all or self._words is not None
            below = spelled(view, self._purse, None if reads_all else self._nothing_in)
            self._found += [(one, _HIDDEN_ONLY, one.key, None) for one in below]

    def _spells(self, text: bytes) -> bool:
        if text in self._plain:
            return False
        if may_spell(text):
            return True
        self._plain.add(text)
        return False

    def _nothing_in(self, texts: Collection[bytes], key: bytes) -> Container[bytes]:
        """Those of ``texts``, which something encoded under ``key`` spells, in which nothing can be found."""
        flat = [text for text in texts if not holds_more(text)]
        texts_there = [Text(text, key) for text in flat]
        self._gated.update(zip(texts_there, self._detector.hits_of_each(texts_there), strict=True))
        return {text for text in flat if not self._gated[Text(text, key)] and not self._spells(text)}

    def _hits(self, text: Text) -> Sequence[int]:
        """What of the gate hits: what is hidden in a record is mostly the same again and again."""
        hits = self._gated.get(text)
        if hits is None:
            hits = self._gated[text] = self._detector.hits(text)
        return hits

    def _documents(self, view: View, spans: Sequence[Span], *, hidden: bool) -> None:
        text, at, blank = view.text, 0, bytearray()
        places, most = self._wanted(text, spans)
        for _ in range(TRIES if places else 0):
            start = beginning(text, at)
            if start < 0:
                break
            located = locate(text, start, self._limits.depth, places, most)
            if located is not None and text.find(b'"', start, located[0]) >= 0:  # it holds a string
                at = located[0]
                if hidden and breaks_softly(text, start, at):
                    continue
                self._add(view, located[1], spans)
                blank = blank or bytearray(text)
                blank[start:at] = b" " * (at - start)
            else:
                at = start + 1
        if blank:
            view.readable = bytes(blank)

    def _add(self, parent: View, places: Iterable[Place], spans: Sequence[Span]) -> None:
        """Adds scalars with the rules whose places touch them. Rules on keys touch the key, so they go to all.

        What escapes and layers hide is in the scalar that they stand in; or in what stands under the key that they do.
        """
        text, base, detector = parent.text, parent.step, self._detector
        by_key = detector.by_key
        everywhere = frozenset([rule for _, _, rule in spans if rule in by_key])
        above = key_of(base)
        hidden_keys: set[tuple[bytes | int, ...]] = set()
        following, count, near, begin = 0, len(spans), list[Span](), len(self._found)
        for kind, start, end, path, member in places:
            while following < count and spans[following][0] <= end:
                near.append(spans[following])
                following += 1
            if near:
                near = [span for span in near if span[1] >= start]
            rules = everywhere.union([rule for _, _, rule in near]) if near else everywhere
            if kind == "key":
                key = b""
                if HIDDEN in rules:
                    hidden_keys.add(path)
            else:
                key = _last_key(path, above)
                if hidden_keys and _key_path(path) in hidden_keys:
                    rules |= _HIDDEN_ONLY
            findings: list[Finding] | None = None
            raw = text[start:end]
            source = None
            if named := _NAMED in rules:
                rules -= _NAMED_ONLY
            if not self._knows_all and HIDDEN not in rules:
                rules = detector.readers(rules, key)
                if kind == "number" or not holds_more(raw):  # it holds nothing else
                    if not raw or not (rules or named):
                        continue
                    value = unescape_bytes(raw) if BACKSLASH in raw and kind != "number" else raw
                    findings = detector.read_once(Text(value, key), rules) if rules else []
                    if not findings and not named:
                        continue
            if BACKSLASH in raw and kind != "number":
                source = unescape(raw)
            step = base
            for name in path:
                step = Step(step, name)
            view = View(kind, source.text if source else raw, step, parent, start, end - start, source)
            view.member = member
            self._found.append((view, rules, key, findings))
        if self._hidden:
            spelled_out = spread([view for view, _, _, _ in self._found[begin:]])
            self._found += [(one, _HIDDEN_ONLY, one.key, None) for one in spelled_out]

    def _pairs(self, root: View, spans: Sequence[Span]) -> None:
        following, near = 0, list[Span]()
        for view in pairs(root):
            key = view.key
            low = view.start - len(key) - 2  # where its key begins: before an equals sign and perhaps a quote
            while following < len(spans) and spans[following][0] < view.start + view.length:
                near.append(spans[following])
                following += 1
            if near:
                near = [span for span in near if span[1] > low]
            if near or self._knows_all:
                rules = frozenset([rule for _, _, rule in near])
                self._found.append((view, rules - _NAMED_ONLY, key, None))


def handed_down(detector: PatternDetector, text: bytes, key: bytes, rules: Iterable[int]) -> list[Span]:
    """Spans for rules on keys: what stands in arrays in ``text`` is read under the key that ``text`` stands under."""
    if b"[" not in text:
        return []
    return [(0, len(text), rule) for rule in rules if rule in detector.by_key and detector.rules[rule].reads(key)]


def _key_path(path: tuple[bytes | int, ...]) -> tuple[bytes | int, ...]:
    """The path of the object key that something at ``path`` stands under."""
    size = len(path)
    while size and not isinstance(path[size - 1], bytes):
        size -= 1
    return path[:size]


def _last_key(path: Sequence[bytes | int], above: bytes) -> bytes:
    """The object key that something at ``path`` stands under; ``above`` if there is none in it."""
    for name in reversed(path):
        if isinstance(name, bytes):
            return plain_key(name)
    return above
