"""Validators of national numbers: checksums that no library has, and `checked` for those that one has."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date
from types import ModuleType

from stdnum import verhoeff
from stdnum.ar import cbu
from stdnum.cn import ric
from stdnum.exceptions import ValidationError
from stdnum.fi import hetu
from stdnum.gb import utr
from stdnum.hu import anum
from stdnum.in_ import epic
from stdnum.kr import rrn
from stdnum.lv import pvn

from detectors.validators.finance import luhn_number

Validator = Callable[[bytes], bool]

_SSN_NEVER_ISSUED = {"078051120", "219099999", "123456789"}
_NINO = re.compile(r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D ]?", re.IGNORECASE)
_MBI_ALPHA = "AC-HJKMNP-RT-Y"
_MBI = re.compile(
    rf"[1-9][{_MBI_ALPHA}][{_MBI_ALPHA}0-9]\d[{_MBI_ALPHA}][{_MBI_ALPHA}0-9]\d[{_MBI_ALPHA}]{{2}}\d\d", re.IGNORECASE
)


def checked(*modules: ModuleType) -> Validator:
    """The validator of stdnum modules: one of them has to say yes. It takes bytes in any grouping and never raises."""

    def valid(secret: bytes) -> bool:
        try:
            text = secret.decode("ascii")
            digits = [char for char in text if char.isdigit()]
            if len(set(digits)) < 2 and not any(char.isalpha() for char in text):
                return False
            bare = re.sub(r"[ ./_-]", "", text)
            return any(module.is_valid(text) or module.is_valid(bare) for module in modules)
        except Exception:  # a third-party parser's surprise on hostile bytes means: not valid
            return False

    valid.__doc__ = f"Checked by {' or '.join(one.__name__ for one in modules)}, and not one digit repeated."
    return valid


_CN_PROVINCES = {
    11,
    12,
    13,
    14,
    15,
    21,
    22,
    23,
    *range(31, 38),
    *range(41, 47),
    *range(50, 55),
    *range(61, 66),
    71,
    81,
    82,
    83,
}


def cn_resident_id(secret: bytes) -> bool:
    """A Chinese resident identity number: province, date of birth, check digit. Source: GB 11643-1999.

    The county is not asked for: they are renamed and merged, and numbers keep the one of the day when they were given.
    """
    text = re.sub(r"[ -]", "", secret.decode("ascii", "replace")).upper()
    return (
        re.fullmatch(r"\d{6}(?:19|20)\d{9}[\dX]", text) is not None
        and int(text[:2]) in _CN_PROVINCES
        and _date(text[6:14])
        and ric.calc_check_digit(text) == text[-1]
    )


def us_ssn(secret: bytes) -> bool:
    """A US social security number by its structure. Numbers known from advertisements and examples do not count."""
    return us_ssn_said(secret) and re.sub(rb"[ .-]", b"", secret).decode("ascii") not in _SSN_NEVER_ISSUED


def us_ssn_said(secret: bytes) -> bool:
    """A US social security number by its structure: area not 000, 666 or 9xx, group not 00, serial not 0000.

    Source: https://www.ssa.gov/employer/randomization.html. For where words say that it is one: who writes so of an
    example wants to see it gone.
    """
    digits = re.sub(rb"[ .-]", b"", secret).decode("ascii", "replace")
    if len(digits) != 9 or not digits.isdigit() or len(set(digits)) == 1:
        return False
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def us_ssns(secret: bytes) -> bool:
    """One number or several, with spaces between, each a `us_ssn`."""
    parts = secret.split()
    return bool(parts) and all(map(us_ssn, parts))


def uk_nino(secret: bytes) -> bool:
    """A UK national insurance number: allowed prefix letters, six digits, suffix A to D.

    Source: https://www.gov.uk/hmrc-internal-manuals/national-insurance-manual/nim39110
    """
    return _NINO.fullmatch(re.sub(rb"[ -]", b"", secret).decode("ascii", "replace")) is not None


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


def in_voter_or_passport(secret: bytes) -> bool:
    """An Indian voter id (EPIC) with its check digit, or a passport number, which has none.

    Source: Election Commission of India, Handbook for Electoral Registration Officers (2008), chapter IX: "a six digit
    running serial number followed by one digit checksum".
    """
    return not secret[:3].isalpha() or _EPIC(secret)


def au_medicare(secret: bytes) -> bool:
    """An Australian Medicare card number: eight digits, first 2 to 6, a check digit, then issue and person if given.

    Source: https://meteor.aihw.gov.au/content/270101
    """
    digits = re.sub(rb"[ ./-]", b"", secret)
    if len(digits) not in (9, 10, 11) or not digits.isdigit() or digits[:1] not in (b"2", b"3", b"4", b"5", b"6"):
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


def se_personal_number(secret: bytes) -> bool:
    """A Swedish personal number, or a coordination number (the day plus 60): a date and the Luhn check.

    Source: Skatteverket SKV 704 and SKV 707.
    """
    digits = _digits(re.sub(rb"[+]", b"-", secret))[-10:]
    if len(digits) != 10 or not luhn_number(bytes(digit + 48 for digit in digits)):
        return False
    month, day = digits[2] * 10 + digits[3], digits[4] * 10 + digits[5]
    if day > 60:  # the birth date of a coordination number may be unknown, and then has zeros
        return month <= 12 and day <= 91
    return 1 <= month <= 12 and 1 <= day <= 31


def au_tfn(secret: bytes) -> bool:
    """An Australian tax file number: nine digits, or eight as older ones of companies have, each with its own weights.

    Source: https://clearwater.com.au/code/tfn
    """
    digits = _digits(secret)
    weights = {9: (1, 4, 3, 7, 5, 8, 6, 9, 10), 8: (10, 7, 8, 4, 6, 3, 5, 1)}.get(len(digits))
    return weights is not None and len(set(digits)) > 1 and _weighted(digits, weights) % 11 == 0


def uk_utr(secret: bytes) -> bool:
    """A UK unique taxpayer reference: ten digits, the first checks the others; a K and an office's number may stand by.

    Source: https://www.gov.uk/find-utr-number
    """
    digits = _digits(re.sub(rb"[Kk]", b"", secret))
    return len(digits) in (10, 13) and bool(utr.is_valid("".join(map(str, digits[-10:]))))


def pl_pesel_checksum(secret: bytes) -> bool:
    """A Polish PESEL by its check digit alone; where the word stands beside it, the birth date need not be right."""
    digits = _digits(secret)
    return (
        len(digits) == 11
        and len(set(digits)) > 1
        and -_weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10 == digits[10]
    )


def _digits(secret: bytes) -> list[int]:
    """The digits of ``secret`` without separators; empty if it holds anything else."""
    text = re.sub(rb"[ ./-]", b"", secret)
    return [byte - 48 for byte in text] if text.isdigit() else []


def _weighted(digits: list[int], weights: Sequence[int]) -> int:
    return sum(digit * weight for digit, weight in zip(digits, weights, strict=False))


def ir_national_id(secret: bytes) -> bool:
    """An Iranian national code: ten digits, weighted sum modulo 11, not one digit repeated."""
    digits = _digits(secret)
    if len(digits) != 10 or len(set(digits)) == 1:
        return False
    rest = _weighted(digits, range(10, 1, -1)) % 11
    return digits[9] == (rest if rest < 2 else 11 - rest)


def ru_snils(secret: bytes) -> bool:
    """A Russian pension insurance number (SNILS): nine digits and their weighted sum modulo 101."""
    digits = _digits(secret)
    if len(digits) != 11 or len(set(digits)) == 1:
        return False
    return _weighted(digits, range(9, 0, -1)) % 101 % 100 == digits[9] * 10 + digits[10]


def eg_national_id(secret: bytes) -> bool:
    """An Egyptian national id: century (2, 3), birth date, governorate (01 to 35 or 88), serial, check digit."""
    text = re.sub(rb"[ -]", b"", secret).decode("ascii", "replace")
    return len(text) == 14 and text[0] in "23" and _day(text[1:7]) and (text[7:9] == "88" or "01" <= text[7:9] <= "35")


def vn_cccd(secret: bytes) -> bool:
    """A Vietnamese citizen id: province 001 to 096, century and sex 0 to 3, year of birth, six digits."""
    text = re.sub(rb"[ -]", b"", secret).decode("ascii", "replace")
    return len(text) == 12 and text.isdigit() and 1 <= int(text[:3]) <= 96 and text[3] in "0123"


def hk_id(secret: bytes) -> bool:
    """A Hong Kong identity card number: one or two letters, six digits, a check digit modulo 11."""
    match = re.fullmatch(r"([A-Z]{1,2})(\d{6})\(?([0-9A])\)?", secret.decode("ascii", "replace").upper(), re.ASCII)
    if match is None:
        return False
    letters = [ord(char) - 55 for char in match[1]]
    values = ([36, *letters] if len(letters) == 1 else letters) + [int(d) for d in match[2]]
    check = 10 if match[3] == "A" else int(match[3])
    return (_weighted(values, range(9, 1, -1)) + check) % 11 == 0


def tw_id(secret: bytes) -> bool:
    """A Taiwanese identity number: a letter, sex (1, 2) or resident (8, 9), eight digits with a weighted sum."""
    text = secret.decode("ascii", "replace").upper()
    if not re.fullmatch(r"[A-Z][1289]\d{8}", text, re.ASCII):
        return False
    area = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(text[0]) + 10
    values = [area // 10, area % 10, *map(int, text[1:])]
    return _weighted(values, (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1)) % 10 == 0


def luhn_id(secret: bytes) -> bool:
    """Digits in any grouping that pass the Luhn check (Emirates id, Saudi id, Swedish and Greek numbers, IMEI)."""
    return luhn_number(re.sub(rb"[ ./-]", b"", secret))


def luhn_ten(secret: bytes) -> bool:
    """A Saudi or Emirates identity number: ten digits from 1 or 2 on, fifteen from 784 on, the Luhn check."""
    digits = re.sub(rb"[ -]", b"", secret)
    return re.fullmatch(rb"[12]\d{9}|784\d{12}", digits) is not None and luhn_number(digits)


def hu_taj(secret: bytes) -> bool:
    """A Hungarian social security number: nine digits, weights 3 and 7, modulo 10."""
    digits = _digits(secret)
    return len(digits) == 9 and len(set(digits)) > 1 and _weighted(digits, (3, 7) * 4) % 10 == digits[8]


def hu_tax_id(secret: bytes) -> bool:
    """A Hungarian personal tax number: ten digits (the first is 8), weights 1 to 9, modulo 11."""
    digits = _digits(secret)
    return len(digits) == 10 and len(set(digits)) > 1 and _weighted(digits, range(1, 10)) % 11 == digits[9]


def lv_personal_code(secret: bytes) -> bool:
    """A Latvian personal code: a birth date with its checksum, or, since 2017, eleven digits that start with 32."""
    digits = _digits(secret)
    return len(digits) == 11 and (digits[:2] == [3, 2] or _LV(secret))


def lu_matricule(secret: bytes) -> bool:
    """A Luxembourg national number: birth date, serial, a Luhn and a Verhoeff check digit."""
    text = re.sub(rb"[ -]", b"", secret).decode("ascii", "replace")
    if len(text) != 13 or not text.isdigit() or not _day(text[2:8]):
        return False
    return luhn_number(text[:12].encode()) and bool(verhoeff.is_valid(text[:11] + text[12]))


def pt_niss(secret: bytes) -> bool:
    """A Portuguese social security number: eleven digits that start with 1 or 2, weighted by primes."""
    digits = _digits(secret)
    if len(digits) != 11 or digits[0] not in (1, 2):
        return False
    return 9 - _weighted(digits, (29, 23, 19, 17, 13, 11, 7, 5, 3, 2)) % 10 == digits[10]


def es_nuss(secret: bytes) -> bool:
    """A Spanish social security number: province, number, and the two as one number modulo 97."""
    text = re.sub(rb"[ /-]", b"", secret).decode("ascii", "replace")
    if len(text) not in (11, 12) or not text.isdigit():
        return False
    number = int(text[2:-2])
    whole = int(text[:2]) * 10_000_000 + number if number < 10_000_000 else int(text[:-2])
    return whole % 97 == int(text[-2:])


def de_svnr(secret: bytes) -> bool:
    """A German pension insurance number: area, birth date, letter, serial, check digit. Source: VKVV, section 4."""
    text = re.sub(rb"[ -]", b"", secret).decode("ascii", "replace").upper()
    if not re.fullmatch(r"\d{8}[A-Z]\d{3}", text, re.ASCII) or not 1 <= int(text[4:6]) <= 12:
        return False
    digits = [int(d) for d in f"{text[:8]}{ord(text[8]) - 64:02}{text[9:11]}"]
    weighted = (d * w for d, w in zip(digits, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=True))
    return sum(n // 10 + n % 10 for n in weighted) % 10 == int(text[11])


def de_kvnr(secret: bytes) -> bool:
    """A German health insurance number: a letter, eight digits, a Luhn-like check digit. Source: SGB V, section 290."""
    text = secret.decode("ascii", "replace").upper()
    if not re.fullmatch(r"[A-Z]\d{9}", text, re.ASCII):
        return False
    digits = [int(d) for d in f"{ord(text[0]) - 64:02}{text[1:9]}"]
    weighted = (d * w for d, w in zip(digits, (1, 2) * 5, strict=True))
    return sum(n // 10 + n % 10 for n in weighted) % 10 == int(text[9])


def de_lanr(secret: bytes) -> bool:
    """A German number of a physician: six digits, a check digit (weights 4 and 9), two digits of the specialty.

    Source: KBV, Richtlinie zur Vergabe der Arzt- und Betriebsstättennummern, section 4.
    """
    digits = _digits(secret)
    return len(digits) == 9 and len(set(digits)) > 2 and -_weighted(digits, (4, 9) * 3) % 10 == digits[6]


_NHI_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"


def nz_nhi(secret: bytes) -> bool:
    """A New Zealand National Health Index number: three letters, two digits, then two digits or, in new ones, letters.

    The last is a check, modulo 11 or 23. Source: HISO 10046:2024, appendix A.
    """
    text = secret.decode("ascii", "replace").upper().replace(" ", "")
    if not re.fullmatch(r"[A-HJ-NP-Z]{3}\d{2}(?:\d{2}|[A-HJ-NP-Z]{2})", text, re.ASCII):
        return False
    values = [int(char) if char.isdigit() else _NHI_LETTERS.index(char) + 1 for char in text]
    total = _weighted(values[:6], range(7, 1, -1))
    if text[6].isdigit():
        return total % 11 != 0 and (11 - total % 11) % 10 == values[6]
    return 23 - total % 23 == values[6]


def kr_rrn(secret: bytes) -> bool:
    """A Korean resident or foreigner registration number: a birth date, and a check digit in those of before 2020-10.

    Later ones have none. Source: https://www.law.go.kr/LSW/eng/engMain.do (Resident Registration Act, 2020)
    """
    digits = _digits(secret)
    if len(digits) != 13 or not _day("".join(map(str, digits[:6]))):
        return False
    if digits[6] in (3, 4, 7, 8) and digits[:4] >= [2, 0, 1, 0]:
        return True
    return bool(_RRN(secret)) or _rrn_foreign(digits)


def _rrn_foreign(digits: list[int]) -> bool:
    """The check digit of foreigners, which is two more."""
    total = _weighted(digits[:12], (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5))
    return 5 <= digits[6] <= 8 and (13 - total % 11) % 10 == digits[12]


def hu_company(secret: bytes) -> bool:
    """A Hungarian company's tax number: eight digits, the last a check, then VAT code and county if given."""
    return _ANUM(secret.upper().removeprefix(b"HU").lstrip(b"-").partition(b"-")[0])


def us_dea(secret: bytes) -> bool:
    """A US DEA registration number: two letters (or a letter and 9), six digits, a weighted check digit."""
    text = secret.decode("ascii", "replace").upper()
    if not re.fullmatch(r"[ABCDEFGHJKLMPRSTUX][A-Z9]\d{7}", text, re.ASCII):
        return False
    d = [int(char) for char in text[2:]]
    return (d[0] + d[2] + d[4] + 2 * (d[1] + d[3] + d[5])) % 10 == d[6] and len(set(d)) > 1


def mx_clabe(secret: bytes) -> bool:
    """A Mexican standardized bank account code: eighteen digits, weights 3, 7, 1 on digits modulo 10."""
    digits = _digits(secret)
    if len(digits) != 18 or len(set(digits)) < 3:
        return False
    total = sum(d * w % 10 for d, w in zip(digits[:17], (3, 7, 1) * 6, strict=False))
    return -total % 10 == digits[17]


def latam_account(secret: bytes) -> bool:
    """A Mexican CLABE or an Argentinian CBU."""
    return mx_clabe(secret) or _CBU(secret)


def _date(text: str) -> bool:
    """Whether ``yyyymmdd`` is a date."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _day(text: str) -> bool:
    """Whether ``yymmdd`` or ``ddmmyy`` can be a date."""
    return text.isdigit() and 1 <= int(text[2:4]) <= 12 and (1 <= int(text[4:6]) <= 31 or 1 <= int(text[:2]) <= 31)


_LV = checked(pvn)
_CBU = checked(cbu)
_RRN = checked(rrn)
_ANUM = checked(anum)
_EPIC = checked(epic)
