"""Globs: ``*`` matches anything, ASCII letters match in both cases, white space matches any run of it.

Matching is on UTF-8 bytes. Characters that look like ASCII count as what they look like, and those that are not seen as
nothing (`engine.layers.lookalikes`), so that nobody renames a tool past a rule; what lets an action pass asks for the
name as it is written. A glob must never match text for which its gate literal is silent: so of a record beyond ASCII
the gate is asked again, with its characters taken for what they look like.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from detectors.regex import byte_regex, teller
from engine.layers.lookalikes import plain

Fold = Callable[[str], bytes]
"""`fold`, or what remembers its answers."""

_HEAD = 128  # characters
_SPACE = re.compile(rb"[ \t\n\r\f\v]+")


def fold(text: str) -> bytes:
    """``text`` as globs see it: no look-alikes, lower-case in ASCII, runs of white space as one blank, trimmed."""
    return _written_so(plain(text.encode("utf-8", "surrogatepass")))


def _written_so(data: bytes) -> bytes:
    return _SPACE.sub(b" ", data).strip(b" ").lower()


@dataclass(frozen=True, slots=True)
class Glob:
    """A compiled glob. ``runs`` is what stands between the stars, folded: ``a*b`` is ``(b'a', b'b')``."""

    text: str
    runs: tuple[bytes, ...]

    @classmethod
    def of(cls, text: str) -> Glob:
        """The glob written as ``text``. Raises ValueError for control characters, which no rule can mean."""
        if any(ord(char) < 32 and char not in "\t\n\r" for char in text):
            raise ValueError("a glob cannot hold control characters")
        return cls(text, tuple(fold(text).split(b"*")))

    def matches(self, text: str, folded: Fold = fold) -> bool:
        """Whether the whole of ``text`` matches; linear in its length times the number of stars."""
        if self.text == "*":
            return True
        if self.runs[0] and len(text) > 2 * _HEAD:  # folding a long text is dear, and its beginning mostly says no
            head = fold(text[:_HEAD])[:-1]  # its last byte may be a blank that goes on
            if not self.may_begin(head):
                return False
        return self.matches_folded(folded(text))

    def matches_as_written(self, text: str, folded: Fold = fold) -> bool:
        """As `matches`, but nothing counts as what it looks like: for rules that let something pass."""
        if text.isascii() and self.text.isascii():
            return self.matches(text, folded)
        glob, data = (_written_so(one.encode("utf-8", "surrogatepass")) for one in (self.text, text))
        return Glob(self.text, tuple(glob.split(b"*"))).matches_folded(data)

    def may_begin(self, head: bytes) -> bool:
        """Whether a text that begins with ``head``, folded, may match."""
        first = self.runs[0]
        return head[: len(first)] == first[: len(head)]

    def matches_folded(self, data: bytes) -> bool:
        """As `matches`, for text that went through `fold`."""
        if len(self.runs) == 1:
            return data == self.runs[0]
        first, *middle, last = self.runs
        if len(data) < len(first) + len(last) or not (data.startswith(first) and data.endswith(last)):
            return False
        at, end = len(first), len(data) - len(last)
        for run in middle:
            found = data.find(run, at, end)
            if found < 0:
                return False
            at = found + len(run)
        return True

    def anywhere(self) -> Glob:
        """The glob that matches wherever this one matches a part of the text."""
        return Glob(f"*{self.text}*", (b"", *self.runs, b""))

    def covers(self, other: Glob) -> bool:
        """Whether all that ``other`` matches is matched by this one, as far as is easily told."""
        return self.matches_folded(b"*".join(other.runs))


class AnyGlob:
    """Several globs asked at once, by google-re2: a long list of them costs what one does."""

    __slots__ = ("_anywhere", "_globs", "_tells")

    def __init__(self, globs: Iterable[Glob]) -> None:
        self._globs = tuple(globs)
        self._anywhere = not all(glob.runs[0] for glob in self._globs)
        written = "|".join(f"(?s:{'.*'.join(map(_written, glob.runs))})" for glob in self._globs)
        self._tells = teller(byte_regex(written), whole=True)

    def matches(self, text: str, folded: Fold = fold) -> bool:
        """Whether the whole of ``text`` matches one of them."""
        if not self._anywhere and len(text) > 2 * _HEAD:  # as `Glob.matches`
            head = fold(text[:_HEAD])[:-1]
            if not any(glob.may_begin(head) for glob in self._globs):
                return False
        return self._tells(folded(text))

    def matches_as_written(self, text: str, folded: Fold = fold) -> bool:
        """As `Glob.matches_as_written`."""
        return any(glob.matches_as_written(text, folded) for glob in self._globs)


def _written(run: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in run)
