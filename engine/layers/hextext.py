"""Hexadecimal: two digits for each byte (RFC 4648, section 8), upper or lower case, in a row.

What announces it: of the two digits of a printable ASCII character, the first is 2 to 7. Some such pairs in a row are
rare in digests and identifiers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from detectors.regex import byte_regex, teller
from engine.layers import short
from engine.layers.beyond import IN_HEX, UTF16_IN_HEX, from_utf8, utf16
from engine.layers.model import Layer, Purse

TRIGGER = rb"(?:[2-7][0-9a-fA-F]){9}"
_plainly_announced = teller(byte_regex(TRIGGER.decode()))
_announced = teller(byte_regex(b"|".join((TRIGGER, short.IN_HEX, IN_HEX)).decode()))
_wide_announced = teller(byte_regex(UTF16_IN_HEX.decode()))
_PAIRS = re.compile(rb"[0-9a-fA-F]{22,}")
_STRETCH = re.compile(rb"[0-9a-fA-F]{12,}")
"""What all of a run stands in: found in a tenth of the time that the runs themselves take in other text."""
_TAIL = rb"[89abAB][0-9a-fA-F]"
_RUN = re.compile(
    rb"(?:[2-7][0-9a-fA-F]|0[09aAdD]|[cCdD][0-9a-fA-F]%b|[eE][0-9a-fA-F](?:%b){2}|[fF][0-4](?:%b){3}){6,}"
    % (_TAIL, _TAIL, _TAIL)
)


def find(text: bytes, purse: Purse, *, rows: bool) -> Iterator[Layer]:
    """The texts that ``text`` holds in hexadecimal; ``rows`` as for base64. Raises BudgetExceeded."""
    announced = _announced if rows else _plainly_announced
    if rows and _wide_announced(text):
        for match in _PAIRS.finditer(text):
            if _wide_announced(match[0]) and (wide := _wide(match, purse)) is not None:
                yield wide
    if not announced(text):  # then in none of its runs
        return
    known: dict[bytes, bytes | None] = {}  # what runs spell: they come again and again
    runs = (match for stretch in _STRETCH.finditer(text) for match in _RUN.finditer(text, *stretch.span()))
    for match in runs:
        run = match[0]
        if run not in known:
            data = bytes.fromhex(run.decode()) if announced(run) else b""
            known[run] = data if data and utf16(data) is None else None
        if (spelled := known[run]) is not None:
            purse.take(len(spelled))
            yield Layer("hex", *match.span(), spelled, _writer(run))


def _wide(match: re.Match[bytes], purse: Purse) -> Layer | None:
    """The layer of a run that spells UTF-16; one digit before it may belong to something else."""
    for at in (match.start(), match.start() + 1):
        run = match.string[at : match.end()]
        data = bytes.fromhex(run[: len(run) // 4 * 4].decode())
        encoding = utf16(data)
        if encoding is not None:
            purse.take(len(data))
            text = data.decode(encoding, "replace").encode()
            return Layer("utf-16", at, at + 2 * len(data), text, _wide_writer(run, encoding))
    return None


def _wide_writer(run: bytes, encoding: str) -> Callable[[bytes], bytes]:
    write = _writer(run)
    return lambda text: write(from_utf8(text, encoding))


def _writer(run: bytes) -> Callable[[bytes], bytes]:
    upper = run != run.lower()
    return lambda text: text.hex().upper().encode() if upper else text.hex().encode()
