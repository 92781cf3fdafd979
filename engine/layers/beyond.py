"""What announces, in base64 and in hexadecimal, texts beyond ASCII: UTF-16, look-alikes, characters that are not shown.

Such a text has a few bytes in a row that are rare elsewhere, or a rhythm of them. From the sets of bytes of such a row
follows which characters may stand where it is written in base64: one pattern for each of the three places in a group
at which it can begin. Only characters that the row decides alone count.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from engine.layers import lookalikes

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_SAFE = {ord("+"): b"+-", ord("/"): b"/_"}
Row = Sequence[frozenset[int]]

_ASCII = frozenset(range(0x20, 0x7F))
_NUL = frozenset([0])
_TAIL = frozenset(range(0x80, 0xC0))
_CYRILLIC, _GREEK = ([0xD0, 0xD1], _TAIL), ([0xCE, 0xCF], _TAIL)


def _row(*sets: object) -> Row:
    return [frozenset(one) if isinstance(one, frozenset | list | range) else frozenset([one]) for one in sets]  # type: ignore[list-item]


_BLOCK = frozenset([0x00, 0x03, 0x04, 0x20, 0x24, 0xD8, 0xDC, 0xDD, 0xFE, 0xFF])
"""Of UTF-16, the half of each character that says which block it is of: ASCII, and those of `lookalikes`."""
_UNSEEN = (0xE2, [0x80, 0x81], [*range(0x8B, 0x90), *range(0xA0, 0xB0)])
UTF16: Sequence[Row] = [  # in either order
    _row(*([*range(0x10, 0x80), *range(0x91, 0xD0)], [0x00, 0x03, 0x04, 0x24]) * 6),
    _row(*(_ASCII, 0x00, [*range(0x0B, 0x10), *range(0x60, 0x70)], 0x20) * 2),  # zero-width characters
    _row(*(0x00, _ASCII, 0x20, [*range(0x0B, 0x10), *range(0x60, 0x70)]) * 2),
    _row(*(_ASCII, 0x00, 0xAD, 0x00) * 2),  # soft hyphens
    _row(*(range(0xD0, 0xEA), 0x24) * 3),  # circled
    _row(*(range(0x01, 0x5F), 0xFF) * 4),  # fullwidth
    _row(*(0x35, 0xD8, range(0x100), [0xDC, 0xDD]) * 2),  # mathematical
    _row(*(0xD8, 0x35, [0xDC, 0xDD], range(0x100)) * 2),
    _row(*(_ASCII, 0x00, [0x0F, 0xFF], 0xFE) * 2),  # variation selectors
    _row(*(0x00, _ASCII, 0xFE, [0x0F, 0xFF]) * 2),
]
ROWS: Sequence[Row] = [
    *UTF16,
    _row(*(0xEF, [0xBC, 0xBD], _TAIL) * 3),  # fullwidth
    _row(0xF0, 0x9D, range(0x90, 0xA0), _TAIL, 0xF0, 0x9D, range(0x90, 0xA0)),  # mathematical
    _row(*(0xE2, [0x92, 0x93], _TAIL) * 2),  # circled
    *(_row(*_UNSEEN, *[_ASCII] * between, *_UNSEEN) for between in range(1, 5)),  # zero-width characters
    _row(_ASCII, 0xEF, 0xBB, 0xBF, _ASCII),
    _row(_ASCII, 0xEF, 0xB8, range(0x80, 0x90), _ASCII),  # variation selectors
    _row(_ASCII, 0xC2, 0xAD, _ASCII),  # soft hyphens
    _row(*_CYRILLIC, _ASCII, *_CYRILLIC, _ASCII, *_CYRILLIC),
]
_ZERO_WIDTH = ((0xE2, 0x80, [*range(0x8B, 0x90), *range(0xAA, 0xAF)]), (0xE2, 0x81, range(0xA0, 0xB0)))
_LONE = (*_ZERO_WIDTH, (0xF3, 0xA0, [0x80, 0x81], _TAIL), (0xCD, 0x8F))  # and tags, and the joiner of graphemes
ALONE: Sequence[Row] = [_row(*[_ASCII] * 3, *one, *[_ASCII] * 3) for one in (_CYRILLIC, _GREEK, *_LONE)]
"""One character alone, a letter of another script or not shown: few bits of a row, so that what stands around it counts
as well."""

CLOSE: Sequence[Row] = [
    *(_row(_ASCII, *one, _ASCII, _ASCII, *other) for one in (_CYRILLIC, _GREEK) for other in (_CYRILLIC, _GREEK)),
    *(_row(_ASCII, *one, _ASCII) for one in _LONE),
]
"""Letters of other scripts close to each other, what is not shown: in hexadecimal alone, where a row costs nothing."""


def in_base64(row: Row, most: int = 16) -> bytes:
    """A pattern for what ``row`` is in base64 or base64url, wherever it begins in a group.

    It begins and ends with characters of which at most ``most`` may stand there.
    """
    return b"|".join(_at(row, place, most) for place in range(3))


def in_hex(row: Row) -> bytes:
    """A pattern for what ``row`` is in hexadecimal, in upper or lower case."""
    return b"".join(map(_two_digits, row))


@cache  # rows are of a few sets, each of which comes again and again
def _two_digits(bytes_: frozenset[int]) -> bytes:
    pairs = {f"{byte:02{form}}" for byte in bytes_ for form in "xX"}
    return _class({pair[0] for pair in pairs}) + _class({pair[1] for pair in pairs})


def _at(row: Row, place: int, most: int) -> bytes:
    """The characters that the row decides, where its first byte is the ``place``-th of a group of three.

    At the ends only those of which at most ``most`` may stand there.
    """
    out: list[set[int]] = []
    for char in range(-(-place * 8 // 6), (place + len(row)) * 8 // 6):
        bit = char * 6 - place * 8
        first, last = bit // 8, (bit + 5) // 8
        shift = (last + 1) * 8 - bit - 6  # of its six bits below the end of the last byte
        low = {byte >> shift & 63 for byte in row[last]}
        high = {byte << 8 - shift & 63 for byte in row[first]} if last > first else {0}
        out.append({_ALPHABET[one | two] for one in high for two in low})
    few = [at for at, chars in enumerate(out) if len(chars) <= most]
    return b"".join(map(_class, out[few[0] : few[-1] + 1]))


def _class(chars: set[int] | set[str]) -> bytes:
    """A class of these characters, with those that base64url has for them."""
    codes = sorted(char if isinstance(char, int) else ord(char) for char in chars)
    plain = b"".join(_SAFE.get(code, bytes([code])) for code in codes)
    if len(plain) == 1:
        return plain
    runs: list[bytes] = []
    for code in sorted(plain):
        if runs and code == runs[-1][-1] + 1:
            runs[-1] += bytes([code])
        else:
            runs.append(bytes([code]))
    short = (run if len(run) < 4 else b"%c-%c" % (run[0], run[-1]) for run in runs)
    return b"[" + b"".join(b"\\-" if run == b"-" else run for run in short) + b"]"


IN_BASE64_APART = (
    b"|".join(map(in_base64, UTF16)),
    b"|".join(map(in_base64, ROWS[len(UTF16) :])),
    b"|".join(in_base64(row, 32) for row in ALONE),
)
"""What announces such texts in base64, in parts."""
IN_BASE64 = b"|".join(IN_BASE64_APART)
"""The same in one pattern."""
IN_HEX = b"|".join(map(in_hex, [*ROWS, *ALONE, *CLOSE]))
"""What announces them in hexadecimal."""
UTF16_IN_HEX = b"|".join(map(in_hex, UTF16))


def utf16(data: bytes) -> str | None:
    """The encoding of ``data`` if it is UTF-16 of mostly ASCII and what looks like it; None if it is not."""
    pairs = len(data) // 2
    if pairs < 4 or (len(data) - len(data.translate(None, _BLOCKS))) * 4 < pairs * 3:
        return None
    odd = pairs - len(data[1 : 2 * pairs : 2].translate(None, _BLOCKS))
    even = pairs - len(data[: 2 * pairs : 2].translate(None, _BLOCKS))
    encoding = "utf-16-le" if odd > even else "utf-16-be"
    if max(odd, even) * 4 < pairs * 3:
        return None
    text = data[: 2 * pairs].decode(encoding, "replace")
    plain = sum(char.isascii() and (char.isprintable() or char in "\t\r\n") for char in text)
    alike = sum(char.encode("utf-8", "replace") in lookalikes.PLAIN for char in text if not char.isascii())
    return encoding if (plain + alike) * 4 >= len(text) * 3 else None


_BLOCKS = bytes(sorted(_BLOCK))


def from_utf8(text: bytes, encoding: str) -> bytes:
    """``text`` in another encoding."""
    return text.decode("utf-8", "replace").encode(encoding, "replace")
