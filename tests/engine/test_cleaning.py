"""Cleaning a text: what is sensitive goes, at whatever depth; everything else stays byte for byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import nested, spellings

from benchmarks.activity import generate
from detectors.errors import BudgetExceeded
from engine.cleaning import Cleaner
from engine.policy import load_policy
from engine.rewriting import Cleaned
from engine.sanitizer import cleaner_of

RULES = r"""
family: test
rules:
  - {id: mail, name: m, entity: EMAIL_ADDRESS, pattern: '\b[\w.+-]{1,64}@[a-z0-9-]{1,63}\.[a-z]{2,24}\b', score: 0.9,
     references: [x], examples: ['«a@b.co»'], counter_examples: [x]}
  - {id: token, name: t, entity: TOKEN, pattern: '\btok_[A-Za-z0-9]{16}\b', score: 0.9,
     references: [x], examples: ['«tok_0123456789abcdef»'], counter_examples: [x]}
  - {id: secret-field, name: s, entity: SECRET, key: '[\w.-]*secret', pattern: '^.{3,}$', score: 0.8,
     references: [x], examples: [{key: secret, text: '«abc»'}], counter_examples: [x]}
  - {id: digits, name: d, entity: CREDIT_CARD, pattern: '\b[0-9]{16}\b', score: 0.9, validator: luhn,
     references: [x], examples: ['«4111111111111111»'], counter_examples: [x]}
"""
TOKEN = "tok_0123456789abcdef"


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Builds a cleaner for a policy that is written as YAML."""
    folder: Path = tmp_path_factory.mktemp("policy")
    (folder / "rules.yaml").write_text(RULES)
    (folder / "key").write_text("0123456789abcdef0123456789abcdef")

    def build(policy: str = "") -> Cleaner:
        path = folder / "policy.yaml"
        path.write_text("name: test\nrules: {shipped: false, files: [rules.yaml]}\nactions: []\n" + policy)
        return cleaner_of(load_policy(path))

    return build


@pytest.fixture(scope="module")
def cleaner(make: Any) -> Cleaner:
    """The cleaner of a policy without anything special."""
    built: Cleaner = make()
    return built


def clean(cleaner: Cleaner, text: str | bytes, form: str = "auto") -> str:
    """The cleaned text."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return cleaner.clean(data, form).text.decode("utf-8", "surrogatepass")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # number formats, key order, white space and escapes of the rest are kept
        (
            '{"z":1.10, "a" : 1E5,"mail":"jane@corp.example","big":123456789012345678901234567890,"s":"\\u00e9\\/"}',
            '{"z":1.10, "a" : 1E5,"mail":"[EMAIL_ADDRESS]","big":123456789012345678901234567890,"s":"\\u00e9\\/"}',
        ),
        # a card number may be an integer; redacted it is a string
        ('{"n":4111111111111111,"m":4111111111111112}', '{"n":"[CREDIT_CARD]","m":4111111111111112}'),
        ("[4111111111111111]", '["[CREDIT_CARD]"]'),
        # escapes hide nothing
        ('{"m":"jane\\u0040corp.example"}', '{"m":"[EMAIL_ADDRESS]"}'),
        ('{"m":"a\\n' + TOKEN + '\\tb"}', '{"m":"a\\n[TOKEN]\\tb"}'),
        ('{"\\u0073ecret":"hunter2"}', '{"\\u0073ecret":"[SECRET]"}'),
        # JSON in a string: only the secret goes, and what is around it is as it was
        ('{"args":"{\\"secret\\":\\"abc\\", \\"n\\": 1.0}"}', '{"args":"{\\"secret\\":\\"[SECRET]\\", \\"n\\": 1.0}"}'),
        (
            '{"a":"{\\"b\\":\\"{\\\\\\"c\\\\\\":\\\\\\"jane\\\\\\\\u0040corp.example\\\\\\"}\\"}"}',
            '{"a":"{\\"b\\":\\"{\\\\\\"c\\\\\\":\\\\\\"[EMAIL_ADDRESS]\\\\\\"}\\"}"}',
        ),
        # percent-encoding, once and twice, in a URL in JSON; what is written is encoded again
        ("GET /?q=jane%40corp.example&n=1", "GET /?q=%5BEMAIL_ADDRESS%5D&n=1"),
        ('{"u":"/a%20b?to=jane%2540corp.example"}', '{"u":"/a%20b?to=%255BEMAIL_ADDRESS%255D"}'),
        # JSON within a text
        ('Action Input: {"secret": "abc"} done', 'Action Input: {"secret": "[SECRET]"} done'),
        ('call({"to": ["jane@corp.example"]}), {"n": 1}', 'call({"to": ["[EMAIL_ADDRESS]"]}), {"n": 1}'),
        # keys
        ('{"jane@corp.example":1}', '{"[EMAIL_ADDRESS]":1}'),
        ('{"a@b.co":1,"c@d.co":2}', '{"[EMAIL_ADDRESS]":1,"[EMAIL_ADDRESS]#2":2}'),
        # both values of a duplicate key
        ('{"secret":"abc","secret":"def"}', '{"secret":"[SECRET]","secret":"[SECRET]"}'),
        # text and logfmt
        ("mail jane@corp.example now", "mail [EMAIL_ADDRESS] now"),
        ('level=info secret=abc msg="to \\"jane@corp.example\\""', 'level=info secret=[SECRET] msg="to \\"[EMAIL_ADDRESS]\\""'),
        ("token=abc,secret=abc;n=1 x", "token=abc,secret=[SECRET];n=1 x"),
        ("GET /cb?secret=abc&user=42 x", "GET /cb?secret=[SECRET]&user=42 x"),
        # broken JSON is text; numbers as they are
        ('{"mail":"jane@corp.example', '{"mail":"[EMAIL_ADDRESS]'),
        ('{"n":NaN,"mail":"jane@corp.example"}', '{"n":NaN,"mail":"[EMAIL_ADDRESS]"}'),
        # what a redaction wrote is not found again
        ('{"secret":"[SECRET]"}', '{"secret":"[SECRET]"}'),
        ('{"secret":"[NOT_OURS]"}', '{"secret":"[SECRET]"}'),
        ("", ""),
    ],
)  # fmt: skip
def test_redactions(cleaner: Cleaner, before: str, after: str) -> None:
    """Before and after, as one reads them."""
    assert clean(cleaner, before) == after


@given(depth=st.integers(0, 5), ascii_only=st.booleans(), around=st.text(max_size=10))
def test_no_depth_hides_a_value(depth: int, ascii_only: bool, around: str) -> None:
    """A token in JSON in a string in JSON is gone, and the containers are what they were around it."""
    text = f"{around} {TOKEN} é"
    data = nested(text, depth, ascii_only=ascii_only)
    cleaned = _SHARED.clean(data).text
    assert TOKEN.encode() not in cleaned
    value = cleaned.decode("utf-8", "surrogatepass")
    for _ in range(depth):
        value = json.loads(value)["a"]
    assert value == f"{around} [TOKEN] é" or not depth


@given(spellings())
def test_what_holds_nothing_is_not_changed(data: bytes) -> None:
    """Not a byte, whatever the spelling."""
    cleaned = _SHARED.clean(data)
    if not cleaned.redactions:
        assert cleaned.text == data


@given(
    spellings(
        st.recursive(
            st.sampled_from(["jane@corp.example", TOKEN, "plain", 4111111111111111, 1.5, None, "é\n\\"]),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["a", "secret", "x@y.zz", "t " + TOKEN]), inner, max_size=3)
            ),
            max_leaves=8,
        )
    )
)
def test_valid_stays_valid_nothing_survives_and_twice_is_once(data: bytes) -> None:
    """The three properties of every redaction."""
    cleaned = _SHARED.clean(data)
    json.loads(cleaned.text)
    decoded = json.dumps(json.loads(cleaned.text), ensure_ascii=False)
    assert "@corp" not in decoded
    assert TOKEN not in decoded
    assert "4111111111111111" not in decoded
    again = _SHARED.clean(cleaned.text)
    assert again.text == cleaned.text
    assert again.redactions == ()


_VALUES = st.sampled_from(
    [
        "jane@corp.example",
        TOKEN,
        "plain",
        "a=1 secret=hunter2",
        4111111111111111,
        1.5,
        None,
        "é\n\\",
        "[1, 2",
        '{"a": "b@c.de"}',
    ]
)


@settings(max_examples=300, deadline=None)
@given(
    nested_in=st.integers(0, 2),
    data=spellings(
        st.recursive(
            _VALUES,
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["a", "secret", "x@y.zz", "t " + TOKEN, "mail"]), inner, max_size=3)
            ),
            max_leaves=8,
        )
    ),
    form=st.sampled_from(["auto", "json", "text", "logfmt"]),
    before=st.sampled_from(["", "at ", "user=jane@corp.example secret=abc "]),
)
def test_reading_where_the_gate_points_is_reading_all(nested_in: int, data: bytes, form: str, before: str) -> None:
    """The quick way and the slow, obvious one give the same bytes and the same redactions."""
    text = data.decode("utf-8", "surrogatepass")
    for _ in range(nested_in):
        text = json.dumps({"a": text, "n": [text]}, ensure_ascii=False)
    raw = (before + text).encode("utf-8", "surrogatepass")
    assert _SHARED.clean(raw, form) == _SHARED.clean_all(raw, form)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_so_it_is_with_the_shipped_rules_on_agent_activity(seed: int) -> None:
    """Of the whole catalogue, on records as agents write them."""
    for activity in generate(seed, 20, sensitive=0.7):
        assert _DEFAULT.clean(activity.value) == _DEFAULT.clean_all(activity.value, "auto")


@given(st.binary(max_size=200), st.sampled_from(["auto", "json", "text", "logfmt"]))
def test_any_bytes_can_be_cleaned(data: bytes, form: str) -> None:
    """Invalid UTF-8, NUL bytes, broken escapes: no crash, and no change without a finding."""
    cleaned = _SHARED.clean(data, form)
    if not cleaned.redactions:
        assert cleaned.text == data


class TestMethods:
    """What each method writes."""

    def test_by_entity(self, make: Any) -> None:
        """The policy says how, by entity."""
        cleaner = make("redaction: {default: mask, entities: {CREDIT_CARD: partial, EMAIL_ADDRESS: partial}}")
        assert clean(cleaner, "4111111111111111 jane@corp.example " + TOKEN) == (
            "411111******1111 ****@corp.example " + "*" * 20
        )

    def test_hash_gives_equal_tokens_for_equal_values(self, make: Any) -> None:
        """And says which key made them."""
        cleaner = make("redaction: {entities: {EMAIL_ADDRESS: hash}}\nkeys: [{id: k7, file: key}]")
        one, two, three = clean(cleaner, "a@b.co a@b.co c@b.co").split()
        assert one == two != three
        assert one.startswith("[EMAIL_ADDRESS:k7:")
        assert clean(cleaner, one) == one

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ('{"secret":"abc"}', "{}"),
            ('{"a":1, "secret":"abc"}', '{"a":1}'),
            ('{"secret":"abc", "a":1}', '{"a":1}'),
            ('{"a":1,"secret":"abc","x_secret":"def"}', '{"a":1}'),
            ('{"secret":"abc","b":{"secret":["abc","def"],"c":2}}', '{"b":{"secret":[],"c":2}}'),
            ('{"a":"{\\"secret\\":\\"abc\\",\\"b\\":2}"}', '{"a":"{\\"b\\":2}"}'),
        ],
    )
    def test_drop_takes_the_member(self, make: Any, before: str, after: str) -> None:
        """And one comma with it."""
        assert clean(make("redaction: {entities: {SECRET: drop}}"), before) == after

    def test_drop_takes_the_record_where_there_is_no_member(self, make: Any) -> None:
        """A line of text has no smaller part."""
        cleaned: Cleaned = make("redaction: {entities: {TOKEN: drop}}").clean(b"use " + TOKEN.encode())
        assert cleaned.dropped
        assert cleaned.text == b""

    def test_keep_finds_and_leaves(self, make: Any) -> None:
        """An entity that the policy keeps is no redaction."""
        cleaned: Cleaned = make("redaction: {entities: {EMAIL_ADDRESS: keep}}").clean(b"a@b.co")
        assert (cleaned.text, cleaned.redactions) == (b"a@b.co", ())


class TestPlaces:
    """Rules about paths."""

    POLICY = """
paths:
  always: [{path: user.id, entity: USER_ID}, {path: 'args.**.pin', entity: PIN, method: mask}]
  never: [{path: contact.public}, {path: '*.mixed', entities: [EMAIL_ADDRESS]}]
  only: [{entities: [TOKEN], path: headers}]
"""

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ('{"user":{"id":7,"x":7}}', '{"user":{"id":"[USER_ID]","x":7}}'),
            ('{"user":{"id":{"a":[1,"b"]}}}', '{"user":{"id":{"a":["[USER_ID]","[USER_ID]"]}}}'),
            ('{"args":"{\\"deep\\":{\\"pin\\":\\"1234\\"}}"}', '{"args":"{\\"deep\\":{\\"pin\\":\\"****\\"}}"}'),
            (
                '{"contact":{"public":"a@b.co","other":"a@b.co"}}',
                '{"contact":{"public":"a@b.co","other":"[EMAIL_ADDRESS]"}}',
            ),
            ('{"a":{"mixed":"a@b.co 4111111111111111"}}', '{"a":{"mixed":"a@b.co [CREDIT_CARD]"}}'),
            (f'{{"headers":{{"x":"{TOKEN}"}},"b":"{TOKEN}"}}', f'{{"headers":{{"x":"[TOKEN]"}},"b":"{TOKEN}"}}'),
        ],
    )
    def test_places(self, make: Any, before: str, after: str) -> None:
        """Always, never, only: at the place or below it, also inside JSON in a string."""
        assert clean(make(self.POLICY), before) == after


def test_redactions_say_where_without_saying_what(cleaner: Cleaner) -> None:
    """Paths hold redacted keys; nothing holds the value."""
    [first, second] = cleaner.clean(b'{"a.b":{"jane@corp.example":["tok_0123456789abcdef"]}}').redactions
    assert (first.path, first.entity) == ("a\\.b.[EMAIL_ADDRESS] (key)", "EMAIL_ADDRESS")
    assert (second.path, second.rule_id, second.method) == ("a\\.b.[EMAIL_ADDRESS].0", "token", "replace")


def test_texts_within_texts_are_bounded(cleaner: Cleaner) -> None:
    """JSON in JSON beyond the bound is over budget, not passed unread."""
    with pytest.raises(BudgetExceeded, match="layers"):
        cleaner.clean(nested(TOKEN, 12))


_SHARED: Cleaner
_DEFAULT: Cleaner  # by the shipped policy


@pytest.fixture(autouse=True, scope="module")
def _shared(cleaner: Cleaner) -> None:
    """Hypothesis runs many examples with one cleaner."""
    global _SHARED, _DEFAULT
    _SHARED, _DEFAULT = cleaner, cleaner_of(load_policy())
