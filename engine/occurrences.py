"""Where many values stand in a text, found in one pass however many they are.

A text with ten thousand credentials would otherwise be searched ten thousand times. Up to `_FEW` values are looked
for one by one, which is quicker.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_FEW = 24
_HEAD = 8
"""Bytes at the start of a value by which it is recognised; of shorter ones all."""


class Values:
    """Values, none of them empty, that are looked for together."""

    __slots__ = ("_few", "_heads", "_values")

    def __init__(self, values: Iterable[bytes]) -> None:
        self._values = frozenset(values)
        self._few = len(self._values) <= _FEW
        self._heads: dict[int, dict[bytes, set[int]]] = {}  # by the size of the head: which lengths begin so
        if not self._few:
            for value in self._values:
                head = value[:_HEAD]
                self._heads.setdefault(len(head), {}).setdefault(head, set()).add(len(value))

    def stand_in(self, text: bytes) -> bool:
        """Whether any of them does."""
        if self._few:
            return any(map(text.count, self._values))
        return next(self._found(text), None) is not None

    def places(self, text: bytes) -> dict[bytes, list[int]]:
        """Where each of those that stand in ``text`` begins, in order, overlapping or not."""
        out: dict[bytes, list[int]] = {}
        for value, at in self._each(text) if self._few else self._found(text):
            out.setdefault(value, []).append(at)
        return out

    def _each(self, text: bytes) -> Iterator[tuple[bytes, int]]:
        for value in self._values:
            at = text.find(value)
            while at >= 0:
                yield value, at
                at = text.find(value, at + 1)

    def _found(self, text: bytes) -> Iterator[tuple[bytes, int]]:
        whole = len(text)
        for size, heads in self._heads.items():
            begins = [at for at in range(whole - size + 1) if text[at : at + size] in heads]
            for at in begins:
                for length in heads[text[at : at + size]]:
                    if at + length <= whole and (value := text[at : at + length]) in self._values:
                        yield value, at
