"""What the policy says of a proposed action, and the review request for it, if people have to be asked.

The request is that which the stream processor makes of the same action in a record: sanitized, and bound to the raw
values by keyed digests. Raw values end here.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from approvals.gate.authority import Authority
from approvals.gate.errors import Code, Unfit
from approvals.gate.proposal import ProposalIn
from approvals.gate.tokens import digest
from approvals.person import Identity
from detectors.errors import BudgetExceeded
from engine.actions.decide import Effect
from engine.actions.model import Action, Json
from engine.actions.profile import Profile, shipped_profiles
from engine.binding import Binder
from engine.cleaning import Cleaner
from engine.ledger.model import ActionKind, Principal, ReviewRequest
from engine.names import NameReader, OverBudget
from engine.policy.compiled import Policy
from engine.records import ActivityRecord, Header, Position
from engine.review import READABLE, Asked, review_request, written
from engine.rewriting import Cleaned

PREFIX = "sluicegate-gate-"
"""What the headers of a held record begin with that came to the gate."""
SOURCE = "(gate)"
"""The topic of the positions of what came to the gate: no topic of a log can be called so."""
PARTITION = 0
_FORM = "generic"
_OFFSETS = 2**62
_UNLISTED = "no rule of the policy allows this action"


@dataclass(frozen=True, slots=True)
class Judged:
    """What is done about a proposal. Nothing in it is raw.

    ``likeness`` is equal for the same proposal again. ``digest`` binds the token; ``shown`` is what may be told of
    the action: its name, resource and environment. ``request`` is there if people have to be asked.
    """

    request_id: str
    agent: Identity
    audience: str
    effect: Effect
    likeness: str
    digest: str
    shown: tuple[str, str, str]
    rule_id: str
    reason: str
    request: ReviewRequest | None


class Judge:
    """Judges by ``policy``, and sanitizes by ``cleaner``. Safe to use from several threads.

    ``secret`` keys ids, salts, and what binds a decision to raw values. ``release_to`` is the topic to which what was
    held goes once it is approved.
    """

    def __init__(self, policy: Policy, cleaner: Cleaner, *, secret: bytes, release_to: str) -> None:
        self.policy = policy
        self._cleaner, self._release_to = cleaner, release_to
        self._binder, self._secret = Binder(secret), secret
        self._profiles: Sequence[Profile] = [one for one in shipped_profiles() if one.name == _FORM]
        ner = policy.file.ner
        self._names = NameReader(policy.names, ner.fields, cleaner.limits) if policy.names is not None else None
        self._reading = threading.Lock()  # a detector's scratch memory is for one thread at a time

    def __repr__(self) -> str:
        return "Judge()"

    def salt(self, request_id: str) -> str:
        """What is digested with the parameters of a request, and stands in its token alone."""
        return self._keyed("salt", request_id)[:32]

    def judge(self, asked: ProposalIn, params: Json, authority: Authority, key: str, *, at: int) -> Judged:
        """What is done about ``asked`` at ``at`` (ms since the epoch). The same ``key`` gives the same request id.

        Raises Unfit, also for what cannot be shown to anybody.
        """
        principals = authority.principals(asked.claimed())
        agent = Identity(principals[0].issuer, principals[0].subject)
        action = Action(
            ActionKind.PROPOSAL,
            _FORM,
            asked.action,
            asked.resource,
            asked.environment,
            asked.reason,
            params,
            principals,
        )
        number = int(self._keyed("position", f"{authority.name}\0{key}")[:16], 16) % _OFFSETS
        position = Position(SOURCE, PARTITION, number)
        request_id = self._binder.request_id(position)
        bound = digest(asked.action, asked.resource, params, salt=self.salt(request_id))
        audience = asked.audience or authority.own_audience
        headers = ((f"{PREFIX}digest", bound.encode()), (f"{PREFIX}audience", audience.encode()))
        record = ActivityRecord(position, None, _record(action), headers, at)
        with self._reading:
            cleaned = self._clean(record, principals)
            try:
                decision = self.policy.actions.decide(action)
                made = self._request(action, record, cleaned, at) if decision.effect is Effect.REVIEW else None
                shown = tuple(
                    self._cleaner.scrub(text) for text in (action.action, action.resource, action.environment)
                )
            except BudgetExceeded:
                raise Unfit(Code.INVALID, "the parameters hold more than the policy reads") from None
        rule = decision.rule
        unlisted = rule is None and self.policy.file.gate.unlisted == "deny"
        return Judged(
            request_id,
            agent,
            audience,
            Effect.DENY if unlisted else decision.effect,
            self._binder.likeness([action]),
            bound,
            (shown[0], shown[1], shown[2]),
            rule.id if rule else "",
            rule.reason if rule else _UNLISTED if unlisted else "",
            made,
        )

    def _request(self, action: Action, record: ActivityRecord, cleaned: Cleaned, at: int) -> ReviewRequest:
        return review_request(
            Asked([action], action, self.policy.actions.decide(action)),
            record,
            record._replace(value=cleaned.text),
            cleaned.redactions,
            policy=self.policy,
            cleaner=self._cleaner,
            binder=self._binder,
            profiles=self._profiles,
            release_to=self._release_to,
            now=at,
        )

    def _clean(self, record: ActivityRecord, principals: Sequence[Principal]) -> Cleaned:
        """``record`` sanitized, every scalar read, names in free text included."""
        value, limit = record.value or b"", self.policy.file.limits.bytes
        cleaned = None
        try:
            if len(value) <= limit:
                found = self._names.read([record], lambda _: "json", limit).get(0) if self._names else None
                if not isinstance(found, OverBudget):
                    cleaned = self._cleaner.clean_all(value, "json", names=found)
        except BudgetExceeded:
            cleaned = None
        if cleaned is None:
            raise Unfit(Code.INVALID, "the parameters hold more than the policy reads")
        if cleaned.dropped:
            raise Unfit(Code.INVALID, "by the policy nothing of this may be kept, so nobody can be asked about it")
        for principal in principals:
            hidden = self._cleaner.scan(principal.subject.encode("utf-8", "replace"))
            if any(finding.entity not in READABLE for finding in hidden):
                raise Unfit(Code.PRINCIPALS, "the id of a principal looks like a secret")
        return cleaned

    def _keyed(self, purpose: str, text: str) -> str:
        said = f"gate {purpose}".encode() + b"\0" + text.encode("utf-8", "surrogatepass")
        return hmac.new(self._secret, said, hashlib.sha256).hexdigest()


def gate_headers(headers: Sequence[Header]) -> tuple[str, str] | None:
    """The digest and the audience in the headers of a held record; None if it did not come to the gate."""
    said = {name: value.decode("utf-8", "replace") for name, value in headers if value is not None}
    found = said.get(f"{PREFIX}digest"), said.get(f"{PREFIX}audience")
    return (found[0], found[1]) if found[0] and found[1] else None


def _record(action: Action) -> bytes:
    """The action as the generic record that says the same; who it is for stands beside it in the request."""
    members: dict[str, Json] = {
        "actor": f"{action.principals[0].issuer}:{action.principals[0].subject}",
        "action": action.action,
        "resource": action.resource,
        "environment": action.environment,
        "reason": action.reason,
        "params": action.params,
    }
    return written(members).encode()
