"""What comes of each scalar of a record by itself: agents repeat themselves, so most of them were read before.

The result of a tool, a profile or an address stands in record after record, JSON in strings included. What is found
and redacted in a scalar depends on its raw form, the key that it stands under and the rules that read it, as long as
nothing else of the record has a say; so it is worked out once a batch, and put into each record at its place. It is
what `engine.cleaning` makes of it by its views, without making them.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from detectors.finding import Finding
from engine.ledger.model import Redaction
from engine.memory import Sought
from engine.policy.paths import written
from engine.redaction import Method
from engine.views import Edit, View, apply

_MOST = 20_000  # parts that are known at a time
_MOST_BYTES = 8 * 1024 * 1024  # of their raw forms

_new = tuple.__new__  # a named tuple made by its own name runs a function of Python

Names = tuple[bytes | int, ...]
Told = tuple[int, Names, Finding, Method]
"""What is redacted: how many texts below the scalar, at which path below it, and how."""


class Part(NamedTuple):
    """What is redacted in a scalar. ``forms`` is what is then looked for in all the record, ``shown`` included."""

    edits: Sequence[Edit]  # of its raw form
    told: Sequence[Told]
    forms: Sought
    shown: Sequence[bytes]  # what escapes and layers in it spell, as redacted
    redactions: dict[Names, Sequence[tuple[int, Redaction]]]  # and layers, by the path at which it stood in a record

    def at(self, path: Names) -> Sequence[tuple[int, Redaction]]:
        """What its decision entry says where it stands at ``path`` of a record, and in which layer each is."""
        known = self.redactions.get(path)
        if known is None:
            known = self.redactions[path] = [
                (layer, _new(Redaction, (written(path + below), start, end, rule, entity, method.value, score)))
                for layer, below, (rule, entity, start, end, score), method in self.told
            ]
        return known


class Spliced(NamedTuple):
    """A record with what is redacted in its scalars. Of ``forms`` none may be left, be it in what is ``shown``."""

    text: bytes
    redactions: Sequence[Redaction]
    forms: Sought
    shown: Sequence[bytes]


class Found:
    """What is redacted in a text, as it is put together; see `Part`."""

    __slots__ = ("edits", "forms", "shown", "told")

    def __init__(self) -> None:
        self.edits: list[Edit] = []
        self.told: list[Told] = []
        self.forms: list[tuple[bytes, bytes]] = []
        self.shown: list[bytes] = []

    def extend(self, other: Found) -> None:
        """Adds what is redacted in another part of the text."""
        self.edits += other.edits
        self.told += other.told
        self.forms += other.forms
        self.shown += other.shown


class Spelling:
    """A text that a scalar holds, what is redacted in it and in its documents, and what it spells in turn."""

    __slots__ = ("below", "documents", "own", "view")

    def __init__(self, view: View) -> None:
        self.view = view
        self.own = Found()
        self.documents = Found()
        self.below: list[Spelling] = []

    def gather(self, depth: int, out: Found) -> None:
        """Adds what is redacted in it, as edits of its parent's text; in that of a scalar at the ``depth`` 0."""
        view, documents = self.view, self.documents
        out.told += [(depth, names, finding, method) for _, names, finding, method in self.own.told]
        out.told += [(depth + below, names, finding, method) for below, names, finding, method in documents.told]
        out.forms += self.own.forms + documents.forms
        view.edits = self.own.edits
        for one in self.below:
            one.gather(depth + 1, out)
        for one in reversed(self.below):
            if one.view.edits:
                view.edits += one.view.lift()
        view.edits += documents.edits
        out.shown.append(apply(view.text, view.edits))
        out.shown += documents.shown
        if depth == 0:
            out.edits += view.edits


NOT_ALONE = Part((), (), (), (), {})
"""What comes of this scalar depends on more than itself."""


NOTHING = Spliced(b"", (), (), ())


class Parts:
    """What is known of the scalars of a batch: None for those in which nothing is redacted."""

    __slots__ = ("_keeps", "_room", "known")

    def __init__(self) -> None:
        self.known: dict[Hashable, Part | None] = {}
        self._keeps = False
        self._room = 0

    def put(self, scalar: Hashable, size: int, part: Part | None) -> None:
        """Keeps what came of ``scalar``, of ``size`` bytes, until the batch is done or there are too many."""
        if not self._keeps:
            return
        self._room -= size
        if self._room < 0 or len(self.known) >= _MOST:
            self.remember()
        self.known[scalar] = part

    def remember(self) -> None:
        """From here on parts are kept: to be called when a batch begins."""
        self.known.clear()
        self._keeps, self._room = True, _MOST_BYTES

    def forget(self) -> None:
        """Forgets them, and keeps no more: to be called when the batch is done."""
        self.known.clear()
        self._keeps = False
