r"""Reading a record into views, see `engine.views`: scalars of JSON at any depth of texts within texts, what escapes
and layers spell, pairs, and values that are spread over an array.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Container, Sequence

from detectors.errors import BudgetExceeded
from detectors.regex import byte_regex, teller
from engine.escapes import BACKSLASH, Unescaped, unescape, unquote
from engine.jsontext import Document, Scalar, Step, read, read_all
from engine.layers import BEYOND, LITERAL, announces, announces_pure, characters, layers, may_have_rows, short
from engine.layers.base64text import LEAST
from engine.layers.characters import (
    breaks_softly,
    folded,
    is_one,
    unquoted_printable,
)
from engine.layers.model import Purse
from engine.views import SPELLINGS, Limits, View, key_of

_SPELLED = re.compile(rb"\\u[0-9a-fA-F]{4}")
_PERCENT = re.compile(rb"%[0-9a-fA-F]{2}")
_SPELLS = tuple(teller(byte_regex(pattern.decode())) for pattern in (rb"\\u[0-9a-fA-F]{4}|%[0-9a-fA-F]{2}", LITERAL))
_SPELLS_BEYOND = tuple(teller(byte_regex(pattern.decode())) for pattern in BEYOND)
"""With these and `DEAR`, whatever `spelled` reads; apart, as in `engine.hidden`."""
_spells_shortly = teller(byte_regex(short.LITERAL.decode()))
_SIGNS = b"&\\%='\"\x1b"
tells_dear = announces or announces_pure
"""Whether `DEAR` matches somewhere."""
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)+"\s*\Z', re.DOTALL)
"""A text that is a string as a whole and escapes something."""
_SUBSCRIBED = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_)]")
_LONGEST_KEY = 128
_KEY_ENDS = re.compile(rb"""[^\s="',;&?]=(?=[^\s,;&])""")  # and a value begins
_NO_KEY = bytes.maketrans(b"""\t\n\r\v\f="',;&?""", b" " * 12)
"""Makes of all that is no part of a key a space."""
_VALUE = re.compile(rb"""(?:"((?:[^"\\]|\\.)*)"|'([^\s']*)'|([^\s"',;&]*))(?=[\s,;&]|$)""")
TRIES = 8
"""How many braces of a text are tried as the start of a JSON document."""


def read_record(data: bytes, form: str, limits: Limits, base: Step | None = None) -> list[View]:
    """All views of a record, itself first. ``form`` is json, text, logfmt or auto (whichever it is).

    ``base`` is the path that the record itself stands at: a header's, say.

    A record that is not JSON as a whole is read as text, with the JSON documents in it. Raises BudgetExceeded.
    """
    root = View("root", data, base)
    views, purse = [root], Purse(limits.decoded)
    document = read_all(data, limits.depth) if form in ("json", "auto") and may_be_json(data) else None
    if document is not None:
        _scalars(root, [document], views)
        root.readable = b""
    else:
        _expand(root, views, limits, purse)
        if form != "text":
            views += pairs(root)
    layer, begin = 1, 1
    while begin < len(views):  # one layer after the other
        end = len(views)
        for view in views[begin:end]:
            if view.kind != "number":
                _expand(view, views, limits, purse)
        begin, layer = end, layer + 1
        if layer > limits.layers and begin < len(views):
            raise BudgetExceeded("layers", limits.layers)
    return views


def may_be_json(data: bytes) -> bool:
    """Whether a record begins as a JSON document does."""
    return data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[", b'"') or data[:1].isdigit() or data[:1] == b"-"


def _expand(view: View, views: list[View], limits: Limits, purse: Purse) -> None:
    """Adds the views below a text: the documents in it, and what its escapes and layers spell."""
    text = view.readable
    if len(text) < 2:
        return
    if b"{" in text or b"[" in text:
        documents = _documents(text, limits.depth)
        if documents:
            _scalars(view, documents, views)
            view.readable = text = _blank(text, documents)
    if may_spell(text):
        views += spelled(view, purse)


def spelled(
    view: View, purse: Purse, nothing_in: Callable[[Collection[bytes], bytes], Container[bytes]] | None = None
) -> list[View]:
    """The views below a text that its escapes and its layers spell. Raises BudgetExceeded.

    Layers that spell the same are one view if it is one of those texts of which ``nothing_in`` says, given their key,
    that nothing can be found in them.
    """
    text, views = view.readable, list[View]()
    if b"\\u" in text and _SPELLED.search(text):
        views += _spelling("text", unescape(text), view, purse)
    if b"%" in text and _PERCENT.search(text):
        views += _spelling("quoted", unquote(text), view, purse)
    if (one := folded(text)) is not None:
        views += _spelling(*one, view, purse)
    if b"=" in text and (one := unquoted_printable(text)) is not None:
        views += _spelling(*one, view, purse)
    if is_read_above(view):  # a layer is written anew once
        return views
    below = list(layers(text, purse))
    if not below:
        return views
    nothing: Container[bytes] = ()
    if nothing_in is not None:
        nothing = nothing_in({layer.text for layer in below}, key_of(view.step))
    told: set[bytes] = set()
    for kind, start, end, spells, encode in below:
        if spells in nothing:
            if spells in told:
                continue
            told.add(spells)
        views.append(View(kind, spells, view.step, view, start, end - start, encode=encode))
    return views


def may_spell(text: bytes) -> bool:
    """Whether escapes or layers stand in a text. First a glance at the characters that their patterns need."""
    if tells_dear(text):
        return True
    signs = len(text.translate(None, _SIGNS)) != len(text) or not text.isascii() or LEAST.search(text) is not None
    if signs and any(tells(text) for tells in _SPELLS):
        return True
    if not may_have_rows(text):
        return False
    return _spells_shortly(text) or (signs and any(tells(text) for tells in _SPELLS_BEYOND))


def _spelling(kind: str, source: Unescaped, view: View, purse: Purse) -> list[View]:
    """The view of what a text spells. Kinds within each other give the same text in any order: it is read once."""
    anchor = view
    while anchor.parent is not None and anchor.source is not None and anchor.kind in SPELLINGS:
        anchor = anchor.parent
    if anchor is not view:
        if (id(anchor), source.text) in purse.known:
            return []
        purse.take(len(source.text))
    purse.known.add((id(anchor), source.text))
    return [View(kind, source.text, view.step, view, 0, len(view.readable), source)]


def is_read_above(view: View) -> bool:
    """Whether the parent reads this very text too, as it does the values of pairs."""
    parent = view.parent
    if parent is None or view.source is not None or view.encode is not None:
        return False
    return parent.readable[view.start : view.start + view.length] == view.text


def beginning(text: bytes, at: int) -> int:
    """Where from ``at`` on a document may begin: a brace or bracket, or a string that the text is; -1 for nowhere.

    A bracket right behind a name is a subscript in code (``config["password"] = "tulip7"``), and no list.
    """
    if at == 0 and text[:1] == b'"' and _STRING.match(text):
        return 0
    brace, bracket = text.find(b"{", at), text.find(b"[", at)
    while bracket > 0 and (brace < 0 or bracket < brace) and text[bracket - 1] in _SUBSCRIBED:
        bracket = text.find(b"[", bracket + 1)
    return min(brace, bracket) if brace >= 0 and bracket >= 0 else max(brace, bracket)


def _documents(text: bytes, depth: int) -> list[Document]:
    """The JSON documents in a text that hold a string; at most `TRIES` places are tried."""
    out: list[Document] = []
    at = 0
    for _ in range(TRIES):
        start = beginning(text, at)
        if start < 0:
            break
        document = read(text, start, depth)
        if document is not None and any(s.kind != "number" for s in document.scalars):
            if not breaks_softly(text, start, document.end):
                out.append(document)
            at = document.end
        else:
            at = start + 1
    return out


def _blank(text: bytes, documents: Sequence[Document]) -> bytes:
    out = bytearray(text)
    for document in documents:
        out[document.start : document.end] = b" " * (document.end - document.start)
    return bytes(out)


def _scalars(parent: View, documents: Sequence[Document], views: list[View]) -> None:
    for document in documents:
        _below(parent, document.scalars, views)


def _below(parent: View, scalars: list[Scalar], views: list[View]) -> None:
    text, base = parent.text, parent.step
    key_start, key_step = -1, None
    begin = len(views)
    for kind, start, end, step in scalars:
        raw = text[start:end]
        source = unescape(raw) if BACKSLASH in raw and kind != "number" else None
        below = step if base is None else _join(base, step)
        view = View(kind, source.text if source else raw, below, parent, start, end - start, source)
        views.append(view)
        if kind == "key":
            key_start, key_step = start - 1, step
            continue
        quote = 1 if kind == "string" else 0
        if step is not None and step is key_step:
            view.member = key_start, end + quote
        elif step is not None and isinstance(step.name, int):
            view.member = start - quote, end + quote
    views += spread(views[begin:])


def spread(views: Sequence[View]) -> list[View]:
    """The texts that single characters in a row of an array spell, and private keys whose lines are its elements."""
    out, row, lines = [], list[View](), list[View]()
    for view in views:
        if row and not (is_one(view.text) and _follows(row[-1], view)):
            out += _spread(row, characters.ROW)
            row = []
        if view.kind == "string" and is_one(view.text) and view.step is not None:
            row.append(view)
        if lines and not _follows(lines[-1], view):
            out += _spread(lines, 2)
            lines = []
        if lines or characters.FIRST_LINE.match(view.text) is not None:
            lines.append(view)
            if view.text.startswith(b"-----END"):
                out += _spread(lines, 2)
                lines = []
    return out + _spread(row, characters.ROW) + _spread(lines, 2)


def _follows(one: View, other: View) -> bool:
    """Whether ``other`` is the next element of an array, a string as well."""
    before, name = one.step.name if one.step else b"", other.step.name if other.step else b""
    if one.parent is not other.parent or one.parent is None or other.kind != "string":
        return False
    if not isinstance(before, int) or name != before + 1:
        return False
    return one.parent.text[one.start + one.length : other.start] in (b'","', b'", "')


def _spread(row: Sequence[View], least: int) -> list[View]:
    if len(row) < least or row[0].step is None:
        return []
    view = View("spread", b"".join(one.text for one in row), row[0].step.parent, row[0].parent)
    view.parts = [one for one in row for _ in one.text]  # by byte
    view.member = row[0].start - 1, row[-1].start + row[-1].length + 1
    return [view]


def _join(base: Step, step: Step | None) -> Step:
    """``step`` as a path below ``base``."""
    out = base
    for name in step.names() if step is not None else ():
        out = Step(out, name)
    return out


def pairs(root: View) -> list[View]:
    """The values of ``key=value`` pairs as views, so that rules on keys see them. The text stays readable."""
    if b"=" not in root.readable:
        return []
    text, views, at = root.readable, list[View](), 0
    spaced = text.translate(_NO_KEY)
    ending = _KEY_ENDS.search(text)
    while ending is not None:
        equals = ending.end() - 1
        value = _VALUE.match(text, equals + 1)
        ending = _KEY_ENDS.search(text, equals + 1 if value is None else value.end())
        if value is None:
            continue
        begin = max(at, equals - _LONGEST_KEY)
        key = text[spaced.rfind(b" ", begin, equals) + 1 or begin : equals]
        at = value.end()
        quoted = value.group(1) is not None
        low, high = value.span(value.lastindex or 0)
        if low == high:
            continue
        raw = root.text[low:high]
        source = unescape(raw) if quoted and b"\\" in raw else None
        step = Step(root.step, key)
        kind = "string" if quoted else "text"
        views.append(View(kind, source.text if source else raw, step, root, low, high - low, source))
    return views
