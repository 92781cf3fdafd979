"""Log content as text: harmless, legible, and never silently cut."""

from __future__ import annotations

import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.web.params import param_lines, param_table
from approvals.web.text import chips, clip, clipped, plain, short, visible
from approvals.web.words import digest, moment, span

UNSEEN = ["Cc", "Cf", "Cs", "Co", "Zl", "Zp"]


@given(st.text(st.characters()))
def test_nothing_unseen_gets_through(text):
    """Whatever the text, neither HTML nor plain form holds a character that hides or turns text around."""
    for shown in (str(visible(text)).replace("\n", ""), plain(text)):
        assert not [c for c in shown if unicodedata.category(c) in UNSEEN], repr(text)


@given(st.text(st.characters(codec="utf-8")))
def test_markup_never_gets_through(text):
    """Only our own elements are in the HTML; what is left without them is escaped."""
    bare = re.sub(r'<i class="c">[A-Z0-9+↵]+</i>\n?', "", str(visible(text)))
    assert not set('<>"') & set(bare)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", "a⟨U+202E⟩b"),
        ("\x1b[31m", "⟨ESC⟩[31m"),
        ("a\r\nb\tc", "a⟨CR⟩⟨LF⟩b⟨TAB⟩c"),
        ("\u3164", "⟨U+3164⟩"),
        ("no\u00a0break", "no⟨U+00A0⟩break"),
        ("\U000e0041", "⟨U+E0041⟩"),
        ("\x7f", "⟨U+007F⟩"),
        ("Zürich 東京 é e\u0301 👍", "Zürich 東京 é e\u0301 👍"),
        ("e" + "\u0301" * 5, "e" + "\u0301" * 3 + "⟨U+0301⟩" * 2),
    ],
)
def test_what_is_named(text, shown):
    """Controls by name, other unseen characters by number, and ordinary text of any script as it is."""
    assert plain(text) == shown


def test_placeholders_become_chips_where_something_was_redacted():
    """Only entities that this request redacted: anybody can write [PASSWORD] into a record."""
    text = "to [EMAIL_ADDRESS] and [EMAIL_ADDRESS:k1:9f2c44aa9f2c44aa9f2c44aa9f2c44aa]#2, [PASSWORD], [x]"
    text += " [EMAIL_ADDRESS:t:k1:_Dxmym2RKuAkD7sLxvpeT6T00BHK3fPuehqEqngBmRBorRTlbA]"
    found = str(chips(text, {"EMAIL_ADDRESS"}))
    assert found.count('class="chip"') == 3
    assert ">EMAIL ADDRESS<b>_Dxmym</b></span>" in found
    assert ">EMAIL ADDRESS</span>" in found
    assert ">EMAIL ADDRESS#2<b>9f2c44</b></span>" in found
    assert "[PASSWORD], [x]" in found


@given(st.text(max_size=300), st.integers(5, 100))
def test_a_cut_counts_what_it_hides(text, limit):
    """Head, tail and what is hidden are the whole text."""
    head, tail, hidden = clip(text, limit)
    assert len(head) + len(tail) + hidden == len(text)
    assert text.startswith(head)
    assert text.endswith(tail)
    assert len(head) + len(tail) <= max(limit, len(text) if not hidden else 0)


@given(st.text(st.characters(), max_size=2_000), st.integers(100, 600))
def test_a_cut_is_bounded_in_bytes(text, limit):
    """However the characters blow up in HTML, the result stays near its limit and says what is missing."""
    markup, hidden = clipped(text, limit)
    assert len(markup.encode("utf-8", "replace")) <= limit + 400
    assert ("characters not shown" in markup) is (hidden > 0)


def test_short_is_one_line():
    """An ellipsis stands for what was cut."""
    assert short("abcdef\n", 4) == "abc…"
    assert short("a\nb", 9) == "a⟨LF⟩b"


def rows(params, entities=()):
    return [(str(r.path), re.sub(r"<[^>]+>", "", str(r.value)), r.kind) for r in param_table(params, entities).rows]


def test_parameters_are_a_table():
    """Nested names are joined, lists of scalars stand in one row, numbers keep their digits."""
    params = '{"a": {"b": 1.10, "c": [true, null, "x"]}, "big": 12345678901234567890, "l": [{"k": "v"}], "e": {}}'
    assert rows(params) == [
        ("a.b", "1.10", "literal"),
        ("a.c", "true null x", "list"),
        ("big", "12345678901234567890", "literal"),
        ("l[0].k", "v", "text"),
        ("e", "no members", "empty"),
    ]


def test_duplicate_names_are_both_shown():
    """Which of the two a consumer takes is its own business; a reviewer sees both."""
    assert [r[:2] for r in rows('{"to": "me", "to": "you"}')] == [("to", "me"), ("to", "you")]


@pytest.mark.parametrize("params", ["not json", "{", '"text"', "", "[" * 5_000, '{"a":NaN}', "7" * 5_000])
def test_any_text_is_shown_somehow(params):
    """What is no JSON, or too deep for it, is shown as the text it is."""
    assert param_table(params, ()).rows


def test_a_deep_document_is_shown():
    """Nesting does not recurse."""
    deep = '{"a":' * 400 + "1" + "}" * 400
    ((path, value, _),) = rows(deep)
    assert value == "1"
    assert "characters not shown" in path


def test_what_does_not_fit_is_counted():
    """Rows and characters beyond the budget are counted, and uncut in the lines."""
    params = json.dumps({f"k{n}": "x" * 500 for n in range(200)} | {"big": "y" * 50_000})
    table = param_table(params, ())
    assert not table.complete
    assert table.hidden_rows + len(table.rows) == 201
    assert sum(len(r.value) for r in table.rows) < 30_000
    assert dict(param_lines(params))["big"] == "y" * 50_000
    assert param_table('{"a": 1}', ()).complete


def test_a_long_list_says_how_much_is_left_out():
    """Items beyond the row's room are counted."""
    table = param_table(json.dumps({"l": [f"item {n}" for n in range(1_000)]}), ())
    assert "more not shown" in table.rows[0].value
    assert not table.complete


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (-5, "0 s"),
        (59_999, "59 s"),
        (60_000, "1 min"),
        (3_600_000, "1 h"),
        (4_320_000, "1 h 12 min"),
        (86_400_000, "1 d"),
        (273_600_000, "3 d 4 h"),
    ],
)
def test_durations_read_as_people_say_them(ms, said):
    """Two units at most."""
    assert span(ms) == said


def test_times_beyond_the_calendar_do_not_fail():
    """A hostile time is shown as the number that it is."""
    assert moment(0).text == "1 Jan 1970, 00:00 UTC"
    assert moment(2**62).text == f"{2**62} ms"


def test_digests_are_short_and_in_groups():
    """Long enough to compare by eye, with or without a prefix."""
    assert digest("sha256:abcdef0123456789") == "abcd ef01 2345"
    assert digest("") == ""
