"""Escapes are undone, and each offset in the decoded text is found again where it was written."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st
from implementations import Loops, each_implementation
from strategies import escaped

from engine.escapes import unescape, unquote


@each_implementation
@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (rb"a\nb\r\t\b\f", b"a\nb\r\t\b\f"),
        (rb"\"\\\/\'", b"\"\\/'"),
        (rb"\x\q", b"xq"),
        (rb"\u0041\u00e9\u20AC", "Aé€".encode()),
        (rb"\ud83d\ude00", "😀".encode()),
        (rb"\ud83d", b"\xed\xa0\xbd"),
        (rb"\ude00\ud83d", b"\xed\xb8\x80\xed\xa0\xbd"),
        (rb"\ud83d\u0041", b"\xed\xa0\xbdA"),
        (rb"\ud83d\ud83d\ude00", b"\xed\xa0\xbd" + "😀".encode()),
        (rb"\ud83d\ude0", b"\xed\xa0\xbdude0"),
        (rb"\u12", b"u12"),
        (rb"\u", b"u"),
        (rb"\uGGGG", b"uGGGG"),
        (b"\\", b"\\"),
        (b"x\\\\\\", b"x\\\\"),
        (b"\\\xff\\\n", b"\xff\n"),
        (b"", b""),
    ],
)
def test_each_escape_is_decoded(loops: Loops, raw: bytes, text: bytes) -> None:
    """Lone surrogates to their three bytes; what is no escape of JSON to the character itself."""
    assert loops.unescape(raw).text == text


@each_implementation
@given(raw=escaped)
def test_an_offset_is_placed_before_or_after_its_escape(loops: Loops, raw: bytes) -> None:
    """The raw bytes before and after a place decode to the text before and after it, whole escapes at a time."""
    source = loops.unescape(raw)
    places = [(source.place(i, end=False), source.place(i, end=True)) for i in range(len(source.text) + 1)]
    fresh = loops.unescape(raw)
    assert [fresh.place(i, end=True) for i in reversed(range(len(source.text) + 1))] == [b for _, b in reversed(places)]
    for offset, (low, high) in enumerate(places):
        before, after = loops.unescape(raw[:low]).text, loops.unescape(raw[high:]).text
        if low == high:
            assert (before, after) == (source.text[:offset], source.text[offset:])
        else:  # in the midst of an escape's text
            assert source.text.startswith(before)
            assert source.text.endswith(after)
            assert loops.unescape(raw[low:high]).text == source.text[len(before) : len(source.text) - len(after)]
            assert len(before) < offset < len(source.text) - len(after)
            assert len(loops.unescape(raw[low:high]).text) <= 4


@given(st.text("%0aF2é ", max_size=30).map(str.encode) | st.binary(max_size=9).map(lambda data: data.hex("%").encode()))
def test_percent_encoding_is_undone(raw: bytes) -> None:
    """As the standard library does it, with each place known."""
    source = unquote(raw)
    assert source.text == unquote_to_bytes(raw)
    for offset in range(len(source.text) + 1):
        place = source.place(offset, end=True)
        assert source.place(offset, end=False) == place
        assert unquote(raw[:place]).text == source.text[:offset]


def test_a_text_is_not_shown() -> None:
    """It may hold what nobody may read."""
    assert "secret" not in repr(unescape(b"secret\\n"))
