"""Whether a text could hold a name: a glance at its words, some fifty times faster than a model.

A word in lower case or in capitals counts if it is a known name and more often that than a word (``jane``, ``OMAR``;
not ``hope``). A word with one capital counts unless it is plain: known as a word, and seldom a name. What is written
together (``getUserName``, ``org.apache.Foo``) is code. After ``my name is`` and the like any word counts. What is
plain was weighed when the model was made, by the frequencies of words and of names.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

_FILE = Path(__file__).parent / "pipeline" / "gate.gz"
_TECHNICAL = Path(__file__).parent / "plain.txt"  # words of logs that English dictionaries lack
_WORD = re.compile(r"[A-Z]?[a-z]{2,}|[A-Z]{4,}(?![a-z])")
_CAPITAL = re.compile(
    r"(?<![A-Za-z./$@#\\-])(?:Mc|Mac|De|Di|La|Le|Van|O')?[A-Z][a-z]+(?![A-Za-z(])|(?<=\\[nrt])[A-Z][a-z]+"
)
_CUE = re.compile(r"\b(?:[Nn]amed?(?:'s| is| was|:)? |called |[Mm](?:rs?|s|iss)\.? |[Dd]r\.? |[Pp]rof\.? )")
_LETTERS = re.compile(r"[^\W\d_]+")


class NameGate:
    """Asked of a text. ``names`` are words that count in lower case too; ``plain`` those that never do."""

    def __init__(self, names: Iterable[str], plain: Iterable[str]) -> None:
        technical = frozenset(_TECHNICAL.read_text(encoding="utf-8").split())
        self._names = frozenset(form for name in names if name not in technical for form in (name, name.upper()))
        self._plain = frozenset(word.capitalize() for words in (plain, technical) for word in words)

    @classmethod
    def read(cls, path: Path) -> NameGate:
        """The gate in a gzip file of two lines: the names, and the plain words."""
        names, plain = gzip.decompress(path.read_bytes()).decode().splitlines()
        return cls(names.split(), plain.split())

    def __call__(self, text: str) -> bool:
        """Whether ``text`` could hold a name."""
        if _CUE.search(text) is not None:
            return True
        if not text.isascii():
            return self._could(text)
        return not (self._names.isdisjoint(_WORD.findall(text)) and self._plain.issuperset(_CAPITAL.findall(text)))

    def spots(self, text: str) -> list[tuple[int, int]]:
        """Where the words stand that could be of a name, in order: first character, and the one after the last."""
        found = [(match.end(), match.end() + 1) for match in _CUE.finditer(text)]
        if not text.isascii():
            found += [match.span() for match in _LETTERS.finditer(text) if self._counts(match[0])]
        else:
            names, plain = self._names, self._plain
            found += [match.span() for match in _WORD.finditer(text) if match[0] in names]
            found += [match.span() for match in _CAPITAL.finditer(text) if match[0] not in plain]
        return sorted(found)

    def _could(self, text: str) -> bool:
        return any(map(self._counts, _LETTERS.findall(text)))

    def _counts(self, word: str) -> bool:
        if word.islower():
            return word in self._names
        return word not in self._plain and (len(word) > 3 or not word.isupper())  # scripts without case, too


@cache
def shipped_gate() -> NameGate:
    """That of the shipped model."""
    return NameGate.read(_FILE)
