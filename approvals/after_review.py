"""The review that follows a broken glass: a request of its own, about what has happened. Pure.

It goes to the approvals topic in the commit of the verdict, and is read from there like any other.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from approvals.lifecycle import Review
from engine.binding import view_digest
from engine.ledger.model import ActionKind, Principal, PrincipalRole, ReviewRequest, Vote

DUE_MS = 7 * 86_400_000
"""How long it waits, in ms; what nobody has looked at then is closed as not reviewed, and that is a record too."""


def after_review(review: Review, at: int) -> ReviewRequest:
    """The request to look at what one person alone approved at ``at`` (ms since the epoch).

    That person is a party to it, so somebody else must look. Raises ValueError if no glass was broken.
    """
    request, vote = review.request, _emergency(review)
    who = f"{vote.issuer}:{vote.subject}"
    asked = replace(request.requirement, hours=(), steps=(), break_glass=None)
    return replace(
        request,
        request_id=f"req_{hashlib.sha256(f'after {request.request_id}'.encode()).hexdigest()[:20]}",
        version=1,
        kind=ActionKind.FACT,
        created=at,
        expires=at + DUE_MS,
        reason=vote.reason,
        principals=(*request.principals, Principal(PrincipalRole.DELEGATE, vote.issuer, vote.subject)),
        rule_reason=f"{who} broke the glass and alone approved {request.request_id}: say whether that was right.",
        requirement=asked,
        nonce=f"after {request.nonce}",
        view_digest=view_digest([request.view_digest, who, vote.reason]),
        likeness="",
        held=None,
        review_of=request.request_id,
    )


def _emergency(review: Review) -> Vote:
    found = next((vote for vote in review.votes if vote.break_glass), None)
    if found is None or review.verdict is None:
        raise ValueError("no glass was broken")
    return found
