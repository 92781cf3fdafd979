"""Requests and people to test with."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from approvals.person import Identity, Person, Roster
from engine.ledger.model import (
    ActionKind,
    HeldRecord,
    Principal,
    PrincipalRole,
    Redaction,
    Requirement,
    ReviewRequest,
    Risk,
)
from engine.records import Position

NOW = 1_795_329_600_000
"""ms since the epoch: a Sunday in November 2026."""
MINUTE = 60_000

APPROVALS, DECISIONS, SANITIZED = "activity.approvals", "activity.decisions", "activity.sanitized"


def principal(text: str, role: PrincipalRole = PrincipalRole.INITIATOR) -> Principal:
    issuer, subject = text.split(":", 1)
    return Principal(role, issuer, subject)


def person(person_id: str, *identities: str, groups: tuple[str, ...] = ("local:security",), **more: Any) -> Person:
    known = [Identity("local", person_id), *(Identity(*text.split(":", 1)) for text in identities)]
    name = more.pop("name", person_id.capitalize())
    return Person(person_id, name, frozenset(groups), tuple(known), **more)


ADA = person("ada", "email:ada@example.com", "aws:arn:aws:iam::123456789012:user/ada", name="Ada Lindqvist", demo=True)
GRACE = person("grace", "k8s:grace", name="Grace Okafor", demo=True)
LINUS = person("linus", groups=("local:data",), name="Linus Berg")
PEOPLE = Roster([ADA, GRACE, LINUS])


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def request(request_id: str = "req-0001", **more: Any) -> ReviewRequest:
    """A proposal that two people in local:security may decide on; anything can be said otherwise."""
    params = more.pop("params", {"table": "customers", "rows": 41000, "to": "s3://sandbox/exports"})
    kind = more.pop("kind", ActionKind.PROPOSAL)
    principals = more.pop("principals", (principal("agent:etl-7"),))
    partition = more.pop("partition", 0)
    offset = more.pop("offset", 7)
    held = HeldRecord(
        topic=SANITIZED,
        partition=partition,
        key=b"etl-7",
        value=f'{{"id":"{request_id}","tool":"export_table","to":"[EMAIL_ADDRESS]"}}'.encode(),
        headers=(("trace", b"abc"), ("empty", None)),
        timestamp=NOW - MINUTE,
    )
    values: dict[str, Any] = {
        "request_id": request_id,
        "version": 1,
        "kind": kind,
        "position": Position("activity", partition, offset),
        "created": NOW,
        "expires": NOW + 15 * MINUTE,
        "action": "export_table",
        "resource": "customers",
        "environment": "production",
        "reason": "weekly churn report",
        "params": params if isinstance(params, str) else json.dumps(params),
        "principals": principals,
        "rule_id": "bulk-export",
        "rule_reason": "More than 10,000 rows of customer data leave the warehouse.",
        "risk": Risk.MEDIUM,
        "requirement": Requirement(groups=("local:security",), people=(), quorum=1),
        "policy": digest("policy"),
        "nonce": "n0",
        "binding": digest(f"binding {request_id}"),
        "view_digest": digest(f"view {request_id}"),
        "likeness": digest(f"likeness {request_id}"),
        "redactions": (Redaction("$.params.to", 0, 17, "email", "email_address", "mask", 0.99),),
        "held": held if kind is ActionKind.PROPOSAL else None,
    }
    return ReviewRequest(**(values | more))


def needs(quorum: int, *groups: str, people: tuple[str, ...] = (), channels: tuple[str, ...] = ()) -> Requirement:
    return Requirement(groups or ("local:security",), people, quorum, channels=channels)
