"""Several requests decided at once: which may be, and what came of each. Pure.

Denials may be given to anything. Approvals only to what is alike enough that who has read one has read all: one
rule, one action in one environment, the same parameters by name, at low risk. Each vote is cast, checked and
logged by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from approvals.facets import facets
from approvals.web.params import param_leaves
from engine.ledger.model import ReviewRequest, Risk

BATCH_LIMIT = 100  # requests


class Picked(NamedTuple):
    """A request as it was chosen: its id and the version that was on the page."""

    request_id: str
    version: int


def picked(texts: Sequence[str]) -> list[Picked] | None:
    """What a form's ``VERSION.ID`` say, each once; None if one of them is none."""
    found = []
    for text in dict.fromkeys(texts):
        version, _, request_id = text.partition(".")
        if not (version.isascii() and version.isdecimal() and len(version) < 10 and request_id):
            return None
        found.append(Picked(request_id, int(version)))
    return found


def why_not_together(requests: Sequence[ReviewRequest]) -> str | None:
    """Why ``requests`` cannot be approved at once, as a sentence without a full stop; None if they can."""
    if any(request.risk is not Risk.LOW for request in requests):
        return "only low risk can be approved together: read and approve the others one by one"
    if len({request.rule_id for request in requests}) > 1:
        return "only what one rule asks for can be approved together"
    if len({(facets(request).template, request.kind, _names(request)) for request in requests}) > 1:
        return (
            "only the same action in the same environment, with the same parameters by name, can be approved together"
        )
    return None


def _names(request: ReviewRequest) -> tuple[str, ...]:
    return tuple(sorted({path for path, _, _ in param_leaves(request.params)}))
