"""What a layer is, and what reading layers may take."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from detectors.errors import BudgetExceeded

_TEXT = bytes([*b"\t\n\r", *range(0x20, 0x7F)])
_CONTROLS = bytes(byte for byte in range(0x20) if byte not in b"\t\n\r") + b"\x7f"

_BROKEN = re.compile(rb"[\xc0-\xff][^\x80-\xbf]|[\x00-\x7f][\x80-\xbf]|\A[\x80-\xbf]")
"""What no UTF-8 has."""


class Layer(NamedTuple):
    """The bytes ``start`` to ``end`` of a text spell ``text``; ``encode`` writes another text in the same way."""

    kind: str
    start: int
    end: int
    text: bytes
    encode: Callable[[bytes], bytes]


class Purse:
    """How many bytes the layers of one record may still unpack to, and which texts are ``known`` in which place."""

    __slots__ = ("_limit", "known", "left")

    def __init__(self, limit: int) -> None:
        self.left = self._limit = limit
        self.known: set[tuple[int, bytes]] = set()

    def take(self, count: int) -> None:
        """So many bytes more. Raises BudgetExceeded."""
        self.left -= count
        if self.left < 0:
            raise BudgetExceeded("decoded", self._limit)


def is_text(data: bytes) -> bool:
    """Whether decoded bytes are a text: UTF-8 with few control characters, or at least three quarters ASCII.

    Of random bytes, three in eight are. So an image, a digest or an identifier that happens to be in the alphabet
    of an encoding is none.
    """
    strange = len(data.translate(None, _TEXT))
    if strange * 4 <= len(data):
        return True
    if _BROKEN.search(data) is not None:  # most are: an exception takes several times as long
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return (len(data) - len(data.translate(None, _CONTROLS))) * 20 <= len(data)
