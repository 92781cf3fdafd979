"""What a redaction wrote is no finding, so that sanitizing twice changes nothing.

Only the form counts: whether a token is genuine needs its key and its tenant, which a sanitizer further down need
not have. Who can wrap a secret in the form of a token can as well encrypt it, which no sanitizer sees either.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Sequence
from operator import itemgetter

from detectors.finding import Finding
from engine.redaction import PLACEHOLDER, TYPED
from engine.views import View

_BRACKET = ord("[")  # as a number, see `engine.escapes.BACKSLASH`

Scan = Callable[[bytes], Sequence[Finding]]


def is_written(value: bytes, entities: Collection[str]) -> bool:
    """Whether the whole ``value`` is what a redaction wrote for one of ``entities``, or a mask."""
    match = PLACEHOLDER.fullmatch(value) if value[:1] in (b"[", b"*", b"%") else None
    return match is not None and (match[1] is None or match[1].decode() in entities)


def within(view: View, entities: Collection[str], known: dict[View, Sequence[tuple[int, int]]]) -> bool:
    """Whether ``view`` is of a layer that stands in what a redaction wrote: a token's characters may spell anything.

    ``known`` keeps where that stands in each text that was asked for.
    """
    while (parent := view.parent) is not None:
        if view.encode is not None:
            spans = known.get(parent)
            if spans is None:
                spans = known[parent] = _written_spans(parent.text, entities)
            at = bisect_right(spans, view.start, key=itemgetter(0)) - 1
            if at >= 0 and view.start + view.length <= spans[at][1]:
                return True
        view = parent
    return False


def _written_spans(text: bytes, entities: Collection[str]) -> list[tuple[int, int]]:
    """Where something stands in ``text`` that a redaction wrote."""
    if _BRACKET not in text and text.find(b"5B") < 0:
        return []
    return [match.span() for match in TYPED.finditer(text) if match[1].decode() in entities]


def unwritten(text: bytes, findings: list[Finding], entities: Collection[str], scan: Scan) -> list[Finding]:
    """The ``findings`` in ``text`` without those that begin within what a redaction wrote.

    Where one begins there and reaches beyond (``[DB_PASSWORD:k1:…]@host`` reads as a password and its value), it
    may hide another that begins later: ``scan`` then reads the text again with masks in place of placeholders.
    """
    spans = _written_spans(text, entities)
    if not spans:
        return findings
    starts = [start for start, _ in spans]
    out, again = [], False
    for finding in findings:
        at = bisect_right(starts, finding.start) - 1
        start, end = spans[at] if at >= 0 else (0, 0)
        if finding.start >= end or (finding.start == start and finding.end > end):
            out.append(finding)
        elif finding.end > end:
            again = True
    if again:
        masked = bytearray(text)
        for start, end in spans:
            masked[start:end] = b"*" * (end - start)
        out += [f for f in scan(bytes(masked)) if not is_written(bytes(masked[f.start : f.end]), entities)]
    return out
