"""A glance at each text of a batch: what the compiled helper looks for, since Hyperscan would be slower at it.

Stretches with a long run (`detectors.runs`), digits enough (`detectors.gateform`), shapes, context words, and what the
engine plans beside them: encodings (`engine.layers`) and words behind their keys (`engine.actions.keyed`). All of it in
one call for a batch and one walk over each text: called one by one from Python, these took as long to be called as to
look. Where there is no helper, Hyperscan looks for the patterns of all of these, which are the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple


class Hidden(NamedTuple):
    """The ``id`` that hits where an encoding is announced, or one of ``rows`` stands: see `engine.layers`."""

    id: int
    rows: bytes


class Plan(NamedTuple):
    """What is looked for, as the helper reads it; None for what is not.

    Of shapes and words there are two, each for some texts: first for those without digits enough.
    """

    cuts: bool = False  # whether stretches are
    hidden: int | None = None  # and `rows`: see `Hidden`
    rows: bytes | None = None
    keyed: bytes | None = None  # a table of `engine.actions.keyed`
    few_shapes: bytes | None = None  # programs of `detectors.shapes`
    shapes: bytes | None = None
    few_words: bytes | None = None  # automata of `detectors.words`
    words: bytes | None = None


class Told(NamedTuple):
    """What a glance tells of each text; no lists of what was not looked for."""

    stretches: Sequence[bytes] = ()
    numeric: Sequence[bool] = ()  # whether there are digits enough: always told
    keyed: Sequence[bool] = ()
    words: Sequence[tuple[int, ...] | None] = ()  # their numbers


Trigger = Literal["numeric", "keyed"]
"""What of `Told` says where patterns are worth a pass of their own."""

Glance = Callable[[Sequence[bytes], Sequence[list[int]], Plan], tuple[Sequence[object], ...]]
"""From texts, a list for each and a plan to what `Told` is made of; ids that hit are added to the lists.

Raises TypeError for a plan that is none."""


class Helper(NamedTuple):
    """The compiled helper, as far as the gate needs it. ``shapes`` says whether this processor can look for those."""

    glance: Glance
    shapes: bool
