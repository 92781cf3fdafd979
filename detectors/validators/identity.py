"""Validators of personal identification numbers, one a country. The checksums are python-stdnum's where it has them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import ModuleType

from stdnum import verhoeff
from stdnum.au import tfn
from stdnum.be import nn
from stdnum.br import cnpj, cpf
from stdnum.ca import sin
from stdnum.ch import ssn as ch_ssn
from stdnum.cl import rut
from stdnum.cn import ric
from stdnum.de import idnr
from stdnum.dk import cpr
from stdnum.es import dni, nie
from stdnum.exceptions import ValidationError
from stdnum.fi import hetu
from stdnum.fr import nir
from stdnum.gb import nhs
from stdnum.in_ import pan
from stdnum.it import codicefiscale
from stdnum.kr import rrn
from stdnum.mx import curp
from stdnum.nl import bsn
from stdnum.no import fodselsnummer
from stdnum.pl import pesel
from stdnum.se import personnummer
from stdnum.th import pin
from stdnum.tr import tckimlik
from stdnum.us import itin
from stdnum.za import idnr as za_idnr

from detectors.validators.finance import luhn_number

Validator = Callable[[bytes], bool]

_SSN_NEVER_ISSUED = {"078051120", "219099999", "123456789"}
_NINO = re.compile(r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D ]?", re.IGNORECASE)
_MBI_ALPHA = "AC-HJKMNP-RT-Y"
_MBI = re.compile(
    rf"[1-9][{_MBI_ALPHA}][{_MBI_ALPHA}0-9]\d[{_MBI_ALPHA}][{_MBI_ALPHA}0-9]\d[{_MBI_ALPHA}]{{2}}\d\d", re.IGNORECASE
)


def _checked(module: ModuleType) -> Validator:
    """The validator of a stdnum module, taking bytes and never raising."""

    def valid(secret: bytes) -> bool:
        try:
            text = secret.decode("ascii")
            return len(set(text) & set("0123456789")) > 1 and bool(module.is_valid(text))
        except Exception:  # a third-party parser's surprise on hostile bytes means: not valid
            return False

    valid.__doc__ = f"Checked by {module.__name__}, and not one digit repeated."
    return valid


def us_ssn(secret: bytes) -> bool:
    """A US social security number by its structure: area not 000, 666 or 9xx, group not 00, serial not 0000.

    Source: https://www.ssa.gov/employer/randomization.html. Numbers known from advertisements do not count.
    """
    digits = re.sub(rb"[ .-]", b"", secret).decode("ascii", "replace")
    if len(digits) != 9 or not digits.isdigit() or len(set(digits)) == 1:
        return False
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return (
        area not in ("000", "666")
        and area < "900"
        and group != "00"
        and serial != "0000"
        and digits not in _SSN_NEVER_ISSUED
    )


def uk_nino(secret: bytes) -> bool:
    """A UK national insurance number: allowed prefix letters, six digits, suffix A to D.

    Source: https://www.gov.uk/hmrc-internal-manuals/national-insurance-manual/nim39110
    """
    return _NINO.fullmatch(re.sub(rb"[ -]", b"", secret).decode("ascii", "replace")) is not None


_UK_LICENCE = re.compile(r"[A-Z]{1,5}9{0,4}\d(?:[05]\d|[16][0-2])(?:[0-2]\d|3[01])\d(?:[A-Z]{2}|[A-Z]9|99)[A-Z0-9]{3}")


def uk_driving_licence(secret: bytes) -> bool:
    """A British driving licence number: five letters of the name, decade, month (+50 for women), day, year, initials.

    Source: https://www.gov.uk/government/publications/inf45d-how-to-read-your-driving-licence
    """
    text = secret.decode("ascii", "replace")
    return len(text) == 16 and _UK_LICENCE.fullmatch(text) is not None and text[7:9] not in ("00", "50")


def us_mbi(secret: bytes) -> bool:
    """A US Medicare beneficiary identifier: eleven places of set kinds, no letters S, L, O, I, B, Z.

    Source: https://www.cms.gov/medicare/new-medicare-card/understanding-the-mbi-format.pdf
    """
    return _MBI.fullmatch(re.sub(rb"[ -]", b"", secret).decode("ascii", "replace")) is not None


def us_npi(secret: bytes) -> bool:
    """A US national provider identifier: ten digits, starting with 1 or 2, Luhn over ``80840`` and them.

    Source: 45 CFR 162.406
    """
    digits = re.sub(rb"[ -]", b"", secret)
    return len(digits) == 10 and digits[:1] in b"12" and luhn_number(b"80840" + digits)


def in_aadhaar(secret: bytes) -> bool:
    """An Indian Aadhaar number: twelve digits, not starting with 0 or 1, no palindrome, Verhoeff check digit."""
    digits = re.sub(rb"[ -]", b"", secret)
    if len(digits) != 12 or not digits.isdigit() or digits[:1] in b"01" or digits == digits[::-1]:
        return False
    return bool(verhoeff.is_valid(digits.decode()))


def au_medicare(secret: bytes) -> bool:
    """An Australian Medicare card number: ten digits (an eleventh for the person), first 2 to 6, weighted checksum.

    Source: https://meteor.aihw.gov.au/content/270101
    """
    digits = re.sub(rb"[ -]", b"", secret)
    if len(digits) not in (10, 11) or not digits.isdigit() or digits[:1] not in (b"2", b"3", b"4", b"5", b"6"):
        return False
    total = sum(weight * (digit - 48) for weight, digit in zip((1, 3, 7, 9, 1, 3, 7, 9), digits, strict=False))
    return total % 10 == digits[8] - 48


def sg_nric(secret: bytes) -> bool:
    """A Singapore NRIC or FIN: a letter, seven digits and a check letter.

    Source: https://en.wikipedia.org/wiki/National_Registration_Identity_Card#Structure_of_the_NRIC_number/FIN
    """
    text = secret.decode("ascii", "replace").upper()
    if not re.fullmatch(r"[STFGM]\d{7}[A-Z]", text, re.ASCII):
        return False
    total = sum(int(d) * w for d, w in zip(text[1:8], (2, 7, 6, 5, 4, 3, 2), strict=True))
    total += {"S": 0, "F": 0, "T": 4, "G": 4, "M": 3}[text[0]]
    if text[0] == "M":
        return text[8] == "KLJNPQRTUWX"[10 - total % 11]
    return text[8] == ("JZIHGFEDCBA" if text[0] in "ST" else "XWUTRQPNMLK")[total % 11]


def fi_hetu(secret: bytes) -> bool:
    """A Finnish personal identity code, also with the century signs that came in 2023.

    Source: https://dvv.fi/en/reform-of-personal-identity-code
    """
    sign = secret[6:7].upper().translate(bytes.maketrans(b"YXWVUBCDEF", b"-----AAAAA"))
    try:
        return bool(hetu.validate((secret[:6] + sign + secret[7:]).decode("ascii"), allow_temporary=True))
    except (ValueError, ValidationError):
        return False


def nordic_number(secret: bytes) -> bool:
    """A Swedish, Danish or Norwegian personal number, by the checksum or the birth date of its country."""
    return any(valid(secret) for valid in (_checked(personnummer), _checked(cpr), _checked(fodselsnummer)))


VALIDATORS: Mapping[str, Validator] = {
    "au_medicare": au_medicare,
    "au_tfn": _checked(tfn),
    "be_nn": _checked(nn),
    "br_cnpj": _checked(cnpj),
    "br_cpf": _checked(cpf),
    "ca_sin": _checked(sin),
    "ch_ahv": _checked(ch_ssn),
    "cl_rut": _checked(rut),
    "cn_ric": _checked(ric),
    "de_tax_id": _checked(idnr),
    "dk_cpr": _checked(cpr),
    "es_dni": _checked(dni),
    "es_nie": _checked(nie),
    "fi_hetu": fi_hetu,
    "fr_nir": _checked(nir),
    "in_aadhaar": in_aadhaar,
    "in_pan": _checked(pan),
    "it_fiscal_code": _checked(codicefiscale),
    "kr_rrn": _checked(rrn),
    "mx_curp": _checked(curp),
    "nl_bsn": _checked(bsn),
    "no_fodselsnummer": _checked(fodselsnummer),
    "nordic_number": nordic_number,
    "pl_pesel": _checked(pesel),
    "se_personnummer": _checked(personnummer),
    "sg_nric": sg_nric,
    "th_pin": _checked(pin),
    "tr_tckn": _checked(tckimlik),
    "uk_driving_licence": uk_driving_licence,
    "uk_nhs": _checked(nhs),
    "uk_nino": uk_nino,
    "us_itin": _checked(itin),
    "us_mbi": us_mbi,
    "us_npi": us_npi,
    "us_ssn": us_ssn,
    "za_id": _checked(za_idnr),
}
