"""Validators of documents and vehicles: driving licences, identity cards, passports, VINs, number plates."""

from __future__ import annotations

import re

_UK_LICENCE = re.compile(r"[A-Z]{1,5}9{0,4}\d(?:[05]\d|[16][0-2])(?:[0-2]\d|3[01])\d(?:[A-Z]{2}|[A-Z]9|99)[A-Z0-9]{3}")


def uk_driving_licence(secret: bytes) -> bool:
    """A British driving licence number: five letters of the name, decade, month (+50 for women), day, year, initials.

    Source: https://www.gov.uk/government/publications/inf45d-how-to-read-your-driving-licence
    """
    text = secret.decode("ascii", "replace")
    return len(text) == 16 and _UK_LICENCE.fullmatch(text) is not None and text[7:9] not in ("00", "50")


def icao_document(secret: bytes) -> bool:
    """A document number with its check digit, as identity cards and passports print it. Source: ICAO 9303, part 3."""
    text = secret.decode("ascii", "replace").upper()
    if not re.fullmatch(r"[A-Z0-9]{9}\dD?", text, re.ASCII) or not re.search(r"\d", text[:9]):
        return False
    values = (int(char, 36) for char in text[:9])
    return sum(v * w for v, w in zip(values, (7, 3, 1) * 3, strict=True)) % 10 == int(text[9])


def _icao_check(field: str) -> str:
    """The check digit of a field of a machine-readable zone. Source: ICAO 9303, part 3, section 4.9."""
    values = (0 if char == "<" else int(char, 36) for char in field)
    return str(sum(value * (7, 3, 1)[at % 3] for at, value in enumerate(values)) % 10)


def machine_readable(secret: bytes) -> bool:
    """A line of a machine-readable zone: the check digits of its dates or its number are right, or it is of names.

    Source: ICAO 9303, parts 4 to 7.
    """
    line = secret.decode("ascii", "replace")
    if len(line) not in (30, 36, 44) or not re.fullmatch(r"[A-Z0-9<]+", line, re.ASCII):
        return False
    if re.fullmatch(r"[A-Z<]+", line):
        return len(line) > 30
    if len(line) == 30 and line[0].isalpha():
        return line[14] in (_icao_check(line[5:14]), "<")
    at = 0 if len(line) == 30 else 13
    birth, until = line[at : at + 7], line[at + 8 : at + 15]
    return _icao_check(birth[:6]) == birth[6] and _icao_check(until[:6]) == until[6]


def pl_identity_card(secret: bytes) -> bool:
    """A Polish identity card number: three letters, a check digit, five digits, weighted by 7, 3 and 1.

    Source: https://en.wikipedia.org/wiki/Polish_identity_card#Document_number
    """
    text = secret.decode("ascii", "replace").replace(" ", "")
    if not re.fullmatch(r"[A-Z]{3}\d{6}", text, re.ASCII):
        return False
    values = [int(char, 36) for char in text]
    return sum(v * w for v, w in zip(values, (7, 3, 1, 9, 7, 3, 1, 7, 3), strict=True)) % 10 == 0


def de_id_card(secret: bytes) -> bool:
    """The serial of a German identity card or passport, with a D or not; a check digit behind it has to be right."""
    text = secret.upper()
    text = text[:9] if len(text) == 10 and text.endswith(b"D") else text
    if sum(48 <= byte <= 57 for byte in text) < 3:
        return False
    return len(text) < 10 or icao_document(text)


_VIN = {
    c: int(v) for c, v in zip("0123456789ABCDEFGHJKLMNPRSTUVWXYZ", "012345678912345678123457923456789", strict=True)
}


def vin(secret: bytes) -> bool:
    """A vehicle identification number with the check digit that North America and China ask for, or a European one.

    European ones, from S on, need none: there capitals, letters among the first eight and four digits at the end
    decide. Source: ISO 3779.
    """
    text = secret.decode("ascii", "replace").upper()
    if len(text) != 17 or any(char not in _VIN for char in text) or len(set(text)) < 5:
        return False
    if text[0] in "STUVWXYZ" and secret.isupper() and text[13:].isdigit() and sum(map(str.isalpha, text[:8])) >= 3:
        return True
    total = sum(_VIN[c] * w for c, w in zip(text, (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2), strict=True))
    return text[8] == "0123456789X"[total % 11]


def plate(secret: bytes) -> bool:
    """A vehicle registration: four characters or more, letters and digits."""
    core = re.sub(rb"[ -]", b"", secret)
    return len(core) >= 4 and re.search(rb"\d", core) is not None and re.search(rb"[A-Za-z\x80-\xff]", core) is not None
