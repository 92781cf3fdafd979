"""A rule compiled: its gate, where in raw bytes it may match, its exact spans, and the checks that decide on each."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple

from detectors.anchors import Anchor, anchors_of
from detectors.context import any_word, context_pattern
from detectors.errors import BudgetExceeded
from detectors.finding import Finding, Text
from detectors.gateform import gate_form, least_length, needs_digits
from detectors.regex import Search, byte_regex, search_of, teller
from detectors.rule import Rule
from detectors.validators import VALIDATORS, Validator

MAX_CANDIDATES = 20_000
_KNOWN_KEYS = 1024  # of a rule, at most
_OPENS, _CLOSES = b"[]"  # as numbers, of which Python finds one in bytes eight times as fast
_END = itemgetter(1)
_new = tuple.__new__  # a named tuple made by its own name runs a function of Python
_SEVERAL = 8  # matches of a rule in one text, each of which is judged by itself
_WRITTEN = re.compile(rb"\[[A-Z][A-Z0-9_]*(?::[\w-]+:[0-9a-f]{32})?\]|^[A-Z0-9_]*\]|\[[A-Z0-9_]*$")
"""What a redaction wrote, and what a window cuts of it: its words say nothing about what stands beside it."""

KEY_END = r"""(?:\\*["'])?(?:\s|\\+[nrt])*[:=]"""
"""What follows a key in JSON at any depth, in logfmt and in assignments."""


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
        self._place: Search | None = None
        self._anchors: tuple[Anchor, ...] | None = None
        self._keyed = rule.key is not None or rule.not_key is not None
        self._words: Callable[[bytes], bool] | None = None
        self._told = b"", False  # the last key that was asked for context words, and whether it has one
        self._keys: dict[bytes, bool] = {}  # what `reads` said: keys come again and again
        if known is None:
            known = Known(
                _part("gate", _gate_of, rule), needs_digits(rule.pattern) or needs_digits(rule.gate or "", gate=True)
            )
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

    def place(self, raw: bytes, at: int) -> tuple[int, int] | None:
        """The first place from ``at`` on in raw, still escaped bytes; None if there is none.

        Each finding, or the key that it stands under, touches one.
        """
        search = self._place or self._compile_place()
        start, end = search(raw, at, len(raw))[0]
        return (start, end) if start >= 0 else None

    def _compile_place(self) -> Search:
        self._place = place = search_of(_place_of(self.rule))
        return place

    def findings(self, text: Text, budget: Budget) -> list[Finding]:
        """The findings of this rule in ``text``. Raises BudgetExceeded."""
        value, key = text
        out: list[Finding] = []
        if self._keyed and not self.reads(key):
            return out
        span = self._next(value, 0)
        if span is None:  # most often
            return out
        rule = self.rule
        judged: dict[object, float | None] = {}
        number = 0
        while span is not None:
            start, end, at = span
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
            number += 1
            if score is not None:
                start, end = _whole_characters(value, start, end)
                out.append(_new(Finding, (rule.id, rule.entity, start, end, score)))
            span = self._next(value, at)
        return out

    def _mentions(self, value: bytes, key: bytes) -> bool:
        """Whether a context word, if the rule has any, stands somewhere, be it within another word."""
        if self._context is None or (key and self._tells(self._context, key)):
            return True
        if self._words is None:
            self._words = teller(byte_regex(any_word(self.rule.context)))
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
        at = 0
        while (span := self._next(value, at)) is not None:
            start, end, at = span
            yield start, end

    def _next(self, value: bytes, at: int) -> tuple[int, int, int] | None:
        """The first of `spans` from ``at`` on, and from where on to look for the next.

        A function and not a generator: most texts have one match, and setting up two generators
        takes as long as finding it.
        """
        search, size = self._search or self._compile(), len(value)
        last = size - self._least
        while at <= last:
            groups = search(value, at, size)
            start, end = groups[0]
            if start < 0:
                return None
            at = end if end > at else at + 1  # behind an empty match where nothing was passed over
            if len(groups) > 1:
                start, end = groups[1] if len(groups) == 2 else max(groups[1:], key=_END)
                if end < 0:
                    continue
            return start, end, at
        return None

    def refusal(self, value: bytes, key: bytes, start: int, end: int) -> str | None:
        """Why the checks refuse the match at ``value[start:end]``; None if they confirm it."""
        rule, secret = self.rule, value[start:end]
        if self._search is None:
            self._compile()
        if start == end:
            return "empty"
        if self._allow is not None and self._allow(secret):
            return "on the allow-list"
        if rule.min_entropy is not None and not has_entropy(secret, rule.min_entropy):
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
            if text and has(_WRITTEN.sub(b"[]", text) if _OPENS in text or _CLOSES in text else text):
                return True
        return False

    def _tells(self, has: Callable[[bytes], bool], key: bytes) -> bool:
        """Whether the key has a context word: asked again and again of the values of an array."""
        known, tells = self._told
        if known is not key and known != key:
            tells = has(key)
            self._told = key, tells
        return tells


def has_entropy(data: bytes, least: float) -> bool:
    """Whether the `entropy` of ``data`` is ``least`` or more.

    How many different bytes it has tells mostly: it is least where all of these but one come once.
    """
    size = len(data)
    rest = size - len(set(data)) + 1
    if size and rest < len(_WEIGHTS) and math.log2(size) - _WEIGHTS[rest] / size > least + _ROUNDING:
        return True
    return entropy(data) >= least


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
_ROUNDING = 1e-9


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
