"""Validators of machine-made tokens: checksums and structures that the issuer documents."""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from detectors.validators.words import random_letters

_BASE62 = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECKSUM_SIZE = 6


def base62_crc32(payload: bytes) -> bytes:
    """The CRC-32 of ``payload`` as six base-62 digits, padded with zeros: the tail of GitHub's tokens.

    Source: https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/
    """
    number, digits = zlib.crc32(payload), b""
    while number:
        number, digit = divmod(number, 62)
        digits = _BASE62[digit : digit + 1] + digits
    return digits.rjust(_CHECKSUM_SIZE, b"0")


def crc32_token(secret: bytes) -> bool:
    """``prefix_`` and a payload whose last six characters are its CRC-32 in base 62 (GitHub, npm)."""
    payload = secret.rpartition(b"_")[2]
    return len(payload) > _CHECKSUM_SIZE and base62_crc32(payload[:-_CHECKSUM_SIZE]) == payload[-_CHECKSUM_SIZE:]


def jwt(secret: bytes) -> bool:
    """A JSON Web Token: the first of its dot-separated parts is a JOSE header, a JSON object with ``alg``.

    Source: RFC 7515, section 4.1.1.
    """
    header = _json(secret.partition(b".")[0])
    return isinstance(header, dict) and isinstance(header.get("alg"), str)


def json_base64(secret: bytes) -> bool:
    """Base64 or base64url of a JSON object, after an optional ``prefix_`` and before an optional ``.`` or ``_``."""
    start = secret.find(b"eyJ")
    return start >= 0 and isinstance(_json(re.split(rb"[._]", secret[start:], maxsplit=1)[0]), dict)


def basic_credentials(secret: bytes) -> bool:
    """Base64 of ``user:password``, as HTTP Basic sends it. Source: RFC 7617, section 2."""
    return b":" in (_decode(secret) or b"")


def basic_text(secret: bytes) -> bool:
    """`basic_credentials` that are text: of words, one in thirty decodes to bytes with a colon, hardly any to text."""
    plain = _decode(secret) or b""
    return b":" in plain and min(plain) >= 0x20 and 0x7F not in plain and _is_utf8(plain)


def base64_value(secret: bytes) -> bool:
    """Padded base64 of some text, and no plain word or number: the value of a Kubernetes Secret."""
    plain = _decode(secret) if len(secret) % 4 == 0 else None
    return (
        bool(plain)
        and not secret.isdigit()
        and (secret.endswith(b"=") or re.search(rb"[A-Z].*\d|\d.*[A-Z]", secret) is not None)
    )


def discord_token(secret: bytes) -> bool:
    """A Discord bot token, whose first part is a snowflake id's digits in base64url, or one of a person (``mfa.``)."""
    if secret.startswith(b"mfa."):
        return random_letters(secret)
    user = _decode(secret.partition(b".")[0]) or b""
    return user.isdigit() and 16 <= len(user) <= 20


def pem_body(secret: bytes) -> bool:
    """PEM armour with a body that decodes as base64 and is long enough to be a key (at least 24 bytes)."""
    text = re.sub(rb"\\+[nrt]", b"\n", secret)
    body = re.sub(rb"-----[^-]*-----|^[A-Za-z-]+:.*$", b"", text, flags=re.MULTILINE)
    body = re.sub(rb"[^A-Za-z0-9+/=]", b"", body).partition(b"=")[0]  # behind it stands OpenPGP's checksum
    return len(_decode(body[: len(body) // 4 * 4]) or b"") >= 24


def _decode(data: bytes) -> bytes | None:
    """Base64 or base64url, padded or not; None if it is neither."""
    data = data.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    try:
        return base64.b64decode(data + b"=" * (-len(data) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _is_utf8(data: bytes) -> bool:
    try:
        return bool(data.decode())
    except UnicodeDecodeError:
        return False


def _json(data: bytes) -> Any:
    try:
        return json.loads(_decode(data) or b"")
    except (ValueError, RecursionError):
        return None


VALIDATORS: Mapping[str, Callable[[bytes], bool]] = {
    "base64_value": base64_value,
    "basic_credentials": basic_credentials,
    "basic_text": basic_text,
    "crc32_token": crc32_token,
    "discord_token": discord_token,
    "json_base64": json_base64,
    "jwt": jwt,
    "pem_body": pem_body,
}
