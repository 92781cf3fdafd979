"""Validators of telephone numbers, by the numbering plans that the phonenumbers library knows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import phonenumbers

_REGIONS = (
    *"US GB DE FR IN AU ES IT NL BR JP MX PL SE CH AT BE TR PH IE".split(),
    *"CN ID PK NG RU BD EG VN IR TH KR ZA CO AR IL PT DK NO".split(),
)
"""Whose national formats are tried where no country code is written."""

_IN_ORDER = "01234567890"
_MOBILE = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE)


def international_phone(secret: bytes) -> bool:
    """A telephone number with its country code (``+44 20 7946 0018``), valid in that country's numbering plan."""
    text = secret.decode("ascii", "replace")
    if text.startswith("00"):
        text = "+" + text[2:]
    return text.startswith("+") and _valid(text, None)


def national_phone(secret: bytes) -> bool:
    """A telephone number as written inside a country, or with its country code; valid in one of the regions above.

    At least eight digits; a number that is only digits in a row and not valid in any plan is an id, not a phone.
    """
    text = secret.decode("ascii", "replace")
    digits = re.sub(r"\D", "", text)
    if not 8 <= len(digits) <= 15 or len(set(digits)) < 3:
        return False
    return international_phone(secret) or any(_valid(text, region) for region in _REGIONS)


def mobile_phone(secret: bytes) -> bool:
    """A mobile number with its leading zero (``09171234567``), in one of the regions above; no digits in order.

    In Turkey, where every number is that long, a fixed line too.
    """
    text = secret.decode("ascii", "replace")
    return text != _IN_ORDER and (
        any(_valid(text, region, mobile=True) for region in _REGIONS) or turkish_phone(secret)
    )


def turkish_phone(secret: bytes) -> bool:
    """A number of the Turkish plan as written inside the country, three different digits at least."""
    text = secret.decode("ascii", "replace")
    return len(set(text)) >= 3 and _valid(text, "TR")


def written_phone(secret: bytes) -> bool:
    """What is written like a telephone number of some country: 6 to 15 digits, three different ones at least.

    For where words say that it is one. An extension does not count.
    """
    digits = re.sub(rb"\D", b"", re.split(rb"[xXeE]", secret)[0])
    return 6 <= len(digits) <= 15 and len(set(digits)) >= 3


def us_phone(secret: bytes) -> bool:
    """A number of the North American plan, written with or without its country code."""
    return _valid(secret.decode("ascii", "replace"), "US")


def _valid(text: str, region: str | None, *, mobile: bool = False) -> bool:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.number_type(number) in _MOBILE if mobile else phonenumbers.is_valid_number(number)


VALIDATORS: Mapping[str, Callable[[bytes], bool]] = {
    "international_phone": international_phone,
    "mobile_phone": mobile_phone,
    "national_phone": national_phone,
    "turkish_phone": turkish_phone,
    "us_phone": us_phone,
    "written_phone": written_phone,
}
