"""Names in the free text of records: where the policy wants them looked for, and nowhere else."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.errors import ConfigError
from engine.names import NameReader, Names
from engine.outcomes import Outcome, Quarantined, Sanitized
from engine.policy import load_policy
from engine.reading import read_record
from engine.records import ActivityRecord, Position
from engine.sanitizer import Sanitizer

SAID = "Hello, my name is Jane Doe and I want to cancel my order."
CLEAN = "Hello, my name is [PERSON] and I want to cancel my order."


def sanitizer(tmp_path: Path, ner: str = "{model: sluicegate}") -> Sanitizer:
    """By a policy with this section on names."""
    (tmp_path / "policy.yaml").write_text(f"ner: {ner}\n")
    return Sanitizer(load_policy(tmp_path / "policy.yaml"), secret=bytes(32))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Sanitizer:
    """By the shipped settings."""
    return sanitizer(tmp_path_factory.mktemp("policy"))


def outcomes(one: Sanitizer, *values: bytes | str) -> list[Outcome]:
    """What becomes of records with these values."""
    records = [
        ActivityRecord(Position("t", 0, n), None, value.encode() if isinstance(value, str) else value, (), 0)
        for n, value in enumerate(values)
    ]
    return one.sanitize(records, 0)


SPOKEN = (
    "My name is Jane Doe",
    "I am José Núñez, born in Łódź",
    "ask Ms. O'Hara or Mr. Ito",
    "私は田中さくらです",
    "no one",
)
BESIDE = ("jdoe", "DOE, JANE", "Núñez JOSÉ", "josé.núñez", "jane_doe_42", "j@doe.example.com", "Jane", "x", 7, "2021")


@st.composite
def named_records(draw: st.DrawFn) -> tuple[bytes, str]:
    """A record of free text with names in it, and of other fields where they may be known again; and its form."""
    free = st.fixed_dictionaries({"content": st.sampled_from(SPOKEN)})
    others = st.dictionaries(st.sampled_from(["user", "Jane", "full_name", "k"]), st.sampled_from(BESIDE), max_size=3)
    record = draw(free) | draw(others)
    if draw(st.booleans()):
        record = {"list": [record, draw(st.sampled_from(BESIDE))], "args": json.dumps(draw(others) | draw(free))}
    text = json.dumps(record, ensure_ascii=draw(st.booleans()))
    before = draw(st.sampled_from(["", "Observation: ", "user=jdoe seen=%4aane&by=Doe "]))
    return (before + text).encode(), draw(st.sampled_from(["auto", "json", "text", "logfmt"]))


def clean(one: Sanitizer, *values: bytes | str) -> list[str]:
    """The values as they leave."""
    out = []
    for outcome in outcomes(one, *values):
        assert isinstance(outcome, Sanitized)
        out.append((outcome.record.value or b"").decode())
    return out


def test_names_are_redacted_in_free_text_and_the_rest_stays(shared: Sanitizer) -> None:
    """Byte for byte, in JSON within JSON and with a key that is there twice, too."""
    inner = json.dumps({"summary": SAID, "id": 7})
    assert clean(
        shared,
        json.dumps({"role": "user", "content": SAID, "n": 1.0}),
        json.dumps({"function": {"arguments": inner}}),
        '{"content": "%s", "content": "fine"}' % SAID,
        '{"\\\\": 1, "content": "%s", "content": "fine"}' % SAID,
        json.dumps({"content": "see [1] " + inner}),
        "tool said " + json.dumps({"content": SAID}),
    ) == [
        json.dumps({"role": "user", "content": CLEAN, "n": 1.0}),
        json.dumps({"function": {"arguments": json.dumps({"summary": CLEAN, "id": 7})}}),
        '{"content": "%s", "content": "fine"}' % CLEAN,
        '{"\\\\": 1, "content": "%s", "content": "fine"}' % CLEAN,
        json.dumps({"content": "see [1] " + inner.replace("Jane Doe", "[PERSON]")}),
        "tool said " + json.dumps({"content": CLEAN}),
    ]


def test_elsewhere_no_model_looks(shared: Sanitizer) -> None:
    """Lines of text, and fields that are not free text, leave as they came."""
    untouched = [SAID, json.dumps({"hostname": SAID}), json.dumps({"content": 4711, "host": SAID})]
    assert clean(shared, *untouched) == untouched


def test_everywhere_is_plain_text_too(tmp_path: Path) -> None:
    """Where the policy asks for it."""
    assert clean(sanitizer(tmp_path, "{model: sluicegate, fields: ['**']}"), SAID, '{"x": "%s"}' % SAID) == [
        CLEAN,
        '{"x": "%s"}' % CLEAN,
    ]


def test_patterns_know_better_what_they_know(shared: Sanitizer) -> None:
    """An e-mail address with a name in it is an e-mail address; the redaction tells by what each was found."""
    [outcome] = outcomes(shared, json.dumps({"content": "My name is Jane Doe, write to jane.doe@corp.example.com"}))
    assert isinstance(outcome, Sanitized)
    assert outcome.record.value == b'{"content": "My name is [PERSON], write to [EMAIL_ADDRESS]"}'
    assert [one.rule_id.split("-")[0] for one in outcome.redactions] == ["ner:sluicegate", "email"]


def test_too_much_free_text_is_quarantined_and_the_rest_of_the_batch_is_read(tmp_path: Path) -> None:
    """By a count, not a clock."""
    one = sanitizer(tmp_path, "{model: sluicegate, characters: 100}")
    first, second = outcomes(one, json.dumps({"content": f"{SAID} " * 9}), json.dumps({"content": SAID}))
    assert isinstance(first, Quarantined)
    assert first.reason == "budget.names"
    assert isinstance(second, Sanitized)


def test_the_policys_thresholds_and_methods_count(tmp_path: Path) -> None:
    """As for any other entity."""
    (tmp_path / "policy.yaml").write_text(
        "ner: {model: sluicegate, thresholds: {PERSON: 0.4}}\nredaction: {entities: {PERSON: mask}}\n"
    )
    one = Sanitizer(load_policy(tmp_path / "policy.yaml"), secret=bytes(32))
    assert clean(one, json.dumps({"content": SAID})) == [json.dumps({"content": SAID.replace("Jane Doe", "********")})]


def test_the_digest_tells_whether_and_by_what_names_were_looked_for() -> None:
    """So that a decision can be explained later."""
    assert load_policy(ner=True).digest != load_policy().digest
    assert '"ner": "sluicegate-1.' in load_policy(ner=True).text


def test_a_model_that_is_missing_stops_the_start(tmp_path: Path) -> None:
    """With the line that asks for it, and what to install."""
    with pytest.raises(ConfigError, match=r"policy\.yaml:1: ner\.model: .*spacy download xx_none"):
        sanitizer(tmp_path, "{model: xx_none}")


def test_a_name_that_is_found_in_free_text_is_known_in_the_whole_record(shared: Sanitizer) -> None:
    """In fields where no model looks, too."""
    record = {"content": SAID, "login": "jdoe", "signed": "DOE, JANE", "owner": "jane_doe_42", "host": "jane-01"}
    assert json.loads(clean(shared, json.dumps(record))[0]) == {
        "content": CLEAN, "login": "[USERNAME]", "signed": "[PERSON]", "owner": "[USERNAME]", "host": "jane-01",
    }  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(record=named_records())
def test_reading_where_names_stand_is_reading_all(shared: Sanitizer, record: tuple[bytes, str]) -> None:
    """The quick way and the slow, obvious one give the same bytes and the same redactions."""
    policy, cleaner, (value, form) = shared.policy, shared.cleaner, record
    assert policy.names is not None
    reader = NameReader(policy.names, policy.file.ner.fields, cleaner.limits)
    found = reader.read([ActivityRecord(Position("t", 0, 0), None, value, (), 0)], lambda _: form, 10_000).get(0)
    if isinstance(found, Names):
        names, hits = Names(found.items(), None), policy.detector.gate.hits(value)
        quick = cleaner.clean_hit(value, form, hits, names)
        assert quick == cleaner.clean_all(value, form, names=names, hits=hits)
        assert quick.redactions


SAYINGS = (
    *("Observation: ", "Jane Doe answered: ", "", " ", "[1] ", "%4aane says ", "\\u004aane says ", "a = b; ", "{not} "),
    *("My name is Jane Doe. ", "x" * 300 + " ", "\n"),
)
ENDINGS = ("", "\n ", " and Jane Doe", "}", " []")


@st.composite
def said(draw: st.DrawFn) -> bytes:
    """A record whose free text holds JSON, with something before and behind it."""
    spoken = st.sampled_from((*SPOKEN, "", "{}", '{"content": "I am Jane Doe"}', "[]"))
    inner: st.SearchStrategy[object] = st.recursive(
        spoken | st.integers(),
        lambda below: (
            st.lists(below, max_size=2) | st.dictionaries(st.sampled_from(["content", "k", "a"]), below, max_size=2)
        ),
        max_leaves=4,
    )
    ascii_only = draw(st.booleans())
    text = (
        draw(st.sampled_from(SAYINGS))
        + json.dumps(draw(inner), ensure_ascii=ascii_only)
        + draw(st.sampled_from(ENDINGS))
    )
    return json.dumps({draw(st.sampled_from(["content", "other"])): text}, ensure_ascii=ascii_only).encode()


@settings(max_examples=400, deadline=None)
@given(record=said())
def test_free_texts_are_those_of_a_whole_reading(shared: Sanitizer, record: bytes) -> None:
    """Where JSON stands in a text, as a whole or behind some words, too."""
    assert shared.policy.names is not None
    reader = NameReader(shared.policy.names, shared.policy.file.ner.fields, shared.cleaner.limits)
    quick, views = reader._texts(record, "json")
    slow = list(reader._of(read_record(record, "json", shared.cleaner.limits), b"", b""))
    assert views is not None or Counter(quick) == Counter(slow)


def test_text_that_is_no_utf8_is_read_around(shared: Sanitizer) -> None:
    """Names beside it are found, to the byte, and its free texts can be handed on."""
    record = b'{"content": "\xff\xc3 My name is Jane Doe \xe9"}'
    [outcome] = outcomes(shared, record)
    assert isinstance(outcome, Sanitized)
    assert outcome.record.value == record.replace(b"Jane Doe", b"[PERSON]")
    assert shared.policy.names is not None
    reader = NameReader(shared.policy.names, shared.policy.file.ner.fields, shared.cleaner.limits)
    assert reader.texts(record) == ["\ufffd\ufffd My name is Jane Doe \ufffd"]
