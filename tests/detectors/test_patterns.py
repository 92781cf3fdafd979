"""The pattern detector: exact spans, checks, context, and bounded work."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import rule

from detectors.compiled import Budget, CompiledRule, entropy, has_entropy
from detectors.errors import BudgetExceeded
from detectors.finding import Finding, Text
from detectors.patterns import PatternDetector

EMAIL = rule("email", r"(?i)\b[\w.+-]{1,64}@(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24}\b")
SSN = rule("ssn", r"\b\d{9}\b", context=["ssn", "social security"], context_window=20)
PASSWORD = rule("password", r"^.{3,64}$", key=r"[\w.-]*passw(?:or)?d", allow=[r"x+", r"\$\{.*\}"])
TOKEN = rule("token", r"tok_([A-Za-z0-9]{20,})", min_entropy=3.0)


def spans(detector: PatternDetector, value: bytes, key: bytes = b"") -> list[bytes]:
    """The texts found in ``value``."""
    return [value[f.start : f.end] for f in detector.scan([Text(value, key)])[0]]


def test_the_secret_is_group_one() -> None:
    """What stands around a secret is not redacted with it."""
    detector = PatternDetector([TOKEN])
    assert spans(detector, b"use tok_Zx81mQp0Lr27Ty5VbN3w now") == [b"Zx81mQp0Lr27Ty5VbN3w"]


def test_a_value_without_entropy_is_no_secret() -> None:
    """A placeholder of the right shape is left alone."""
    assert spans(PatternDetector([TOKEN]), b"tok_aaaaaaaaaaaaaaaaaaaaaaaa") == []
    assert entropy(b"aaaa") == 0
    assert entropy(b"abcd") == 2


@pytest.mark.parametrize(
    ("value", "key", "found"),
    [
        (b"ssn 123456789", b"", True),
        (b"Social-Security no. 123456789", b"", True),
        (b"123456789", b"userSsn", True),
        (b"123456789", b"user_ssn", True),
        (b"123456789", b"session", False),
        (b"lessness 123456789", b"", False),
        (b"[SSN] 123456789", b"", False),
        (b"[US_SSN:k1:0123456789abcdef0123456789abcdef] 123456789", b"", False),
        (b"123456789", b"order", False),
        (b"ssn: see the next page of this form, then 123456789", b"", False),
    ],
)
def test_a_weak_pattern_needs_a_word_near_it(value: bytes, key: bytes, found: bool) -> None:
    """Nine digits are a social security number only where something says so."""
    assert spans(PatternDetector([SSN]), value, key) == ([b"123456789"] if found else [])


@pytest.mark.parametrize(
    ("value", "key", "found"),
    [
        (b"hunter2", b"db_password", True),
        (b"hunter2", b"DB_PASSWD", True),
        (b"hunter2", b"password_hint", False),
        (b"xxxx", b"password", False),
        (b"${DB_PASSWORD}", b"password", False),
        (b"hunter2 ${x}", b"password", True),
    ],
)
def test_a_rule_on_keys_reads_only_their_values(value: bytes, key: bytes, found: bool) -> None:
    """The key must match as a whole, and an allow-list exempts only what it matches as a whole."""
    assert spans(PatternDetector([PASSWORD]), value, key) == ([value] if found else [])


def test_each_text_has_its_own_findings() -> None:
    """Texts of one call do not run into each other."""
    detector = PatternDetector([EMAIL, PASSWORD])
    found = detector.scan([Text(b"a@b.co"), Text(b"plain"), Text(b"hunter2", b"password"), Text(b"c@d.org x")])
    assert [[(f.rule_id, f.start, f.end) for f in fs] for fs in found] == [
        [("email", 0, 6)], [], [("password", 0, 7)], [("email", 0, 7)],
    ]  # fmt: skip


def test_a_span_never_cuts_a_character() -> None:
    """A pattern over bytes may end within a character; the finding does not."""
    detector = PatternDetector([rule("cut", rb"pin=([^ ]{3})".decode())])
    text = "pin=aé€ ok".encode()
    [finding] = detector.scan([Text(text)])[0]
    assert text[finding.start : finding.end].decode() == "aé" or text[finding.start : finding.end].decode() == "aé€"


def test_too_many_candidates_are_over_budget() -> None:
    """A text made to look suspicious everywhere costs a bounded amount of work."""
    detector = PatternDetector([EMAIL], max_candidates=100)
    with pytest.raises(BudgetExceeded, match="candidates"):
        detector.scan([Text(b"a@b.co " * 101)])


def test_a_finding_does_not_hold_the_text() -> None:
    """Neither its fields nor its repr."""
    [finding] = PatternDetector([EMAIL]).scan([Text(b"jane@corp.example")])[0]
    assert isinstance(finding, Finding)
    assert "jane" not in repr(finding)


@pytest.mark.parametrize(
    "text",
    [
        "Rodné číslo 123456789",
        "RODNÉ ČÍSLO: 123456789",
        "rodne_cislo=123456789",
        "rodne\u0301 c\u030ci\u0301slo 123456789",
        "您的身份证号 123456789",
        "ΑΦΜ 123456789",
        "αφμ: 123456789",
    ],
)
def test_context_words_are_of_any_script(text: str) -> None:
    """A word is found in either case, its marks composed, apart or left out; the gate sees it in raw JSON at any depth."""
    detector = PatternDetector([rule("id", r"\b\d{9}\b", context=["rodné číslo", "身份证", "αφμ"])])
    assert spans(detector, text.encode()) == [b"123456789"]
    inner = json.dumps({"b": text}, ensure_ascii=False)
    assert detector.gate.hits(json.dumps({"a": inner}, ensure_ascii=False).encode())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("тел. 123456789", True),
        ("Тел: 123456789", True),
        ("моб.тел 123456789", True),
        ("«тел» 123456789", True),
        ("телефона 123456789", True),
        ("Пользователь 123456789", False),
        ("тело 123456789", False),
        ("видеотелефон 123456789", False),
    ],
)
def test_a_greek_or_cyrillic_word_begins_one_and_a_short_one_is_all_of_it(text: str, found: bool) -> None:
    """Letters beyond ASCII are letters too: the short word for a telephone is no part of the word for a user."""
    detector = PatternDetector([rule("id", r"\b\d{9}\b", context=["тел", "телефон"])])
    assert spans(detector, text.encode()) == [b"123456789"] * found


@given(st.lists(st.sampled_from(["123456789", "987654321", "12", "ssn", "SSN:", "lessness", "x" * 18]), max_size=60))
@example(["123456789"] * 20 + ["ssn"] + ["123456789"] * 3)
@example(["ssn", "123456789"] * 20)
def test_many_matches_are_judged_as_each_by_itself(words: list[str]) -> None:
    """However often a text says the same, each match is a finding if its own surroundings say so."""
    compiled, value = CompiledRule(SSN), " ".join(words).encode()
    alone = [span for span in compiled.spans(value) if compiled.refusal(value, b"", *span) is None]
    assert [(one.start, one.end) for one in compiled.findings(Text(value), Budget())] == alone


def test_numbers_in_a_text_without_a_context_word_are_left_early() -> None:
    """Ten thousand numbers, and no word that makes one of them suspicious: a few are looked at, not all."""
    assert CompiledRule(SSN).findings(Text(b"123456789 " * 10_000), Budget(10)) == []


def test_equal_matches_are_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that repeats one candidate a thousand times asks the validator a few times."""
    asked: list[bytes] = []
    monkeypatch.setattr("detectors.compiled.VALIDATORS", {"luhn": lambda value: bool(asked.append(value))})
    compiled = CompiledRule(rule("number", r"\b\d{9}\b", validator="luhn"))
    assert compiled.findings(Text(b"123456789 " * 1_000), Budget()) == []
    assert 0 < len(asked) < 20


def test_a_long_key_is_asked_as_a_short_one_is() -> None:
    """What hits on a key of thousands of bytes, and on what stands under it, is what hits on both together."""
    detector = PatternDetector([PASSWORD, SSN, TOKEN])
    key = b"user_ssn_" + b"k" * 5_000 + b"_password"
    value = b"tok_Zx81mQp0Lr27Ty5VbN3w"
    hits = detector.hits(Text(value, key))
    assert sorted(hits) == sorted(detector.gate.hits(key + b'":' + value))
    assert sorted(detector.hits(Text(b"x", key))) == sorted(detector.gate.hits(key + b'":x'))


@given(st.binary(max_size=600))
def test_entropy_of_long_texts_is_that_of_the_formula(data: bytes) -> None:
    """Short or long, entropy is the mean of the surprise of each byte."""
    shares = [data.count(byte) / len(data) for byte in set(data)]
    assert entropy(data) == pytest.approx(-sum(share * math.log2(share) for share in shares), abs=1e-9)


def test_a_rule_that_is_met_everywhere_is_read_everywhere() -> None:
    """Where there are more places than scalars, no more are looked for; nothing that is found lies outside of them."""
    detector = PatternDetector([SSN, TOKEN])
    raw = b'{"x": "' + b"ssn 123456789 " * 5_000 + b'"}'
    places = detector.places(raw, [0, 1])
    assert len(places) < 100
    found = detector.read(Text(raw), [0])
    assert len(found) == 5_000
    spans = [(start, end) for start, end, rule in places if rule == 0]
    assert all(any(start < one.end and one.start < end for start, end in spans) for one in found)


@pytest.mark.parametrize(
    "raw", [b"tok_", b"tok_Zx81mQp0Lr27Ty5VbN3w", b"jane@corp.example", b"ssn 12345678", b"ssn 123456789"]
)
def test_whether_there_is_a_place_is_told_as_where(raw: bytes) -> None:
    """By anchors, and by the pattern of a rule that has none."""
    detector = PatternDetector([EMAIL, SSN, TOKEN])
    for rules in ((0,), (1,), (2,), (0, 1, 2)):
        assert detector.may_find(raw, rules) == bool(detector.places(raw, rules))


def test_the_gate_is_asked_about_many_texts_as_about_each() -> None:
    """Under a short key, a long one, and none."""
    detector = PatternDetector([SSN, PASSWORD])
    values = [b"ssn 123456789", b"nothing", b"", b"x" * 70]
    for key in (b"", b"password", b"k" * 2_000 + b"password"):
        each = [set(detector.hits(Text(value, key))) for value in values]
        assert [set(hits) for hits in detector.hits_of_each([Text(value, key) for value in values])] == each


@given(st.binary(max_size=300) | st.text("ab12", max_size=40).map(str.encode), st.floats(0, 8))
def test_enough_entropy_is_told_as_the_formula_says(data: bytes, least: float) -> None:
    """A text has enough of it exactly where the formula gives as much, however few or many of its bytes differ."""
    assert has_entropy(data, least) is (entropy(data) >= least)
    assert has_entropy(data, entropy(data))
