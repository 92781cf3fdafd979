"""Context words: found where the patterns of the gate would find them, on any bytes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product

import pytest
from glances import the_helper, told
from hypothesis import example, given, settings
from hypothesis import strategies as st

from detectors.catalogue import load_rules, shipped_files
from detectors.context import context_pattern
from detectors.gate import Gate
from detectors.glance import Plan
from detectors.patterns import PatternDetector
from detectors.rule import Rule
from detectors.words import MOST_NUMBERS, Words, automaton_of


@pytest.fixture(autouse=True, scope="module")
def helper() -> None:
    """Only the compiled helper looks for words."""
    the_helper()


LISTS: dict[int, Sequence[str]] = {
    3: ["ssn", "social security", "SS"],
    5: ["passport", "pass", "id"],
    8: ["cédula", "numéro de sécurité sociale", "паспорт"],
    9: ["身份证", "driver's license"],
}
PATTERNS = {number: re.compile(context_pattern(words, raw=True).encode()) for number, words in LISTS.items()}
PIECES = [word for words in LISTS.values() for word in words] + [
    "\\n", "\\", "n", " ", "_", "-", '"', ":", "é", "É", "e\u0301", "a", "Z", "1", "и", "И", "SSN", "userSSN", "\x00",
    "sSn", "passPORT", "soc", "social", "Security", "driver", "'s", "li", "cé",
]  # fmt: skip


def said(words: Words, data: bytes) -> set[int]:
    """The lists of which a word stands in ``data``, as a glance tells."""
    few, every = words.automata
    found: list[int] = []
    words.add([found], told(data, Plan(few_words=few, words=every)))
    assert len(found) == len({*found})
    return {*found}


@pytest.fixture(scope="module")
def words() -> Words:
    """The lists, looked for by the helper."""
    return Words(LISTS)


def unescaped(data: bytes) -> bytes:
    """A space in place of the letter of an escape before a capital: it begins no word."""
    return re.sub(rb"\\[a-z](?=[A-Z])", rb"\\ ", data)


def expected(data: bytes) -> set[int]:
    """The lists whose pattern matches."""
    return {number for number, pattern in PATTERNS.items() if pattern.search(unescaped(data))}


@settings(max_examples=2000)
@given(parts=st.lists(st.sampled_from(PIECES), max_size=12), fold=st.sampled_from([str, str.upper, str.title]))
@example(parts=["a" * 61, "\\n", "ssn"], fold=str)
@example(parts=["a" * 62, "\\n", "ssn"], fold=str)
@example(parts=["x" * 63, "SSN"], fold=str)
@example(parts=[" " * 63, "id"], fold=str)
def test_words_are_where_the_pattern_finds_one(words: Words, parts: list[str], fold: type[str]) -> None:
    """No list is missed that its pattern announces; in ASCII, none is named that it does not."""
    data = fold("".join(parts)).encode()
    found = said(words, data)
    assert found >= expected(data)
    if data.isascii() and b"\\" not in data:
        assert found == expected(data)


@pytest.mark.parametrize(("text", "found"), [("id 1", True), ("_id:", True), ("\\nid ", True), ("userId", False), ("3id", False),
    ("id4", False), ("\x15id\x10", True), ("ids", False)])  # fmt: skip
def test_a_word_of_two_letters_stands_alone(words: Words, text: str, found: bool) -> None:
    """Ids and digests are full of two letters between digits and capitals."""
    assert (5 in said(words, text.encode())) is found
    assert bool(PATTERNS[5].search(text.encode())) is found


@pytest.mark.parametrize(("text", "found"), [("ends.\\n\\nIf you", False), ("\\nIF", False), ("\\nNIF 1", True), ("\\nNif 1", True),
    ("\\nnif", True), ("a\\nif", True), ("nIf", True), ("\\\\nIf", False), ("\\NIF", True)])  # fmt: skip
def test_an_escape_before_a_capital_begins_no_word(text: str, found: bool) -> None:
    """JSON writes the line break before a sentence as an ``n`` behind a backslash."""
    assert bool(said(Words({1: ["nif"]}), text.encode())) is found


@given(data=st.binary(max_size=200))
def test_any_bytes_can_be_read(words: Words, data: bytes) -> None:
    """Whatever the bytes are, nothing that a pattern announces is missed."""
    assert said(words, data) >= expected(data)


@pytest.mark.parametrize("size", [*range(140), *range(1000, 1030), *range(2040, 2060)])
def test_a_word_is_found_wherever_it_stands(words: Words, size: int) -> None:
    """Also over the ends of the blocks that the helper reads, and at the end of the text."""
    for before in (b".", b"x"):
        data = before * size + b" ssn"
        assert said(words, data) == {3}, size
        assert said(words, data + b"s" * 70) == set()
        assert said(words, before * size + b" social security") == {3}
        assert said(words, before * size + b" passpor, " + "паспорт\\nid".encode()) == {5, 8}


def spelled(word: str) -> list[str]:
    """A word in several cases, and its parts joined in other ways."""
    upto = [word[:at].swapcase() + word[at:] for at in (1, 3, 4, 7)]
    return [*upto, word.upper(), word.swapcase().title(), *(word.title().replace(" ", joint) for joint in ("", "_"))]


def test_all_words_are_found_in_any_case() -> None:
    """The shipped ones, whatever stands behind them: by the helper where their list's pattern finds them."""
    lists = {number: rule.words for number, rule in enumerate(PatternDetector(load_rules(*shipped_files())).rules)}
    words = Words({number: some for number, some in lists.items() if some})
    for number in words.ids:
        pattern = re.compile(context_pattern(lists[number], raw=True).encode())
        for word, (before, after) in product(lists[number], (("", "X"), ("\\n", "s"), ("userId", " "))):
            for one in (f"{before}{one}{after}".encode() for one in spelled(word)):
                expected = pattern.search(unescaped(one)) is not None
                assert (number in said(words, one)) is expected or not (expected or one.isascii()), one


def test_the_gate_is_the_same_with_and_without_the_helper() -> None:
    """The shipped rules' words announce the same rules by the helper as by their patterns."""
    rules = load_rules(*shipped_files())
    by_pattern, by_words = (PatternDetector(rules, helper=one) for one in (None, the_helper()))
    assert sum(len(rule.words) for rule in by_words.rules) > 1000
    texts = [
        text.encode()
        for word in sorted({word for rule in by_words.rules for word in rule.words})
        for text in (f"the {word} 123456789", f'{{"a":"{word.title()}_123.456.789"}}', f"{word}s", f"x{word}")
    ]
    each = zip(texts, by_words.gate.hits_of_each(texts), by_pattern.gate.hits_of_each(texts), strict=True)
    for data, found, expected in each:
        assert set(found) >= set(expected), data
        if data.isascii():
            assert sorted(found) == sorted(expected), data


def test_words_of_numbers_need_digits() -> None:
    """A rule for numbers is announced by its word only where there are digits enough."""
    example = {
        "references": ["https://www.ssa.gov"],
        "examples": ["ssn «123456789»"],
        "counter_examples": ["ssn 12345"],
    }
    about = {
        "id": "ssn",
        "name": "SSN",
        "entity": "US_SSN",
        "pattern": r"\b(\d{9})\b",
        "context": ["ssn"],
        "score": 0.8,
    }
    rule = Rule.model_validate(about | example)
    gate = PatternDetector([rule], helper=the_helper()).gate
    assert gate.hits(b"ssn 123456789") == [0]
    assert not gate.hits(b"ssn 12345")


def test_lists_that_the_helper_cannot_look_for_stay_patterns() -> None:
    """A word that JSON may write in other ways, one that begins with a digit, and more lists than can be told apart."""
    assert Words({1: ["a/b"], 2: ["2fa"], 3: ["otp"]}).ids == {3}
    many = Words({number: [f"word{'abcdefghij'[number % 10]}{number}"] for number in range(MOST_NUMBERS + 1)})
    assert not many.ids
    assert said(many, b"worda0 ") == set()


def test_patterns_and_words_hit_together() -> None:
    """A gate has ids of both kinds, each reported once, for each of several texts."""
    gate = Gate([b"abc", b"never", b"abc"], words={1: ["ssn"]}, helper=the_helper())
    assert [sorted(hits) for hits in gate.hits_of_each([b"abc", b"ssn", b"", b"an ssn, abc"])] == [
        [0, 2], [1], [], [0, 1, 2],
    ]  # fmt: skip


@pytest.mark.parametrize("states", [b"", b"\x00" * 100, automaton_of({1: ["ssn"]}).states[:-1]])
def test_what_is_no_automaton_is_refused(states: bytes) -> None:
    """The helper never reads beyond what it is given."""
    with pytest.raises(TypeError, match="no plan"):
        told(b"the ssn is", Plan(few_words=states, words=states))
