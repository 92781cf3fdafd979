"""Tokens that stand for values, and the keys that write and read them.

Two forms, both with the entity and the id of the key, so that a token tells what it stands for and keys can
change::

    [EMAIL_ADDRESS:k1:5d41402abc4b2a76b9719d911017c592]    hash: HMAC-SHA256, its first 128 bits; one way
    [EMAIL_ADDRESS:t:k1:4gk2mL…]                           tokenize: AES-SIV, base64url; `sluicegate reveal` undoes it

Each tenant has keys of its own, derived from the policy's key with HKDF-SHA256 (RFC 5869): equal values of one
tenant give equal tokens, those of two tenants do not. AES-SIV (RFC 5297) is deterministic and authenticated: a
changed byte, another entity or another tenant is refused.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

TOKEN = re.compile(rb"\[([A-Z][A-Z0-9_]*):t:([A-Za-z0-9_-]{1,16}):([A-Za-z0-9_-]{23,})\]")
"""What `tokenize` writes: entity, key id, and the sealed value (16 bytes of tag, then one byte for each of its own)."""
_MAX_TENANTS = 4096  # whose derived keys are kept


class TokenError(ValueError):
    """A token cannot be read. The message names the key id, never what the token holds."""


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A key of the policy. ``id`` is written into each token."""

    id: str
    secret: bytes = field(repr=False)


class TenantKey:
    """A policy's key as one tenant has it. ``tenant`` is "" where the policy tells no tenants apart."""

    __slots__ = ("_mac", "_siv", "_tenant", "id")

    def __init__(self, key: SecretKey, tenant: str) -> None:
        self.id = key.id
        self._tenant = tenant.encode("utf-8", "surrogatepass")
        self._mac = _derived(key, b"hash", self._tenant, 32)
        self._siv = AESSIV(_derived(key, b"tokenize", self._tenant, 64))

    def __repr__(self) -> str:
        return f"TenantKey({self.id})"

    def hash(self, entity: str, value: bytes) -> bytes:
        """The token of the method ``hash``: the first 128 bits of HMAC-SHA256 over entity and value."""
        digest = hmac.new(self._mac, entity.encode() + b"\0" + value, hashlib.sha256).hexdigest()[:32]
        return f"[{entity}:{self.id}:{digest}]".encode()

    def tokenize(self, entity: str, value: bytes) -> bytes:
        """The token of the method ``tokenize``. ``value`` is not empty."""
        sealed = self._siv.encrypt(value, [entity.encode(), self._tenant])
        return f"[{entity}:t:{self.id}:".encode() + urlsafe_b64encode(sealed).rstrip(b"=") + b"]"

    def reveal(self, entity: str, body: bytes) -> bytes | None:
        """The value that the base64url ``body`` of a token seals; None if it is not as this key wrote it."""
        try:
            sealed = urlsafe_b64decode(body + b"=" * (-len(body) % 4))
            value = self._siv.decrypt(sealed, [entity.encode(), self._tenant])
        except (InvalidTag, binascii.Error, ValueError):
            return None
        # Bits of the last character that base64 ignores are a change too.
        return value if urlsafe_b64encode(sealed).rstrip(b"=") == body else None


class KeyRing:
    """The keys of a policy, newest first: the first writes, all of them reveal."""

    def __init__(self, keys: Sequence[SecretKey]) -> None:
        self._keys = {key.id: key for key in keys}
        self._first = keys[0] if keys else None
        self._of = lru_cache(_MAX_TENANTS)(TenantKey)

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self.ids)})"

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the keys, newest first."""
        return tuple(self._keys)

    def writing(self, tenant: str | None) -> TenantKey | None:
        """The key that writes the tokens of ``tenant``; None if there is no key, or no tenant."""
        return self._of(self._first, tenant) if self._first is not None and tenant is not None else None

    def reveal(self, token: bytes, tenant: str = "") -> bytes:
        """The value that ``token`` stands for. Raises TokenError."""
        match = TOKEN.fullmatch(token)
        if match is None:
            raise TokenError("not a token that can be revealed: [ENTITY:t:KEY:…] is what `tokenize` writes")
        key_id = match[2].decode()
        key = self._keys.get(key_id)
        if key is None:
            raise TokenError(f"the key '{key_id}' is unknown; known: {', '.join(self._keys) or 'none'}")
        value = self._of(key, tenant).reveal(match[1].decode(), match[3])
        if value is None:
            raise TokenError(f"changed, of another tenant, or written by another key than this '{key_id}'")
        return value


def _derived(key: SecretKey, purpose: bytes, tenant: bytes, length: int) -> bytes:
    """A key for one purpose and one tenant (RFC 5869; no salt, since the secret is random)."""
    return HKDF(SHA256(), length, salt=None, info=b"sluicegate " + purpose + b"\0" + tenant).derive(key.secret)
