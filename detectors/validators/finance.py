"""Validators of payment data: cards, bank accounts, crypto-currency addresses and keys."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping

from stdnum import bitcoin, iban
from stdnum.exceptions import ValidationError
from stdnum.us import rtn

# Issuer ranges by leading digits, and the lengths they have. Source: ISO/IEC 7812 and the networks' public BIN pages.
_ISSUERS: tuple[tuple[int, int, frozenset[int]], ...] = tuple(
    (low, high, frozenset(lengths))
    for low, high, lengths in (
        (4, 4, (13, 16, 19)),  # Visa
        (51, 55, (16,)),  # Mastercard
        (2221, 2720, (16,)),  # Mastercard, 2-series
        (34, 34, (15,)),  # American Express
        (37, 37, (15,)),
        (6011, 6011, (16, 19)),  # Discover
        (644, 659, (16, 19)),
        (300, 305, (14, 16, 19)),  # Diners Club
        (3095, 3095, (14, 16, 19)),
        (36, 36, (14, 16, 19)),
        (38, 39, (14, 16, 19)),
        (3528, 3589, (16, 19)),  # JCB
        (62, 62, (16, 17, 18, 19)),  # UnionPay
        (81, 81, (16, 17, 18, 19)),
        (5019, 5019, (16,)),  # Dankort
        (5018, 5018, (13, 14, 15, 16, 17, 18, 19)),  # Maestro
        (5020, 5020, (13, 14, 15, 16, 17, 18, 19)),
        (5038, 5038, (13, 14, 15, 16, 17, 18, 19)),
        (5893, 5893, (13, 14, 15, 16, 17, 18, 19)),
        (6304, 6304, (13, 14, 15, 16, 17, 18, 19)),
        (6759, 6763, (13, 14, 15, 16, 17, 18, 19)),
        (2200, 2204, (16, 17, 18, 19)),  # Mir
        (5085, 5089, (16,)),  # RuPay, Elo
        (6521, 6522, (16,)),
        (9792, 9792, (16,)),  # Troy
        (6062, 6062, (16,)),  # Hipercard
        (1946, 1946, (16,)),  # BankCard
        (11, 15, (15,)),  # UATP; what begins with 10 is an id of a social network, with 16 to 18 a time
        (19, 19, (15,)),
    )
)


_FLOAT = re.compile(rb"(\d)\.(\d{1,18})[eE]\+?(\d\d)")
_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")  # as a digit


def luhn_number(secret: bytes) -> bool:
    """Digits, with any separators, that pass the Luhn check and are not all the same."""
    digits = _digits(secret).encode()
    if len(set(digits)) < 2:
        return False
    return (sum(digits[::-2]) + sum(digits[-2::-2].translate(_DOUBLED)) - ord("0") * len(digits)) % 10 == 0


def credit_card(secret: bytes) -> bool:
    """A payment card number: 13 to 19 digits, a known issuer with this length, a valid Luhn check digit."""
    digits = _digits(secret)
    known = any(
        len(digits) in lengths and low <= int(digits[: len(str(low))]) <= high
        for low, high, lengths in _ISSUERS
        if len(digits) >= 13
    )
    return known and luhn_number(secret)


def credit_card_as_float(secret: bytes) -> bool:
    """A payment card number with an exponent (``4.111111111111111E15``), as Java and Go print large floats."""
    float_ = _FLOAT.fullmatch(secret)
    if float_ is None:
        return False
    whole, fraction, exponent = float_.groups()
    return len(fraction) <= int(exponent) and credit_card(whole + fraction.ljust(int(exponent), b"0"))


def iban_code(secret: bytes) -> bool:
    """An International Bank Account Number: country, length and ISO 7064 mod 97-10 check digits.

    The structure of the country's own account number is not asked for: it changes, and typos in a registry
    should not let an account number pass.
    """
    text = re.sub(rb"[\s.-]", b"", secret).decode("ascii", "replace").upper()
    return bool(iban.is_valid(text, check_country=False))


def us_routing_number(secret: bytes) -> bool:
    """A US bank routing transit number (ABA): nine digits with its weighted checksum and a Federal Reserve prefix."""
    digits = _digits(secret)
    prefix = int(digits[:2]) if len(digits) == 9 else -1
    return bool(rtn.is_valid(digits)) and (0 < prefix <= 12 or 21 <= prefix <= 32 or 61 <= prefix <= 72 or prefix == 80)


def bitcoin_address(secret: bytes) -> bool:
    """A Bitcoin address: base58check (P2PKH, P2SH) or bech32 and bech32m (segwit). Sources: BIP 13, 173, 350."""
    text = secret.decode("ascii", "replace")
    try:
        return bool(bitcoin.is_valid(text)) or _segwit(text)
    except (ValueError, OverflowError, IndexError):
        return False


def wif_key(secret: bytes) -> bool:
    """A Bitcoin private key in wallet import format: base58check of version 0x80 and 32 bytes (and a flag)."""
    try:
        raw = bitcoin.b58decode(secret.decode("ascii"))
    except (ValueError, ValidationError, OverflowError, IndexError):
        return False
    body, check = raw[:-4], raw[-4:]
    digest = hashlib.sha256(hashlib.sha256(body).digest()).digest()
    return len(body) in (33, 34) and body[:1] in (b"\x80", b"\xef") and digest[:4] == check


def extended_key(secret: bytes) -> bool:
    """A BIP 32 extended key: base58check of 78 bytes."""
    try:
        raw = bitcoin.b58decode(secret.decode("ascii"))
    except (ValueError, ValidationError, OverflowError, IndexError):
        return False
    digest = hashlib.sha256(hashlib.sha256(raw[:-4]).digest()).digest()
    return len(raw) == 82 and digest[:4] == raw[-4:]


_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32M = 0x2BC830A3


def _segwit(text: str) -> bool:
    """Whether ``text`` is a segwit address of main or test net with a good checksum."""
    lower = text.lower()
    part, _, data = lower.rpartition("1")
    if part not in ("bc", "tb") or (text != lower and text != text.upper()) or len(data) < 14:
        return False
    if any(char not in _BECH32 for char in data):
        return False
    values = [_BECH32.index(char) for char in data]
    expanded = [ord(c) >> 5 for c in part] + [0] + [ord(c) & 31 for c in part]
    return bech32_polymod(expanded + values) == (1 if values[0] == 0 else _BECH32M)


def bech32_polymod(values: list[int]) -> int:
    """The BCH code of BIP 173 over five-bit values."""
    check = 1
    for value in values:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> bit & 1 else 0
    return check


def age_secret_key(secret: bytes) -> bool:
    """An age identity: bech32 with the prefix ``AGE-SECRET-KEY-``. Source: https://age-encryption.org/v1"""
    part, _, data = secret.decode("ascii", "replace").lower().rpartition("1")
    if part != "age-secret-key-" or any(char not in _BECH32 for char in data):
        return False
    expanded = [ord(c) >> 5 for c in part] + [0] + [ord(c) & 31 for c in part]
    return bech32_polymod(expanded + [_BECH32.index(char) for char in data]) == 1


def strkey_seed(secret: bytes) -> bool:
    """A Stellar secret seed: base32 of a version byte, 32 bytes and a CRC-16/XMODEM. Source: SEP-23."""
    try:
        raw = base64.b32decode(secret)
    except (binascii.Error, ValueError):
        return False
    return len(raw) == 35 and binascii.crc_hqx(raw[:-2], 0) == int.from_bytes(raw[-2:], "little")


_RIPPLE = bytes.maketrans(
    b"rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz",
    b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz",
)


def xrp_seed(secret: bytes) -> bool:
    """An XRP Ledger seed: base58check in the ledger's own alphabet. Source: https://xrpl.org/docs/references/protocol"""
    return _base58check(secret.translate(_RIPPLE)) in (17, 19)


def _base58check(text: bytes) -> int:
    """How many bytes a base58check text holds without its checksum; 0 if that is wrong or the text is too long."""
    if len(text) > 64:
        return 0
    try:
        raw = bitcoin.b58decode(text.decode("ascii"))
    except (ValueError, ValidationError, OverflowError, IndexError):
        return 0
    digest = hashlib.sha256(hashlib.sha256(raw[:-4]).digest()).digest()
    return len(raw) - 4 if len(raw) > 4 and digest[:4] == raw[-4:] else 0


def _digits(secret: bytes) -> str:
    """The digits of ``secret``, or the empty string if it holds more than digits, spaces, dots and hyphens."""
    text = re.sub(rb"[ .-]", b"", secret)
    return text.decode() if text.isdigit() else ""


VALIDATORS: Mapping[str, Callable[[bytes], bool]] = {
    "age_secret_key": age_secret_key,
    "bitcoin_address": bitcoin_address,
    "credit_card": credit_card,
    "credit_card_as_float": credit_card_as_float,
    "extended_key": extended_key,
    "iban": iban_code,
    "luhn": luhn_number,
    "strkey_seed": strkey_seed,
    "us_routing_number": us_routing_number,
    "wif_key": wif_key,
    "xrp_seed": xrp_seed,
}
