"""Escapes and their way back: a decoded text in which each offset still knows where it was written.

JSON's escapes (RFC 8259, section 7) and percent-encoding (RFC 3986, section 2.1). What is redacted in the decoded
text is written back as a change of the raw bytes, escaped again; no escape is ever cut.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

_ESCAPE = re.compile(
    rb"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))", re.DOTALL
)
_SIMPLE = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
_PERCENT = re.compile(rb"%([0-9a-fA-F]{2})")
_MUST_ESCAPE = re.compile(rb'["\\\x00-\x1f]')
_UNRESERVED = re.compile(rb"[^A-Za-z0-9._~*-]")


@dataclass(frozen=True, slots=True)
class Unescaped:
    """The decoded text of a JSON string, and where each part of it came from.

    ``decoded[i]`` is where the i-th escape's text begins in `text`, ``raw[i]`` where it is written.
    """

    text: bytes
    decoded: list[int]
    decoded_end: list[int]
    raw: list[int]
    raw_end: list[int]

    def place(self, offset: int, *, end: bool) -> int:
        """The offset in the raw form of ``offset`` in the text; escapes are never cut.

        ``end`` says that the offset ends a span, so an escape that it falls into belongs to the span.
        """
        i = bisect_right(self.decoded, offset) - 1
        if i < 0:
            return offset
        if offset == self.decoded[i]:
            return self.raw[i]
        if offset < self.decoded_end[i]:
            return self.raw_end[i] if end else self.raw[i]
        return self.raw_end[i] + offset - self.decoded_end[i]


def unescape(raw: bytes) -> Unescaped:
    """Decodes the escapes of a JSON string; a lone surrogate becomes its three-byte form."""
    return _undo(raw, _ESCAPE, _decoded)


def unquote(raw: bytes) -> Unescaped:
    """Decodes percent-encoding."""
    return _undo(raw, _PERCENT, lambda match: bytes([int(match[1], 16)]))


def escape(text: bytes) -> bytes:
    """``text`` as it is written inside a JSON string."""
    return _MUST_ESCAPE.sub(_escaped, text)


def quote(text: bytes) -> bytes:
    """``text`` as it is written in percent-encoding."""
    return _UNRESERVED.sub(lambda match: b"%%%02X" % match[0][0], text)


def _undo(raw: bytes, escapes: re.Pattern[bytes], decode: Callable[[re.Match[bytes]], bytes]) -> Unescaped:
    parts: list[bytes] = []
    decoded: list[int] = []
    decoded_end: list[int] = []
    starts: list[int] = []
    ends: list[int] = []
    at = size = 0
    for match in escapes.finditer(raw):
        low, high = match.span()
        parts.append(raw[at:low])
        size += low - at
        char = decode(match)
        parts.append(char)
        decoded.append(size)
        size += len(char)
        decoded_end.append(size)
        starts.append(low)
        ends.append(high)
        at = high
    parts.append(raw[at:])
    return Unescaped(b"".join(parts), decoded, decoded_end, starts, ends)


def _decoded(match: re.Match[bytes]) -> bytes:
    high, low, unit, char = match.groups()
    if char is not None:
        return _SIMPLE.get(char, char)
    if unit is not None:
        return chr(int(unit, 16)).encode("utf-8", "surrogatepass")
    return chr(0x10000 + ((int(high, 16) & 0x3FF) << 10) + (int(low, 16) & 0x3FF)).encode()


def _escaped(match: re.Match[bytes]) -> bytes:
    char = match[0]
    return b"\\" + char if char in b'"\\' else b"\\u%04x" % char[0]
