"""The dashboard's figures: how decisions went and how long they took. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from approvals.lifecycle import State
from approvals.lookups import Decided

_SHOWN = 12  # rows of a table
_YES = (State.APPROVED, State.RELEASED)


class Line(NamedTuple):
    """Decisions of one name (a rule, an agent, a risk): how many of each kind, and ms until half, 95 %, were decided.

    What expired was not decided, so it has no part in the times; they are None where nothing was decided.
    """

    name: str
    total: int
    approved: int
    denied: int
    expired: int
    withdrawn: int
    p50: int | None
    p95: int | None


def line(name: str, decisions: Iterable[Decided]) -> Line:
    """The figures of ``decisions`` under one name."""
    known = list(decisions)
    took = sorted(d.decided - d.created for d in known if d.state not in (State.EXPIRED, State.WITHDRAWN))
    return Line(
        name,
        len(known),
        approved=sum(d.state in _YES for d in known),
        denied=sum(d.state is State.DENIED for d in known),
        expired=sum(d.state is State.EXPIRED for d in known),
        withdrawn=sum(d.state is State.WITHDRAWN for d in known),
        p50=_at(took, 50),
        p95=_at(took, 95),
    )


def lines(decisions: Iterable[Decided], by: str) -> list[Line]:
    """A line for each value of the field ``by``, the most frequent first, a dozen at most."""
    groups: dict[str, list[Decided]] = {}
    for decided in decisions:
        groups.setdefault(getattr(decided, by), []).append(decided)
    largest = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    return [line(name, members) for name, members in largest[:_SHOWN]]


def _at(ordered: list[int], percent: int) -> int | None:
    """The value below which ``percent`` of ``ordered`` lie, by nearest rank."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else None
