"""The gate form of a pattern: never too narrow, whatever JSON does to the text."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from strategies import nested

from detectors.catalogue import Catalogue, shipped_files
from detectors.compiled import CompiledRule
from detectors.gate import Gate
from detectors.gateform import DIGITS, gate_form, needs_digits

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
    assert _GATES[pattern].hits(raw) == [0]


def test_a_token_after_an_escaped_line_break_is_a_hit() -> None:
    """In raw JSON it reads ``\\nAKIA…``, where a word boundary would not be one."""
    gate = Gate([gate_form(r"\bAKIA[A-Z2-7]{16}\b").encode()])
    assert gate.hits(rb'{"m":"env:\nAKIAIOSFODNN7EXAMPLE\n"}') == [0]
    assert gate.hits(rb'{"m":"{\"k\":\"\\nAKIAIOSFODNN7EXAMPLE\"}"}') == [0]


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


NUMERIC = [one for one in Catalogue.read(shipped_files()).rules.values() if needs_digits(one.rule.pattern)]


@pytest.mark.parametrize("compiled", NUMERIC, ids=[one.rule.id for one in NUMERIC])
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(data=st.data(), depth=st.integers(0, 2))
def test_what_needs_digits_has_them(compiled: CompiledRule, data: st.DataObject, depth: int) -> None:
    """Whatever such a rule finds, its raw bytes hold the run of digits that its pass waits for."""
    text = data.draw(st.from_regex(re.compile(compiled.rule.pattern, re.ASCII)))
    if not any(compiled.spans(text.encode())):  # patterns write letters beyond ASCII as their bytes
        text = text.encode("latin-1", "replace").decode(errors="replace")
    assume(any(compiled.spans(text.encode())))
    for _ in range(depth):
        text = json.dumps({"a": text}, ensure_ascii=False).replace("/", "\\/")
    assert re.search(DIGITS, text.encode())


@pytest.mark.parametrize(
    ("pattern", "needs"),
    [
        (r"\d{6}", True),
        (r"\d{5}", False),
        (r"\d{3}[ .-]?\d{2}-\d", True),
        (r"\d{3}(?:[ -]|x)\d{3}", False),
        (r"\d{4}\s\d{4}", False),
        (r"(?:\d{2}[ .]){3}", True),
        (r"(?:\d{2}x){3}", False),
        (r"\d{4}(?:x|\d)?\d{2}", False),
        (r"\d{6}|\d{3}x\d{3}", False),
        (r"skip \w+|(\d{6})", True),
        (r"skip (\w+)|(\d{6})", False),
    ],
)
def test_digits_are_needed_only_where_nothing_can_part_them(pattern: str, needs: bool) -> None:
    """Six of them, with a few signs between; a branch without a group finds nothing and does not count."""
    assert needs_digits(pattern) is needs


def test_what_a_pattern_only_skips_is_no_hit() -> None:
    """A branch without a group, beside ones with groups, finds nothing, so the gate does not look for it."""
    pattern = r"\bpassed[:=] ?\d+|(?i:pass)[:=] ?(\w{4,})"
    everything, finds = (Gate([gate_form(pattern, finds=finds).encode()]) for finds in (False, True))
    assert everything.hits(b"passed: 412 tests")
    assert not finds.hits(b"passed: 412 tests")
    assert finds.hits(b"pass: 412x")
