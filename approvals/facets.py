"""What lists are filtered, searched and counted by: short texts made from a request. Pure."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from engine.ledger.model import PrincipalRole, ReviewRequest

_NAME = 120  # characters
_WORDS = 360


class Facets(NamedTuple):
    """A column each. ``template`` is equal for requests of one rule, action and environment."""

    rule_id: str
    risk: str
    agent: str  # issuer:subject of who initiated it
    template: str
    words: str  # what a search looks through, case folded


def facets(request: ReviewRequest) -> Facets:
    """The facets of ``request``. They hold printable characters only, as any database can keep them."""
    first = next((p for p in request.principals if p.role is PrincipalRole.INITIATOR), request.principals[0])
    of_a_kind = (request.rule_id, request.action, request.environment)
    words = (request.request_id, *of_a_kind, request.resource, *(p.subject for p in request.principals))
    return Facets(
        rule_id=_legible(request.rule_id, _NAME),
        risk=request.risk,
        agent=_legible(f"{first.issuer}:{first.subject}", _NAME),
        template=hashlib.sha256("\0".join(of_a_kind).encode("utf-8", "surrogatepass")).hexdigest(),
        words=_legible(" ".join(word[:_NAME] for word in words).casefold(), _WORDS),
    )


def _legible(text: str, limit: int) -> str:
    return "".join(c for c in text[:limit] if c.isprintable())
