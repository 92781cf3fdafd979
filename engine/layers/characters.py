r"""Spellings of single characters that a text may hold, beside JSON's and percent-encoding.

Character references (``&#64;``, ``&quot;``: HTML Living Standard, section 13.5), ``\x40`` as C and nginx write it,
``\100`` as C and shells do, ``\u{40}`` as JavaScript and Rust and ``\U00000040`` as Python and C do, quotes that a
shell joins over (``key='a''b'``, ``key=a"b"``), colours of a terminal (``ESC[31m``: ECMA-48, SGR), and characters that
look like ASCII; and, apart from these, quoted-printable (``=40``: RFC 2045, section 6.7).
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import lru_cache
from html import escape as html_escape
from html.entities import html5

from detectors.regex import byte_regex, teller
from engine.escapes import Spelling, Unescaped, by_rows, once
from engine.layers import lookalikes

_HEX = "0123456789abcdefABCDEF"
_NAMED = (
    rb"amp|AMP|quot|QUOT|apos|lt|LT|gt|GT|commat|period|lowbar|UnderBar|num|colon|sol|bsol|plus|equals|dash|hyphen|nbsp|shy"
    rb"|zwn?j|comma|dollar|percnt|excl|ast|quest|semi|verbar|Tab|NewLine|ZeroWidthSpace|NoBreak|NonBreakingSpace|lrm|rlm"
)
_WORD = rb"[A-Za-z0-9_@.-]"
_TWO = rb"(?:''|'\\{0,17}\"|\\{0,17}\"'|\\{1,17}\"\\{1,17}\"|\"\")"
_JOINTS = (
    rb"(?:%b|=)%b%b|[0-9]%b [0-9A-Z]|[0-9] %b[0-9A-Z]" % (_WORD, _TWO, _WORD, _TWO, _TWO),  # a number may have spaces
    rb"=[A-Za-z0-9_@.+/-]{2,40}(?:'|\\{0,17}\")%b{2}" % _WORD,
    rb"=[A-Za-z0-9_@.+/-]{1,39}[0-9](?:'|\\{0,17}\") [0-9A-Z]",
)
"""Quotes within a word, or before it: one ends and one begins, or, in ``key=…``, one begins behind a part without."""
JOINT = b"|".join(_JOINTS)
"""What announces them, in raw bytes."""
_BYTES_BEYOND = rb"[cC]2\\+x[aA]|[eE]2\\+x8|[eE][fF]\\+x[bB]|[fF]0\\+x9|[cCdD][0eEfF1]\\+x[89abAB]"
_OCTALS = rb"\\0[4-7][0-7]\\+[01][0-7]{2}|\\1[0-7]{2}\\+[01][0-7]{2}"  # two: alone it is a reference to a group
_LITERAL = rb"&#[0-9xX]|&(?:%b);|\\x(?:[2-7][0-9a-fA-F]|%b)|\\u\{[0-9a-fA-F]|\\U000[01]|%b" % (
    _NAMED,
    _BYTES_BEYOND,
    _OCTALS,
)
_QUOTED_LITERAL = (
    rb"=3[dD]|=40[A-Za-z]|=2[eE][A-Za-z]|[0-9]=2[eE][0-9]"
    rb"|=5[fF][A-Za-z0-9]|=2[dD][A-Za-z0-9]|=(?:\r?\n|\\{1,9}r\\{1,9}n|\\{1,9}n)[!-~]"
)
QUOTED_ROW = rb"=[0-9a-fA-F]{2}=[0-9a-fA-F]{2}"
ROW = 5
"""So many single characters in a row of an array spell something."""
_BEYOND = rb"[\xc2-\xf4][\x80-\xbf]{1,3}"
_SPELLED = rb"[=%][0-9a-fA-F]{2}"
_ONE = (
    rb"(?:[^\"\\\x80-\xff]|%b|%b|(?:\\{1,8}u[0-9a-fA-F]{4}){1,2}|\\{1,15}[\"\\/nrtbf])"  # so an array of arrays, too
    % (_BEYOND, _SPELLED)
)
ONES = b"|".join(
    b"(?:%b, ?%b%b){%d}" % (quote, quote, _ONE, ROW - 1)
    for quote in (rb'"', rb'\\"', rb'\\\\\\"', rb'\\{7,}"')  # and deeper
)
"""What announces so many, from the end of the first one on."""
_ANY_ONE = rb"(?:[^\"\\\x80-\xff]|%b|%b|\\{1,16}(?:u[0-9a-fA-F]{4}(?:\\{1,16}u[0-9a-fA-F]{4})?|[nrtbf\"/])?)" % (
    _BEYOND,
    _SPELLED,
)
_BEGINS = rb"-----BEGIN[ A-Z0-9_-]{0,40} ?"
_PRIVATE = rb"PRIVATE KEY(?: BLOCK)?-----"
FIRST_LINE = re.compile(_BEGINS + _PRIVATE + rb"\s*\Z")
"""The first line of a private key in PEM, by itself."""
_LINES = _PRIVATE + rb'\\*", ?\\*"'
_IN_LINES = re.compile(_LINES)
IN_ARRAY = rb'(?:\\*"%b\\*", ?){4,}\\*"%b\\*"|%b%b(?:[^"]{0,80}\\*", ?\\*")+[^"]{0,80}' % (
    _ANY_ONE,
    _ANY_ONE,
    _BEGINS,
    _LINES,
)
"""Where such characters stand, all of a row, as they are or escaped; or the lines of a private key."""
_COLOUR_ON = rb"(?:(?<=\x1b)|(?<=\\)\\{0,7}(?:u001[bB]|x1[bB]|033|e))\[[0-9;:]{0,20}[mK]"
"""What sets or resets a colour of a terminal, behind its first byte."""
_COLOURED = rb"(?:\x1b|u001[bB]|x1[bB]|\\033|\\e)\[[0-9;:]{0,20}[mK][ .@_-]?[A-Za-z0-9+]"
"""What announces a colour: it begins or goes on where a value does, and its ``m`` would be taken for a letter of it."""
LITERAL = b"|".join((_LITERAL, _QUOTED_LITERAL, _COLOURED))
"""What announces all else of these in raw bytes, where it begins with a literal."""
_FOLDS = (_LITERAL, JOINT, lookalikes.TRIGGER, lookalikes.SELECTORS, lookalikes.DIGITS, _COLOURED)
_FOLDED = teller(byte_regex(b"|".join(_FOLDS).decode()))
_QUOTED = teller(byte_regex((_QUOTED_LITERAL + b"|" + QUOTED_ROW).decode()))
_ROW = re.compile(QUOTED_ROW)
_REFERENCE = re.compile(rb"&(?:#|%b;)" % _NAMED.replace(b"|", b";|"))


def _referred(written: bytes, number: int) -> bytes:
    """The character with this number. Of control characters what was written: ``&#6`` may be cut of ``&#64``."""
    is_one = 0x20 <= number < 0x110000 or (number in (9, 10, 13) and written.endswith(b";"))
    return chr(number).encode("utf-8", "replace") if is_one else written


def _folded(match: re.Match[bytes]) -> bytes:
    decimal, hexadecimal, name, pair, octal, braced, wide, joint, colour, beyond = match.groups()
    if beyond is not None:
        return lookalikes.PLAIN.get(match[0], match[0])
    if joint is not None or colour is not None:
        return b""
    if pair is not None:
        return bytes([int(pair, 16)])
    if octal is not None:
        return bytes([int(octal, 8)])
    if name is not None:
        known = html5.get(name.decode() + ";")
        plain = known.encode() if known is not None else match[0]
    else:
        plain = _referred(match[0], int(decimal) if decimal is not None else int(hexadecimal or braced or wide, 16))
    return lookalikes.PLAIN.get(plain, plain)


_JOINED = (
    rb"(?<=%b['\"])(?:['\"]|(?<=')(?=%b{2})|(?<=\"))(?=%b)" % (_WORD, _WORD, _WORD),
    rb"(?<==['\"])['\"](?=%b)" % _WORD,
    rb"(?<=[0-9]['\"])['\"]?(?= [0-9A-Z])|(?<=[0-9] ['\"])['\"](?=[0-9A-Z])",
)
"""`_JOINTS` once more, exactly, behind their first quote."""
_FOLDING = re.compile(
    rb"[&\\'\"\x1b\xc2-\xf4](?:"  # one set, which Python's engine looks for ten times as fast as for several things
    rb"(?<=&)(?:#([0-9]{1,7});?|#[xX]([0-9a-fA-F]{1,6});?|([A-Za-z]{2,16});)"
    rb"|(?<=\\)\\{0,7}(?:x((?!1[bB]\[)[0-9a-fA-F]{2})|([01][0-7]{2})(?<!033)|u\{([0-9a-fA-F]{1,6})\}"
    rb"|U([0-9a-fA-F]{8}))|(%b)|(%b)|(?<=[\xc2-\xf4])([\x80-\xbf]{1,3}))" % (b"|".join(_JOINED), _COLOUR_ON)
)
_MAY_BE_IN_ASCII = teller(byte_regex(r"&#|&[A-Za-z]{2}|\\[xuU01]|'|\"|\[[0-9;:]{0,20}[mK]"))
_PRINTABLE = re.compile(rb"=(?:([0-9a-fA-F]{2})|(?<=[^\n]{60}=)\r?\n)")
_SOFT_BREAK = re.compile(rb"=(?<=[^\n]{60}=)\r?\n(?=[!-~])")
_BYTES = {(one + two).encode(): bytes.fromhex(one + two) for one in _HEX for two in _HEX}
_CHARACTERS = {ord(char.decode()): meant.decode() for char, meant in lookalikes.PLAIN.items()}


def _fold(text: bytes) -> bytes:
    if not text.isascii() and not _MAY_BE_IN_ASCII(text):
        with suppress(UnicodeDecodeError):
            return text.decode().translate(_CHARACTERS).encode()
    return _FOLDING.sub(once(_folded), text)


def _unquoted(match: re.Match[bytes]) -> bytes:
    return _BYTES[match[1]] if match[1] is not None else b""


def _unquote(text: bytes) -> bytes:
    if b"=\n" in text or b"=\r\n" in text:
        return _PRINTABLE.sub(_unquoted, text)
    return _unquote_bytes(text)


def _unquote_each(text: bytes) -> bytes:
    known = _BYTES.get
    first, *others = text.split(b"=")
    out = [first]
    for other in others:
        byte = known(other[:2])
        out.append(b"=" + other if byte is None else byte + other[2:])
    return b"".join(out)


_unquote_bytes = by_rows(b"=", _unquote_each)
FOLDING = Spelling(_FOLDING, _folded, _fold)
QUOTED_PRINTABLE = Spelling(_PRINTABLE, _unquoted, _unquote)


def in_lines(data: bytes) -> bool:
    """Whether lines of a private key stand in an array. Asked of records that are hit: for the gate it is dear."""
    return data.find(b"PRIVATE KEY") >= 0 and _IN_LINES.search(data) is not None


def is_one(text: bytes) -> bool:
    """Whether a text is one character, in UTF-8, or spells one in quoted-printable or percent-encoding."""
    if len(text) == 1:
        return True
    if text[:1] in (b"=", b"%"):
        return _ONE_SPELLED.fullmatch(text) is not None
    return len(text) in (2, 3, 4) and text[0] >= 0xC2 and len(text.decode(errors="replace")) == 1


_ONE_SPELLED = re.compile(_SPELLED)


def folded(text: bytes) -> tuple[str, Unescaped] | None:
    """``text`` without look-alikes, references and ``\\xHH``, and the kind of view that it is; None if it has none."""
    if not _FOLDED(text):
        return None
    plain = FOLDING.text(text)
    if plain == text:
        return None
    return "html" if _REFERENCE.search(text) else "folded", Unescaped(plain, text, FOLDING)


def unquoted_printable(text: bytes) -> tuple[str, Unescaped] | None:
    """``text`` decoded from quoted-printable, and the kind of view; None if it is none."""
    if not _QUOTED(text):
        return None
    plain = QUOTED_PRINTABLE.text(text)
    if plain == text:
        return None
    return "quoted row" if _ROW.search(text) else "printable", Unescaped(plain, text, QUOTED_PRINTABLE)


def breaks_softly(text: bytes, start: int, end: int) -> bool:
    """Whether a line of quoted-printable goes on between ``start`` and ``end``: what stands there is read joined."""
    return text.find(b"=", start, end) >= 0 and any(
        start <= found.start() < end for found in _SOFT_BREAK.finditer(text, max(start - 80, 0), end + 1)
    )


def plain_key(key: bytes) -> bytes:
    """A key as rules on keys read it: without look-alikes, unless it is a word of a script that has them."""
    return key if key.isascii() else _plain_key(key)


@lru_cache(maxsize=64)
def _plain_key(key: bytes) -> bytes:
    plain = FOLDING.text(key)
    return key if _OTHER_SCRIPT.search(plain) else plain


_OTHER_SCRIPT = re.compile(rb"[\xcd-\xd4][\x80-\xbf]")  # Greek, Cyrillic: their letters that look like no other


def to_html(text: bytes) -> bytes:
    """``text`` as it is written in HTML."""
    return html_escape(text.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def to_quoted_printable(text: bytes) -> bytes:
    """``text`` as it is written in quoted-printable, in one line."""
    return _NOT_PRINTABLE.sub(lambda match: b"=%02X" % match[0][0], text)


def to_quoted_row(text: bytes) -> bytes:
    """``text`` with each byte in quoted-printable: among such bytes a plain word would stand before an equals sign."""
    return b"".join(b"=%02X" % byte for byte in text)


_NOT_PRINTABLE = re.compile(rb"[^\t\x20-\x3c\x3e-\x7e]")
