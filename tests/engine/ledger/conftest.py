"""One telling example of each message, as version 1 wrote them."""

import pytest

from engine.ledger.model import (
    ActionKind,
    Decision,
    DecisionBatch,
    DecisionEntry,
    Delegated,
    HeldRecord,
    OutcomeKind,
    PeopleChange,
    PeopleEvent,
    PolicySnapshot,
    Principal,
    PrincipalRole,
    Redaction,
    Requirement,
    ReviewEvent,
    ReviewRequest,
    Risk,
    Verdict,
    VerdictKind,
    Vote,
)
from engine.records import Position

EMAIL = Redaction("/params/to", 0, 17, "pii.email", "EMAIL_ADDRESS", "mask", 0.95)
TOKEN = Redaction("/params/note", 12, 52, "secret.github-token", "GITHUB_TOKEN", "hash", 1.0)
POSITION = Position("activity.raw", 3, 104)


def _batch() -> DecisionBatch:
    return DecisionBatch(
        policy="sha256:8b1f",
        worker="worker-0",
        created=1_760_000_000_123,
        entries=(
            DecisionEntry(OutcomeKind.CLEAN, "activity.raw", 3, 100, 102, count=2),
            DecisionEntry(OutcomeKind.REDACTED, "activity.raw", 3, 103, 103, redactions=(EMAIL, TOKEN)),
            DecisionEntry(
                OutcomeKind.HELD,
                "activity.raw",
                3,
                104,
                104,
                redactions=(EMAIL,),
                request_id="r-1",
                rule_id="export",
            ),
            DecisionEntry(OutcomeKind.QUARANTINED, "activity.raw", 3, 105, 105, reason="budget.depth"),
        ),
    )


def _request() -> ReviewRequest:
    return ReviewRequest(
        request_id="r-1",
        version=1,
        kind=ActionKind.PROPOSAL,
        position=POSITION,
        created=1_760_000_000_100,
        expires=1_760_000_900_100,
        action="db.export",
        resource="postgres://prod/customers",
        environment="prod",
        reason="Quarterly churn report für das Team",
        params='{"to":"[EMAIL_ADDRESS]","limit":10.50}',
        principals=(
            Principal(PrincipalRole.INITIATOR, "agents", "etl-7"),
            Principal(PrincipalRole.OWNER, "local", "ada"),
        ),
        rule_id="export",
        rule_reason="Exports of customer data need a second pair of eyes",
        risk=Risk.HIGH,
        requirement=Requirement(groups=("local:security",), people=("local:grace",), quorum=2),
        policy="sha256:8b1f",
        nonce="n-81",
        binding="hmac:51aa",
        view_digest="sha256:77c0",
        likeness="hmac:0d0d",
        redactions=(EMAIL,),
        held=HeldRecord(
            topic="activity.sanitized",
            partition=3,
            key=b"session-9",
            value='{"to":"[EMAIL_ADDRESS]","für":"das Team"}'.encode(),
            headers=(("trace", b"\x00\xff\xfe"), ("empty", b""), ("absent", None)),
            timestamp=1_760_000_000_000,
        ),
    )


def _verdict() -> Verdict:
    return Verdict(
        request_id="r-1",
        version=1,
        verdict=VerdictKind.APPROVED,
        position=POSITION,
        decided=1_760_000_400_000,
        reason="",
        votes=(
            Vote("local", "grace", Decision.APPROVE, "Known report", 1_760_000_300_000, "page"),
            Vote("local", "linus", Decision.APPROVE, "", 1_760_000_400_000, "cli"),
        ),
        policy="sha256:8b1f",
        binding="hmac:51aa",
        view_digest="sha256:77c0",
        released=True,
    )


def _event() -> ReviewEvent:
    return ReviewEvent(
        sequence=41,
        request_id="r-1",
        version=1,
        event="vote approve",
        at=1_760_000_300_000,
        actor="local:grace",
        channel="page",
        detail="Known report",
        position=POSITION,
        vote=Vote("local", "grace", Decision.APPROVE, "Known report", 1_760_000_300_000, "page"),
        folded_into="r-0",
    )


def _people_event() -> PeopleEvent:
    return PeopleEvent(
        sequence=42,
        event=PeopleChange.DELEGATED,
        who="local:ada",
        at=1_760_000_300_000,
        actor="local:ada",
        channel="cli",
        delegation=Delegated("dlg_01", "local:linus", 1_760_100_000_000, ("local:security",)),
    )


@pytest.fixture
def examples():
    """Message name → example object."""
    snapshot = PolicySnapshot("sha256:8b1f", "version: 1\nrules: [pii, secrets]\n", 1_760_000_000_000)
    return {type(one).__name__: one for one in (_batch(), _request(), _verdict(), _event(), _people_event(), snapshot)}
