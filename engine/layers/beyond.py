"""What announces, in base64 and in hexadecimal, texts beyond ASCII: UTF-16, look-alikes, characters that are not shown.

Such a text has a rhythm of bytes, a few in a row that come again. From the sets of bytes of such a row follows which
characters may stand where it is written in base64: one pattern for each of the three places in a group at which it can
begin. Only characters that the row decides alone count.
"""

from __future__ import annotations

from collections.abc import Sequence

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_SAFE = {ord("+"): b"+-", ord("/"): b"/_"}
Row = Sequence[frozenset[int]]

_ASCII = frozenset(range(0x20, 0x7F))
_NUL = frozenset([0])
_TAIL = frozenset(range(0x80, 0xC0))


def _row(*sets: object) -> Row:
    return [frozenset(one) if isinstance(one, frozenset | list | range) else frozenset([one]) for one in sets]  # type: ignore[list-item]


_UNSEEN = (_ASCII, 0xE2, [0x80, 0x81], [*range(0x8B, 0x90), *range(0xA0, 0xB0)])
ROWS: Sequence[Row] = [
    _row(*(_ASCII, _NUL) * 5),  # UTF-16, in either order
    _row(*(0xEF, [0xBC, 0xBD], _TAIL) * 3),  # fullwidth
    _row(0xF0, 0x9D, range(0x90, 0xA0), _TAIL, 0xF0, 0x9D, range(0x90, 0xA0)),  # mathematical
    _row(*_UNSEEN * 2),  # zero-width characters between others
    _row(*(_ASCII, 0xC2, 0xAD) * 3),  # soft hyphens
]


def in_base64(row: Row) -> bytes:
    """A pattern for what ``row`` is in base64 or base64url, wherever it begins in a group."""
    return b"|".join(_at(row, place) for place in range(3))


def in_hex(row: Row) -> bytes:
    """A pattern for what ``row`` is in hexadecimal, in upper or lower case."""
    pairs = ({f"{byte:02{form}}" for byte in bytes_ for form in "xX"} for bytes_ in row)
    return b"".join(_class({p[0] for p in two}) + _class({p[1] for p in two}) for two in map(set, pairs))


def _at(row: Row, place: int) -> bytes:
    """The characters that the row decides, where its first byte is the ``place``-th of a group of three.

    At the ends only those of which few may stand there.
    """
    out: list[set[int]] = []
    for char in range(-(-place * 8 // 6), (place + len(row)) * 8 // 6):
        bit = char * 6 - place * 8
        first, last = bit // 8, (bit + 5) // 8
        pairs = (
            ((one, two) for one in row[first] for two in row[last]) if last > first else ((one,) for one in row[first])
        )
        shift = (last + 1) * 8 - bit - 6
        out.append({_ALPHABET[int.from_bytes(pair, "big") >> shift & 63] for pair in pairs})
    few = [at for at, chars in enumerate(out) if len(chars) <= 16]
    return b"".join(map(_class, out[few[0] : few[-1] + 1]))


def _class(chars: set[int] | set[str]) -> bytes:
    """A class of these characters, with those that base64url has for them."""
    codes = sorted(char if isinstance(char, int) else ord(char) for char in chars)
    plain = b"".join(_SAFE.get(code, bytes([code])) for code in codes)
    if len(plain) == 1:
        return plain
    return b"[" + plain.replace(b"-", b"\\-") + b"]"


IN_BASE64 = b"|".join(map(in_base64, ROWS))
"""What announces such texts in base64."""
IN_HEX = b"|".join(map(in_hex, ROWS))
"""What announces them in hexadecimal."""


def utf16(data: bytes) -> str | None:
    """The encoding of ``data`` if it is UTF-16 of mostly ASCII: every second byte is zero. None if it is not."""
    pairs = len(data) // 2
    if pairs < 4:
        return None
    odd, even = data[1 : 2 * pairs : 2].count(0), data[: 2 * pairs : 2].count(0)
    if max(odd, even) * 4 < pairs * 3 or min(odd, even) * 8 > pairs:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def from_utf8(text: bytes, encoding: str) -> bytes:
    """``text`` in another encoding."""
    return text.decode("utf-8", "replace").encode(encoding, "replace")
