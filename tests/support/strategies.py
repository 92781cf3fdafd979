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


_LAX = st.sampled_from([b"NaN", b"-Infinity", b"1e5", b"-0", b'""', b'"\\x\\ud800"', b'"\n\0"', b"[]", b"{}", b"true"])
_WHITE = st.sampled_from([b"", b"", b" ", b"\n\t", b"\r  "])
escaped = st.lists(
    st.sampled_from([b"a", b"\xc3\xa9", b"\\n", b"\\\\", b"\\", b"\\u0041", b"\\uD83d", b"\\uDe00", b"\\ud83d\\ude00", b"\\u20", b"u", b"0", b"\\/"])
    | st.binary(max_size=3),
    max_size=20,
).map(b"".join)  # fmt: skip
"""The inside of a string, escapes of every kind in it, broken ones too."""
_strings = escaped.map(lambda raw: b'"' + raw.replace(b'"', b"").rstrip(b"\\") + b'"')


@st.composite
def _lax_containers(draw: st.DrawFn, inner: st.SearchStrategy[bytes]) -> bytes:
    items = draw(st.lists(inner, max_size=4))
    is_object = draw(st.booleans())
    if is_object:  # few names, so that some are there twice
        keys = st.sampled_from([b'"k"', b'"\\u006b"', b'""']) | _strings
        items = [draw(keys) + draw(_WHITE) + b":" + item for item in items]
    inside = b",".join(draw(_WHITE) + item + draw(_WHITE) for item in items)
    return b"{" + inside + b"}" if is_object else b"[" + inside + b"]"


def lax_spellings() -> st.SearchStrategy[bytes]:
    """A JSON document with what the reader is lenient about, or the like with a few bytes changed."""
    valid = spellings() | st.recursive(_LAX | _strings, _lax_containers, max_leaves=12)
    return valid | st.tuples(valid, st.integers(0, 200), st.binary(max_size=2), st.integers(0, 2)).map(
        lambda t: t[0][: t[1]] + t[2] + t[0][t[1] + t[3] :]
    )


def spans_in(data: bytes) -> st.SearchStrategy[list[tuple[int, int]]]:
    """Spans of ``data``, sorted by their start; they may overlap, be empty or reach beyond it."""
    offsets = st.integers(0, len(data) + 2)
    spans = st.tuples(offsets, st.integers(0, 6) | offsets).map(lambda t: (t[0], t[0] + t[1]))
    return st.lists(spans, max_size=5).map(sorted)


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
