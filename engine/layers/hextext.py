"""Hexadecimal: two digits for each byte (RFC 4648, section 8), upper or lower case, in a row.

What announces it: of the two digits of a printable ASCII character, the first is 2 to 7. Some such pairs in a row are
rare in digests and identifiers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from engine.layers.model import Layer, Purse

TRIGGER = rb"(?:[2-7][0-9a-fA-F]){11}"
_ANNOUNCED = re.compile(TRIGGER)
_RUN = re.compile(rb"(?:[2-7][0-9a-fA-F]|0[9aAdD]|[cCdD][0-9a-fA-F][89abAB][0-9a-fA-F]){11,}")


def find(text: bytes, purse: Purse) -> Iterator[Layer]:
    """The texts that ``text`` holds in hexadecimal. Raises BudgetExceeded."""
    for match in _RUN.finditer(text):
        run = match[0]
        if _ANNOUNCED.search(run) is None:
            continue
        purse.take(len(run) // 2)
        yield Layer("hex", *match.span(), bytes.fromhex(run.decode()), _writer(run))


def _writer(run: bytes) -> Callable[[bytes], bytes]:
    upper = run != run.lower()
    return lambda text: text.hex().upper().encode() if upper else text.hex().encode()
