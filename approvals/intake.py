"""How a request that was read takes its place among those that wait. Used inside the store's transactions."""

from __future__ import annotations

from sqlalchemy import insert, select

from approvals import tables as t
from approvals.journal import Journal
from approvals.lifecycle import FOLDABLE_INTO, Refused, Review, fold, may_fold, revise, unfold
from approvals.rows import WHOLE, columns, load, load_all, move, repeats_of
from engine.ledger.model import ActionKind, ReviewRequest
from engine.records import Position


def take_in(journal: Journal, position: Position, request: ReviewRequest, at: int) -> bool:
    """Whether ``request`` is new, or a newer version of one that is open; if so, it waits now."""
    c = journal.connection
    known = load(c, request.request_id)
    if known is None:
        review = Review(request)
        c.execute(insert(t.requests).values(**columns(review), **position._asdict(), created=request.created))
        journal.note(request, "received", at, detail=str(position), position=position)
        _fold_if_alike(journal, review, at)
        return True
    revised = revise(known, request)
    if isinstance(revised, Refused):
        return False
    move(c, known, revised)
    journal.note(revised.request, "revised", at, detail=str(position), position=position)
    revised = _fold_if_alike(journal, revised, at)
    for repeat in repeats_of(c, request.request_id):
        alone = unfold(repeat)
        if isinstance(alone, Review) and not may_fold(repeat.request, revised):
            move(c, repeat, alone)
            journal.note(alone.request, "unfolded", at)
            _fold_if_alike(journal, alone, at)
    return True


def _fold_if_alike(journal: Journal, review: Review, at: int) -> Review:
    """``review``, which waits; folded if an older like request waits too."""
    if review.request.kind is not ActionKind.PROPOSAL:
        return review
    rows = t.requests.c
    query = (
        select(*WHOLE)
        .where(
            rows.likeness == review.request.likeness,
            rows.state.in_(FOLDABLE_INTO),
            rows.request_id != review.request.request_id,
        )
        .order_by(rows.created, rows.request_id)
        .limit(1)
    )
    for first in load_all(journal.connection, query):
        after = fold(review, first)
        if isinstance(after, Review):
            move(journal.connection, review, after)
            into = first.request.request_id
            journal.note(after.request, "repeat", at, detail=f"of {into}", folded_into=into)
            return after
    return review
