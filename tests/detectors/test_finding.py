"""Overlapping findings become one, in one way only, and lose nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from detectors.finding import Finding, resolve

_findings = st.lists(
    st.builds(
        lambda rule, start, size, score: Finding(rule, rule.upper(), start, start + size, score),
        st.sampled_from("abc"),
        st.integers(0, 40),
        st.integers(1, 12),
        st.sampled_from([0.3, 0.6, 0.9]),
    ),
    max_size=8,
)


@given(_findings)
def test_what_comes_out_is_in_order_apart_and_covers_all_that_went_in(findings: list[Finding]) -> None:
    """No byte that a finding covered is left out, and none is covered twice."""
    out = resolve(findings)
    covered = [byte for finding in out for byte in range(finding.start, finding.end)]
    assert covered == sorted(set(covered))
    assert set(covered) == {byte for f in findings for byte in range(f.start, f.end)}


@given(_findings, st.randoms())
def test_the_order_of_rules_does_not_matter(findings: list[Finding], random: object) -> None:
    """The same findings in another order resolve to the same."""
    shuffled = findings[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert resolve(shuffled) == resolve(findings)


def test_the_surer_finding_names_the_whole() -> None:
    """The winner is widened over what a loser found, so that nothing stays readable."""
    sure, wide = Finding("token", "TOKEN", 5, 10, 0.9), Finding("text", "TEXT", 0, 8, 0.4)
    assert resolve([sure, wide]) == [Finding("token", "TOKEN", 0, 10, 0.9)]
