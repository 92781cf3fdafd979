"""Validators: known-good vectors pass, a corrupted digit fails, and nothing that bytes can be makes one raise."""

from __future__ import annotations

import base64
import string
import time
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.validators import VALIDATORS
from detectors.validators.tokens import base62_crc32

CHECKSUMMED: dict[str, list[str]] = {
    "luhn": ["79927398713", "4111 1111 1111 1111"],
    "credit_card": [
        "4111111111111111",
        "4222222222222",
        "5555555555554444",
        "2223003122003222",
        "378282246310005",
        "6011111111111117",
        "30569309025904",
        "3530111333300000",
        "6200000000000005",
        "4012-8888-8888-1881",
    ],
    "iban": ["DE89370400440532013000", "GB82 WEST 1234 5698 7654 32", "FR1420041010050500013M02606", "NO9386011117947"],
    "us_routing_number": ["121000248", "021000021"],
    "bitcoin_address": [
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
    ],
    "wif_key": [
        "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ",
        "KwdMAjGmerYanjeui5SHS7JkmpZvVipYvB2LJGU1ZxJwYvP98617",
    ],
    "extended_key": [
        "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi",
    ],
    "age_secret_key": ["AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"],
    "crc32_token": ["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"],
    "us_npi": ["1234567893", "1245319599"],
    "uk_nhs": ["943 476 5919", "9434765919"],
    "ca_sin": ["130 692 544", "130-692-544"],
    "au_tfn": ["123 456 782", "876543210", "37 118 629"],
    "uk_utr": ["1123456789", "6452194352"],
    "au_medicare": ["2123 45670 1", "2123 45670"],
    "in_aadhaar": ["2341 2341 2346"],
    "br_cpf": ["390.533.447-05", "529.982.247-25"],
    "br_cnpj": ["11.222.333/0001-81"],
    "es_dni": ["54362315K"],
    "es_nie": ["X2482300W"],
    "fr_nir": ["2 95 10 99 126 111 93"],
    "de_tax_id": ["36 574 261 809"],
    "it_fiscal_code": ["RCCMNL83S18D969H"],
    "nl_bsn": ["111222333"],
    "be_nn": ["85.07.30-033.28"],
    "ch_ahv": ["756.9217.0769.85"],
    "pl_pesel": ["44051401359"],
    "se_personnummer": ["880320-0016"],
    "no_fodselsnummer": ["15108695088"],
    "fi_hetu": ["131052-308T", "010594Y9021"],
    "kr_rrn": ["971013-9019902"],
    "sg_nric": ["S2740116C", "F2346401L"],
    "za_id": ["7503305044089", "8001015009087"],
    "tr_tckn": ["17291716060"],
    "th_pin": ["1-2345-45678-78-1"],
    "cn_ric": ["360426199101010071", "11010519491231002X"],
    "mx_curp": ["BOXW310820HNERXN09"],
    "cl_rut": ["12.531.909-2", "76086428-5"],
    "se_personal_number": ["880320-0016", "198803200016"],
    "pl_pesel_checksum": ["44051401359"],
    "de_svnr": ["15070649C103", "65 070803 A019"],
    "de_kvnr": ["A123456780"],
    "icao_document": ["L01X00T471", "C01X00T478"],
    "us_dea": ["AB1234563"],
    "vin": ["1HGCM82633A004352"],
    "es_nuss": ["281234567840"],
    "pt_niss": ["22361973262"],
    "ru_snils": ["112-233-445 95"],
    "ir_national_id": ["0499370899"],
    "hu_tax_id": ["8071592153"],
    "hu_taj": ["166 516 395"],
    "gr_amka": ["25108499051"],
    "pl_identity_card": ["ABA300000", "CDE 835337"],
    "at_tin": ["59-119/9013"],
    "cy_vat": ["10259033P"],
    "hk_id": ["G123456A"],
    "tw_id": ["A123456789"],
    "lu_matricule": ["1893120105732"],
    "latam_account": ["032180000118359719"],
    "strkey_seed": ["SDTGI33AHTTIHAYY4F5Q4I4IFDIZWHYL3PTQIQN3MAQQX47TNKWGCPIY"],
    "in_voter_or_passport": ["WKH1186253"],
    "in_gstin": ["27AAPFU0939F1ZV"],
    "bg_pnf": ["7111042925"],
    "luhn_ten": ["784198165531777", "1000000008"],
    "xrp_seed": ["sawHGVz8mWUKcQeLP3bXj7v79GsCR"],
}
VECTORS = [(name, vector) for name, vectors in CHECKSUMMED.items() for vector in vectors]


@pytest.mark.parametrize(("name", "vector"), VECTORS)
def test_known_good_vector_passes(name: str, vector: str) -> None:
    """Published vectors are valid."""
    assert VALIDATORS[name](vector.encode())


@pytest.mark.parametrize(("name", "vector"), VECTORS)
def test_corrupted_last_character_fails(name: str, vector: str) -> None:
    """Any other last character of the same kind makes the vector invalid: the checksum is really looked at.

    A few letters stand for the same value in one alphabet (upper and lower case), and the second check digit of
    an au_medicare number is no part of the checksum: there the digit before it is corrupted.
    """
    at = {"au_medicare": 9}.get(name, len(vector) - 1)
    kind = (
        string.digits
        if vector[at].isdigit()
        else string.ascii_uppercase
        if vector[at].isupper()
        else string.ascii_lowercase
    )
    others = [vector[:at] + other + vector[at + 1 :] for other in kind if other != vector[at]]
    passing = [other for other in others if VALIDATORS[name](other.encode())]
    assert passing == []


@settings(max_examples=300)
@given(
    st.one_of(
        st.binary(max_size=80),
        st.from_regex(rb"[\x20-\x7e]{0,60}", fullmatch=True),
        st.text(string.digits + ".-: /+", max_size=40).map(str.encode),
    )
)
def test_no_bytes_make_a_validator_raise(data: bytes) -> None:
    """Whatever the bytes, the answer of each is true or false."""
    for name, valid in VALIDATORS.items():
        assert valid(data) in (True, False), name


AT_ONCE = 5.0  # seconds of processor time: one that tries dozens of numbers takes 1, a square of the length far more


@pytest.mark.parametrize("name", sorted(VALIDATORS))
@pytest.mark.parametrize(
    "hostile", [b"", b"\xff" * 99, b"1" * 30_000, b"a." * 15_000, b"your-" * 6_000 + b"!", "٣".encode() * 99]
)
def test_hostile_values_are_answered_at_once(name: str, hostile: bytes) -> None:
    """Long, odd and empty values neither raise nor take long: no pattern in here backtracks."""
    started = time.process_time()
    assert VALIDATORS[name](hostile) in (True, False)
    assert time.process_time() - started < AT_ONCE


def test_a_key_that_google_published_is_no_secret() -> None:
    """The digest of the key decides, so that the key itself stands nowhere."""
    key = b"AIzaSy" + base64.b64decode("QW5MQTdOZmVMcXVXMXRKRnB4X2VRQ3hvWC1vbzZZeUlz")
    assert not VALIDATORS["google_key"](key)
    assert VALIDATORS["google_key"](key[:-1] + b"t")


@given(st.binary(max_size=64))
def test_base62_crc32_is_the_number_padded(payload: bytes) -> None:
    """Read back digit by digit, the six characters are the CRC-32."""
    alphabet = string.digits + string.ascii_uppercase + string.ascii_lowercase
    number = 0
    for digit in base62_crc32(payload).decode():
        number = number * 62 + alphabet.index(digit)
    assert number == zlib.crc32(payload)
    assert len(base62_crc32(payload)) == 6


@pytest.mark.parametrize("area", range(1000))
def test_every_ssn_area_is_judged_by_the_published_structure(area: int) -> None:
    """Areas 000, 666 and 900 to 999 were never issued; all others may be."""
    issued = area not in (0, 666) and area < 900
    assert VALIDATORS["us_ssn"](f"{area:03}-12-3456".encode()) is issued


@pytest.mark.parametrize("bad", ["536-00-6780", "536-22-0000", "078-05-1120", "111-11-1111", "53622678", "536-22-678x"])
def test_impossible_ssn_is_refused(bad: str) -> None:
    """Group 00, serial 0000, advertised and repeated numbers are no social security numbers."""
    assert not VALIDATORS["us_ssn"](bad.encode())


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (
            "ipv4",
            ["203.0.113.7", "10.1.2.3", "65.1.2.3"],
            [
                "1.2.3.4",
                "8.8.8.8",
                "127.0.0.1",
                "0.0.0.0",
                "255.255.255.0",
                "120.0.0.0",
                "1.2.3",
                "1.2.3.256",
                "1.2.3.4.5",
                "224.0.0.1",
            ],
        ),
        ("ipv4_low", ["1.2.3.4", "8.8.8.8"], ["127.0.0.1", "255.0.0.0", "1.2.3"]),
        (
            "ipv6",
            [
                "2001:db8::",
                "2001:db8::/32",
                "fe80::1%eth0/64",
                "64:ff9b::1",
                "2001:db8::8a2e:370:7334",
                "::ffff:192.0.2.1",
                "fe80::1ff:fe23:4567:890a",
            ],
            ["::", "::1", "a::b", "ab::cd", "dead::beef", "12:30:45", "ff02::1", "1:2:3:4:5:6:7:8:9"],
        ),
        (
            "mac",
            ["de:ad:be:ef:00:01", "00-1B-63-84-45-E6", "001b.6384.45e6"],
            ["ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "de:ad:be:ef:00"],
        ),
        ("us_ssn_said", ["536-22-6780", "078-05-1120", "123-45-6789"], ["536-00-6780", "666-12-3456", "111-11-1111"]),
        ("us_ssns", ["536226780", "536-226780 53622-6780"], ["", "536226780 078051120"]),
        ("uk_vat", ["GB980780684", "980 7806 84"], ["GB802311781", "GB123456789"]),
        ("mobile_phone", ["09171234567", "02121234567"], ["01234567890", "00000000000", "123456"]),
        ("turkish_phone", ["5321234567", "2121234567"], ["9999999999", "6123456789"]),
        ("google_key", ["AIzaghxU2wDl7J0C92H4maQvNDAlTrMuiASeBFM"], ["AIzaSyabcdefghijklmnopqrstuvwxyz1234567"]),
        ("de_id_card", ["L01X00T47", "L01X00T47D", "L01X00T471"], ["L01X00T472", "CFGHJKLMN"]),
        ("de_lanr", ["123456601", "987654477"], ["123456701", "223456601", "000000000", "12345660"]),
        ("person_number", ["44051401359", "53315-9407108-1", "536-22-6780"], ["5331594071081", "44051401358000"]),
        ("tax_number", ["181/815/08155", "572-48-01234", "57 549 285 017"], ["18181508150", "5724801234"]),
        ("nz_nhi", ["ZAC5361", "zaa 0067", "ZBN77VL"], ["ZAC5362", "ZBN77VM", "IAC5361", "ZAC536"]),
        (
            "vin",
            ["4HE027299KK449126", "WVWZZZ1JZXW003452"],
            ["4HE027299KK449127", "wvwzzz1jzxw003452", "W1234567890123456"],
        ),
        (
            "machine_readable",
            [
                "P<UTOHALVORSEN<<LIV<SOLVEIG<<<<<<<<<<<<<<<<<",
                "T220001293UTO8308126F3010150<<<<<<<<<<<<<<06",
                "I<UTOT220001293<<<<<<<<<<<<<<<",
                "8308126F3010150UTO<<<<<<<<<<<4",
            ],
            [
                "T220001293UTO8308127F3010150<<<<<<<<<<<<<<06",
                "I<UTOT220001294<<<<<<<<<<<<<<<",
                "8308126F3010151UTO<<<<<<<<<<<4",
                "HALVORSEN<<LIV<SOLVEIG<<<<<<<<",
                "P<UTOHALVORSEN<<LIV",
            ],
        ),
        ("jwt", ["eyJhbGciOiJIUzI1NiJ9.e30.abc"], ["eyJ0eXAiOiJKV1QifQ.e30.abc", "eyJxx.e30", "abc"]),
        ("basic_credentials", ["QWxhZGRpbjpvcGVuIHNlc2FtZQ=="], ["authentication", "QWxhZGRpbg=="]),
        ("basic_text", ["QWxhZGRpbjpvcGVuIHNlc2FtZQ=="], ["authentication", "AAA6AAAA"]),
        (
            "named_key",
            ["q8Zr2LmX0vTn5KyB7cWd", "3v1xo5r03ghc538iwzbzeddwqulnun8h"],
            ["9c1f04d6e2b87a3550fe61d24b98c7aa", "getItem2ByName"],
        ),
        (
            "random_value",
            ["q8Zr2LmX0vTn", "wjXKCFzOWEPRqhTmmbWtVQ"],
            ["getUserProfileByAccountName", "XMLHttpRequestError"],
        ),
        (
            "secret_list",
            ["k1te!Field', 'tulip#77", "q8Zr2LmX0vTn\n  - H4jP9sEf6GuA"],
            ["db-credentials-2", "k1te!Field, no"],
        ),
        ("pair_password", ["Tulip#77"], ["admin", "db.example.com", "see"]),
        (
            "discord_token",
            ["MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs"],
            ["ModuleNotFoundErrorxxxxxx.Cl2FMQ.abc"],
        ),
        (
            "international_phone",
            ["+44 20 7946 0018", "+14155550132", "0049 30 901820"],
            ["+1 123 456 7890", "+00000000000", "415-555-0132"],
        ),
        (
            "national_phone",
            ["020 7946 0018", "(415) 555-0132", "030 901820"],
            ["12 34", "00000000", "1234567890123456789"],
        ),
        (
            "quoted_password",
            ["a(b", "correct horse", "name)x", "7"],
            ["${PW}", ":", "os.environ", "getpass()", "********", ""],
        ),
        (
            "short_secret",
            ["s3cr3t", "blue!kite"],
            ["letmein", "db-credentials-2", "projects/1/secrets/db", "12", "${S}"],
        ),
        ("device_password", ["k1te!Field", "$1$kite$3uWfZ9"], ["protection", "scanning-v2", "public", "<string>"]),
        (
            "prose_password",
            ["hunter2!", "k1te&field", "K1te_P@ss_77!"],
            ["@abstractmethod", "*analysis.Pass", "**multiple", "mira@db.example.com", "root@host", "encoding="],
        ),
        ("password", ["$A3ae68d9f8ccfc898ee2555a5f8f228b9"], ["$DB_PASSWORD_2", "$$PASSWORD", "$1", "$HOME/.pw"]),
        (
            "prose_token",
            ["9c1f04d6e2b87a3550fe61d24b98c7aa", "q8Zr2LmX0vTn5Ky"],
            ["3f786850e387550f", "my-release-name1", "getItem2ByName"],
        ),
        ("argument_secret", ["tulip7", "k1te&field"], ["https://files.example.com", "8080:80", "./run", "--flag"]),
        ("written_out", ["secret", "a*b"], ["${PW}", "<password>", "xxxxx", "********", "abc****", ""]),
        (
            "token",
            ["glpat-q8Zr2LmX0vTn5KyB7cWd", "AKIAIOSFODNN7EXAMPLE", "sk_live_1234567890abcdef", "k-000000-q8Zr2LmX0vTn"],
            [
                "sk-ant-api03-q8Zr2LmX...",
                "xoxb-1-your-token-here",
                "sha256~_xxxxxx_xxxxxxxxxx-X",
                "ABSKEXAMPLEEXAMPLE=",
                "AIzaaaaaaaaaaaaaaaa",
                "xoxb-12-####",
            ],
        ),
        (
            "uncounted_token",
            ["glpat-q8Zr2LmX0vTn5KyB7cWd", "1234-q8Zr2LmX0vTn5KyB7cWd-abcd"],
            ["AIzaSyabcdefghijklmnopqrstuvwxyz1234567", "a1b2c3d4e5f6g7h8i9j0", "NRAK-123456789-ABCDEFGHIJ"],
        ),
        (
            "anthropic_key",
            ["sk-ant-api03-" + "abcdefghij" * 9 + "klmAA", "sk-ant-api03-B0w9u-utVtwEOlKkvi_iAn5nceisY0kX9"],
            ["sk-ant-api03-" + "abcdefghij" * 6, "sk-ant-api03-q8Zr2LmX..."],
        ),
        (
            "random_letters",
            ["hf_PaFIcEkptaEbSzaqLOwEDL", "hf_abc1defghijkl"],
            ["hf_requiredTypesForDisplay", "hf_servingcellpriority"],
        ),
        (
            "mixed_random",
            ["q8Zr2LmX0vTn5KyB7cWd"],
            ["getUserProfileByAccount2Name", "9c1f04d6e2b87a3550fe61d24b98c7aa", "main-Branch-2024"],
        ),
        ("user_name", ["mira", "svc-orders", "user7"], ["user", "username", "USER_ID", "$USER", "my_user"]),
        ("uk_utr", ["1123456789K", "K1123456789", "0001123456789"], ["1123456780", "11123456789", "ABCDEFGHIJ"]),
        (
            "se_personal_number",
            ["880320-0016", "880380-0013", "220090+2399"],
            ["881320-0016", "880392-0013", "220031-2398"],
        ),
        ("pass_field", ["hunter2", "correct horse"], ["12", "true", "ok", "********"]),
        ("long_token", ["a7x2k9d4m5f6", "1" * 12 + "234567890123"], ["1234567890", "words-only"]),
        ("base64_value", ["dHVsaXA3Nw==", "S2l0ZTM0"], ["production", "12345678", "a b"]),
        ("plate", ["AB51 ABC", "B-MW 1"], ["ABCD", "123", "A1"]),
        ("eg_national_id", ["29001011234567"], ["19001011234567", "29013011234567"]),
        ("vn_cccd", ["001099012345"], ["000099012345", "097099012345", "001499012345"]),
        ("lv_personal_code", ["32001010003"], ["33001010003", "3200101000"]),
        ("us_phone", ["(415) 555-0132", "1-212-555-0187"], ["123-456-7890", "911"]),
        ("uk_nino", ["AB123456C", "JG 10 37 59 A"], ["GB123456A", "QQ123456C", "AB123456E", "DB123456A"]),
        ("us_mbi", ["1EG4-TE5-MK73", "1EG4TE5MK73"], ["1SG4TE5MK73", "0EG4TE5MK73"]),
        ("us_itin", ["912-90-3456", "911-70-1234"], ["912-12-3456", "812-90-3456"]),
        ("in_pan", ["ACUPA7085R"], ["ABMXA3211G", "ACUPA708RR"]),
        ("uk_driving_licence", ["MORGA657054SM9IJ", "DOE99861294JX9AB"], ["MORGA677054SM9IJ", "MORGA600054SM9IJ"]),
        ("email", ["a@b.example", "x.y+z@mail.example.co.uk"], ["icon@2x.png", "user@1000.service"]),
        (
            "person_name",
            ["Anya", "O'Brien-Smith", "Zoë Kovács", "李小龍"],
            ["target-org/main-repo", "X", "[REDACTED]", "user_123", "null"],
        ),
    ],
)
def test_structure(name: str, good: list[str], bad: list[str]) -> None:
    """Structure decides where there is no checksum."""
    assert [value for value in good if not VALIDATORS[name](value.encode())] == []
    assert [value for value in bad if VALIDATORS[name](value.encode())] == []


PLACEHOLDERS = [
    "${DB_PASSWORD}",
    "$PASSWORD",
    "{{ password }}",
    "<password>",
    "%(password)s",
    "%PASSWORD%",
    "[REDACTED]",
    "********",
    "xxxxxxxx",
    "XXXX",
    "null",
    "None",
    "your_password",
    "your-api-key-here",
    "changeme",
    "password",
    "#######",
    "...",
    "os.environ",
    "getpass()",
    "self.password",
    "process.env.TOKEN",
    "args.password",
    "$(cat file)",
    "!Ref Password",
    "rootpasswd",
    "smtp_password",
]
REAL = [
    "hunter2",
    "Tr0ub4dor&3",
    "correct horse",
    "letmein",
    "p@ss:w0rd",
    "Pa55w.rd",
    "nullify9",
    "truecolor7",
    "x1x1x1",
    "mynone",
    "falsework",
]


@pytest.mark.parametrize("name", ["password", "strong_password", "random_value", "field_password", "prose_password"])
@pytest.mark.parametrize("value", PLACEHOLDERS)
def test_placeholders_references_and_code_are_no_secrets(name: str, value: str) -> None:
    """What stands in for a secret is none."""
    assert not VALIDATORS[name](value.encode())


@pytest.mark.parametrize("value", REAL)
def test_a_secret_that_only_contains_a_placeholder_word_is_one(value: str) -> None:
    """Placeholders are whole values: `nullify9` is a password, although it starts like `null`."""
    assert VALIDATORS["password"](value.encode())
    assert VALIDATORS["field_password"](value.encode())


def test_a_chinese_id_of_a_county_that_is_no_more_counts() -> None:
    """Counties are renamed, numbers are not: the province, the day and the check digit decide."""
    valid = VALIDATORS["cn_ric"]
    assert valid(b"520599196403147815")
    assert not any(map(valid, [b"990599196403147812", b"520599196413147819", b"520599196403147810"]))


@pytest.mark.parametrize(
    "value",
    [
        "a8f5f167f44f4964e6c998dee827110c",
        "Zk3aab19QwErTy77",
        "u7-f_92kd8s-2k3jd9",
        "12345678-9abc-def0-1234-56789abcdef0",
    ],
)
def test_random_values_are_secrets(value: str) -> None:
    """Digits and letters mixed without words in them are made by a machine."""
    assert VALIDATORS["random_value"](value.encode())


@pytest.mark.parametrize(
    "value",
    [
        "my-service-account-2",
        "getUserTokenById",
        "https://example.com/a/b2",
        "/var/run/secrets/token2",
        "v1.2.3-rc4",
        "2026-01-02T03:04:05Z",
        "sha256:abc123",
        "4096",
        "arn:aws:iam::1:role/x",
        "abcdefgh12345678",
        "a1b2c3d4e5f6",
    ],
)
def test_names_paths_versions_and_dates_are_not_random(value: str) -> None:
    """A name with a number, a path, a URL, a version, a time, a digest or a value typed along the alphabet is none."""
    assert not VALIDATORS["random_value"](value.encode())
