"""Scalar by scalar: a batch knows what it read before, and nothing comes out otherwise for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.activity import generate
from detectors.errors import BudgetExceeded
from detectors.finding import Finding
from engine import parts
from engine.cleaning import Cleaner
from engine.parts import Part, Parts
from engine.policy import Policy, load_policy
from engine.records import ActivityRecord, Position
from engine.redaction import Method
from engine.sanitizer import Sanitizer, cleaner_of

RULES = r"""
family: test
rules:
  - {id: mail, name: m, entity: EMAIL_ADDRESS, pattern: '\b[\w.+-]{1,64}@[a-z0-9.-]{1,63}\.[a-z]{2,24}\b', score: 0.9,
     references: [x], examples: ['«a@b.co»'], counter_examples: [x]}
  - {id: secret-field, name: s, entity: SECRET, key: '[\w.-]*(?:secret|password)', pattern: '^\S{3,60}$', score: 0.8,
     references: [x], examples: [{key: secret, text: '«abc»'}], counter_examples: [x]}
  - {id: digits, name: d, entity: CREDIT_CARD, pattern: '\b[0-9]{16}\b', score: 0.9, validator: luhn,
     references: [x], examples: ['«4111111111111111»'], counter_examples: [x]}
"""
KEYS = "keys: [{id: k1, file: key}]"

Load = Callable[[str], Policy]
Make = Callable[[str], Cleaner]


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """Compiles a policy, written as YAML."""
    folder: Path = tmp_path_factory.mktemp("policy")
    (folder / "rules.yaml").write_text(RULES)
    (folder / "key").write_text("0123456789abcdef0123456789abcdef")

    def build(policy: str) -> Policy:
        path = folder / "policy.yaml"
        path.write_text(f"name: test\nrules: {{shipped: false, files: [rules.yaml]}}\nactions: []\n{KEYS}\n{policy}")
        return load_policy(path)

    return build


@pytest.fixture(scope="module")
def make(load: Load) -> Make:
    """Builds the cleaner of a policy, written as YAML, and begins a batch."""

    def build(policy: str) -> Cleaner:
        cleaner = cleaner_of(load(policy))
        cleaner.parts.remember()
        return cleaner

    return build


@pytest.fixture(scope="module")
def cleaner(make: Make) -> Cleaner:
    """That of a policy without anything special."""
    return make("")


POLICIES = [
    "",
    "redaction: {default: mask, entities: {EMAIL_ADDRESS: partial, SECRET: drop}}",
    "redaction: {default: tokenize, entities: {EMAIL_ADDRESS: keep}}",
    "redaction: {default: hash}\ntenant: {field: actor.id}",
]


@pytest.mark.parametrize("policy", POLICIES)
def test_what_was_read_before_comes_out_as_if_it_was_not(make: Make, policy: str) -> None:
    """By itself, within another record, in JSON in strings: as reading all of each record by itself."""
    cleaner = make(policy)

    for activity in generate(3, 15, sensitive=0.7):
        text = activity.value.decode()
        again = json.dumps({"args": text, "more": [text, f"see {text} and {text}"], "actor": {"id": text[:40]}})
        for record in (activity.value, again.encode(), json.dumps([again, text]).encode(), activity.value):
            assert cleaner.clean(record) == cleaner.clean_all(record, "auto")


_SCALARS = st.sampled_from(["jane@corp.example", "4111 1111 1111 1111", "plain", 4111111111111111, None, "[", ""])


@given(
    st.recursive(
        _SCALARS,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["a", "password", "jane@corp.example"]), inner, max_size=3)
            | inner.map(json.dumps)
            | inner.map(lambda value: f"to jane@corp.example {json.dumps(value)}")
        ),
        max_leaves=10,
    )
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_documents_of_any_shape_come_out_as_if_read_as_a_whole(cleaner: Cleaner, value: object) -> None:
    """However deep, and whatever stands around JSON in a string."""
    data = json.dumps(value).encode()
    assert cleaner.clean(data) == cleaner.clean_all(data, "auto")


def test_a_password_in_an_array_in_a_string_is_found(cleaner: Cleaner) -> None:
    """Its key is that of the string; also behind some words, and where the record is no JSON."""
    for before in (b"", b"then "):
        cleaned = cleaner.clean(rb'%b{"password": "[\"Tr0ub4dor&3x\", {\"n\": \"a\"}]"}' % before)
        assert cleaned.text == rb'%b{"password": "[\"[SECRET]\", {\"n\": \"a\"}]"}' % before


def test_a_text_that_was_read_before_may_stand_too_deep_now(make: Make) -> None:
    """What was fine two texts deep is over the budget one text deeper."""
    cleaner = make("limits: {layers: 2}")
    fine = json.dumps({"a": json.dumps({"b": "jane@corp.example"})})
    assert b"[EMAIL_ADDRESS]" in cleaner.clean(fine.encode()).text
    with pytest.raises(BudgetExceeded, match="layers"):
        cleaner.clean(json.dumps({"c": fine}).encode())


def test_each_tenant_has_its_own_tokens(make: Make) -> None:
    """The same value in records of two tenants, read in one batch."""
    cleaner = make("redaction: {default: hash}\ntenant: {field: org}")
    one, two = (
        json.loads(cleaner.clean(b'{"org":"%s","to":"jane@corp.example"}' % org).text)["to"] for org in (b"a", b"b")
    )
    assert one.startswith("[EMAIL_ADDRESS:k1:")
    assert two.startswith("[EMAIL_ADDRESS:k1:")
    assert one != two


def test_nothing_is_kept_when_a_batch_is_done(load: Load) -> None:
    """Raw values do not stay in memory."""
    sanitizer = Sanitizer(load(""), secret=bytes(32))
    record = ActivityRecord(Position("t", 0, 0), None, b'{"to":"jane@corp.example"}', (), 0)
    [outcome] = sanitizer.sanitize([record], 0)
    assert outcome.record.value == b'{"to":"[EMAIL_ADDRESS]"}'
    assert not sanitizer.cleaner.parts.known
    assert sanitizer.cleaner.clean(record.value or b"").redactions
    assert not sanitizer.cleaner.parts.known  # nor outside of a batch


def test_names_that_were_read_are_in_no_repr(cleaner: Cleaner) -> None:
    """A member's name may be anything."""
    cleaner.clean(b'{"hunter2":{"to":"jane@corp.example"},"hunter3":"jane@corp.example"}')
    assert any(name == b"hunter3" for _, name in cleaner.readers)
    assert "hunter" not in repr(cleaner) + repr(cleaner.readers)


def test_how_much_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """In number and in bytes: beyond that it begins anew."""
    part = Part((), ((0, (), Finding("r", "E", 0, 1, 1.0), Method.MASK),), (), (), {})
    monkeypatch.setattr(parts, "_MOST", 3)
    monkeypatch.setattr(parts, "_MOST_BYTES", 100)
    known = Parts()
    known.remember()
    for number in range(5):
        known.put(number, 1, part)
    assert set(known.known) == {3, 4}
    known.put("long", 98, None)
    known.put("longer", 99, None)
    assert set(known.known) == {"longer"}
