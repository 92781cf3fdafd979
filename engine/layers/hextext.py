"""Hexadecimal: two digits for each byte (RFC 4648, section 8), upper or lower case, in a row.

What announces it: of the two digits of a printable ASCII character, the first is 2 to 7. Some such pairs in a row are
rare in digests and identifiers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import re2

from engine.layers.beyond import IN_HEX, from_utf8, utf16
from engine.layers.model import Layer, Purse

TRIGGER = rb"(?:[2-7][0-9a-fA-F]){11}"
_ANNOUNCED = re2.compile(TRIGGER + b"|" + IN_HEX)
_TAIL = rb"[89abAB][0-9a-fA-F]"
_RUN = re.compile(
    rb"(?:[2-7][0-9a-fA-F]|0[09aAdD]|[cCdD][0-9a-fA-F]%b|[eE][0-9a-fA-F](?:%b){2}|[fF][0-4](?:%b){3}){11,}"
    % (_TAIL, _TAIL, _TAIL)
)


def find(text: bytes, purse: Purse) -> Iterator[Layer]:
    """The texts that ``text`` holds in hexadecimal. Raises BudgetExceeded."""
    for match in _RUN.finditer(text):
        run = match[0]
        if _ANNOUNCED.search(run) is None:
            continue
        purse.take(len(run) // 2)
        data, write = bytes.fromhex(run.decode()), _writer(run)
        yield _wide(match, data, write) or Layer("hex", *match.span(), data, write)


def _wide(match: re.Match[bytes], data: bytes, write: Callable[[bytes], bytes]) -> Layer | None:
    """The layer of a run that spells UTF-16."""
    encoding = utf16(data)
    if encoding is None:
        return None
    text = data[: len(data) // 2 * 2].decode(encoding, "replace").encode()
    return Layer("utf-16", *match.span(), text, lambda new: write(from_utf8(new, encoding)))


def _writer(run: bytes) -> Callable[[bytes], bytes]:
    upper = run != run.lower()
    return lambda text: text.hex().upper().encode() if upper else text.hex().encode()
