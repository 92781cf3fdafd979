"""Sensitive values, made up on the spot: none is stored, none was taken from anybody.

Phone numbers lie in the ranges that regulators keep free for fiction, customers' e-mail addresses in the
domains of RFC 2606. What has check digits has the right ones: cards (ISO/IEC 7812-1, Luhn), IBANs (ISO 13616,
mod 97-10), GitHub tokens (CRC-32 in base 62, as GitHub describes them). Keys and tokens have the published form
and random content.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
BASE64 = BASE62[10:] + "0123456789+/"

GIVEN = tuple(
    "Amara Bruno Chiara Dmitri Elena Farid Greta Hiro Ines Jonas Katya Lucas Mei Nadia Omar Priya Quinn Rosa "
    "Sven Tariq Uma Viktor Wanda Yusuf Zoë".split(" ")
)
FAMILY = tuple(
    "Abara Bergman Castillo Dubois Eriksen Fischer Guerra Haddad Ivanova Jansen Kowalski Lindqvist Moreau "
    "Nakamura Okafor Petrov Quispe Rossi Santos Tanaka Umarov Vasquez Weber Yilmaz Zhang Müller".split(" ")
)
_ASCII = str.maketrans({"ë": "e", "ü": "u"})
_MAIL_HOSTS = ("example.org", "example.net", "mail.example.org", "post.example.net")
_US_AREAS = ("212", "303", "312", "404", "415", "503", "602", "617", "702", "713", "808", "917")
_PUBLIC_NETS = (5, 31, 45, 62, 77, 81, 89, 93, 104, 109, 134, 151, 178, 185, 193, 212)
_IBAN_FORMS = {"DE": (0, 18), "NL": (4, 10), "GB": (4, 14), "AT": (0, 16), "IE": (4, 14), "CH": (0, 17)}
_BANKS = ("ABNA", "AIBK", "BARC", "INGB", "LOYD", "NWBK", "RABO", "REVO")


def letters(rng: Random, alphabet: str, size: int) -> str:
    """``size`` characters of ``alphabet``."""
    return "".join(rng.choices(alphabet, k=size))


def hex_id(rng: Random, size: int) -> str:
    """An id of ``size`` hexadecimal digits; it begins with a letter, so that it is never a number by accident."""
    return "abcdef"[int(rng.random() * 6)] + f"{rng.getrandbits(4 * size - 4):0{size - 1}x}"


def digits(rng: Random, size: int) -> str:
    """``size`` decimal digits."""
    return f"{int(rng.random() * 10**size):0{size}d}"


def pick(rng: Random, options: Sequence[T]) -> T:
    """One of ``options``."""
    return options[int(rng.random() * len(options))]


def email(rng: Random) -> str:
    """A customer's e-mail address."""
    given, family = pick(rng, GIVEN).lower(), pick(rng, FAMILY).lower()
    dot = pick(rng, (".", "_", ""))
    tail = digits(rng, 2) if rng.random() < 0.4 else ""
    return f"{given}{dot}{family}{tail}@{pick(rng, _MAIL_HOSTS)}".translate(_ASCII)


def phone(rng: Random) -> str:
    """A phone number from a range kept free for fiction, as people write it."""
    kind = rng.random()
    if kind < 0.6:
        area, line = pick(rng, _US_AREAS), f"01{digits(rng, 2)}"
        return pick(rng, (f"+1 {area}-555-{line}", f"({area}) 555-{line}", f"{area}-555-{line}", f"+1{area}555{line}"))
    if kind < 0.8:
        return pick(rng, (f"+44 20 7946 0{digits(rng, 3)}", f"+44207946{rng.getrandbits(9):04d}"))
    return f"+49 30 23125 {digits(rng, 3)}"


def card(rng: Random) -> str:
    """A payment card number of 15 or 16 digits that passes Luhn, plain or in groups."""
    prefix = pick(rng, ("4", "4", "51", "55", "37"))
    body = prefix + digits(rng, (14 if prefix == "37" else 15) - len(prefix))
    number = body + luhn_digit(body)
    if rng.random() < 0.5 or prefix == "37":
        return number
    gap = pick(rng, (" ", "-"))
    return gap.join(number[at : at + 4] for at in range(0, 16, 4))


def luhn_digit(body: str) -> str:
    """The digit that makes ``body`` followed by it pass Luhn (ISO/IEC 7812-1 annex B)."""
    total = 0
    for place, character in enumerate(reversed(body)):
        digit = int(character) * (2 if place % 2 == 0 else 1)
        total += digit - 9 if digit > 9 else digit
    return str(-total % 10)


def iban(rng: Random) -> str:
    """An IBAN with the right check digits (ISO 13616), plain or in groups of four."""
    country = pick(rng, tuple(_IBAN_FORMS))
    bank, rest = _IBAN_FORMS[country]
    account = (pick(rng, _BANKS) if bank else "") + digits(rng, rest)
    check = 98 - int("".join(str(int(character, 36)) for character in f"{account}{country}00")) % 97
    plain = f"{country}{check:02d}{account}"
    if rng.random() < 0.6:
        return plain
    return " ".join(plain[at : at + 4] for at in range(0, len(plain), 4))


def ssn(rng: Random) -> str:
    """A US social security number of an area, group and serial that can be issued."""
    area = 1 + int(rng.random() * 664)
    return f"{area:03d}-{1 + int(rng.random() * 99):02d}-{1 + int(rng.random() * 9999):04d}"


def ip(rng: Random) -> str:
    """A public IPv4 address, now and then an IPv6 one."""
    if rng.random() < 0.1:
        return f"2a02:{rng.getrandbits(16):x}:{rng.getrandbits(16):x}:1::{rng.getrandbits(12) + 16:x}"
    bits = rng.getrandbits(24)
    return f"{_PUBLIC_NETS[int(rng.random() * 16)]}.{bits >> 16}.{bits >> 8 & 255}.{1 + bits % 254}"


def jwt(rng: Random) -> str:
    """A JSON Web Token (RFC 7519) in the shape of an HS256 session token; its signature is noise."""
    claims = f'{{"sub":"usr_{letters(rng, BASE62, 12)}","iat":17{digits(rng, 8)},"scope":"orders:read profile"}}'
    parts = (b'{"alg":"HS256","typ":"JWT"}', claims.encode(), rng.randbytes(32))
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def bearer(rng: Random) -> str:
    """An opaque access token, for an Authorization header."""
    return letters(rng, BASE62, 40)


def aws_key(rng: Random) -> str:
    """An AWS access key id."""
    return "AKIA" + letters(rng, BASE32, 16)


def aws_secret(rng: Random) -> str:
    """An AWS secret access key: 40 characters of base64."""
    return letters(rng, BASE64, 40)


def github_token(rng: Random) -> str:
    """A GitHub personal access token: prefix, 30 random characters, CRC-32 of them in six."""
    body = letters(rng, BASE62, 30)
    check, tail = zlib.crc32(body.encode()), ""
    for _ in range(6):
        check, digit = divmod(check, 62)
        tail = BASE62[digit] + tail
    return f"ghp_{body}{tail}"


def slack_token(rng: Random) -> str:
    """A Slack bot token."""
    return f"xoxb-{digits(rng, 12)}-{digits(rng, 13)}-{letters(rng, BASE62, 24)}"


def stripe_key(rng: Random) -> str:
    """A live secret key of a payment processor."""
    return "sk" + "_live_" + letters(rng, BASE62, 24)


def password(rng: Random) -> str:
    """A password as a vault makes it, of characters that need no escaping in a URL."""
    return letters(rng, BASE62, 10) + pick(rng, ("-", "_", ".", "~")) + letters(rng, BASE62, 9)


def private_key_lines(rng: Random) -> list[str]:
    """The lines between BEGIN and END of a private key in PEM (RFC 7468); its bytes are noise."""
    text = base64.b64encode(rng.randbytes(228)).decode()
    return [text[at : at + 64] for at in range(0, len(text), 64)]


MAKERS: Mapping[str, Callable[[Random], str]] = {
    "email": email,
    "phone": phone,
    "card": card,
    "iban": iban,
    "ssn": ssn,
    "ip": ip,
    "jwt": jwt,
    "bearer": bearer,
    "aws_key": aws_key,
    "aws_secret": aws_secret,
    "github_token": github_token,
    "slack_token": slack_token,
    "stripe_key": stripe_key,
    "password": password,
}
