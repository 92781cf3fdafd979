"""What Sluicegate writes down: decision entries, review requests, their events and verdicts, policy snapshots.

None of these holds a raw value: paths hold redacted keys, contexts are sanitized, bindings are keyed digests.
Each has an Avro schema of the same name in `engine/ledger/schemas`, with a doc for every field; times are
milliseconds since the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from engine.records import Header, Position


class OutcomeKind(StrEnum):
    """What became of an input record. Each position has exactly one."""

    CLEAN = "clean"  # passed byte for byte
    REDACTED = "redacted"  # passed, with something redacted
    HELD = "held"  # waits in the approvals topic for a verdict
    DENIED = "denied"  # a policy rule denied it
    DROPPED = "dropped"  # a redaction method said that the record goes
    QUARANTINED = "quarantined"  # could not be read safely


class Redaction(NamedTuple):
    """One redacted span. ``start`` and ``end`` are byte offsets in the decoded text at ``path``."""

    path: str
    start: int
    end: int
    rule_id: str
    entity: str
    method: str
    score: float


@dataclass(frozen=True, slots=True)
class DecisionEntry:
    """What became of one position, or of a run of clean ones (``count`` of them, both ends included).

    Offsets of a run may have gaps (compaction, transaction markers): ``count`` is what was read.
    """

    outcome: OutcomeKind
    topic: str
    partition: int
    first_offset: int
    last_offset: int
    count: int = 1
    redactions: tuple[Redaction, ...] = ()
    request_id: str | None = None  # of the review request that this record is held by, or that it opened
    rule_id: str | None = None  # the privileged-action rule that decided
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class DecisionBatch:
    """Decision entries that travel together, all taken under one policy by one worker."""

    policy: str  # digest
    worker: str
    created: int
    entries: tuple[DecisionEntry, ...]


@dataclass(frozen=True, slots=True)
class PolicySnapshot:
    """The text behind a policy digest, so that a decision can be explained later."""

    digest: str
    text: str
    created: int


class PrincipalRole(StrEnum):
    """How somebody takes part in an action."""

    INITIATOR = "initiator"
    ON_BEHALF_OF = "on_behalf_of"
    DELEGATE = "delegate"  # a link of the delegation chain
    OWNER = "owner"  # of the agent or of its session
    BENEFICIARY = "beneficiary"  # whom a grant or a change of rights is for


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who takes part in an action, by canonical id. None of them may vote on it."""

    role: PrincipalRole
    issuer: str
    subject: str


class ActionKind(StrEnum):
    """Whether an action still waits (and is held) or has happened (and is reviewed afterwards)."""

    PROPOSAL = "proposal"
    FACT = "fact"


class Risk(StrEnum):
    """How much a wrong decision costs; a policy rule says it."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Seat:
    """One place among those who must approve, for one person: in one of ``groups``, or named in ``people``."""

    name: str
    groups: tuple[str, ...]
    people: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of the week. ``start`` and ``end`` are minutes after midnight in ``zone``, an IANA name.

    An ``end`` that is not after ``start`` is on the next day. It starts on ``days``, ``mon`` to ``sun``.
    """

    days: tuple[str, ...]
    start: int
    end: int
    zone: str


@dataclass(frozen=True, slots=True)
class Step:
    """From ``after`` ms after the request was opened, these are asked too, for any seat."""

    after: int
    groups: tuple[str, ...]
    people: tuple[str, ...] = ()
    fallback: bool = False  # the last resort before silence denies


@dataclass(frozen=True, slots=True)
class Requirement:
    """Who must approve: ``quorum`` different people, each in one of ``groups`` or named in ``people``.

    With ``seats``, ``quorum`` of them must be filled, each by a different person, and ``groups`` and ``people`` are
    empty. Groups and people are canonical ids written ``issuer:id`` (``local:security``, ``local:ada``).
    """

    groups: tuple[str, ...]
    people: tuple[str, ...]
    quorum: int
    seats: tuple[Seat, ...] = ()
    denials: int = 1  # how many different people deny it
    hours: tuple[Window, ...] = ()  # when an approval may be given; always if empty
    steps: tuple[Step, ...] = ()  # escalation, in order of time
    break_glass: Seat | None = None  # who may approve alone in an emergency; reviewed afterwards
    channels: tuple[str, ...] = ()  # the reviewer's, by name, that tell people of it; empty: as those are routed


@dataclass(frozen=True, slots=True)
class HeldRecord:
    """A record that waits for its verdict: sanitized, with where it goes once released."""

    topic: str  # where it is released to
    partition: int
    key: bytes | None
    value: bytes
    headers: tuple[Header, ...]
    timestamp: int


@dataclass(frozen=True, slots=True)
class ReviewRequest:
    """A privileged action that a person has to decide on, as a reviewer may see it."""

    request_id: str
    version: int  # goes up when what was asked changes; votes are for one version
    kind: ActionKind
    position: Position
    created: int
    expires: int
    action: str
    resource: str
    environment: str
    reason: str  # why the agent says it does this, sanitized; may be empty
    params: str  # JSON, sanitized
    principals: tuple[Principal, ...]  # never empty
    rule_id: str
    rule_reason: str  # why the policy asks
    risk: Risk
    requirement: Requirement
    policy: str  # digest
    nonce: str
    binding: str  # HMAC over the raw action, target, parameters, principals, policy, nonce, expiry
    view_digest: str  # SHA-256 over the canonical form of what a reviewer is shown
    likeness: str  # HMAC over the raw action, target, parameters and principals: equal for like requests
    redactions: tuple[Redaction, ...]
    held: HeldRecord | None  # None for a fact
    review_of: str | None = None  # the request whose glass was broken, if this is the review after it


class VerdictKind(StrEnum):
    """How a request ended. There is exactly one for each request."""

    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"  # silence is a denial
    FOLDED = "folded"  # a repeat of another pending request, which decided for it; never released
    WITHDRAWN = "withdrawn"  # a party to it took it back; never released


class Decision(StrEnum):
    """What a person voted."""

    APPROVE = "approve"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Vote:
    """One person's decision on one version of a request."""

    issuer: str
    subject: str
    decision: Decision
    reason: str  # sanitized
    at: int
    channel: str  # page, cli, api, slack, teams
    right: str = ""  # the group or name that let them vote, as it was then
    acting_for: str = ""  # issuer:subject of who delegated that right to them
    break_glass: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The end of a request, as written to the decisions topic."""

    request_id: str
    version: int
    verdict: VerdictKind
    position: Position
    decided: int
    reason: str
    votes: tuple[Vote, ...]
    policy: str
    binding: str
    view_digest: str
    folded_into: str | None = None  # the request that decided for this one
    released: bool = False  # whether the held record went to the sanitized topic in the same commit
    break_glass: bool = False  # one person alone approved it in an emergency; an after-review was opened


@dataclass(frozen=True, slots=True)
class ReviewEvent:
    """Something that happened to a request at the reviewer's. In order of ``sequence``: all that ever happened.

    ``event`` is ``received``, ``revised``, ``repeat``, ``unfolded``, ``vote approve``, ``vote deny``, ``asked``,
    ``answered``, ``escalated``, ``refused``, how it ended (``approved``, ``denied``, ``expired``, ``folded``,
    ``withdrawn``), or ``began``, of no request: a reviewer with an empty database has read the log up to here.
    The gate adds what moves no review: ``gate allowed``, ``gate denied``, ``redeemed``, ``redemption refused``.
    """

    sequence: int  # grows, with gaps
    request_id: str
    version: int
    event: str
    at: int
    actor: str | None = None  # issuer:subject; None for what the service does by itself
    channel: str | None = None
    detail: str = ""  # sanitized
    position: Position | None = None  # of the request in the approvals topic, where it was received or revised
    vote: Vote | None = None
    folded_into: str | None = None  # the request that this one repeats from now on


class PeopleChange(StrEnum):
    """What changed about who may decide."""

    BARRED = "barred"  # out, whatever a provider or a list of people says
    LET_IN = "let_in"  # no longer barred
    DELEGATED = "delegated"
    REVOKED = "revoked"  # a delegation


class Delegated(NamedTuple):
    """A right to decide, lent ``to`` an issuer:subject ``until`` ms since the epoch; without groups, all of it."""

    id: str
    to: str
    until: int
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PeopleEvent:
    """A change at the reviewer's of who may decide. ``sequence`` counts together with that of `ReviewEvent`."""

    sequence: int
    event: PeopleChange
    who: str  # issuer:subject; of a delegation, whose right it is
    at: int
    actor: str | None = None  # issuer:subject; None for whoever runs the service
    channel: str | None = None
    delegation: Delegated | None = None
