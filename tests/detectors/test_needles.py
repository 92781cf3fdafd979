"""Needles stand wherever a pattern of the gate matches, so the gate by needles says what Hyperscan alone does."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import hyperscan as hs
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from detectors.catalogue import load_rules, shipped_files
from detectors.gate import Gate, Stage
from detectors.gateform import DIGITS, has_digits_pure
from detectors.needlegate import Digits, NeedleGate
from detectors.needles import needles_of
from detectors.needletable import Find, Packed, find_pure, packed
from detectors.patterns import CompiledRule, PatternDetector
from detectors.proof import raw_forms
from engine.native import has_digits, seeker
from engine.policy import load_policy


def slowly(table: Packed) -> Find:
    """The reference of what looks for needles."""
    return partial(find_pure, table)


pieces = st.recursive(
    st.sampled_from(
        ["a", "B", "7", "k", "@", " ", r"\d", r"\w", "[a-c]", "[^a]", r"\.", r"\s", '"', r"\\*", "^", "$", ".", "kE"]
    ),
    lambda inner: (
        st.lists(inner, min_size=2, max_size=4).map("".join)
        | st.lists(inner, min_size=2, max_size=3).map(lambda ways: f"(?:{'|'.join(ways)})")
        | st.tuples(inner, st.sampled_from(["?", "*", "+", "{2}", "{1,3}", "{14,}"])).map(
            lambda two: f"(?:{two[0]}){two[1]}"
        )
        | inner.map(lambda one: f"(?i:{one})")
    ),
    max_leaves=9,
)
texts = st.lists(
    st.text('aAbBcCkKeE7 @."\\\n', max_size=8).map(str.encode)
    | st.binary(max_size=2)
    | st.integers(0, 20).map(lambda count: b"7" * count),
    max_size=6,
).map(b"".join)


def scanned(pattern: str, data: bytes) -> bool:
    """What Hyperscan says of one pattern. Raises HyperscanError for one that it does not take."""
    database = hs.Database(mode=hs.HS_MODE_BLOCK)
    database.compile(expressions=[pattern.encode()], ids=[0], elements=1, flags=[hs.HS_FLAG_DOTALL])
    found: list[int] = []
    database.scan(data, lambda *_: found.append(0) or 0, scratch=hs.Scratch(database))
    return bool(found)


@settings(max_examples=150, suppress_health_check=list(HealthCheck), deadline=None)
@given(pattern=pieces, data=st.lists(texts, min_size=1, max_size=4))
@example(pattern="(?:^|[^a-z])kE(?:$|[^a-z])", data=[b"kE", b"akE", b"kE\n", b"\x00kE", b"kEa", b" kE ", b"k"])
@example(pattern="kE$", data=[b"kE\n", b"kE", b"kE\n\n", b"kE\x00"])
@example(pattern="^kE[^a]", data=[b"kE", b"kEb", b"akEb", b"\x00kEb"])
@example(pattern="[2-7][0-9]{13}", data=[b"7" * 14, b"7" * 13, b"x" * 5 + b"7" * 40, b"7" * 10 + b"x" + b"7" * 13])
def test_a_pattern_matches_where_its_needles_say_so(pattern: str, data: list[bytes]) -> None:
    """Never without one of them, and for sure where they say that; the compiled helper sees what the slow search does."""
    try:
        needles = needles_of(pattern)
    except ValueError:
        assume(False)
    table, asked = packed([needles])
    find = seeker(table) if seeker else slowly(table)
    for text in data:
        found = find_pure(table, text)
        assert find(text) == found
        try:
            matches = scanned(pattern, text)
        except hs.HyperscanError:
            assume(False)
        if 0 in found:
            assert matches
        elif not asked or not found:
            assert not matches


@pytest.mark.parametrize("pattern", ["(?m)^ab", "(?m:^ab)", "(?-s:a.b)", "xa{,3}y", "[[:alpha:]]b", r"\Qa.b\E"])
def test_what_hyperscan_may_read_otherwise_is_asked_everywhere(pattern: str) -> None:
    """Python's parser tells what a pattern means: where the two might differ, Hyperscan alone is believed."""
    with pytest.raises(ValueError, match=r"."):
        needles_of(pattern)


@settings(max_examples=15, suppress_health_check=list(HealthCheck), deadline=None)
@given(patterns=st.lists(pieces, min_size=1, max_size=6), data=st.lists(texts, min_size=1, max_size=4))
def test_a_gate_by_needles_says_what_a_gate_says(
    tmp_path_factory: pytest.TempPathFactory, patterns: list[str], data: list[bytes]
) -> None:
    """Of patterns that several ids share, too, and of those that count only where there are digits."""
    given_ = [one.encode() for one in (*patterns, *patterns[:2])]
    numeric = {0, len(given_) - 1}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp()))
        try:
            gate = Gate(given_, [Stage([DIGITS], numeric, has_digits_pure)])
        except ValueError:
            assume(False)
        quick = NeedleGate(given_, seeker or slowly, Digits(numeric, has_digits_pure))
        again = NeedleGate(given_, seeker or slowly, Digits(numeric, has_digits_pure))  # from what was kept
    for text in data:
        assert sorted(quick.hits(text)) == sorted(again.hits(text)) == sorted(gate.hits(text))


def test_the_catalogue_is_found_by_needles_where_hyperscan_finds_it() -> None:
    """Each example of each rule, as it stands in text, in JSON and in JSON in strings: the same gates hit."""
    if seeker is None or has_digits is None:
        pytest.skip("the compiled helper was not built")
    policy = load_policy()
    quick, rules = policy.detector.gate, [CompiledRule(rule) for rule in load_rules(*shipped_files())]
    assert isinstance(quick, NeedleGate)
    assert isinstance(PatternDetector(rules).gate, Gate)
    gate = PatternDetector(rules, has_digits=has_digits).gate
    assert [rule.gate for rule in rules] == list(quick.patterns[: len(rules)])
    for number, rule in enumerate(rules):
        for some in rule.rule.examples:
            for raw in raw_forms(some).values():
                found = sorted(hit for hit in quick.hits(raw) if hit < len(rules))
                assert found == sorted(gate.hits(raw)), rule.rule.id
                assert number in found


def test_records_without_anything_of_note_ask_hyperscan_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A word that only looks like a rule's, or stands where it says nothing, costs no look at the pattern."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    patterns = [b"(?i)password[a-z]*[=:][^,]{4}", rb"(?:^|[^a-z])(?i:vat)(?:$|[^a-z])", b"ghp_[A-Za-z0-9]{4}"]
    gate = NeedleGate(patterns, seeker or slowly)
    record = json.dumps({"note": "elevated private vats pass ghp-1234 by"}).encode()
    assert gate.hits(record) == ()
    assert sorted(gate.hits(b'{"passwords": "VAT", "t": "ghp_abcd"}')) == [1, 2]
    assert sorted(gate.hits(b'{"passwords=horse": 1}')) == [0]
