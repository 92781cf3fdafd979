r"""Encodings that a text may hold: what announces each, its text, and the way back.

A layer is a stretch of a text that spells another text as a whole (base64, hex): a change anywhere in that text means
that the stretch is written anew. Escapes of single characters (``\u0040``, ``%40``) are in `engine.escapes`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from engine.layers import base64text, hextext
from engine.layers.model import Layer, Purse
from engine.native import compiled

RUNS = base64text.TRIGGER + b"|" + hextext.TRIGGER
"""What announces base64 and hex: a pattern over raw bytes, for Hyperscan and for google-re2."""
LITERAL = base64text.ZIPPED
"""What announces the other layers, in the same way. Each begins with a literal, so it costs the gate nothing."""
_RUNS = re.compile(RUNS)


def layers(text: bytes, purse: Purse) -> Iterator[Layer]:
    """The layers that ``text`` holds. Raises BudgetExceeded("decoded") where they unpack to more than ``purse`` has."""
    yield from base64text.find(text, purse)
    yield from hextext.find(text, purse)


def announces_pure(data: bytes, /) -> bool:
    """Whether `RUNS` matches somewhere in ``data``."""
    return _RUNS.search(data) is not None


announces: Callable[[bytes], bool] | None = compiled.announces if compiled else None
"""The same by the compiled helper, which looks at every 14th byte where there is nothing; None without it.

In the gate this pattern alone costs a sixth of the speed, since no literal begins it.
"""
