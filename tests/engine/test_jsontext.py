"""JSON with places: what is read agrees with a parser, and what is written stays valid."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import documents, spellings

from detectors.errors import BudgetExceeded
from engine.escapes import escape, unescape
from engine.jsontext import Step, read, read_all, without


def leaves(value: object, path: tuple[object, ...] = ()) -> list[tuple[tuple[object, ...], object]]:
    """The scalars of a parsed document with their paths, in order."""
    if isinstance(value, dict):
        return [
            leaf for key, item in value.items() for leaf in leaves(item, (*path, key.encode("utf-8", "surrogatepass")))
        ]
    if isinstance(value, list):
        return [leaf for index, item in enumerate(value) for leaf in leaves(item, (*path, index))]
    return [(path, value)]


def found(data: bytes) -> list[tuple[tuple[object, ...], object]]:
    """The same, from the places that the reader gives."""
    document = read_all(data, 100)
    assert document is not None
    out = []
    for kind, start, end, step in document.scalars:
        if kind == "key":
            continue
        raw = data[start:end]
        value = unescape(raw).text.decode("utf-8", "surrogatepass") if kind == "string" else json.loads(raw)
        out.append((step.names() if step else (), value))
    return out


@given(spellings())
def test_every_scalar_is_found_at_its_path(data: bytes) -> None:
    """What the reader places is what a parser reads, whatever the spelling."""
    assert found(data) == leaves(json.loads(data))


@given(st.binary(max_size=60) | st.text('{}[]",:\\u0041 1e-.tfn', max_size=40).map(str.encode))
def test_what_is_read_as_json_is_json_and_the_rest_is_not(data: bytes) -> None:
    """Up to the leniencies that are documented: control characters, odd escapes, invalid UTF-8 in strings."""
    try:
        json.loads(data)
        valid = True
    except (ValueError, RecursionError):
        valid = False
    document = read_all(data, 100)
    if valid and not data.startswith((b"\xff\xfe", b"\xfe\xff")) and b"\0" not in data[:4]:
        assert document is not None
    if document is not None and not valid:
        assert b'"' in data  # only what stands in a string may be lenient


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"}",
        b"[1,]",
        b"{,}",
        b'{"a"}',
        b'{"a":}',
        b'{"a":1,}',
        b"[1 2]",
        b"[01]",
        b"1 2",
        b"[}",
        b"{]",
        b'"a',
        b"nul",
        b"[1,,2]",
        b"{1:2}",
        b'{"a":1 "b":2}',
        b'["a":1]',
        b"-",
        b"+1",
        b".5",
        b"1.",
    ],
)
def test_broken_json_is_not_read(data: bytes) -> None:
    """It is text then, or quarantined: the policy says."""
    assert read_all(data, 100) is None


@pytest.mark.parametrize(
    "data", [b"NaN", b"[Infinity, -Infinity]", b'{"a":"\x01"}', b'"\\ud800"', b'"\\x"', b"\xef\xbb\xbf{}"]
)
def test_what_lax_producers_write_is_read(data: bytes) -> None:
    """Their records would otherwise be read less well."""
    assert read_all(data, 100) is not None


def test_nesting_is_bounded_without_recursion() -> None:
    """A record nested 10,000 deep is over budget, not a crash."""
    with pytest.raises(BudgetExceeded, match="depth budget of 200"):
        read_all(b"[" * 10_000 + b"]" * 10_000, 200)
    assert read_all(b"[" * 200 + b"]" * 200, 200) is not None


def test_both_values_of_a_duplicate_key_are_read() -> None:
    """Which of them counts depends on who reads the record later."""
    assert found(b'{"a":1,"a":"x"}') == [((b"a",), 1), ((b"a",), "x")]


def test_a_document_within_a_text_ends_where_it_ends() -> None:
    """What comes after it is text again."""
    document = read(b'call {"a":[1,{"b":2}]} done {', 5, 100)
    assert document is not None
    assert (document.start, document.end) == (5, 22)


@given(st.text())
def test_escapes_are_undone(text: str) -> None:
    """And written again to the same text."""
    for ascii_only in (True, False):
        raw = json.dumps(text, ensure_ascii=ascii_only)[1:-1].encode("utf-8", "surrogatepass")
        assert unescape(raw).text == text.encode("utf-8", "surrogatepass")
    assert json.loads(b'"' + escape(text.encode("utf-8", "surrogatepass")) + b'"') == text


@given(st.text(max_size=20), st.data())
def test_each_place_in_the_text_has_one_in_the_raw_form(text: str, data: st.DataObject) -> None:
    """A span of the text is written in the raw span that its places give, escapes whole."""
    raw = json.dumps(text)[1:-1].encode()
    source = unescape(raw)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    low, high = len(text[:start].encode("utf-8", "surrogatepass")), len(text[:end].encode("utf-8", "surrogatepass"))
    piece = raw[source.place(low, end=False) : source.place(high, end=True)]
    assert unescape(piece).text == text[start:end].encode("utf-8", "surrogatepass")


@given(
    st.dictionaries(st.text(max_size=3), documents, max_size=6) | st.lists(documents, max_size=6),
    st.data(),
    st.sampled_from([None, 1]),
)
def test_what_is_left_without_some_members_is_valid(value: object, data: st.DataObject, indent: int | None) -> None:
    """Whichever members or elements go, one comma goes with each."""
    raw = json.dumps(value, indent=indent).encode()
    document = read_all(raw, 100)
    assert document is not None
    spans, keys = [], []
    key_start = 0
    for kind, start, end, step in document.scalars:
        if kind == "key":
            key_start = start - 1
        elif isinstance(step, Step) and step.parent is None:
            quote = kind == "string"
            spans.append((key_start if isinstance(step.name, bytes) else start - quote, end + quote))
            keys.append(step.name)
    gone = data.draw(st.sets(st.integers(0, len(spans) - 1))) if spans else set()
    left = raw
    for start, end in reversed(without(raw, [spans[i] for i in gone])):
        left = left[:start] + left[end:]
    names = {keys[i].decode() if isinstance(keys[i], bytes) else keys[i] for i in gone}
    if isinstance(value, dict):
        assert json.loads(left) == {k: v for k, v in value.items() if k not in names}
    else:
        assert json.loads(left) == [v for i, v in enumerate(value) if i not in names]
