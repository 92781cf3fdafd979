"""What is different between two requests, field by field. Pure."""

from __future__ import annotations

from typing import NamedTuple

from markupsafe import escape

from approvals.web.params import Row, param_table
from approvals.web.text import clipped
from engine.ledger.model import ReviewRequest

_BYTES = 400
_ROWS = 12


class Difference(NamedTuple):
    """What has changed between two versions: rows of what it is and was, and how many more there are."""

    version: int  # the earlier one
    rows: list[Row]
    hidden: int


def difference(before: ReviewRequest, after: ReviewRequest) -> Difference:
    """What has changed from ``before`` to ``after``, two versions of one request."""
    entities = frozenset(r.entity.upper() for r in (*before.redactions, *after.redactions))
    rows = []
    for name, was, now in zip(_FIELDS, _texts(before), _texts(after), strict=True):
        if was != now:
            change = "changed" if was and now else "new" if now else "gone"
            value = clipped(now or was, _BYTES, entities)[0]
            earlier = clipped(was, _BYTES, entities)[0] if change == "changed" else None
            rows.append(Row(escape(name), value, "text", change, earlier))
    rows += [row for row in param_table(after.params, entities, before.params).rows if row.change]
    return Difference(before.version, rows[:_ROWS], max(0, len(rows) - _ROWS))


_FIELDS = ("action", "target", "environment", "reason given", "who is behind it", "rule", "risk", "people needed")


def _texts(request: ReviewRequest) -> tuple[str, ...]:
    return (
        request.action,
        request.resource,
        request.environment,
        request.reason,
        ", ".join(f"{p.role.replace('_', ' ')} {p.issuer}:{p.subject}" for p in request.principals),
        request.rule_id,
        request.risk,
        str(request.requirement.quorum),
    )
