"""How a finding is made unreadable. Each method is a pure function of the finding's text.

A replacement says of itself that it is one, and of which entity, so that a person or an agent sees that a
value was masked: ``[EMAIL_ADDRESS]``, ``[EMAIL_ADDRESS:k1:5d41402abc4b2a76]``. Sanitizing it again changes
nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from enum import StrEnum


class Method(StrEnum):
    """What happens to what was found."""

    REPLACE = "replace"  # a typed placeholder
    MASK = "mask"  # an asterisk for each character
    PARTIAL = "partial"  # a mask that keeps the last four, a card's first six, an e-mail's domain
    HASH = "hash"  # a keyed digest: equal values give equal tokens
    DROP = "drop"  # the member or element goes; the record, where there is no smaller part
    KEEP = "keep"  # found, and left as it is


PLACEHOLDER = re.compile(rb"\[([A-Z][A-Z0-9_]*)(?::[A-Za-z0-9_-]+:[0-9a-f]{32})?\](?:#[0-9]+)?|\*{4,}")
"""What `replace`, `hash` and `mask` write."""


@dataclass(frozen=True, slots=True)
class HashKey:
    """A key for the method ``hash``. ``id`` is written into each token, so that keys can change."""

    id: str
    secret: bytes

    def __repr__(self) -> str:
        return f"HashKey({self.id})"


def redact(method: Method, entity: str, value: bytes, key: HashKey | None) -> bytes:
    """What is written in place of ``value``. `Method.DROP` and `Method.KEEP` are the caller's business.

    Raises ValueError if the method needs a key and there is none.
    """
    match method:
        case Method.MASK:
            return mask(value)
        case Method.PARTIAL:
            return partial(entity, value)
        case Method.HASH:
            if key is None:
                raise ValueError("the method 'hash' needs a key")
            return f"[{entity}:{key.id}:{token(key, entity, value)}]".encode()
        case _:
            return f"[{entity}]".encode()


def token(key: HashKey, entity: str, value: bytes) -> str:
    """The first 128 bits of HMAC-SHA256 over entity and value, in hexadecimal."""
    return hmac.new(key.secret, entity.encode() + b"\0" + value, hashlib.sha256).hexdigest()[:32]


def mask(value: bytes) -> bytes:
    """An asterisk for each character, at least four."""
    characters = sum(byte & 0xC0 != 0x80 for byte in value)
    return b"*" * max(4, characters)


def partial(entity: str, value: bytes) -> bytes:
    """``value`` masked but for what may stay: at most its last four characters, a third of it.

    A card keeps its first six digits too (PCI DSS 4.0, 3.4.1), an e-mail address its domain.
    """
    if entity == "EMAIL_ADDRESS" and b"@" in value:
        return b"****@" + value.rsplit(b"@", 1)[1]
    if not value.isascii():
        return mask(value)
    keep = min(4, len(value) // 3)
    tail = value[len(value) - keep :]
    head = value[:6] if entity == "CREDIT_CARD" and value[:6].isdigit() and len(value) >= 13 else b""
    return head + b"*" * max(4, len(value) - len(head) - keep) + tail
