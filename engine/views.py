r"""Every text that a record holds, at any depth, and the way back from each into the record's bytes.

A record is read into a tree of views. The root is the record itself; below it stands each scalar and key of
the JSON that it is or holds, decoded; below a string that holds JSON again, its scalars; below a text with
``\uXXXX`` or ``%XX`` escapes, the text that they spell. What is redacted in a view is *lifted* to its parent,
where it is a change of a few bytes at the right place, escaped as that place asks, until it is a change of the
record. Lifting is what keeps everything else byte for byte as it was.

An encoding that spells a text as a whole (base64, see `engine.layers`) is written anew when that text changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from detectors.errors import BudgetExceeded
from detectors.regex import byte_regex, teller
from engine.escapes import Unescaped, escape, quote, unescape, unquote
from engine.jsontext import Document, Scalar, Step, read, read_all
from engine.layers import DEAR, LITERAL_APART, announces, announces_pure, characters, layers, short
from engine.layers.base64text import LEAST
from engine.layers.characters import (
    breaks_softly,
    folded,
    is_one,
    plain_key,
    to_html,
    to_quoted_printable,
    to_quoted_row,
    unquoted_printable,
)
from engine.layers.model import Purse

_SPELLED = re.compile(rb"\\u[0-9a-fA-F]{4}")
_PERCENT = re.compile(rb"%[0-9a-fA-F]{2}")
_SPELLS = tuple(
    teller(byte_regex(pattern.decode())) for pattern in (rb"\\u[0-9a-fA-F]{4}|%[0-9a-fA-F]{2}|" + DEAR, *LITERAL_APART)
)  # whatever `spelled` reads; apart, as in `engine.candidates`
_spells_shortly = teller(byte_regex(short.LITERAL.decode()))
_SIGNS = b"&\\%='\""
_announces = announces or announces_pure
BRACE = re.compile(rb'\A"(?=[^"\\]*(?:\\.[^"\\]*)+"\s*\Z)|[{\[]', re.DOTALL)
"""Where a document may begin in a text: a brace, or a string that the text is as a whole and that escapes something."""
_LONGEST_KEY = 128
_KEY_ENDS = re.compile(rb"""[^\s="',;&?]=(?=[^\s,;&])""")  # and a value begins
_NO_KEY = bytes.maketrans(b"""\t\n\r\v\f="',;&?""", b" " * 12)
"""Makes of all that is no part of a key a space."""
_VALUE = re.compile(rb"""(?:"((?:[^"\\]|\\.)*)"|'([^\s']*)'|([^\s"',;&]*))(?=[\s,;&]|$)""")
TRIES = 8
"""How many braces of a text are tried as the start of a JSON document."""


class Limits(NamedTuple):
    """What reading one record may take."""

    depth: int = 200  # of containers in one document
    layers: int = 8  # of texts within texts
    candidates: int = 20_000  # of scalars to look at more closely
    decoded: int = 32 * 1024 * 1024  # bytes that base64, gzip and the like unpack to


class Edit(NamedTuple):
    """A change of a text: the bytes ``start`` to ``end`` become ``text``.

    ``anew`` says that they held a layer, which is written anew with what was redacted in it.
    """

    start: int
    end: int
    text: bytes
    anew: bool = False


class View:
    """A decoded text of a record, what it is called, and how a change of it is written into its parent.

    ``step`` is its path below the root; ``readable`` is its text without the parts that have views of their
    own. ``kind`` is "root", "string", "number", "key", "text", "quoted" (percent-encoded), "folded"
    (look-alikes), "html" (character references), "printable", "quoted row" (quoted-printable), "spread" (over
    an array) or that of a layer.
    """

    __slots__ = (
        "edits",
        "encode",
        "kind",
        "length",
        "member",
        "parent",
        "parts",
        "readable",
        "source",
        "start",
        "step",
        "text",
    )

    def __init__(
        self,
        kind: str,
        text: bytes,
        step: Step | None,
        parent: View | None = None,
        start: int = 0,
        length: int = 0,
        source: Unescaped | None = None,
        encode: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self.kind = kind
        self.text = text
        self.readable = text
        self.step = step
        self.parent = parent
        self.start = start  # where its raw form begins in the parent's text
        self.length = length  # of its raw form
        self.source = source  # None where text and raw form are the same
        self.encode = encode  # of a layer: how all of its text is written
        self.parts: Sequence[View] = ()  # of characters that stand in an array: the views of each
        self.member: tuple[int, int] | None = None  # the member or element that it is the value of
        self.edits: list[Edit] = []

    def __repr__(self) -> str:  # never the text
        return f"View({self.kind}, {len(self.text)} bytes)"

    @property
    def key(self) -> bytes:
        """The object key that it stands under, array indexes aside; empty for keys and at the root."""
        return b"" if self.kind == "key" else key_of(self.step)

    def lift(self) -> list[Edit]:
        """The edits of this view's text, as edits of its parent's text."""
        if self.kind == "number":  # a number with something redacted in it becomes a string
            whole = b'"' + escape(apply(self.text, self.edits)) + b'"'
            return [Edit(self.start, self.start + self.length, whole)]
        if self.parts:
            return [edit for one in merged(self.edits) for edit in self._over_parts(one)]
        if self.encode is not None:
            return [Edit(self.start, self.start + self.length, self.encode(apply(self.text, self.edits)), anew=True)]
        encode = _ENCODE[self.kind]
        out = []
        for start, end, text, anew in self.edits:
            if self.source is not None:
                start, end = self.source.place(start, end=False), self.source.place(end, end=True)
            out.append(Edit(self.start + start, self.start + end, encode(text), anew))
        return out

    def _over_parts(self, edit: Edit) -> Iterable[Edit]:
        """The first of the parts gets the text, the others become empty."""
        text, last = escape(edit.text), None
        for part in self.parts[edit.start : edit.end]:
            if part is not last:
                yield Edit(part.start, part.start + part.length, text)
            text, last = b"", part


def key_of(step: Step | None) -> bytes:
    """The object key that stands at ``step`` or nearest above it; empty if there is none."""
    while step is not None and isinstance(step.name, int):
        step = step.parent
    return plain_key(step.name) if step is not None and isinstance(step.name, bytes) else b""


_ENCODE: dict[str, Callable[[bytes], bytes]] = {
    "string": escape,
    "key": escape,
    "text": bytes,
    "quoted": quote,
    "folded": bytes,
    "html": to_html,
    "printable": to_quoted_printable,
    "quoted row": to_quoted_row,
}
"""How a text is written into the parent, by the kind of view."""


def apply(text: bytes, edits: Iterable[Edit]) -> bytes:
    """``text`` with these edits made. Where edits overlap, they become one, see `merged`."""
    parts, at = [], 0
    for start, end, new, _ in merged(edits):
        parts += [text[at:start], new]
        at = end
    parts.append(text[at:])
    return b"".join(parts)


def merged(edits: Iterable[Edit]) -> list[Edit]:
    """Edits in order, overlapping ones joined under the text of the widest.

    One that writes a layer anew knows nothing of what the others redact there, so it gives way to them; two
    such ones to asterisks.
    """
    out: list[Edit] = []
    widest = 0
    for edit in sorted(edits, key=lambda e: (e.start, -e.end)):
        if out and edit.start < out[-1].end:
            last = out[-1]
            width = edit.end - edit.start
            end = max(last.end, edit.end)
            if edit.anew and last.anew:
                out[-1] = last if edit == last else Edit(last.start, end, _BOTH, anew=True)
            elif edit.anew or last.anew:
                out[-1] = Edit(last.start, end, last.text if edit.anew else edit.text)
                widest = widest if edit.anew else width
            else:
                out[-1] = Edit(last.start, end, edit.text if width > widest else last.text)
                widest = max(widest, width)
        else:
            out.append(edit)
            widest = edit.end - edit.start
    return out


_BOTH = b"****"


def write(views: Sequence[View]) -> bytes:
    """The record with the edits of all its views made: the root is the first of them, parents come before children."""
    for view in reversed(views):
        if view.edits and view.parent is not None:
            view.parent.edits += view.lift()
    root = views[0]
    return apply(root.text, root.edits)


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


def spelled(view: View, purse: Purse, tells_nothing: Callable[[View], bool] | None = None) -> list[View]:
    """The views below a text that its escapes and its layers spell. Raises BudgetExceeded.

    Layers that spell the same, of which ``tells_nothing`` says that nothing can be found in it, are one view.
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
    told: dict[bytes, bool] = {}
    for kind, start, end, below, encode in layers(text, purse):
        nothing = told.get(below)
        if not nothing:
            views.append(View(kind, below, view.step, view, start, end - start, encode=encode))
            if nothing is None and tells_nothing is not None:
                told[below] = tells_nothing(views[-1])
    return views


def may_spell(text: bytes) -> bool:
    """Whether escapes or layers stand in a text. First a glance at the characters that their patterns need."""
    return (
        len(text.translate(None, _SIGNS)) != len(text)
        or not text.isascii()
        or LEAST.search(text) is not None
        or _announces(text)
        or _spells_shortly(text)
    ) and any(tells(text) for tells in _SPELLS)


def _spelling(kind: str, source: Unescaped, view: View, purse: Purse) -> list[View]:
    """The view of what a text spells. Kinds within each other give the same text in any order: it is read once."""
    anchor = view
    while anchor.parent is not None and anchor.source is not None and anchor.kind in _SPELLINGS:
        anchor = anchor.parent
    if anchor is not view:
        if (id(anchor), source.text) in purse.known:
            return []
        purse.take(len(source.text))
    purse.known.add((id(anchor), source.text))
    return [View(kind, source.text, view.step, view, 0, len(view.readable), source)]


_SPELLINGS = frozenset(_ENCODE) - {"string", "key"}


def is_read_above(view: View) -> bool:
    """Whether the parent reads this very text too, as it does the values of pairs."""
    parent = view.parent
    if parent is None or view.source is not None or view.encode is not None:
        return False
    return parent.readable[view.start : view.start + view.length] == view.text


def _documents(text: bytes, depth: int) -> list[Document]:
    """The JSON documents in a text that hold a string; at most `TRIES` places are tried."""
    out: list[Document] = []
    at = 0
    for _ in range(TRIES):
        brace = BRACE.search(text, at)
        if brace is None:
            break
        document = read(text, brace.start(), depth)
        if document is not None and any(s.kind != "number" for s in document.scalars):
            if not breaks_softly(text, brace.start(), document.end):
                out.append(document)
            at = document.end
        else:
            at = brace.end()
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
        source = unescape(raw) if b"\\" in raw and kind != "number" else None
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
    """The texts that single characters in a row of an array spell."""
    out, row = [], list[View]()
    for view in views:
        if row and not _follows(row[-1], view):
            out += _spread(row)
            row = []
        if view.kind == "string" and is_one(view.text) and view.step is not None:
            row.append(view)
    return out + _spread(row)


def _follows(one: View, other: View) -> bool:
    """Whether ``other`` is the next element of an array, and one character as well."""
    before, name = one.step.name if one.step else b"", other.step.name if other.step else b""
    if one.parent is not other.parent or one.parent is None or not is_one(other.text) or other.kind != "string":
        return False
    if not isinstance(before, int) or name != before + 1:
        return False
    return one.parent.text[one.start + one.length : other.start] in (b'","', b'", "')


def _spread(row: Sequence[View]) -> list[View]:
    if len(row) < characters.ROW or row[0].step is None:
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
