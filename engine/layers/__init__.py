r"""Encodings that a text may hold: what announces each, its text, and the way back.

A layer is a stretch of a text that spells another text as a whole (base64, hex): a change anywhere in that text means
that the stretch is written anew. Spellings of single characters are in `engine.escapes` and `engine.layers.characters`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from engine.layers import base64text, beyond, characters, hextext, lookalikes, short
from engine.layers.model import Layer, Purse
from engine.native import compiled

DEAR = b"|".join(
    (
        base64text.TRIGGER,
        short.IN_BASE64,
        hextext.TRIGGER,
        lookalikes.TRIGGER,
        characters.QUOTED_ROW,
        characters.JOINT,
    )
)
"""What announces base64, hex, look-alikes, rows of quoted-printable and quotes that a shell joins over: a pattern for
Hyperscan and google-re2."""
LITERAL_APART = (b"|".join((base64text.ZIPPED, characters.LITERAL, short.IN_HEX)), beyond.IN_BASE64, beyond.IN_HEX)
"""What announces all else, in the same way, in parts. Each has a literal, or a few rare characters in a row: the gate
hardly sees what it costs."""
LITERAL = b"|".join(LITERAL_APART)
_DEAR = re.compile(DEAR)


def layers(text: bytes, purse: Purse) -> Iterator[Layer]:
    """The layers that ``text`` holds. Raises BudgetExceeded("decoded") where they unpack to more than ``purse`` has."""
    yield from base64text.find(text, purse)
    yield from hextext.find(text, purse)


def announces_pure(data: bytes, /) -> bool:
    """Whether `DEAR` matches somewhere in ``data``."""
    return _DEAR.search(data) is not None


announces: Callable[[bytes], bool] | None = compiled.announces if compiled else None
"""The same by the compiled helper, which looks at 48 bytes at a time; None without it.

In the gate this pattern alone costs a sixth of the speed, since no literal begins it.
"""
