"""No encoding hides a value, whatever it stands in: the value goes, and all else can be read as before."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import quopri
import random
import re
import uuid
import zlib
from itertools import cycle, islice, product

import pytest
from encodings_of_testers import CONTAINERS, ENCODINGS, readings
from hypothesis import example, given
from hypothesis import strategies as st
from implementations import without_helper

from detectors.errors import BudgetExceeded
from engine.cleaning import Cleaner
from engine.layers import ROWS, announces, announces_pure, announces_rows, layers
from engine.layers.model import Purse
from engine.policy import load_policy
from engine.reading import read_record
from engine.sanitizer import cleaner_of
from engine.views import Limits

MAIL, TOKEN, PASSWORD, CARD = (
    "jane.doe@corp.example",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "Tr0ub4dor-3x9",
    "4111111111111111",
)
PLANTED = {
    MAIL: f"to {MAIL} today",
    TOKEN: f"use {TOKEN} for it",
    PASSWORD: json.dumps({"user": "jane", "password": PASSWORD}),
    CARD: f"card {CARD} expires",
}


@pytest.fixture(scope="module")
def cleaner() -> Cleaner:
    """The cleaner of the shipped policy."""
    return cleaner_of(load_policy())


@pytest.mark.parametrize("outer", ENCODINGS)
@pytest.mark.parametrize("inner", ENCODINGS)
def test_nothing_that_was_planted_can_be_read(cleaner: Cleaner, outer: str, inner: str) -> None:
    """Each kind of value, in an encoding in an encoding; each container, for one alone."""
    turn = list(ENCODINGS).index(inner) + list(ENCODINGS).index(outer)
    some = islice(cycle(CONTAINERS), turn, turn + len(PLANTED))
    pairs = product(PLANTED.items(), CONTAINERS) if outer == "plain" else zip(PLANTED.items(), some, strict=True)
    for (value, text), container in pairs:
        record = CONTAINERS[container](ENCODINGS[outer](ENCODINGS[inner](text)))
        cleaned = cleaner.clean(record.encode())
        assert cleaned == cleaner.clean_all(record.encode(), "auto")
        after = cleaned.text.decode()
        assert not any(value in reading for reading in readings(after)), (record, after)
        if "quoted-printable" not in (inner, outer):  # whose lone parts may read as something else
            assert cleaner.clean(cleaned.text).text == cleaned.text
        if record.startswith("{"):
            assert json.loads(record).keys() == json.loads(after).keys()


@pytest.mark.parametrize("written", ["jаne.doe@exаmple.com", "jane.doe@exαmple.com", "bоb@сorp.iо", "аdmin@сorp.io"])
def test_a_letter_of_another_script_does_not_hide_a_value_in_hexadecimal(cleaner: Cleaner, written: str) -> None:
    """A Cyrillic or a Greek letter alone among ASCII, and two in a row."""
    data = written.encode()
    for spelled in (data.hex(), data.hex().upper()):
        assert cleaner.clean(json.dumps({"blob": spelled}).encode()).redactions


SHORT = ["a@b.co", "jo@ex.co", "bob@x.org", "jо@ex.co", "jo@ex.cо", "a@b\u200d.co", "10.0.0.1", "pwd=Kaleo7хx"]


@pytest.mark.parametrize("value", SHORT)
@pytest.mark.parametrize("outer", ["plain", "json", "hex references"])
@pytest.mark.parametrize("inner", ["base64", "base64url", "hex", "HEX"])
def test_a_value_of_a_few_bytes_is_not_hidden(cleaner: Cleaner, value: str, inner: str, outer: str) -> None:
    """An e-mail address of six characters, an IP address, also with a letter of another script in it."""
    for container in CONTAINERS.values():
        record = container(ENCODINGS[outer](ENCODINGS[inner](value))).encode()
        cleaned = cleaner.clean(record)
        assert cleaned.redactions, record
        assert cleaned == cleaner.clean_all(record, "auto")


@pytest.mark.parametrize(
    "record",
    [
        json.dumps({"body": json.dumps(json.dumps([*MAIL]))}),
        json.dumps({"a": json.dumps({"b": json.dumps({"c": json.dumps({"d": json.dumps([*MAIL])})})})}),
        json.dumps({"body": "".join(f"\\x{byte:02x}" for byte in ENCODINGS["fullwidth"](MAIL).encode())}),
        json.dumps({"body": TOKEN.replace("_", "&UnderBar;")}),
        json.dumps({"body": base64.b64encode("bob@corp\U000e0041.example".encode()).decode()}),
        json.dumps(
            {"body": quopri.encodestring(json.dumps({"a": "x" * 66 + f" password={PASSWORD}"}).encode()).decode()}
        ),
    ],
)
def test_what_hides_in_depth_is_found(cleaner: Cleaner, record: str) -> None:
    """Strings of JSON within each other, bytes as Python writes them, other names of a character, lone tags, broken lines."""
    cleaned = cleaner.clean(record.encode())
    assert cleaned.redactions
    assert cleaned == cleaner.clean_all(record.encode(), "auto")
    assert json.loads(record).keys() == json.loads(cleaned.text).keys()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_all_but_the_value_is_as_it_was(cleaner: Cleaner, encoding: str) -> None:
    """JSON in an encoding in JSON is decoded as before, and differs in the value alone."""
    inner = json.dumps({"of": "jané", "password": PASSWORD, "n": [1.50, None], "text": "x" * 90})
    record = json.dumps({"id": 12, "body": ENCODINGS[encoding](inner)})
    after = json.loads(cleaner.clean(record.encode()).text)["body"]
    assert any(inner.replace(PASSWORD, "[PASSWORD]") == reading.rstrip(" ") for reading in readings(after))


def quiet() -> list[str]:
    """Values that look like something encoded, and are not."""
    rng = random.Random(4)
    digests = [hashlib.new(name, b"x%d" % n).hexdigest() for n in range(40) for name in ("md5", "sha1", "sha256")]
    raw = [base64.b64encode(rng.randbytes(size)).decode() for size in range(12, 90)]
    image = base64.b64encode(b"\x89PNG\r\n\x1a\n" + rng.randbytes(20_000)).decode()
    calls = [
        "call_" + base64.b64encode(rng.randbytes(18)).decode().translate(str.maketrans("+/", "xy")) for _ in range(80)
    ]
    plain = [
        "the quick brown fox",
        json.dumps({"n": 1, "ok": True}),
        "https://corp.example/a/b?c=d",
        "AuthenticationService",
    ]
    return [
        *digests,
        *(f"sha256:{digest}" for digest in digests if len(digest) == 64),
        *(f"sha512-{base64.b64encode(hashlib.sha512(b'%d' % n).digest()).decode()}" for n in range(20)),
        *(str(uuid.UUID(int=rng.getrandbits(128))) for _ in range(50)),
        *raw,
        f"data:image/png;base64,{image}",
        *calls,
        *(encode(text) for encode in ENCODINGS.values() for text in plain),
        "".join(map(str, rng.choices(range(10), k=60))),
    ]


def test_what_looks_encoded_and_holds_nothing_is_not_changed(cleaner: Cleaner) -> None:
    """Digests, identifiers, images, and texts in which nothing is found."""
    for value in quiet():
        record = json.dumps({"value": value, "text": f"see {value} there"}).encode()
        assert cleaner.clean(record).text == record
        assert cleaner.clean_all(record, "auto").text == record


@given(
    text=st.text(min_size=14, max_size=60).filter(lambda text: text.isprintable() and text.isascii()),
    encoding=st.sampled_from(["base64", "base64url", "mime", "gzip", "hex", "HEX"]),
    new=st.text(max_size=40),
)
@example(text="01234567890123", encoding="base64", new="")
def test_each_layer_is_written_as_it_was_read(text: str, encoding: str, new: str) -> None:
    """Decoding what a layer writes gives what it was to write, and unchanged text is unchanged."""
    written = ENCODINGS[encoding](text).rstrip("\n").encode()
    found = [layer for layer in layers(written, Purse(10_000)) if layer.text.rstrip(b" ") == text.rstrip(" ").encode()]
    [layer] = found
    assert (layer.start, layer.end) == (0, len(written))
    if encoding != "gzip":
        assert layer.encode(layer.text) == written
    again = layer.encode(new.encode())
    if encoding in ("hex", "HEX"):
        assert bytes.fromhex(again.decode()) == new.encode()
    else:
        data = base64.urlsafe_b64decode((again + b"=" * (-len(again) % 4)).translate(bytes.maketrans(b"+/", b"-_")))
        assert (gzip.decompress(data) if encoding == "gzip" else data) == new.encode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("export DB_PASSWORD='hunter''2xyz9' x", "export DB_PASSWORD='[PASSWORD]' x"),
        ("login --password='Tr0ub'\"4dor9\" x", None),
        ("use 'ghp_16C7e42F292c69''12E7710c838347Ae178B4a' x", "use '[GITHUB_TOKEN]' x"),
        ("to=jane.doe''@corp.example", "to=[EMAIL_ADDRESS]"),
        ('export GH=ghp_"16C7e42F292c6912E7710c838347Ae178B4a" x', 'export GH=[GITHUB_TOKEN]" x'),
        ("export GH=ghp_'16C7e42F292c6912E7710c838347Ae178B4a' x", "export GH=[GITHUB_TOKEN]' x"),
        ("pay with '5555 ''5555 5555 4444' x", "pay with '[CREDIT_CARD]' x"),
        ('pay with "5555"" 5555 5555 4444" x', 'pay with "[CREDIT_CARD]" x'),
        ('a row: "level=info password=""Tr0ub4dor9"" x"', 'a row: "level=info password=[PASSWORD]"" x"'),
        ('to=a@b."co" x', 'to=[EMAIL_ADDRESS]" x'),
        ("it''s in the o''clock", "it''s in the o''clock"),
        ('f"it\'s" and rb"o\'clock"', 'f"it\'s" and rb"o\'clock"'),
    ],
)
def test_a_shell_s_quotes_join(cleaner: Cleaner, before: str, after: str | None) -> None:
    """What a shell reads as one word is one, also in JSON."""
    cleaned = cleaner.clean(before.encode()).text.decode()
    assert cleaned == after if after is not None else "4dor9" not in cleaned
    in_json = json.loads(cleaner.clean(json.dumps({"cmd": before}).encode()).text)["cmd"]
    assert in_json == cleaned


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("using \x1b[31mghp_16C7e42F292c6912E7710c838347Ae178B4a\x1b[0m x", "using [GITHUB_TOKEN]\x1b[0m x"),
        ("card 5555\x1b[1;31m 5555 5555\x1b[0m 4444, said", "card [CREDIT_CARD], said"),
        ("from \\x1b[32m203.0.113.75\\x1b[0m x", "from [IP_ADDRESS]\\x1b[0m x"),
        ("ssn \\033[1m536-22-6780\\033[0m x", "ssn [US_SSN]\\033[0m x"),
        ("\x1b[32mPASS\x1b[0m src/app.test.ts", None),
    ],
)
def test_colours_of_a_terminal_neither_hide_nor_cut_a_value(cleaner: Cleaner, before: str, after: str | None) -> None:
    """The letter that ends a colour is none of what follows; what holds no value keeps its colours."""
    assert cleaner.clean(before.encode()).text.decode() == (after or before)
    record = json.dumps({"out": json.dumps({"line": before})}).encode()
    cleaned = cleaner.clean(record)
    assert json.loads(json.loads(cleaned.text)["out"])["line"] == (after or before)
    assert cleaned == cleaner.clean_all(record, "auto")


@pytest.mark.parametrize("escape", ["\\{:03o}", "\\u{{{:x}}}", "\\U{:08x}", "\\x{:02x}"])
def test_escapes_of_programming_languages_are_read(cleaner: Cleaner, escape: str) -> None:
    """A value that is nothing but such escapes is one; so is one at any depth of JSON."""
    token = "".join(escape.format(ord(char)) for char in "ghp_16C7e42F292c6912E7710c838347Ae178B4a")
    assert cleaner.clean(f"echo $'{token}' x".encode()).text == b"echo $'[GITHUB_TOKEN]' x"
    record = json.dumps({"out": json.dumps({"line": f"see {token} x"})}).encode()
    cleaned = cleaner.clean(record)
    assert json.loads(json.loads(cleaned.text)["out"])["line"] == "see [GITHUB_TOKEN] x"
    assert cleaned == cleaner.clean_all(record, "auto")


@pytest.mark.parametrize(
    "text", ["s/(a)(b)/\\2\\1/", "C:\\101\\102 x", "\\U00110000 \\u{110000} \\u{} \\8", "\\033[1m ok"]
)
def test_backslashes_that_spell_nothing_are_left(cleaner: Cleaner, text: str) -> None:
    """References to groups, paths, and numbers beyond Unicode."""
    assert cleaner.clean(text.encode()).text.decode() == text


@pytest.mark.parametrize("zero", [0x0660, 0x06F0, 0x0966, 0x09E6, 0x0AE6, 0x0BE6, 0x0E50, 0x0ED0])
@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_digits_of_other_scripts_are_digits(cleaner: Cleaner, zero: int, *, ensure_ascii: bool) -> None:
    """A card's number in Arabic, Persian, Indian, Thai or Lao digits is one; other numbers are as they were."""
    digits = str.maketrans({str(digit): chr(zero + digit) for digit in range(10)})
    record = json.dumps({"note": f"paid 4111 1111 1111 1111 in {2026}".translate(digits)}, ensure_ascii=ensure_ascii)
    cleaned = cleaner.clean(record.encode())
    assert json.loads(cleaned.text)["note"] == "paid [CREDIT_CARD] in 2026".translate(digits)
    assert cleaned == cleaner.clean_all(record.encode(), "auto")


@pytest.mark.parametrize("level", range(10))
def test_a_text_packed_by_zlib_is_read_and_packed_again(cleaner: Cleaner, level: int) -> None:
    """At each level; a stream that is cut is read as far as it goes."""
    packed = base64.b64encode(zlib.compress(f"to {MAIL}, and so on".encode(), level)).decode()
    cleaned = cleaner.clean(json.dumps({"body": packed}).encode())
    assert zlib.decompress(base64.b64decode(json.loads(cleaned.text)["body"])) == b"to [EMAIL_ADDRESS], and so on"
    assert cleaner.clean(json.dumps({"body": packed[:-8]}).encode()).redactions


@pytest.mark.parametrize("unseen", ["\u3164", "\u115f", "\U000e0100"])
def test_fillers_and_ideographic_variants_hide_nothing(cleaner: Cleaner, unseen: str) -> None:
    """What is not shown within a value is no part of it."""
    record = json.dumps({"body": f"{TOKEN[:9]}{unseen}{TOKEN[9:]}"}).encode()
    assert json.loads(cleaner.clean(record).text)["body"] == "[GITHUB_TOKEN]"


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize("layers_around", [0, 1, 2])
def test_characters_in_an_array_spell_a_value(
    cleaner: Cleaner, separators: tuple[str, str], layers_around: int
) -> None:
    """The first gets what stands for the value, the others become empty; the array keeps its length."""
    for value, text in {**PLANTED, PASSWORD: f"password={PASSWORD} and more"}.items():
        record: object = {"n": 1, "chars": [*text], "choices": [*"ABCDEF"], "few": ["a", "b"]}
        for _ in range(layers_around):
            record = {"inner": json.dumps(record, separators=separators)}
        data = json.dumps(record, separators=separators).encode()
        cleaned = cleaner.clean(data)
        assert cleaned == cleaner.clean_all(data, "auto")
        after = json.loads(cleaned.text)
        for _ in range(layers_around):
            after = json.loads(after["inner"])
        assert value not in "".join(after["chars"])
        assert len(after["chars"]) == len(text)
        assert (after["choices"], after["few"], after["n"]) == ([*"ABCDEF"], ["a", "b"], 1)


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize("depth", range(4))
@pytest.mark.parametrize("kind", ["RSA PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK"])
def test_a_private_key_in_lines_of_an_array_is_found(
    cleaner: Cleaner, separators: tuple[str, str], depth: int, kind: str
) -> None:
    """Its first line gets what stands for all of it; what stands before and behind it stays, and so does a certificate."""
    body = [base64.b64encode(bytes(range(at, at + 48))).decode() for at in range(0, 192, 48)]
    lines = ["$ cat key", f"-----BEGIN {kind}-----", *body, f"-----END {kind}-----", "$ exit"]
    certificate = ["-----BEGIN CERTIFICATE-----", *body, "-----END CERTIFICATE-----"]
    document: object = {"out": lines, "ca": certificate}
    for _ in range(depth):
        document = {"inner": json.dumps(document, separators=separators)}
    record = json.dumps(document, separators=separators).encode()
    cleaned = cleaner.clean(record)
    document = json.loads(cleaned.text)
    for _ in range(depth):
        document = json.loads(document["inner"])
    assert document == {"out": ["$ cat key", "[PRIVATE_KEY]", *[""] * 5, "$ exit"], "ca": certificate}
    assert cleaned == cleaner.clean_all(record, "auto")


def test_a_text_at_the_end_of_a_path_is_read(cleaner: Cleaner) -> None:
    """Where a run begins does not matter."""
    for lead in ("", "/", "a/", "ab/", "abc/", "/api/v2/users/", "x-"):
        record = f"GET {lead}{base64.b64encode(MAIL.encode()).decode()} 200"
        after = cleaner.clean(record.encode()).text.decode()
        assert not any(MAIL in reading for reading in readings(after)), after
        assert after.startswith(f"GET {lead}")


def test_kinds_of_escapes_within_each_other_are_read_once(cleaner: Cleaner) -> None:
    """In whatever order they are undone: not as many texts as there are orders."""
    text = b"%26%2364%3B=40\\u0041&#65;jane%40corp.example "
    views = read_record(text, "text", Limits())
    assert len({view.text for view in views}) > len(views) * 0.8
    assert b"jane" not in cleaner.clean(text).text
    assert cleaner.clean(text * 3) == cleaner.clean_all(text * 3, "auto")


@pytest.mark.parametrize("encoding", ["base64", "hex", "HEX"])
def test_what_is_encoded_again_and_again_is_found_each_time(cleaner: Cleaner, encoding: str) -> None:
    """A value among many that hold nothing, all equal; and one that is known from elsewhere in the record."""
    encode = ENCODINGS[encoding]
    nothing = encode("the quick brown fox")
    for hidden in (f"to {MAIL}", f"and {PASSWORD} there"):
        runs = [nothing] * 20 + [encode(hidden)] + [nothing] * 20 + [encode(hidden)] * 2
        record = json.dumps({"password": PASSWORD, "runs": " ".join(runs)}).encode()
        cleaned = cleaner.clean(record)
        after = json.loads(cleaned.text)["runs"].split(" ")
        assert [one != was for one, was in zip(after, runs, strict=True)] == [run != nothing for run in runs]
        assert cleaned == cleaner.clean_all(record, "auto")


_RUNS = st.one_of(
    st.binary(min_size=6, max_size=60).map(base64.b64encode),
    st.text(max_size=40).map(lambda text: base64.urlsafe_b64encode(text.encode()).rstrip(b"=")),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=90).map(
        lambda text: base64.encodebytes(text.encode()).replace(b"\n", b"\r\n").rstrip()
    ),
    st.binary(max_size=40).map(gzip.compress).map(base64.b64encode),
    st.text(st.sampled_from("ABCDabcdwxyzQ0189+/-_="), max_size=12).map(str.encode),
)


@given(st.lists(_RUNS, max_size=8))
@example([base64.b64encode(b"jane@corp.example"), b"word", base64.b64encode(b"to jane@corp.example")])
def test_what_a_run_spells_does_not_depend_on_what_stands_beside_it(runs: list[bytes]) -> None:
    """Only runs in which something is announced are decoded: the same as if each stood alone."""
    apart, at = [], 0
    for run in runs:
        apart += [(kind, at + start, at + end, text) for kind, start, end, text, _ in layers(run, Purse(1 << 20))]
        at += len(run) + 1
    together = [one[:4] for one in layers(b" ".join(runs), Purse(1 << 20))]
    assert sorted(together) == sorted(apart)


def test_unpacking_is_bounded(cleaner: Cleaner) -> None:
    """A bomb is over budget, not passed unread; what is within the bound is read."""
    bomb = base64.b64encode(gzip.compress(b"0" * 200_000_000, 9)).decode()
    with pytest.raises(BudgetExceeded, match="decoded"):
        cleaner.clean(json.dumps({"a": bomb}).encode())
    damaged = base64.b64encode(gzip.compress(f"{MAIL} {random.Random(1).randbytes(900).hex()}".encode())[:-40]).decode()
    after = cleaner.clean(json.dumps({"a": damaged}).encode()).text.decode()
    assert not any(MAIL in reading for reading in readings(after))


_ONE = st.sampled_from([
    b"a", b"\xc3\xa9", b"\\n", b'\\"', b'\\\\"', b"\\/", b"=41", b"%41", b"=", b"\\u0041", b"\\\\u00e9\\u0041", b"\\" * 9, b"ab", b"",
])  # fmt: skip


def _in_array(some: list[bytes], slashes: int, comma: bytes) -> bytes:
    """Texts in an array, as JSON in so many strings has it."""
    quote = b"\\" * slashes + b'"'
    return quote + (quote + comma + quote).join(some) + quote


_NEAR = st.lists(
    st.binary(max_size=12)
    | st.text("AIKQSYcgkow0148xz27/+-_.", max_size=60).map(str.encode)
    | st.text("'\"\\=ab1. A", max_size=80).map(str.encode)
    | st.text("LMNOCDSTjyz2u0AEIQUwx5", max_size=40).map(str.encode)
    | st.text("0123456789.-", max_size=14).map(lambda text: base64.b64encode(text.encode()))
    | st.text("a1@\u0661\u06f2\u0967\u0e53\ufe0f\u180e\u034f\u061c\U000e0101\u115f\u3164", max_size=8).map(str.encode)
    | st.builds(_in_array, st.lists(_ONE, min_size=3, max_size=7), st.integers(0, 9), st.sampled_from([b",", b", "]))
    | st.binary(max_size=20).map(base64.b64encode)
    | st.text(max_size=20).map(lambda text: base64.b64encode(text.encode()))
    | st.text(max_size=20).map(lambda text: text.encode().hex().encode()),
    max_size=6,
).map(b"".join)


@given(data=_NEAR, size=st.integers(0, 130))
def test_the_helper_announces_what_the_pattern_does(data: bytes, size: int) -> None:
    """At every place, of any length."""
    if announces is None:
        without_helper()
    for before in (b".", b"/"):
        assert announces(before * size + data) is announces_pure(before * size + data)


@pytest.mark.parametrize("announced", [
    b"MTIzNDU2", b"MTIzNDU", b"MTIzLTQ1", b"6a616e6520646f6520", b"6a616e6520646f652", b"0' '1", b"=''a", b"c29tZSB0ZXh0IGhlcmU", b"c29tZSB0ZXh0_", b"c29tZSB0ZXh0", b"c29tZSB0ZXh0I", b"6a616e6520646f652061", b"6a616e6520646f65206132",
    b"6a616e6520646f6520617", b"a''b", b"a\"'b", b"a'\\\"b", b"a\\\"\\\"b", b"a\\\"'b", b"key=ab'cde", b"key=ab\\\"cde", b"=40=4a",
    b'","b","c","d","e', b'\\", \\"b\\", \\"c\\", \\"d\\", \\"e', "a\ufe0f".encode(), "\u0661\u0662".encode(), "\u0967\u0968".encode(),
    "а".encode(), "\u200b".encode(), b"0\xc2\xa00", b"a" * 30, b"/usr/local-lib/python_three",
])  # fmt: skip
@pytest.mark.parametrize("before", [b".", b"a", b"Q", b"=", b'"', b"\\", b"2", b"\xe2"])
def test_what_announces_is_seen_over_the_ends_of_blocks(announced: bytes, before: bytes) -> None:
    """Wherever in the helper's blocks it begins, and whatever stands around it, as the pattern does."""
    if announces is None:
        without_helper()
    for size in (*range(20), *range(40, 70), *range(105, 132)):
        for after in (b"", b"a" * 70, b". x" * 30):
            data = before * (size % 64) + b"." * (size - size % 64) + announced + after
            assert announces(data) is announces_pure(data), data


_BEYOND = st.lists(
    st.text("абвαβéｐａｓｓｗⓐ𝐚\u200b\u2061\ufeff\u00ad\ufe0fabc =:1", min_size=1, max_size=14).flatmap(
        lambda text: st.sampled_from([
            base64.b64encode(text.encode()), base64.urlsafe_b64encode(text.encode("utf-16")), text.encode().hex().encode(),
            text.encode("utf-16-be").hex().upper().encode(), base64.b64encode(text.encode() + b"a@b.co"), (b"1-2.3@x.io").hex().encode(),
        ])
    )
    | st.sampled_from([b" ", b"\n", b"\r\n", b"\\n", b"a", b"x/y", b"A" * 64 + b"\\r\\n", b"A" * 61 + b"\n", b"deadbeef" * 3, b"0" * 30])
    | st.text("AIKQSYcgkow0148xz27/+-_.", max_size=40).map(str.encode),
    max_size=6,
).map(b"".join)  # fmt: skip
_ROWS = re.compile(ROWS)


@given(data=_BEYOND, before=st.integers(0, 70))
def test_the_helper_announces_rows_of_characters_as_the_pattern_does(data: bytes, before: int) -> None:
    """Texts beyond ASCII and short addresses in base64 and hexadecimal, at every place, also at the very end."""
    if announces_rows is None:
        without_helper()
    text = b" " * before + data
    assert announces_rows(text) is (_ROWS.search(text) is not None)
    assert announces_rows(text[:-3]) is (_ROWS.search(text[:-3]) is not None)


@given(data=_NEAR, size=st.integers(0, 200))
def test_any_bytes_can_be_read(data: bytes, size: int) -> None:
    """No crash, and each layer is a stretch of the text; an unchanged one says the same when written anew."""
    for layer in layers(b"x" * size + data, Purse(1_000_000)):
        assert 0 <= layer.start < layer.end <= size + len(data)
        again = layer.encode(layer.text)
        assert re.sub(rb"=", b"", again) or not layer.text
