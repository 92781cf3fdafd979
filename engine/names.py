"""Names in the free text of records: which texts are free, and what a model finds in them, a batch at a time.

Of a batch, only the records that hold one of the policy's free-text fields are parsed, and only for those texts. A
record in which nothing is found goes the way of all records, as if names were not asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import orjson

from detectors.errors import BudgetExceeded
from detectors.finding import Finding, Text
from detectors.gate import Gate
from detectors.ner.detector import NameDetector, Passage
from engine.layers import LITERAL, ROWS, announces, announces_pure
from engine.policy.paths import PathPattern, joined
from engine.reading import read_record
from engine.records import ActivityRecord
from engine.views import Limits, View

_KNOWN_PATHS = 20_000
_ENCODED = rb"\\u[0-9a-fA-F]{4}|%[0-9a-fA-F]{2}|" + LITERAL + b"|" + ROWS
_announces = announces or announces_pure
_COLON = re.compile(rb'"\s*:')
_BACKSLASH = b"\\"[0]
_BLANKS = b" \t\r\n"
_WORD = re.compile(rb"[a-z0-9]+")


class Names(dict[Text, list[Finding]]):
    """The names in a record's texts. ``views`` are the record read in full, if it was: cleaning it needs them again."""

    def __init__(self, found: Iterable[tuple[Text, list[Finding]]], views: list[View] | None) -> None:
        super().__init__(found)
        self.views = views

    def words(self) -> frozenset[bytes]:
        """Words of them, ASCII and in lower case: each name of ASCII holds one, and so does each text of ASCII in which
        its person is known again.
        """
        words = set[bytes]()
        for text, some in self.items():
            for one in some:
                found = _WORD.findall(text.value[one.start : one.end].lower())
                long = [word for word in found if len(word) > 1] or found
                words.update(long if one.entity == "PERSON" or not long else (max(long, key=len),))
        return frozenset(words)


class OverBudget:
    """In place of `Names`: the record has more free text than the policy reads."""


class NameReader:
    """Reads the free text of records: what stands at one of ``fields``, which are path patterns."""

    def __init__(self, detector: NameDetector, fields: Sequence[str], limits: Limits) -> None:
        self._detector = detector
        self._limits = limits
        self._fields = [PathPattern(field) for field in fields]
        names = [pattern.literal for pattern in self._fields]
        self._gate = None if None in names else Gate([re.escape(name or "").encode() for name in dict.fromkeys(names)])
        self._encoded = Gate([_ENCODED])
        self._known: dict[bytes, bool] = {}
        self._steps: dict[tuple[bytes, str], tuple[bytes, bytes, bool]] = {}

    def read(
        self, records: Sequence[ActivityRecord], form_of: Callable[[str], str], most: int
    ) -> dict[int, Names | OverBudget]:
        """What is found, by the number of the record. ``form_of`` tells the form of a topic's records.

        Records above ``most`` bytes are left out.
        """
        asked: list[int] = []
        passages: list[list[Passage]] = []
        read: list[list[View] | None] = []
        gate = self._gate
        for number, record in enumerate(records):
            value = record.value
            if not value or len(value) > most or (gate is not None and not gate.hits(value)):
                continue
            try:
                found, views = self._texts(value, form_of(record.position.topic))
            except BudgetExceeded:
                continue  # reading it in earnest ends there, too
            if found:
                asked.append(number)
                passages.append(list(dict.fromkeys(found)))
                read.append(views)
        out: dict[int, Names | OverBudget] = {}
        if passages:
            for number, some, views, names in zip(asked, passages, read, self._detector.read(passages), strict=True):
                if names is None:
                    out[number] = OverBudget()
                elif any(names):
                    pairs = zip(some, names, strict=True)
                    out[number] = Names(
                        ((Text(_bytes(one), one.key), found) for one, found in pairs if found),
                        views,
                    )
        return out

    def texts(self, record: bytes, form: str = "auto") -> list[str]:
        """The free texts of a record."""
        return [_bytes(passage).decode("utf-8", "replace") for passage in self._texts(record, form)[0]]

    def _texts(self, data: bytes, form: str) -> tuple[list[Passage], list[View] | None]:
        """The free texts of a record, as `engine.reading` reads them, and its views, if they were needed."""
        if form in ("auto", "json"):
            document = self._document(data)
            try:
                tree = orjson.loads(document)
            except orjson.JSONDecodeError:
                tree = None
            if isinstance(tree, dict | list):
                found: list[Passage] = []
                keys = self._walk(tree, b"", b"", found, 0)
                if keys == _keys(document):  # else a key may be there twice, and orjson keeps one
                    return found, None
        views = read_record(data, form, self._limits)
        return list(self._of(views, b"", b"")), views

    def _document(self, data: bytes) -> bytes:
        """What of a record may be JSON: all of it, or what comes behind a plain word or two (``Observation: {…}``)."""
        start = data.find(b"{")
        head = data[:start] if start > 0 else b""
        if not head.strip() or b"[" in head or b"=" in head or b'"' in head or self._free(b"") or self._hides(head):
            return data
        return data[start:]

    def _hides(self, text: bytes) -> bool:
        """Whether escapes or encodings in it may spell another text."""
        return _announces(text) or bool(self._encoded.hits(text))

    def _walk(self, tree: Any, path: bytes, key: bytes, found: list[Passage], depth: int) -> int:
        """Adds the free texts of ``tree`` and gives the number of its keys, of JSON in strings aside."""
        if isinstance(tree, str):
            self._string(tree, path, key, found, depth, free=self._free(path))
            return 0
        count = 0
        if depth > self._limits.depth:
            raise BudgetExceeded("depth", self._limits.depth)
        if isinstance(tree, dict):
            count = len(tree)
            for name, below in tree.items():
                if isinstance(below, str):
                    under, own, free = self._step(path, name)
                    if free or "{" in below or "[" in below:
                        self._string(below, under, own, found, depth + 1, free=free)
                elif isinstance(below, (dict, list)):
                    under, own, _ = self._step(path, name)
                    count += self._walk(below, under, own, found, depth + 1)
        elif isinstance(tree, list):
            for number, below in enumerate(tree):
                if isinstance(below, (str, dict, list)):
                    count += self._walk(below, b"%b%d\x1f" % (path, number), key, found, depth + 1)
        return count

    def _step(self, path: bytes, name: str) -> tuple[bytes, bytes, bool]:
        """The path of what stands under ``name`` at ``path``, the name, and whether texts there are free."""
        known = self._steps.get((path, name))
        if known is None:
            if len(self._steps) >= _KNOWN_PATHS:
                self._steps.clear()
            own = name.encode("utf-8", "surrogatepass")
            under = path + own.replace(b"\x1f", b" ") + b"\x1f"
            known = self._steps[path, name] = under, own, self._free(under)
        return known

    def _string(self, tree: str, path: bytes, key: bytes, found: list[Passage], depth: int, *, free: bool) -> None:
        """Adds the free texts of a string, which may hold JSON."""
        braces = "{" in tree or "[" in tree
        if not free and not braces:
            return
        text = tree.encode("utf-8", "surrogatepass")
        encoded = self._hides(text)
        passage = None if encoded else self._detector.passage(tree, key)
        if passage is None and not encoded:
            return
        if braces:  # most often it is JSON as a whole, or behind a word or two
            start = 0 if text.lstrip()[:1] in (b"{", b"[") else text.find(b"{")
            head, document = text[:start], text[start:]
            below: list[Passage] = []
            if (
                start >= 0
                and (not start or not (b"[" in head or self._hides(head)))
                and (inner := _container(document)) is not None
                and self._walk(inner, path, key, below, depth + 1) == _keys(document)
            ):
                if start and free:  # the rest of the text is free, too: it is read without the document
                    size = len(document.rstrip(_BLANKS))
                    beside = (head + b" " * size + document[size:]).decode("utf-8", "surrogatepass")
                    found += filter(None, [self._detector.passage(beside, key)])
                found += below
                return
        if passage is None or braces:
            found += self._of(read_record(text, "text", self._limits), path, key)
        else:
            found.append(passage)

    def _of(self, views: Iterable[View], path: bytes, key: bytes) -> Iterator[Passage]:
        """The free texts among the views of a text, which stands at ``path`` and under ``key``."""
        for view in views:
            if view.readable and view.kind not in ("key", "number"):
                below = joined(view.step.names()) if view.step is not None else b""
                if self._free(path + below):
                    value = view.readable.decode("utf-8", "surrogateescape")
                    if (passage := self._detector.passage(value, view.key or key)) is not None:
                        yield passage

    def _free(self, path: bytes) -> bool:
        known = self._known.get(path)
        if known is None:
            if len(self._known) >= _KNOWN_PATHS:
                self._known.clear()
            known = self._known[path] = any(field.matches(path) for field in self._fields)
        return known


def _container(data: bytes) -> dict[str, Any] | list[Any] | None:
    """What JSON with something in it says; None for anything else."""
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return found if found and isinstance(found, (dict, list)) else None


def _bytes(passage: Passage) -> bytes:
    """Its text as it stands in the record."""
    return passage.value.encode("utf-8", "surrogateescape")


def _keys(data: bytes) -> int:
    """How many keys JSON has, those of JSON in its strings aside. Colons behind escaped quotes are in strings."""
    count = 0
    for match in _COLON.finditer(data):
        at = begin = match.start()
        while at and data[at - 1] == _BACKSLASH:
            at -= 1
        count += (begin - at) % 2 == 0
    return count


def added(found: list[Finding], names: list[Finding]) -> list[Finding]:
    """``found`` with those of ``names`` that no finding covers: patterns know better what they know."""
    return found + [n for n in names if not any(f.start <= n.start and n.end <= f.end for f in found)]
