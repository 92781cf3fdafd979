"""What is read of a text quickly is what the plain patterns say."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from engine.escapes import PERCENT_ENCODING, unescape
from engine.layers import lookalikes
from engine.layers.characters import FOLDING, QUOTED_PRINTABLE
from engine.reading import beginning, pairs
from engine.views import View

PAIR = re.compile(rb"""([^\s="',;&?]{1,128})=(?:"((?:[^"\\]|\\.)*)"|'([^\s']*)'|([^\s"',;&]*))(?=[\s,;&]|$)""")
PIECES = b"a B = \" ' \\ , ; & ? % =41 %41 &#65; &#x430; &amp; \\x41 '' \"\" \n \r\n =\n . 9 \xd0\xb0 \xc2\xad \xe2\x80\x8b \xff \xd0"
TEXTS = st.lists(st.sampled_from([*PIECES.split(b" "), b" ", b"\x0b", b"k" * 130]), max_size=24).map(b"".join)


@given(TEXTS)
@example(b"k" * 200 + b"=v " + b"a=b=c")
@example(b'a=\'x\'y=1 b="c\\"d" e=')
def test_pairs_are_those_of_the_pattern(text: bytes) -> None:
    """Every pair with a value that one pattern finds, with the same key and value, in the same order."""
    found = []
    for match in PAIR.finditer(text):
        low, high = match.span(match.lastindex or 0)
        raw = text[low:high]
        value = unescape(raw).text if match[2] is not None else raw
        if raw:
            found.append((match[1], value, low, high - low))
    views = pairs(View("root", text, None))
    assert [(view.step.name if view.step else None, view.text, view.start, view.length) for view in views] == found


@given(TEXTS)
@example(b"a" * 61 + b"=\nb=41")
@example(b"\\xd0\\xb0 \xd0\xb0''b")
def test_texts_are_decoded_as_escape_by_escape(text: bytes) -> None:
    """Percent-encoding, quoted-printable, references and look-alikes, valid or not: all at once or one by one."""
    for spelling in (PERCENT_ENCODING, QUOTED_PRINTABLE, FOLDING):
        assert spelling.text(text) == spelling.pattern.sub(spelling.decode, text)


@given(TEXTS)
@example("“a” а\xa0ｂ".encode() + b"\xd0")
def test_look_alikes_are_named_character_by_character(text: bytes) -> None:
    """What stands for ASCII becomes it, in valid UTF-8 and in what is none, but never a quote or a backslash."""

    def meant(match: re.Match[bytes]) -> bytes:
        one = lookalikes.PLAIN.get(match[0], match[0])
        return match[0] if one in (b'"', b"\\") else one

    assert lookalikes.plain(text) == re.sub(rb"[\xc2-\xf4][\x80-\xbf]{1,3}", meant, text)


def test_a_subscript_in_code_is_no_document() -> None:
    """A bracket right behind a name, a call or another subscript begins no list; any other may, and so does a brace."""
    code = b'settings["db"]["password"] = x(1)["a"]'
    assert beginning(code, 0) == -1
    assert beginning(code + b' or ["b"]', 0) == len(code) + 4
    assert beginning(b'a["b"] {"c": "d"}', 0) == 7
    assert beginning(b'["a"]', 0) == 0
