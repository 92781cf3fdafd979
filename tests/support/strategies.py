"""Hypothesis strategies and builders that several tests share."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from detectors.rule import Rule

texts = st.text(max_size=30)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@st.composite
def spellings(draw: st.DrawFn, values: st.SearchStrategy[Any] = documents) -> bytes:
    """A JSON document in one of its many spellings: white space, escapes, JSON within strings."""
    value = draw(values)
    for _ in range(draw(st.integers(0, 2))):
        value = {draw(texts): json.dumps(value, ensure_ascii=draw(st.booleans()))}
    return json.dumps(
        value,
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, None, 1, 2])),
        separators=draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " :\n")])),
    ).encode("utf-8", "surrogatepass")


def rule(rule_id: str, pattern: str, **more: Any) -> Rule:
    """A rule with what tests do not care about filled in."""
    return Rule(
        **{
            "id": rule_id,
            "name": rule_id,
            "entity": rule_id.upper().replace("-", "_"),
            "pattern": pattern,
            "score": 0.9,
            "references": ["https://example.org"],
            "examples": ["«x»"],
            "counter_examples": ["y"],
            **more,
        }
    )


def nested(text: str, depth: int, *, ascii_only: bool = False) -> bytes:
    """``text`` as a string in JSON in a string in JSON …, ``depth`` times."""
    for _ in range(depth):
        text = json.dumps({"a": text}, ensure_ascii=ascii_only)
    return text.encode("utf-8", "surrogatepass")
