"""What hides from the gate comes out as reading all of a record would have it, wherever and however it is hidden."""

from __future__ import annotations

import json
import random
from base64 import b64encode
from collections.abc import Callable, Sequence
from urllib.parse import quote

import pytest

from benchmarks.activity import generate
from detectors.finding import Text
from engine.hidden import HIDDEN, escaped_in, hidden_in, spells_nothing
from engine.layers.model import Purse
from engine.policy import load_policy
from engine.records import ActivityRecord, Position
from engine.sanitizer import Sanitizer
from engine.views import View

_POLICY = load_policy()
_SANITIZER = Sanitizer(_POLICY, secret=bytes(32), privileged=False)

_HIDE: list[Callable[[str], str]] = [
    quote,
    lambda text: b64encode(text.encode()).decode(),
    lambda text: text.encode().hex(),
    lambda text: f"call_{b64encode(text.encode()[::-1]).decode()} %20 {text}",
    lambda text: "".join(f"\\u{ord(char):04x}" for char in text),
    lambda text: text.replace("e", "\u0435"),
    lambda text: json.dumps({"password": text, "n": [quote(text)]}),
    lambda text: f"then {json.dumps([text])}",
]


def _hidden(chance: random.Random, ways: Sequence[Callable[[str], str]], value: object) -> object:
    if isinstance(value, str):
        return chance.choice(ways)(value) if chance.random() < 0.2 else value
    if isinstance(value, list):
        return [_hidden(chance, ways, one) for one in value]
    if isinstance(value, dict):
        return {key: _hidden(chance, ways, one) for key, one in value.items()}
    return value


def _escaped(chance: random.Random, text: str, share: float) -> str:
    """JSON with some of its letters and digits as ``\\uXXXX``."""
    parts = text.split('"')
    for number, part in enumerate(parts):
        if number % 2 and not part.endswith("\\"):
            parts[number] = "".join(
                f"\\u{ord(char):04x}"
                if chance.random() < share and char.isalnum() and (at == 0 or part[at - 1] != "\\")
                else char
                for at, char in enumerate(part)
            )
    return '"'.join(parts)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3])
@pytest.mark.parametrize("ways", [[str], [_HIDE[4], str], _HIDE], ids=["nothing else", "escapes as text", "all"])
def test_what_hides_comes_out_as_if_all_was_read(share: float, ways: Sequence[Callable[[str], str]]) -> None:
    """Escapes and layers in any scalar, in JSON in strings and out of it, some in vain: the same text and redactions."""
    chance = random.Random(f"{share} {len(ways)}")
    for activity in generate(chance.randrange(1000), 25, sensitive=0.5):
        value = json.loads(activity.value)
        text = json.dumps(_hidden(chance, ways, value), ensure_ascii=False)
        for written in (text, json.dumps({"said": text})):
            record = ActivityRecord(Position("t", 0, 0), None, _escaped(chance, written, share).encode(), (), 0)
            [outcome] = _SANITIZER.sanitize([record], 0)
            cleaned = _SANITIZER.cleaner.clean_all(record.value or b"", "auto")
            assert (outcome.record.value, outcome.redactions) == (cleaned.text, cleaned.redactions)


def test_a_key_that_is_escaped_names_what_stands_in_arrays_in_its_string() -> None:
    """Beside something else that hides, as if the key were written plainly."""
    record = rb'{"firs\u0074Name": "see [\"John\"]", "a": "call_%20"}'
    cleaned = _SANITIZER.cleaner.clean(record)
    assert b"John" not in cleaned.text
    assert cleaned == _SANITIZER.cleaner.clean_all(record, "auto")


@pytest.mark.parametrize(
    ("text", "nothing"),
    [
        (b"plain", True),
        (b"a%20b", True),
        (b"call_dGhlIHF1aWNrIGJyb3duIGZveA", True),
        (b"jane%40corp.example", False),
        (b64encode(b"mail jane@corp.example soon"), False),
        (b64encode(quote("mail jane@corp.example soon", safe="").encode()), False),
        (b64encode(b'{"note": "nothing in here at all"}'), True),
        (b64encode(rb'{"note": "{\"deep\": \"{\\\"deeper\\\": \\\"x\\\"}\"}"}'), False),  # it would take reading it
    ],
)
def test_what_is_spelled_is_known_to_hold_nothing(text: bytes, nothing: bool) -> None:
    """One layer or several; what cannot be said without reading documents is not said."""
    detector, signs = _POLICY.detector, _POLICY.gate.paths
    assert spells_nothing(detector, View("text", text, None), b"", signs, 4, Purse(10_000)) is nothing


def test_a_text_that_spells_too_deep_is_not_known_to_hold_nothing() -> None:
    """Of layers in layers no more are undone than may be."""
    text = b64encode(b64encode(b"nothing to be seen here, really"))
    told = [
        spells_nothing(_POLICY.detector, View("text", text, None), b"", _POLICY.gate.paths, layers, Purse(10_000))
        for layers in (0, 1, 2, 3)
    ]
    assert told == [False, False, True, True]


def test_where_something_hides() -> None:
    """Each stretch reaches to the end of its value, or of what a value is made of."""
    text = rb'{"a": "x\u0040y z", "b": "c%20d", "e": "f"}'
    assert [text[start:end] for start, end, rule in hidden_in(text) if rule == HIDDEN] == [rb"\u0040y", b"%20d"]
    assert [(text[start:end], rule) for start, end, rule in escaped_in(text, (3, 5))] == [
        (rb"\u0040y z", 3),
        (rb"\u0040y z", 5),
    ]
    assert _POLICY.gate.rules in _POLICY.detector.hits(Text(text))
