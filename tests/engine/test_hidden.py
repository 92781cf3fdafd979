"""What hides from the gate comes out as reading all of a record would have it, wherever and however it is hidden."""

from __future__ import annotations

import json
import random
from base64 import b64encode
from collections.abc import Callable, Sequence
from urllib.parse import quote

import pytest

from benchmarks.activity import generate
from detectors.errors import BudgetExceeded
from detectors.finding import Text
from engine.hidden import HIDDEN, escaped_in, hidden_in
from engine.policy import load_policy
from engine.records import ActivityRecord, Position
from engine.rewriting import Cleaned
from engine.sanitizer import Sanitizer

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


@pytest.mark.parametrize(
    ("record", "secret"),
    [
        (
            rb'{"l\u0061titude": 52.51632190437123, "longitude": 13.37770390128417, "c\u0069ty": "Berlin"}',
            b"52.5163",
        ),
        (rb'{"firs\u0074Name": "see [\"John\"]", "a": "call_%20"}', b"John"),
    ],
    ids=["a number", "what stands in arrays in its string"],
)
def test_a_key_that_is_escaped_names_its_value(record: bytes, secret: bytes) -> None:
    """It is read under that key as if the key were written plainly, beside something else that hides too."""
    cleaned = _SANITIZER.cleaner.clean(record)
    assert secret not in cleaned.text
    assert cleaned == _SANITIZER.cleaner.clean_all(record, "auto")


@pytest.mark.parametrize(
    "record",
    [
        rb'["\\u0031\\u0030\\u002e\\u0032\\u002e\\u0033\\\u0075002e\\u0034"]',
        rb'{"a": "jane\\\u007840corp.example"}',
        rb'{"a": "{\"b\": \"jane\\\\\\u007840corp.example\"}"}',
        rb'{"a": "jane\u005cx40corp.example", "b": "\u005cu006aane@corp.example"}',
        rb'{"passwords": "{\"x\": \"10.2.3.4\", \"y\": \"%41%42\"}"}',
    ],
)
def test_escapes_that_make_escapes_hide_nothing(record: bytes) -> None:
    """A backslash of the text before an escaped letter begins another escape; and so on at any depth."""
    [outcome] = _SANITIZER.sanitize([ActivityRecord(Position("t", 0, 0), None, record, (), 0)], 0)
    cleaned = _SANITIZER.cleaner.clean_all(record, "auto")
    assert cleaned.redactions
    assert (outcome.record.value, outcome.redactions) == (cleaned.text, cleaned.redactions)


def _encoded(text: bytes, times: int) -> bytes:
    for _ in range(times):
        text = b64encode(text)
    return text


@pytest.mark.parametrize(
    "text",
    [
        b"jane%40corp.example and b%40corp.example",
        _encoded(b"mail jane@corp.example soon", 1),
        _encoded(quote("mail jane@corp.example, or jane@corp.example", safe="").encode(), 2),
        _encoded(b'{"note": "nothing in here at all"}', 1),
        _encoded(b'{"password": "Tr0ub4dor&3x", "mails": ["jane@corp.example", "%6Aane%40corp.example"]}', 1),
        _encoded(rb'see {"note": "{\"deep\": \"{\\\"to\\\": \\\"jane@corp.example\\\"}\"}"} x@corp.example', 1),
        b"Bearer eyJhbGciOiJIUzI1NiJ9." + _encoded(b'{"sub": "jane@corp.example"}', 1) + b".c2lnbmF0dXJl",
        _encoded(b"nothing to be seen here, really", 6),
        _encoded(b"nothing to be seen here, really", 9),
        b"AKIAN2R2NM25P3VAD5UX:" + _encoded(b"W:aFT08gabbkStVzpFTSxcITBAUWeb", 1),
    ],
)
@pytest.mark.parametrize("depth", [0, 1])
def test_what_is_spelled_is_read_with_its_documents(text: bytes, depth: int) -> None:
    """One layer or several, in each other in any way, and as many as may be: as if all was read."""
    record = (
        b'{"password": "aFT08gabbkStVzpFTSxcITBAUWeb", "to": "x@corp.example", "said": %b}'
        % json.dumps(text.decode()).encode()
    )
    for _ in range(depth):
        record = json.dumps({"n": record.decode(), "more": ["%20", record.decode()]}).encode()

    def outcome(clean: Callable[..., Cleaned]) -> object:
        try:
            return clean(record, "auto")
        except BudgetExceeded as error:
            return error.budget

    assert outcome(_SANITIZER.cleaner.clean) == outcome(_SANITIZER.cleaner.clean_all)


def test_where_something_hides() -> None:
    """Each stretch reaches to the end of its value, or of what a value is made of."""
    text = rb'{"a": "x\u0040y z", "b": "c%20d", "e": "f"}'
    assert [text[start:end] for start, end, rule in hidden_in(text) if rule == HIDDEN] == [rb"\u0040y", b"%20d"]
    assert [(text[start:end], rule) for start, end, rule in escaped_in(text, (3, 5))] == [
        (rb"\u0040y z", 3),
        (rb"\u0040y z", 5),
    ]
    assert _POLICY.gate.rules in _POLICY.detector.hits(Text(text))
