"""The pattern detector: a gate finds candidates, an exact engine their spans, checks decide.

Hyperscan reads the raw bytes in one pass and names the rules that may match. Those are looked for by
google-re2, in linear time: first where in the raw bytes, so that only the scalars there are decoded, then the exact
span in the decoded text. Then the rule's context, allow-list, entropy and validator have their say.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import re2

from detectors.anchors import Anchor, Scan, Span, Table, anchors_of, scan_pure, table
from detectors.errors import BudgetExceeded
from detectors.finding import Finding, Text
from detectors.gate import Gate, Probe, Stage
from detectors.gateform import DIGITS, gate_form, least_length, needs_digits
from detectors.rule import Rule
from detectors.shapes import FindShapes
from detectors.validators import VALIDATORS, Validator
from detectors.words import Find, Words, letter_forms

MAX_CANDIDATES = 20_000
_KNOWN_KEYS = 1024  # of a rule, at most
_KNOWN_TABLES = 512  # of a detector, at most: 2 kB each, mostly
_KNOWN_READERS = 4096  # of a detector, at most
_ANCHORS = 64  # in one table
_KNOWN_TEXTS = 10_000  # of a batch, at most
_LONG = 256  # bytes; longer texts seldom come twice
_MOST_ANCHORS = 2_000  # in one text; beyond, the rules' own patterns say more narrowly where to read
_LONG_KEY = 1024  # bytes, beyond which a key is looked at once, and its end with each value
_SEVERAL = 8  # matches of a rule in one text, each of which is judged by itself
_SPARSE = 256  # bytes for each sign that may separate scalars
_WRITTEN = re.compile(rb"\[[A-Z][A-Z0-9_]*(?::[\w-]+:[0-9a-f]{32})?\]|^[A-Z0-9_]*\]|\[[A-Z0-9_]*$")
"""What a redaction wrote, and what a window cuts of it: its words say nothing about what stands beside it."""

KEY_END = r"""(?:\\*["'])?(?:\s|\\+[nrt])*[:=]"""
"""What follows a key in JSON at any depth, in logfmt and in assignments."""


def byte_regex(pattern: str) -> Any:
    """``pattern`` compiled by google-re2 over bytes. Raises ValueError."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    try:
        return re2.compile(pattern.encode("ascii"), options)
    except UnicodeEncodeError:
        raise ValueError("has a character beyond ASCII; patterns are byte patterns") from None
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if error.args else "not valid"
        raise ValueError(f"not a linear-time regular expression: {reason}") from None


Search = Callable[[bytes, int, int], Sequence[tuple[int, int]]]
"""The first match in ``text[pos:end]``: its span and those of its groups, (-1, -1) for none."""


def search_of(regex: Any) -> Search:
    """The search that google-re2 has in C++: the Python around it costs as much again, and makes an object of each."""
    inner = getattr(regex, "_regexp", None)
    if inner is not None and hasattr(inner, "Match"):
        return partial(inner.Match, _ANYWHERE)

    def search(text: bytes, pos: int, end: int) -> Sequence[tuple[int, int]]:
        match = regex.search(text, pos, end)
        return [(-1, -1)] if match is None else [match.span(group) for group in range(regex.groups + 1)]

    return search


_ANYWHERE, _WHOLE = re2._Anchor.UNANCHORED, re2._Anchor.ANCHOR_BOTH


def teller(regex: Any, *, whole: bool = False) -> Callable[[bytes], bool]:
    """Tells whether ``regex`` matches somewhere in a text, or all of it: past the wrapper, as `search_of`."""
    anchor = _WHOLE if whole else _ANYWHERE
    inner = getattr(regex, "_regexp", None)
    if inner is not None and hasattr(inner, "Match"):
        match = inner.Match
        return lambda text: match(anchor, text, 0, len(text))[0][0] >= 0
    test = regex.fullmatch if whole else regex.search
    return lambda text: test(text) is not None


class Budget:
    """How many places may still look suspicious."""

    __slots__ = ("_left", "_limit")

    def __init__(self, limit: int = MAX_CANDIDATES) -> None:
        self._left = self._limit = limit

    def take(self) -> None:
        """One place more. Raises BudgetExceeded."""
        self._left -= 1
        if self._left < 0:
            raise BudgetExceeded("candidates", self._limit)


class Known(NamedTuple):
    """What was derived from a rule before."""

    gate: bytes
    numeric: bool  # see `needs_digits`


class CompiledRule:
    """A rule, ready to read texts. Raises ValueError where a part of it does not compile.

    With what is ``known`` of it, it is a rule that did compile, and its parts are compiled once they are needed.
    """

    __slots__ = (
        "_allow",
        "_anchors",
        "_context",
        "_key",
        "_keyed",
        "_keys",
        "_least",
        "_not_key",
        "_place",
        "_search",
        "_told",
        "_validator",
        "_words",
        "gate",
        "numeric",
        "rule",
    )

    def __init__(self, rule: Rule, known: Known | None = None) -> None:
        self.rule = rule
        self._search: Search | None = None
        self._key: Any = None
        self._not_key: Any = None
        self._context: Callable[[bytes], bool] | None = None
        self._allow: Callable[[bytes], bool] | None = None
        self._least = 0  # bytes that a match has at least
        self._validator: Validator | None = None
        self._place: Any = None
        self._anchors: tuple[Anchor, ...] | None = None
        self._keyed = rule.key is not None or rule.not_key is not None
        self._words: Callable[[bytes], bool] | None = None
        self._told = b"", False  # the last key that was asked for context words, and whether it has one
        self._keys: dict[bytes, bool] = {}  # what `reads` said: keys come again and again
        if known is None:
            known = Known(_part("gate", _gate_of, rule), needs_digits(rule.pattern))
            self._compile()
        self.gate, self.numeric = known

    def _compile(self) -> Search:
        """Compiles what `findings` needs."""
        rule = self.rule
        regex = _part("pattern", byte_regex, rule.pattern)
        if regex.fullmatch(b""):
            raise ValueError("pattern: matches the empty text")
        self._key = _part("key", byte_regex, f"(?i:{rule.key})") if rule.key else None
        self._not_key = _part("not_key", byte_regex, f"(?i:{rule.not_key})") if rule.not_key else None
        if rule.context:
            self._context = teller(byte_regex(context_pattern(rule.context)))
        allow = "|".join(f"(?:{one})" for one in rule.allow)
        self._allow = teller(_part("allow", byte_regex, f"(?i:{allow})"), whole=True) if allow else None
        self._validator = VALIDATORS[rule.validator] if rule.validator else None
        self._least = least_length(rule.pattern)
        self._search = search = search_of(regex)
        return search

    @property
    def anchors(self) -> tuple[Anchor, ...]:
        """What stands for sure where `places` would find something; none if nothing good does."""
        if self._anchors is None:  # not at the start, for all rules: most never see a hit
            key, pattern = self.rule.key, self.rule.pattern
            self._anchors = anchors_of(key, fold=True) if key else anchors_of(pattern)
        return self._anchors

    @property
    def words(self) -> Sequence[str]:
        """The context words that announce the rule, and that its gate is a pattern of; none if something else does."""
        rule = self.rule
        return () if rule.gate or rule.key else rule.context

    def places(self, raw: bytes) -> Iterator[tuple[int, int]]:
        """Stretches of raw, still escaped bytes: each finding, or the key that it stands under, touches one."""
        if self._place is None:
            self._place = search_of(_place_of(self.rule))
        for groups in _each(self._place, raw):
            yield groups[0]

    def findings(self, text: Text, budget: Budget) -> list[Finding]:
        """The findings of this rule in ``text``. Raises BudgetExceeded."""
        value, key = text
        rule = self.rule
        out: list[Finding] = []
        if not self.reads(key):
            return out
        judged: dict[object, float | None] = {}
        for number, (start, end) in enumerate(self.spans(value)):
            budget.take()
            if number < _SEVERAL:
                score = self._judge(value, key, start, end)
            else:  # such a text mostly says the same again and again
                if number == _SEVERAL and not self._mentions(value, key):
                    break
                seen = self._seen(value, start, end)
                if seen not in judged:
                    judged[seen] = self._judge(value, key, start, end)
                score = judged[seen]
            if score is not None:
                start, end = _whole_characters(value, start, end)
                out.append(Finding(rule.id, rule.entity, start, end, score))
        return out

    def _mentions(self, value: bytes, key: bytes) -> bool:
        """Whether a context word, if the rule has any, stands somewhere, be it within another word."""
        if self._context is None or (key and self._tells(self._context, key)):
            return True
        if self._words is None:
            self._words = teller(byte_regex(_any_word(self.rule.context)))
        return self._words(value)

    def _seen(self, value: bytes, start: int, end: int) -> object:
        """All that the checks see of a match, apart from the key."""
        if not self.rule.context:
            return value[start:end]
        window = self.rule.context_window
        return value[max(0, start - window) : start], value[start:end], value[end : end + window]

    def reads(self, key: bytes) -> bool:
        """Whether the rule reads what stands under ``key`` at all."""
        if not self._keyed:
            return True
        known = self._keys.get(key)
        if known is None:
            if len(self._keys) >= _KNOWN_KEYS:
                self._keys.clear()
            known = self._keys[key] = self._reads(key)
        return known

    def _reads(self, key: bytes) -> bool:
        if self._search is None:
            self._compile()
        if self._key is not None and not self._key.fullmatch(key):
            return False
        return self._not_key is None or not key or self._not_key.fullmatch(key) is None

    def spans(self, value: bytes) -> Iterator[tuple[int, int]]:
        """Where secrets may stand in ``value``: the group of each match, or all of it if the pattern has no group.

        A match in which no group took part is none: so a pattern says what to skip (``version [0-9.]+|([0-9.]+)``).
        """
        search = self._search or self._compile()
        for groups in _each(search, value, self._least):
            if len(groups) == 1:
                yield groups[0]
                continue
            found = (-1, -1)
            for group in groups[1:]:
                if group[1] > found[1]:
                    found = group
            if found[1] >= 0:
                yield found

    def refusal(self, value: bytes, key: bytes, start: int, end: int) -> str | None:
        """Why the checks refuse the match at ``value[start:end]``; None if they confirm it."""
        rule, secret = self.rule, value[start:end]
        if self._search is None:
            self._compile()
        if start == end:
            return "empty"
        if self._allow is not None and self._allow(secret):
            return "on the allow-list"
        if rule.min_entropy is not None and entropy(secret) < rule.min_entropy:
            return "not random enough"
        if self._context is not None and not self._has_context(self._context, value, key, start, end):
            return "no context word near"
        if self._validator is not None and rule.invalid_score is None and not self._validator(secret):
            return f"fails {rule.validator}"
        return None

    def _judge(self, value: bytes, key: bytes, start: int, end: int) -> float | None:
        if self.refusal(value, key, start, end) is not None:
            return None
        rule = self.rule
        if rule.invalid_score is not None and self._validator is not None:
            return rule.score if self._validator(value[start:end]) else rule.invalid_score
        return rule.score

    def _has_context(self, has: Callable[[bytes], bool], value: bytes, key: bytes, start: int, end: int) -> bool:
        if key and self._tells(has, key):
            return True
        window = self.rule.context_window
        for text in (value[max(0, start - window) : start], value[end : end + window]):
            if text and has(_WRITTEN.sub(b"[]", text) if b"[" in text or b"]" in text else text):
                return True
        return False

    def _tells(self, has: Callable[[bytes], bool], key: bytes) -> bool:
        """Whether the key has a context word: asked again and again of the values of an array."""
        known, tells = self._told
        if known is not key and known != key:
            tells = has(key)
            self._told = key, tells
        return tells


class PatternDetector:
    """All rules compiled together.

    ``extra`` are patterns of the caller, in Hyperscan's syntax, that ride along in the same gate: their ids
    follow those of the rules; ``stages`` says which of them come behind a trigger, ``probes``
    which of them are looked for by other means as well. ``scan`` looks for anchors; ``has_digits`` for `DIGITS`, and
    ``find_words`` for context words, if they are quicker than the gate. Raises ValueError naming what does not compile.
    """

    def __init__(
        self,
        rules: Sequence[Rule | CompiledRule],
        *,
        extra: Sequence[bytes] = (),
        stages: Sequence[Stage] = (),
        probes: Sequence[Probe] = (),
        max_candidates: int = MAX_CANDIDATES,
        scan: Scan = scan_pure,
        has_digits: Callable[[bytes], bool] | None = None,
        find_words: Find | None = None,
        find_shapes: FindShapes | None = None,
    ) -> None:
        self.rules = [rule if isinstance(rule, CompiledRule) else CompiledRule(rule) for rule in rules]
        self.by_key = frozenset(number for number, rule in enumerate(self.rules) if rule.rule.key)
        spoken = {number: rule.words for number, rule in enumerate(self.rules) if rule.words}
        numeric = {number for number, rule in enumerate(self.rules) if rule.numeric}
        self.gate = Gate(
            [rule.gate for rule in self.rules] + list(extra),
            [stage for stage in (Stage([DIGITS], numeric, has_digits), *stages) if stage.ids],
            probes,
            Words(spoken, find_words) if find_words is not None else None,
            find_shapes,
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

    def places(self, raw: bytes, rules: Iterable[int]) -> list[Span]:
        """Where in raw, still escaped bytes these rules may find something, by the start.

        Each finding, or the key that it stands under, touches a span of its rule, in the scalar or key that it is in.
        Raises BudgetExceeded.
        """
        rules = tuple(rules)
        anchors, others = self._table(rules)
        found: list[Span] = []
        if anchors is not None:
            spans = self._anchored(raw, *anchors, min(_MOST_ANCHORS, self._max_candidates))
            if spans is None and _is_sparse(raw):
                return [(0, len(raw), rule) for rule in rules]
            if spans is None:
                others = list(rules)
            else:
                found = spans
        if others:
            budget = Budget(self._max_candidates)
            for rule in others:
                for start, end in self.rules[rule].places(raw):
                    budget.take()
                    found.append((start, end, rule))
            found.sort()
        return found

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


def _is_sparse(raw: bytes) -> bool:
    """Whether a text can hold but a few scalars and pairs for its length, so that most of it is read in any case."""
    return (raw.count(b'"') + raw.count(b",") + raw.count(b"=")) * _SPARSE < len(raw)


def entropy(data: bytes) -> float:
    """Shannon entropy in bits per byte."""
    size = len(data)
    if not size:
        return 0.0
    counts = Counter(data).values()
    if size < len(_WEIGHTS):
        return math.log2(size) - sum([_WEIGHTS[n] for n in counts]) / size
    return math.log2(size) - sum([_weight(n) for n in counts]) / size


def _weight(count: int) -> float:
    return count * math.log2(count) if count else 0.0


_WEIGHTS = [_weight(count) for count in range(256)]
"""What a byte that comes so often takes from the entropy of texts that are all different bytes."""


def _gate_of(rule: Rule) -> bytes:
    if rule.gate:
        return f"(?i){rule.gate}".encode("ascii")
    if rule.key:
        return (gate_form(f"(?i){rule.key}", tail=False) + KEY_END).encode("ascii")
    if rule.context:
        return context_pattern(rule.context, raw=True).encode("ascii")
    return _part("pattern", partial(gate_form, finds=True), rule.pattern).encode("ascii")  # type: ignore[no-any-return]


def _place_of(rule: Rule) -> Any:
    """What `CompiledRule.places` looks for: the gate form of the key, or else of the pattern itself."""
    if rule.key:
        return byte_regex(gate_form(f"(?i){rule.key}", tail=False) + KEY_END)
    return byte_regex(gate_form(rule.pattern, finds=True))


def context_pattern(words: Sequence[str], *, raw: bool = False) -> str:
    """A pattern for these words as words: ``ssn`` is in ``user_ssn`` and ``userSSN``, not in ``lessness``.

    One of two bytes stands alone: random ids and digests are full of ``cf``. With ``raw``, for the gate, a word may
    also follow an escape such as ``\\n``.
    """
    short = [word for word in words if len(word.encode()) == 2]
    long = [word for word in words if word not in short]
    escape = r"|\\[nrtbf]" if raw else ""
    branches = []
    if long:
        capital = "|".join(word[0].upper() + _any_word([word[1:]]) for word in long if word[:2].isascii())
        inside = f"|[a-z](?:{capital})" if capital else ""
        branches.append(f"(?:(?:^|[^A-Za-z]{escape}){_any_word(long)}{inside})(?:$|[^a-z])")
    if short:
        branches.append(f"(?:^|[^A-Za-z0-9]{escape}){_any_word(short)}(?:$|[^A-Za-z0-9])")
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"


def _any_word(words: Sequence[str]) -> str:
    return f"(?i:{'|'.join(gate_form(_word(word), trim=False) for word in words)})"


def _word(word: str) -> str:
    """A context word as a pattern; its parts may be joined by a space, a dash or an underscore.

    One such byte and no line break: a gate of a hundred lists of words is half as fast with more.
    """
    return "[ _-]?".join("".join(map(_letter, part)) for part in word.split(" "))


def _letter(char: str) -> str:
    """A letter as a pattern over UTF-8: beyond ASCII in both cases, and ``é`` also as ``e``, with or without a mark."""
    if char.isascii():
        return re.escape(char)
    return "(?:" + "|".join("".join(f"\\x{byte:02x}" for byte in form) for form in letter_forms(char)) + ")"


def _each(search: Search, text: bytes, least: int = 0) -> Iterator[Sequence[tuple[int, int]]]:
    """The matches in ``text``, one behind the other; each has ``least`` bytes or more."""
    at, size = 0, len(text)
    last = size - least
    while at <= last:
        groups = search(text, at, size)
        start, end = groups[0]
        if start < 0:
            return
        yield groups
        at = end if end > at else at + 1  # behind an empty match where nothing was passed over


def _part(name: str, make: Callable[[Any], Any], value: Any) -> Any:
    try:
        return make(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _whole_characters(value: bytes, start: int, end: int) -> tuple[int, int]:
    """The span widened so that it cuts no UTF-8 character."""
    while start > 0 and value[start] & 0xC0 == 0x80:
        start -= 1
    while end < len(value) and value[end] & 0xC0 == 0x80:
        end += 1
    return start, end
