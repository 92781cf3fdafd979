"""Anchors stand wherever their rule finds something, in raw bytes too."""

from __future__ import annotations

import json
import re
import sys

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from detectors.anchors import Anchor, anchors_of, scan_pure, table
from detectors.catalogue import load_rules, shipped_files
from detectors.compiled import CompiledRule
from detectors.errors import BudgetExceeded
from detectors.patterns import PatternDetector
from detectors.rule import Rule


def stands(anchors: tuple[Anchor, ...], raw: bytes) -> bool:
    """Whether one of ``anchors`` is in ``raw``, looked for in the slowest way."""
    return any(
        all(byte in bytes_ for byte, bytes_ in zip(raw[at : at + len(anchor)], anchor, strict=True))
        for anchor in anchors
        for at in range(len(raw) - len(anchor) + 1)
    )


def written(text: str, depth: int) -> bytes:
    """``text`` in JSON in strings, ``depth`` deep, with slashes escaped as some writers do."""
    for _ in range(depth):
        text = json.dumps({"a": text}, ensure_ascii=False).replace("/", "\\/")
    return text.encode()


def test_each_example_of_the_catalogue_holds_an_anchor_of_its_rule() -> None:
    """However deep it stands in JSON; for a rule on keys it is the key that holds one. Most rules have anchors."""
    rules = [CompiledRule(rule) for rule in load_rules(*shipped_files())]
    anchored = [rule for rule in rules if rule.anchors]
    assert len(anchored) > 0.9 * len(rules)
    for rule in anchored:
        for example in rule.rule.examples:
            text = example.key if rule.rule.key else example.plain.decode()
            for depth in range(3):
                assert stands(rule.anchors, written(text, depth)), (rule.rule.id, text)


pieces = st.recursive(
    st.sampled_from(["a", "B", "7", "@", r"\d", r"\w", "[a-c]", r"[\d.]", r"\.", "/", r"\s", '"', r"\b", "[^a]", "."]),
    lambda inner: (
        st.lists(inner, min_size=2, max_size=3).map("".join)
        | st.tuples(inner, inner).map(lambda two: f"(?:{two[0]}|{two[1]})")
        | st.tuples(inner, st.sampled_from(["?", "*", "+", "{2}", "{1,3}"])).map(lambda two: f"(?:{two[0]}){two[1]}")
        | inner.map(lambda one: f"(?i:{one})")
    ),
    max_leaves=6,
)


@settings(max_examples=100, suppress_health_check=list(HealthCheck), deadline=None)
@given(pieces.map(lambda one: f"{one}ab"), st.integers(0, 2), st.data())
def test_each_match_of_a_pattern_holds_one_of_its_anchors(pattern: str, depth: int, data: st.DataObject) -> None:
    """Of any pattern made of sets, repeats, branches and flags, as it is and in JSON in strings."""
    anchors = anchors_of(pattern)
    assume(anchors)
    text = data.draw(
        st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True, alphabet=st.characters(codec="ascii"))
    )
    raw = written(text, depth)
    assume(b"\\u" not in raw)
    assert stands(anchors, raw)


@pytest.mark.parametrize(
    ("pattern", "rows"),
    [
        (r"\btok_[a-f]", "tok_[a-f]"),
        (r"(?i:key)=x", "[kK][eE][yY]=x"),
        (r"x?y{1,3}z7", "yz7"),
        (r"[\w.]+@\w", "[\\w.]@\\w"),
        (r"\d\.\d{1,2}\.\d", r"\d\.\d[\d.][\d.]"),
        (r"no (?:a1|b2)|(c3|d45)", "c3 d45"),
        (r"/ab\"c\\d", "ab"),
        (r".*", ""),
        (r"\d\s\d", ""),
    ],
)
def test_the_rarest_row_of_bytes_is_taken(pattern: str, rows: str) -> None:
    """One that holds nothing that JSON may escape; a branch without a group finds nothing and does not count."""
    wanted = [[_bytes(one) for one in re.findall(r"\[.*?\]|\\.|.", row)] for row in rows.split()]
    assert [list(anchor) for anchor in anchors_of(pattern)] == wanted


def _bytes(one: str) -> frozenset[int]:
    return frozenset(byte for byte in range(256) if re.match(one.encode(), bytes([byte])))


def test_a_scan_tells_where_anchors_end() -> None:
    """By their start, the ends that stand in a row as one; with more than the most, nothing at all."""
    digit, dot = frozenset(b"0123456789"), frozenset(b".")
    made = table({7: [(digit, dot, digit)], 9: [(digit,) * 3, (dot, dot)]})
    assert scan_pure(b"1.2 12345 ..", *made, 3) == [(2, 3, 7), (6, 9, 9), (11, 12, 9)]
    assert scan_pure(b"1.2 12345 ..", *made, 2) is None


RULE = {"name": "d", "entity": "D", "score": 0.9, "references": ["x"], "examples": ["«1.5»"], "counter_examples": ["x"]}


def test_too_many_anchors_are_as_if_there_were_none() -> None:
    """Then the pattern itself is looked for, and counted against the budget."""
    rule = Rule.model_validate({**RULE, "id": "d", "pattern": r"\d\.\d{2}\s?x"})
    text = b"1.25," * 3000 + b"1.25x 7.11 x"
    detector = PatternDetector([rule])
    assert [span[:2] for span in detector.places(text, [0])] == [(15000, 15005), (15006, 15012)]
    with pytest.raises(BudgetExceeded):
        PatternDetector([rule], max_candidates=1).places(text, [0])


def test_more_places_than_scalars_are_one_place() -> None:
    """Where hardly anything separates scalars, all is read in any case: no more places are looked for than that takes."""
    rule = Rule.model_validate({**RULE, "id": "d", "pattern": r"\d\.\d{2}\s?x"})
    detector = PatternDetector([rule])
    text = b"1.25 x " * 3000
    places = detector.places(text, [0])
    assert len(places) < 50
    assert places[-1][1:] == (len(text), 0)


def test_a_place_of_a_rule_without_anchors_reaches_to_the_next_quote() -> None:
    """The scalar that it stands in is read in any case, so nothing else is looked for in it."""
    detector = PatternDetector([Rule.model_validate({**RULE, "id": "d", "pattern": "[a-z]{3}"})])
    assert detector.places(b'{"a": "one two ten", "b": [1, "six"]} end', [0]) == [(7, 18, 0), (31, 34, 0), (38, 41, 0)]


def test_words_of_a_table_are_those_of_the_machine() -> None:
    """Anchors of more than 64 sets need several words, and none goes across two of them."""
    anchor = tuple(frozenset([byte]) for byte in b"abcdefghi")
    made = table({rule: [anchor] for rule in range(8)})
    assert made.words == 2
    assert len(made.masks) == 258 * 2 * 8
    assert int.from_bytes(made.masks[-16:-8], sys.byteorder).bit_count() == 7
    assert scan_pure(b"-abcdefghi-", *made, 99) == [(9, 10, rule) for rule in range(8)]
