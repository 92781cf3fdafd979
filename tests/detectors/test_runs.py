"""Stretches with a long run: the helper cuts out what the reference does, and a gate loses nothing by it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from glances import cut, the_helper
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.catalogue import load_rules, shipped_files
from detectors.gate import Gate
from detectors.patterns import PatternDetector
from detectors.runs import LEAST, cut_pure, is_within_stretch

PIECES = [
    b"a",
    b"Z9",
    b"-_",
    b"abcdefgh",
    b"ABCDEFGH12345678",
    b".",
    b"/=",
    b"\\n",
    b"\\u00e9",
    b"\xc3\xa9",
    b" ",
    b'"',
    b"{",
    b",",
    b"\x00",
]


@pytest.fixture(autouse=True, scope="module")
def helper() -> None:
    """Only the compiled helper cuts."""
    the_helper()


@settings(max_examples=3000)
@given(
    before=st.integers(0, 140), parts=st.lists(st.sampled_from(PIECES), max_size=24), filler=st.sampled_from(b' .x"')
)
def test_the_helper_cuts_as_the_reference_does(before: int, parts: list[bytes], filler: int) -> None:
    """Wherever in a block of 64 bytes a run or a stretch begins or ends."""
    data = bytes([filler]) * before + b"".join(parts)
    assert cut(data) == cut_pure(data)


@pytest.mark.parametrize("size", range(1, 200))
def test_runs_count_to_the_byte(size: int) -> None:
    """A run of sixteen makes a stretch, one of fifteen does not, however far from the start it is."""
    space, dots = b" " * size, b"." * size
    for data in (space + b"x" * LEAST, dots + b"x" * LEAST + b"\x80", b'"' + dots + b"x" * LEAST + dots + b'"'):
        assert cut(data) == data.strip(b' "')
        shorter = data.replace(b"x" * LEAST, b"x" * (LEAST - 1))
        assert cut(shorter) == b""
        assert cut(shorter + b" " + data + b" " + data) == data.strip(b' "') + b" " + data.strip(b' "')


@pytest.mark.parametrize(
    ("pattern", "within"),
    [
        (rb"AKIA[A-Z0-9]{16}", True),
        (rb"(?i)sk-(?:ant|proj)-[a-z0-9_-]{20}", True),
        (rb"https?:\\*/\\*/hooks[.]a[.]b\\*/[A-Za-z0-9]{24}", True),
        (rb"[a-z]{8}-[0-9a-f]{7}", True),  # one run of sixteen
        (rb"[a-z]{8}[.][0-9a-f]{8}", False),  # two of eight
        (rb"[a-z]{10}_?[0-9]{5}", False),  # fifteen, if need be
        (rb"(?:[A-Z]{20}|key)[0-9]{12}", False),
        (rb"token[ =]{0,3}[0-9a-f]{32}", False),  # a space may stand within
        (rb'"key": *"[0-9a-f]{32}', False),
        (rb"[^,]{40}", False),
        (rb"(?:unclosed", False),
    ],
)
def test_patterns_of_tokens_are_told(pattern: bytes, within: bool) -> None:
    """Those with a long run for sure, and nothing that ends a stretch."""
    assert is_within_stretch(pattern) is within


def test_a_gate_that_cuts_hits_where_one_that_does_not_hits() -> None:
    """Each shipped rule's examples, as they are, within JSON, and where others stand beside them."""
    rules = load_rules(*shipped_files())
    gates = [PatternDetector(rules, helper=one).gate for one in (None, the_helper())]
    examples = [one.text.encode() for rule in rules for one in rule.examples]
    texts = [*examples, *(b'{"m":"x %b\\n"}' % one for one in examples), *map(b"".join, pairwise(examples))]
    plain, cutting = (gate.hits_of_each(texts) for gate in gates)
    assert sum(len(hits) for hits in plain) > 5000
    for text, expected, hits in zip(texts, plain, cutting, strict=True):
        assert set(hits) >= set(expected), text
        if text.isascii() and b"\\" not in text:
            assert sorted(hits) == sorted(expected), text


def test_patterns_in_stretches_and_elsewhere_hit_together() -> None:
    """Each id once, for each of several texts."""
    gate = Gate([b"AKIA[A-Z0-9]{16}", b"abc", b"AKIA[A-Z0-9]{16}"], helper=the_helper())
    token = b"AKIAABCDEFGHIJKLMNOP"
    texts = [b"abc " + token, token, b"abc", b"", token[:-1], b"x" + token + b"abc"]
    assert [sorted(hits) for hits in gate.hits_of_each(texts)] == [[0, 1, 2], [0, 2], [1], [], [], [0, 1, 2]]
