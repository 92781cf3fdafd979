"""Whether a text could hold a name: a glance at its words, some fifty times faster than a model.

A word in lower case or in capitals counts if it is a known name and more often that than a word (``jane``, ``OMAR``;
not ``hope``). A word with one capital counts unless it is plain: known as a word, and seldom a name. What is written
together (``getUserName``, ``org.apache.Foo``) is code. After ``my name is`` and the like any word counts. What is
plain was weighed when the model was made, by the frequencies of words and of names.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

_FILE = Path(__file__).parent / "pipeline" / "gate.gz"
_TECHNICAL = Path(__file__).parent / "plain.txt"  # words of logs that English dictionaries lack
_WORD = re.compile(r"[A-Z]?[a-z]{2,}|[A-Z]{4,}(?![a-z])")
_CAPITAL = re.compile(
    r"(?<![A-Za-z./$@#\\-])(?:Mc|Mac|De|Di|La|Le|Van|O')?[A-Z][a-z]+(?![A-Za-z(])|(?<=\\[nrt])[A-Z][a-z]+"
)
_PREFIXED = re.compile(r"(?:Mc|Mac|De|Di|La|Le|Van)[A-Z][a-z]+")
_CUE = re.compile(r"\b(?:[Nn]amed?(?:'s| is| was|:)? |called |[Mm](?:rs?|s|iss)\.? |[Dd]r\.? |[Pp]rof\.? )")
_CUES = frozenset("Name Named name named called Mr Mrs Ms Miss mr mrs ms miss Dr dr Prof prof".split())
_ADDRESS = re.compile(r"[\w.+-]{0,64}@\w")
_MAIL = frozenset("@._+-0123456789")
_LETTERS = re.compile(r"[^\W\d_]+")
_APART = {code: " " for code in range(128) if not chr(code).isalpha()}


class NameGate:
    """Asked of a text. ``names`` are words that count in lower case too; ``plain`` those that never do."""

    def __init__(self, names: Iterable[str], plain: Iterable[str]) -> None:
        technical = frozenset(_TECHNICAL.read_text(encoding="utf-8").split())
        self._names = frozenset(
            form for name in names if name not in technical for form in (name, name.upper()[3:] and name.upper())
        )
        self._plain = frozenset(word.capitalize() for words in (plain, technical) for word in words)

    @classmethod
    def read(cls, path: Path) -> NameGate:
        """The gate in a gzip file of two lines: the names, and the plain words."""
        names, plain = gzip.decompress(path.read_bytes()).decode().splitlines()
        return cls(names.split(), plain.split())

    def __call__(self, text: str) -> bool:
        """Whether ``text`` could hold a name."""
        words = _words(text)
        if not self._names.isdisjoint(words) or (not _CUES.isdisjoint(words) and _CUE.search(text) is not None):
            return True
        return any(True for word in self._odd(words) for _ in self._places(text, word))

    def _odd(self, words: Iterable[str]) -> set[str]:
        """Those with a capital that are not plain, names in what is written together, words of other scripts."""
        plain, odd = self._plain, set[str]()
        for word in words:
            if word.islower() or word in plain:
                continue
            if not word.isascii():
                if len(word) > 3 or not word.isupper():  # scripts without case, too
                    odd.add(word)
            elif word.isupper():
                continue
            elif word.istitle() or _PREFIXED.fullmatch(word):
                odd.add(word)
            elif word[0] in "nrt" and word[1:].istitle():  # behind a backslash
                odd |= {word[1:]} - plain
            else:
                odd |= self._names.intersection(_WORD.findall(word))
        return odd

    def spots(self, text: str) -> list[tuple[int, int]]:
        """Where the words stand that could be of a name, in order: first character, and the one after the last."""
        words = _words(text)
        cued = not _CUES.isdisjoint(words)
        found = [(match.end(), match.end() + 1) for match in _CUE.finditer(text)] if cued else []
        for word in self._names.intersection(words) | self._odd(words):
            found += self._places(text, word)
        return sorted(found)

    def _places(self, text: str, word: str) -> Iterator[tuple[int, int]]:
        """Where ``word`` stands in ``text``: with a capital not in code, and never as part of a longer word in the
        same case, or of an e-mail address, which patterns find.
        """
        at, first, last = text.find(word), word[0].islower(), word[-1].islower()
        known = word in self._names or not word.isascii()
        while at >= 0:
            end = at + len(word)
            before, after = text[at - 1 : at], text[end : end + 1]
            if known:
                apart = not (at and before.isalpha() and before.islower() == first) and not (
                    after.isalpha() and after.islower() == last
                )
                if apart and not (after in _MAIL and _ADDRESS.match(text, end)):
                    yield at, end
            elif _CAPITAL.match(text, at):
                yield at, end
            at = text.find(word, end)


def _words(text: str) -> set[str]:
    return set(text.translate(_APART).split() if text.isascii() else _LETTERS.findall(text))


@cache
def shipped_gate() -> NameGate:
    """That of the shipped model."""
    return NameGate.read(_FILE)
