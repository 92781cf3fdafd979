"""The gate form of a pattern: never too narrow, whatever JSON does to the text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import nested

from detectors.gate import Gate
from detectors.gateform import gate_form, max_width

PATTERNS = [
    r"\b((?:AKIA|ASIA)[A-Z2-7]{16})\b",
    r"(?i)\b[\w.+-]{1,64}@(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24}\b",
    r'password["\s]*[:=]\s*"([^"]{4,40})"',
    r"-----BEGIN [A-Z ]{0,32}KEY-----[\s\S]{20,60}?-----END",
    r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]*",
    r"https://hooks\.example\.com/services/[\w/]{20,}",
    r"a.{3}b\tc\\d[^x]{2}e",
    r"(?:key|(?i:TOKEN))\s{0,3}(?:=|:)\s{0,3}[^\s;]{8,100}$",
    r"^\d{3}(?:[ /-]\d{2}){2}",
]
_COMPILED = {pattern: re.compile(pattern, re.ASCII) for pattern in PATTERNS}
_GATES = {pattern: Gate([gate_form(pattern).encode()]) for pattern in PATTERNS}


@pytest.mark.parametrize("pattern", PATTERNS)
@given(data=st.data(), depth=st.integers(0, 3))
def test_a_match_of_the_text_is_a_hit_of_the_gate_at_any_depth_of_json(
    pattern: str, data: st.DataObject, depth: int
) -> None:
    """Whatever a pattern matches, its gate form finds in the raw bytes, however often they were escaped."""
    ascii_text = st.from_regex(_COMPILED[pattern], alphabet=st.characters(max_codepoint=126))
    text = data.draw(ascii_text)
    before = data.draw(st.sampled_from(["", "\n", "x", '"', "\\", " ", "é"]))
    text = text if pattern.startswith("^") else before + text
    if not _COMPILED[pattern].search(text):
        return
    raw = nested(text, depth)
    if rb"\u" in raw:  # records with such an escape are always decoded
        return
    assert _GATES[pattern].hits(raw) == {0}


def test_a_token_after_an_escaped_line_break_is_a_hit() -> None:
    """In raw JSON it reads ``\\nAKIA…``, where a word boundary would not be one."""
    gate = Gate([gate_form(r"\bAKIA[A-Z2-7]{16}\b").encode()])
    assert gate.hits(rb'{"m":"env:\nAKIAIOSFODNN7EXAMPLE\n"}') == {0}
    assert gate.hits(rb'{"m":"{\"k\":\"\\nAKIAIOSFODNN7EXAMPLE\"}"}') == {0}


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (r"(?=secret)s\w+", "lookaround"),
        (r"(?<!x)secret", "lookaround"),
        (r"(a+)\1", "back-reference"),
        (r"x*", "almost anything"),
        (r".?", "almost anything"),
        (r"[a-z", "not a regular expression"),
        (r"pässword", "ASCII"),
    ],
)
def test_what_no_gate_can_do_is_refused(pattern: str, why: str) -> None:
    """Lookaround, back-references and patterns that match anything stop a rule when it is loaded."""
    with pytest.raises(ValueError, match=why):
        gate_form(pattern)


def test_the_width_of_a_pattern_is_known_or_unbounded() -> None:
    """Long texts are read in windows of this width."""
    assert max_width(r"AKIA[A-Z]{16}") == 20
    assert max_width(r"eyJ[\w-]+") is None
