"""From a privileged action to the request that a reviewer reads: sanitized, bound to the raw action."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from detectors.errors import SluicegateError
from engine.actions.decide import Decision
from engine.actions.extract import extract
from engine.actions.model import Action, Json, Number
from engine.actions.profile import Profile
from engine.actions.tree import parse
from engine.binding import Binder, view_digest
from engine.cleaning import Cleaner
from engine.ledger.model import (
    ActionKind,
    HeldRecord,
    Principal,
    PrincipalRole,
    Redaction,
    ReviewRequest,
    Risk,
)
from engine.policy.compiled import Policy
from engine.records import ActivityRecord

READABLE = frozenset({"EMAIL_ADDRESS", "PERSON", "USERNAME", "PHONE_NUMBER", "IP_ADDRESS"})
"""Entities that may stay readable in a principal's id: a reviewer must know who asks."""


UNKNOWN = Principal(PrincipalRole.INITIATOR, "unknown", "unknown")
"""Who initiated a fact that does not say who did."""


class NoPrincipal(SluicegateError):
    """An action does not say who initiated it, or says it in a way that must not be shown."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a record asks for: all its actions, the one that decides, and how it was decided."""

    actions: Sequence[Action]
    decisive: Action
    decision: Decision


def review_request(
    asked: Asked,
    record: ActivityRecord,
    sanitized: ActivityRecord,
    redactions: tuple[Redaction, ...],
    *,
    policy: Policy,
    cleaner: Cleaner,
    binder: Binder,
    profiles: Sequence[Profile],
    release_to: str,
    now: int,
) -> ReviewRequest:
    """The request for ``asked``. A proposal's request holds the sanitized record.

    Raises NoPrincipal for a proposal of nobody, since what nobody asks for nobody can approve. A fact of
    nobody has happened all the same: it is reviewed with an unknown initiator.
    """
    action, decision = asked.decisive, asked.decision
    rule = decision.rule
    if rule is None:
        raise ValueError("only an action that a rule matched is reviewed")
    fact = action.kind is ActionKind.FACT
    principals = _witnessed(asked.actions, cleaner) if fact else _principals(asked.actions, cleaner)
    shown = _shown(asked, sanitized, policy, profiles, cleaner)
    requirement, waits = policy.review(rule, action, at=now)
    expires = now + waits
    nonce = binder.nonce(record.position, now)
    view: Json = {
        **shown,
        "principals": [[p.role.value, p.issuer, p.subject] for p in principals],
        "rule": rule.id,
        "risk": rule.risk.value,
    }
    return ReviewRequest(
        request_id=binder.request_id(record.position),
        version=1,
        kind=action.kind,
        position=record.position,
        created=now,
        expires=expires,
        action=shown["action"],
        resource=shown["resource"],
        environment=shown["environment"],
        reason=shown["reason"],
        params=shown["params"],
        principals=principals,
        rule_id=rule.id,
        rule_reason=rule.reason,
        risk=Risk(rule.risk),
        requirement=requirement,
        policy=policy.digest,
        nonce=nonce,
        binding=binder.binding(asked.actions, policy.digest, nonce, expires),
        view_digest=view_digest(view),
        likeness=binder.likeness(asked.actions),
        redactions=redactions,
        held=None if fact else _held(sanitized, release_to),
    )


def header_texts(record: ActivityRecord) -> Mapping[str, str]:
    """The record's headers as text, for profiles that look for principals there."""
    return {name: value.decode("utf-8", "replace") for name, value in record.headers if value is not None}


def _held(sanitized: ActivityRecord, topic: str) -> HeldRecord:
    return HeldRecord(
        topic,
        sanitized.position.partition,
        sanitized.key,
        sanitized.value or b"",
        sanitized.headers,
        sanitized.timestamp,
    )


def _principals(actions: Sequence[Action], cleaner: Cleaner) -> tuple[Principal, ...]:
    out: dict[tuple[str, str, str], Principal] = {}
    for action in actions:
        if not action.principals:
            raise NoPrincipal
        for principal in action.principals:
            hidden = cleaner.scan(principal.subject.encode("utf-8", "replace"))
            if any(finding.entity not in READABLE for finding in hidden):
                if principal.role is PrincipalRole.BENEFICIARY:
                    continue  # it is no id of anybody: a path that says whom a grant is for found something else
                raise NoPrincipal
            out.setdefault((principal.role, principal.issuer, principal.subject), principal)
    return tuple(out.values())


def _witnessed(actions: Sequence[Action], cleaner: Cleaner) -> tuple[Principal, ...]:
    """Who took part in what has happened, as far as it is known and may be shown."""
    try:
        return _principals(actions, cleaner)
    except NoPrincipal:
        return (UNKNOWN,)


def _shown(
    asked: Asked, sanitized: ActivityRecord, policy: Policy, profiles: Sequence[Profile], cleaner: Cleaner
) -> dict[str, str]:
    """What the sanitized record says of the action, in words that may be shown.

    Where a redaction changed the record so that its actions cannot be told apart in it any more, only their
    scrubbed names are shown.
    """
    trees = parse(sanitized.value or b"", max_depth=policy.file.limits.depth)
    clean = extract(trees, profiles, policy.principals, header_texts(sanitized))
    action = asked.decisive
    if len(clean) != len(asked.actions):
        texts = (action.action, action.resource, action.environment)
        name, resource, environment = (cleaner.scrub(text) for text in texts)
        return _view(name, resource, environment, "", None)
    at = next(i for i, one in enumerate(asked.actions) if one is action)
    one = clean[at]
    if len(clean) == 1:
        return _view(one.action, one.resource, one.environment, one.reason, one.params)
    calls: list[Json] = [{"action": each.action, "resource": each.resource, "params": each.params} for each in clean]
    return _view(one.action, one.resource, one.environment, one.reason, calls)


def _view(action: str, resource: str, environment: str, reason: str, params: Json) -> dict[str, str]:
    texts = {"action": action, "resource": resource, "environment": environment, "reason": reason}
    return {name: _utf8(text) for name, text in texts.items()} | {"params": written(params)}


def written(value: Json) -> str:
    """``value`` as JSON text, numbers as they were written."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        members = (f"{written(key)}:{written(item)}" for key, item in value.items())
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(written(item) for item in value) + "]"
    if isinstance(value, str):
        return orjson.dumps(_utf8(value)).decode()
    return orjson.dumps(value).decode()


def _utf8(text: str) -> str:
    """``text`` with lone surrogates replaced, since no encoding can carry them."""
    return text.encode("utf-8", "replace").decode()
