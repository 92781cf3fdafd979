"""What hides from the gate: where escapes and layers stand in a text, and what they spell."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import IntEnum

from detectors.anchors import Span
from detectors.regex import byte_regex, search_of, teller
from engine.layers import BEYOND, DEAR, LITERAL, may_have_rows, short
from engine.layers.characters import IN_ARRAY
from engine.reading import tells_dear


class Hides(IntEnum):
    r"""What of escapes and layers there is in a record, which hide from the gate what they spell."""

    NOTHING = 0
    ESCAPED = 1  # ``\uXXXX`` and nothing else of these, and the gate saw what that spells
    SOMETHING = 2


HIDDEN = -1
"""In place of a rule: escapes or layers, behind which any rule may find something."""
ESCAPES = rb"\\u[0-9a-fA-F]{4}|%[0-9a-fA-F]{2}"
_PLACES = tuple(search_of(byte_regex(pattern.decode())) for pattern in (IN_ARRAY + b"|" + ESCAPES, LITERAL))
_PLACES_ROWS = tuple(search_of(byte_regex(pattern.decode())) for pattern in (short.LITERAL, *BEYOND))
"""Apart: the states of one automaton for all of them do not fit into what google-re2 keeps, and it would work them
out anew for each text."""
_PLACES_DEAR = (search_of(byte_regex(DEAR.decode())),)
_REST = re.compile(rb'[^"\s,;&?]*')
"""What follows in the same value: what else is hidden there is hidden in what is read for the first."""
_MOST = 200  # places of one of the patterns in one text; beyond, each reaches to the next quote
_ESCAPED = re.compile(rb'\\u[0-9a-fA-F]{4}[^"]*')
_in_key = teller(byte_regex(r'\\u[0-9a-fA-F]{4}[^"]*"\s*:'))  # Python's engine would go to the next quote from each
_MIXED = re.compile(rb"(?<!\\)(?:\\{3}|\\{5,7}|\\{9,15}|\\{17,})u[0-9a-fA-F]{4}")


def is_spelled_out(value: bytes) -> bool:
    r"""Whether `engine.escapes.spell_out` of JSON shows all that ``\uXXXX`` spells in its values, at any depth.

    It takes the backslashes before an escape for part of it. At any depth these are a power of two; others stand in the
    text, and may be the beginning of another escape. Keys are to have none.
    """
    mixed = b"\\\\\\u" in value and _MIXED.search(value) is not None  # `find` first: it is a hundred times as quick
    return not mixed and not _in_key(value)


def hidden_in(text: bytes) -> list[Span]:
    """The stretches of a text in which escapes or layers stand: it may hold nothing else."""
    out, size = list[Span](), len(text)
    rows = _PLACES_ROWS if may_have_rows(text) else ()
    for search in (*_PLACES, *rows, *(_PLACES_DEAR if tells_dear(text) else ())):
        at = count = 0
        while (span := search(text, at, size)[0])[0] >= 0:
            start, at = span
            count += 1
            if count > _MOST:
                at = text.find(b'"', at)
                at = at if at >= 0 else size
            elif (rest := _REST.match(text, at)) is not None:
                at = rest.end()
            out.append((start, at, HIDDEN))
    return out


def escaped_in(text: bytes, rules: Iterable[int]) -> list[Span]:
    """The stretches of a text in which ``\\uXXXX`` stands, each for each of ``rules``."""
    stretches = [match.span() for match in _ESCAPED.finditer(text)]
    return [(start, end, rule) for start, end in stretches for rule in rules]
