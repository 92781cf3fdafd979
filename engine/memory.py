"""What a record gives away once is redacted wherever else it stands in that record.

A credential that was found with certainty (in an ``Authorization`` header, under ``password``) is looked for as it is
in every text of the record: where nothing around it says what it is, no rule would find it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from detectors.finding import Finding
from detectors.patterns import PatternDetector
from engine.escapes import BACKSLASH
from engine.layers import layers
from engine.layers.model import Purse
from engine.occurrences import Values

Memory = Mapping[bytes, Finding]
"""What is looked for, and the finding that told of it."""
Sought = Sequence[tuple[bytes, bytes]]
"""Each form of what is looked for, and the same without what may be escaped in it."""

_CERTAIN = 0.85
_SHORTEST = 8
_LONG = 16
"""From so many bytes on a value is not by chance a part of a longer word, and not a word itself."""
_ANNOUNCED = 12
"""Layers announce what is at least so long; the encoded forms of shorter values are looked for themselves."""
_MOST = 1 << 20
_WORDS = re.compile(rb"[A-Za-z]+|[0-9]{1,8}|(.)\1*|(?:[A-Z]?[a-z]+[ _.-])+[a-z]+", re.DOTALL)
_OF_PEOPLE = frozenset({"network", "personal"})
"""Families whose values have a form of their own and are found by it, or stand for many things (a date)."""
_SLASHED = re.compile(rb"\\(?:\\|[nrt])?|[\n\r\t]")
_OBJECT = b'{"'
_RUN = re.compile(rb"[A-Za-z0-9+/_-]*={0,2}")


def certain_rules(detector: PatternDetector) -> frozenset[str]:
    """The ids of the rules whose findings are remembered."""
    rules = (one.rule for one in detector.rules)
    return frozenset(rule.id for rule in rules if rule.score >= _CERTAIN and rule.family not in _OF_PEOPLE)


def remembered(found: Iterable[tuple[bytes, Iterable[Finding]]], certain: Collection[str]) -> dict[bytes, Finding]:
    """What to look for, by the texts of a record and what was found in them."""
    memory: dict[bytes, Finding] = {}
    seen: set[bytes] = set()
    for text, findings in found:
        for finding in findings:
            if finding.rule_id in certain and finding.score >= _CERTAIN:
                value = text[finding.start : finding.end]
                if value in seen:
                    continue
                seen.add(value)
                for one in (value, *_passwords(value)):
                    if len(one) >= _SHORTEST and (len(one) >= _LONG or not _WORDS.fullmatch(one)):
                        memory.setdefault(one, finding)
    return memory


def sought(memory: Iterable[bytes]) -> Sought:
    """What `Lingers` looks for."""
    forms = [form for value in memory for form in (value, *_forms(value))]
    return [(form, _SLASHED.sub(b"", form)) for form in forms]


class Lingers:
    """Tells of texts whether they hold one of ``forms``, those of what is remembered."""

    __slots__ = ("_always", "_bare", "_forms")

    def __init__(self, forms: Sought) -> None:
        self._forms = Values(form for form, _ in forms)
        bare = {bare for _, bare in forms}
        self._always = b"" in bare  # of nothing but backslashes: any text may hold it
        self._bare = Values(bare - {b""})

    def __call__(self, text: bytes) -> bool:
        """Whether ``text`` may still hold one, however it is escaped."""
        if self._always or self._forms.stand_in(text):
            return True
        return self._bare.stand_in(_SLASHED.sub(b"", text) if BACKSLASH in text else text)


class Recall:
    """Finds what a record gave away in its texts."""

    __slots__ = ("_owners", "_remembered", "_values")

    def __init__(self, memory: Memory) -> None:
        self._remembered = sorted(memory.items(), key=lambda item: -len(item[0]))
        self._owners: dict[bytes, list[int]] = {}  # from a form to what is remembered, longest first
        for number, (value, _) in enumerate(self._remembered):
            for form in (value, *_forms(value)):
                self._owners.setdefault(form, []).append(number)
        self._values = Values(self._owners)

    def __call__(self, text: bytes, known: Sequence[Finding]) -> list[Finding]:
        """Where ``text`` holds something remembered, beside what is ``known`` of it."""
        places = self._values.places(text)
        taken = bytearray(len(text))  # a mark for each byte that is found already
        for finding in known:
            taken[finding.start : finding.end] = b"\1" * (finding.end - finding.start)
        out = []
        for number in sorted({number for form in places for number in self._owners[form]}):
            value, told = self._remembered[number]
            for start, end, is_encoded in _spans(text, value, places):
                if taken.find(1, start, end) >= 0:
                    continue
                if is_encoded and (after := _RUN.match(text, end)) is not None:
                    end = after.end()
                    if taken.find(1, start, end) >= 0:
                        continue
                taken[start:end] = b"\1" * (end - start)
                out.append(told._replace(start=start, end=end))
        return out


def _spans(text: bytes, value: bytes, places: Mapping[bytes, Sequence[int]]) -> Iterator[tuple[int, int, bool]]:
    """Where ``value`` stands, and where one of its encoded forms does; a short value not within a longer word."""
    whole = len(value) < _LONG
    for at in places.get(value, ()):
        end = at + len(value)
        if not whole or not (_joins(text[max(at - 1, 0) : at + 1]) or _joins(text[end - 1 : end + 1])):
            yield at, end, False
    for form in _forms(value):
        for at in places.get(form, ()):
            yield at, at + len(form), True


def _joins(pair: bytes) -> bool:
    return len(pair) == 2 and pair.isalnum()


def _forms(value: bytes) -> tuple[bytes, ...]:
    """Encoded forms of a value that is too short to be announced. Of base64, without what depends on what follows."""
    if len(value) >= _ANNOUNCED:
        return ()
    digits = value.hex().encode()
    return b64encode(value)[: len(value) * 4 // 3], digits, digits.upper()


def _passwords(value: bytes) -> list[bytes]:
    """What a value of basic authentication (RFC 7617) holds: the password behind the user's name.

    A JSON object, as the parts of a JWT are, is no user with a password.
    """
    if len(value) > 512:  # so it cannot unpack to more than `_MOST`
        return []
    texts = [layer.text for layer in layers(value, Purse(_MOST)) if layer.kind == "base64"]
    return [text.partition(b":")[2] for text in texts if not text.startswith(_OBJECT)]
