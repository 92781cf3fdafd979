"""Escapes and their way back: a decoded text in which each offset still knows where it was written.

JSON's escapes (RFC 8259, section 7) and percent-encoding (RFC 3986, section 2.1); others are in `engine.layers`.
What is redacted in the decoded text is written back as a change of the raw bytes, escaped again; no escape is ever cut.
"""

from __future__ import annotations

import re
from binascii import a2b_hex
from bisect import bisect_right
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from engine.native import compiled

BACKSLASH = ord("\\")
"""As a number, as of other signs that are looked for in short texts: of ``b"x" in text`` Python asks whether it is one,
and the exception that says no takes eight times as long as the search."""
_ESCAPE = re.compile(
    rb"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))", re.DOTALL
)
_SPELLED = re.compile(rb"\\+(?:u([dD][89abAB][0-9a-fA-F]{2})\\+u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4}))")
_SIMPLE = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
_PERCENT = re.compile(rb"%([0-9a-fA-F]{2})")
_MUST_ESCAPE = re.compile(rb'["\\\x00-\x1f]')
_UNRESERVED = re.compile(rb"[^A-Za-z0-9._~*-]")
_WALKS = 8
"""How many offsets are found by walking, before an index is made: a text seldom holds more than a finding or two."""
_LONG = 2048  # bytes that Python walks over in no less time than it makes an index
_QUICK_WALKS = 64 if compiled else _WALKS
"""The same where the compiled helper walks: an index is made by Python, at the price of some fifty such walks."""


class Piece(NamedTuple):
    """One escape: where it is written, and where its text stands in the decoded text."""

    raw_start: int
    raw_end: int
    start: int
    end: int


class Spelling(NamedTuple):
    """A way to write bytes as escapes: what an escape looks like, and the bytes that it spells.

    ``whole`` decodes a text to the same, more quickly: texts may be nothing but escapes.
    """

    pattern: re.Pattern[bytes]
    decode: Callable[[re.Match[bytes]], bytes]
    whole: Callable[[bytes], bytes] | None = None

    def text(self, raw: bytes) -> bytes:
        """``raw`` decoded."""
        return self.whole(raw) if self.whole is not None else self.pattern.sub(self.decode, raw)

    def pieces(self, raw: bytes) -> Iterator[Piece]:
        """The escapes in ``raw``, in order."""
        shorter = 0  # by how much the text is shorter than what was written, up to here
        for match in self.pattern.finditer(raw):
            low, high = match.span()
            start = low - shorter
            end = start + len(self.decode(match))
            yield Piece(low, high, start, end)
            shorter = high - end

    def raw_offset(self, raw: bytes, offset: int, end: bool, /) -> int:
        """What `Unescaped.place` says, found by walking over the escapes before ``offset``."""
        last = None
        for piece in self.pieces(raw):
            if piece.start > offset:
                break
            last = piece
        return _offset_after(last, offset, end)


class Unescaped:
    """A decoded text, and the way back from its offsets to what it was decoded from: by a walk, or by an index."""

    __slots__ = ("_index", "_raw", "_spelling", "_walk", "_walks", "text")

    def __init__(
        self, text: bytes, raw: bytes, spelling: Spelling, walk: Callable[[bytes, int, bool], int] | None = None
    ) -> None:
        self.text = text
        self._raw = raw
        self._spelling = spelling
        self._walk = walk or spelling.raw_offset
        self._walks = _QUICK_WALKS if walk is not None else _WALKS if len(raw) < _LONG else 0
        self._index: list[Piece] | None = None

    def place(self, offset: int, *, end: bool) -> int:
        """The offset in the raw form of ``offset`` in the text; escapes are never cut.

        ``end`` says that the offset ends a span, so an escape that it falls into belongs to the span.
        """
        if self._index is None:
            if self._walks:
                self._walks -= 1
                return self._walk(self._raw, offset, end)
            self._index = list(self._spelling.pieces(self._raw))
        i = bisect_right(self._index, offset, key=_start)
        return _offset_after(self._index[i - 1] if i else None, offset, end)


def unescape(raw: bytes) -> Unescaped:
    """Decodes the escapes of a JSON string; a lone surrogate becomes its three-byte form."""
    return unescaped(unescape_bytes(raw), raw)


def unescaped(text: bytes, raw: bytes) -> Unescaped:
    """`unescape` of ``raw``, once its text is known."""
    return Unescaped(text, raw, JSON, raw_offset)


def spell_out(raw: bytes) -> bytes:
    """``raw`` JSON with each ``\\uXXXX``, however deep in strings, as the character that it stands for.

    Not JSON any more: what the gate reads to see what such escapes hide.
    """
    return _SPELLED.sub(once(_spelled_out), raw)


def once(decode: Callable[[re.Match[bytes]], bytes]) -> Callable[[re.Match[bytes]], bytes]:
    """``decode`` for one text: what is written in the same way is decoded once."""
    known: dict[bytes, bytes] = {}

    def decoded(match: re.Match[bytes]) -> bytes:
        written = match[0]
        text = known.get(written)
        if text is None:
            text = known[written] = decode(match)
        return text

    return decoded


def unquote(raw: bytes) -> Unescaped:
    """Decodes percent-encoding."""
    return Unescaped(PERCENT_ENCODING.text(raw), raw, PERCENT_ENCODING)


def unescape_bytes_pure(raw: bytes, /) -> bytes:
    """The text of `unescape` alone."""
    return JSON.text(raw)


def raw_offset_pure(raw: bytes, offset: int, end: bool, /) -> int:
    """`Unescaped.place` of `unescape`, found by walking over the escapes before ``offset``."""
    return JSON.raw_offset(raw, offset, end)


unescape_bytes: Callable[[bytes], bytes] = compiled.unescape_bytes if compiled else unescape_bytes_pure
raw_offset: Callable[[bytes, int, bool], int] = compiled.raw_offset if compiled else raw_offset_pure


def escape(text: bytes) -> bytes:
    """``text`` as it is written inside a JSON string."""
    return _MUST_ESCAPE.sub(_escaped, text)


def quote(text: bytes) -> bytes:
    """``text`` as it is written in percent-encoding."""
    return _UNRESERVED.sub(lambda match: b"%%%02X" % match[0][0], text)


def _offset_after(last: Piece | None, offset: int, end: bool) -> int:
    """`Unescaped.place`, given the last escape whose text begins at or before ``offset``."""
    if last is None:
        return offset
    if offset == last.start:
        return last.raw_start
    if offset < last.end:
        return last.raw_end if end else last.raw_start
    return last.raw_end + offset - last.end


def _decoded(match: re.Match[bytes]) -> bytes:
    high, low, unit, char = match.groups()
    if char is not None:
        return _SIMPLE.get(char, char)
    if unit is not None:
        return chr(int(unit, 16)).encode("utf-8", "surrogatepass")
    return chr(0x10000 + ((int(high, 16) & 0x3FF) << 10) + (int(low, 16) & 0x3FF)).encode()


def _spelled_out(match: re.Match[bytes]) -> bytes:
    high, low, unit = match.groups()
    if unit is None:
        return chr(0x10000 + ((int(high, 16) & 0x3FF) << 10) + (int(low, 16) & 0x3FF)).encode()
    text = chr(int(unit, 16)).encode("utf-8", "surrogatepass")
    return text if text.isspace() else escape(text)  # a line break stays one: as an escape it would be hidden again


def _escaped(match: re.Match[bytes]) -> bytes:
    char = match[0]
    return b"\\" + char if char in b'"\\' else b"\\u%04x" % char[0]


def by_rows(sign: bytes, otherwise: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Decodes bytes that are written as ``sign`` and two hexadecimal digits as ``otherwise`` does.

    Where a text is little else, row by row: far fewer steps than one for each byte.
    """
    row = re.compile(b"(?:%b[0-9a-fA-F]{2})+" % re.escape(sign))

    def decoded(text: bytes) -> bytes:
        if text.count(sign) * 4 <= len(text):
            return otherwise(text)
        return row.sub(lambda match: a2b_hex(match[0].translate(None, sign)), text)

    return decoded


_start = attrgetter("start")
JSON = Spelling(_ESCAPE, _decoded)
PERCENT_ENCODING = Spelling(_PERCENT, lambda match: bytes([int(match[1], 16)]), by_rows(b"%", unquote_to_bytes))
