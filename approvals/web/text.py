"""Log content made harmless and legible: everything a reviewer sees of a record goes through here. Pure.

Content is hostile: markup, escape sequences for terminals, characters that turn text around, that cannot be
seen, or that pile up. All of it is shown as what it is, and what is too long says how much is missing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from typing import NamedTuple

from markupsafe import Markup, escape

# What the sanitizer writes: [EMAIL_ADDRESS], [EMAIL_ADDRESS:KEY:DIGEST] or
# [EMAIL_ADDRESS:t:KEY:SEALED], and #2 where two keys became one.
_PLACEHOLDER = re.compile(
    r"\[([A-Z][A-Z0-9_]{1,63})"
    r"(?::(?:(?:[A-Za-z0-9_-]{1,64}:)?([0-9a-f]{2,64})|t:[A-Za-z0-9_-]{1,16}:([A-Za-z0-9_-]{23,}))…?)?"
    r"\](#[0-9]{1,6})?"
)
_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
# Letters and symbols by category, and yet blank: Hangul fillers, an empty Braille cell, variation selectors.
_UNSEEN = frozenset("\u115f\u1160\u2800\u3164\uffa0\u034f\u17b4\u17b5") | {
    chr(code) for code in (*range(0xFE00, 0xFE0F), *range(0xE0100, 0xE01F0))
}
_MARKS_IN_A_ROW = 3
# By name: the pictures that Unicode has for them are missing from most fonts.
_CONTROLS = (
    "NUL SOH STX ETX EOT ENQ ACK BEL BS TAB LF VT FF CR SO SI "
    "DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US"
).split()


def symbols(text: str) -> list[tuple[str, bool]]:
    """``text`` in pieces: as it is, or (True) as the name of a character that would not be seen as such."""
    pieces: list[tuple[str, bool]] = []
    start = marks = 0
    for index, char in enumerate(text):
        if " " <= char <= "~":
            marks = 0
            continue
        category = unicodedata.category(char)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        name = _name(char, category, marks)
        if name is None:
            continue
        if start < index:
            pieces.append((text[start:index], False))
        pieces.append((name, True))
        start = index + 1
    if start < len(text):
        pieces.append((text[start:], False))
    return pieces


def plain(text: str) -> str:
    """``text`` on one line with every unseen character named, for attributes, terminals and text files."""
    return "".join(f"⟨{piece}⟩" if named else piece for piece, named in symbols(text))


def visible(text: str) -> Markup:
    """``text`` as HTML that shows what it holds and does nothing."""
    out = []
    for piece, named in symbols(text):
        if not named:
            out.append(escape(piece))
        elif piece == "LF":
            out.append(Markup('<i class="c">↵</i>\n'))
        else:
            out.append(Markup('<i class="c">{}</i>').format(piece))
    return Markup("").join(out)


def chips(text: str, entities: Collection[str]) -> Markup:
    """``text`` as HTML, with the placeholders of what was redacted as chips.

    Only for ``entities`` that were redacted in this request: what else looks like a placeholder stays text.
    """
    out, start = [], 0
    for match in _PLACEHOLDER.finditer(text):
        entity, digest, sealed, number = match.groups()
        if entity not in entities:
            continue
        out.append(visible(text[start : match.start()]))
        label = entity.replace("_", " ")
        tail = Markup("<b>{}</b>").format((digest or sealed)[:6]) if digest or sealed else ""
        out.append(Markup('<span class="chip" title="redacted">{}{}</span>').format(label + (number or ""), tail))
        start = match.end()
    out.append(visible(text[start:]))
    return Markup("").join(out)


class Clipped(NamedTuple):
    """The beginning and the end of a text, and how many characters between them are not shown."""

    head: str
    tail: str
    hidden: int


def clip(text: str, limit: int) -> Clipped:
    """``text`` whole if it has at most ``limit`` characters, else its start, and a fifth from its end."""
    if len(text) <= limit:
        return Clipped(text, "", 0)
    head, tail = limit * 4 // 5, limit // 5
    return Clipped(text[:head], text[-tail:] if tail else "", len(text) - head - tail)


def clipped(text: str, limit: int, entities: Collection[str] = ()) -> tuple[Markup, int]:
    """``text`` as HTML of at most about ``limit`` bytes, and how many characters are not shown."""
    room = limit
    while True:
        head, tail, hidden = clip(text, room)
        markup = chips(head, entities)
        if hidden:
            gap = Markup('<b class="gap">{:,} characters not shown</b>').format(hidden)
            markup = Markup("{}{}{}").format(markup, gap, chips(tail, entities))
        if room <= 16 or len(markup.encode("utf-8", "replace")) <= limit + 64:
            return markup, hidden
        room //= 2


def short(text: str, limit: int) -> str:
    """``text`` on one line with unseen characters named, and an ellipsis where it was cut."""
    return plain(text if len(text) <= limit else text[: limit - 1] + "…")


def _name(char: str, category: str, marks: int) -> str | None:
    """What to show instead of ``char``; None if it may be shown itself."""
    code = ord(char)
    if code < 0x20:
        return _CONTROLS[code]
    if category in _UNSEEN_CATEGORIES or char in _UNSEEN or marks > _MARKS_IN_A_ROW:
        return f"U+{code:04X}"
    return None
