"""What the gate kept, put back into an empty database from what the log says."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, update

from approvals import tables as t
from approvals.gate.events import ALLOWED, DENIED, REDEEMED
from approvals.gate.judge import SOURCE, gate_headers
from approvals.gate.standing import Kept, Outcome
from approvals.gate.store import keep
from approvals.person import Identity
from engine.ledger.model import PrincipalRole, ReviewEvent, ReviewRequest

_OUTCOMES = {ALLOWED: Outcome.ALLOWED, DENIED: Outcome.DENIED}


def put_back(c: Connection, requests: Mapping[str, ReviewRequest], events: Iterable[ReviewEvent]) -> None:
    """Rows for those of ``requests`` that came to the gate, and for what ``events`` tell of it."""
    for request in requests.values():
        kept = _of_request(request)
        if kept is not None:
            keep(c, kept)
    rows = t.gate_requests.c
    for event in events:
        if event.event in _OUTCOMES:
            keep(c, _of_event(event))
        elif event.event == REDEEMED:
            used = update(t.gate_requests).where(rows.request_id == event.request_id)
            c.execute(used.values(redeemed=event.at, redeemed_by=event.actor or ""))


def _of_request(request: ReviewRequest) -> Kept | None:
    said = gate_headers(request.held.headers) if request.held is not None else None
    if said is None or request.position.topic != SOURCE:
        return None
    agent = next(p for p in request.principals if p.role is PrincipalRole.INITIATOR)
    return Kept(
        request_id=request.request_id,
        agent=Identity(agent.issuer, agent.subject),
        audience=said[1],
        environment=request.environment,
        outcome=Outcome.ASKED,
        likeness=request.likeness,
        digest=said[0],
        rule_id=request.rule_id,
        reason=request.rule_reason,
        created=request.created,
        expires=request.expires,
    )


def _of_event(event: ReviewEvent) -> Kept:
    said = json.loads(event.detail)
    issuer, _, subject = (event.actor or "").partition(":")
    return Kept(
        request_id=event.request_id,
        agent=Identity(issuer, subject),
        audience=said["audience"],
        environment=said["environment"],
        outcome=_OUTCOMES[event.event],
        likeness=said["likeness"],
        digest=said["digest"],
        rule_id=said["rule"],
        reason=said["reason"],
        created=event.at,
        expires=event.at,
    )
