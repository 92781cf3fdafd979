"""Record memory: what a record gives away once is redacted wherever else it stands in it."""

from __future__ import annotations

import base64
import json
from functools import cache
from itertools import cycle, islice
from pathlib import Path

import pytest
from encodings_of_testers import CONTAINERS, ENCODINGS, readings
from hypothesis import given
from hypothesis import strategies as st

from detectors.finding import Finding
from engine.cleaning import Cleaner
from engine.memory import certain_rules, remembered
from engine.policy import load_policy
from engine.sanitizer import cleaner_of

KEY, PASSWORD, SHORT = "zQ81mdkPq0-vvGh2LsW9_aKp", "Tr0ub4dor/3x9", "hunter2!"


@cache
def _shared() -> Cleaner:
    return cleaner_of(load_policy())


@pytest.fixture
def cleaner() -> Cleaner:
    """The cleaner of the shipped policy."""
    return _shared()


def clean(cleaner: Cleaner, record: object) -> str:
    """The record cleaned, the quick way and the slow one."""
    data = record.encode() if isinstance(record, str) else json.dumps(record).encode()
    cleaned = cleaner.clean(data)
    assert cleaned == cleaner.clean_all(data, "auto")
    assert cleaner.clean(cleaned.text).text == cleaned.text
    return cleaned.text.decode()


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    ("told", "value"),
    [
        ({"headers": {"Authorization": f"Bearer {KEY}"}}, KEY),
        ({"password": PASSWORD}, PASSWORD),
        ({"password": SHORT}, SHORT),
        ({"Authorization": "Basic " + base64.b64encode(f"bob:{PASSWORD}".encode()).decode()}, PASSWORD),
    ],
)
def test_a_value_told_once_is_gone_everywhere(
    cleaner: Cleaner, told: dict[str, object], value: str, encoding: str
) -> None:
    """Bare, within a text, encoded: whatever holds it, where nothing says what it is."""
    turn = list(ENCODINGS).index(encoding)
    texts = (value, f"then {value}, and on")
    for text, container in zip(texts, islice(cycle(CONTAINERS.values()), turn, turn + 2), strict=True):
        after = clean(cleaner, {**told, "other": container(ENCODINGS[encoding](text))})
        assert not any(value in reading for reading in readings(after)), after
        json.loads(after)


def test_it_is_redacted_as_it_was_where_it_was_told(cleaner: Cleaner) -> None:
    """In keys too, and once more in each place; the rule is the one that found it."""
    before = json.dumps({"password": PASSWORD, "argv": ["-p", PASSWORD], PASSWORD: 1})
    assert json.loads(clean(cleaner, before)) == {
        "password": "[PASSWORD]",
        "argv": ["-p", "[PASSWORD]"],
        "[PASSWORD]": 1,
    }
    redactions = cleaner.clean(before.encode()).redactions
    assert {one.path: one.rule_id for one in redactions} == {
        "password": "password-field",
        "argv.1": "password-field",
        "[PASSWORD] (key)": "password-field",
    }


@pytest.mark.parametrize(
    "text",
    [
        "x:_password=AP6xxxxxxxxxx9 now",
        "Id=ABCD-E6-s0:tl6ABcdefGHi7kLMno/p;n=1",
        'a="say \\"password=Tr0ub4dor3\\" n" b=2',
    ],
)
def test_the_value_of_a_pair_is_told_once(cleaner: Cleaner, text: str) -> None:
    """Though it is read twice, in its text and by its key."""
    clean(cleaner, text)


@pytest.mark.parametrize(
    "record",
    [
        {"password": "password", "text": "the password is in the vault"},
        {"password": "rosebuds", "text": "a garden of rosebuds"},
        {"password": "20261122", "text": "on 20261122"},
        {"token": "00000000", "text": "0000000000000000"},
        {"email": "jane@corp.example", "text": "sent to someone"},
    ],
)
def test_words_dates_and_short_numbers_are_not_remembered(cleaner: Cleaner, record: dict[str, str]) -> None:
    """They stand for much else."""
    assert json.loads(clean(cleaner, record))["text"] == record["text"]


def test_a_short_value_within_a_longer_word_is_left(cleaner: Cleaner) -> None:
    """It is not that value."""
    assert json.loads(clean(cleaner, {"password": "a1b2c3d4", "digest": "ffa1b2c3d4ee"}))["digest"] == "ffa1b2c3d4ee"


def test_the_policy_says_where_and_whether(tmp_path: Path) -> None:
    """A place that is never redacted stays; what the policy keeps is not remembered."""
    record = json.dumps({"password": PASSWORD, "seen": PASSWORD, "public": PASSWORD}).encode()
    path = tmp_path / "policy.yaml"
    path.write_text("paths: {never: [{path: public}]}")
    cleaned = cleaner_of(load_policy(path)).clean(record)
    assert json.loads(cleaned.text) == {"password": "[PASSWORD]", "seen": "[PASSWORD]", "public": PASSWORD}
    path.write_text("redaction: {entities: {PASSWORD: keep}}")
    assert cleaner_of(load_policy(path)).clean(record).text == record


def test_weak_rules_and_what_people_are_found_by_are_not_remembered() -> None:
    """Only credentials and numbers that a rule is sure of."""
    detector = load_policy().detector
    certain = certain_rules(detector)
    assert {"password-field", "authorization-field", "us-ssn"} <= certain
    assert not {"email-address", "ip-address"} & certain
    assert all(one.rule.score >= 0.85 for one in detector.rules if one.rule.id in certain)


@given(
    value=st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=8, max_size=20),
    around=st.tuples(st.text(max_size=4), st.text(max_size=4)),
    ascii_only=st.booleans(),
)
def test_the_quick_way_remembers_what_the_slow_one_does(value: str, around: tuple[str, str], ascii_only: bool) -> None:
    """Whatever the password is made of, however it is escaped."""
    record = {"password": value, "n": [value.join(around)], "deep": json.dumps({"a": value})}
    data = json.dumps(record, ensure_ascii=ascii_only).encode()
    assert _shared().clean(data) == _shared().clean_all(data, "auto")


def test_the_parts_of_a_jwt_are_no_password() -> None:
    """A JWT is looked for as it is; what stands in its header behind a colon is no password of basic authentication."""
    token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJqYW5lIn0.2mWBdKQf0vI3uJ2cV9hB1nq7n1eYpSxkqTnQ0rUq3dY"
    finding = Finding("jwt", "JWT", 0, len(token), 1.0)
    assert [*remembered([(token.encode(), [finding])], {"jwt"})] == [token.encode()]
    basic = base64.b64encode(b"jane:correct-horse-9")
    finding = Finding("basic", "BASIC_AUTH", 0, len(basic), 1.0)
    assert [*remembered([(basic, [finding])], {"basic"})] == [basic, b"correct-horse-9"]
