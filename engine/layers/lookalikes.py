"""Characters that look like ASCII, or like nothing: what they stand for.

Compatibility forms (Unicode Standard Annex 15, NFKC) of one ASCII character: fullwidth, mathematical, circled; letters
of other scripts that look the same (after Unicode Technical Standard 39); digits of other scripts, in which people
write their telephone and identity numbers; dashes and spaces; and what is not shown at all: zero-width characters, soft
hyphens, marks of direction, tags.
"""

from __future__ import annotations

import re
import unicodedata

_COMPATIBLE = [
    (0x2070, 0x209C),  # superscripts and subscripts
    (0x2100, 0x214F),  # letterlike
    (0x2460, 0x24E9),  # circled
    (0xFE50, 0xFE6B),  # small forms
    (0xFF01, 0xFF5E),  # fullwidth
    (0x1D400, 0x1D7FF),  # mathematical
]
_SAME = {
    "аеорсухіјѕһӏԁԛԝ": "aeopcyxijshldqw",
    "АВЕКМНОРСТХУІЈЅԚԜҮ": "ABEKMHOPCTXYIJSQWY",
    "ονραικυχϲϳ": "ovpaikuxcj",
    "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ": "ABEZHIKMNOPTYX",
    "ɡɑı": "gai",
    "‐‑‒–—−": "------",
    "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f": " " * 13,
    "\u0085\u1680\u2028\u2029\u205f\u3000": " " * 6,
    "․。": "..",
}  # fmt: skip
_ZEROS = [0x0660, 0x06F0, *range(0x0966, 0x0D67, 0x80), 0x0E50, 0x0ED0]
"""Where ten digits begin: Arabic, Persian, those of India from Devanagari to Malayalam, Thai, Lao."""
_UNSEEN = [
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x115F, 0x1160),
    (0x061C, 0x061C),
    (0x180E, 0x180E),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xE0000, 0xE007F),
    (0xE0100, 0xE01EF),
]


def _table() -> dict[bytes, bytes]:
    table = {}
    for low, high in _COMPATIBLE:
        for code in range(low, high + 1):
            plain = unicodedata.normalize("NFKC", chr(code))
            if len(plain) == 1 and plain.isascii():
                table[chr(code)] = plain
    table |= {chr(zero + digit): str(digit) for zero in _ZEROS for digit in range(10)}
    for written, meant in _SAME.items():
        table |= zip(written, meant, strict=True)
    table |= {chr(code): "" for low, high in _UNSEEN for code in range(low, high + 1)}
    return {char.encode(): meant.encode() for char, meant in table.items()}


PLAIN = _table()
"""From a character, in UTF-8, to what it stands for: one ASCII character, or nothing."""

_BEYOND = re.compile(rb"[\xc2-\xf4][\x80-\xbf]{1,3}")


def plain(text: bytes) -> bytes:
    """``text`` with what its characters stand for. What stands for a quote or a backslash stays: JSON stays JSON."""
    if text.isascii():
        return text
    try:
        alike = _ALIKE.intersection(text.translate(None, _ASCII).decode())
        if len(alike) > _FEW:
            return text.decode().translate(_CHARACTERS).encode()
    except UnicodeDecodeError:
        return _BEYOND.sub(lambda match: _NAMED.get(match[0], match[0]), text)
    for char in map(str.encode, alike):  # a walk over all characters takes thirty times as long
        text = text.replace(char, _NAMED[char])
    return text


_FEW = 20
_NAMED = {char: meant for char, meant in PLAIN.items() if meant not in (b'"', b"\\")}
_CHARACTERS = {ord(char.decode()): meant.decode() for char, meant in _NAMED.items()}
_ALIKE = frozenset(map(chr, _CHARACTERS))
_ASCII = bytes(range(0x80))
_LETTER = rb"(?:[\xce-\xd4][\x80-\xbf]|\xc9[\x91\xa1]|\xc4\xb1)"
_SPACE = rb"(?:\xe2\x80[\x80-\x95\xaf]|\xc2\xa0|\xe2\x88\x92)"
TRIGGER = b"|".join(
    [
        rb"\xc2\xad|\xe2\x80[\x8b-\x8f\xaa-\xae]|\xe2\x81[\xa0-\xaf]|\xef\xbb\xbf|\xf3\xa0[\x80\x81]",  # not seen
        rb"\xef\xbc[\x8d\x8e\x90-\x99\xa0-\xba\xbf]|\xef\xbd[\x81-\x9a]|\xef\xb9[\x90-\xab]",  # fullwidth and small
        rb"\xf0\x9d[\x90-\x9f]|\xe2\x92[\xb6-\xbf]|\xe2\x93[\x80-\xa9]",  # mathematical and circled
        rb"[A-Za-z0-9@]" + _LETTER + b"|" + _LETTER + rb"[A-Za-z0-9@]",  # other scripts, among ASCII
        rb"[0-9]" + _SPACE + rb"[0-9]",
    ]
)
"""What announces them; other scripts and spaces only where they touch what they may hide."""

_TOUCHED = rb"[A-Za-z0-9@._-]"
SELECTORS = _TOUCHED + (
    rb"(?:\xef\xb8[\x80-\x8f]|\xe1\xa0\x8e|\xcd\x8f|\xd8\x9c|\xf3\xa0[\x84-\x87]|\xe1\x85[\x9f\xa0]|\xe3\x85\xa4)"
)
"""What announces variation selectors, joiners and marks that are not shown: behind ASCII, as those of emoji are not."""
_INDIC = rb"\xe0[\xa5\xa7\xa9\xab\xad\xaf\xb1\xb3\xb5][\xa6-\xaf]"
_DIGIT = rb"(?:\xd9[\xa0-\xa9]|\xdb[\xb0-\xb9]|%b|\xe0[\xb9\xbb][\x90-\x99])" % _INDIC
DIGITS = _DIGIT * 2
"""What announces digits of other scripts: two of them."""
