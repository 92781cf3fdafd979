r"""Every text that a record holds, at any depth, and the way back from each into the record's bytes.

A record is read into a tree of views. The root is the record itself; below it stands each scalar and key of
the JSON that it is or holds, decoded; below a string that holds JSON again, its scalars; below a text with
``\uXXXX`` or ``%XX`` escapes, the text that they spell. What is redacted in a view is *lifted* to its parent,
where it is a change of a few bytes at the right place, escaped as that place asks, until it is a change of the
record. Lifting is what keeps everything else byte for byte as it was.

An encoding that spells a text as a whole (base64, see `engine.layers`) is written anew when that text changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from engine.escapes import Unescaped, escape, quote
from engine.jsontext import Step
from engine.layers.characters import plain_key, to_html, to_quoted_printable, to_quoted_row


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
SPELLINGS = frozenset(_ENCODE) - {"string", "key"}
"""The kinds of views that spell a part of their parent in another way."""


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
