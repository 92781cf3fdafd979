"""What a redaction wrote is no finding, so that sanitizing twice changes nothing.

Only the form counts: whether a token is genuine needs its key and its tenant, which a sanitizer further down need
not have. Who can wrap a secret in the form of a token can as well encrypt it, which no sanitizer sees either.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Sequence

from detectors.finding import Finding
from engine.redaction import PLACEHOLDER, TYPED
from engine.views import View

Scan = Callable[[bytes], Sequence[Finding]]


def is_written(value: bytes, entities: Collection[str]) -> bool:
    """Whether the whole ``value`` is what a redaction wrote for one of ``entities``, or a mask."""
    match = PLACEHOLDER.fullmatch(value) if value[:1] in (b"[", b"*", b"%") else None
    return match is not None and (match[1] is None or match[1].decode() in entities)


def within(view: View, entities: Collection[str]) -> bool:
    """Whether ``view`` is of a layer that stands in what a redaction wrote: a token's characters may spell anything."""
    while (parent := view.parent) is not None:
        start, end = view.start, view.start + view.length
        if view.encode is not None and any(
            match.start() <= start and end <= match.end() and match[1].decode() in entities
            for match in TYPED.finditer(parent.text)
        ):
            return True
        view = parent
    return False


def unwritten(text: bytes, findings: list[Finding], entities: Collection[str], scan: Scan) -> list[Finding]:
    """The ``findings`` in ``text`` without those that begin within what a redaction wrote.

    Where one begins there and reaches beyond (``[DB_PASSWORD:k1:…]@host`` reads as a password and its value), it
    may hide another that begins later: ``scan`` then reads the text again with masks in place of placeholders.
    """
    if b"[" not in text and b"5B" not in text:
        return findings
    spans = [match.span() for match in TYPED.finditer(text) if match[1].decode() in entities]
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
