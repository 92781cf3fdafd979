r"""Every text that a record holds, at any depth, and the way back from each into the record's bytes.

A record is read into a tree of views. The root is the record itself; below it stands each scalar and key of
the JSON that it is or holds, decoded; below a string that holds JSON again, its scalars; below a text with
``\uXXXX`` or ``%XX`` escapes, the text that they spell. What is redacted in a view is *lifted* to its parent,
where it is a change of a few bytes at the right place, escaped as that place asks, until it is a change of the
record. Lifting is what keeps everything else byte for byte as it was.

Further encodings (base64, …) are further kinds of views: a text, and how changes to it are lifted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from detectors.errors import BudgetExceeded
from engine.escapes import Unescaped, escape, quote, unescape, unquote
from engine.jsontext import Document, Place, Scalar, Step, locate, locate_all, read, read_all

_SPELLED = re.compile(rb"\\u[0-9a-fA-F]{4}")
_PERCENT = re.compile(rb"%[0-9a-fA-F]{2}")
_BRACE = re.compile(rb"[{\[]")
_PAIR = re.compile(rb"""([^\s="',;&?]{1,128})=(?:"((?:[^"\\]|\\.)*)"|'([^\s']*)'|([^\s"',;&]*))(?=[\s,;&]|$)""")
_TRIES = 8
"""How many braces of a text are tried as the start of a JSON document."""


class Limits(NamedTuple):
    """What reading one record may take."""

    depth: int = 200  # of containers in one document
    layers: int = 8  # of texts within texts
    candidates: int = 20_000  # of scalars to look at more closely


class Edit(NamedTuple):
    """A change of a text: the bytes ``start`` to ``end`` become ``text``."""

    start: int
    end: int
    text: bytes


class View:
    """A decoded text of a record, what it is called, and how a change of it is written into its parent.

    ``step`` is its path below the root; ``readable`` is its text without the parts that have views of their
    own. ``kind`` is "root", "string", "number", "key", "text" or "quoted" (percent-encoded).
    """

    __slots__ = ("edits", "kind", "length", "member", "parent", "readable", "source", "start", "step", "text")

    def __init__(
        self,
        kind: str,
        text: bytes,
        step: Step | None,
        parent: View | None = None,
        start: int = 0,
        length: int = 0,
        source: Unescaped | None = None,
    ) -> None:
        self.kind = kind
        self.text = text
        self.readable = text
        self.step = step
        self.parent = parent
        self.start = start  # where its raw form begins in the parent's text
        self.length = length  # of its raw form
        self.source = source  # None where text and raw form are the same
        self.member: tuple[int, int] | None = None  # the member or element that it is the value of
        self.edits: list[Edit] = []

    def __repr__(self) -> str:  # never the text
        return f"View({self.kind}, {len(self.text)} bytes)"

    @property
    def key(self) -> bytes:
        """The object key that it stands under, array indexes aside; empty for keys and at the root."""
        step = None if self.kind == "key" else self.step
        while step is not None and isinstance(step.name, int):
            step = step.parent
        return step.name if step is not None and isinstance(step.name, bytes) else b""

    def lift(self) -> list[Edit]:
        """The edits of this view's text, as edits of its parent's text."""
        if self.kind == "number":  # a number with something redacted in it becomes a string
            whole = b'"' + escape(apply(self.text, self.edits)) + b'"'
            return [Edit(self.start, self.start + self.length, whole)]
        encode = _ENCODE[self.kind]
        out = []
        for start, end, text in self.edits:
            if self.source is not None:
                start, end = self.source.place(start, end=False), self.source.place(end, end=True)
            out.append(Edit(self.start + start, self.start + end, encode(text)))
        return out


_ENCODE: dict[str, Callable[[bytes], bytes]] = {"string": escape, "key": escape, "quoted": quote, "text": bytes}
"""How a text is written into the parent, by the kind of view."""


def apply(text: bytes, edits: Iterable[Edit]) -> bytes:
    """``text`` with these edits made. Where edits overlap, they become one, with the text of the wider."""
    parts, at = [], 0
    for start, end, new in merged(edits):
        parts += [text[at:start], new]
        at = end
    parts.append(text[at:])
    return b"".join(parts)


def merged(edits: Iterable[Edit]) -> list[Edit]:
    """Edits in order, overlapping ones joined under the text of the widest."""
    out: list[Edit] = []
    widest = 0
    for edit in sorted(edits, key=lambda e: (e.start, -e.end)):
        if out and edit.start < out[-1].end:
            last = out[-1]
            wider = edit.end - edit.start > widest
            out[-1] = Edit(last.start, max(last.end, edit.end), edit.text if wider else last.text)
            widest = max(widest, edit.end - edit.start)
        else:
            out.append(edit)
            widest = edit.end - edit.start
    return out


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
    views = [root]
    document = read_all(data, limits.depth) if form in ("json", "auto") and _may_be_json(data) else None
    if document is not None:
        _scalars(root, [document], views)
        root.readable = b""
    else:
        _expand(root, views, limits)
        if form != "text":
            _pairs(root, views)
    layer, begin = 1, 1
    while begin < len(views):  # one layer after the other
        end = len(views)
        for view in views[begin:end]:
            if view.kind != "number":
                _expand(view, views, limits)
        begin, layer = end, layer + 1
        if layer > limits.layers and begin < len(views):
            raise BudgetExceeded("layers", limits.layers)
    return views


class Candidates(NamedTuple):
    """Asks where in a text, escapes and all, rules may find something: (start, end, rule), by the start.

    What a rule finds touches such a stretch; of those in ``by_key`` it is the key that does.
    """

    places: Callable[[bytes], Sequence[tuple[int, int, int]]]
    by_key: Collection[int]


def read_candidates(data: bytes, form: str, limits: Limits, ask: Candidates) -> list[tuple[View, list[int]]]:
    """Of all views of a record only those in which rules may find something, and which rules; itself first.

    Nothing may be spelled by ``\\uXXXX`` or ``%XX`` escapes in ``data``. Raises BudgetExceeded.
    """
    root = View("root", data, None)
    spans = ask.places(data)
    found: list[tuple[View, list[int]]] = [(root, [rule for _, _, rule in spans])]
    if not spans:
        return found
    located = None
    if form in ("json", "auto") and _may_be_json(data):
        located = locate_all(data, limits.depth, [(low, high) for low, high, _ in spans], limits.candidates)
    if located is not None:
        root.readable = b""
        _add(root, located[1], spans, ask.by_key, found)
    else:
        _open(root, spans, ask.by_key, found, limits)
        if form != "text":
            _touched_pairs(root, spans, found)
    layer, begin = 1, 1
    while begin < len(found):  # one layer after the other
        end = len(found)
        for view, _ in found[begin:end]:
            if view.kind != "number" and (b"{" in view.text or b"[" in view.text):
                _open(view, ask.places(view.text), ask.by_key, found, limits)
        begin, layer = end, layer + 1
        if layer > limits.layers and begin < len(found):
            raise BudgetExceeded("layers", limits.layers)
    return found


def _open(
    view: View,
    spans: Sequence[tuple[int, int, int]],
    by_key: Collection[int],
    found: list[tuple[View, list[int]]],
    limits: Limits,
) -> None:
    """Adds the views in the JSON documents of a text that ``spans`` touch."""
    text, at, blank = view.text, 0, bytearray()
    for _ in range(_TRIES if spans else 0):
        brace = _BRACE.search(text, at)
        if brace is None:
            break
        start = brace.start()
        located = locate(text, start, limits.depth, [(low, high) for low, high, _ in spans], limits.candidates)
        if located is not None and text.find(b'"', start, located[0]) >= 0:  # it holds a string
            at = located[0]
            _add(view, located[1], spans, by_key, found)
            blank = blank or bytearray(text)
            blank[start:at] = b" " * (at - start)
        else:
            at = brace.end()
    if blank:
        view.readable = bytes(blank)


def _add(
    parent: View,
    places: Iterable[Place],
    spans: Sequence[tuple[int, int, int]],
    by_key: Collection[int],
    found: list[tuple[View, list[int]]],
) -> None:
    for kind, start, end, path, member in places:
        raw = parent.text[start:end]
        source = unescape(raw) if kind != "number" and b"\\" in raw else None
        step = parent.step
        for name in path:
            step = Step(step, name)
        view = View(kind, source.text if source else raw, step, parent, start, end - start, source)
        view.member = member
        found.append(
            (view, list({rule for low, high, rule in spans if (low <= end and start <= high) or rule in by_key}))
        )


def _touched_pairs(root: View, spans: Sequence[tuple[int, int, int]], found: list[tuple[View, list[int]]]) -> None:
    pairs: list[View] = []
    _pairs(root, pairs)
    for view in pairs:
        low = view.start - len(view.key) - 2  # of the key, before an equals sign and perhaps a quote
        rules = {rule for start, end, rule in spans if start < view.start + view.length and low < end}
        if rules:
            found.append((view, list(rules)))


def _may_be_json(data: bytes) -> bool:
    return data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[", b'"') or data[:1].isdigit() or data[:1] == b"-"


def _expand(view: View, views: list[View], limits: Limits) -> None:
    """Adds the views below a text: the documents in it, and what its escapes spell."""
    text = view.readable
    if len(text) < 2:
        return
    if b"{" in text or b"[" in text:
        documents = _documents(text, limits.depth)
        if documents:
            _scalars(view, documents, views)
            view.readable = text = _blank(text, documents)
    if b"\\u" in text and _SPELLED.search(text):
        source = unescape(text)
        views.append(View("text", source.text, view.step, view, 0, len(text), source))
    if b"%" in text and _PERCENT.search(text):
        source = unquote(text)
        views.append(View("quoted", source.text, view.step, view, 0, len(text), source))


def _documents(text: bytes, depth: int) -> list[Document]:
    """The JSON documents in a text that hold a string; at most `_TRIES` places are tried."""
    out: list[Document] = []
    at = 0
    for _ in range(_TRIES):
        brace = _BRACE.search(text, at)
        if brace is None:
            break
        document = read(text, brace.start(), depth)
        if document is not None and any(s.kind != "number" for s in document.scalars):
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


def _join(base: Step, step: Step | None) -> Step:
    """``step`` as a path below ``base``."""
    out = base
    for name in step.names() if step is not None else ():
        out = Step(out, name)
    return out


def _pairs(root: View, views: list[View]) -> None:
    """The values of ``key=value`` pairs as views, so that rules on keys see them. The text stays readable."""
    if b"=" not in root.readable:
        return
    for match in _PAIR.finditer(root.readable):
        quoted = match.group(2) is not None
        low, high = match.span(match.lastindex or 0)
        raw = root.text[low:high]
        source = unescape(raw) if quoted and b"\\" in raw else None
        step = Step(root.step, match.group(1))
        view = View(
            "string" if quoted else "text",
            source.text if source else raw,
            step,
            root,
            low,
            high - low,
            source,
        )
        views.append(view)
