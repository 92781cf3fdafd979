"""Texts that were made to be dear: what the core does for them grows with their length, and no faster.

Work is counted, not clocked: the lines of Python that are run.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Iterator
from functools import cache
from itertools import count
from random import Random

import pytest

from benchmarks.hostile import NOTHING_IN_IT
from engine.cleaning import Cleaner
from engine.policy import load_policy
from engine.rewriting import Cleaned
from engine.sanitizer import cleaner_of

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


@cache
def _cleaner() -> Cleaner:
    return cleaner_of(load_policy())


def work(data: bytes) -> tuple[int, Cleaned]:
    """How many lines of Python are run, and functions entered, to clean ``data``, and what comes of it."""
    cleaner, done = _cleaner(), 0

    def counted(_frame: object, _event: str, _about: object) -> object:
        nonlocal done
        done += 1
        return counted

    cleaner.clean(data)  # rules are compiled, keys are known
    before = sys.gettrace()
    sys.settrace(counted)
    try:
        cleaned = cleaner.clean(data)
    finally:
        sys.settrace(before)
    return done, cleaned


def some(make: Callable[[int], object], size: int) -> Iterator[object]:
    """What ``make`` makes, each from another number, until it has about ``size`` bytes."""
    for number in count():
        one = make(number)
        size -= len(one if isinstance(one, str) else json.dumps(one)) + 2
        if size < 0:
            return
        yield one


def _mail(number: int) -> str:
    return f"jane.roe{number}@example{number}.com"


def _key(number: int) -> str:
    letters = Random(number)
    return "AKIA" + "".join(letters.choice(ALPHABET) for _ in range(16))


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _lines(make: Callable[[int], str]) -> Callable[[int], bytes]:
    return lambda size: " ".join(map(str, some(make, size))).encode()


def _elements(make: Callable[[int], object]) -> Callable[[int], bytes]:
    return lambda size: json.dumps(list(some(make, size))).encode()


FULL_OF_FINDINGS: dict[str, Callable[[int], bytes]] = {
    "keys of clouds": _lines(_key),
    "keys of clouds, each told twice": _elements(lambda number: {"password": _key(number), "x": _key(number)}),
    "addresses as keys": lambda size: json.dumps(dict.fromkeys(map(str, some(_mail, size)), 1)).encode(),
    "addresses in base64": _lines(lambda number: _encoded(f"mail {_mail(number)} now")),
    "addresses in hexadecimal": _lines(lambda number: _mail(number).encode().hex()),
    "named values": _elements(lambda number: {"name": "DB_PASSWORD", "value": f"hunter{number}x9"}),
    "tokens between placeholders": _lines(lambda number: f"[EMAIL_ADDRESS] {_encoded('mail ' + _mail(number))}"),
    "passwords in URLs": _lines(lambda number: f"postgres://user{number}:pa55w0rd{number}@db{number}.example.com/x"),
    "values under one long key": lambda size: json.dumps({"k" * (size // 2): [_mail(1)] * (size // 60)}).encode(),
    "escaped values under a long key": lambda size: json.dumps(
        {"k" * (size // 2): ["a%40b.com"] * (size // 30)}
    ).encode(),
}
NOTHING = NOTHING_IN_IT | {
    "percent-encoding, now and then": "%41 ",
    "pairs": "a=b ",
    "pairs with escapes": 'a="b\\u0041" ',
}
STEPS = 16  # of Python for a byte of the text; a text is read a few times over, in C


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("name", NOTHING)
def test_a_text_with_nothing_in_it_is_read_in_a_few_steps(name: str, form: str) -> None:
    """However a text looks, as long as nothing is found it takes a bounded number of steps for each byte."""
    unit = NOTHING[name]

    def make(size: int) -> bytes:
        text = "x=y " + unit * (size // len(unit.encode()))
        return json.dumps({"message": text}, ensure_ascii=False).encode() if form == "json" else text.encode()

    (few, _), (many, cleaned) = work(make(4_000)), work(make(16_000))
    assert cleaned.redactions == ()
    assert many <= 5 * few + 1_000
    assert many <= 16_000 * STEPS


@pytest.mark.parametrize("name", FULL_OF_FINDINGS)
def test_a_text_full_of_findings_costs_so_much_each(name: str) -> None:
    """Four times the text has four times the findings and takes about four times the work."""
    make = FULL_OF_FINDINGS[name]
    (few, part), (many, whole) = work(make(5_000)), work(make(20_000))
    assert 3 * len(part.redactions) <= len(whole.redactions)
    assert many <= 5 * few
