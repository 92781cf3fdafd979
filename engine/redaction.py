"""How a finding is made unreadable. Each method is a pure function of the finding's text.

A replacement says of itself that it is one, and of which entity, so that a person or an agent sees that a
value was masked: ``[EMAIL_ADDRESS]``, ``[EMAIL_ADDRESS:k1:5d41402abc4b2a76…]``. Sanitizing it again changes
nothing.
"""

from __future__ import annotations

import re
from enum import StrEnum

from engine.tokens import TenantKey


class Method(StrEnum):
    """What happens to what was found."""

    REPLACE = "replace"  # a typed placeholder
    MASK = "mask"  # an asterisk for each character
    PARTIAL = "partial"  # a mask that keeps the last four, a card's first six, an e-mail's domain
    HASH = "hash"  # a keyed digest: equal values give equal tokens
    TOKENIZE = "tokenize"  # sealed: equal values give equal tokens, which holders of the key can undo
    DROP = "drop"  # the member or element goes; the record, where there is no smaller part
    KEEP = "keep"  # found, and left as it is


KEYED = frozenset({Method.HASH, Method.TOKENIZE})
"""The methods that need a key."""

_COLON = rb"(?::|%(?:25)*3A)"  # in a URL it is percent-encoded, maybe more than once
_KEY_ID = rb"[A-Za-z0-9_-]{1,16}"
_KEYED = rb"(?:%b%b[0-9a-f]{32}|t%b%b%b[A-Za-z0-9_-]{23,})" % (_KEY_ID, _COLON, _COLON, _KEY_ID, _COLON)
_TYPED = rb"(?:\[|%%(?:25)*5B)([A-Z][A-Z0-9_]*)(?:%b%b)?(?:\]|%%(?:25)*5D)" % (_COLON, _KEYED)
TYPED = re.compile(_TYPED)
"""What `replace`, `hash` and `tokenize` write. The group is the entity."""
PLACEHOLDER = re.compile(_TYPED + rb"(?:#[0-9]+)?|\*{4,}")
"""The same, with the number that keeps equal keys of an object apart, and what `mask` writes."""


def redact(method: Method, entity: str, value: bytes, key: TenantKey | None) -> bytes:
    """What is written in place of ``value``. `Method.DROP` and `Method.KEEP` are the caller's business.

    Raises ValueError if the method needs a key and there is none.
    """
    match method:
        case Method.MASK:
            return mask(value)
        case Method.PARTIAL:
            return partial(entity, value)
        case Method.HASH | Method.TOKENIZE:
            if key is None:
                raise ValueError(f"the method '{method}' needs a key")
            return key.hash(entity, value) if method is Method.HASH else key.tokenize(entity, value)
        case _:
            return f"[{entity}]".encode()


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
    if entity == "CREDIT_CARD" and _CARD.fullmatch(value):
        return _card(value)
    keep = min(4, len(value) // 3)
    return b"*" * max(4, len(value) - keep) + value[len(value) - keep :]


_CARD = re.compile(rb"(?:[0-9*][ -]?){12,18}[0-9*]")


def _card(value: bytes) -> bytes:
    """A card number with its first six and last four digits, grouped as it was."""
    places = [at for at, byte in enumerate(value) if byte not in b" -"]
    hidden = bytearray(value)
    for at in places[6:-4]:
        hidden[at] = ord("*")
    return bytes(hidden)
