r"""Encodings that a text may hold: what announces each, its text, and the way back.

A layer is a stretch of a text that spells another text as a whole (base64, hex): a change anywhere in that text means
that the stretch is written anew. Spellings of single characters are in `engine.escapes` and `engine.layers.characters`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

from detectors.regex import byte_regex, teller
from engine.layers import base64text, beyond, characters, hextext, lookalikes, rows, short
from engine.layers.model import Layer, Purse
from engine.native import compiled

DEAR = b"|".join(
    (
        base64text.TRIGGER,
        short.DIGITS_IN_BASE64,
        hextext.TRIGGER,
        lookalikes.TRIGGER,
        lookalikes.SELECTORS,
        lookalikes.DIGITS,
        characters.QUOTED_ROW,
        characters.JOINT,
        characters.ONES,
    )
)
"""What announces base64, hex, look-alikes, rows of quoted-printable, quotes that a shell joins over and characters in
an array: a pattern for Hyperscan and google-re2."""
LITERAL = base64text.ZIPPED + b"|" + characters.LITERAL
"""What announces what has a literal, in the same way: the gate hardly sees what it costs."""
ROWS = b"|".join((beyond.IN_BASE64, beyond.IN_HEX, short.LITERAL))
"""What announces, in base64 and hex, texts beyond ASCII and e-mail addresses of a few bytes, in the same way."""
BEYOND = (beyond.IN_BASE64, beyond.IN_HEX)
"""The first two of these, in parts of which each fits into what google-re2 keeps."""
_DEAR = re.compile(DEAR)
_zipped = teller(byte_regex(base64text.ZIPPED.decode()))


def layers(text: bytes, purse: Purse) -> Iterator[Layer]:
    """The layers that ``text`` holds. Raises BudgetExceeded("decoded") where they unpack to more than ``purse`` has."""
    rows = may_have_rows(text)
    if rows or announces is None or announces(text) or _zipped(text):
        yield from base64text.find(text, purse, rows=rows)
        yield from hextext.find(text, purse, rows=rows)


def announces_pure(data: bytes, /) -> bool:
    """Whether `DEAR` matches somewhere in ``data``."""
    return _DEAR.search(data) is not None


announces: Callable[[bytes], bool] | None = compiled.announces if compiled else None
"""The same by the compiled helper, which looks at 64 bytes at a time; None without it.

In Hyperscan this pattern alone costs a sixth of the gate's speed, since no literal begins it.
"""
ROWS_TABLE: bytes | None = rows.table_of(ROWS) if compiled else None
"""`ROWS` as the compiled helper reads them; None without it."""
announces_rows: Callable[[bytes], bool] | None = partial(compiled.has_row, ROWS_TABLE) if compiled else None
"""Whether `ROWS` matches somewhere, by the compiled helper; None without it."""


def may_have_rows(text: bytes) -> bool:
    """Whether `ROWS` may match somewhere in ``text``: asked first, it spares the patterns that it is made of."""
    return announces_rows is None or announces_rows(text)
