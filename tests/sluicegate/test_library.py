"""`Sanitizer`, the library call: texts and JSON values in, clean ones out, never anything that was not read."""

from __future__ import annotations

import doctest
import json
import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sluicegate.library
from detectors.patterns import PatternDetector
from sluicegate import ConfigError, Sanitizer, Unreadable

MAIL = "jane.doe@corp.example.com"
KEY = "AKIAIOSFODNN7EXAMPLE"

SANITIZER = Sanitizer()


def policy(tmp_path: Path, text: str) -> Path:
    """A policy file."""
    path = tmp_path / "policy.yaml"
    path.write_text(f"version: 1\nname: mine\nactions: default\n{text}")
    return path


def test_its_examples_are_true() -> None:
    """What the documentation of the class shows is what happens."""
    assert doctest.testmod(sluicegate.library).failed == 0


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("", ""),
        ("nothing here", "nothing here"),
        (f"mail {MAIL}", "mail [EMAIL_ADDRESS]"),
        (f'then call f({{"to": "{MAIL}", "n": 1.0}})', 'then call f({"to": "[EMAIL_ADDRESS]", "n": 1.0})'),
        (f"half \ud800 {MAIL}", "half \ud800 [EMAIL_ADDRESS]"),
        ("[EMAIL_ADDRESS]", "[EMAIL_ADDRESS]"),
    ],
)  # fmt: skip
def test_texts(text: str, clean: str) -> None:
    """Nothing but findings changes; JSON in a text stays JSON; half a surrogate is no way around."""
    assert SANITIZER.clean(text) == clean


def test_values_at_any_depth() -> None:
    """Messages, arguments in strings, numbers, keys and tuples; what holds nothing keeps its type and digits."""
    value = {
        "messages": [{"role": "user", "content": f"I am {MAIL}"}],
        "calls": ({"arguments": json.dumps({"key": KEY, "n": 1.50})},),
        "card": 4111111111111111,
        "huge": 10**40,
        "ratio": 0.1,
        "on": True,
        "none": None,
        MAIL: "as a key",
    }
    clean = SANITIZER.clean_json(value)
    assert clean == {
        "messages": [{"role": "user", "content": "I am [EMAIL_ADDRESS]"}],
        "calls": [{"arguments": '{"key": "[AWS_ACCESS_KEY_ID]", "n": 1.5}'}],
        "card": "[CREDIT_CARD]",
        "huge": 10**40,
        "ratio": 0.1,
        "on": True,
        "none": None,
        "[EMAIL_ADDRESS]": "as a key",
    }
    assert value["card"] == 4111111111111111, "what was given is not changed"


@pytest.mark.parametrize("value", [{"a": (1, 2)}, [], 17, None, True, math.inf, "plain", {"a": {"b": []}}])
def test_without_findings_it_is_the_same_object(value: object) -> None:
    """So that a value without findings costs no copy, and a tuple stays one."""
    assert SANITIZER.clean_json(value) is value


@pytest.mark.parametrize(("value", "clean"), [(4111111111111111, "[CREDIT_CARD]"), (MAIL, "[EMAIL_ADDRESS]")])
def test_a_value_may_be_a_scalar(value: object, clean: str) -> None:
    """A number or a text alone."""
    assert SANITIZER.clean_json(value) == clean


def test_findings_are_told_without_values() -> None:
    """Rule, entity, path and method are there; the value is in nothing that can be printed."""
    found = SANITIZER.inspect_json({"user": {"mail": MAIL, "note": f"key {KEY}"}})
    assert [(r.path, r.entity, r.method) for r in found.redactions] == [
        ("user.mail", "EMAIL_ADDRESS", "replace"),
        ("user.note", "AWS_ACCESS_KEY_ID", "replace"),
    ]
    assert MAIL not in repr(found.redactions)
    assert repr(found) == "Cleaned(dict, 2 redactions)"
    assert SANITIZER.inspect("nothing").redactions == ()


class Unwritable:
    """JSON cannot write it."""

    def __repr__(self) -> str:
        return f"Unwritable({MAIL})"


def test_what_json_cannot_write_is_refused() -> None:
    """An object that would be written out by its `repr` later must not pass unread."""
    nested: list[Any] = []
    nested.append(nested)
    for value in (Unwritable(), {"a": [Unwritable()]}, {(1, 2): "a"}, b"bytes", nested, {1, 2}):
        with pytest.raises(Unreadable, match=r"^not-json") as caught:
            SANITIZER.clean_json(value)
        assert MAIL not in str(caught.value)


def test_over_budget_is_refused(tmp_path: Path) -> None:
    """A text above what the policy reads is not given back; the reason says which budget."""
    small = Sanitizer(policy(tmp_path, "limits: {bytes: 100}\n"))
    assert small.clean("a" * 100) == "a" * 100
    with pytest.raises(Unreadable, match=r"^budget\.bytes") as caught:
        small.clean(MAIL + "a" * 100)
    assert caught.value.reason == "budget.bytes"
    deep: Any = MAIL
    for _ in range(500):
        deep = [deep]
    with pytest.raises(Unreadable, match=r"^budget\."):
        SANITIZER.clean_json(deep)


def test_a_detector_that_fails_is_a_refusal(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever goes wrong inside, the text does not come back, and the error does not quote it."""

    def broken(*_: object) -> None:
        raise RuntimeError(MAIL)

    monkeypatch.setattr(PatternDetector, "read", broken)
    with pytest.raises(Unreadable, match=r"^detector-error") as caught:
        SANITIZER.clean(f"mail {MAIL}")
    assert MAIL not in str(caught.value) + caplog.text


def test_a_policy_of_ones_own(tmp_path: Path) -> None:
    """Methods count; what is to be dropped goes with its member, and of a text nothing stays."""
    mine = Sanitizer(
        str(policy(tmp_path, "redaction: {default: mask, entities: {EMAIL_ADDRESS: drop, IP_ADDRESS: keep}}\n"))
    )
    assert mine.clean_json({"mail": MAIL, "n": 1, "at": "10.1.2.3"}) == {"n": 1, "at": "10.1.2.3"}
    assert mine.clean(f"mail {MAIL}") == "[DROPPED]"
    assert mine.clean(f"key {KEY}") == "key " + "*" * 20
    assert repr(mine).startswith("Sanitizer(mine, ")
    assert mine.digest != SANITIZER.digest


def test_what_a_policy_says_of_topics_does_not_count(tmp_path: Path) -> None:
    """A text is no record of any topic: it need not be JSON because the policy's topics are."""
    strict = Sanitizer(policy(tmp_path, "topics: [{match: '*', format: json, on_unparsable: quarantine}]\n"))
    assert strict.clean(f"mail {MAIL}") == "mail [EMAIL_ADDRESS]"


def test_a_policy_that_cannot_be_used(tmp_path: Path) -> None:
    """Start-up stops with file, line and key."""
    with pytest.raises(ConfigError, match=r"policy\.yaml:4: redaktion: "):
        Sanitizer(policy(tmp_path, "redaktion: {}\n"))


def test_names_where_they_are_asked_for() -> None:
    """A text on its own is free text; a value's fields are as the policy says."""
    named = Sanitizer(ner=True)
    assert named.clean("please call Jane Doe") == "please call [PERSON]"
    assert named.clean_json({"prompt": "please call Jane Doe"}) == {"prompt": "please call [PERSON]"}


@pytest.mark.parametrize("make", [lambda: SANITIZER, lambda: Sanitizer(ner=True)])
def test_from_several_threads(make: Callable[[], Sanitizer]) -> None:
    """Each thread gets what its own text gives, with and without the model for names."""
    shared, wrong = make(), []

    def work(number: int) -> None:
        for turn in range(60):
            text = f"thread {number} turn {turn}: user{number}@corp.example.com wrote"
            if shared.clean(text) != f"thread {number} turn {turn}: [EMAIL_ADDRESS] wrote":
                wrong.append(text)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.just(f"to {MAIL}"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_no_value_survives_and_cleaning_again_changes_nothing(value: Any) -> None:
    """For any JSON value: the address is gone wherever it stood, and what is clean stays as it is."""
    clean = SANITIZER.clean_json(value)
    assert MAIL not in json.dumps(clean)
    assert SANITIZER.clean_json(clean) == clean
