"""Numbers with a check digit: found in context in each format, and not found once a digit is wrong."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from detectors.catalogue import load_rules, shipped_files
from detectors.compiled import Budget, CompiledRule
from detectors.finding import Text, resolve
from detectors.patterns import PatternDetector
from detectors.rule import Rule
from detectors.validators import VALIDATORS

FAMILIES = {"identity", "companies", "tax", "financial", "health", "devices"}
NO_CHECK = {"has_digits", "plate", "mixed_or_bech32", "uk_nino", "us_mbi"}  # structure alone
RULES = load_rules(*shipped_files())
CHECKED = [
    rule
    for rule in RULES
    if rule.family in FAMILIES and rule.context and rule.validator and rule.validator not in NO_CHECK
]


@cache
def detector() -> PatternDetector:
    """All rules at work."""
    return PatternDetector(RULES)


def numbers(rule: Rule) -> Iterator[str]:
    """Each number that the rule's examples mark: each format that is known of it."""
    for example in rule.examples:
        for start, end in example.spans:
            number = example.plain[start:end].decode()
            if sum(char.isdigit() for char in number) >= 5:
                yield number


def sound(rule: Rule) -> Callable[[str], bool]:
    """Tells whether a text is a valid number of the rule, by its pattern and its validator."""
    valid, pattern = VALIDATORS[rule.validator or ""], re.compile(rule.pattern.encode())

    def check(number: str) -> bool:
        match = pattern.search(b" " + number.encode() + b" ")
        return match is not None and match[match.lastindex or 0] == number.encode() and valid(number.encode())

    return check


def changed(number: str) -> Iterator[str]:
    """The number with each of its digits changed into each other one."""
    for at, char in enumerate(number):
        for digit in "0123456789":
            if char.isdigit() and digit != char:
                yield number[:at] + digit + number[at + 1 :]


def fresh(number: str, valid: Callable[[str], bool], rng: random.Random) -> str:
    """Another valid number in the same format, by trying."""
    for _ in range(3000):
        other = number
        for _ in range(rng.randint(2, 4)):
            other = rng.choice([*changed(other)])
        if valid(other):
            return other
        for one in changed(other):
            if valid(one):
                return one
    return number


def found(text: str, key: str = "") -> list[tuple[str, str]]:
    """What the whole catalogue finds, overlaps resolved: entities and what they cover."""
    value = text.encode()
    return [
        (one.entity, value[one.start : one.end].decode())
        for one in resolve(detector().scan([Text(value, key.encode())])[0])
    ]


@pytest.mark.parametrize("rule", CHECKED, ids=lambda rule: rule.id)
def test_a_number_is_found_where_its_check_holds_and_nowhere_else(rule: Rule) -> None:
    """Every digit of every format is changed into every other: the rule finds what is valid, and only that."""
    compiled, valid, word = CompiledRule(rule), sound(rule), rule.context[0].encode()
    for number in numbers(rule):
        for one in (number, *changed(number)):
            text = word + b": " + one.encode()
            at = len(word) + 2
            spans = [(f.start, f.end) for f in compiled.findings(Text(text), Budget())]
            assert ((at, len(text)) in spans) is valid(one), one


@pytest.mark.parametrize("rule", CHECKED, ids=lambda rule: rule.id)
def test_a_number_is_found_behind_each_of_its_words(rule: Rule) -> None:
    """New valid numbers, in each format, behind each word: in a line, a sentence, an assignment and a field."""
    rng, valid = random.Random(rule.id), sound(rule)
    for known in numbers(rule):
        for word in rule.context:
            number = fresh(known, valid, rng)
            key = word.replace(" ", "_")
            for text in (f"{word}: {number}", f"the {word} of ours is {number}, yes", f"{key}={number} ok"):
                assert any(number in covered for _, covered in found(text)), text
            assert any(number in covered for _, covered in found(number, key)), key


def test_wrong_numbers_are_seldom_found_as_anything() -> None:
    """Of numbers with one wrong digit, next to none is covered by any rule at all, and none by its own."""
    rng, tried, covered = random.Random(3), 0, 0
    for rule in CHECKED:
        valid = sound(rule)
        for number in numbers(rule):
            wrong = [one for one in changed(number) if not VALIDATORS[rule.validator or ""](one.encode())]
            for one in rng.sample(wrong, min(3, len(wrong))):
                tried += 1
                entities = [entity for entity, text in found(f"{rule.context[0]}: {one}") if one in text]
                covered += bool(entities) and not valid(one)
                assert rule.entity not in entities, one
    assert tried > 400
    assert covered <= tried * 0.03
